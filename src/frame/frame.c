/* SPDX-License-Identifier: MIT */
#include "frame/frame.h"

bool rect_inside(const struct rect *inner, uint32_t width, uint32_t height)
{
	return inner->width > 0 && inner->height > 0 &&
	       (uint64_t)inner->x + inner->width <= width &&
	       (uint64_t)inner->y + inner->height <= height;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

bool rect_intersect(const struct rect *a, const struct rect *b, struct rect *out)
{
	uint64_t left = a->x > b->x ? a->x : b->x;
	uint64_t top = a->y > b->y ? a->y : b->y;
	uint64_t right = min_u64((uint64_t)a->x + a->width, (uint64_t)b->x + b->width);
	uint64_t bottom = min_u64((uint64_t)a->y + a->height, (uint64_t)b->y + b->height);
	if (left >= right || top >= bottom) {
		return false;
	}
	*out = (struct rect){(uint32_t)left, (uint32_t)top, (uint32_t)(right - left),
			     (uint32_t)(bottom - top)};
	return true;
}

bool frame_fits(uint32_t width, uint32_t height, uint32_t stride, uint64_t offset, uint64_t size)
{
	if (width == 0 || height == 0 || stride % FORMAT_PIXEL_BYTES != 0 ||
	    offset % FORMAT_PIXEL_BYTES != 0 || offset > size) {
		return false;
	}
	uint64_t row = (uint64_t)width * FORMAT_PIXEL_BYTES;
	/* Below 2^64: both factors are below 2^32, and row below 2^34. */
	uint64_t last = (uint64_t)stride * (height - 1);
	return stride >= row && last <= UINT64_MAX - row && last + row <= size - offset;
}

struct frame frame_crop(const struct frame *frame, const struct rect *rect)
{
	struct frame part = *frame;
	part.width = rect->width;
	part.height = rect->height;
	part.offset += (uint64_t)rect->y * frame->stride + (uint64_t)rect->x * FORMAT_PIXEL_BYTES;
	return part;
}
