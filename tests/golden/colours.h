/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_GOLDEN_COLOURS_H
#define HESPER_TESTS_GOLDEN_COLOURS_H

#include <stdint.h>

#include "daemon.h"

/*
 * The test picture, in the guest's bytes and as a viewer must show it. The expected colours come
 * from the name of the format, not from hesper's table.
 */
#define WIDTH 72
#define HEIGHT 40

struct colours_format {
	uint32_t id; /* enum virtio_gpu_formats */
	const char *bytes; /* channel of each byte in memory, virtio 1.4, 5.7.6.8 */
};

#define FORMATS 8
extern const struct colours_format formats[FORMATS];

/*
 * The picture, or its part x, y, width x height, at its place in WIDTH x HEIGHT pixels at `at`.
 * turn: another picture for each value. Alpha and X are rubbish that must not matter.
 */
void draw(uint8_t *at, uint32_t stride, const char *bytes);
void draw_part(uint8_t *at, uint32_t stride, const char *bytes, uint8_t turn, uint32_t x,
	       uint32_t y, uint32_t width, uint32_t height);

/* Fails the test unless the picture is the part at x0, y0 of what draw draws, pixel for pixel. */
void check(const struct picture *picture, uint32_t x0, uint32_t y0, uint32_t width, uint32_t height,
	   const char *what);

/* One pixel of picture, and what it must be. */
void check_pixel(const struct picture *picture, uint32_t x, uint32_t y, uint32_t of_x,
		 uint32_t of_y, uint8_t turn, const char *what);

#endif
