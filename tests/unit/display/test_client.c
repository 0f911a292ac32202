/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <pixman.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The viewing end against a server that says what it likes. */

/* A server of our own: takes the registration, then calls the listener directly. */
struct foreign {
	struct bus_loop main;
	struct bus_loop listener;
	unsigned late; /* questions that come before its objects are there */
	unsigned questions;
	char clicks[64]; /* "P3 R3 …": buttons pressed and released */
	bool registered;
	unsigned answers;
	bool refused;
	unsigned closed;
};

static void on_broken(void *data, int error)
{
}

static struct rig *current;

static int on_call(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct foreign *foreign = data;
	int fd;
	if (sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Properties", "Get")) {
		if (foreign->questions++ < foreign->late) {
			return 0; /* UnknownObject */
		}
		sd_bus_reply_method_return(call, "v", "au", 1, 0);
		return 1;
	}
	if (sd_bus_message_is_method_call(call, DISPLAY_MOUSE, NULL)) {
		uint32_t button;
		size_t used = strlen(foreign->clicks);
		assert_true(sd_bus_message_read(call, "u", &button) > 0);
		snprintf(foreign->clicks + used, sizeof(foreign->clicks) - used, "%c%u ",
			 sd_bus_message_get_member(call)[0], button);
		return 1;
	}
	if (!sd_bus_message_is_method_call(call, DISPLAY_CONSOLE, "RegisterListener")) {
		return 0;
	}
	assert_true(sd_bus_message_read(call, "h", &fd) >= 0);
	fd = fd_dup(fd);
	assert_int_equal(bus_loop_init(&foreign->listener, &current->loop, fd, BUS_SERVER,
				       on_broken, foreign),
			 0);
	assert_true(bus_loop_start(&foreign->listener) >= 0);
	sd_bus_reply_method_return(call, "");
	foreign->registered = true;
	return 1;
}

static void on_foreign_closed(void *data)
{
	((struct foreign *)data)->closed++;
}

static void foreign_leave(struct rig *rig, struct foreign *foreign)
{
	bus_loop_close(&foreign->main, on_foreign_closed);
	bus_loop_close(&foreign->listener, on_foreign_closed);
	rig_until(rig, foreign->closed == 2);
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct foreign *foreign = data;
	foreign->answers++;
	foreign->refused = sd_bus_message_get_error(reply) != NULL;
	return 0;
}

#define CALL(foreign, interface, member, ...)                                                      \
	assert_true(sd_bus_call_method_async((foreign)->listener.bus, NULL, NULL,                  \
					     DISPLAY_LISTENER_PATH, interface, member, on_answer,  \
					     (foreign), __VA_ARGS__) >= 0)

/* True when the last call was taken. */
static bool taken(struct rig *rig, struct foreign *foreign)
{
	unsigned before = foreign->answers;
	rig_until(rig, foreign->answers > before);
	return !foreign->refused;
}

static void foreign_serve(struct rig *rig, struct foreign *foreign, struct viewer *viewer)
{
	int pair[2];
	current = rig;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(
		bus_loop_init(&foreign->main, &rig->loop, pair[0], BUS_SERVER, on_broken, foreign),
		0);
	assert_true(sd_bus_add_filter(foreign->main.bus, NULL, on_call, foreign) >= 0);
	assert_true(bus_loop_start(&foreign->main) >= 0);
	viewer_connect(rig, viewer, pair[1], 0);
	rig_until(rig, foreign->registered);
	/* As hesperd and QEMU do, ask first: sd-bus takes no descriptors while it authenticates. */
	CALL(foreign, "org.freedesktop.DBus.Peer", "Ping", NULL);
	assert_true(taken(rig, foreign));
}

struct map_case {
	const char *what;
	uint32_t offset;
	uint32_t width;
	uint32_t height;
	uint32_t stride;
	uint32_t format;
	bool good;
};

static void test_map_numbers(void **state)
{
	static const struct map_case cases[] = {
		{"fits", 0, 32, 32, 128, PIXMAN_x8r8g8b8, true},
		{"fits to the last byte", 4096 - 128 * 8, 32, 8, 128, PIXMAN_a8b8g8r8, true},
		{"wide stride, short last row", 0, 1, 16, 256, PIXMAN_r8g8b8x8, true},
		{"one row more", 4096 - 128 * 8 + 4, 32, 8, 128, PIXMAN_x8r8g8b8, false},
		{"no width", 0, 0, 8, 128, PIXMAN_x8r8g8b8, false},
		{"no height", 0, 8, 0, 128, PIXMAN_x8r8g8b8, false},
		{"stride too short", 0, 32, 8, 124, PIXMAN_x8r8g8b8, false},
		{"odd stride", 0, 30, 8, 126, PIXMAN_x8r8g8b8, false},
		{"odd offset", 2, 8, 8, 32, PIXMAN_x8r8g8b8, false},
		{"offset beyond", 8192, 8, 8, 32, PIXMAN_x8r8g8b8, false},
		{"huge", 0, 0x40000001, 4, 4, PIXMAN_x8r8g8b8, false},
		{"all ones", UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, PIXMAN_x8r8g8b8,
		 false},
		{"format of 16 bits", 0, 8, 8, 32, PIXMAN_r5g6b5, false},
		{"no format", 0, 8, 8, 32, 0, false},
	};
	struct rig rig;
	struct foreign foreign = {0};
	struct viewer viewer = {.answer = true};
	unsigned good = 0;
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	int fd = fd_memfd("test", 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct map_case *c = &cases[i];
		CALL(&foreign, DISPLAY_LISTENER_MAP, "ScanoutMap", "huuuuu", fd, c->offset,
		     c->width, c->height, c->stride, c->format);
		if (taken(&rig, &foreign) != c->good) {
			fail_msg("%s", c->what);
		}
		good += c->good;
		assert_int_equal(viewer.scanouts, good);
	}
	fd_close(&fd);
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

static void test_updates_inside(void **state)
{
	static const struct {
		int32_t rect[4];
		bool good;
	} cases[] = {
		{{0, 0, 16, 8}, true},
		{{15, 7, 1, 1}, true},
		{{0, 0, 17, 8}, false},
		{{-1, 0, 4, 4}, false},
		{{0, -1, 4, 4}, false},
		{{0, 0, 0, 4}, false},
		{{0, 0, 4, -4}, false},
		{{16, 0, 1, 1}, false},
		{{INT32_MAX, 0, INT32_MAX, 1}, false},
	};
	struct rig rig;
	struct foreign foreign = {0};
	struct viewer viewer = {.answer = true};
	unsigned good = 0;
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	int fd = fd_memfd("test", 4096);
	/* Before any scanout. */
	CALL(&foreign, DISPLAY_LISTENER_MAP, "UpdateMap", "iiii", 0, 0, 1, 1);
	assert_false(taken(&rig, &foreign));
	CALL(&foreign, DISPLAY_LISTENER, "UpdateDMABUF", "iiii", 0, 0, 1, 1);
	assert_false(taken(&rig, &foreign));
	CALL(&foreign, DISPLAY_LISTENER_MAP, "ScanoutMap", "huuuuu", fd, 0, 16, 8, 64,
	     PIXMAN_x8r8g8b8);
	assert_true(taken(&rig, &foreign));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int32_t *rect = cases[i].rect;
		CALL(&foreign, DISPLAY_LISTENER_MAP, "UpdateMap", "iiii", rect[0], rect[1], rect[2],
		     rect[3]);
		assert_int_equal(taken(&rig, &foreign), cases[i].good);
		good += cases[i].good;
		assert_int_equal(viewer.updates, good);
	}
	/* Off: nothing to update. */
	CALL(&foreign, DISPLAY_LISTENER, "Disable", NULL);
	assert_true(taken(&rig, &foreign));
	assert_int_equal(viewer.disables, 1);
	CALL(&foreign, DISPLAY_LISTENER_MAP, "UpdateMap", "iiii", 0, 0, 1, 1);
	assert_false(taken(&rig, &foreign));
	fd_close(&fd);
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

static void test_dma_bufs(void **state)
{
	struct rig rig;
	struct foreign foreign = {0};
	struct viewer viewer = {.answer = true};
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	int fd = fd_memfd("test", 65536);
	CALL(&foreign, DISPLAY_LISTENER, "ScanoutDMABUF", "huuuutb", fd, 16, 8, 64,
	     DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, 0);
	assert_true(taken(&rig, &foreign));
	assert_ptr_equal(viewer.frame.format, format_from_fourcc(DRM_FORMAT_XRGB8888));
	/* Tiled, upside down, of another format: refused, so that it comes another way. */
	CALL(&foreign, DISPLAY_LISTENER, "ScanoutDMABUF", "huuuutb", fd, 16, 8, 64,
	     DRM_FORMAT_XRGB8888, I915_FORMAT_MOD_X_TILED, 0);
	assert_false(taken(&rig, &foreign));
	CALL(&foreign, DISPLAY_LISTENER, "ScanoutDMABUF", "huuuutb", fd, 16, 8, 64,
	     DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR, 1);
	assert_false(taken(&rig, &foreign));
	CALL(&foreign, DISPLAY_LISTENER, "ScanoutDMABUF", "huuuutb", fd, 16, 8, 64, DRM_FORMAT_NV12,
	     DRM_FORMAT_MOD_LINEAR, 0);
	assert_false(taken(&rig, &foreign));
	/* With an offset, and a part of a larger buffer. */
	CALL(&foreign, DISPLAY_LISTENER_DMABUF2, "ScanoutDMABUF2", "ahuuuuauauuuuutb", 1, fd, 3, 2,
	     16, 8, 1, 4096, 1, 128, 1, DRM_FORMAT_ABGR8888, 32, 16, DRM_FORMAT_MOD_LINEAR, 0);
	assert_true(taken(&rig, &foreign));
	assert_int_equal(viewer.frame.width, 16);
	assert_int_equal(viewer.frame.offset, 4096 + 2 * 128 + 3 * 4);
	assert_int_equal(viewer.frame.stride, 128);
	CALL(&foreign, DISPLAY_LISTENER_DMABUF2, "ScanoutDMABUF2", "ahuuuuauauuuuutb", 1, fd, 17, 2,
	     16, 8, 1, 4096, 1, 128, 1, DRM_FORMAT_ABGR8888, 32, 16, DRM_FORMAT_MOD_LINEAR, 0);
	assert_false(taken(&rig, &foreign)); /* beyond the right edge */
	CALL(&foreign, DISPLAY_LISTENER_DMABUF2, "ScanoutDMABUF2", "ahuuuuauauuuuutb", 2, fd, fd, 0,
	     0, 16, 8, 2, 0, 4096, 2, 64, 64, 2, DRM_FORMAT_ABGR8888, 16, 8, DRM_FORMAT_MOD_LINEAR,
	     0);
	assert_false(taken(&rig, &foreign)); /* two planes */
	CALL(&foreign, DISPLAY_LISTENER_DMABUF2, "ScanoutDMABUF2", "ahuuuuauauuuuutb", 0, 0, 0, 16,
	     8, 0, 0, 1, DRM_FORMAT_ABGR8888, 16, 8, DRM_FORMAT_MOD_LINEAR, 0);
	assert_false(taken(&rig, &foreign)); /* none */
	fd_close(&fd);
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

static void test_bytes(void **state)
{
	struct rig rig;
	struct foreign foreign = {0};
	struct viewer viewer = {.answer = true};
	uint32_t pixels[4 * 3];
	sd_bus_message *call;
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	for (uint32_t i = 0; i < 12; i++) {
		pixels[i] = 0x01010101 * i;
	}
	static const struct {
		const char *member;
		uint32_t width;
		uint32_t height;
		uint32_t stride;
		size_t size;
		bool good;
	} cases[] = {
		{"Update", 1, 1, 4, 4, false}, /* before a picture */
		{"Scanout", 4, 3, 16, 44, false}, /* too few bytes */
		{"Scanout", 4, 3, 12, 48, false}, /* rows overlap */
		{"Scanout", 4, 3, 16, 48, true}, /* right */
		{"Scanout", 3, 3, 16, 44, true}, /* rows of a wider picture */
		{"Update", 3, 3, 16, 44, true},   {"Update", 2, 1, 8, 8, true},
		{"Update", 4, 1, 16, 16, false}, /* wider than the picture */
		{"Update", 2, 1, 8, 4, false}, /* too few bytes */
	};
	uint64_t copied = counter_read(COUNTER_CPU_COPIED_BYTES);
	uint64_t expected = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool scanout = strcmp(cases[i].member, "Scanout") == 0;
		assert_true(sd_bus_message_new_method_call(foreign.listener.bus, &call, NULL,
							   DISPLAY_LISTENER_PATH, DISPLAY_LISTENER,
							   cases[i].member) >= 0);
		assert_true((scanout ? sd_bus_message_append(call, "uu", cases[i].width,
							     cases[i].height)
				     : sd_bus_message_append(call, "iiii", 0, 0, cases[i].width,
							     cases[i].height)) >= 0);
		assert_true(sd_bus_message_append(call, "uu", cases[i].stride, PIXMAN_x8r8g8b8) >=
			    0);
		assert_true(sd_bus_message_append_array(call, 'y', pixels, cases[i].size) >= 0);
		assert_true(sd_bus_call_async(foreign.listener.bus, NULL, call, on_answer, &foreign,
					      0) >= 0);
		sd_bus_message_unref(call);
		assert_int_equal(taken(&rig, &foreign), cases[i].good);
		expected += cases[i].good ? cases[i].width * cases[i].height * 4 : 0;
	}
	assert_int_equal(counter_read(COUNTER_CPU_COPIED_BYTES) - copied, expected);
	const uint32_t *shown = memory_map(viewer.frame.memory);
	assert_int_equal(viewer.frame.width, 3);
	assert_int_equal(shown[0], 0);
	assert_int_equal(shown[2], 0x02020202);
	assert_int_equal(shown[3 + 1], 0x05050505); /* row 1 of three, from row 1 of four */
	/* A source by descriptor takes the place; bytes must not be drawn into it. */
	int fd = fd_memfd("test", 4096);
	CALL(&foreign, DISPLAY_LISTENER_MAP, "ScanoutMap", "huuuuu", fd, 0, 16, 8, 64,
	     PIXMAN_x8r8g8b8);
	assert_true(taken(&rig, &foreign));
	assert_true(sd_bus_message_new_method_call(foreign.listener.bus, &call, NULL,
						   DISPLAY_LISTENER_PATH, DISPLAY_LISTENER,
						   "Update") >= 0);
	assert_true(sd_bus_message_append(call, "iiiiuu", 0, 0, 2, 1, 8, PIXMAN_x8r8g8b8) >= 0);
	assert_true(sd_bus_message_append_array(call, 'y', pixels, 8) >= 0);
	assert_true(sd_bus_call_async(foreign.listener.bus, NULL, call, on_answer, &foreign, 0) >=
		    0);
	sd_bus_message_unref(call);
	assert_false(taken(&rig, &foreign));
	fd_close(&fd);
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

/* A call with bytes; true when it was taken. */
static bool send_bytes(struct rig *rig, struct foreign *foreign, uint32_t width, uint32_t height,
		       uint32_t stride, uint32_t format, const void *bytes, size_t size)
{
	sd_bus_message *call;
	assert_true(sd_bus_message_new_method_call(foreign->listener.bus, &call, NULL,
						   DISPLAY_LISTENER_PATH, DISPLAY_LISTENER,
						   "Scanout") >= 0);
	assert_true(sd_bus_message_append(call, "uuuu", width, height, stride, format) >= 0);
	assert_true(sd_bus_message_append_array(call, 'y', bytes, size) >= 0);
	assert_true(sd_bus_call_async(foreign->listener.bus, NULL, call, on_answer, foreign, 0) >=
		    0);
	sd_bus_message_unref(call);
	return taken(rig, foreign);
}

/* Formats of 16 and 24 bits, as QEMU's ramfb may have them, become what we show. */
static void test_small_pixels(void **state)
{
	static const struct {
		uint32_t format;
		uint8_t pixel[4];
		unsigned size;
		uint32_t expected;
	} cases[] = {
		{PIXMAN_r5g6b5, {0x00, 0xf8}, 2, 0xff0000},
		{PIXMAN_r5g6b5, {0xe0, 0x07}, 2, 0x00ff00},
		{PIXMAN_b5g6r5, {0x00, 0xf8}, 2, 0x0000ff},
		{PIXMAN_x1r5g5b5, {0x00, 0x7c}, 2, 0xff0000},
		{PIXMAN_r8g8b8, {0x30, 0x20, 0x10}, 3, 0x102030},
		{PIXMAN_b8g8r8, {0x30, 0x20, 0x10}, 3, 0x302010},
	};
	struct rig rig;
	struct foreign foreign = {0};
	struct viewer viewer = {.answer = true};
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[2 * 16] = {0}; /* 4 x 2 pixels, rows of 16 bytes */
		uint64_t copied = counter_read(COUNTER_CPU_COPIED_BYTES);
		memcpy(bytes + 16 + 2 * cases[i].size, cases[i].pixel, cases[i].size);
		assert_true(send_bytes(&rig, &foreign, 4, 2, 16, cases[i].format, bytes, 32));
		assert_string_equal(viewer.frame.format->name, "B8G8R8X8");
		const uint32_t *shown = memory_map(viewer.frame.memory);
		assert_int_equal(shown[4 + 2] & 0xffffff, cases[i].expected);
		assert_int_equal(shown[4 + 1] & 0xffffff, 0);
		assert_int_equal(counter_read(COUNTER_CPU_COPIED_BYTES) - copied, 4 * 2 * 4);
		assert_false(send_bytes(&rig, &foreign, 4, 2, 16, cases[i].format, bytes, 31));
		assert_false(send_bytes(&rig, &foreign, 9, 2, 16, cases[i].format, bytes, 32));
		assert_false(send_bytes(&rig, &foreign, 4, 2, 14, cases[i].format, bytes, 32));
		assert_false(
			send_bytes(&rig, &foreign, UINT32_MAX, 1, 16, cases[i].format, bytes, 32));
	}
	/* What has a palette, or no sense, is not. */
	uint8_t bytes[64] = {0};
	assert_false(send_bytes(&rig, &foreign, 4, 2, 16, PIXMAN_c8, bytes, 64));
	assert_false(send_bytes(&rig, &foreign, 4, 2, 16, 0x10ffffff, bytes, 64));
	assert_false(send_bytes(&rig, &foreign, 4, 2, 16, UINT32_MAX, bytes, 64));
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

static void test_cursor_sizes(void **state)
{
	static const struct {
		int32_t width;
		int32_t height;
		bool good;
	} cases[] = {{8, 8, true},    {8, 9, false},       {0, 8, false},
		     {-8, -8, false}, {1 << 20, 1, false}, {INT32_MAX, INT32_MAX, false}};
	static const uint8_t bytes[8 * 8 * 4];
	struct rig rig;
	struct foreign foreign = {0};
	struct viewer viewer = {0};
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sd_bus_message *call;
		assert_true(sd_bus_message_new_method_call(foreign.listener.bus, &call, NULL,
							   DISPLAY_LISTENER_PATH, DISPLAY_LISTENER,
							   "CursorDefine") >= 0);
		assert_true(sd_bus_message_append(call, "iiii", cases[i].width, cases[i].height, 1,
						  1) >= 0);
		assert_true(sd_bus_message_append_array(call, 'y', bytes, sizeof(bytes)) >= 0);
		assert_true(sd_bus_call_async(foreign.listener.bus, NULL, call, on_answer, &foreign,
					      0) >= 0);
		sd_bus_message_unref(call);
		assert_int_equal(taken(&rig, &foreign), cases[i].good);
	}
	assert_int_equal(viewer.cursors, 1);
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

/* QEMU lets a peer connect before it puts its objects there. */
static void test_late_objects(void **state)
{
	struct rig rig;
	struct foreign foreign = {.late = 3};
	struct viewer viewer = {.answer = true};
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	assert_int_equal(foreign.questions, 4);
	assert_int_equal(viewer.gone, 0);
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

/* A server that knows wheels only as buttons. */
static void test_scroll_by_clicks(void **state)
{
	static const struct {
		int32_t dx;
		int32_t dy;
		const char *clicks; /* all there were so far */
	} cases[] = {
		{0, 120, "P3 R3 "},
		{0, 60, "P3 R3 "},
		{0, 59, "P3 R3 "},
		{0, 1, "P3 R3 P3 R3 "},
		{0, 119, "P3 R3 P3 R3 "},
		{0, -1, "P3 R3 P3 R3 "}, /* turned round: what was left is forgotten */
		{0, -119, "P3 R3 P3 R3 P4 R4 "},
		{-120, 0, "P3 R3 P3 R3 P4 R4 P7 R7 "},
		{240, 0, "P3 R3 P3 R3 P4 R4 P7 R7 P8 R8 P8 R8 "},
	};
	struct rig rig;
	struct foreign foreign = {0};
	struct viewer viewer = {.answer = true};
	rig_init(&rig);
	foreign_serve(&rig, &foreign, &viewer);
	assert_false(viewer.consoles[0].has_monitor);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct display_input scroll = {.kind = DISPLAY_SCROLL,
						     .by = {cases[i].dx, cases[i].dy}};
		display_client_input(viewer.client, 0, &scroll);
		rig_run(&rig, 5);
		assert_string_equal(foreign.clicks, cases[i].clicks);
	}
	viewer_leave(&rig, &viewer);
	foreign_leave(&rig, &foreign);
	rig_finish(&rig);
}

/* A server that lets us connect and then says nothing: creating must not wait for it. */
static void test_mute_server(void **state)
{
	struct rig rig;
	struct viewer viewer = {0};
	int pair[2];
	rig_init(&rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	viewer_connect(&rig, &viewer, pair[1], 0);
	rig_run(&rig, 30);
	assert_int_equal(viewer.gone, 0);
	fd_close(&pair[0]);
	rig_until(&rig, viewer.gone < 0);
	viewer_leave(&rig, &viewer);
	rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_numbers),      cmocka_unit_test(test_updates_inside),
		cmocka_unit_test(test_dma_bufs),         cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_small_pixels),     cmocka_unit_test(test_cursor_sizes),
		cmocka_unit_test(test_mute_server),      cmocka_unit_test(test_late_objects),
		cmocka_unit_test(test_scroll_by_clicks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
