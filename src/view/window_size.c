/* SPDX-License-Identifier: MIT */
#include "util/clock.h"
#include "view/monitor.h"
#include "view/window.h"

/*
 * Sizes. The guest counts pixels, and so do swapchains; SDL counts in units that are several
 * pixels wide on some window systems: the density tells how many. A window stays hidden until the
 * first picture tells its size.
 */

#define FIRST_WIDTH 1280
#define FIRST_HEIGHT 800

float window_density(const struct window *window)
{
	float pixels = SDL_GetWindowPixelDensity(window->sdl);
	return pixels > 0 ? pixels : 1;
}

static int units(uint32_t pixels, float per_unit)
{
	int count = (int)((float)pixels / per_unit + 0.5f);
	return count < 1 ? 1 : count;
}

bool window_size(const struct window *window, uint32_t *width, uint32_t *height)
{
	int wide = 0;
	int high = 0;
	SDL_GetWindowSizeInPixels(window->sdl, &wide, &high);
	*width = wide > 0 ? (uint32_t)wide : 0;
	*height = high > 0 ? (uint32_t)high : 0;
	return wide > 0 && high > 0;
}

void window_fit(struct window *window, uint32_t width, uint32_t height)
{
	float scale = window_density(window);
	uint32_t wide = width;
	uint32_t high = height;
	SDL_Rect room;
	if (SDL_GetDisplayUsableBounds(SDL_GetDisplayForWindow(window->sdl), &room) && room.w > 0 &&
	    room.h > 0) {
		uint32_t most_wide = (uint32_t)((float)room.w * scale);
		uint32_t most_high = (uint32_t)((float)room.h * scale);
		if (wide > most_wide || high > most_high) {
			struct placement most =
				placement_of(width, height, most_wide, most_high, VIEW_SCALE_FIT);
			wide = most.area.width;
			high = most.area.height;
		}
	}
	window->fitted_width = wide;
	window->fitted_height = high;
	window->fitted_to_width = width;
	window->fitted_to_height = height;
	SDL_SetWindowSize(window->sdl, units(wide, scale), units(high, scale));
}

/* The first size of all: --size, or the picture's, or that of nothing in particular. */
static void first_size(struct window *window, uint32_t width, uint32_t height)
{
	const struct option_size *size = &window->windows->options->size;
	if (size->width != 0) {
		window_fit(window, size->width, size->height);
	} else {
		bool known = width != 0 && height != 0;
		window_fit(window, known ? width : FIRST_WIDTH, known ? height : FIRST_HEIGHT);
		window->fitted_to_width = known ? width : 0;
		window->fitted_to_height = known ? height : 0;
	}
}

/* The monitor of a guest that draws so many pixels into the window. */
static struct display_monitor monitor_for(const struct window *window, uint32_t width,
					  uint32_t height)
{
	const struct view_options *options = window->windows->options;
	struct display_monitor monitor =
		monitor_of(window->sdl, window->windows->x11, width, height);
	if (options->refresh_mhz != 0) {
		monitor.refresh_mhz = options->refresh_mhz;
	}
	return monitor;
}

void window_appear(struct window *window, uint32_t width, uint32_t height)
{
	const struct view_options *options = window->windows->options;
	if (window->visible) {
		return;
	}
	window->visible = true;
	window->redraw = true;
	float scale = window_density(window);
	first_size(window, width, height);
	SDL_SetWindowPosition(window->sdl, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED);
	SDL_ShowWindow(window->sdl);
	SDL_SyncWindow(window->sdl);
	if (window_density(window) != scale) {
		/* Only a window that is shown has a monitor, here. */
		first_size(window, width, height);
	}
	if (options->full_screen) {
		SDL_SetWindowFullscreen(window->sdl, true);
	}
	struct display_monitor monitor = monitor_for(window, width, height);
	if (window->tells) {
		monitor = (struct display_monitor){.width = width, .height = height};
	}
	resize_accept(&window->resize, &monitor);
	window_changed(window);
	window_title(window);
}

void window_changed(struct window *window)
{
	uint32_t width;
	uint32_t height;
	if (!window->visible || window->windows->options->no_resize ||
	    !window_size(window, &width, &height)) {
		return;
	}
	/* A window that was fitted stands for its picture. */
	if (width == window->fitted_width && height == window->fitted_height) {
		width = window->fitted_to_width;
		height = window->fitted_to_height;
	}
	if (width != 0) {
		struct display_monitor monitor = monitor_for(window, width, height);
		resize_want(&window->resize, &monitor, clock_now_ns());
	}
}

void window_picture_size(struct window *window, uint32_t width, uint32_t height)
{
	const SDL_WindowFlags filled = SDL_WINDOW_FULLSCREEN | SDL_WINDOW_MAXIMIZED;
	if (width == window->width && height == window->height) {
		return;
	}
	window->width = width;
	window->height = height;
	if (width != 0 && !window->windows->options->no_resize &&
	    resize_guest(&window->resize, width, height, clock_now_ns())) {
		if ((SDL_GetWindowFlags(window->sdl) & filled) == 0) {
			window_fit(window, width, height);
		}
		struct display_monitor monitor = monitor_for(window, width, height);
		resize_accept(&window->resize, &monitor);
	}
	window_title(window);
}
