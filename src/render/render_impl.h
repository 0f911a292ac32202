/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_RENDER_IMPL_H
#define HESPER_RENDER_RENDER_IMPL_H

#include "render/render.h"
#include "util/mailbox.h"

/*
 * For renderers. A renderer is a few synchronous functions that all run on the render thread;
 * render.c makes them asynchronous.
 */
enum render_op {
	RENDER_OP_CONTEXT_CREATE,
	RENDER_OP_CONTEXT_DESTROY,
	RENDER_OP_BLOB_CREATE,
	RENDER_OP_RESOURCE_IMPORT,
	RENDER_OP_RESOURCE_UNREF,
	RENDER_OP_ATTACH,
	RENDER_OP_DETACH,
	RENDER_OP_SUBMIT,
	RENDER_OP_RESET,
};

struct render_request {
	struct letter letter;
	struct render *render;
	enum render_op op;
	uint32_t context;
	uint32_t resource;
	union {
		struct {
			uint32_t capset;
			uint32_t name_length;
			char name[64];
		} create;
		struct {
			struct render_blob args;
			struct memory *memory; /* result */
			uint32_t map_info; /* result */
		} blob;
		struct {
			enum render_memory kind;
			int fd; /* -1 once taken */
			uint64_t size;
		} import;
		struct render_submit submit;
	};
	int status; /* result */
	render_done done;
	render_blob_done blob_done;
	void *data;
};

struct render_impl {
	const char *name;
	/* loop: of the render thread. capset: to fill. Negative errno. */
	int (*init)(struct render *render, const struct render_options *options, uv_loop_t *loop,
		    struct render_capset *capset, void **state);
	/* Carries a request out and sets its results. */
	void (*execute)(void *state, struct render_request *request);
	void (*finish)(void *state);
};

/* Any thread. Never blocks. */
void render_report_fence(struct render *render, uint32_t context, uint32_t ring, uint64_t fence_id);
/* Render thread. */
void render_report_lost(struct render *render, uint32_t context);

#endif
