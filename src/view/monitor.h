/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_MONITOR_H
#define HESPER_VIEW_MONITOR_H

#include <SDL3/SDL.h>
#include <stdint.h>
#include <xcb/xcb.h>

#include "display/input.h"

/*
 * The monitor that a guest is to believe in when it draws width x height pixels into a window:
 * with the dots per inch and the refresh rate of the host's monitor that the window is on. X11
 * tells a monitor's millimetres (RandR; x11 is any connection to the server, NULL elsewhere).
 * Without them, or where they are absurd, counts the scale that the desktop draws at, which is 1 at
 * 96 dpi.
 */
struct display_monitor monitor_of(SDL_Window *window, xcb_connection_t *x11, uint32_t width,
				  uint32_t height);

/* Dots per inch, each way; 0: unknown. */
struct monitor_density {
	double x;
	double y;
};

/* A monitor of so many pixels and millimetres; unknown when no screen is like that. */
struct monitor_density monitor_density_of(uint32_t width, uint32_t height, uint32_t width_mm,
					  uint32_t height_mm);

/* The arithmetic of it. scale and refresh may be 0: unknown. The scale counts without a density. */
struct display_monitor monitor_make(uint32_t width, uint32_t height, struct monitor_density density,
				    float scale, uint32_t refresh_mhz);

#endif
