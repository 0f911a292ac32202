/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_KEYS_H
#define HESPER_VIEW_KEYS_H

#include <SDL3/SDL.h>
#include <stdint.h>

/* No key of QEMU's has this number. */
#define KEYS_NONE 0

/*
 * QEMU's number of the key at this place of the keyboard, whatever is printed on it; KEYS_NONE
 * when QEMU has none. Pure; any thread.
 */
uint8_t keys_qnum(SDL_Scancode scancode);

#endif
