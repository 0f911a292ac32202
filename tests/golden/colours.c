/* SPDX-License-Identifier: MIT */
#include "colours.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

const struct colours_format formats[FORMATS] = {
	{1, "BGRA"},  {2, "BGRX"},  {3, "ARGB"},   {4, "XRGB"},
	{67, "RGBA"}, {68, "XBGR"}, {121, "ABGR"}, {134, "RGBX"},
};

/* Every channel differs everywhere, and no two formats give the same bytes. */
static void colour_at(uint32_t x, uint32_t y, uint8_t turn, uint8_t rgb[3])
{
	rgb[0] = (uint8_t)(x * 3 + 1 + turn * 17);
	rgb[1] = (uint8_t)(y * 5 + 2 + turn * 29);
	rgb[2] = (uint8_t)(x * 7 + y * 11 + 3 + turn * 43);
}

void draw_part(uint8_t *at, uint32_t stride, const char *bytes, uint8_t turn, uint32_t x0,
	       uint32_t y0, uint32_t width, uint32_t height)
{
	for (uint32_t y = y0; y < y0 + height; y++) {
		for (uint32_t x = x0; x < x0 + width; x++) {
			uint8_t rgb[3];
			colour_at(x, y, turn, rgb);
			for (unsigned b = 0; b < 4; b++) {
				static const char order[] = "RGB";
				const char *channel = strchr(order, bytes[b]);
				at[y * stride + x * 4 + b] = channel == NULL ? (uint8_t)(x ^ 0x5a)
									     : rgb[channel - order];
			}
		}
	}
}

void draw(uint8_t *at, uint32_t stride, const char *bytes)
{
	draw_part(at, stride, bytes, 0, 0, 0, WIDTH, HEIGHT);
}

void check_pixel(const struct picture *picture, uint32_t x, uint32_t y, uint32_t of_x,
		 uint32_t of_y, uint8_t turn, const char *what)
{
	const uint8_t *seen = &picture->rgb[3 * (y * picture->width + x)];
	uint8_t rgb[3];
	colour_at(of_x, of_y, turn, rgb);
	if (memcmp(seen, rgb, 3) != 0) {
		fail_msg("%s: pixel %u,%u is %02x%02x%02x instead of %02x%02x%02x", what, x, y,
			 seen[0], seen[1], seen[2], rgb[0], rgb[1], rgb[2]);
	}
}

void check(const struct picture *picture, uint32_t x0, uint32_t y0, uint32_t width, uint32_t height,
	   const char *what)
{
	assert_int_equal(picture->width, width);
	assert_int_equal(picture->height, height);
	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = 0; x < width; x++) {
			check_pixel(picture, x, y, x0 + x, y0 + y, 0, what);
		}
	}
}
