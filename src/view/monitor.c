/* SPDX-License-Identifier: MIT */
#include "view/monitor.h"

#include <stdlib.h>
#include <xcb/randr.h>

#define DPI 96
#define MM_PER_INCH 25.4

/* Televisions have 30, telephones 600. Projectors and virtual screens tell anything. */
#define DPI_MIN 25
#define DPI_MAX 1000

static uint32_t millimetres(uint32_t pixels, double dpi)
{
	double mm = pixels * MM_PER_INCH / dpi;
	return mm < 1 ? 1 : (uint32_t)(mm + 0.5);
}

struct monitor_density monitor_density_of(uint32_t width, uint32_t height, uint32_t width_mm,
					  uint32_t height_mm)
{
	if (width_mm == 0 || height_mm == 0) {
		return (struct monitor_density){0};
	}
	const struct monitor_density density = {.x = width * MM_PER_INCH / width_mm,
						.y = height * MM_PER_INCH / height_mm};
	bool sane = density.x >= DPI_MIN && density.x <= DPI_MAX && density.y >= DPI_MIN &&
		    density.y <= DPI_MAX && density.x < 2 * density.y && density.y < 2 * density.x;
	return sane ? density : (struct monitor_density){0};
}

struct display_monitor monitor_make(uint32_t width, uint32_t height, struct monitor_density density,
				    float scale, uint32_t refresh_mhz)
{
	double usual = DPI * (scale > 0 ? (double)scale : 1);
	return (struct display_monitor){
		.width = width,
		.height = height,
		.width_mm = millimetres(width, density.x > 0 ? density.x : usual),
		.height_mm = millimetres(height, density.y > 0 ? density.y : usual),
		.refresh_mhz = refresh_mhz};
}

/* The RandR monitor at the place of SDL's. */
static struct monitor_density x11_density(xcb_connection_t *x11, const SDL_Rect *bounds)
{
	struct monitor_density density = {0};
	xcb_window_t root = xcb_setup_roots_iterator(xcb_get_setup(x11)).data->root;
	xcb_randr_get_monitors_reply_t *reply =
		xcb_randr_get_monitors_reply(x11, xcb_randr_get_monitors(x11, root, 1), NULL);
	if (reply == NULL) {
		return density;
	}
	xcb_randr_monitor_info_iterator_t each = xcb_randr_get_monitors_monitors_iterator(reply);
	for (; each.rem > 0; xcb_randr_monitor_info_next(&each)) {
		const xcb_randr_monitor_info_t *info = each.data;
		if (info->x == bounds->x && info->y == bounds->y && info->width == bounds->w &&
		    info->height == bounds->h) {
			density = monitor_density_of(info->width, info->height,
						     info->width_in_millimeters,
						     info->height_in_millimeters);
		}
	}
	free(reply);
	return density;
}

static uint32_t refresh_mhz(const SDL_DisplayMode *mode)
{
	if (mode == NULL) {
		return 0;
	}
	if (mode->refresh_rate_numerator > 0 && mode->refresh_rate_denominator > 0) {
		return (uint32_t)(((uint64_t)mode->refresh_rate_numerator * 1000 +
				   (uint64_t)mode->refresh_rate_denominator / 2) /
				  (uint64_t)mode->refresh_rate_denominator);
	}
	return mode->refresh_rate > 0 ? (uint32_t)((double)mode->refresh_rate * 1000 + 0.5) : 0;
}

struct display_monitor monitor_of(SDL_Window *window, xcb_connection_t *x11, uint32_t width,
				  uint32_t height)
{
	SDL_DisplayID display = SDL_GetDisplayForWindow(window);
	struct monitor_density density = {0};
	SDL_Rect bounds;
	if (x11 != NULL && SDL_GetDisplayBounds(display, &bounds)) {
		density = x11_density(x11, &bounds);
	}
	return monitor_make(width, height, density, SDL_GetWindowDisplayScale(window),
			    refresh_mhz(SDL_GetCurrentDisplayMode(display)));
}
