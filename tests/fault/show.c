/* SPDX-License-Identifier: MIT */
#include "show.h"

#include <string.h>
#include <sys/socket.h>

#include "util/fd.h"

#define WIDTH 24u
#define HEIGHT 8u

#define PATIENCE_NS (20ull * 1000 * 1000 * 1000)
/* Longer than the server holds an update for anyone. */
#define FAULT_NS (80ull * 1000 * 1000)

/* A fault of this run excuses what fails, also when it is over. */
static bool excused;

/* --- the machine ----------------------------------------------------------------------------- */

static void on_monitor(void *data, unsigned head, const struct display_monitor *monitor)
{
	((struct show *)data)->monitors++;
}

static void on_input(void *data, unsigned head, const struct display_input *input)
{
	struct show *show = data;
	show->inputs++;
	if (input->kind == DISPLAY_KEY) {
		FAULT_CHECK(show->keys[input->key.qnum] != input->key.down, "key %u goes %s twice",
			    input->key.qnum, input->key.down ? "down" : "up");
		show->keys[input->key.qnum] = input->key.down;
	}
}

static void on_listeners(void *data, unsigned count)
{
	((struct show *)data)->listeners = count;
}

static const struct display_server_callbacks machine = {
	.monitor = on_monitor,
	.input = on_input,
	.listeners = on_listeners,
};

static void close_loop(struct show *show)
{
	uv_close((uv_handle_t *)&show->guard, NULL);
	uv_run(&show->loop, UV_RUN_NOWAIT);
	FAULT_CHECK(uv_loop_close(&show->loop) == 0, "the loop is not empty");
}

bool show_init(struct show *show, bool serves)
{
	*show = (struct show){0};
	excused = false;
	fault_spare_begin();
	FAULT_CHECK(uv_loop_init(&show->loop) == 0, "no loop");
	fault_spare_end();
	uv_timer_init(&show->loop, &show->guard);
	const struct display_server_options options = {.vm_name = "show",
						       .heads = 2,
						       .output_names = {"left", NULL},
						       .callbacks = &machine,
						       .data = show};
	if (serves && display_server_create(&show->loop, &options, &show->server) < 0) {
		close_loop(show);
		return false;
	}
	return true;
}

static void on_guard(uv_timer_t *guard)
{
}

void show_turn(struct show *show)
{
	uv_timer_start(&show->guard, on_guard, 1, 0);
	uv_run(&show->loop, UV_RUN_ONCE);
}

static void on_server_closed(void *data)
{
	((struct show *)data)->closed = true;
}

static void until(struct show *show, const bool *closed, const char *what)
{
	uint64_t since = uv_hrtime();
	while (!*closed) {
		show_turn(show);
		FAULT_CHECK(show_is_patient(since), "%s does not close", what);
	}
}

bool show_is_patient(uint64_t since_ns)
{
	uint64_t waited = uv_hrtime() - since_ns;
	if (show_may_lose() && waited > FAULT_NS) {
		fault_stop();
	}
	return waited < PATIENCE_NS;
}

bool show_may_lose(void)
{
	excused |= fault_excuses();
	return excused;
}

void show_finish(struct show *show)
{
	if (show->server != NULL) {
		display_server_destroy(show->server, on_server_closed, show);
		until(show, &show->closed, "the server");
	}
	FAULT_CHECK(show->released == show->updates, "%u of %u updates were released",
		    show->released, show->updates);
	for (unsigned i = 0; i < DISPLAY_KEYS; i++) {
		FAULT_CHECK(!show->keys[i], "key %u is still down", i);
	}
	close_loop(show);
}

bool show_frame(struct frame *frame, enum memory_kind kind, uint64_t offset)
{
	uint64_t size = offset + (uint64_t)WIDTH * HEIGHT * FORMAT_PIXEL_BYTES;
	int fd = fd_memfd("show", size);
	struct memory *memory = fd < 0 ? NULL : memory_create(kind, fd, size);
	if (memory == NULL) {
		fd_close(&fd);
		return false;
	}
	*frame = (struct frame){.memory = memory,
				.format = format_at(0),
				.width = WIDTH,
				.height = HEIGHT,
				.stride = WIDTH * FORMAT_PIXEL_BYTES,
				.offset = offset};
	return true;
}

static void on_released(void *data)
{
	((struct show *)data)->released++;
}

void show_draw(struct show *show, unsigned head, const struct frame *frame)
{
	const struct rect all = {0, 0, frame->width, frame->height};
	show->updates++;
	display_server_set_size(show->server, head, frame->width, frame->height);
	display_server_scanout(show->server, head, frame);
	display_server_update(show->server, head, &all, on_released, show);
}

/* --- a viewer -------------------------------------------------------------------------------- */

static void on_console(void *data, const struct display_console *console)
{
	((struct viewer *)data)->consoles++;
}

static void on_scanout(void *data, unsigned console, struct frame *frame)
{
	struct viewer *viewer = data;
	memory_unref(viewer->frame.memory);
	viewer->frame = *frame;
	viewer->scanouts++;
	if (viewer->maps) {
		memory_map(frame->memory);
	}
}

static void answer(struct viewer *viewer)
{
	if (viewer->pending != NULL) {
		display_update_done(viewer->pending);
		viewer->pending = NULL;
	}
}

static void on_update(void *data, unsigned console, const struct rect *rect,
		      struct display_update *update)
{
	struct viewer *viewer = data;
	viewer->updates++;
	answer(viewer);
	viewer->pending = update;
	if (!viewer->slow) {
		answer(viewer);
	}
}

static void on_disable(void *data, unsigned console)
{
	((struct viewer *)data)->disables++;
}

static void on_cursor(void *data, unsigned console, uint32_t width, uint32_t height, int32_t hot_x,
		      int32_t hot_y, const uint32_t *pixels)
{
	((struct viewer *)data)->cursors++;
}

static void on_mouse(void *data, unsigned console, int32_t x, int32_t y, bool visible)
{
	((struct viewer *)data)->mouse_sets++;
}

static void on_leds(void *data, uint32_t leds)
{
	((struct viewer *)data)->leds++;
}

static void on_gone(void *data, int error)
{
	struct viewer *viewer = data;
	FAULT_CHECK(viewer->gone == 0, "%s is told twice that it is over", viewer->name);
	FAULT_CHECK(error < 0, "%s ends with %d", viewer->name, error);
	viewer->gone = error;
}

static const struct display_client_callbacks callbacks = {
	.console = on_console,
	.scanout = on_scanout,
	.update = on_update,
	.disable = on_disable,
	.cursor_define = on_cursor,
	.mouse_set = on_mouse,
	.leds = on_leds,
	.disconnected = on_gone,
};

bool viewer_connect(struct show *show, struct viewer *viewer, enum display_client_way way, int fd,
		    const char *address)
{
	const struct display_client_options options = {
		.way = way, .fd = fd, .address = address, .callbacks = &callbacks, .data = viewer};
	int r = display_client_create(&show->loop, &options, &viewer->client);
	if (r < 0) {
		FAULT_CHECK(show_may_lose(), "%s cannot connect: %d", viewer->name, r);
		fd_close(&fd);
		/* What was begun closes in the loop. */
		for (unsigned i = 0; i < 4; i++) {
			show_turn(show);
		}
		viewer->client = NULL;
		viewer->gone = r;
		return false;
	}
	return true;
}

bool viewer_join(struct show *show, struct viewer *viewer)
{
	int pair[2];
	FAULT_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no sockets");
	int r = display_server_add_peer(show->server, pair[0]);
	if (r < 0) {
		FAULT_CHECK(show_may_lose(), "%s is turned away: %d", viewer->name, r);
		fd_close_all(pair, 2);
		viewer->gone = r;
		return false;
	}
	return viewer_connect(show, viewer, DISPLAY_PEER, pair[1], NULL);
}

static void on_viewer_closed(void *data)
{
	((struct viewer *)data)->closed = true;
}

void viewer_leave(struct show *show, struct viewer *viewer)
{
	if (viewer->client != NULL) {
		display_client_destroy(viewer->client, on_viewer_closed, viewer);
		until(show, &viewer->closed, viewer->name);
	}
	answer(viewer); /* accepted after the client is gone */
	memory_unref(viewer->frame.memory);
	viewer->frame.memory = NULL;
}
