/* SPDX-License-Identifier: MIT */
#include "view/presenter.h"

#include <stdlib.h>

#include "util/log.h"

/* Rings of images instead of swapchains': the same copy, and nobody to wait for. */

#define RING 3

struct ring {
	struct screen base;
	struct vk *vk;
	struct converter converter;
	struct picture pictures[RING];
	unsigned next;
	const struct picture *last;
};

struct headless {
	struct presenter base;
	struct vk *vk;
};

static enum screen_result show(struct screen *screen, struct source *source,
			       const struct frame *frame, uint64_t timeout_ns)
{
	struct ring *ring = (struct ring *)screen;
	struct vk *vk = ring->vk;
	struct picture *picture = &ring->pictures[ring->next];
	ring->last = ring->last == picture ? NULL : ring->last;
	if (!vk_begin(vk) || !picture_record(vk, &ring->converter, picture, source, frame) ||
	    !vk_submit_and_wait(vk, VK_NULL_HANDLE)) {
		return SCREEN_FAILED;
	}
	ring->last = picture;
	ring->next = (ring->next + 1) % RING;
	return SCREEN_SHOWN;
}

static const struct picture *last_picture(struct screen *screen)
{
	return ((struct ring *)screen)->last;
}

static void ring_destroy(struct screen *screen)
{
	struct ring *ring = (struct ring *)screen;
	for (int i = 0; i < RING; i++) {
		picture_finish(ring->vk, &ring->pictures[i]);
	}
	converter_finish(ring->vk, &ring->converter);
	free(ring);
}

static const struct screen_ops ring_ops = {
	.show = show,
	.picture = last_picture,
	.destroy = ring_destroy,
};

static struct screen *ring_open(struct presenter *presenter, unsigned console,
				const struct view_console_info *info)
{
	struct headless *headless = (struct headless *)presenter;
	struct ring *ring = calloc(1, sizeof(*ring));
	if (ring == NULL) {
		log_error("out of memory");
		return NULL;
	}
	ring->base.ops = &ring_ops;
	ring->base.console = console;
	ring->vk = headless->vk;
	return &ring->base;
}

static void wait_for_bus(struct presenter *presenter, struct view_bus *bus, uint64_t until_ns)
{
	view_bus_wait(bus, until_ns);
}

static void destroy(struct presenter *presenter)
{
	free(presenter);
}

static const struct presenter_ops ops = {
	.open = ring_open,
	.wait = wait_for_bus,
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
	if (!vk_init_instance(vk, NULL, 0) ||
	    !vk_init_device(vk, options->device, VK_NULL_HANDLE)) {
		free(headless);
		return NULL;
	}
	return &headless->base;
}
