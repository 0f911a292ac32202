/* SPDX-License-Identifier: MIT */
/*
 * Does what it is asked for when it is asked, but answers from the loop, as a real renderer does:
 * what waits for an answer has to be right in tests too.
 */
#include "render/render_impl.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/list.h"

/* Blobs above this are refused, so that a test of limits cannot fill the host's memory. */
#define MAX_BLOB_BYTES (1ull << 30)

struct none {
	struct render render;
	const struct render_options *options;
	uv_idle_t idle; /* runs while answers is not empty */
	struct list answers;
	void (*destroy_done)(void *data);
	void *destroy_data;
};

struct answer {
	struct list link;
	render_done done;
	render_blob_done blob_done;
	void *data;
	int status;
	struct memory *memory;
	uint32_t map_info;
	bool ready;
	bool fence;
	uint32_t context;
	uint32_t ring;
	uint64_t fence_id;
};

/* Venus' own size with no feature in it: a guest finds the capset and no usable driver. */
static const struct render_capset no_features = {.id = RENDER_CAPSET_VENUS, .size = 160};

static void give(struct none *none, const struct answer *answer)
{
	const struct render_callbacks *callbacks = none->options->callbacks;
	if (answer->ready) {
		callbacks->ready(none->options->data, 0, &no_features);
	}
	if (answer->fence) {
		callbacks->fence(none->options->data, answer->context, answer->ring,
				 answer->fence_id);
	}
	if (answer->blob_done != NULL) {
		answer->blob_done(answer->data, answer->status, answer->memory, answer->map_info);
	} else if (answer->done != NULL) {
		answer->done(answer->data, answer->status);
	}
}

static void give_all(struct none *none)
{
	while (!list_empty(&none->answers)) {
		struct answer *answer = container_of(none->answers.next, struct answer, link);
		list_remove(&answer->link);
		give(none, answer);
		free(answer);
	}
}

/* The loop does not rest after an idle handle that goes on: what answers cause is done at once. */
static void handle_idle(uv_idle_t *idle)
{
	struct none *none = idle->data;
	if (list_empty(&none->answers)) {
		uv_idle_stop(idle);
	}
	give_all(none);
}

static void later(struct none *none, const struct answer *values)
{
	struct answer *answer = malloc(sizeof(*answer));
	if (answer == NULL) {
		give(none, values);
		return;
	}
	*answer = *values;
	list_append(&none->answers, &answer->link);
	uv_idle_start(&none->idle, handle_idle);
}

static struct none *none_of(struct render *render)
{
	return container_of(render, struct none, render);
}

static void none_context_create(struct render *render, uint32_t context, uint32_t capset,
				const char *name, uint32_t name_length, render_done done,
				void *data)
{
	later(none_of(render), &(struct answer){.done = done, .data = data});
}

static void none_context_destroy(struct render *render, uint32_t context, render_done done,
				 void *data)
{
	later(none_of(render), &(struct answer){.done = done, .data = data});
}

static void none_blob_create(struct render *render, const struct render_blob *blob,
			     render_blob_done done, void *data)
{
	struct answer answer = {.blob_done = done, .data = data, .status = -ENOMEM};
	if (blob->size <= MAX_BLOB_BYTES) {
		answer.memory = memory_create_shm("hesper-none", blob->size);
		answer.map_info = (blob->flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE) != 0
					  ? VIRTIO_GPU_MAP_CACHE_CACHED
					  : 0;
		answer.status = answer.memory == NULL ? -ENOMEM : 0;
	}
	later(none_of(render), &answer);
}

static void none_resource_import(struct render *render, uint32_t resource, enum render_memory kind,
				 int fd, uint64_t size)
{
	close(fd);
}

static void none_resource_unref(struct render *render, uint32_t resource)
{
}

static void none_context_resource(struct render *render, uint32_t context, uint32_t resource)
{
}

static void none_submit(struct render *render, const struct render_submit *submit, render_done done,
			void *data)
{
	free(submit->commands);
	later(none_of(render), &(struct answer){
				       .done = done,
				       .data = data,
				       .fence = submit->fence,
				       .context = submit->context,
				       .ring = submit->ring,
				       .fence_id = submit->fence_id,
			       });
}

static void none_context_gate(struct render *render, uint32_t context, enum hesper_gate_state state)
{
}

static void none_reset(struct render *render)
{
}

static int none_create(const struct render_options *options, uv_loop_t *loop, struct render **out)
{
	struct none *none = calloc(1, sizeof(*none));
	if (none == NULL) {
		return -ENOMEM;
	}
	none->options = options;
	list_init(&none->answers);
	uv_idle_init(loop, &none->idle);
	none->idle.data = none;
	later(none, &(struct answer){.ready = true});
	*out = &none->render;
	return 0;
}

static void handle_closed(uv_handle_t *handle)
{
	struct none *none = handle->data;
	if (none->destroy_done != NULL) {
		none->destroy_done(none->destroy_data);
	}
	free(none);
}

static void none_destroy(struct render *render, void (*done)(void *data), void *data)
{
	struct none *none = none_of(render);
	none->destroy_done = done;
	none->destroy_data = data;
	struct list *item;
	list_for_each (item, &none->answers) {
		struct answer *answer = container_of(item, struct answer, link);
		answer->ready = false;
		answer->fence = false;
	}
	give_all(none);
	uv_close((uv_handle_t *)&none->idle, handle_closed);
}

static void none_pause(struct render *render, bool paused)
{
}

const struct render_impl render_none = {
	.name = "none",
	.create = none_create,
	.destroy = none_destroy,
	.context_create = none_context_create,
	.context_destroy = none_context_destroy,
	.blob_create = none_blob_create,
	.resource_import = none_resource_import,
	.resource_unref = none_resource_unref,
	.context_attach = none_context_resource,
	.context_detach = none_context_resource,
	.submit = none_submit,
	.context_gate = none_context_gate,
	.reset = none_reset,
	.pause = none_pause,
};
