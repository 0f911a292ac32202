/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int open_fds(void)
{
	int count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count;
}

static void on_monitor(void *data, unsigned head, const struct display_monitor *monitor)
{
	struct rig *rig = data;
	rig->monitors++;
	rig->monitor = *monitor;
}

static void on_input(void *data, unsigned head, const struct display_input *input)
{
	struct rig *rig = data;
	if (rig->input_count < RIG_MAX_INPUTS) {
		rig->inputs[rig->input_count] = *input;
		rig->input_heads[rig->input_count] = head;
	}
	rig->input_count++;
}

static void on_listeners(void *data, unsigned count)
{
	((struct rig *)data)->listeners = count;
}

static const struct display_server_callbacks server_callbacks = {
	.monitor = on_monitor,
	.input = on_input,
	.listeners = on_listeners,
};

/* libuv opens a pipe for signals with its first loop and keeps it. */
static void warm_up(void)
{
	uv_loop_t loop;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

void rig_init(struct rig *rig)
{
	warm_up();
	rig_be_patient(false);
	*rig = (struct rig){.fds = open_fds()};
	uv_loop_init(&rig->loop);
	uv_timer_init(&rig->loop, &rig->guard);
	rig->guard.data = rig;
	const struct display_server_options options = {.vm_name = "rig",
						       .heads = 2,
						       .output_names = {"left", "right"},
						       .callbacks = &server_callbacks,
						       .data = rig};
	assert_int_equal(display_server_create(&rig->loop, &options, &rig->server), 0);
}

/* Of all but the rig's own (by the linker's --wrap). */
int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat);

static uint64_t timer_factor = 1;

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat)
{
	return __real_uv_timer_start(timer, callback, ms * timer_factor, repeat * timer_factor);
}

void rig_be_patient(bool patient)
{
	timer_factor = patient ? 1000 : 1;
}

static void on_guard(uv_timer_t *timer)
{
	((struct rig *)timer->data)->expired = true;
}

void rig_arm(struct rig *rig, unsigned ms)
{
	rig->expired = false;
	uv_update_time(&rig->loop);
	__real_uv_timer_start(&rig->guard, on_guard, ms, 0);
}

void rig_run(struct rig *rig, unsigned ms)
{
	rig_arm(rig, ms);
	while (!rig->expired) {
		uv_run(&rig->loop, UV_RUN_ONCE);
	}
}

static void on_destroyed(void *data)
{
	*(bool *)data = true;
}

void rig_finish(struct rig *rig)
{
	if (rig->server != NULL) {
		display_server_destroy(rig->server, on_destroyed, &rig->destroyed);
		rig_until(rig, rig->destroyed);
	}
	uv_close((uv_handle_t *)&rig->guard, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	assert_int_equal(open_fds(), rig->fds);
}

struct frame frame_make(uint32_t width, uint32_t height, enum memory_kind kind, uint64_t offset)
{
	uint32_t stride = width * 4;
	uint64_t size = (offset + (uint64_t)stride * height + 4095) & ~4095ull;
	int fd = fd_memfd("test", size);
	assert_true(fd >= 0);
	struct memory *memory = memory_create(kind, fd, size);
	assert_non_null(memory);
	uint8_t *bytes = memory_map(memory);
	for (uint64_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)i;
	}
	return (struct frame){memory, format_at(0), width, height, stride, offset};
}

void on_released(void *data)
{
	++*(unsigned *)data;
}

static void viewer_console(void *data, const struct display_console *console)
{
	struct viewer *viewer = data;
	if (console->id < VIEWER_CONSOLES) {
		viewer->consoles[console->id] = *console;
	}
	viewer->console_calls++;
}

static void viewer_scanout(void *data, unsigned console, struct frame *frame)
{
	struct viewer *viewer = data;
	memory_unref(viewer->frame.memory);
	viewer->frame = *frame;
	viewer->scanouts++;
}

static void viewer_update(void *data, unsigned console, const struct rect *rect,
			  struct display_update *update)
{
	struct viewer *viewer = data;
	viewer->updates++;
	viewer->rect = *rect;
	if (viewer->answer) {
		display_update_done(update);
		return;
	}
	assert_true(viewer->pending_count < VIEWER_MAX_PENDING);
	viewer->pending[viewer->pending_count++] = update;
}

void viewer_answer(struct viewer *viewer)
{
	assert_true(viewer->pending_count > 0);
	struct display_update *first = viewer->pending[0];
	viewer->pending_count--;
	memmove(viewer->pending, viewer->pending + 1,
		viewer->pending_count * sizeof(viewer->pending[0]));
	display_update_done(first);
}

static void viewer_disable(void *data, unsigned console)
{
	((struct viewer *)data)->disables++;
}

static void viewer_cursor(void *data, unsigned console, uint32_t width, uint32_t height,
			  int32_t hot_x, int32_t hot_y, const uint32_t *pixels)
{
	struct viewer *viewer = data;
	viewer->cursors++;
	viewer->cursor_pixel = pixels[(size_t)width * height - 1];
}

static void viewer_mouse(void *data, unsigned console, int32_t x, int32_t y, bool visible)
{
	struct viewer *viewer = data;
	viewer->mouse_sets++;
	viewer->mouse_visible = visible;
}

static void viewer_leds(void *data, uint32_t leds)
{
	((struct viewer *)data)->leds = leds;
}

static void viewer_absolute(void *data, bool absolute)
{
	((struct viewer *)data)->absolute = absolute;
}

static void viewer_gone(void *data, int error)
{
	((struct viewer *)data)->gone = error;
}

static const struct display_client_callbacks viewer_callbacks = {
	.console = viewer_console,
	.scanout = viewer_scanout,
	.update = viewer_update,
	.disable = viewer_disable,
	.cursor_define = viewer_cursor,
	.mouse_set = viewer_mouse,
	.leds = viewer_leds,
	.absolute = viewer_absolute,
	.disconnected = viewer_gone,
};

void viewer_connect(struct rig *rig, struct viewer *viewer, int fd, unsigned head)
{
	const struct display_client_options options = {
		.way = DISPLAY_PEER, .fd = fd, .callbacks = &viewer_callbacks, .data = viewer};
	assert_int_equal(display_client_create(&rig->loop, &options, &viewer->client), 0);
	display_client_listen(viewer->client, head);
}

void viewer_join(struct rig *rig, struct viewer *viewer, unsigned head)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(display_server_add_peer(rig->server, pair[0]), 0);
	viewer_connect(rig, viewer, pair[1], head);
}

void viewer_leave(struct rig *rig, struct viewer *viewer)
{
	display_client_destroy(viewer->client, on_destroyed, &viewer->destroyed);
	rig_until(rig, viewer->destroyed);
	while (viewer->pending_count > 0) {
		viewer_answer(viewer); /* accepted after the client is gone */
	}
	memory_unref(viewer->frame.memory);
	viewer->frame.memory = NULL;
}

static void stranger_gone(void *data, int error)
{
	((struct stranger *)data)->gone++;
}

static void reply_interfaces(struct stranger *stranger, sd_bus_message *call)
{
	sd_bus_message *reply = NULL;
	if (stranger->interfaces == NULL) {
		sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_PROPERTY, "none");
		return;
	}
	assert_true(sd_bus_message_new_method_return(call, &reply) >= 0);
	assert_true(sd_bus_message_open_container(reply, 'v', "as") >= 0);
	assert_true(sd_bus_message_append_strv(reply, (char **)stranger->interfaces) >= 0);
	assert_true(sd_bus_message_close_container(reply) >= 0);
	assert_true(sd_bus_send(NULL, reply, NULL) >= 0);
	sd_bus_message_unref(reply);
}

static void keep_data(struct stranger *stranger, sd_bus_message *call, const char *before)
{
	const void *bytes;
	assert_true(sd_bus_message_skip(call, before) >= 0);
	assert_true(sd_bus_message_read_array(call, 'y', &bytes, &stranger->size) >= 0);
	size_t kept =
		stranger->size < sizeof(stranger->data) ? stranger->size : sizeof(stranger->data);
	memcpy(stranger->data, bytes, kept);
}

static int on_call(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct stranger *stranger = data;
	uint8_t type;
	sd_bus_message_get_type(call, &type);
	if (type != SD_BUS_MESSAGE_METHOD_CALL) {
		return 0;
	}
	const char *member = sd_bus_message_get_member(call);
	if (strcmp(member, "Get") == 0) {
		reply_interfaces(stranger, call);
		return 1;
	}
	assert_true(stranger->count < STRANGER_MAX_CALLS);
	snprintf(stranger->calls[stranger->count++], sizeof(stranger->calls[0]), "%s", member);
	if (strcmp(member, "Scanout") == 0) {
		keep_data(stranger, call, "uuuu");
	} else if (strcmp(member, "Update") == 0) {
		keep_data(stranger, call, "iiiiuu");
	}
	if (stranger->silent) {
		return 1;
	}
	if (stranger->refuses_sources && strncmp(member, "Scanout", 7) == 0 &&
	    strcmp(member, "Scanout") != 0) {
		sd_bus_reply_method_errorf(call, DISPLAY_ERROR_FAILED, "cannot map");
	} else {
		sd_bus_reply_method_return(call, "");
	}
	return 1;
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct stranger *stranger = data;
	const sd_bus_error *refusal = sd_bus_message_get_error(reply);
	stranger->answers++;
	stranger->error = refusal != NULL ? sd_bus_message_get_errno(reply) : 0;
	snprintf(stranger->error_name, sizeof(stranger->error_name), "%s",
		 refusal != NULL ? refusal->name : "");
	return 0;
}

void stranger_connect(struct rig *rig, struct stranger *stranger)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	int servers_end = fd_dup(pair[0]);
	assert_int_equal(display_server_add_peer(rig->server, pair[0]), 0);
	if (stranger->narrow) {
		/* sd-bus asks for 8 MiB; with less it is seen sooner whether anyone stops. */
		const int bytes = 16384;
		assert_int_equal(
			setsockopt(servers_end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	}
	fd_close(&servers_end);
	assert_int_equal(bus_loop_init(&stranger->main, &rig->loop, pair[1], BUS_CLIENT,
				       stranger_gone, stranger),
			 0);
	assert_true(bus_loop_start(&stranger->main) >= 0);
	rig_until(rig, sd_bus_is_ready(stranger->main.bus) > 0);
}

void stranger_register(struct rig *rig, struct stranger *stranger, int fd)
{
	unsigned before = stranger->answers;
	assert_true(sd_bus_call_method_async(stranger->main.bus, NULL, NULL,
					     DISPLAY_CONSOLE_PATH "0", DISPLAY_CONSOLE,
					     "RegisterListener", on_answer, stranger, "h",
					     fd) >= 0);
	rig_until(rig, stranger->answers > before);
}

void stranger_join(struct rig *rig, struct stranger *stranger)
{
	int pair[2];
	stranger_connect(rig, stranger);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(bus_loop_init(&stranger->listener, &rig->loop, pair[0], BUS_CLIENT,
				       stranger_gone, stranger),
			 0);
	assert_true(sd_bus_add_filter(stranger->listener.bus, NULL, on_call, stranger) >= 0);
	assert_true(bus_loop_start(&stranger->listener) >= 0);
	stranger_register(rig, stranger, pair[1]);
	fd_close(&pair[1]);
}

static void on_stranger_closed(void *data)
{
	((struct stranger *)data)->closed++;
}

void stranger_leave(struct rig *rig, struct stranger *stranger)
{
	unsigned connections = 0;
	if (stranger->main.bus != NULL) {
		bus_loop_close(&stranger->main, on_stranger_closed);
		connections++;
	}
	if (stranger->listener.bus != NULL) {
		bus_loop_close(&stranger->listener, on_stranger_closed);
		connections++;
	}
	rig_until(rig, stranger->closed == connections);
}
