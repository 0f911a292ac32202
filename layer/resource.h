/* SPDX-License-Identifier: MIT */
#ifndef LAYER_RESOURCE_H
#define LAYER_RESOURCE_H

#include "layer.h"

#include "chain.h"

/*
 * Buffers and images whose memory may be a memfd, and images with a DRM format modifier.
 *
 * The driver is told that they are external to a host allocation where it accepts that, and
 * nothing where it does not. LINEAR is the only modifier: it is LINEAR tiling for the driver.
 */

/* What the layer keeps of a VkImage; others than these are not in the map. */
struct image {
	bool external; /* made for DMA_BUF */
	bool modifier; /* the application made it with DRM_FORMAT_MODIFIER tiling */
};

/* A VkImageCreateInfo as the driver gets it. `info` points into the plan: do not move it. */
struct image_plan {
	struct image image; /* both false: `info` is the application's, unchanged */
	VkImageCreateInfo info;
	const VkSubresourceLayout *layout; /* of an explicit modifier, or NULL; the caller's */
	VkExternalMemoryImageCreateInfo external;
	struct chain_storage storage;
};

/* Fails with the error for vkCreateImage: a modifier that is not offered, a layout with an offset
 * or several planes. */
VkResult image_plan(const struct physdev *physdev, const VkImageCreateInfo *info,
		    struct image_plan *plan);

/* The same for a buffer. */
struct buffer_plan {
	bool external;
	VkBufferCreateInfo info;
	VkExternalMemoryBufferCreateInfo host;
	struct chain_storage storage;
};

VkResult buffer_plan(const struct physdev *physdev, const VkBufferCreateInfo *info,
		     struct buffer_plan *plan);

/* Whether the driver lists HOST_ALLOCATION memory as importable for them (caps_external.c). `info` is the
 * driver's. */
bool caps_image_takes_pointer(const struct physdev *physdev, const VkImageCreateInfo *info);
bool caps_buffer_takes_pointer(const struct physdev *physdev, const VkBufferCreateInfo *info);

/* Whether images of that format may have the LINEAR modifier: colour, one plane, not compressed
 * (modifier.c). */
bool modifier_allows_format(VkFormat format);

/* Fills in the modifiers that `out`, the pNext of a VkFormatProperties2, asks for. `capacity` is
 * what modifier_capacity returned before the driver saw the chain (modifier.c). */
struct modifier_capacity {
	uint32_t list, list2;
};
struct modifier_capacity modifier_capacity(void *out);
void modifier_fill_format(const struct physdev *physdev, VkFormat format,
			  VkFormatProperties2 *properties, struct modifier_capacity capacity);

#endif
