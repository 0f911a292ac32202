/* SPDX-License-Identifier: MIT */
#include "hesperd/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hesperd/keeper.h"
#include "render/server_places.h"
#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "util/log.h"

#define ALL_STAGES ((1u << SANDBOX_STAGES) - 1)

/* Of one context: the server, its worker, and the threads of a driver on a large host. */
#define RENDER_MAX_TASKS 4096

static int fail(const char *what, int error)
{
	log_error("sandbox: %s failed: %s", what, strerror(-error));
	return error;
}

static int enter_filter(enum sandbox_profile profile, const char **step)
{
	struct sandbox_filter *filter;
	int error = sandbox_filter_create(profile, &filter);
	if (error < 0) {
		*step = "libseccomp";
		return error;
	}
	error = sandbox_filter_enter(filter, step);
	sandbox_filter_destroy(filter);
	return error;
}

int confine_begin(struct confine *confine, const struct hesperd_options *options,
		  struct errands *errands)
{
	const char *step = "";
	struct keeper_sweeper sweeper;
	int error =
		sandbox_begin(&confine->sandbox, (enum sandbox_mode)options->sandbox, ALL_STAGES);
	if (error < 0 || options->sandbox == SANDBOX_OFF) {
		return error;
	}
	/* Before there is a pid namespace whose end would be its own. */
	keeper_start_sweeper(&sweeper, errands);
	if (sandbox_has(&confine->sandbox, SANDBOX_NAMESPACES)) {
		error = sandbox_unshare(&confine->own_users, &step);
	}
	if (error < 0) {
		return fail(step, error);
	}
	error = keeper_split(errands, &sweeper);
	if (error < 0) {
		return fail("fork", error);
	}
	/* libuv carries some of its calls out by a ring, past every filter, if it gets one. */
	if (sandbox_has(&confine->sandbox, SANDBOX_SYSTEM_CALLS)) {
		error = enter_filter(SANDBOX_NO_RINGS, &step);
	}
	return error < 0 ? fail(step, error) : 0;
}

/* --- spawner and renderers ---------------------------------------------------------------------- */

/* In the spawner, which has closed all that was open. */
static int list_files(struct confine *confine, const char **step)
{
	const struct hesperd_options *options = confine->options;
	int error = sandbox_files_create(&confine->files, step);
	if (error < 0) {
		return error;
	}
	sandbox_files_allow_vulkan(confine->files);
	/* The layer's place. */
	for (size_t i = 0; confine->environment[i] != NULL; i++) {
		sandbox_files_allow_list(confine->files, strchr(confine->environment[i], '=') + 1);
	}
	sandbox_files_allow_list(confine->files, options->render_read);
	sandbox_files_allow_program(confine->files, confine->program);
	for (size_t i = 0; i < RENDER_SERVER_PLACES; i++) {
		sandbox_files_allow_program(confine->files, render_server_places[i]);
	}
	const char *server = options->render_server != NULL ? options->render_server
							    : getenv("RENDER_SERVER_EXEC_PATH");
	if (server != NULL) {
		sandbox_files_allow_program(confine->files, server);
	}
	if (confine->shader_cache != NULL) {
		sandbox_files_allow(confine->files, confine->shader_cache, SANDBOX_WRITE);
	}
	return 0;
}

static void enter_spawner(void *data)
{
	struct confine *confine = data;
	const char *step = "";
	int error = 0;
	sandbox_hide();
	if (sandbox_has(&confine->sandbox, SANDBOX_LANDLOCK)) {
		error = list_files(confine, &step);
	}
	if (error == 0) {
		/* It makes pid namespaces; without, none is needed. */
		error = sandbox_drop_privileges(
			confine->hooks.namespaces != 0 ? 1ull << CAP_SYS_ADMIN : 0, &step);
	}
	if (error == 0 && confine->files != NULL) {
		error = sandbox_files_enter(confine->files, &step);
	}
	if (error == 0 && confine->spawner_filter != NULL) {
		error = sandbox_filter_enter(confine->spawner_filter, &step);
	}
	if (error < 0) {
		fail(step, error);
		_exit(126);
	}
}

static int enter_program(void *data)
{
	const struct confine *confine = data;
	const struct rlimit tasks = {RENDER_MAX_TASKS, RENDER_MAX_TASKS};
	int error = sandbox_drop_privileges(0, NULL);
	/* Once more, below the spawner's: no signals to that, either. */
	if (error == 0 && confine->files != NULL) {
		error = sandbox_files_enter(confine->files, NULL);
	}
	/* Elsewhere the user's other programs would count, too. */
	if (confine->own_users) {
		setrlimit(RLIMIT_NPROC, &tasks);
	}
	if (error == 0 && confine->render_filter != NULL) {
		error = sandbox_filter_enter(confine->render_filter, NULL);
	}
	return error;
}

static int add_environment(struct memory_path *memory, const char *name, const char *value)
{
	size_t count = 0;
	while (memory->environment[count] != NULL) {
		count++;
	}
	if (count + 1 == sizeof(memory->environment) / sizeof(memory->environment[0]) ||
	    asprintf(&memory->environment[count], "%s=%s", name, value) < 0) {
		memory->environment[count] = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Mesa's variable and NVIDIA's. Without a place the cache is off: the user's own is not for guests. */
static int give_shader_cache(struct confine *confine, struct memory_path *memory)
{
	int error;
	confine->shader_cache = sandbox_make_shader_cache(confine->options->name);
	if (confine->shader_cache == NULL) {
		log_warn(
			"there is no place for a shader cache: renderers compile all shaders anew");
		error = add_environment(memory, "MESA_SHADER_CACHE_DISABLE", "true");
		return error < 0 ? error : add_environment(memory, "__GL_SHADER_DISK_CACHE", "0");
	}
	error = add_environment(memory, "MESA_SHADER_CACHE_DIR", confine->shader_cache);
	return error < 0 ? error
			 : add_environment(memory, "__GL_SHADER_DISK_CACHE_PATH",
					   confine->shader_cache);
}

int confine_renderers(struct confine *confine, const struct hesperd_options *options,
		      const char *program, struct memory_path *memory)
{
	const struct sandbox *sandbox = &confine->sandbox;
	int error = 0;
	if (sandbox->mode == SANDBOX_OFF) {
		return 0;
	}
	confine->options = options;
	confine->program = program;
	confine->environment = memory->environment;
	if (sandbox_has(sandbox, SANDBOX_LANDLOCK)) {
		error = give_shader_cache(confine, memory);
	}
	if (error == 0 && sandbox_has(sandbox, SANDBOX_SYSTEM_CALLS)) {
		error = sandbox_filter_create(SANDBOX_SPAWNER, &confine->spawner_filter);
		if (error == 0) {
			error = sandbox_filter_create(SANDBOX_RENDER, &confine->render_filter);
		}
		if (error < 0) {
			fail("libseccomp", error);
		}
	}
	confine->hooks = (struct spawner_hooks){
		.namespaces = sandbox_has(sandbox, SANDBOX_NAMESPACES) ? CLONE_NEWPID : 0,
		.spawner = enter_spawner,
		.program = enter_program,
		.data = confine,
	};
	return error;
}

/* --- hesperd ------------------------------------------------------------------------------------- */

static int enter_landlock(const char **step)
{
	struct sandbox_files *none;
	int error = sandbox_files_create(&none, step);
	if (error == 0) {
		error = sandbox_files_enter(none, step);
		sandbox_files_destroy(none);
	}
	return error;
}

int confine_self(struct confine *confine)
{
	const struct sandbox *sandbox = &confine->sandbox;
	const char *step = "";
	int error = 0;
	if (sandbox->mode == SANDBOX_OFF) {
		return 0;
	}
	sandbox_hide();
	if (sandbox_has(sandbox, SANDBOX_EMPTY_ROOT)) {
		error = sandbox_empty_root(&step);
	}
	if (error == 0 && sandbox_has(sandbox, SANDBOX_PRIVILEGES)) {
		error = sandbox_drop_privileges(0, &step);
	}
	if (error == 0 && sandbox_has(sandbox, SANDBOX_LANDLOCK)) {
		error = enter_landlock(&step);
	}
	if (error == 0 && sandbox_has(sandbox, SANDBOX_SYSTEM_CALLS)) {
		error = enter_filter(SANDBOX_HESPERD, &step);
	}
	return error < 0 ? fail(step, error) : 0;
}

void confine_finish(struct confine *confine)
{
	sandbox_filter_destroy(confine->spawner_filter);
	sandbox_filter_destroy(confine->render_filter);
	free(confine->shader_cache);
}

int confine_print(void)
{
	struct sandbox sandbox;
	int error = sandbox_examine(&sandbox);
	if (error < 0) {
		fail("trying it", error);
		return 1;
	}
	json_t *list = json_array();
	for (enum sandbox_stage stage = 0; stage < SANDBOX_STAGES; stage++) {
		const struct sandbox_ability *ability = &sandbox.abilities[stage];
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:s, s:s, s:s}", "stage",
						sandbox_stage_name(stage), "works", ability->works,
						"step", ability->step, "error",
						ability->works ? "" : strerror(ability->error),
						"loss", sandbox_stage_loss(stage)));
	}
	json_dumpf(list, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(list);
	return 0;
}
