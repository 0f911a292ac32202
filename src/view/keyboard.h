/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_KEYBOARD_H
#define HESPER_VIEW_KEYBOARD_H

#include <SDL3/SDL.h>
#include <stdbool.h>
#include <stdint.h>

#include "view/sink.h"

/*
 * The keyboard of the window that has the focus, and what of it the guest believes to be held
 * down. Calls nothing of SDL: what it must know of the host comes with the calls. Main thread.
 */
struct keyboard {
	struct sink sink;
	bool focused;
	unsigned console; /* of the focus */
	bool held[SDL_SCANCODE_COUNT]; /* by the person */
	bool sent[SDL_SCANCODE_COUNT]; /* and known to the guest */
	/* Locks, as DISPLAY_LED_* bits. */
	bool leds_known;
	uint32_t leds;  /* as the guest has set them */
	uint32_t awaited; /* asked for, and the guest has not followed since */
	uint32_t by_hand; /* keys the person pressed since the window has the focus */
	bool scroll_seen; /* the host does have a state of Scroll Lock */
};

void keyboard_init(struct keyboard *keyboard, const struct sink *sink);

/*
 * The window of a console has the focus now. Keys that are already held are told by SDL right
 * afterwards. mod: SDL_GetModState().
 */
void keyboard_focus(struct keyboard *keyboard, unsigned console, SDL_Keymod mod);

/* The window has lost it: releases everything. */
void keyboard_unfocus(struct keyboard *keyboard);

/*
 * A key event; mod is the event's. The host's repetitions, and keys that are released without
 * having been pressed here, go nowhere: the guest repeats by itself.
 */
void keyboard_key(struct keyboard *keyboard, SDL_Scancode scancode, bool down, SDL_Keymod mod);

/*
 * Releases for the guest all that it believes to be held. Held modifiers come back with the next
 * key that is pressed.
 */
void keyboard_release(struct keyboard *keyboard);

/* The key is the viewer's own hot-key: the guest shall not see it, nor what was held for it. */
void keyboard_swallow(struct keyboard *keyboard, SDL_Scancode scancode);

/* DISPLAY_LED_*, as the guest has set them. */
void keyboard_leds(struct keyboard *keyboard, uint32_t leds);

#endif
