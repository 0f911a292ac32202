/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_INPUT_H
#define HESPER_VIEW_INPUT_H

#include <SDL3/SDL.h>
#include <stdbool.h>
#include <stdint.h>

#include "display/input.h"
#include "view/bus.h"
#include "view/options.h"
#include "view/placement.h"

/*
 * From SDL's events to what the guest's keyboard, pointer and touch screen do: key positions,
 * pointer modes and the grab, the host's cursor. One for all windows of the process. Main thread.
 */
struct view_input;

/* The viewer's own hot-keys. */
enum view_action {
	VIEW_ACTION_FULL_SCREEN, /* in or out of it: this window */
	VIEW_ACTION_SCALE, /* the next scaling mode */
	VIEW_ACTION_FILTER, /* the other filter */
	VIEW_ACTION_ONE_TO_ONE, /* the window as large as the picture, one pixel on one */
	VIEW_ACTION_ADD_OUTPUT, /* connects the next output that has no monitor */
	VIEW_ACTION_REMOVE_OUTPUT, /* as closing this window does */
	VIEW_ACTION_SCREENSHOT, /* as SIGUSR1 does */
	VIEW_ACTION_QUIT, /* closes all windows; no output is disconnected */
};

/* The window that an event is of. */
struct view_window_info {
	unsigned console;
	SDL_Window *window;
	struct placement placement; /* in window pixels; all 0 while no picture is shown */
	uint32_t width;  /* of the guest's picture; 0: none is shown */
	uint32_t height;
	float density; /* window pixels to one unit of SDL's coordinates */
};

struct view_input_options {
	enum view_pointer pointer;
	enum view_cursor_mode cursor;
	bool grab; /* keyboard and pointer, whenever a window has the focus */
	void (*send)(void *data, unsigned console, const struct display_input *input);
	void (*action)(void *data, unsigned console, enum view_action action);
	/* What is worth telling in the window's title has changed: view_input_hint. */
	void (*hint_changed)(void *data, unsigned console);
	void *data;
};

/* NULL: out of memory. After SDL_Init. */
struct view_input *view_input_create(const struct view_input_options *options);

/* Lets go of keys, grab and cursors. NULL is accepted. */
void view_input_destroy(struct view_input *input);

/* Any event of the window. True: it was for the guest, or for nobody else. */
bool view_input_event(struct view_input *input, const struct view_window_info *where,
		      const SDL_Event *event);

/* The guest's pointer on a console; pixels only when the shape changed, and not kept. */
void view_input_cursor(struct view_input *input, unsigned console,
		       const struct view_cursor *cursor);

/* DISPLAY_LED_*, as the guest has set them. */
void view_input_leds(struct view_input *input, uint32_t leds);

/* Whether the guest uses its tablet. */
void view_input_absolute(struct view_input *input, bool absolute);

/* The window goes: releases what is held in it. The SDL_Window is still there. */
void view_input_window_gone(struct view_input *input, const struct view_window_info *where);

/* "Ctrl+Alt+G releases the pointer" or the like; NULL when there is nothing to tell. */
const char *view_input_hint(const struct view_input *input, unsigned console);

/*
 * What VIEW_CURSOR_DRAW draws into the console's picture: ARGB8888 pixels (alpha premultiplied as
 * the guest has it), and in x and y the place of its upper left corner in the picture, which may
 * be outside. NULL: nothing. Valid until the next call of view_input_cursor for the console.
 */
struct view_drawn_cursor {
	const uint32_t *pixels;
	uint32_t width;
	uint32_t height;
	int32_t x;
	int32_t y;
	uint32_t generation; /* another number: another shape */
};
const struct view_drawn_cursor *view_input_drawn(const struct view_input *input, unsigned console);

#endif
