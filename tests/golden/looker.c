/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "looker.h"
#include "util/fd.h"

static void on_console(void *data, const struct display_console *console)
{
	struct looker *looker = data;
	if (console->id == 0) {
		looker->known = true;
		looker->enabled = console->enabled;
	}
}

static void on_scanout(void *data, unsigned console, struct frame *frame)
{
	struct looker *looker = data;
	looker->scanouts++;
	looker->width = frame->width;
	looker->height = frame->height;
	memory_unref(frame->memory);
}

static void on_update(void *data, unsigned console, const struct rect *rect,
		      struct display_update *update)
{
	struct looker *looker = data;
	looker->updates++;
	looker->updated = *rect;
	if (looker->slow) {
		assert_null(looker->unanswered);
		looker->unanswered = update;
	} else {
		display_update_done(update);
	}
}

static void on_disable(void *data, unsigned console)
{
	struct looker *looker = data;
	looker->disables++;
}

static void on_cursor(void *data, unsigned console, uint32_t width, uint32_t height, int32_t hot_x,
		      int32_t hot_y, const uint32_t *pixels)
{
}

static void on_mouse(void *data, unsigned console, int32_t x, int32_t y, bool visible)
{
}

static void on_disconnected(void *data, int error)
{
	fail_msg("the display went: %s", strerror(-error));
}

static const struct display_client_callbacks callbacks = {
	.console = on_console,
	.scanout = on_scanout,
	.update = on_update,
	.disable = on_disable,
	.cursor_define = on_cursor,
	.mouse_set = on_mouse,
	.disconnected = on_disconnected,
};

void looker_turn(struct looker *looker, struct daemon *daemon)
{
	uv_run(&looker->loop, UV_RUN_NOWAIT);
	wire_pump(&daemon->front, 2);
}

void looker_watch(struct looker *looker, struct daemon *daemon, unsigned ms)
{
	uint64_t end = clock_now_ns() + ms * CLOCK_NS_PER_MS;
	while (clock_now_ns() < end) {
		looker_turn(looker, daemon);
	}
}

void looker_open(struct looker *looker, struct daemon *daemon)
{
	*looker = (struct looker){0};
	uv_loop_init(&looker->loop);
	const struct display_client_options options = {
		.way = DISPLAY_PEER,
		.fd = fd_connect(daemon->display),
		.callbacks = &callbacks,
		.data = looker,
	};
	assert_int_equal(display_client_create(&looker->loop, &options, &looker->client), 0);
	display_client_listen(looker->client, 0);
	looker_until(looker, daemon, looker->known);
}

void looker_answer(struct looker *looker)
{
	assert_non_null(looker->unanswered);
	display_update_done(looker->unanswered);
	looker->unanswered = NULL;
}

void looker_close(struct looker *looker)
{
	if (looker->unanswered != NULL) {
		looker_answer(looker);
	}
	display_client_destroy(looker->client, NULL, NULL);
	uv_run(&looker->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&looker->loop), 0);
}
