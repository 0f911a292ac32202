/* SPDX-License-Identifier: MIT */
#include "view/monitor.h"

#define DPI 96
#define MM_TENTHS_PER_INCH 254

static uint32_t millimetres(uint32_t pixels, float scale)
{
	double mm = pixels * (double)MM_TENTHS_PER_INCH / (10.0 * DPI * (double)scale);
	return mm < 1 ? 1 : (uint32_t)(mm + 0.5);
}

struct display_monitor monitor_make(uint32_t width, uint32_t height, float scale,
				    uint32_t refresh_mhz)
{
	float known = scale > 0 ? scale : 1;
	return (struct display_monitor){.width = width,
					.height = height,
					.width_mm = millimetres(width, known),
					.height_mm = millimetres(height, known),
					.refresh_mhz = refresh_mhz};
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

struct display_monitor monitor_of(SDL_Window *window, uint32_t width, uint32_t height)
{
	return monitor_make(
		width, height, SDL_GetWindowDisplayScale(window),
		refresh_mhz(SDL_GetCurrentDisplayMode(SDL_GetDisplayForWindow(window))));
}
