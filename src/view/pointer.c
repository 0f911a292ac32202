/* SPDX-License-Identifier: MIT */
#include "view/pointer.h"

#include <math.h>

/* Kept far from what an int32_t or a device can take. */
#define MAX_STEP 16384.0f

void pointer_init(struct pointer *pointer, enum view_pointer mode, const struct sink *sink)
{
	*pointer = (struct pointer){.sink = *sink, .mode = mode, .tablet = true};
}

/*
 * One direction. Scaled up, a guest's pixel is several of the window's, and the one that covers
 * the point is meant. Scaled down, edges go to edges, so that the guest's corners can be reached.
 */
static uint32_t map(float at, uint32_t area, uint32_t area_size, uint32_t part, uint32_t part_size,
		    bool *inside)
{
	double pixel = floor((double)at) - area;
	double last = (double)area_size - 1;
	*inside &= pixel >= 0 && pixel <= last;
	pixel = pixel < 0 ? 0 : pixel > last ? last : pixel;
	if (area_size >= part_size) {
		return part + (uint32_t)((pixel + 0.5) * part_size / area_size);
	}
	return part + (uint32_t)(last > 0 ? pixel * (part_size - 1) / last + 0.5 : 0);
}

bool pointer_place(const struct view_window_info *where, float x, float y, uint32_t *to_x,
		   uint32_t *to_y)
{
	const struct rect *part = &where->placement.part;
	const struct rect *area = &where->placement.area;
	bool inside = true;
	*to_x = map(x * where->density, area->x, area->width, part->x, part->width, &inside);
	*to_y = map(y * where->density, area->y, area->height, part->y, part->height, &inside);
	return inside;
}

static bool has_picture(const struct view_window_info *where)
{
	return where->width > 0 && where->placement.area.width > 0 &&
	       where->placement.area.height > 0 && where->placement.part.width > 0 &&
	       where->placement.part.height > 0;
}

/* The guest's mouse is to be moved, not its tablet. */
static bool wants_mouse(const struct pointer *pointer)
{
	switch (pointer->mode) {
	case VIEW_POINTER_ABSOLUTE:
		return false;
	case VIEW_POINTER_RELATIVE:
		return true;
	case VIEW_POINTER_AUTO:
		break;
	}
	return !pointer->tablet || (pointer->shown && pointer->visible == 0);
}

bool pointer_relative(const struct pointer *pointer)
{
	return wants_mouse(pointer) && (pointer->grabbed || pointer->captured);
}

/* The whole part; the rest stays for the next one. */
static int32_t take_whole(float *rest, float more)
{
	*rest = SDL_clamp(*rest + more, -MAX_STEP, MAX_STEP);
	float whole = truncf(*rest);
	*rest -= whole;
	return (int32_t)whole;
}

void pointer_move_by(struct pointer *pointer, unsigned console, float dx, float dy)
{
	const struct display_input input = {.kind = DISPLAY_MOVE_BY,
					    .by = {.dx = take_whole(&pointer->rest_x, dx),
						   .dy = take_whole(&pointer->rest_y, dy)}};
	pointer->placed = false;
	if (input.by.dx != 0 || input.by.dy != 0) {
		sink_send(&pointer->sink, console, &input);
	}
}

void pointer_move_to(struct pointer *pointer, const struct view_window_info *where, float x,
		     float y)
{
	struct display_input input = {.kind = DISPLAY_MOVE_TO};
	bool tablet = pointer->mode == VIEW_POINTER_ABSOLUTE ||
		      (pointer->mode == VIEW_POINTER_AUTO && pointer->tablet);
	if (!tablet || !has_picture(where)) {
		return;
	}
	pointer_place(where, x, y, &input.to.x, &input.to.y);
	if (pointer->placed && pointer->console == where->console && pointer->x == input.to.x &&
	    pointer->y == input.to.y) {
		return;
	}
	pointer->placed = true;
	pointer->console = where->console;
	pointer->x = input.to.x;
	pointer->y = input.to.y;
	sink_send(&pointer->sink, where->console, &input);
}

static void send_button(const struct pointer *pointer, unsigned console, int button, bool down)
{
	static const enum display_button buttons[POINTER_BUTTONS] = {
		[SDL_BUTTON_LEFT] = DISPLAY_BUTTON_LEFT,
		[SDL_BUTTON_MIDDLE] = DISPLAY_BUTTON_MIDDLE,
		[SDL_BUTTON_RIGHT] = DISPLAY_BUTTON_RIGHT,
		[SDL_BUTTON_X1] = DISPLAY_BUTTON_SIDE,
		[SDL_BUTTON_X2] = DISPLAY_BUTTON_EXTRA,
	};
	const struct display_input input = {.kind = DISPLAY_BUTTON,
					    .button = {.button = buttons[button], .down = down}};
	sink_send(&pointer->sink, console, &input);
}

/* True: the click was for the viewer only. */
static bool capture(struct pointer *pointer, unsigned console)
{
	if (!wants_mouse(pointer) || pointer_relative(pointer)) {
		return false;
	}
	pointer->captured = true;
	pointer->captured_by = console;
	return pointer->mode == VIEW_POINTER_RELATIVE || !pointer->tablet;
}

void pointer_button(struct pointer *pointer, const struct view_window_info *where,
		    const SDL_MouseButtonEvent *event)
{
	int button = event->button;
	if (button < SDL_BUTTON_LEFT || button >= POINTER_BUTTONS ||
	    (pointer->held_by[button] != 0) == event->down) {
		return;
	}
	if (!event->down) {
		unsigned console = pointer->held_by[button] - 1;
		pointer->held_by[button] = 0;
		send_button(pointer, console, button, false);
		return;
	}
	if (!pointer_relative(pointer)) {
		pointer_move_to(pointer, where, event->x, event->y);
	}
	if (!capture(pointer, where->console)) {
		pointer->held_by[button] = 1 + where->console;
		send_button(pointer, where->console, button, true);
	}
}

void pointer_wheel(struct pointer *pointer, unsigned console, const SDL_MouseWheelEvent *event)
{
	/* The guest gets what the wheel did; which way that scrolls is its own setting. */
	float clicks =
		DISPLAY_SCROLL_CLICK * (event->direction == SDL_MOUSEWHEEL_FLIPPED ? -1.0f : 1.0f);
	const struct display_input input = {
		.kind = DISPLAY_SCROLL,
		.by = {.dx = take_whole(&pointer->rest_wheel_x, event->x * clicks),
		       .dy = take_whole(&pointer->rest_wheel_y, event->y * clicks)}};
	if (input.by.dx != 0 || input.by.dy != 0) {
		sink_send(&pointer->sink, console, &input);
	}
}

void pointer_release(struct pointer *pointer, unsigned console)
{
	for (int i = 0; i < POINTER_BUTTONS; i++) {
		if (pointer->held_by[i] == 1 + console) {
			pointer->held_by[i] = 0;
			send_button(pointer, console, i, false);
		}
	}
	if (pointer->captured_by == console) {
		pointer->captured = false;
	}
	pointer->rest_wheel_x = 0;
	pointer->rest_wheel_y = 0;
}

bool pointer_dragging(const struct pointer *pointer, unsigned console)
{
	for (int i = 0; i < POINTER_BUTTONS; i++) {
		if (pointer->held_by[i] == 1 + console) {
			return true;
		}
	}
	return false;
}

void pointer_show(struct pointer *pointer, unsigned console, bool visible)
{
	if (visible) {
		pointer->visible |= 1u << console;
		pointer->shown = true;
		/* Back to the tablet; the next hiding needs another click. */
		pointer->captured &= wants_mouse(pointer);
	} else {
		pointer->visible &= ~(1u << console);
	}
}
