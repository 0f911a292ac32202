/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_PICTURE_H
#define HESPER_VIEW_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "view/source.h"
#include "view/vk.h"

/*
 * The guest's picture in an image of our own: its size, its colours. Of formats with an unused
 * byte the alpha means nothing. Main thread.
 */
struct picture {
	VkImage image;  /* in vk_use_copied_from once it was drawn */
	VkDeviceMemory memory;
	VkImageView view; /* for storing into it; only where a format needs that */
	VkFormat vk_format;
	const struct format *format; /* the guest's */
	uint32_t width;
	uint32_t height;
};

/* Turns pictures whose byte order no VkFormat has; made when the first one comes. */
struct converter {
	bool ready;
	VkSampler sampler;
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	VkPipeline pipeline;
	VkDescriptorPool pool;
	VkDescriptorSet set;
	struct picture raw; /* the bytes as they are */
};

/*
 * Makes the image fit the frame, anew when it does not, and records the drawing of source into
 * it. The source's frame must be the same one. No GPU work may be under way.
 */
bool picture_record(struct vk *vk, struct converter *converter, struct picture *picture,
		    const struct source *source, const struct frame *frame);

void picture_finish(struct vk *vk, struct picture *picture);
void converter_finish(struct vk *vk, struct converter *converter);

#endif
