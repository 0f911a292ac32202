/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_CONFINE_H
#define HESPER_HESPERD_CONFINE_H

#include <jansson.h>

#include "hesperd/memory_path.h"
#include "hesperd/options.h"
#include "render/spawner.h"
#include "sandbox/errands.h"
#include "sandbox/sandbox.h"

/*
 * hesperd's way through the stages of src/sandbox, in the order of these functions. One thread.
 */
struct confine {
	struct sandbox sandbox;
	bool own_users; /* in a user namespace */
	struct sandbox_files *files; /* of the renderers, in the spawner; NULL: no Landlock */
	struct sandbox_filter *spawner_filter;
	struct sandbox_filter *render_filter;
	struct spawner_hooks hooks;
	const struct hesperd_options *options; /* what follows is for the spawner */
	const char *program;
	char *const *environment;
	char *shader_cache; /* its place; owned */
};

/*
 * Finds out what works here; then the device is a process of its own, with namespaces of its own
 * (keeper.h). Nothing happens when --sandbox is off. Negative errno after a line in the log.
 */
int confine_begin(struct confine *confine, const struct hesperd_options *options,
		  struct errands *errands);

/*
 * What the spawner and the renderers are confined by: confine->hooks. program: hesper-render. Adds
 * to the renderers' environment. Negative errno after a line in the log.
 */
int confine_renderers(struct confine *confine, const struct hesperd_options *options,
		      const char *program, struct memory_path *memory);

/* The device itself, for good: everything that has a path is open. Negative errno after a line. */
int confine_self(struct confine *confine);

void confine_finish(struct confine *confine);

/* hesperd --check-sandbox: what works here, as JSON. Exit status. */
int confine_print(void);

#endif
