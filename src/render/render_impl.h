/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_RENDER_IMPL_H
#define HESPER_RENDER_RENDER_IMPL_H

#include "render/render.h"

/*
 * For renderers: each has a struct render as its first member. The functions are those of render.h,
 * on the same thread and with the same promises.
 */
struct render_impl {
	const char *name;
	int (*create)(const struct render_options *options, uv_loop_t *loop, struct render **out);
	void (*destroy)(struct render *render, void (*done)(void *data), void *data);
	void (*context_create)(struct render *render, uint32_t context, uint32_t capset,
			       const char *name, uint32_t name_length, render_done done,
			       void *data);
	void (*context_destroy)(struct render *render, uint32_t context, render_done done,
				void *data);
	void (*blob_create)(struct render *render, const struct render_blob *blob,
			    render_blob_done done, void *data);
	void (*resource_import)(struct render *render, uint32_t resource, enum render_memory kind,
				int fd, uint64_t size);
	void (*resource_unref)(struct render *render, uint32_t resource);
	void (*context_attach)(struct render *render, uint32_t context, uint32_t resource);
	void (*context_detach)(struct render *render, uint32_t context, uint32_t resource);
	void (*submit)(struct render *render, const struct render_submit *submit, render_done done,
		       void *data);
	void (*context_gate)(struct render *render, uint32_t context, enum hesper_gate_state state);
	void (*reset)(struct render *render);
	void (*pause)(struct render *render, bool paused);
};

struct render {
	const struct render_impl *impl;
};

#endif
