/* SPDX-License-Identifier: MIT */
#include "view/console.h"

#include <stdlib.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/trace.h"

/* When a display takes nothing: again so soon, while a picture is waited with, and later on. */
#define RETRY_NS CLOCK_NS_PER_MS

static void take_up(struct console *console)
{
	console->dirty = false;
	console->stalled = false;
	console->busy_since_ns = 0;
	console->retry_ns = 0;
}

bool console_open(struct console *console)
{
	struct presenter *presenter = console->shared->presenter;
	console->screen = presenter->ops->open(presenter, console->id, &console->info);
	if (console->screen == NULL) {
		return false;
	}
	log_debug("console %u (%s): shown", console->id, console->info.label);
	take_up(console);
	view_bus_listen(console->shared->bus, console->id, true);
	return true;
}

static void remember(struct console *console, const struct frame *frame)
{
	memory_unref(console->shown.memory);
	console->shown = *frame;
	if (frame->memory != NULL) {
		console->width = frame->width;
		console->height = frame->height;
		console->format = frame->format;
	}
}

/* The waiting picture was read, or will not be: the guest may have its buffer. */
static void settle(struct console *console)
{
	view_bus_answer(console->shared->bus, console->update);
	remember(console, &console->next);
	console->update = NULL;
	console->next = (struct frame){0};
	console->waiting = false;
}

static void trace_left_out(const struct console *console, const char *why)
{
	uint64_t now = clock_now_ns();
	trace_mark(TRACE_DISPLAY, "left out", now,
		   TRACE_ARGS(TRACE_ID("frame", console->frame_id),
			      TRACE_NUMBER("console", console->id), TRACE_TEXT("reason", why)));
	if (!console->tried) {
		trace_end("wait", console->frame_id, now, NULL);
	}
}

static void leave_out(struct console *console, const char *why)
{
	if (console->waiting) {
		if (trace_on() && console->frame_id != 0) {
			trace_left_out(console, why);
		}
		console->shared->dropped++;
		settle(console);
	}
}

void console_close(struct console *console)
{
	if (console->screen == NULL) {
		return;
	}
	log_debug("console %u (%s): not shown", console->id, console->info.label);
	view_bus_listen(console->shared->bus, console->id, false);
	leave_out(console, "its screen was closed");
	remember(console, &(struct frame){0});
	console->screen->ops->destroy(console->screen);
	console->screen = NULL;
	console->dirty = false;
}

void console_event(struct console *console, struct view_console_event *event)
{
	struct presenter *presenter = console->shared->presenter;
	if (event->told) {
		console->closed &= event->info.enabled;
		console->known = true;
		console->info = event->info;
	}
	if (event->has_cursor) {
		if (presenter->ops->cursor != NULL) {
			presenter->ops->cursor(presenter, console->id, &event->cursor);
		}
		free(event->cursor.pixels);
	}
	if (event->disabled) {
		leave_out(console, "the display went dark");
		remember(console, &(struct frame){0});
		console->dirty = true;
	}
	if (event->has_update) {
		leave_out(console, "a newer one came");
		console->waiting = true;
		console->tried = false;
		console->frame_id = event->frame_id;
		console->next = event->frame;
		console->update = event->update;
		console->arrived_ns = event->arrived_ns;
	}
}

void console_drop_unseen(struct console *console)
{
	if (console->screen == NULL && console->waiting) {
		leave_out(console, "it has no screen");
		remember(console, &(struct frame){0});
	}
}

bool console_has_work(struct console *console)
{
	struct screen *screen = console->screen;
	if (screen == NULL) {
		return false;
	}
	if (screen->ops->redraw != NULL && screen->ops->redraw(screen)) {
		console->dirty = true;
		console->retry_ns = 0;
	}
	return console->waiting || console->dirty;
}

uint64_t console_due_ns(struct console *console)
{
	return console_has_work(console) ? console->retry_ns : UINT64_MAX;
}

static enum screen_result show(struct console *console, const struct frame *frame,
			       uint64_t timeout_ns)
{
	struct screen *screen = console->screen;
	struct source *source = source_cache_get(console->shared->sources, frame);
	if (source == NULL) {
		return SCREEN_SKIPPED;
	}
	source_refresh(source, frame);
	return screen->ops->show(screen, source, frame, timeout_ns);
}

static enum screen_result draw(struct console *console, uint64_t timeout_ns)
{
	struct screen *screen = console->screen;
	screen->frame_id = console->waiting ? console->frame_id : 0;
	if (console->waiting) {
		if (trace_on() && console->frame_id != 0 && !console->tried) {
			trace_end("wait", console->frame_id, clock_now_ns(), NULL);
		}
		console->tried = true;
		return show(console, &console->next, timeout_ns);
	}
	if (console->shown.memory != NULL) {
		return show(console, &console->shown, timeout_ns);
	}
	return screen->ops->blank != NULL ? screen->ops->blank(screen, timeout_ns) : SCREEN_SKIPPED;
}

/* Measured from the first try on: each new picture is younger than that. */
static void wait_longer(struct console *console)
{
	uint64_t now = clock_now_ns();
	if (console->busy_since_ns == 0) {
		console->busy_since_ns = now;
	}
	if (now - console->busy_since_ns >= CONSOLE_PATIENCE_NS) {
		leave_out(console, "the display takes none");
		console->dirty = true;
		console->stalled = true;
	}
	console->retry_ns = now + (console->stalled ? CONSOLE_PATIENCE_NS : RETRY_NS);
}

enum console_drawn console_draw(struct console *console, uint64_t timeout_ns, uint64_t *arrived_ns)
{
	if (!console_has_work(console) || clock_now_ns() < console->retry_ns) {
		return CONSOLE_NOTHING;
	}
	bool fresh = console->waiting;
	switch (draw(console, console->stalled ? 0 : timeout_ns)) {
	case SCREEN_SHOWN:
		break;
	case SCREEN_BUSY:
		wait_longer(console);
		return CONSOLE_NOTHING;
	case SCREEN_SKIPPED:
		leave_out(console, "it cannot be shown");
		take_up(console);
		return CONSOLE_NOTHING;
	case SCREEN_FAILED:
		leave_out(console, "drawing failed");
		return CONSOLE_FAILED;
	}
	take_up(console);
	if (!fresh) {
		return CONSOLE_REDRAWN;
	}
	*arrived_ns = console->arrived_ns;
	settle(console);
	return CONSOLE_PRESENTED;
}
