/* SPDX-License-Identifier: MIT */
/*
 * Where pixels lie: every format with every kind of stride and offset that a guest may choose,
 * shown whole and in parts, from the renderer's memory and from the guest's own pages; through the
 * real device and the real viewer, pixel for pixel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "colours.h"
#include "daemon.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BLOB_BYTES (512u << 10)

/* Bytes from row to row: tight; as drivers align; odd multiples of a pixel; a page. */
static const uint32_t strides[] = {WIDTH * 4, WIDTH * 4 + 64, WIDTH * 4 + 4, WIDTH * 4 + 36, 4096};
/* Bytes to the first pixel: none, one pixel, a page, and where no cache line begins. */
static const uint32_t offsets[] = {0, 4, 4096, 100, 4096 * 3 + 44};

static const struct virtio_gpu_rect parts[] = {
	{0, 0, WIDTH, HEIGHT},
	{5, 7, 33, 21},
	{WIDTH - 32, HEIGHT - 32, 32, 32}, /* to the very last byte */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct place {
	const struct colours_format *format;
	uint32_t stride;
	uint32_t offset;
	const struct virtio_gpu_rect *part;
};

static void show(struct daemon *daemon, uint32_t id, uint8_t *memory, const struct place *place)
{
	struct picture picture;
	char what[96];
	snprintf(what, sizeof(what), "%s, stride %u, offset %u, part at %u,%u",
		 place->format->bytes, place->stride, place->offset, place->part->x,
		 place->part->y);
	/* What lies around the picture must not be seen. */
	memset(memory, 0xa5, BLOB_BYTES);
	draw(memory + place->offset, place->stride, place->format->bytes);
	assert_int_equal(daemon_set_scanout_blob_part(daemon, 0, id, place->format->id, WIDTH,
						      HEIGHT, place->stride, place->offset,
						      place->part),
			 OK);
	assert_int_equal(daemon_flush(daemon, id, WIDTH, HEIGHT), OK);
	daemon_look(daemon, 0, &picture);
	check(&picture, place->part->x, place->part->y, place->part->width, place->part->height,
	      what);
	picture_finish(&picture);
}

/* All combinations; the parts take turns so that each format, stride and offset meets each. */
static void show_all(struct daemon *daemon, uint32_t id, uint8_t *memory)
{
	for (size_t f = 0; f < FORMATS; f++) {
		for (size_t s = 0; s < COUNT(strides); s++) {
			for (size_t o = 0; o < COUNT(offsets); o++) {
				show(daemon, id, memory,
				     &(struct place){
					     .format = &formats[f],
					     .stride = strides[s],
					     .offset = offsets[o],
					     .part = &parts[(f + s + o) % COUNT(parts)],
				     });
			}
		}
	}
}

static void test_host_blobs(void **state)
{
	struct daemon daemon;
	daemon_open(&daemon, 1);
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	assert_int_equal(
		daemon_create_blob(&daemon, 1, 7, VIRTIO_GPU_BLOB_MEM_HOST3D, BLOB_BYTES, 0), OK);
	assert_int_equal(daemon_map(&daemon, 7, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	show_all(&daemon, 7, wire_window_at(&daemon.front, 0, BLOB_BYTES));
	assert_int_equal(daemon_counter(&daemon, "cpu_copied_bytes"), 0);
	daemon_close(&daemon);
}

static void test_guest_blobs(void **state)
{
	struct daemon daemon;
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	daemon_open(&daemon, 1);
	assert_int_equal(
		daemon_create_blob(&daemon, 0, 7, VIRTIO_GPU_BLOB_MEM_GUEST, BLOB_BYTES, gpa), OK);
	show_all(&daemon, 7, wire_at(&daemon.front, gpa));
	daemon_close(&daemon);
}

/* 2D resources have rows of their width; what varies is where in the pages the pixels are. */
static void test_2d_resources(void **state)
{
	struct daemon daemon;
	struct picture picture;
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	daemon_open(&daemon, 1);
	for (size_t f = 0; f < FORMATS; f++) {
		uint32_t id = 20 + (uint32_t)f;
		assert_int_equal(daemon_create_2d(&daemon, id, formats[f].id, WIDTH, HEIGHT), OK);
		assert_int_equal(daemon_attach(&daemon, id, gpa, BLOB_BYTES), OK);
		for (size_t o = 0; o < COUNT(offsets); o++) {
			const struct virtio_gpu_rect *part = &parts[(f + o) % COUNT(parts)];
			uint8_t *memory = wire_at(&daemon.front, gpa);
			memset(memory, 0xa5, BLOB_BYTES);
			draw(memory + offsets[o], WIDTH * 4, formats[f].bytes);
			assert_int_equal(
				daemon_transfer(&daemon, id, 0, 0, WIDTH, HEIGHT, offsets[o]), OK);
			assert_int_equal(daemon_set_scanout(&daemon, 0, id, part->x, part->y,
							    part->width, part->height),
					 OK);
			assert_int_equal(daemon_flush(&daemon, id, WIDTH, HEIGHT), OK);
			daemon_look(&daemon, 0, &picture);
			check(&picture, part->x, part->y, part->width, part->height,
			      formats[f].bytes);
			picture_finish(&picture);
		}
	}
	daemon_close(&daemon);
}

static void check_damage(const struct picture *picture, const struct virtio_gpu_rect *damage,
			 uint8_t turn, const char *what)
{
	assert_int_equal(picture->width, WIDTH);
	assert_int_equal(picture->height, HEIGHT);
	for (uint32_t y = 0; y < HEIGHT; y++) {
		for (uint32_t x = 0; x < WIDTH; x++) {
			bool inside = x >= damage->x && x < damage->x + damage->width &&
				      y >= damage->y && y < damage->y + damage->height;
			check_pixel(picture, x, y, x, y, inside ? turn : 0, what);
		}
	}
}

/*
 * The guest draws all anew and tells of a part: a viewer shows the part new and, where the device
 * has a copy, the rest as it was.
 */
static void test_damage(void **state)
{
	static const struct virtio_gpu_rect damages[] = {
		{0, 0, 1, 1}, {10, 3, 17, 29}, {0, 39, WIDTH, 1}, {71, 0, 1, HEIGHT}};
	struct daemon daemon;
	struct picture picture;
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	const uint64_t blob_gpa = gpa + BLOB_BYTES;
	const uint32_t stride = WIDTH * 4 + 36;
	const uint32_t offset = 100;
	daemon_open(&daemon, 2);
	uint8_t *pixels = wire_at(&daemon.front, gpa);
	uint8_t *blob = wire_at(&daemon.front, blob_gpa);
	blob += offset;
	assert_int_equal(daemon_create_2d(&daemon, 1, 2, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_attach(&daemon, 1, gpa, WIDTH * HEIGHT * 4), OK);
	assert_int_equal(daemon_set_scanout(&daemon, 0, 1, 0, 0, WIDTH, HEIGHT), OK);
	assert_int_equal(
		daemon_create_blob(&daemon, 0, 2, VIRTIO_GPU_BLOB_MEM_GUEST, BLOB_BYTES, blob_gpa),
		OK);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 1, 2, 67, WIDTH, HEIGHT, stride, offset),
			 OK);
	for (size_t i = 0; i < COUNT(damages); i++) {
		const struct virtio_gpu_rect *damage = &damages[i];
		uint8_t turn = (uint8_t)(i + 1);
		draw(pixels, WIDTH * 4, "BGRX");
		draw(blob, stride, "RGBA");
		assert_int_equal(daemon_transfer(&daemon, 1, 0, 0, WIDTH, HEIGHT, 0), OK);
		assert_int_equal(daemon_flush(&daemon, 1, WIDTH, HEIGHT), OK);
		assert_int_equal(daemon_flush(&daemon, 2, WIDTH, HEIGHT), OK);
		draw_part(pixels, WIDTH * 4, "BGRX", turn, 0, 0, WIDTH, HEIGHT);
		draw_part(blob, stride, "RGBA", turn, 0, 0, WIDTH, HEIGHT);
		assert_int_equal(daemon_transfer(&daemon, 1, damage->x, damage->y, damage->width,
						 damage->height,
						 (damage->y * WIDTH + damage->x) * 4),
				 OK);
		assert_int_equal(daemon_flush_part(&daemon, 1, damage), OK);
		assert_int_equal(daemon_flush_part(&daemon, 2, damage), OK);
		daemon_look(&daemon, 0, &picture);
		check_damage(&picture, damage, turn, "2D damage");
		picture_finish(&picture);
		daemon_look(&daemon, 1, &picture);
		check_damage(&picture, damage, turn, "guest blob damage");
		picture_finish(&picture);
	}
	daemon_close(&daemon);
}

/* One framebuffer, two scanouts with parts that overlap; one flush is for both. */
static void test_one_blob_on_two_heads(void **state)
{
	static const struct virtio_gpu_rect left = {0, 0, 40, HEIGHT};
	static const struct virtio_gpu_rect right = {36, 4, 36, 33};
	const uint32_t stride = WIDTH * 4 + 4;
	struct daemon daemon;
	struct picture picture;
	daemon_open(&daemon, 2);
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	assert_int_equal(
		daemon_create_blob(&daemon, 1, 7, VIRTIO_GPU_BLOB_MEM_HOST3D, BLOB_BYTES, 0), OK);
	assert_int_equal(daemon_map(&daemon, 7, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	uint8_t *memory = wire_window_at(&daemon.front, 0, BLOB_BYTES);
	for (size_t f = 0; f < FORMATS; f++) {
		draw(memory + 44, stride, formats[f].bytes);
		assert_int_equal(daemon_set_scanout_blob_part(&daemon, 0, 7, formats[f].id, WIDTH,
							      HEIGHT, stride, 44, &left),
				 OK);
		assert_int_equal(daemon_set_scanout_blob_part(&daemon, 1, 7, formats[f].id, WIDTH,
							      HEIGHT, stride, 44, &right),
				 OK);
		assert_int_equal(daemon_flush(&daemon, 7, WIDTH, HEIGHT), OK);
		daemon_look(&daemon, 0, &picture);
		check(&picture, left.x, left.y, left.width, left.height, "left");
		picture_finish(&picture);
		daemon_look(&daemon, 1, &picture);
		check(&picture, right.x, right.y, right.width, right.height, "right");
		picture_finish(&picture);
	}
	daemon_close(&daemon);
}

static void test_places_outside_the_blob(void **state)
{
	static const struct {
		uint32_t stride, offset, width, height;
		struct virtio_gpu_rect part;
	} bad[] = {
		{WIDTH * 4 - 4, 0, WIDTH, HEIGHT, {0, 0, WIDTH, HEIGHT}},
		{WIDTH * 4 + 2, 0, WIDTH, HEIGHT, {0, 0, WIDTH, HEIGHT}},
		{WIDTH * 4, 2, WIDTH, HEIGHT, {0, 0, WIDTH, HEIGHT}},
		{WIDTH * 4, BLOB_BYTES - WIDTH * HEIGHT * 4 + 4, WIDTH, HEIGHT, {0, 0, 32, 32}},
		{WIDTH * 4, 0xfffffffc, WIDTH, HEIGHT, {0, 0, 32, 32}},
		{0xfffffffc, 0, WIDTH, HEIGHT, {0, 0, 32, 32}},
		{WIDTH * 4, 0, WIDTH, HEIGHT, {0, 0, WIDTH + 1, HEIGHT}},
		{WIDTH * 4, 0, WIDTH, HEIGHT, {1, 0, 0xffffffff, HEIGHT}},
		{WIDTH * 4, 0, WIDTH, HEIGHT, {WIDTH, 0, 1, 1}},
		{WIDTH * 4, 0, WIDTH, HEIGHT, {0, 0, 0, 0}},
		{WIDTH * 4, 0, 0, 0, {0, 0, 0, 0}},
	};
	struct daemon daemon;
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	daemon_open(&daemon, 1);
	assert_int_equal(
		daemon_create_blob(&daemon, 0, 7, VIRTIO_GPU_BLOB_MEM_GUEST, BLOB_BYTES, gpa), OK);
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (daemon_set_scanout_blob_part(&daemon, 0, 7, 2, bad[i].width, bad[i].height,
						 bad[i].stride, bad[i].offset, &bad[i].part) !=
		    VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER) {
			fail_msg("place %zu was taken", i);
		}
	}
	/* The last place that fits. */
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 7, 2, WIDTH, HEIGHT, WIDTH * 4,
						 BLOB_BYTES - WIDTH * HEIGHT * 4),
			 OK);
	daemon_close(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_blobs),
		cmocka_unit_test(test_guest_blobs),
		cmocka_unit_test(test_2d_resources),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_one_blob_on_two_heads),
		cmocka_unit_test(test_places_outside_the_blob),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
