/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_PLACEMENT_H
#define HESPER_VIEW_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame/frame.h"
#include "view/options.h"

/* Where a picture goes in a window. */
struct placement {
	struct rect part; /* of the picture that is seen */
	struct rect area; /* of the window that it fills; the rest is black */
	bool scaled;  /* part and area differ in size */
};

/* All sizes in pixels, none 0. */
struct placement placement_of(uint32_t picture_width, uint32_t picture_height,
			      uint32_t window_width, uint32_t window_height, enum view_scale scale);

/* Whether a pixel is taken from the nearest one, not mixed of the four around it. */
bool placement_sharp(const struct placement *placement, enum view_filter filter);

#endif
