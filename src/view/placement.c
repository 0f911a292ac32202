/* SPDX-License-Identifier: MIT */
#include "view/placement.h"

/* Centres length in room; cuts both ends when it is too long. */
static void centre(uint32_t length, uint32_t room, uint32_t *from, uint32_t *to, uint32_t *size)
{
	*from = length > room ? (length - room) / 2 : 0;
	*to = room > length ? (room - length) / 2 : 0;
	*size = length < room ? length : room;
}

static struct placement one_to_one(uint32_t width, uint32_t height, uint32_t window_width,
				   uint32_t window_height)
{
	struct placement out = {0};
	centre(width, window_width, &out.part.x, &out.area.x, &out.part.width);
	centre(height, window_height, &out.part.y, &out.area.y, &out.part.height);
	out.area.width = out.part.width;
	out.area.height = out.part.height;
	return out;
}

static struct placement whole_multiple(uint32_t width, uint32_t height, uint32_t window_width,
				       uint32_t window_height)
{
	uint32_t across = window_width / width;
	uint32_t down = window_height / height;
	uint32_t times = across < down ? across : down;
	return (struct placement){.part = {0, 0, width, height},
				  .area = {(window_width - times * width) / 2,
					   (window_height - times * height) / 2, times * width,
					   times * height},
				  .scaled = times != 1};
}

struct placement placement_of(uint32_t picture_width, uint32_t picture_height,
			      uint32_t window_width, uint32_t window_height, enum view_scale scale)
{
	if (scale == VIEW_SCALE_ONE) {
		return one_to_one(picture_width, picture_height, window_width, window_height);
	}
	/* Where not even one whole pixel each has room, it is shrunk like the rest. */
	if (scale == VIEW_SCALE_INTEGER && window_width >= picture_width &&
	    window_height >= picture_height) {
		return whole_multiple(picture_width, picture_height, window_width, window_height);
	}
	/* The tighter direction is filled, the other one follows. */
	uint64_t across = (uint64_t)window_width * picture_height;
	uint64_t down = (uint64_t)window_height * picture_width;
	uint32_t width = window_width;
	uint32_t height = window_height;
	if (across > down) {
		width = (uint32_t)((down + picture_height / 2) / picture_height);
	} else {
		height = (uint32_t)((across + picture_width / 2) / picture_width);
	}
	width = width == 0 ? 1 : width;
	height = height == 0 ? 1 : height;
	return (struct placement){
		.part = {0, 0, picture_width, picture_height},
		.area = {(window_width - width) / 2, (window_height - height) / 2, width, height},
		.scaled = width != picture_width || height != picture_height};
}

bool placement_sharp(const struct placement *placement, enum view_filter filter)
{
	const struct rect *from = &placement->part;
	const struct rect *to = &placement->area;
	if (filter != VIEW_FILTER_AUTO) {
		return filter == VIEW_FILTER_NEAREST;
	}
	return to->width % from->width == 0 && to->height % from->height == 0;
}
