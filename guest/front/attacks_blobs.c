/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attack.h"

/* Blobs and the window. */

#define PAGE 4096ull
#define MIB (1ull << 20)

static void bad_parameters(struct front *front)
{
	static const uint64_t sizes[] = {0, 1, 4095, 4097, UINT64_MAX, (1ull << 63) + 1};
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		EXPECT(front, BAD_PARAMETER,
		       gpu_create_blob(front, 1, 1, HOST3D, MAPPABLE, 0, sizes[i], 0));
		EXPECT(front, BAD_PARAMETER,
		       gpu_create_blob(front, 0, 1, GUEST, 0, 0, sizes[i], front->pages[1].gpa));
	}
	for (uint32_t mem = 0; mem < 20; mem++) {
		if (mem != HOST3D && mem != GUEST) {
			EXPECT(front, BAD_PARAMETER,
			       gpu_create_blob(front, 1, 1, mem, MAPPABLE, 0, PAGE, 0));
		}
	}
	for (unsigned bit = 3; bit < 32; bit++) {
		EXPECT(front, BAD_PARAMETER,
		       gpu_create_blob(front, 1, 1, HOST3D, 1u << bit, 0, PAGE, 0));
	}
	EXPECT(front, BAD_RESOURCE, gpu_create_blob(front, 1, 0, HOST3D, MAPPABLE, 0, PAGE, 0));
	EXPECT(front, BAD_CONTEXT, gpu_create_blob(front, 9, 1, HOST3D, MAPPABLE, 0, PAGE, 0));
	EXPECT(front, BAD_CONTEXT, gpu_create_blob(front, 0, 1, HOST3D, MAPPABLE, 0, PAGE, 0));
}

static void giant(struct front *front)
{
	static const uint64_t sizes[] = {1ull << 40, 1ull << 62, 1ull << 63, UINT64_MAX & ~4095ull};
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < 4; i++) {
		EXPECT(front, NO_MEMORY,
		       gpu_create_blob(front, 1, 1, HOST3D, MAPPABLE, 0, sizes[i], 0));
		EXPECT(front, BAD_PARAMETER,
		       gpu_create_blob(front, 0, 1, GUEST, 0, 0, sizes[i], front->pages[1].gpa));
	}
	gpu_make_blob(front, 1, 1, PAGE);
}

/* Of objects that the context never made: its renderer refuses, and may lose the context. */
static void unknown_object(struct front *front)
{
	gpu_make_context(front, 1);
	uint32_t type = gpu_create_blob(front, 1, 1, HOST3D, MAPPABLE, 0x123456789abcull, PAGE, 0);
	CHECK(front, type == UNSPEC || type == BAD_CONTEXT);
	EXPECT(front, BAD_RESOURCE, gpu_map(front, 1, 0));
	EXPECT(front, OK, gpu_destroy_context(front, 1));
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, PAGE);
}

static void entries_for_host_memory(struct front *front)
{
	struct {
		struct virtio_gpu_resource_create_blob head;
		struct virtio_gpu_mem_entry entries[2];
	} request = {
		.head = {.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = 1},
			 .resource_id = 1,
			 .blob_mem = HOST3D,
			 .blob_flags = MAPPABLE,
			 .nr_entries = 2,
			 .size = 8192},
		.entries = {{.addr = front->pages[1].gpa, .length = 4096},
			    {.addr = front->pages[1].gpa, .length = 4096}},
	};
	gpu_make_context(front, 1);
	EXPECT(front, BAD_PARAMETER, gpu_send(front, &request, sizeof(request)));
	request.head.blob_mem = GUEST;
	static const uint32_t wrong[] = {0, 1, 3, 0x10000002, 0xffffffff};
	for (unsigned i = 0; i < 5; i++) {
		request.head.nr_entries = wrong[i];
		EXPECT(front, BAD_PARAMETER, gpu_send(front, &request, sizeof(request)));
	}
	request.head.nr_entries = 2;
	request.head.size = 12288;
	EXPECT(front, BAD_PARAMETER, gpu_send(front, &request, sizeof(request)));
	request.head.size = 8192;
	request.entries[1].addr = front->window_gpa;
	EXPECT(front, BAD_PARAMETER, gpu_send(front, &request, sizeof(request)));
	request.entries[1].addr = UINT64_MAX - 4095;
	EXPECT(front, BAD_PARAMETER, gpu_send(front, &request, sizeof(request)));
	request.entries[1].addr = front->pages[1].gpa;
	EXPECT(front, OK, gpu_send(front, &request, sizeof(request)));
	EXPECT(front, BAD_RESOURCE, gpu_send(front, &request, sizeof(request)));
	EXPECT(front, UNSPEC, gpu_map(front, 1, 0));
}

static void map_offsets(struct front *front)
{
	const uint64_t window = front->window_size;
	const uint64_t wrong[] = {1,
				  100,
				  4095,
				  window,
				  window - 4096,
				  window - 65536 + 4096,
				  window * 2,
				  1ull << 63,
				  UINT64_MAX,
				  UINT64_MAX - 4095,
				  UINT64_MAX - 65535};
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 65536);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		EXPECT(front, BAD_PARAMETER, gpu_map(front, 1, wrong[i]));
	}
	EXPECT(front, MAPPED, gpu_map(front, 1, window - 65536));
	front->window[window - 1] = 9;
	EXPECT(front, 9, *(volatile uint8_t *)(front->window + window - 1));
}

static void map_twice(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 65536);
	EXPECT(front, UNSPEC, gpu_unmap(front, 1));
	EXPECT(front, MAPPED, gpu_map(front, 1, 0));
	EXPECT(front, UNSPEC, gpu_map(front, 1, 0));
	EXPECT(front, UNSPEC, gpu_map(front, 1, MIB));
	front->window[10] = 10;
	EXPECT(front, 10, *(volatile uint8_t *)(front->window + 10));
	EXPECT(front, OK, gpu_unmap(front, 1));
	EXPECT(front, UNSPEC, gpu_unmap(front, 1));
	EXPECT(front, MAPPED, gpu_map(front, 1, MIB));
	EXPECT(front, 10, *(volatile uint8_t *)(front->window + MIB + 10));
}

static void not_mappable(struct front *front)
{
	gpu_make_context(front, 1);
	/* What the renderer makes of it is its own affair. */
	uint32_t type = gpu_create_blob(front, 1, 1, HOST3D, 0, 0, PAGE, 0);
	if (type == OK) {
		EXPECT(front, UNSPEC, gpu_map(front, 1, 0));
	} else {
		CHECK(front, type >= UNSPEC);
	}
	EXPECT(front, OK,
	       gpu_create_blob(front, 0, 2, GUEST, MAPPABLE, 0, PAGE, front->pages[1].gpa));
	EXPECT(front, UNSPEC, gpu_map(front, 2, 0));
}

/* Ranges that overlap: whichever way they are answered, they go again. */
static void overlapping(struct front *front)
{
	static const uint64_t offsets[] = {0, 4096, 61440, 65536, 32768, 0, 12288, 131072 - 4096};
	gpu_make_context(front, 1);
	for (unsigned round = 0; round < 3; round++) {
		uint32_t answers[8];
		for (uint32_t i = 0; i < 8; i++) {
			gpu_make_blob(front, 1, i + 1, 65536);
			answers[i] = gpu_map(front, i + 1, offsets[i]);
			CHECK(front, answers[i] == MAPPED || answers[i] == UNSPEC ||
					     answers[i] == BAD_PARAMETER);
			front->window[offsets[i]] = (uint8_t)i;
		}
		EXPECT(front, MAPPED, answers[0]);
		/* In an order of their own. */
		for (uint32_t i = 0; i < 8; i++) {
			uint32_t k = (i * 3 + round) % 8;
			if (answers[k] == MAPPED && i % 2 == 0) {
				EXPECT(front, OK, gpu_unmap(front, k + 1));
			}
			EXPECT(front, OK, gpu_unref(front, k + 1));
		}
	}
	gpu_make_blob(front, 1, 1, 65536);
	EXPECT(front, MAPPED, gpu_map(front, 1, 0));
	front->window[65535] = 0x31;
	EXPECT(front, 0x31, *(volatile uint8_t *)(front->window + 65535));
}

static void unref_while_mapped(struct front *front)
{
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < 40; i++) {
		gpu_make_blob(front, 1, 1, 65536);
		EXPECT(front, MAPPED, gpu_map(front, 1, 0));
		front->window[i] = 0x40;
		EXPECT(front, OK, gpu_unref(front, 1));
		/* Touched when it may be there, or not. */
		front->window[i] = 0x41;
		EXPECT(front, BAD_RESOURCE, gpu_unmap(front, 1));
	}
}

static void context_gone_while_mapped(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 65536);
	EXPECT(front, MAPPED, gpu_map(front, 1, 0));
	EXPECT(front, OK, gpu_destroy_context(front, 1));
	memset(front->window, 0x12, 65536);
	EXPECT(front, 0x12, *(volatile uint8_t *)(front->window + 65535));
	EXPECT(front, OK, gpu_unmap(front, 1));
	EXPECT(front, MAPPED, gpu_map(front, 1, MIB));
	EXPECT(front, 0x12, *(volatile uint8_t *)(front->window + MIB));
}

static void post_map(struct front *front, uint32_t id, uint64_t offset, uint64_t *answer)
{
	const struct virtio_gpu_resource_map_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, .resource_id = id, .offset = offset};
	gpu_post(front, 0, &request, sizeof(request), answer);
}

static void post_id(struct front *front, uint32_t type, uint32_t id, uint64_t *answer)
{
	const struct virtio_gpu_resource_unref request = {.hdr.type = type, .resource_id = id};
	gpu_post(front, 0, &request, sizeof(request), answer);
}

/* All in one kick: each waits for the one before it. */
static void unref_while_mapping(struct front *front)
{
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < 30; i++) {
		uint64_t answers[6];
		gpu_make_blob(front, 1, 1, 65536);
		post_map(front, 1, 0, &answers[0]);
		post_map(front, 1, MIB, &answers[1]);
		post_id(front, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 1, &answers[2]);
		post_map(front, 1, 0, &answers[3]);
		post_id(front, VIRTIO_GPU_CMD_RESOURCE_UNREF, 1, &answers[4]);
		post_id(front, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 1, &answers[5]);
		front_kick(front, 0);
		front_wait_count(front, 0, 6);
		static const uint32_t want[] = {MAPPED, UNSPEC, OK, MAPPED, OK, BAD_RESOURCE};
		for (unsigned k = 0; k < 6; k++) {
			EXPECT(front, want[k], gpu_answer(front, answers[k]));
		}
		front_free_all(front);
	}
}

static void map_churn(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 65536);
	gpu_make_blob(front, 1, 2, 65536);
	for (unsigned i = 0; i < 150; i++) {
		uint64_t answers[4];
		for (uint32_t id = 1; id <= 2; id++) {
			post_map(front, id, 0, &answers[0]);
			post_id(front, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, id, &answers[1]);
			front_kick(front, 0);
			front_wait_count(front, 0, 2);
			EXPECT(front, MAPPED, gpu_answer(front, answers[0]));
			EXPECT(front, OK, gpu_answer(front, answers[1]));
		}
		front_free_all(front);
	}
}

/* A batch of 64: made, mapped, dropped without unmapping; counts what was mapped. */
static unsigned batch(struct front *front, uint32_t first, bool drop)
{
	uint64_t answers[64];
	uint64_t unused;
	unsigned mapped = 0;
	for (uint32_t i = 0; i < 64; i++) {
		const struct virtio_gpu_resource_create_blob create = {
			.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = 1},
			.resource_id = first + i,
			.blob_mem = HOST3D,
			.blob_flags = MAPPABLE,
			.size = PAGE,
		};
		gpu_post(front, 0, &create, sizeof(create), &unused);
		post_map(front, first + i, (first + i) * PAGE, &answers[i]);
		if (drop) {
			post_id(front, VIRTIO_GPU_CMD_RESOURCE_UNREF, first + i, &unused);
		}
	}
	front_kick(front, 0);
	front_wait_count(front, 0, drop ? 192 : 128);
	for (unsigned i = 0; i < 64; i++) {
		mapped += gpu_answer(front, answers[i]) == MAPPED;
	}
	front_free_all(front);
	return mapped;
}

static void ten_thousand(struct front *front)
{
	unsigned mapped = 0;
	gpu_make_context(front, 1);
	for (uint32_t first = 1; first < 10000; first += 64) {
		mapped += batch(front, first, true);
	}
	EXPECT(front, 157 * 64, mapped);
}

/* As many as there may be (the test's machine has --max-mappings=256), and as many again. */
static void mappings_at_the_limit(struct front *front)
{
	unsigned mapped = 0;
	gpu_make_context(front, 1);
	for (uint32_t first = 1; first < 640; first += 64) {
		mapped += batch(front, first, false);
	}
	CHECK(front, mapped >= 64 && mapped <= 512);
	EXPECT(front, NO_MEMORY, gpu_map(front, 640, 640 * PAGE));
	EXPECT(front, OK, gpu_unref(front, 1));
	EXPECT(front, MAPPED, gpu_map(front, 640, 640 * PAGE));
}

static void whole_window(struct front *front)
{
	gpu_make_context(front, 1);
	EXPECT(front, OK,
	       gpu_create_blob(front, 1, 1, HOST3D, MAPPABLE, 0, front->window_size / 8, 0));
	gpu_make_blob(front, 1, 2, PAGE);
	EXPECT(front, MAPPED, gpu_map(front, 1, front->window_size / 8));
	uint32_t type = gpu_map(front, 2, front->window_size / 8 + MIB);
	CHECK(front, type == MAPPED || type == UNSPEC || type == BAD_PARAMETER);
	front->window[front->window_size / 8] = 1;
	EXPECT(front, OK, gpu_unref(front, 1));
	EXPECT(front, OK, gpu_unref(front, 2));
}

/* Where nothing is mapped nothing happens. */
static void empty_window(struct front *front)
{
	for (uint64_t at = 0; at < front->window_size; at += front->window_size / 97) {
		front->window[at] = 1;
		CHECK(front, *(volatile uint8_t *)(front->window + at) != 1);
	}
}

static const struct attack table[] = {
	{"blob-bad-parameters", "sizes, kinds of memory, flags, ids: the right error of each",
	 bad_parameters, ANSWERS},
	{"blob-giant", "1 TiB to 2^64: OUT_OF_MEMORY, of guest pages INVALID_PARAMETER", giant,
	 ANSWERS},
	{"blob-unknown-object", "an error; a new context works", unknown_object, ANSWERS},
	{"blob-entries", "for host memory, too few, outside RAM: INVALID_PARAMETER",
	 entries_for_host_memory, ANSWERS},
	{"blob-map-offsets", "unaligned, beyond, wrapping: INVALID_PARAMETER; the last page works",
	 map_offsets, ANSWERS},
	{"blob-map-twice", "UNSPEC, and the first one stays", map_twice, ANSWERS},
	{"blob-not-mappable", "UNSPEC", not_mappable, ANSWERS},
	{"blob-overlapping", "8 over each other: each goes again, the place works after them",
	 overlapping, ANSWERS},
	{"blob-unref-while-mapped", "40 times, and touched after it", unref_while_mapped, ANSWERS},
	{"blob-context-gone-while-mapped", "its memory stays", context_gone_while_mapped, ANSWERS},
	{"blob-unref-while-mapping", "six commands in a kick: each answer as if in turn",
	 unref_while_mapping, ANSWERS},
	{"blob-map-churn", "300 at one place: each answered", map_churn, ANSWERS},
	{"blob-10000", "made, mapped, dropped: each mapped", ten_thousand, ANSWERS},
	{"blob-mappings-at-the-limit", "OUT_OF_MEMORY beyond it, and again when one has gone",
	 mappings_at_the_limit, ANSWERS},
	{"blob-eighth-of-the-window", "and one inside of it: both go again", whole_window, ANSWERS},
	{"blob-empty-window", "reads and writes where nothing is mapped hit nothing", empty_window,
	 ANSWERS},
};

ATTACK_GROUP(blobs, table);
