/* SPDX-License-Identifier: MIT */
#include "view/presenter.h"

#include <stdlib.h>

#include "util/log.h"

/* A ring of images instead of a swapchain's: the same copy, and nobody to wait for. */

#define RING 3

struct headless {
	struct presenter base;
	struct vk *vk;
	struct converter converter;
	struct picture ring[RING];
	unsigned next;
	const struct picture *last;
};

static enum presenter_result show(struct presenter *presenter, struct source *source,
				  const struct frame *frame)
{
	struct headless *headless = (struct headless *)presenter;
	struct vk *vk = headless->vk;
	struct picture *picture = &headless->ring[headless->next];
	headless->last = headless->last == picture ? NULL : headless->last;
	if (!vk_begin(vk) || !picture_record(vk, &headless->converter, picture, source, frame) ||
	    !vk_submit_and_wait(vk, VK_NULL_HANDLE, VK_NULL_HANDLE)) {
		return PRESENTER_FAILED;
	}
	headless->last = picture;
	headless->next = (headless->next + 1) % RING;
	return PRESENTER_SHOWN;
}

static bool wait_for_bus(struct presenter *presenter, struct view_bus *bus, uint64_t until_ns)
{
	view_bus_wait(bus, until_ns);
	return true;
}

static const struct picture *last_picture(struct presenter *presenter)
{
	return ((struct headless *)presenter)->last;
}

static void destroy(struct presenter *presenter)
{
	struct headless *headless = (struct headless *)presenter;
	for (int i = 0; i < RING; i++) {
		picture_finish(headless->vk, &headless->ring[i]);
	}
	converter_finish(headless->vk, &headless->converter);
	free(headless);
}

static const struct presenter_ops ops = {
	.show = show,
	.wait = wait_for_bus,
	.picture = last_picture,
	.destroy = destroy,
};

struct presenter *present_headless_create(struct vk *vk, const struct view_options *options)
{
	struct headless *headless = calloc(1, sizeof(*headless));
	if (headless == NULL) {
		log_error("out of memory");
		return NULL;
	}
	headless->base.ops = &ops;
	headless->vk = vk;
	if (!vk_init_instance(vk, NULL, 0) || !vk_init_device(vk, options->device)) {
		free(headless);
		return NULL;
	}
	return &headless->base;
}
