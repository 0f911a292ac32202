/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_CURSOR_H
#define HESPER_VIEW_CURSOR_H

#include <SDL3/SDL.h>
#include <stdbool.h>
#include <stdint.h>

#include "view/input.h"

/*
 * The guest's pointers, one for each console, as the host's cursor: while the host's pointer is
 * on a console's picture it has that console's shape, or none. Beside the picture, and for guests
 * that never told a shape, it is the host's own. Main thread, which is SDL's.
 */
struct cursors {
	enum view_cursor_mode mode;
	struct cursor_state {
		bool known; /* the guest has said something about it */
		bool visible;
		int32_t hot_x;
		int32_t hot_y;
		uint32_t *pixels; /* owned; NULL: no shape yet */
		struct view_drawn_cursor drawn;
		SDL_Cursor *shape; /* made of the pixels, scaled; NULL: to be made */
		uint32_t scale;
	} consoles[VIEW_MAX_CONSOLES];
	uint32_t generation;
	bool hovered; /* the host's pointer is on the picture of: */
	unsigned console;
	uint32_t scale; /* of that picture, rounded down */
};

void cursors_init(struct cursors *cursors, enum view_cursor_mode mode);
void cursors_finish(struct cursors *cursors);

/* The guest has changed it. */
void cursors_set(struct cursors *cursors, unsigned console, const struct view_cursor *cursor);

/* The host's pointer is on this window's picture; NULL: on none. */
void cursors_hover(struct cursors *cursors, const struct view_window_info *where);

/* See view_input_drawn. */
const struct view_drawn_cursor *cursors_drawn(const struct cursors *cursors, unsigned console);

#endif
