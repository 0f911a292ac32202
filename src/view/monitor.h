/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_MONITOR_H
#define HESPER_VIEW_MONITOR_H

#include <SDL3/SDL.h>
#include <stdint.h>

#include "display/input.h"

/*
 * The monitor that a guest is to believe in when it draws width x height pixels into a window:
 * with the dots per inch and the refresh rate of the host's monitor that the window is on. SDL
 * does not know millimetres; it knows the scale that the desktop draws at, which is 1 at 96 dpi.
 */
struct display_monitor monitor_of(SDL_Window *window, uint32_t width, uint32_t height);

/* The arithmetic of it. scale and refresh may be 0: unknown. */
struct display_monitor monitor_make(uint32_t width, uint32_t height, float scale,
				    uint32_t refresh_mhz);

#endif
