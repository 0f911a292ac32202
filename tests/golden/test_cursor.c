/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"

/*
 * The guest's pointer from the cursor queue to pixels: a real hesperd, and hesper-view
 * --cursor=draw, whose picture must be the one that is computed here.
 */

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define WIDTH 100
#define HEIGHT 80
#define SIDE 64
#define PICTURE_ID 1
#define CURSOR_ID 2
#define PICTURE_GPA (WIRE_RAM_GPA + (16ull << 20))
#define CURSOR_GPA (WIRE_RAM_GPA + (32ull << 20))
#define PATIENCE_S 20

extern char **environ;

static struct daemon device;
static pid_t viewer;
static char shot[128];
static uint32_t picture[HEIGHT][WIDTH]; /* XRGB */
static uint32_t shape[SIDE][SIDE];  /* ARGB, premultiplied */

static void rest(void)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	nanosleep(&pause, NULL);
}

static uint8_t *ram(uint64_t gpa)
{
	return device.front.ram + (gpa - WIRE_RAM_GPA);
}

/* Formats 2 and 4 have the same bytes in opposite order. */
static void make_pixels(uint32_t format)
{
	for (uint32_t y = 0; y < HEIGHT; y++) {
		for (uint32_t x = 0; x < WIDTH; x++) {
			picture[y][x] = (2 * x) << 16 | (3 * y) << 8 | (x ^ y);
		}
	}
	for (uint32_t y = 0; y < SIDE; y++) {
		for (uint32_t x = 0; x < SIDE; x++) {
			/* Transparent, half and opaque parts, each with colours of its own. */
			uint32_t alpha = x < 20 ? 0 : x < 40 ? 128 : 255;
			shape[y][x] = alpha << 24 | (alpha * y / SIDE) << 16 |
				      (alpha * x / SIDE) << 8 | alpha / 2;
		}
	}
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		uint32_t pixel = picture[i / WIDTH][i % WIDTH];
		pixel = format == 4 ? __builtin_bswap32(pixel) : pixel;
		memcpy(ram(PICTURE_GPA) + 4 * i, &pixel, 4);
	}
	memcpy(ram(CURSOR_GPA), shape, sizeof(shape));
}

static void start_viewer(uint32_t format)
{
	uint64_t sent = daemon_counter(&device, "frames_sent");
	make_pixels(format);
	assert_int_equal(daemon_create_2d(&device, PICTURE_ID, format, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_attach(&device, PICTURE_ID, PICTURE_GPA, sizeof(picture)), OK);
	assert_int_equal(daemon_transfer(&device, PICTURE_ID, 0, 0, WIDTH, HEIGHT, 0), OK);
	assert_int_equal(daemon_set_scanout(&device, 0, PICTURE_ID, 0, 0, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_flush(&device, PICTURE_ID, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_create_2d(&device, CURSOR_ID, 1, SIDE, SIDE), OK);
	assert_int_equal(daemon_attach(&device, CURSOR_ID, CURSOR_GPA, sizeof(shape)), OK);
	assert_int_equal(daemon_transfer(&device, CURSOR_ID, 0, 0, SIDE, SIDE, 0), OK);
	snprintf(shot, sizeof(shot), "%s/shot.png", device.directory);
	char *argv[] = {getenv("HESPER_VIEW"), "--socket", device.display,
			"--headless",          "--cursor", "draw",
			"--screenshot",        shot,       NULL};
	assert_int_equal(posix_spawn(&viewer, argv[0], NULL, NULL, argv, environ), 0);
	/* It takes signals once it has a picture. */
	while (daemon_counter(&device, "frames_sent") == sent) {
		rest();
	}
}

static void send_cursor(uint32_t type, uint32_t id, int32_t x, int32_t y)
{
	const struct virtio_gpu_update_cursor cursor = {
		.hdr.type = type,
		.pos = {.scanout_id = 0, .x = (uint32_t)x, .y = (uint32_t)y},
		.resource_id = id,
		.hot_x = 3,
		.hot_y = 4};
	assert_int_equal(wire_command(&device.front, 1, &cursor, sizeof(cursor), NULL, 0), 0);
}

/* As the shader does it, in whole numbers; rounding may differ by one. */
static int blend(uint32_t over, uint32_t below, int shift)
{
	int alpha = (int)(over >> 24);
	int colour = (int)(over >> shift & 255);
	return colour + ((int)(below >> shift & 255) * (255 - alpha) + 127) / 255;
}

static bool is_right(const struct picture *got, bool visible, int at_x, int at_y)
{
	if (got->width != WIDTH || got->height != HEIGHT) {
		return false;
	}
	for (int y = 0; y < HEIGHT; y++) {
		for (int x = 0; x < WIDTH; x++) {
			uint32_t below = picture[y][x];
			bool covered = visible && x >= at_x && y >= at_y && x < at_x + SIDE &&
				       y < at_y + SIDE;
			uint32_t over = covered ? shape[y - at_y][x - at_x] : 0;
			for (int i = 0; i < 3; i++) {
				int want = blend(over, below, 16 - 8 * i);
				int is = got->rgb[3 * (y * WIDTH + x) + i];
				if (abs(is - want) > (over >> 24 == 128 ? 1 : 0)) {
					return false;
				}
			}
		}
	}
	return true;
}

/* What the viewer has drawn becomes right, and soon. */
static void expect(bool visible, int x, int y)
{
	time_t end = time(NULL) + PATIENCE_S;
	bool right = false;
	while (!right && time(NULL) < end) {
		struct stat file;
		unlink(shot);
		assert_int_equal(kill(viewer, SIGUSR1), 0);
		for (int i = 0; i < 50 && stat(shot, &file) != 0; i++) {
			rest();
		}
		if (stat(shot, &file) == 0) {
			struct picture got;
			picture_read(&got, shot);
			right = is_right(&got, visible, x, y);
			picture_finish(&got);
		}
	}
	if (!right) {
		fail_msg("the pointer is not drawn as %s at %d,%d", visible ? "shown" : "hidden", x,
			 y);
	}
}

static void stop_viewer(void)
{
	int status;
	assert_int_equal(kill(viewer, SIGTERM), 0);
	assert_int_equal(waitpid(viewer, &status, 0), viewer);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	unlink(shot);
	assert_int_equal(daemon_unref(&device, CURSOR_ID), OK);
	assert_int_equal(daemon_set_scanout(&device, 0, 0, 0, 0, 0, 0), OK);
	assert_int_equal(daemon_unref(&device, PICTURE_ID), OK);
}

static void test_drawn(void **state)
{
	start_viewer(2);
	expect(false, 0, 0);
	send_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, CURSOR_ID, 10, 5);
	expect(true, 10, 5);
	/* A move's resource means nothing. */
	send_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 99, 30, 12);
	expect(true, 30, 12);
	/* Over each edge, and out of sight. */
	send_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, -30, -7);
	expect(true, -30, -7);
	send_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, WIDTH - 45, HEIGHT - 1);
	expect(true, WIDTH - 45, HEIGHT - 1);
	send_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, WIDTH, 5);
	expect(false, 0, 0);
	send_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, INT32_MAX, INT32_MIN);
	expect(false, 0, 0);
	send_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 1, 2);
	expect(true, 1, 2);
	/* Hidden: moves do not show it. */
	send_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 2);
	expect(false, 0, 0);
	send_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, CURSOR_ID, 8, 8);
	expect(false, 0, 0);
	/* Another shape; its resource may go, the pointer stays. */
	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++) {
			shape[y][x] = 0xff00ff00;
		}
	}
	memcpy(ram(CURSOR_GPA), shape, sizeof(shape));
	assert_int_equal(daemon_transfer(&device, CURSOR_ID, 0, 0, SIDE, SIDE, 0), OK);
	send_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, CURSOR_ID, 40, 3);
	expect(true, 40, 3);
	send_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 0, 0);
	stop_viewer();
}

/* A picture that is converted by a shader, in whose image nothing else is copied. */
static void test_drawn_into_a_converted_picture(void **state)
{
	start_viewer(4);
	send_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, CURSOR_ID, 20, 10);
	expect(true, 20, 10);
	send_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 0, 0);
	stop_viewer();
}

static int set_up(void **state)
{
	daemon_open(&device, 1);
	return 0;
}

static int tear_down(void **state)
{
	daemon_close(&device);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drawn),
		cmocka_unit_test(test_drawn_into_a_converted_picture),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
