/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attack.h"

/* Contexts and what is submitted to them. Each is three processes of the host. */

#define MOST 0xffffffffu
#define ATTACH VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE
#define DETACH VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE

static void ids(struct front *front)
{
	static const uint32_t wrong[] = {0, 2, 0x80000000, MOST};
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 4096);
	EXPECT(front, BAD_CONTEXT, gpu_create_context(front, 0, VENUS));
	EXPECT(front, BAD_CONTEXT, gpu_create_context(front, 1, VENUS));
	for (unsigned i = 0; i < 4; i++) {
		EXPECT(front, BAD_CONTEXT, gpu_destroy_context(front, wrong[i]));
		EXPECT(front, BAD_CONTEXT, gpu_submit(front, wrong[i], 0, NULL, 0));
		EXPECT(front, BAD_CONTEXT, gpu_context_resource(front, ATTACH, wrong[i], 1));
		EXPECT(front, BAD_CONTEXT, gpu_context_resource(front, DETACH, wrong[i], 1));
		EXPECT(front, BAD_RESOURCE, gpu_context_resource(front, ATTACH, 1, wrong[i]));
		EXPECT(front, BAD_RESOURCE, gpu_context_resource(front, DETACH, 1, wrong[i]));
	}
	EXPECT(front, OK, gpu_destroy_context(front, 1));
	EXPECT(front, BAD_CONTEXT, gpu_destroy_context(front, 1));
	EXPECT(front, BAD_CONTEXT, gpu_submit(front, 1, 0, NULL, 0));
}

static void capsets(struct front *front)
{
	struct virtio_gpu_get_capset_info info = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
	struct virtio_gpu_get_capset get = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET};
	static const uint32_t indices[] = {1, 2, 4, 63, 64, 0x80000000, MOST};
	for (uint32_t capset = 0; capset < 256; capset++) {
		if (capset != VENUS) {
			EXPECT(front, BAD_PARAMETER, gpu_create_context(front, 1, capset));
		}
	}
	for (unsigned i = 0; i < 7; i++) {
		info.capset_index = indices[i];
		EXPECT(front, BAD_PARAMETER, gpu_send(front, &info, sizeof(info)));
	}
	for (uint32_t id = 0; id < 300; id++) {
		get.capset_id = id;
		EXPECT(front, id == VENUS ? VIRTIO_GPU_RESP_OK_CAPSET : BAD_PARAMETER,
		       gpu_send(front, &get, sizeof(get)));
	}
	get.capset_id = VENUS;
	get.capset_version = 1;
	EXPECT(front, BAD_PARAMETER, gpu_send(front, &get, sizeof(get)));
	get.capset_version = MOST;
	EXPECT(front, BAD_PARAMETER, gpu_send(front, &get, sizeof(get)));
}

static void names(struct front *front)
{
	static const uint32_t lengths[] = {0, 64, 65, MOST};
	for (uint32_t i = 0; i < 4; i++) {
		struct virtio_gpu_ctx_create request = {
			.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = i + 1},
			.nlen = lengths[i],
			.context_init = VENUS,
		};
		/* No end in it; neither text nor fit for a terminal. */
		memset(request.debug_name, i == 0 ? '%' : 0x9b, sizeof(request.debug_name));
		EXPECT(front, OK, gpu_send(front, &request, sizeof(request)));
	}
}

static void opengl(struct front *front)
{
	struct virtio_gpu_resource_create_3d create = {
		.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, .ctx_id = 1},
		.resource_id = 1,
		.target = 2,
		.format = 1,
		.width = MOST,
		.height = MOST,
		.depth = MOST,
		.array_size = MOST,
		.last_level = MOST,
		.nr_samples = MOST,
	};
	struct virtio_gpu_transfer_host_3d transfer = {
		.hdr = {.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, .ctx_id = 1},
		.box = {MOST, MOST, MOST, MOST, MOST, MOST},
		.offset = UINT64_MAX,
		.resource_id = 1,
		.level = MOST,
		.stride = MOST,
		.layer_stride = MOST,
	};
	EXPECT(front, UNSPEC, gpu_send(front, &create, sizeof(create)));
	EXPECT(front, BAD_RESOURCE, gpu_unref(front, 1));
	EXPECT(front, UNSPEC, gpu_send(front, &transfer, sizeof(transfer)));
	transfer.hdr.type = VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D;
	EXPECT(front, UNSPEC, gpu_send(front, &transfer, sizeof(transfer)));
	gpu_make_picture(front, 1, 64);
	EXPECT(front, UNSPEC, gpu_send(front, &transfer, sizeof(transfer)));
	EXPECT(front, UNSPEC, gpu_simple(front, VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, 0));
}

static void submit_sizes(struct front *front)
{
	static const uint32_t wrong[] = {1, 2, 3, 17, 20, 4096, 0x7ffffffc, 0xfffffffc, MOST};
	static const uint8_t zeros[16];
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		EXPECT(front, BAD_PARAMETER, gpu_submit(front, 1, wrong[i], zeros, 16));
	}
	/* The context is not lost by those. */
	EXPECT(front, OK, gpu_submit(front, 1, 0, zeros, 16));
	gpu_make_blob(front, 1, 1, 4096);
}

/* Bytes that are no Vulkan: that context may be lost by it, the next one works. */
static void submit_random(struct front *front)
{
	uint32_t words[256];
	for (unsigned round = 0; round < 4; round++) {
		gpu_make_context(front, 1);
		for (unsigned i = 0; i < 40; i++) {
			for (unsigned k = 0; k < 256; k++) {
				/* Half of them could be commands. */
				words[k] = front_random(front) & (k % 2 == 0 ? 0xff : MOST);
			}
			uint32_t type = gpu_submit(front, 1, sizeof(words), words, sizeof(words));
			CHECK(front, type == OK || type == UNSPEC || type == BAD_CONTEXT);
		}
		EXPECT(front, OK, gpu_destroy_context(front, 1));
	}
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 4096);
}

/* What is under way when it dies is answered, with and without a fence. */
static void fences_of_the_lost(struct front *front)
{
	struct {
		struct virtio_gpu_cmd_submit head;
		uint32_t words[16];
	} request = {
		.head = {.hdr = {.type = VIRTIO_GPU_CMD_SUBMIT_3D,
				 .flags = VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX,
				 .ctx_id = 1},
			 .size = sizeof(request.words)},
	};
	uint64_t answers[128];
	gpu_make_context(front, 1);
	memset(request.words, 0xee, sizeof(request.words));
	for (uint32_t i = 0; i < 128; i++) {
		request.head.hdr.fence_id = i + 1;
		request.head.hdr.ring_idx = i % 64;
		gpu_post(front, 0, &request, sizeof(request), &answers[i]);
	}
	front_kick(front, 0);
	front_wait_count(front, 0, 128);
	for (uint32_t i = 0; i < 128; i++) {
		const struct virtio_gpu_ctrl_hdr *hdr = front_at(front, answers[i]);
		CHECK(front, hdr->type == OK || hdr->type == UNSPEC || hdr->type == BAD_CONTEXT);
		EXPECT(front, i + 1, hdr->fence_id);
	}
	EXPECT(front, OK, gpu_destroy_context(front, 1));
}

/* Made, used, destroyed without a look at the answers. */
static void churn(struct front *front)
{
	uint64_t answers[6];
	for (unsigned i = 0; i < 8; i++) {
		const struct virtio_gpu_ctx_create create = {
			.hdr = {.type = VIRTIO_GPU_CMD_CTX_CREATE, .ctx_id = 1},
			.context_init = VENUS,
		};
		const struct virtio_gpu_resource_create_blob blob = {
			.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = 1},
			.resource_id = 1,
			.blob_mem = HOST3D,
			.blob_flags = MAPPABLE,
			.size = 4096,
		};
		const struct virtio_gpu_ctrl_hdr destroy = {.type = VIRTIO_GPU_CMD_CTX_DESTROY,
							    .ctx_id = 1};
		const struct virtio_gpu_resource_unref unref = {
			.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .resource_id = 1};
		gpu_post(front, 0, &create, sizeof(create), &answers[0]);
		gpu_post(front, 0, &create, sizeof(create), &answers[1]);
		gpu_post(front, 0, &blob, sizeof(blob), &answers[2]);
		gpu_post(front, 0, &destroy, sizeof(destroy), &answers[3]);
		gpu_post(front, 0, &destroy, sizeof(destroy), &answers[4]);
		gpu_post(front, 0, &unref, sizeof(unref), &answers[5]);
		front_kick(front, 0);
		front_wait_count(front, 0, 6);
		EXPECT(front, BAD_CONTEXT, gpu_answer(front, answers[1]));
		EXPECT(front, OK, gpu_answer(front, answers[3]));
		EXPECT(front, BAD_CONTEXT, gpu_answer(front, answers[4]));
		/* The blob was made, or its context was gone before. */
		CHECK(front, gpu_answer(front, answers[5]) == OK ||
				     gpu_answer(front, answers[5]) == BAD_RESOURCE);
		front_free_all(front);
	}
}

/* The test's machine has --max-contexts=6. */
static void at_the_limit(struct front *front)
{
	uint32_t id = 0;
	uint32_t type;
	do {
		id++;
		type = gpu_create_context(front, id, VENUS);
	} while (type == OK && id < 128);
	EXPECT(front, NO_MEMORY, type);
	EXPECT(front, OK, gpu_destroy_context(front, 1));
	EXPECT(front, OK, gpu_create_context(front, id, VENUS));
	gpu_make_blob(front, id, 1, 4096);
}

static void attach_all(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_context(front, 2);
	gpu_make_blob(front, 1, 1, 65536);
	gpu_make_picture(front, 2, 64);
	EXPECT(front, OK, gpu_create_blob(front, 0, 3, GUEST, 0, 0, 4096, front->pages[1].gpa));
	EXPECT(front, OK, gpu_create_2d(front, 4, 2, 64, 64)); /* without backing */
	for (unsigned i = 0; i < 20; i++) {
		for (uint32_t id = 1; id <= 4; id++) {
			EXPECT(front, OK, gpu_context_resource(front, ATTACH, 1, id));
			EXPECT(front, OK, gpu_context_resource(front, ATTACH, 2, id));
			EXPECT(front, OK, gpu_context_resource(front, ATTACH, 2, id));
			EXPECT(front, OK, gpu_context_resource(front, DETACH, 1, id));
			EXPECT(front, OK, gpu_context_resource(front, DETACH, 1, id));
		}
	}
	for (uint32_t id = 1; id <= 4; id++) {
		EXPECT(front, OK, gpu_unref(front, id));
		EXPECT(front, BAD_RESOURCE, gpu_context_resource(front, DETACH, 2, id));
	}
	gpu_make_blob(front, 2, 1, 4096);
}

/* Attached pages whose backing goes. */
static void attached_backing_goes(struct front *front)
{
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < 20; i++) {
		gpu_make_picture(front, 2, 64);
		EXPECT(front, OK, gpu_context_resource(front, ATTACH, 1, 2));
		EXPECT(front, OK, gpu_detach(front, 2));
		EXPECT(front, OK, gpu_context_resource(front, ATTACH, 1, 2));
		EXPECT(front, OK, gpu_unref(front, 2));
		front_free_all(front);
	}
	gpu_make_blob(front, 1, 1, 4096);
}

static const struct attack table[] = {
	{"context-ids", "0, used, unknown, destroyed in 5 commands: INVALID_CONTEXT_ID", ids,
	 ANSWERS},
	{"context-capsets", "255 contexts, 7 indices, 299 ids, 2 versions: INVALID_PARAMETER",
	 capsets, ANSWERS},
	{"context-names", "of length 0, 64, 65, 2^32-1, without an end: OK", names, ANSWERS},
	{"context-opengl", "commands that are not offered: UNSPEC, and nothing is made", opengl,
	 ANSWERS},
	{"context-submit-sizes", "more than there is, odd: INVALID_PARAMETER, nothing lost",
	 submit_sizes, ANSWERS},
	{"context-submit-random", "160 KiB that are no Vulkan: the next context works",
	 submit_random, ANSWERS},
	{"context-fences-of-the-lost", "128 on 64 rings of one that dies: each answered",
	 fences_of_the_lost, ANSWERS},
	{"context-churn", "8 made and destroyed within a kick, each twice: the right answers",
	 churn, ANSWERS},
	{"context-at-the-limit", "OUT_OF_MEMORY beyond it, and again when one has gone",
	 at_the_limit, ANSWERS},
	{"context-attach-all", "each kind of resource, twice, 20 times: OK", attach_all, ANSWERS},
	{"context-attached-backing-goes", "20 times: OK, the context lives", attached_backing_goes,
	 ANSWERS},
};

ATTACK_GROUP(contexts, table);
