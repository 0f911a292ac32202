/* SPDX-License-Identifier: MIT */
#include "view/input.h"

#include <stdlib.h>
#include <string.h>

#include "view/cursor.h"
#include "view/hotkeys.h"
#include "view/keyboard.h"
#include "view/pointer.h"
#include "view/touch.h"

/*
 * THEORY OF OPERATION
 *
 * keyboard.c, pointer.c and touch.c turn events into the guest's input; hotkeys.c knows the
 * viewer's own keys, cursor.c the host's cursor. Here events are handed to them, and the three
 * things that are SDL's to give are asked for: the keyboard (so that Alt+Tab and Super come here
 * and not to the window manager), the pointer's confinement, and its relative mode. What should
 * hold follows from the state alone; take_hold brings SDL there after each change of it, so that
 * no order of events can leave one of them behind.
 *
 * The grab ends with the focus. --grab takes it anew with the next focus.
 */

struct view_input {
	struct view_input_options options;
	struct keyboard keyboard;
	struct pointer pointer;
	struct touch touch;
	struct cursors cursors;
	/* The windows as events last found them; window is NULL where there is none. */
	struct view_window_info windows[VIEW_MAX_CONSOLES];
	SDL_Window *focus; /* NULL: none of ours has it */
	unsigned focus_console;
	/* What SDL was asked for, and of which window. */
	SDL_Window *grabbed;
	SDL_Window *relative;
	const char *hint;
};

struct view_input *view_input_create(const struct view_input_options *options)
{
	struct view_input *input = calloc(1, sizeof(*input));
	if (input == NULL) {
		return NULL;
	}
	const struct sink sink = {.send = options->send, .data = options->data};
	input->options = *options;
	keyboard_init(&input->keyboard, &sink);
	pointer_init(&input->pointer, options->pointer, &sink);
	touch_init(&input->touch, &sink);
	cursors_init(&input->cursors, options->cursor);
	/* A finger is a finger, and no mouse besides. */
	SDL_SetHint(SDL_HINT_TOUCH_MOUSE_EVENTS, "0");
	SDL_SetHint(SDL_HINT_MOUSE_TOUCH_EVENTS, "0");
	/* The click that gives the window the focus is for the guest, too. */
	SDL_SetHint(SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1");
	/* A drag goes on outside of the window. */
	SDL_SetHint(SDL_HINT_MOUSE_AUTO_CAPTURE, "1");
	/* Alt+Tab in a grabbed full-screen window is the guest's. */
	SDL_SetHint(SDL_HINT_ALLOW_ALT_TAB_WHILE_GRABBED, "0");
	return input;
}

static const char *hint_of(const struct view_input *input)
{
	if (input->pointer.grabbed) {
		return "Ctrl+Alt+G releases keyboard and pointer";
	}
	return pointer_relative(&input->pointer) ? "Ctrl+Alt+G releases the pointer"
						 : "Ctrl+Alt+G grabs keyboard and pointer";
}

static void tell_hint(struct view_input *input, unsigned console)
{
	if (input->options.hint_changed != NULL) {
		input->options.hint_changed(input->options.data, console);
	}
}

/* SDL's grabs, as the state wants them. */
static void take_hold(struct view_input *input)
{
	SDL_Window *grabbed = input->pointer.grabbed ? input->focus : NULL;
	SDL_Window *relative = pointer_relative(&input->pointer) ? input->focus : NULL;
	if (input->grabbed != grabbed && input->grabbed != NULL) {
		SDL_SetWindowKeyboardGrab(input->grabbed, false);
		SDL_SetWindowMouseGrab(input->grabbed, false);
	}
	if (input->relative != relative && input->relative != NULL) {
		SDL_SetWindowRelativeMouseMode(input->relative, false);
	}
	if (input->grabbed != grabbed && grabbed != NULL) {
		SDL_SetWindowKeyboardGrab(grabbed, true);
		SDL_SetWindowMouseGrab(grabbed, true);
	}
	if (input->relative != relative && relative != NULL) {
		SDL_SetWindowRelativeMouseMode(relative, true);
	}
	input->grabbed = grabbed;
	input->relative = relative;
	const char *hint = hint_of(input);
	if (input->hint != hint) {
		input->hint = hint;
		if (input->focus != NULL) {
			tell_hint(input, input->focus_console);
		}
	}
}

/* What is held in the window comes up. */
static void release(struct view_input *input, unsigned console)
{
	if (input->keyboard.focused && input->keyboard.console == console) {
		keyboard_unfocus(&input->keyboard);
	}
	pointer_release(&input->pointer, console);
	touch_release(&input->touch, console);
}

static void on_focus(struct view_input *input, const struct view_window_info *where)
{
	input->focus = where->window;
	input->focus_console = where->console;
	input->pointer.grabbed |= input->options.grab;
	keyboard_focus(&input->keyboard, where->console, SDL_GetModState());
	take_hold(input);
	tell_hint(input, where->console);
}

static void on_focus_lost(struct view_input *input, const struct view_window_info *where)
{
	release(input, where->console);
	if (input->focus == where->window) {
		input->pointer.grabbed = false;
		take_hold(input); /* while it knows the window */
		input->focus = NULL;
		take_hold(input);
		tell_hint(input, where->console);
	}
}

static void on_hot_key(struct view_input *input, unsigned console, const struct hot_key *hot_key)
{
	if (hot_key->grab) {
		bool held = input->pointer.grabbed || pointer_relative(&input->pointer);
		input->pointer.grabbed = !held;
		input->pointer.captured = false;
		take_hold(input);
	} else {
		input->options.action(input->options.data, console, hot_key->action);
	}
}

static void on_key(struct view_input *input, const struct view_window_info *where,
		   const SDL_KeyboardEvent *event)
{
	const struct hot_key *hot_key = event->down ? hot_key_find(event->key, event->mod) : NULL;
	if (event->repeat) {
		return;
	}
	if (!input->keyboard.focused || input->keyboard.console != where->console) {
		on_focus(input, where);
	}
	if (hot_key != NULL) {
		keyboard_swallow(&input->keyboard, event->scancode);
		on_hot_key(input, where->console, hot_key);
		return;
	}
	keyboard_key(&input->keyboard, event->scancode, event->down, event->mod);
}

static bool contains(SDL_Window *window, float x, float y)
{
	int width = 0;
	int height = 0;
	SDL_GetWindowSize(window, &width, &height);
	return x >= 0 && y >= 0 && x < (float)width && y < (float)height;
}

/*
 * A drag that leaves its window: the other window it is over now, with x and y in that one. So
 * things can be dragged from one of the guest's monitors to the next. Wayland does not tell where
 * windows are; there it stays in its window.
 */
static const struct view_window_info *under(const struct view_input *input,
					    const struct view_window_info *where, float *x,
					    float *y)
{
	const char *driver = SDL_GetCurrentVideoDriver();
	int from_x = 0;
	int from_y = 0;
	if (contains(where->window, *x, *y) || driver == NULL || strcmp(driver, "wayland") == 0) {
		return where;
	}
	SDL_GetWindowPosition(where->window, &from_x, &from_y);
	for (int i = 0; i < VIEW_MAX_CONSOLES; i++) {
		const struct view_window_info *other = &input->windows[i];
		if (other->window == NULL || other->window == where->window ||
		    (SDL_GetWindowFlags(other->window) &
		     (SDL_WINDOW_HIDDEN | SDL_WINDOW_MINIMIZED)) != 0) {
			continue;
		}
		int to_x = 0;
		int to_y = 0;
		SDL_GetWindowPosition(other->window, &to_x, &to_y);
		float there_x = *x + (float)(from_x - to_x);
		float there_y = *y + (float)(from_y - to_y);
		if (contains(other->window, there_x, there_y)) {
			*x = there_x;
			*y = there_y;
			return other;
		}
	}
	return where;
}

static void on_motion(struct view_input *input, const struct view_window_info *where,
		      const SDL_MouseMotionEvent *event)
{
	if (input->relative != NULL) {
		pointer_move_by(&input->pointer, where->console, event->xrel, event->yrel);
		return;
	}
	float x = event->x;
	float y = event->y;
	uint32_t at_x;
	uint32_t at_y;
	bool on_picture = where->width > 0 && pointer_place(where, x, y, &at_x, &at_y);
	cursors_hover(&input->cursors, on_picture ? where : NULL);
	if (pointer_dragging(&input->pointer, where->console)) {
		where = under(input, where, &x, &y);
	}
	pointer_move_to(&input->pointer, where, x, y);
}

static void on_finger(struct view_input *input, const struct view_window_info *where,
		      const SDL_TouchFingerEvent *event)
{
	int width = 0;
	int height = 0;
	SDL_GetWindowSize(where->window, &width, &height);
	touch_event(&input->touch, where, width, height, event);
}

bool view_input_event(struct view_input *input, const struct view_window_info *where,
		      const SDL_Event *event)
{
	input->windows[where->console] = *where;
	switch (event->type) {
	case SDL_EVENT_WINDOW_FOCUS_GAINED:
		on_focus(input, where);
		return false;
	case SDL_EVENT_WINDOW_FOCUS_LOST:
		on_focus_lost(input, where);
		return false;
	case SDL_EVENT_WINDOW_MOUSE_LEAVE:
		cursors_hover(&input->cursors, NULL);
		return false;
	case SDL_EVENT_KEY_DOWN:
	case SDL_EVENT_KEY_UP:
		on_key(input, where, &event->key);
		return true;
	case SDL_EVENT_MOUSE_MOTION:
		if (event->motion.which != SDL_TOUCH_MOUSEID) {
			on_motion(input, where, &event->motion);
		}
		return true;
	case SDL_EVENT_MOUSE_BUTTON_DOWN:
	case SDL_EVENT_MOUSE_BUTTON_UP:
		if (event->button.which != SDL_TOUCH_MOUSEID) {
			pointer_button(&input->pointer, where, &event->button);
			take_hold(input);
		}
		return true;
	case SDL_EVENT_MOUSE_WHEEL:
		if (event->wheel.which != SDL_TOUCH_MOUSEID) {
			pointer_wheel(&input->pointer, where->console, &event->wheel);
		}
		return true;
	case SDL_EVENT_FINGER_DOWN:
	case SDL_EVENT_FINGER_MOTION:
	case SDL_EVENT_FINGER_UP:
	case SDL_EVENT_FINGER_CANCELED:
		on_finger(input, where, &event->tfinger);
		return true;
	default:
		return false;
	}
}

void view_input_cursor(struct view_input *input, unsigned console, const struct view_cursor *cursor)
{
	cursors_set(&input->cursors, console, cursor);
	pointer_show(&input->pointer, console, cursor->visible);
	take_hold(input);
}

void view_input_leds(struct view_input *input, uint32_t leds)
{
	keyboard_leds(&input->keyboard, leds);
}

void view_input_absolute(struct view_input *input, bool absolute)
{
	input->pointer.tablet = absolute;
	take_hold(input);
}

void view_input_window_gone(struct view_input *input, const struct view_window_info *where)
{
	on_focus_lost(input, where);
	if (input->cursors.hovered && input->cursors.console == where->console) {
		cursors_hover(&input->cursors, NULL);
	}
	input->windows[where->console].window = NULL;
}

const char *view_input_hint(const struct view_input *input, unsigned console)
{
	return input->focus != NULL && input->focus_console == console ? input->hint : NULL;
}

const struct view_drawn_cursor *view_input_drawn(const struct view_input *input, unsigned console)
{
	return cursors_drawn(&input->cursors, console);
}

void view_input_destroy(struct view_input *input)
{
	if (input == NULL) {
		return;
	}
	for (int i = 0; i < VIEW_MAX_CONSOLES; i++) {
		if (input->windows[i].window != NULL) {
			view_input_window_gone(input, &input->windows[i]);
		}
	}
	cursors_finish(&input->cursors);
	free(input);
}
