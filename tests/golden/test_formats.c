/* SPDX-License-Identifier: MIT */
/*
 * All eight formats from guest bytes to a viewer's pixels, through SET_SCANOUT (a copy by
 * TRANSFER_TO_HOST_2D) and SET_SCANOUT_BLOB (no copy), with strides, offsets and parts that are not
 * the whole.
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

static void test_set_scanout(void **state)
{
	struct daemon daemon;
	struct picture picture;
	daemon_open(&daemon, 1);
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	for (size_t i = 0; i < FORMATS; i++) {
		uint32_t id = 10 + (uint32_t)i;
		draw(wire_at(&daemon.front, gpa), WIDTH * 4, formats[i].bytes);
		assert_int_equal(daemon_create_2d(&daemon, id, formats[i].id, WIDTH, HEIGHT), OK);
		assert_int_equal(daemon_attach(&daemon, id, gpa, WIDTH * HEIGHT * 4), OK);
		assert_int_equal(daemon_transfer(&daemon, id, 0, 0, WIDTH, HEIGHT, 0), OK);
		assert_int_equal(daemon_set_scanout(&daemon, 0, id, 0, 0, WIDTH, HEIGHT), OK);
		assert_int_equal(daemon_flush(&daemon, id, WIDTH, HEIGHT), OK);
		daemon_look(&daemon, 0, &picture);
		check(&picture, 0, 0, WIDTH, HEIGHT, formats[i].bytes);
		picture_finish(&picture);
		/* A part of it, one that starts in the middle of a row. */
		assert_int_equal(daemon_set_scanout(&daemon, 0, id, 5, 7, 33, 21), OK);
		assert_int_equal(daemon_flush(&daemon, id, WIDTH, HEIGHT), OK);
		daemon_look(&daemon, 0, &picture);
		check(&picture, 5, 7, 33, 21, formats[i].bytes);
		picture_finish(&picture);
	}
	assert_int_equal(daemon_counter(&daemon, "cpu_copied_bytes"), FORMATS * WIDTH * HEIGHT * 4);
	daemon_close(&daemon);
}

static void test_set_scanout_blob(void **state)
{
	struct daemon daemon;
	struct picture picture;
	daemon_open(&daemon, 1);
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	for (size_t i = 0; i < FORMATS; i++) {
		uint32_t id = 10 + (uint32_t)i;
		/* Neither stride nor offset is a round number. */
		uint32_t stride = (WIDTH + 3 + (uint32_t)i) * 4;
		uint32_t offset = 4 * (1 + 37 * (uint32_t)i);
		uint64_t place = 65536 * i;
		assert_int_equal(
			daemon_create_blob(&daemon, 1, id, VIRTIO_GPU_BLOB_MEM_HOST3D, 65536, 0),
			OK);
		assert_int_equal(daemon_map(&daemon, id, place), VIRTIO_GPU_RESP_OK_MAP_INFO);
		/* Through the window, as the guest would. */
		uint8_t *window = wire_window_at(&daemon.front, place, 65536);
		assert_non_null(window);
		draw(window + offset, stride, formats[i].bytes);
		assert_int_equal(daemon_set_scanout_blob(&daemon, 0, id, formats[i].id, WIDTH,
							 HEIGHT, stride, offset),
				 OK);
		assert_int_equal(daemon_flush(&daemon, id, WIDTH, HEIGHT), OK);
		daemon_look(&daemon, 0, &picture);
		check(&picture, 0, 0, WIDTH, HEIGHT, formats[i].bytes);
		picture_finish(&picture);
	}
	assert_int_equal(daemon_counter(&daemon, "cpu_copied_bytes"), 0);
	assert_int_equal(daemon_counter(&daemon, "scanout_blob_commands"), FORMATS);
	daemon_close(&daemon);
}

static void test_guest_blob_is_copied_and_counted(void **state)
{
	struct daemon daemon;
	struct picture picture;
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	daemon_open(&daemon, 1);
	draw(wire_at(&daemon.front, gpa), WIDTH * 4, "BGRX");
	assert_int_equal(daemon_create_blob(&daemon, 0, 5, VIRTIO_GPU_BLOB_MEM_GUEST, 12288, gpa),
			 OK);
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 5, 2, WIDTH, HEIGHT, WIDTH * 4, 0),
			 OK);
	assert_int_equal(daemon_flush(&daemon, 5, WIDTH, HEIGHT), OK);
	daemon_look(&daemon, 0, &picture);
	check(&picture, 0, 0, WIDTH, HEIGHT, "guest blob");
	picture_finish(&picture);
	assert_int_equal(daemon_counter(&daemon, "blob_path_cpu_copied_bytes"), WIDTH * HEIGHT * 4);
	daemon_close(&daemon);
}

/* The guest's pages lie anywhere, in any order, and a row may begin in the middle of one. */
static void test_scattered_pages(void **state)
{
	enum { PIECE = 36, PIECES = WIDTH * HEIGHT * 4 / PIECE };
	static struct {
		struct virtio_gpu_resource_attach_backing head;
		struct virtio_gpu_mem_entry entries[PIECES];
	} request;
	static uint8_t pixels[WIDTH * HEIGHT * 4];
	struct daemon daemon;
	struct picture picture;
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	assert_int_equal(sizeof(pixels) % PIECE, 0);
	daemon_open(&daemon, 1);
	draw(pixels, WIDTH * 4, "BGRX");
	request.head.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
	request.head.resource_id = 1;
	request.head.nr_entries = PIECES;
	for (uint32_t i = 0; i < PIECES; i++) {
		uint64_t at = gpa + 4096 * (uint64_t)(PIECES - i) + 8 * (i % 5);
		memcpy(wire_at(&daemon.front, at), pixels + i * PIECE, PIECE);
		request.entries[i] = (struct virtio_gpu_mem_entry){.addr = at, .length = PIECE};
	}
	assert_int_equal(daemon_create_2d(&daemon, 1, 2, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_command(&daemon, &request, sizeof(request), NULL, 0), OK);
	assert_int_equal(daemon_set_scanout(&daemon, 0, 1, 0, 0, WIDTH, HEIGHT), OK);
	/* In four parts, none of them as wide as the resource, the last one first. */
	assert_int_equal(daemon_transfer(&daemon, 1, 31, 17, 41, 23, (17 * WIDTH + 31) * 4), OK);
	assert_int_equal(daemon_transfer(&daemon, 1, 0, 17, 31, 23, 17 * WIDTH * 4), OK);
	assert_int_equal(daemon_transfer(&daemon, 1, 31, 0, 41, 17, 31 * 4), OK);
	assert_int_equal(daemon_transfer(&daemon, 1, 0, 0, 31, 17, 0), OK);
	assert_int_equal(daemon_flush(&daemon, 1, WIDTH, HEIGHT), OK);
	daemon_look(&daemon, 0, &picture);
	check(&picture, 0, 0, WIDTH, HEIGHT, "scattered");
	picture_finish(&picture);
	/* All at once gives the same. */
	assert_int_equal(daemon_transfer(&daemon, 1, 0, 0, WIDTH, HEIGHT, 0), OK);
	assert_int_equal(daemon_flush(&daemon, 1, WIDTH, HEIGHT), OK);
	daemon_look(&daemon, 0, &picture);
	check(&picture, 0, 0, WIDTH, HEIGHT, "scattered, at once");
	picture_finish(&picture);
	daemon_close(&daemon);
}

static void test_one_resource_on_two_heads(void **state)
{
	struct daemon daemon;
	struct picture picture;
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	daemon_open(&daemon, 2);
	draw(wire_at(&daemon.front, gpa), WIDTH * 4, "BGRX");
	assert_int_equal(daemon_create_2d(&daemon, 1, 2, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_attach(&daemon, 1, gpa, WIDTH * HEIGHT * 4), OK);
	assert_int_equal(daemon_transfer(&daemon, 1, 0, 0, WIDTH, HEIGHT, 0), OK);
	assert_int_equal(daemon_set_scanout(&daemon, 0, 1, 0, 0, 36, HEIGHT), OK);
	assert_int_equal(daemon_set_scanout(&daemon, 1, 1, 36, 0, 36, HEIGHT), OK);
	assert_int_equal(daemon_flush(&daemon, 1, WIDTH, HEIGHT), OK);
	daemon_look(&daemon, 0, &picture);
	check(&picture, 0, 0, 36, HEIGHT, "left head");
	picture_finish(&picture);
	daemon_look(&daemon, 1, &picture);
	check(&picture, 36, 0, 36, HEIGHT, "right head");
	picture_finish(&picture);
	daemon_close(&daemon);
}

static void test_unref_of_a_shown_resource_keeps_the_picture(void **state)
{
	struct daemon daemon;
	struct picture picture;
	daemon_open(&daemon, 1);
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	assert_int_equal(daemon_create_blob(&daemon, 1, 9, VIRTIO_GPU_BLOB_MEM_HOST3D, 16384, 0),
			 OK);
	assert_int_equal(daemon_map(&daemon, 9, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	draw(wire_window_at(&daemon.front, 0, 16384), WIDTH * 4, "BGRX");
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 9, 2, WIDTH, HEIGHT, WIDTH * 4, 0),
			 OK);
	assert_int_equal(daemon_flush(&daemon, 9, WIDTH, HEIGHT), OK);
	/* Unmaps, too: the window is free again. */
	assert_int_equal(daemon_unref(&daemon, 9), OK);
	assert_int_equal(daemon_create_blob(&daemon, 1, 9, VIRTIO_GPU_BLOB_MEM_HOST3D, 8192, 0),
			 OK);
	assert_int_equal(daemon_map(&daemon, 9, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	/* The new resource 9 is not what is shown. */
	assert_int_equal(daemon_flush(&daemon, 9, WIDTH, HEIGHT), OK);
	daemon_look(&daemon, 0, &picture);
	check(&picture, 0, 0, WIDTH, HEIGHT, "unref");
	picture_finish(&picture);
	daemon_close(&daemon);
}

static void test_picture_survives_a_pause_and_not_a_reset(void **state)
{
	struct daemon daemon;
	struct picture picture;
	daemon_open(&daemon, 1);
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	assert_int_equal(daemon_create_blob(&daemon, 1, 3, VIRTIO_GPU_BLOB_MEM_HOST3D, 16384, 0),
			 OK);
	assert_int_equal(daemon_map(&daemon, 3, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
	draw(wire_window_at(&daemon.front, 0, 16384), WIDTH * 4, "BGRX");
	assert_int_equal(daemon_set_scanout_blob(&daemon, 0, 3, 2, WIDTH, HEIGHT, WIDTH * 4, 0),
			 OK);
	assert_int_equal(daemon_flush(&daemon, 3, WIDTH, HEIGHT), OK);
	wire_stop(&daemon.front);
	wire_start(&daemon.front, DAEMON_FEATURES);
	assert_int_equal(daemon_flush(&daemon, 3, WIDTH, HEIGHT), OK);
	daemon_look(&daemon, 0, &picture);
	check(&picture, 0, 0, WIDTH, HEIGHT, "after a pause");
	picture_finish(&picture);
	wire_stop(&daemon.front);
	wire_reset(&daemon.front);
	wire_start(&daemon.front, DAEMON_FEATURES);
	assert_int_equal(daemon_flush(&daemon, 3, WIDTH, HEIGHT),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(daemon_create_context(&daemon, 1, 4), OK);
	daemon_close(&daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_scanout),
		cmocka_unit_test(test_set_scanout_blob),
		cmocka_unit_test(test_guest_blob_is_copied_and_counted),
		cmocka_unit_test(test_scattered_pages),
		cmocka_unit_test(test_one_resource_on_two_heads),
		cmocka_unit_test(test_unref_of_a_shown_resource_keeps_the_picture),
		cmocka_unit_test(test_picture_survives_a_pause_and_not_a_reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
