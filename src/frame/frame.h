/* SPDX-License-Identifier: MIT */
#ifndef HESPER_FRAME_FRAME_H
#define HESPER_FRAME_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/format.h"
#include "frame/memory.h"

/* Pixels. */
struct rect {
	uint32_t x;
	uint32_t y;
	uint32_t width;
	uint32_t height;
};

/* True when inner lies in a width x height area; no sum wraps. An empty rect does not. */
bool rect_inside(const struct rect *inner, uint32_t width, uint32_t height);

/* The overlap of two rects; false when there is none. */
bool rect_intersect(const struct rect *a, const struct rect *b, struct rect *out);

/*
 * A picture in memory, one plane, linear, top row first. offset already points at the first pixel
 * that is shown: width and height are those of the shown part, stride that of the whole buffer.
 */
struct frame {
	struct memory *memory; /* one reference, owned by whoever owns the frame */
	const struct format *format;
	uint32_t width;  /* pixels */
	uint32_t height; /* pixels */
	uint32_t stride; /* bytes from a row to the next, multiple of 4 */
	uint64_t offset; /* bytes from the start of memory to the first pixel, multiple of 4 */
};

/*
 * True when the frame lies in a memory of size bytes: stride covers width, the last row's last
 * pixel is inside, stride and offset are multiples of 4. For numbers from guests and peers.
 */
bool frame_fits(uint32_t width, uint32_t height, uint32_t stride, uint64_t offset, uint64_t size);

/* The part `rect` of a frame, without a reference of its own; rect must be inside. */
struct frame frame_crop(const struct frame *frame, const struct rect *rect);

#endif
