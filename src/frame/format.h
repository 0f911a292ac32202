/* SPDX-License-Identifier: MIT */
#ifndef HESPER_FRAME_FORMAT_H
#define HESPER_FRAME_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of one pixel: the same for every virtio-gpu format. */
#define FORMAT_PIXEL_BYTES 4

/* Where a view's channel comes from; values as VkComponentSwizzle - VK_COMPONENT_SWIZZLE_R. */
enum format_channel {
	FORMAT_FROM_R,
	FORMAT_FROM_G,
	FORMAT_FROM_B,
	FORMAT_FROM_A,
	FORMAT_ONE,
};

/*
 * One pixel format under its four names. The byte order in memory is that of the virtio name,
 * first letter at the lowest address (virtio 1.4, 5.7.6.8).
 */
struct format {
	const char *name; /* virtio's name without its prefix */
	uint32_t virtio; /* enum virtio_gpu_formats */
	uint32_t fourcc; /* DRM */
	uint32_t pixman; /* pixman_format_code_t on a little-endian host, as org.qemu.Display1 */
	uint32_t vulkan; /* VkFormat with the same bytes */
	/* r, g, b, a of the picture, taken from the channels of the VkFormat. */
	enum format_channel swizzle[4];
	bool opaque;  /* the fourth byte means nothing */
	bool identity;  /* a plain copy into a VkFormat image is right but for alpha */
};

/* NULL when the number is none of the eight formats. Any thread. */
const struct format *format_from_virtio(uint32_t virtio);
const struct format *format_from_fourcc(uint32_t fourcc);
const struct format *format_from_pixman(uint32_t pixman);

/* The whole table, for tests and listings: index 0.. until NULL. */
const struct format *format_at(unsigned index);

#endif
