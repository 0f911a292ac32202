/* SPDX-License-Identifier: MIT */
#include "view/bus_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/trace.h"

/*
 * What the server says, on its way to the main thread. For each console there is one place, in
 * `next`, for the newest picture. An update that finds another one waiting there replaces it, and
 * the older one is answered at once, since nobody will read it. The rect is not kept: what is
 * drawn is always the whole picture.
 *
 * The scanout call and the updates that follow are told apart by the server; here `sources` keep
 * the pictures that updates are about, and each update takes a reference to its memory along.
 */

void view_bus_unlock_and_wake(struct view_bus *bus)
{
	bus->pending = true;
	pthread_cond_signal(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	if (bus->options.wake != NULL) {
		bus->options.wake(bus->options.data);
	}
}

/* With the lock held. */
static struct view_console_event *next_of(struct view_bus *bus, unsigned console)
{
	bus->next.consoles |= 1u << console;
	return &bus->next.console[console];
}

static void on_console(void *data, const struct display_console *console)
{
	struct view_bus *bus = data;
	if (console->id >= VIEW_MAX_CONSOLES) {
		return;
	}
	pthread_mutex_lock(&bus->lock);
	struct view_console_event *next = next_of(bus, console->id);
	next->told = true;
	next->info = (struct view_console_info){.graphic = console->graphic,
						.enabled = console->enabled,
						.has_monitor = console->has_monitor,
						.width = console->width,
						.height = console->height};
	snprintf(next->info.label, sizeof(next->info.label), "%s",
		 console->label != NULL ? console->label : "");
	view_bus_unlock_and_wake(bus);
}

static void on_scanout(void *data, unsigned console, struct frame *frame)
{
	struct view_bus *bus = data;
	memory_unref(bus->sources[console].memory);
	bus->sources[console] = *frame;
}

void view_bus_deliver_answer(struct letter *letter)
{
	struct view_update *update = container_of(letter, struct view_update, letter);
	display_update_done(update->update);
	if (trace_on() && update->frame_id != 0) {
		trace_mark(TRACE_ANSWERED, "answered", clock_now_ns(),
			   TRACE_ARGS(TRACE_ID("frame", update->frame_id)));
	}
	free(update);
}

/* Takes out what waits, which is returned, to be answered without the lock. */
static struct view_update *take_update(struct view_console_event *next)
{
	struct view_update *update = next->update;
	if (next->has_update) {
		memory_unref(next->frame.memory);
	}
	next->has_update = false;
	next->frame = (struct frame){0};
	next->update = NULL;
	return update;
}

/* One that the main thread has not seen. */
static void answer_unread(struct view_update *update, const char *why)
{
	if (update == NULL) {
		return;
	}
	if (trace_on() && update->frame_id != 0) {
		uint64_t now = clock_now_ns();
		trace_mark(
			TRACE_ARRIVE, "left out", now,
			TRACE_ARGS(TRACE_ID("frame", update->frame_id), TRACE_TEXT("reason", why)));
		trace_end("wait", update->frame_id, now, NULL);
	}
	view_bus_deliver_answer(&update->letter);
}

/* Until the main thread draws it, or something else becomes of it. */
static void trace_arrival(unsigned console, uint64_t frame_id, uint64_t arrived_ns)
{
	const struct trace_arg *args = TRACE_ARGS(TRACE_NUMBER("console", console));
	trace_frame_slice(TRACE_FLOW_THROUGH, TRACE_ARRIVE, "arrive", frame_id, arrived_ns,
			  clock_now_ns(), args);
	trace_begin("wait", frame_id, arrived_ns, args);
}

static void on_update(void *data, unsigned console, const struct rect *rect,
		      struct display_update *update)
{
	struct view_bus *bus = data;
	struct view_update *own = calloc(1, sizeof(*own));
	if (own == NULL || bus->sources[console].memory == NULL) {
		free(own);
		display_update_done(update);
		return;
	}
	own->letter.deliver = view_bus_deliver_answer;
	own->letter.discard = view_bus_deliver_answer;
	own->update = update;
	own->frame_id = display_update_frame_id(update);
	uint64_t frame_id = own->frame_id;
	uint64_t arrived_ns = clock_now_ns();
	pthread_mutex_lock(&bus->lock);
	struct view_console_event *next = next_of(bus, console);
	bus->dropped += next->has_update;
	struct view_update *older = take_update(next);
	next->has_update = true;
	next->frame = bus->sources[console];
	memory_ref(next->frame.memory);
	next->update = own;
	next->arrived_ns = arrived_ns;
	next->frame_id = frame_id;
	view_bus_unlock_and_wake(bus);
	/* From here on it may be gone. */
	answer_unread(older, "a newer one came");
	if (trace_on() && frame_id != 0) {
		trace_arrival(console, frame_id, arrived_ns);
	}
}

static void on_disable(void *data, unsigned console)
{
	struct view_bus *bus = data;
	memory_unref(bus->sources[console].memory);
	bus->sources[console] = (struct frame){0};
	pthread_mutex_lock(&bus->lock);
	struct view_console_event *next = next_of(bus, console);
	struct view_update *older = take_update(next);
	next->disabled = true;
	view_bus_unlock_and_wake(bus);
	answer_unread(older, "the display went dark");
}

static void on_cursor_define(void *data, unsigned console, uint32_t width, uint32_t height,
			     int32_t hot_x, int32_t hot_y, const uint32_t *pixels)
{
	struct view_bus *bus = data;
	size_t bytes = (size_t)width * height * sizeof(*pixels);
	uint32_t *copy = malloc(bytes);
	if (copy == NULL) {
		return;
	}
	memcpy(copy, pixels, bytes);
	pthread_mutex_lock(&bus->lock);
	struct view_console_event *next = next_of(bus, console);
	struct view_cursor *cursor = &next->cursor;
	free(cursor->pixels);
	*cursor = (struct view_cursor){.width = width,
				       .height = height,
				       .hot_x = hot_x,
				       .hot_y = hot_y,
				       .visible = true,
				       .pixels = copy,
				       .x = cursor->x,
				       .y = cursor->y};
	next->has_cursor = true;
	view_bus_unlock_and_wake(bus);
}

static void on_mouse_set(void *data, unsigned console, int32_t x, int32_t y, bool visible)
{
	struct view_bus *bus = data;
	pthread_mutex_lock(&bus->lock);
	struct view_console_event *next = next_of(bus, console);
	/* A shape that waits stays. */
	next->cursor.visible = visible;
	next->cursor.x = x;
	next->cursor.y = y;
	next->has_cursor = true;
	view_bus_unlock_and_wake(bus);
}

static void on_leds(void *data, uint32_t leds)
{
	struct view_bus *bus = data;
	pthread_mutex_lock(&bus->lock);
	bus->next.has_leds = true;
	bus->next.leds = leds;
	view_bus_unlock_and_wake(bus);
}

static void on_absolute(void *data, bool absolute)
{
	struct view_bus *bus = data;
	pthread_mutex_lock(&bus->lock);
	bus->next.has_absolute = true;
	bus->next.absolute = absolute;
	view_bus_unlock_and_wake(bus);
}

void view_bus_tell_gone(struct view_bus *bus, int error)
{
	pthread_mutex_lock(&bus->lock);
	bus->next.gone = error;
	view_bus_unlock_and_wake(bus);
}

static void on_disconnected(void *data, int error)
{
	view_bus_tell_gone(data, error < 0 ? error : -ECONNRESET);
}

const struct display_client_callbacks view_bus_callbacks = {
	.console = on_console,
	.scanout = on_scanout,
	.update = on_update,
	.disable = on_disable,
	.cursor_define = on_cursor_define,
	.mouse_set = on_mouse_set,
	.leds = on_leds,
	.absolute = on_absolute,
	.disconnected = on_disconnected,
};

void view_bus_forget(struct view_bus *bus, unsigned console)
{
	memory_unref(bus->sources[console].memory);
	bus->sources[console] = (struct frame){0};
	pthread_mutex_lock(&bus->lock);
	struct view_console_event *next = &bus->next.console[console];
	struct view_update *left = take_update(next);
	free(next->cursor.pixels);
	next->cursor.pixels = NULL;
	next->has_cursor = false;
	next->disabled = false;
	pthread_mutex_unlock(&bus->lock);
	answer_unread(left, "it is not shown any more");
}
