/* SPDX-License-Identifier: MIT */
#include "render/render_impl.h"

int render_create(const struct render_impl *impl, const struct render_options *options,
		  uv_loop_t *loop, struct render **out)
{
	int error = impl->create(options, loop, out);
	if (error == 0) {
		(*out)->impl = impl;
	}
	return error;
}

void render_destroy(struct render *render, void (*done)(void *data), void *data)
{
	render->impl->destroy(render, done, data);
}

void render_context_create(struct render *render, uint32_t context, uint32_t capset,
			   const char *name, uint32_t name_length, render_done done, void *data)
{
	render->impl->context_create(render, context, capset, name, name_length, done, data);
}

void render_context_destroy(struct render *render, uint32_t context, render_done done, void *data)
{
	render->impl->context_destroy(render, context, done, data);
}

void render_blob_create(struct render *render, const struct render_blob *blob,
			render_blob_done done, void *data)
{
	render->impl->blob_create(render, blob, done, data);
}

void render_resource_import(struct render *render, uint32_t resource, enum render_memory kind,
			    int fd, uint64_t size)
{
	render->impl->resource_import(render, resource, kind, fd, size);
}

void render_resource_unref(struct render *render, uint32_t resource)
{
	render->impl->resource_unref(render, resource);
}

void render_context_attach(struct render *render, uint32_t context, uint32_t resource)
{
	render->impl->context_attach(render, context, resource);
}

void render_context_detach(struct render *render, uint32_t context, uint32_t resource)
{
	render->impl->context_detach(render, context, resource);
}

void render_submit(struct render *render, const struct render_submit *submit, render_done done,
		   void *data)
{
	render->impl->submit(render, submit, done, data);
}

void render_context_gate(struct render *render, uint32_t context, enum hesper_gate_state state)
{
	render->impl->context_gate(render, context, state);
}

void render_reset(struct render *render)
{
	render->impl->reset(render);
}

void render_pause(struct render *render, bool paused)
{
	render->impl->pause(render, paused);
}
