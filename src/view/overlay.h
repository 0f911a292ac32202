/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_OVERLAY_H
#define HESPER_VIEW_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "view/input.h"
#include "view/picture.h"
#include "view/vk.h"

/* An image of the overlay's own, as large as the pointer's shape. */
struct overlay_image {
	VkImage image;
	VkDeviceMemory memory;
	VkImageView view;
};

/* Draws a pointer into pictures of one window. Starts zeroed. Main thread. */
struct overlay {
	bool ready; /* what does not depend on the shape */
	VkSampler sampler;
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkDescriptorPool pool;
	VkDescriptorSet set;
	/* For shapes of one size on pictures of one format: */
	uint32_t width;
	uint32_t height;
	VkFormat format;
	struct overlay_image under;
	struct overlay_image shape;
	struct overlay_image result;
	struct vk_host_buffer upload;
	bool uploaded;
	uint32_t generation; /* of the shape that was uploaded */
};

/*
 * Records the drawing of the cursor into the picture, between picture_record and what reads the
 * picture: finds and leaves it in vk_use_copied_from. The picture's image must be one that can be
 * copied to. No GPU work may be under way. False after words in the log; the picture then is as
 * it was.
 */
bool overlay_record(struct vk *vk, struct overlay *overlay, const struct picture *picture,
		    const struct view_drawn_cursor *cursor);

/* No GPU work may be under way. */
void overlay_finish(struct vk *vk, struct overlay *overlay);

#endif
