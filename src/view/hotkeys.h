/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_HOTKEYS_H
#define HESPER_VIEW_HOTKEYS_H

#include <SDL3/SDL.h>
#include <stdbool.h>

#include "view/input.h"

/*
 * Ctrl+Alt and one more key belong to the viewer. That key is meant by what is printed on it, as
 * the title and the manual name it: the only place where a layout matters.
 */
struct hot_key {
	SDL_Keycode key;
	bool grab; /* or releases; else: */
	enum view_action action;
};

/* NULL: the keys are the guest's. Pure; any thread. */
const struct hot_key *hot_key_find(SDL_Keycode key, SDL_Keymod mod);

#endif
