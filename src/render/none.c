/* SPDX-License-Identifier: MIT */
#include "render/render_impl.h"

#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>

/* Blobs above this are refused, so that a test of limits cannot fill the host's memory. */
#define MAX_BLOB_BYTES (1ull << 30)

struct none {
	struct render *render;
};

static int none_init(struct render *render, const struct render_options *options, uv_loop_t *loop,
		     struct render_capset *capset, void **state)
{
	struct none *none = calloc(1, sizeof(*none));
	if (none == NULL) {
		return -ENOMEM;
	}
	none->render = render;
	/* Venus' own size with no feature in it: a guest finds the capset and no usable driver. */
	*capset = (struct render_capset){.id = RENDER_CAPSET_VENUS, .size = 160};
	*state = none;
	return 0;
}

static void none_execute(void *state, struct render_request *request)
{
	struct none *none = state;
	switch (request->op) {
	case RENDER_OP_BLOB_CREATE: {
		const struct render_blob *blob = &request->blob.args;
		if (blob->size > MAX_BLOB_BYTES) {
			request->status = -ENOMEM;
			return;
		}
		int fd_flags = blob->flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE;
		request->blob.memory = memory_create_shm("hesper-none", blob->size);
		request->blob.map_info = fd_flags != 0 ? VIRTIO_GPU_MAP_CACHE_CACHED : 0;
		request->status = request->blob.memory == NULL ? -ENOMEM : 0;
		return;
	}
	case RENDER_OP_SUBMIT:
		if (request->submit.fence) {
			render_report_fence(none->render, request->context, request->submit.ring,
					    request->submit.fence_id);
		}
		return;
	case RENDER_OP_CONTEXT_CREATE:
	case RENDER_OP_CONTEXT_DESTROY:
	case RENDER_OP_RESOURCE_IMPORT:
	case RENDER_OP_RESOURCE_UNREF:
	case RENDER_OP_ATTACH:
	case RENDER_OP_DETACH:
	case RENDER_OP_RESET:
		return;
	}
}

static void none_finish(void *state)
{
	free(state);
}

const struct render_impl render_none = {
	.name = "none",
	.init = none_init,
	.execute = none_execute,
	.finish = none_finish,
};
