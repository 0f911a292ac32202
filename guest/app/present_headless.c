/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "present.h"

#define IMAGES 2 /* as many as are drawn at a time */

struct headless {
	struct present base;
	struct vk *vk;
	struct report *report;
	struct vk_image images[IMAGES];
	uint32_t next;
};

static void headless_destroy(struct present *present)
{
	struct headless *headless = (struct headless *)present;

	for (unsigned i = 0; i < IMAGES; i++) {
		vk_image_finish(headless->vk, &headless->images[i]);
	}
	free(headless);
}

static int headless_acquire(struct present *present, struct canvas *canvas)
{
	struct headless *headless = (struct headless *)present;
	uint32_t index = headless->next++ % IMAGES;

	*canvas = (struct canvas){
		.index = index,
		.image = headless->images[index].image,
		.view = headless->images[index].view,
	};
	return 0;
}

static void headless_hand_over(struct present *present, VkCommandBuffer cmd,
			       const struct canvas *canvas)
{
}

static int headless_show(struct present *present, const struct canvas *canvas)
{
	struct headless *headless = (struct headless *)present;

	report_frame(headless->report);
	return 0;
}

static const struct present_ops headless_ops = {
	.destroy = headless_destroy,
	.acquire = headless_acquire,
	.hand_over = headless_hand_over,
	.show = headless_show,
};

struct present *present_headless_create(struct vk *vk, const struct options *opts,
					struct report *report)
{
	struct vk_image_info info = {
		.format = PRESENT_FORMAT,
		.width = opts->width,
		.height = opts->height,
		.tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
		.aspect = VK_IMAGE_ASPECT_COLOR_BIT,
		.samples = 1,
	};
	struct headless *headless = calloc(1, sizeof(*headless));

	if (!headless) {
		return NULL;
	}
	headless->base = (struct present){
		.ops = &headless_ops,
		.width = opts->width,
		.height = opts->height,
		.pace = opts->no_throttle ? 0 : opts->refresh,
	};
	headless->vk = vk;
	headless->report = report;
	for (unsigned i = 0; i < IMAGES; i++) {
		if (vk_image_init(vk, &headless->images[i], &info) < 0) {
			headless_destroy(&headless->base);
			return NULL;
		}
	}
	report->width = opts->width;
	report->height = opts->height;
	report->path = "offscreen";
	return &headless->base;
}
