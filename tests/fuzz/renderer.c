/* SPDX-License-Identifier: MIT */
#include "renderer.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/idmap.h"
#include "util/list.h"

#define MAX_BLOB_BYTES (1ull << 30)
#define MAX_FENCES 512

struct request {
	struct list link;
	uint32_t context;
	render_done done;
	render_blob_done blob_done;
	void *data;
	struct render_blob blob;
	bool fence;
	uint32_t ring;
	uint64_t fence_id;
};

struct fence {
	uint32_t context;
	uint32_t ring;
	uint64_t id;
};

struct renderer {
	struct render render;
	const struct render_options *options;
	enum renderer_manner manner;
	struct list requests;
	struct fence fences[MAX_FENCES];
	unsigned fence_count;
	struct idmap contexts; /* that live: id → the renderer */
	struct idmap closed; /* likewise, whose gate is */
};

static struct renderer *of(const struct render *render)
{
	return container_of(render, struct renderer, render);
}

static void forget_fences(struct renderer *renderer, uint32_t context)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < renderer->fence_count; i++) {
		if (renderer->fences[i].context != context) {
			renderer->fences[kept++] = renderer->fences[i];
		}
	}
	renderer->fence_count = kept;
}

static void give_fence(struct renderer *renderer, const struct fence *fence)
{
	renderer->options->callbacks->fence(renderer->options->data, fence->context, fence->ring,
					    fence->id);
}

static void give_blob(const struct request *request, enum renderer_answer how)
{
	struct memory *memory = NULL;
	uint32_t map_info = 0;
	int status = how == RENDERER_REFUSE ? -EIO : 0;
	if (status == 0 && how != RENDERER_OPAQUE) {
		memory = request->blob.size <= MAX_BLOB_BYTES
				 ? memory_create_shm("fuzz-blob", request->blob.size)
				 : NULL;
		status = memory == NULL ? -ENOMEM : 0;
	}
	if (status == 0 && (request->blob.flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE) != 0) {
		map_info = VIRTIO_GPU_MAP_CACHE_CACHED;
	}
	request->blob_done(request->data, status, memory, map_info);
}

/* Takes over the request. */
static void give(struct renderer *renderer, struct request *request, enum renderer_answer how)
{
	list_remove(&request->link);
	if (request->blob_done != NULL) {
		give_blob(request, how);
		free(request);
		return;
	}
	const struct fence fence = {request->context, request->ring, request->fence_id};
	bool refused = how == RENDERER_REFUSE;
	bool signal = request->fence && !refused;
	if (signal && (how == RENDERER_FENCE_LATER || renderer->fence_count > 0)) {
		/* Fences of a ring signal in order; that all rings do is the easy way to it. */
		if (renderer->fence_count < MAX_FENCES) {
			renderer->fences[renderer->fence_count++] = fence;
		}
		signal = false;
	}
	if (signal && how == RENDERER_FENCE_FIRST) {
		give_fence(renderer, &fence);
		signal = false;
	}
	request->done(request->data, refused ? -EIO : 0);
	if (signal) {
		give_fence(renderer, &fence);
	}
	free(request);
}

static void fail_all(struct renderer *renderer, uint32_t context)
{
	struct list *item;
	struct list *tmp;
	struct list failing;
	list_init(&failing);
	list_for_each_safe (item, tmp, &renderer->requests) {
		struct request *request = container_of(item, struct request, link);
		if (context == 0 || request->context == context) {
			list_remove(item);
			list_append(&failing, item);
		}
	}
	while (!list_empty(&failing)) {
		give(renderer, container_of(failing.next, struct request, link), RENDERER_REFUSE);
	}
}

static void take(struct renderer *renderer, const struct request *values)
{
	struct request *request = malloc(sizeof(*request));
	FUZZ_CHECK(request != NULL, "no memory");
	*request = *values;
	bool alone = true;
	struct list *item;
	list_for_each (item, &renderer->requests) {
		alone &= container_of(item, struct request, link)->context != values->context;
	}
	list_append(&renderer->requests, &request->link);
	bool dead = idmap_get(&renderer->contexts, values->context) == NULL;
	if (dead || (renderer->manner == RENDERER_INSIDE && alone)) {
		give(renderer, request, dead ? RENDERER_REFUSE : RENDERER_OK);
	}
}

/* --- what the device asks for --------------------------------------------------------------- */

static void context_create(struct render *render, uint32_t context, uint32_t capset,
			   const char *name, uint32_t name_length, render_done done, void *data)
{
	struct renderer *renderer = of(render);
	FUZZ_CHECK(context != 0 && idmap_get(&renderer->contexts, context) == NULL,
		   "context %u is made twice", context);
	FUZZ_CHECK(name_length <= 64, "a name of %u bytes", name_length);
	for (uint32_t i = 0; i < name_length; i++) {
		*(volatile const char *)&name[i];
	}
	idmap_set(&renderer->contexts, context, renderer);
	idmap_remove(&renderer->closed, context);
	take(renderer, &(struct request){.context = context, .done = done, .data = data});
}

static void context_destroy(struct render *render, uint32_t context, render_done done, void *data)
{
	struct renderer *renderer = of(render);
	fail_all(renderer, context);
	forget_fences(renderer, context);
	bool lived = idmap_remove(&renderer->contexts, context) != NULL;
	idmap_remove(&renderer->closed, context);
	if (!lived || renderer->manner == RENDERER_INSIDE) {
		done(data, lived ? 0 : -ENOENT);
		return;
	}
	struct request *request = malloc(sizeof(*request));
	FUZZ_CHECK(request != NULL, "no memory");
	/* Not the context's any more: a new one of that id does not wait for it. */
	*request = (struct request){.done = done, .data = data};
	list_append(&renderer->requests, &request->link);
}

static void blob_create(struct render *render, const struct render_blob *blob,
			render_blob_done done, void *data)
{
	take(of(render),
	     &(struct request){
		     .context = blob->context, .blob_done = done, .data = data, .blob = *blob});
}

static void submit(struct render *render, const struct render_submit *submit, render_done done,
		   void *data)
{
	volatile const uint8_t *commands = submit->commands;
	FUZZ_CHECK(submit->size % 4 == 0, "%u bytes of commands", submit->size);
	FUZZ_CHECK(submit->ring < RENDER_MAX_RINGS || !submit->fence, "ring %u", submit->ring);
	if (submit->size > 0) {
		(void)commands[0];
		(void)commands[submit->size - 1];
	}
	free(submit->commands);
	take(of(render), &(struct request){.context = submit->context,
					   .done = done,
					   .data = data,
					   .fence = submit->fence,
					   .ring = submit->ring,
					   .fence_id = submit->fence_id});
}

static void resource_import(struct render *render, uint32_t resource, enum render_memory kind,
			    int fd, uint64_t size)
{
	FUZZ_CHECK(fd >= 0 && size > 0, "an import of nothing");
	close(fd);
}

static void resource_unref(struct render *render, uint32_t resource)
{
}

static void context_gate(struct render *render, uint32_t context, enum hesper_gate_state state)
{
	struct renderer *renderer = of(render);
	FUZZ_CHECK(state < HESPER_GATE_STATES, "state %u", state);
	if (state == HESPER_GATE_OPEN) {
		FUZZ_CHECK(idmap_remove(&renderer->closed, context) != NULL,
			   "the gate of context %u is open", context);
	} else {
		idmap_set(&renderer->closed, context, renderer);
	}
}

static void context_resource(struct render *render, uint32_t context, uint32_t resource)
{
}

static void reset(struct render *render)
{
	struct renderer *renderer = of(render);
	fail_all(renderer, 0);
	renderer->fence_count = 0;
	idmap_finish(&renderer->contexts);
	idmap_finish(&renderer->closed);
}

static int create(const struct render_options *options, uv_loop_t *loop, struct render **out)
{
	struct renderer *renderer = calloc(1, sizeof(*renderer));
	FUZZ_CHECK(renderer != NULL, "no memory");
	renderer->options = options;
	list_init(&renderer->requests);
	idmap_init(&renderer->contexts);
	idmap_init(&renderer->closed);
	*out = &renderer->render;
	return 0;
}

static void destroy(struct render *render, void (*done)(void *data), void *data)
{
	reset(render);
	done(data);
	free(of(render));
}

static void pause_fences(struct render *render, bool paused)
{
}

const struct render_impl renderer_impl = {
	.name = "fuzz",
	.create = create,
	.destroy = destroy,
	.context_create = context_create,
	.context_destroy = context_destroy,
	.blob_create = blob_create,
	.resource_import = resource_import,
	.resource_unref = resource_unref,
	.context_attach = context_resource,
	.context_detach = context_resource,
	.submit = submit,
	.context_gate = context_gate,
	.reset = reset,
	.pause = pause_fences,
};

/* --- what the input asks for ---------------------------------------------------------------- */

void renderer_set_manner(struct render *render, enum renderer_manner manner)
{
	of(render)->manner = manner;
}

/* Whether no request of its context is older. */
static bool is_next(const struct renderer *renderer, const struct request *request)
{
	struct list *item;
	list_for_each (item, &renderer->requests) {
		const struct request *other = container_of(item, struct request, link);
		if (other == request) {
			return true;
		}
		if (other->context == request->context && request->context != 0) {
			return false;
		}
	}
	return false;
}

bool renderer_answer(struct render *render, unsigned which, enum renderer_answer how)
{
	struct renderer *renderer = of(render);
	struct list *item;
	list_for_each (item, &renderer->requests) {
		struct request *request = container_of(item, struct request, link);
		if (is_next(renderer, request) && which-- == 0) {
			/* A destruction cannot fail. */
			bool sure = request->context == 0;
			give(renderer, request, sure ? RENDERER_OK : how);
			return true;
		}
	}
	return false;
}

bool renderer_signal(struct render *render, unsigned which)
{
	struct renderer *renderer = of(render);
	if (which >= renderer->fence_count) {
		return false;
	}
	const struct fence fence = renderer->fences[which];
	unsigned kept = 0;
	for (unsigned i = 0; i < renderer->fence_count; i++) {
		const struct fence *other = &renderer->fences[i];
		bool goes =
			i <= which && other->context == fence.context && other->ring == fence.ring;
		if (!goes) {
			renderer->fences[kept++] = *other;
		}
	}
	renderer->fence_count = kept;
	give_fence(renderer, &fence);
	return true;
}

void renderer_lose(struct render *render, uint32_t context)
{
	struct renderer *renderer = of(render);
	if (idmap_get(&renderer->contexts, context) == NULL) {
		return;
	}
	forget_fences(renderer, context);
	renderer->options->callbacks->context_lost(renderer->options->data, context);
	fail_all(renderer, context);
	idmap_remove(&renderer->contexts, context);
}

unsigned renderer_pending(const struct render *render)
{
	const struct renderer *renderer = of(render);
	unsigned count = renderer->fence_count;
	struct list *item;
	list_for_each (item, &renderer->requests) {
		count++;
	}
	return count;
}

bool renderer_holds_back(const struct render *render)
{
	size_t cursor = 0;
	return idmap_next(&((const struct renderer *)render)->closed, &cursor) != NULL;
}
