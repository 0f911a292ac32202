/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_POINTER_H
#define HESPER_VIEW_POINTER_H

#include <SDL3/SDL.h>
#include <stdbool.h>
#include <stdint.h>

#include "view/input.h"
#include "view/sink.h"

#define POINTER_BUTTONS 6 /* SDL counts from 1 */

/*
 * The mouse: where it is in a picture, its buttons, its wheel, and which of the guest's two
 * pointers it moves. Calls nothing of SDL. Main thread.
 *
 * The tablet says where the pointer is, the mouse how far it moved. In VIEW_POINTER_AUTO the mouse
 * is used where the guest has no tablet, and where it hides a pointer that it has shown before (a
 * game); but only once the person let the window have the host's pointer, by the grab or by a
 * click, because a host's pointer that only moves another one must not be seen.
 */
struct pointer {
	struct sink sink;
	enum view_pointer mode;
	bool tablet; /* the guest uses it */
	bool shown;  /* the guest has shown its pointer before */
	uint32_t visible; /* on these consoles, a bit each */
	bool grabbed;
	bool captured; /* by a click */
	unsigned captured_by; /* console */
	unsigned held_by[POINTER_BUTTONS]; /* 1 + console; 0: up */
	float rest_x; /* of relative moves, pixels */
	float rest_y;
	float rest_wheel_x; /* 1/120 of a click */
	float rest_wheel_y;
	bool placed; /* the last thing sent was this: */
	unsigned console;
	uint32_t x;
	uint32_t y;
};

void pointer_init(struct pointer *pointer, enum view_pointer mode, const struct sink *sink);

/*
 * The guest's pixel under a point of the window, which is in SDL's units. A point beside the
 * picture gives the nearest pixel that is seen, and false. Not to be called while where->width
 * is 0.
 */
bool pointer_place(const struct view_window_info *where, float x, float y, uint32_t *to_x,
		   uint32_t *to_y);

/* The host's pointer must be taken: hidden, and told only how far it moves. */
bool pointer_relative(const struct pointer *pointer);

/* How far, in SDL's units; only while pointer_relative. */
void pointer_move_by(struct pointer *pointer, unsigned console, float dx, float dy);

/* To here; does nothing where the guest has no use for it. */
void pointer_move_to(struct pointer *pointer, const struct view_window_info *where, float x,
		     float y);

/* A press may capture the pointer, and then is not for the guest if that only moves a mouse. */
void pointer_button(struct pointer *pointer, const struct view_window_info *where,
		    const SDL_MouseButtonEvent *event);

void pointer_wheel(struct pointer *pointer, unsigned console, const SDL_MouseWheelEvent *event);

/* Releases the buttons that went down in the console's window, and what it captured. */
void pointer_release(struct pointer *pointer, unsigned console);

/* Some button is down that was pressed in the console's window. */
bool pointer_dragging(const struct pointer *pointer, unsigned console);

/* The guest shows its pointer on the console, or hides it there. */
void pointer_show(struct pointer *pointer, unsigned console, bool visible);

#endif
