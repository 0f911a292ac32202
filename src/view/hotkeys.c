/* SPDX-License-Identifier: MIT */
#include "view/hotkeys.h"

static const struct hot_key hot_keys[] = {
	{SDLK_G, true, 0},
	{SDLK_F, false, VIEW_ACTION_FULL_SCREEN},
	{SDLK_S, false, VIEW_ACTION_SCALE},
	{SDLK_I, false, VIEW_ACTION_FILTER},
	{SDLK_1, false, VIEW_ACTION_ONE_TO_ONE},
	{SDLK_N, false, VIEW_ACTION_ADD_OUTPUT},
	{SDLK_W, false, VIEW_ACTION_REMOVE_OUTPUT},
	{SDLK_P, false, VIEW_ACTION_SCREENSHOT},
	{SDLK_Q, false, VIEW_ACTION_QUIT},
};

const struct hot_key *hot_key_find(SDL_Keycode key, SDL_Keymod mod)
{
	/* With Shift or Super they are the guest's; AltGr is no Alt. */
	if ((mod & SDL_KMOD_CTRL) == 0 || (mod & SDL_KMOD_ALT) == 0 ||
	    (mod & (SDL_KMOD_SHIFT | SDL_KMOD_GUI | SDL_KMOD_MODE)) != 0) {
		return NULL;
	}
	if (key >= 'A' && key <= 'Z') {
		key += 'a' - 'A'; /* Caps Lock */
	}
	for (size_t i = 0; i < SDL_arraysize(hot_keys); i++) {
		if (hot_keys[i].key == key) {
			return &hot_keys[i];
		}
	}
	return NULL;
}
