/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attack.h"

/* 2D resources, their backing, transfers. */

#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define MOST 0xffffffffu
#define BEYOND_RAM 0x4000000000ull

static void bad_ids(struct front *front)
{
	static const uint32_t ids[] = {0, 1, 0x7fffffff, 0x80000000, MOST};
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		EXPECT(front, BAD_RESOURCE, gpu_unref(front, ids[i]));
		EXPECT(front, BAD_RESOURCE, gpu_flush(front, ids[i], 0, 0, 1, 1));
		EXPECT(front, BAD_RESOURCE, gpu_transfer(front, ids[i], 0, 0, 1, 1, 0));
		EXPECT(front, BAD_RESOURCE, gpu_detach(front, ids[i]));
		EXPECT(front, BAD_RESOURCE, gpu_attach(front, ids[i], front->pages[1].gpa, 4096));
		EXPECT(front, BAD_RESOURCE, gpu_map(front, ids[i], 0));
		EXPECT(front, BAD_RESOURCE, gpu_unmap(front, ids[i]));
		if (ids[i] != 0) {
			EXPECT(front, BAD_RESOURCE, gpu_set_scanout(front, 0, ids[i], 0, 0, 1, 1));
			EXPECT(front, BAD_RESOURCE,
			       gpu_set_scanout_blob(front, 0, ids[i], XRGB, 1, 1, 4, 0));
		}
	}
	EXPECT(front, BAD_RESOURCE, gpu_create_2d(front, 0, XRGB, 16, 16));
}

static void ids_at_the_edge(struct front *front)
{
	static const uint32_t ids[] = {0x7fffffff, 0x80000000, 0xfffffffe, MOST};
	for (unsigned i = 0; i < 4; i++) {
		EXPECT(front, OK, gpu_create_2d(front, ids[i], XRGB, 16, 16));
	}
	for (unsigned i = 0; i < 4; i++) {
		EXPECT(front, BAD_RESOURCE, gpu_create_2d(front, ids[i], XRGB, 16, 16));
		EXPECT(front, OK, gpu_unref(front, ids[i]));
		EXPECT(front, BAD_RESOURCE, gpu_unref(front, ids[i]));
	}
}

/* Made, used and gone in one kick, over and over with one id. */
static void id_reused(struct front *front)
{
	const struct virtio_gpu_resource_create_2d create = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.resource_id = 1,
		.format = XRGB,
		.width = 64,
		.height = 64,
	};
	const struct virtio_gpu_resource_unref unref = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
							.resource_id = 1};
	uint64_t answers[240];
	for (unsigned i = 0; i < 240; i++) {
		if (i % 3 == 0) {
			gpu_post(front, 0, &create, sizeof(create), &answers[i]);
		} else {
			gpu_post(front, 0, &unref, sizeof(unref), &answers[i]);
		}
	}
	front_kick(front, 0);
	front_wait_count(front, 0, 240);
	for (unsigned i = 0; i < 240; i++) {
		EXPECT(front, i % 3 == 2 ? BAD_RESOURCE : OK, gpu_answer(front, answers[i]));
	}
}

static void giant_sizes(struct front *front)
{
	static const uint32_t sizes[][2] = {
		{MOST, MOST},    {MOST, 1},  {1, MOST},      {0x10000, 0x10000}, {0x80000000, 2},
		{0x40000001, 1}, {16385, 1}, {1, 16385},     {0x20000, 0x8001},  {0, 16},
		{16, 0},         {0, 0},     {16384, 16384},
	};
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		EXPECT(front, BAD_PARAMETER,
		       gpu_create_2d(front, 1, XRGB, sizes[i][0], sizes[i][1]));
	}
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 16384, 1));
}

static void formats(struct front *front)
{
	static const uint32_t known[] = {1, 2, 3, 4, 67, 68, 121, 134};
	unsigned found = 0;
	for (uint32_t format = 0; format < 400; format++) {
		bool right = found < 8 && known[found] == format;
		EXPECT(front, right ? OK : BAD_PARAMETER, gpu_create_2d(front, 1, format, 16, 16));
		if (right) {
			found++;
			EXPECT(front, OK, gpu_unref(front, 1));
		}
	}
	EXPECT(front, BAD_PARAMETER, gpu_create_2d(front, 1, MOST, 16, 16));
}

static void no_memory_left(struct front *front)
{
	uint32_t id = 0;
	uint32_t answer;
	do {
		id++;
		answer = gpu_create_2d(front, id, XRGB, 4096, 4096);
	} while (answer == OK && id < 4096);
	/* 64 MiB each, that nobody has touched. */
	EXPECT(front, NO_MEMORY, answer);
	CHECK(front, id > 2);
	EXPECT(front, OK, gpu_unref(front, 1));
	EXPECT(front, OK, gpu_create_2d(front, id, XRGB, 4096, 4096));
	EXPECT(front, NO_MEMORY, gpu_create_2d(front, id + 1, XRGB, 4096, 4096));
}

static void many(struct front *front)
{
	const struct virtio_gpu_resource_create_2d create = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
		.format = XRGB,
		.width = 16,
		.height = 16,
	};
	uint64_t answers[FRONT_RING_SIZE];
	uint32_t id = 1;
	unsigned made = 0;
	unsigned refused = 0;
	for (unsigned round = 0; round < 12; round++) {
		for (unsigned i = 0; i < FRONT_RING_SIZE; i++) {
			struct virtio_gpu_resource_create_2d next = create;
			next.resource_id = id++;
			gpu_post(front, 0, &next, sizeof(next), &answers[i]);
		}
		front_kick(front, 0);
		front_wait_count(front, 0, FRONT_RING_SIZE);
		for (unsigned i = 0; i < FRONT_RING_SIZE; i++) {
			uint32_t type = gpu_answer(front, answers[i]);
			CHECK(front, type == OK || type == NO_MEMORY);
			made += type == OK;
			refused += type == NO_MEMORY;
		}
		front_free_all(front);
	}
	/* The test's machine has fewer descriptors than that; what there was can be had again. */
	CHECK(front, made > 500);
	EXPECT(front, OK, gpu_unref(front, 1));
	EXPECT(front, OK, gpu_create_2d(front, id, XRGB, 16, 16));
}

static void backing_outside(struct front *front)
{
	const uint64_t registers = front->pci.bars[front->pci.common_at.bar].gpa;
	const struct {
		uint64_t gpa;
		uint32_t len;
	} places[] = {
		{BEYOND_RAM, 16384},         {UINT64_MAX, 1},
		{UINT64_MAX - 16383, 16384}, {UINT64_MAX - 4095, 16384},
		{front->window_gpa, 16384},  {registers, 4096},
		{0xfec00000, 4096},          {0xfffc0000, 4096},
		{0x3fff0000, 0xffffffff},    {0x7fffffffffffffff, 16384},
	};
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 64, 64));
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		EXPECT(front, BAD_PARAMETER, gpu_attach(front, 1, places[i].gpa, places[i].len));
		EXPECT(front, UNSPEC, gpu_transfer(front, 1, 0, 0, 64, 64, 0));
	}
	EXPECT(front, OK, gpu_attach(front, 1, front->pages[1].gpa, 16384));
	EXPECT(front, OK, gpu_transfer(front, 1, 0, 0, 64, 64, 0));
}

static void backing_over_a_blob(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 2, 65536);
	EXPECT(front, MAPPED, gpu_map(front, 2, 0));
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 64, 64));
	EXPECT(front, BAD_PARAMETER, gpu_attach(front, 1, front->window_gpa, 16384));
}

/* count entries of len bytes, from gpa on, each step further. */
static uint64_t entries(struct front *front, uint32_t count, uint64_t gpa, uint32_t len,
			uint32_t step)
{
	uint64_t at = front_alloc(front, count * (uint32_t)sizeof(struct virtio_gpu_mem_entry));
	struct virtio_gpu_mem_entry *list = front_at(front, at);
	for (uint32_t i = 0; i < count; i++) {
		list[i] = (struct virtio_gpu_mem_entry){.addr = gpa + (uint64_t)i * step,
							.length = len};
	}
	return at;
}

static void backing_counts(struct front *front)
{
	static const uint32_t wrong[] = {0, 1, 3, 0x10000000, 0x10000002, 0x80000002, MOST};
	uint64_t list = entries(front, 2, front->pages[1].gpa, 4096, 4096);
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 32, 32));
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		EXPECT(front, BAD_PARAMETER, gpu_attach_list(front, 1, list, 2, wrong[i]));
	}
	EXPECT(front, OK, gpu_attach_list(front, 1, list, 2, 2));
	EXPECT(front, UNSPEC, gpu_attach_list(front, 1, list, 2, 2));
}

static void backing_65536(struct front *front)
{
	/* 4 bytes each: a pixel a piece. */
	uint64_t pixels = front_alloc(front, 65536 * 4);
	uint64_t list = entries(front, 65536, pixels, 4, 4);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 256, 256));
		EXPECT(front, OK, gpu_attach_list(front, 1, list, 65536, 65536));
		EXPECT(front, OK, gpu_transfer(front, 1, 0, 0, 256, 256, 0));
		EXPECT(front, OK, gpu_transfer(front, 1, 1, 1, 100, 255, 1028));
		EXPECT(front, i == 2 ? OK : OK, gpu_detach(front, 1));
		EXPECT(front, OK, gpu_unref(front, 1));
	}
}

static void backing_65537(struct front *front)
{
	uint64_t list = entries(front, 65537, front->pages[1].gpa, 4, 0);
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 256, 256));
	EXPECT(front, BAD_PARAMETER, gpu_attach_list(front, 1, list, 65537, 65537));
	EXPECT(front, OK, gpu_attach_list(front, 1, list, 65536, 65536));
}

/* Half a TiB of backing, all of it the same 8 MiB. */
static void backing_of_everything(struct front *front)
{
	uint64_t list = entries(front, 65536, 0x1000000, 8u << 20, 0);
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 256, 256));
	EXPECT(front, OK, gpu_attach_list(front, 1, list, 65536, 65536));
	EXPECT(front, OK, gpu_transfer(front, 1, 0, 0, 256, 256, (65535ull << 23) + 4096));
	EXPECT(front, BAD_PARAMETER, gpu_transfer(front, 1, 0, 0, 256, 256, 65536ull << 23));
}

/* The last of many is bad: none of them stays. */
static void backing_last_is_bad(struct front *front)
{
	uint64_t at = entries(front, 4096, front->pages[1].gpa, 64, 64);
	struct virtio_gpu_mem_entry *list = front_at(front, at);
	list[4095].addr = BEYOND_RAM;
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 64, 64));
	for (unsigned i = 0; i < 20; i++) {
		EXPECT(front, BAD_PARAMETER, gpu_attach_list(front, 1, at, 4096, 4096));
	}
	EXPECT(front, UNSPEC, gpu_detach(front, 1));
}

static void backing_of_nothing(struct front *front)
{
	uint64_t list = entries(front, 16, front->pages[1].gpa, 0, 0);
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 64, 64));
	uint32_t type = gpu_attach_list(front, 1, list, 16, 16);
	CHECK(front, type == OK || type == BAD_PARAMETER);
	CHECK(front, gpu_transfer(front, 1, 0, 0, 64, 64, 0) >= UNSPEC);
}

static void backing_is_the_ring(struct front *front)
{
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 64, 64));
	EXPECT(front, OK, gpu_attach(front, 1, front->pages[0].gpa, 65536));
	for (unsigned i = 0; i < 50; i++) {
		EXPECT(front, OK, gpu_transfer(front, 1, 0, 0, 64, 64, 0));
	}
	EXPECT(front, OK, gpu_set_scanout(front, 0, 1, 0, 0, 64, 64));
	EXPECT(front, OK, gpu_flush(front, 1, 0, 0, 64, 64));
}

static void backing_churn(struct front *front)
{
	uint64_t gpa = gpu_make_picture(front, 1, 64);
	EXPECT(front, UNSPEC, gpu_attach(front, 1, gpa, 16384));
	for (unsigned i = 0; i < 200; i++) {
		EXPECT(front, OK, gpu_detach(front, 1));
		EXPECT(front, i == 100 ? UNSPEC : OK,
		       i == 100 ? gpu_detach(front, 1) : gpu_attach(front, 1, gpa, 16384));
		if (i == 100) {
			EXPECT(front, OK, gpu_attach(front, 1, gpa, 16384));
		}
	}
}

static void transfer_rects(struct front *front)
{
	static const struct virtio_gpu_rect rects[] = {
		{0, 0, 65, 64},     {0, 0, 64, 65},
		{1, 0, 64, 64},     {0, 1, 64, 64},
		{64, 0, 1, 1},      {0, 64, 1, 1},
		{1, 0, MOST, 64},   {0, 1, 64, MOST},
		{MOST, MOST, 2, 2}, {MOST, 0, 1, 1},
		{0, 0, 0, 64},      {0, 0, 64, 0},
		{0, 0, MOST, MOST}, {0x80000000, 0, 0x80000000, 1},
	};
	gpu_make_picture(front, 1, 64);
	for (unsigned i = 0; i < sizeof(rects) / sizeof(rects[0]); i++) {
		EXPECT(front, BAD_PARAMETER,
		       gpu_transfer(front, 1, rects[i].x, rects[i].y, rects[i].width,
				    rects[i].height, 0));
		EXPECT(front, BAD_PARAMETER,
		       gpu_flush(front, 1, rects[i].x, rects[i].y, rects[i].width,
				 rects[i].height));
	}
}

static void transfer_offsets(struct front *front)
{
	static const uint64_t offsets[] = {4,          16384,          0xffffffff,
					   1ull << 32, UINT64_MAX,     UINT64_MAX - 16383,
					   1ull << 63, UINT64_MAX - 3, UINT64_MAX - 16384};
	gpu_make_picture(front, 1, 64);
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		EXPECT(front, BAD_PARAMETER, gpu_transfer(front, 1, 0, 0, 64, 64, offsets[i]));
	}
	/* Not of whole pixels, but inside. */
	EXPECT(front, OK, gpu_transfer(front, 1, 0, 0, 63, 63, 1));
	EXPECT(front, OK, gpu_transfer(front, 1, 63, 63, 1, 1, 16380));
	EXPECT(front, BAD_PARAMETER, gpu_transfer(front, 1, 63, 63, 1, 1, 16381));
}

static void transfer_of_half_a_picture(struct front *front)
{
	uint64_t gpa = front_alloc(front, 8192);
	EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 64, 64));
	EXPECT(front, OK, gpu_attach(front, 1, gpa, 8192));
	EXPECT(front, BAD_PARAMETER, gpu_transfer(front, 1, 0, 0, 64, 64, 0));
	EXPECT(front, BAD_PARAMETER, gpu_transfer(front, 1, 0, 0, 64, 33, 0));
	EXPECT(front, OK, gpu_transfer(front, 1, 0, 0, 64, 32, 0));
}

/* Everything for one resource, in one kick: transfers on their way when it goes. */
static void unref_during_transfers(struct front *front)
{
	const struct virtio_gpu_resource_unref unref = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF,
							.resource_id = 1};
	const struct virtio_gpu_transfer_to_host_2d transfer = {
		.hdr = {.type = VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
			.flags = VIRTIO_GPU_FLAG_FENCE,
			.fence_id = 9},
		.r = {0, 0, 512, 512},
		.resource_id = 1,
	};
	for (unsigned round = 0; round < 5; round++) {
		uint64_t answers[64];
		gpu_make_picture(front, 1, 512);
		for (unsigned i = 0; i < 64; i++) {
			if (i == 32) {
				gpu_post(front, 0, &unref, sizeof(unref), &answers[i]);
			} else {
				gpu_post(front, 0, &transfer, sizeof(transfer), &answers[i]);
			}
		}
		front_kick(front, 0);
		front_wait_count(front, 0, 64);
		for (unsigned i = 0; i < 64; i++) {
			EXPECT(front, i <= 32 ? OK : BAD_RESOURCE, gpu_answer(front, answers[i]));
		}
		front_free_all(front);
	}
}

static const struct attack table[] = {
	{"picture-bad-ids", "0, unknown, 2^31, 2^32-1 in 9 commands: INVALID_RESOURCE_ID", bad_ids,
	 ANSWERS},
	{"picture-ids-at-the-edge", "2^31-1 to 2^32-1 are ids as others are", ids_at_the_edge,
	 ANSWERS},
	{"picture-id-reused", "made and dropped 80 times in a kick: each answer right", id_reused,
	 ANSWERS},
	{"picture-giant", "sizes whose product wraps, and 0: INVALID_PARAMETER", giant_sizes,
	 ANSWERS},
	{"picture-formats", "8 of 400 numbers are formats", formats, ANSWERS},
	{"picture-no-memory-left", "OUT_OF_MEMORY, and what is given back can be had again",
	 no_memory_left, ANSWERS},
	{"picture-many", "3072 of them: OUT_OF_MEMORY beyond the limit", many, ANSWERS},
	{"picture-backing-outside", "beyond RAM, 2^64, window, registers, ROM: INVALID_PARAMETER",
	 backing_outside, ANSWERS},
	{"picture-backing-over-a-blob", "a mapped blob is no RAM: INVALID_PARAMETER",
	 backing_over_a_blob, ANSWERS},
	{"picture-backing-counts", "counts that do not fit the entries: INVALID_PARAMETER",
	 backing_counts, ANSWERS},
	{"picture-backing-65536", "a piece for each pixel: works", backing_65536, ANSWERS},
	{"picture-backing-65537", "one more: INVALID_PARAMETER", backing_65537, ANSWERS},
	{"picture-backing-of-512-gib", "the same 8 MiB 65536 times: offsets are right",
	 backing_of_everything, ANSWERS},
	{"picture-backing-last-is-bad", "the last of 4096 is: none stays", backing_last_is_bad,
	 ANSWERS},
	{"picture-backing-of-nothing", "16 entries of 0 bytes: nothing to transfer",
	 backing_of_nothing, ANSWERS},
	{"picture-backing-is-the-ring", "transferred and shown: only read", backing_is_the_ring,
	 ANSWERS},
	{"picture-backing-churn", "200 times on and off, twice each: UNSPEC for the second",
	 backing_churn, ANSWERS},
	{"picture-transfer-rects", "14 that are outside: INVALID_PARAMETER, flushes too",
	 transfer_rects, ANSWERS},
	{"picture-transfer-offsets", "that wrap: INVALID_PARAMETER", transfer_offsets, ANSWERS},
	{"picture-transfer-half", "backing for half of it: INVALID_PARAMETER beyond",
	 transfer_of_half_a_picture, ANSWERS},
	{"picture-unref-during-transfers",
	 "those before are done, those behind INVALID_RESOURCE_ID", unref_during_transfers,
	 ANSWERS},
};

ATTACK_GROUP(pictures, table);
