/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attack.h"

/* Fences: every answer carries the flag and the number of its own request. */

#define FENCE VIRTIO_GPU_FLAG_FENCE
#define RING_INDEX VIRTIO_GPU_FLAG_INFO_RING_IDX
#define RING FRONT_RING_SIZE

static uint16_t post(struct front *front, uint32_t type, uint32_t flags, uint64_t fence,
		     uint32_t context, uint8_t ring, uint64_t *answer)
{
	const struct virtio_gpu_cmd_submit request = {
		.hdr = {.type = type,
			.flags = flags,
			.fence_id = fence,
			.ctx_id = context,
			.ring_idx = ring},
	};
	return gpu_post(front, 0, &request, sizeof(request), answer);
}

static void expect(struct front *front, uint64_t answer, uint32_t type, uint32_t flags,
		   uint64_t fence)
{
	const struct virtio_gpu_ctrl_hdr *hdr = front_at(front, answer);
	EXPECT(front, type, hdr->type);
	EXPECT(front, flags, hdr->flags);
	EXPECT(front, fence, hdr->fence_id);
}

/* count submissions with fences that number() gives, on ring 0 of context 1. */
static void run_fences(struct front *front, unsigned count, uint64_t (*number)(unsigned i))
{
	uint64_t answers[RING];
	for (unsigned i = 0; i < count; i++) {
		post(front, VIRTIO_GPU_CMD_SUBMIT_3D, FENCE | RING_INDEX, number(i), 1, 0,
		     &answers[i]);
	}
	front_kick(front, 0);
	front_wait_count(front, 0, count);
	for (unsigned i = 0; i < count; i++) {
		expect(front, answers[i], OK, FENCE | RING_INDEX, number(i));
	}
	front_free_all(front);
}

static uint64_t always_the_same(unsigned i)
{
	return 7;
}

static uint64_t decreasing(unsigned i)
{
	return 100000 - 300ull * i;
}

static uint64_t extremes(unsigned i)
{
	static const uint64_t values[] = {0, UINT64_MAX, 1, 1ull << 63, 0xffffffff, 1ull << 32};
	return values[i % 6];
}

static void same_number(struct front *front)
{
	gpu_make_context(front, 1);
	run_fences(front, 200, always_the_same);
	gpu_make_blob(front, 1, 1, 4096);
}

static void decreasing_numbers(struct front *front)
{
	gpu_make_context(front, 1);
	run_fences(front, 200, decreasing);
	gpu_make_blob(front, 1, 1, 4096);
}

static void extreme_numbers(struct front *front)
{
	gpu_make_context(front, 1);
	run_fences(front, 60, extremes);
	gpu_make_blob(front, 1, 1, 4096);
}

static void five_thousand(struct front *front)
{
	uint64_t answers[RING];
	gpu_make_context(front, 1);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < RING; i++) {
			post(front, VIRTIO_GPU_CMD_SUBMIT_3D, FENCE | RING_INDEX,
			     1 + round * RING + i, 1, 0, &answers[i]);
		}
		front_kick(front, 0);
		front_wait_count(front, 0, RING);
		for (unsigned i = 0; i < RING; i++) {
			/* OUT_OF_MEMORY beyond --max-fences: that is a fence all the same. */
			uint32_t type = gpu_answer(front, answers[i]);
			CHECK(front, type == OK || type == NO_MEMORY);
			expect(front, answers[i], type, FENCE | RING_INDEX, 1 + round * RING + i);
		}
		front_free_all(front);
	}
	gpu_make_blob(front, 1, 1, 4096);
}

/* 64 and 255 are no rings; nothing orders such a fence, and the command is done. */
static void bad_rings(struct front *front)
{
	static const uint8_t rings[] = {64, 65, 128, 255};
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t answer;
		post(front, VIRTIO_GPU_CMD_SUBMIT_3D, FENCE | RING_INDEX, 3 + i, 1, rings[i],
		     &answer);
		front_kick(front, 0);
		front_wait_count(front, 0, 1);
		expect(front, answer, OK, FENCE | RING_INDEX, 3 + i);
	}
}

static void no_context(struct front *front)
{
	uint64_t answers[64];
	for (unsigned i = 0; i < 64; i++) {
		post(front, VIRTIO_GPU_CMD_SUBMIT_3D, FENCE | RING_INDEX, i, i, (uint8_t)i,
		     &answers[i]);
	}
	front_kick(front, 0);
	front_wait_count(front, 0, 64);
	for (unsigned i = 0; i < 64; i++) {
		expect(front, answers[i], BAD_CONTEXT, FENCE | RING_INDEX, i);
	}
}

static void on_everything(struct front *front)
{
	uint64_t answers[64];
	for (unsigned i = 0; i < gpu_command_count; i++) {
		uint8_t request[128] = {0};
		struct virtio_gpu_ctrl_hdr *hdr = (struct virtio_gpu_ctrl_hdr *)request;
		hdr->type = gpu_commands[i].type;
		hdr->flags = FENCE;
		hdr->fence_id = 1000 + i;
		gpu_post(front, gpu_commands[i].queue, request, gpu_commands[i].size, &answers[i]);
		front_kick(front, gpu_commands[i].queue);
		front_wait_count(front, gpu_commands[i].queue, 1);
		/* 32 bytes were left: longer answers are none. */
		if (gpu_commands[i].zeros == OK || gpu_commands[i].zeros >= UNSPEC) {
			expect(front, answers[i], gpu_commands[i].zeros, FENCE, 1000 + i);
		}
	}
}

static void unknown_flags(struct front *front)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		uint64_t answer;
		uint32_t flags = 1u << bit;
		post(front, VIRTIO_GPU_CMD_RESOURCE_UNREF, flags, 5, 0, 0, &answer);
		front_kick(front, 0);
		front_wait_count(front, 0, 1);
		expect(front, answer, BAD_RESOURCE, flags & FENCE, (flags & FENCE) != 0 ? 5 : 0);
	}
	uint64_t answer;
	post(front, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0xffffffff, 5, 0, 0, &answer);
	front_kick(front, 0);
	front_wait_count(front, 0, 1);
	expect(front, answer, BAD_RESOURCE, FENCE | RING_INDEX, 5);
}

/* The context goes with fences of all its rings under way. */
static void context_goes(struct front *front)
{
	uint64_t answers[RING];
	for (unsigned round = 0; round < 3; round++) {
		gpu_make_context(front, 1);
		for (unsigned i = 0; i < 200; i++) {
			post(front, VIRTIO_GPU_CMD_SUBMIT_3D, FENCE | RING_INDEX, i + 1, 1, 0,
			     &answers[i]);
		}
		post(front, VIRTIO_GPU_CMD_CTX_DESTROY, FENCE | RING_INDEX, 300, 1, 0,
		     &answers[200]);
		post(front, VIRTIO_GPU_CMD_SUBMIT_3D, FENCE | RING_INDEX, 301, 1, 0, &answers[201]);
		front_kick(front, 0);
		front_wait_count(front, 0, 202);
		for (unsigned i = 0; i < 200; i++) {
			uint32_t type = gpu_answer(front, answers[i]);
			CHECK(front, type == OK || type == UNSPEC);
			expect(front, answers[i], type, FENCE | RING_INDEX, i + 1);
		}
		expect(front, answers[200], OK, FENCE | RING_INDEX, 300);
		expect(front, answers[201], BAD_CONTEXT, FENCE | RING_INDEX, 301);
		front_free_all(front);
	}
}

/* A ring that no queue of Vulkan has: the renderer gives that context up. */
static void unbound_rings(struct front *front)
{
	uint64_t answers[64];
	gpu_make_context(front, 1);
	for (unsigned i = 1; i < 64; i++) {
		post(front, VIRTIO_GPU_CMD_SUBMIT_3D, FENCE | RING_INDEX, i, 1, (uint8_t)i,
		     &answers[i]);
	}
	front_kick(front, 0);
	front_wait_count(front, 0, 63);
	for (unsigned i = 1; i < 64; i++) {
		uint32_t type = gpu_answer(front, answers[i]);
		CHECK(front, type == OK || type == UNSPEC || type == BAD_CONTEXT);
	}
	EXPECT(front, OK, gpu_destroy_context(front, 1));
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 4096);
}

static const struct attack table[] = {
	{"fence-same-number", "200 times 7: each answered with it", same_number, ANSWERS},
	{"fence-decreasing-numbers", "each answered with its own", decreasing_numbers, ANSWERS},
	{"fence-extreme-numbers", "0, 2^63, 2^64-1 in turns: each answered", extreme_numbers,
	 ANSWERS},
	{"fence-5000", "256 at a time: OK, or OUT_OF_MEMORY beyond the limit", five_thousand,
	 ANSWERS},
	{"fence-bad-rings", "64, 65, 128, 255: answered", bad_rings, ANSWERS},
	{"fence-unbound-rings", "63 without a queue: answered; the next context works",
	 unbound_rings, ANSWERS},
	{"fence-no-context", "on 64 rings of nobody: INVALID_CONTEXT_ID, with the fence",
	 no_context, ANSWERS},
	{"fence-on-everything", "each command has it back", on_everything, ANSWERS},
	{"fence-unknown-flags", "all 32 bits: only the two come back", unknown_flags, ANSWERS},
	{"fence-context-goes", "200 under way, three times: each answered", context_goes, ANSWERS},
};

ATTACK_GROUP(fences, table);
