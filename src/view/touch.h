/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_TOUCH_H
#define HESPER_VIEW_TOUCH_H

#include <SDL3/SDL.h>
#include <stdbool.h>

#include "view/input.h"
#include "view/sink.h"

/*
 * Fingers: SDL's ids to the guest's slots. A finger that comes while all slots are taken is
 * ignored until it is lifted. Calls nothing of SDL. Main thread.
 */
struct touch {
	struct sink sink;
	struct touch_finger {
		bool down;
		SDL_TouchID device;
		SDL_FingerID finger;
		unsigned console; /* where it came down; it stays there */
	} fingers[DISPLAY_MAX_TOUCH_SLOTS];
};

void touch_init(struct touch *touch, const struct sink *sink);

/* width and height: of the window, in SDL's units. */
void touch_event(struct touch *touch, const struct view_window_info *where, int width, int height,
		 const SDL_TouchFingerEvent *event);

/* Cancels the fingers of the console's window. */
void touch_release(struct touch *touch, unsigned console);

#endif
