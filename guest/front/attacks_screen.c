/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attack.h"

/* Scanouts and the pointer. */

#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define MOST 0xffffffffu
#define NUM_SCANOUTS 8 /* in the device's config */

static void scanout_ids(struct front *front)
{
	const uint32_t heads[] = {io_read32(front->pci.device + NUM_SCANOUTS),
				  15,
				  16,
				  17,
				  0x7fffffff,
				  0x80000000,
				  MOST};
	gpu_make_picture(front, 1, 64);
	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		EXPECT(front, BAD_SCANOUT, gpu_set_scanout(front, heads[i], 1, 0, 0, 64, 64));
		EXPECT(front, BAD_SCANOUT, gpu_set_scanout(front, heads[i], 0, 0, 0, 0, 0));
		EXPECT(front, BAD_SCANOUT,
		       gpu_set_scanout_blob(front, heads[i], 1, XRGB, 64, 64, 256, 0));
		const struct virtio_gpu_cmd_get_edid edid = {.hdr.type = VIRTIO_GPU_CMD_GET_EDID,
							     .scanout = heads[i]};
		EXPECT(front, BAD_SCANOUT, gpu_send(front, &edid, sizeof(edid)));
	}
}

static void scanout_rects(struct front *front)
{
	static const struct virtio_gpu_rect rects[] = {
		{0, 0, 65, 64},
		{0, 0, 64, 65},
		{1, 0, 64, 64},
		{0, 63, 64, 2},
		{64, 64, 1, 1},
		{1, 0, MOST, 64},
		{0, 1, 64, MOST},
		{MOST, MOST, 2, 2},
		{0, 0, 0, 64},
		{0, 0, 64, 0},
		{0, 0, 0, 0},
		{0, 0, MOST, MOST},
		{0x80000000, 0, 0x80000001, 1},
	};
	gpu_make_picture(front, 1, 64);
	for (unsigned i = 0; i < sizeof(rects) / sizeof(rects[0]); i++) {
		EXPECT(front, BAD_PARAMETER,
		       gpu_set_scanout(front, 0, 1, rects[i].x, rects[i].y, rects[i].width,
				       rects[i].height));
	}
	EXPECT(front, OK, gpu_set_scanout(front, 0, 1, 63, 63, 1, 1));
	EXPECT(front, OK, gpu_flush(front, 1, 0, 0, 64, 64));
}

static void blob_layouts(struct front *front)
{
	static const struct {
		uint32_t format, width, height, stride, offset;
	} layouts[] = {
		{XRGB, 64, 64, 0, 0},
		{XRGB, 64, 64, 252, 0},
		{XRGB, 64, 64, 255, 0},
		{XRGB, 64, 64, MOST, 0},
		{XRGB, 64, 64, 0xfffffffc, 0},
		{XRGB, 64, 64, 256, 4},
		{XRGB, 64, 64, 256, 16384},
		{XRGB, 64, 64, 256, MOST},
		{XRGB, 64, 64, 256, 0xfffffffc},
		{XRGB, 64, 65, 256, 0},
		{XRGB, 65, 64, 256, 0},
		{XRGB, MOST, MOST, 0xfffffffc, 0},
		{XRGB, MOST, 1, 256, 0},
		{XRGB, 1, MOST, 256, 0},
		{XRGB, 0x40000000, 4, 256, 0},
		{XRGB, 0, 64, 256, 0},
		{XRGB, 64, 0, 256, 0},
		{0, 64, 64, 256, 0},
		{166, 64, 64, 256, 0},
		{MOST, 64, 64, 256, 0},
		{XRGB, 16385, 1, 65540, 0},
	};
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 16384);
	for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		EXPECT(front, BAD_PARAMETER,
		       gpu_set_scanout_blob(front, 0, 1, layouts[i].format, layouts[i].width,
					    layouts[i].height, layouts[i].stride,
					    layouts[i].offset));
	}
	EXPECT(front, OK, gpu_set_scanout_blob(front, 0, 1, XRGB, 64, 64, 256, 0));
	EXPECT(front, OK, gpu_flush(front, 1, 0, 0, MOST, MOST));
	EXPECT(front, OK, gpu_flush(front, 1, MOST, MOST, MOST, MOST));
}

/* The part that is shown, of a blob. */
static void blob_parts(struct front *front)
{
	struct virtio_gpu_set_scanout_blob request = {
		.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
		.resource_id = 1,
		.width = 64,
		.height = 64,
		.format = XRGB,
		.strides = {256, MOST, MOST, MOST},
		.offsets = {0, MOST, MOST, MOST},
	};
	static const struct virtio_gpu_rect rects[] = {
		{0, 0, 65, 64}, {1, 0, 64, 64},     {64, 0, 1, 1},   {MOST, 0, 2, 1},
		{0, 0, 0, 0},   {0, 0, MOST, MOST}, {0, MOST, 1, 2},
	};
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 16384);
	for (unsigned i = 0; i < sizeof(rects) / sizeof(rects[0]); i++) {
		request.r = rects[i];
		EXPECT(front, BAD_PARAMETER, gpu_send(front, &request, sizeof(request)));
	}
	request.r = (struct virtio_gpu_rect){63, 63, 1, 1};
	EXPECT(front, OK, gpu_send(front, &request, sizeof(request)));
	EXPECT(front, OK, gpu_flush(front, 1, 63, 63, 1, 1));
}

static void wrong_kind(struct front *front)
{
	gpu_make_picture(front, 1, 64);
	EXPECT(front, BAD_PARAMETER, gpu_set_scanout_blob(front, 0, 1, XRGB, 64, 64, 256, 0));
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 2, 16384);
	EXPECT(front, BAD_RESOURCE, gpu_set_scanout(front, 0, 2, 0, 0, 64, 64));
	EXPECT(front, UNSPEC, gpu_map(front, 1, 0));
	EXPECT(front, UNSPEC, gpu_unmap(front, 1));
	EXPECT(front, UNSPEC, gpu_attach(front, 2, front->pages[1].gpa, 16384));
	EXPECT(front, UNSPEC, gpu_detach(front, 2));
}

static void unref_while_shown(struct front *front)
{
	gpu_make_context(front, 1);
	for (unsigned i = 0; i < 20; i++) {
		gpu_make_picture(front, 1, 64);
		EXPECT(front, OK, gpu_set_scanout(front, 0, 1, 0, 0, 64, 64));
		EXPECT(front, OK, gpu_flush(front, 1, 0, 0, 64, 64));
		EXPECT(front, OK, gpu_unref(front, 1));
		EXPECT(front, BAD_RESOURCE, gpu_flush(front, 1, 0, 0, 64, 64));
		gpu_make_blob(front, 1, 1, 16384);
		EXPECT(front, OK, gpu_set_scanout_blob(front, 0, 1, XRGB, 64, 64, 256, 0));
		EXPECT(front, OK, gpu_unref(front, 1));
		/* Another one with the same id is not on the screen. */
		EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, 64, 64));
		EXPECT(front, OK, gpu_flush(front, 1, 0, 0, 64, 64));
		EXPECT(front, OK, gpu_unref(front, 1));
		front_free_all(front);
	}
}

static void context_gone_while_shown(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 16384);
	EXPECT(front, OK, gpu_set_scanout_blob(front, 0, 1, XRGB, 64, 64, 256, 0));
	EXPECT(front, OK, gpu_destroy_context(front, 1));
	for (unsigned i = 0; i < 20; i++) {
		EXPECT(front, OK, gpu_flush(front, 1, 0, 0, 64, 64));
	}
	EXPECT(front, OK, gpu_unref(front, 1));
}

static void flip_storm(struct front *front)
{
	uint64_t answer;
	gpu_make_picture(front, 1, 64);
	gpu_make_picture(front, 2, 128);
	for (unsigned round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < FRONT_RING_SIZE; i++) {
			/* Shown, shown smaller, dark. */
			const struct virtio_gpu_set_scanout show = {
				.hdr.type = VIRTIO_GPU_CMD_SET_SCANOUT,
				.r = {i % 32, i % 16, 1 + i % 30, 1 + i % 40},
				.resource_id = i % 3,
			};
			const struct virtio_gpu_resource_flush flush = {
				.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_FLUSH,
					.flags = VIRTIO_GPU_FLAG_FENCE,
					.fence_id = i},
				.r = {0, 0, 64, 64},
				.resource_id = 1 + i % 2,
			};
			if (i % 2 == 0) {
				gpu_post(front, 0, &show, sizeof(show), &answer);
			} else {
				gpu_post(front, 0, &flush, sizeof(flush), &answer);
			}
		}
		front_kick(front, 0);
		front_wait_count(front, 0, FRONT_RING_SIZE);
		EXPECT(front, OK, gpu_answer(front, answer));
		front_free_all(front);
	}
}

static void guest_pages_shown(struct front *front)
{
	/* The first page: the rings themselves, on the screen, while they are in use. */
	EXPECT(front, OK, gpu_create_blob(front, 0, 1, GUEST, 0, 0, 65536, front->pages[0].gpa));
	EXPECT(front, OK, gpu_set_scanout_blob(front, 0, 1, XRGB, 128, 128, 512, 0));
	for (unsigned i = 0; i < 100; i++) {
		EXPECT(front, OK, gpu_flush(front, 1, 0, 0, 128, 128));
	}
	EXPECT(front, OK, gpu_flush(front, 1, MOST, 0, 1, MOST));
	EXPECT(front, OK, gpu_unref(front, 1));
}

static uint32_t cursor(struct front *front, uint32_t type, uint32_t head, uint32_t id, uint32_t x,
		       uint32_t y, uint32_t hot_x, uint32_t hot_y)
{
	const struct virtio_gpu_update_cursor request = {
		.hdr.type = type,
		.pos = {.scanout_id = head, .x = x, .y = y},
		.resource_id = id,
		.hot_x = hot_x,
		.hot_y = hot_y,
	};
	struct virtio_gpu_ctrl_hdr answer = {0};
	front_command(front, 1, &request, sizeof(request), &answer, sizeof(answer));
	return answer.type;
}

static uint32_t update(struct front *front, uint32_t id, uint32_t hot_x, uint32_t hot_y)
{
	return cursor(front, VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, id, 5, 5, hot_x, hot_y);
}

static void cursor_sizes(struct front *front)
{
	static const uint32_t sizes[][2] = {{1, 1}, {512, 512}, {513, 1}, {1, 513}, {16384, 8}};
	for (unsigned i = 0; i < 5; i++) {
		EXPECT(front, OK, gpu_create_2d(front, 1, XRGB, sizes[i][0], sizes[i][1]));
		EXPECT(front, i < 2 ? OK : BAD_RESOURCE, update(front, 1, 0, 0));
		EXPECT(front, OK, gpu_unref(front, 1));
	}
	EXPECT(front, BAD_RESOURCE, update(front, 1, 0, 0));
	EXPECT(front, BAD_RESOURCE, update(front, MOST, 0, 0));
}

static void cursor_blobs(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 12288);
	gpu_make_blob(front, 1, 2, 16384);
	EXPECT(front, OK, gpu_create_blob(front, 0, 3, GUEST, 0, 0, 4096, front->pages[1].gpa));
	EXPECT(front, OK, gpu_create_blob(front, 0, 4, GUEST, 0, 0, 16384, front->pages[1].gpa));
	EXPECT(front, BAD_RESOURCE, update(front, 1, 0, 0));
	EXPECT(front, OK, update(front, 2, 0, 0));
	EXPECT(front, BAD_RESOURCE, update(front, 3, 0, 0));
	EXPECT(front, OK, update(front, 4, 0, 0));
}

static void cursor_far_away(struct front *front)
{
	static const uint32_t values[] = {0, 63, 64, 0x7fffffff, 0x80000000, MOST};
	gpu_make_picture(front, 1, 64);
	for (unsigned x = 0; x < 6; x++) {
		for (unsigned y = 0; y < 6; y++) {
			EXPECT(front, OK, update(front, 1, values[x], values[y]));
			EXPECT(front, OK,
			       cursor(front, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 1, values[x], values[y],
				      values[y], values[x]));
		}
	}
}

static void cursor_on_no_screen(struct front *front)
{
	const uint32_t heads[] = {io_read32(front->pci.device + NUM_SCANOUTS), 15, 16, 0x80000000,
				  MOST};
	gpu_make_picture(front, 1, 64);
	for (unsigned i = 0; i < 5; i++) {
		EXPECT(front, BAD_SCANOUT,
		       cursor(front, VIRTIO_GPU_CMD_UPDATE_CURSOR, heads[i], 1, 0, 0, 0, 0));
		EXPECT(front, BAD_SCANOUT,
		       cursor(front, VIRTIO_GPU_CMD_MOVE_CURSOR, heads[i], 1, 0, 0, 0, 0));
	}
}

/* Its picture goes, changes its kind, and comes back under the pointer. */
static void cursor_unref(struct front *front)
{
	for (unsigned i = 0; i < 30; i++) {
		gpu_make_picture(front, 1, 64);
		EXPECT(front, OK, update(front, 1, 1, 1));
		EXPECT(front, OK, gpu_unref(front, 1));
		EXPECT(front, OK, cursor(front, VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 1, i, i, 0, 0));
		EXPECT(front, BAD_RESOURCE, update(front, 1, 1, 1));
		EXPECT(front, OK, update(front, 0, 0, 0));
		front_free_all(front);
	}
}

static void cursor_storm(struct front *front)
{
	uint64_t answer;
	gpu_make_picture(front, 1, 64);
	for (unsigned round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < FRONT_RING_SIZE; i++) {
			const struct virtio_gpu_update_cursor request = {
				.hdr = {.type = i % 3 == 0 ? VIRTIO_GPU_CMD_UPDATE_CURSOR
							   : VIRTIO_GPU_CMD_MOVE_CURSOR,
					.flags = VIRTIO_GPU_FLAG_FENCE,
					.fence_id = i},
				.pos = {.x = front_random(front), .y = front_random(front)},
				.resource_id = 1,
			};
			gpu_post(front, 1, &request, sizeof(request), &answer);
		}
		front_kick(front, 1);
		front_wait_count(front, 1, FRONT_RING_SIZE);
		EXPECT(front, OK, gpu_answer(front, answer));
		front_free_all(front);
	}
}

static const struct attack table[] = {
	{"screen-ids", "one too many to 2^32-1, in 4 commands: INVALID_SCANOUT_ID", scanout_ids,
	 ANSWERS},
	{"screen-rects", "13 that are outside the resource: INVALID_PARAMETER", scanout_rects,
	 ANSWERS},
	{"screen-blob-layouts", "21 strides, offsets, sizes, formats: INVALID_PARAMETER",
	 blob_layouts, ANSWERS},
	{"screen-blob-parts", "parts outside of it: INVALID_PARAMETER", blob_parts, ANSWERS},
	{"screen-wrong-kind", "commands for blobs on pictures, and for pictures on blobs: errors",
	 wrong_kind, ANSWERS},
	{"screen-unref-while-shown", "20 times: OK, and the next flush INVALID_RESOURCE_ID",
	 unref_while_shown, ANSWERS},
	{"screen-context-gone-while-shown", "its blob stays on the screen",
	 context_gone_while_shown, ANSWERS},
	{"screen-flip-storm", "1280 scanouts and 1280 fenced flushes: each answered", flip_storm,
	 ANSWERS},
	{"screen-guest-pages", "the rings as a picture, flushed 101 times", guest_pages_shown,
	 ANSWERS},
	{"screen-cursor-sizes", "beyond 512 a side: INVALID_RESOURCE_ID", cursor_sizes, ANSWERS},
	{"screen-cursor-blobs", "smaller than 64 x 64: INVALID_RESOURCE_ID", cursor_blobs, ANSWERS},
	{"screen-cursor-far-away", "hot spots and places up to 2^32-1: OK", cursor_far_away,
	 ANSWERS},
	{"screen-cursor-on-no-screen", "INVALID_SCANOUT_ID", cursor_on_no_screen, ANSWERS},
	{"screen-cursor-unref", "30 times under the pointer: OK", cursor_unref, ANSWERS},
	{"screen-cursor-storm", "2560 moves and changes with fences: each answered", cursor_storm,
	 ANSWERS},
};

ATTACK_GROUP(screen, table);
