/* SPDX-License-Identifier: MIT */
#include "view/presenter.h"

#include <stdlib.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/trace.h"
#include "view/cursor.h"
#include "view/overlay.h"

/* Rings of images instead of swapchains': the same copy, and nobody to wait for. */

#define RING 3

struct ring {
	struct screen base;
	struct headless *headless;
	struct vk *vk;
	struct converter converter;
	struct overlay overlay;
	struct picture pictures[RING];
	unsigned next;
	const struct picture *last;
};

struct headless {
	struct presenter base;
	struct vk *vk;
	struct cursors cursors; /* no window, so nothing of SDL's */
	uint32_t moved;  /* consoles whose drawn pointer is another now, a bit each */
};

static enum screen_result show(struct screen *screen, struct source *source,
			       const struct frame *frame, uint64_t timeout_ns)
{
	struct ring *ring = (struct ring *)screen;
	struct vk *vk = ring->vk;
	struct picture *picture = &ring->pictures[ring->next];
	const struct view_drawn_cursor *cursor =
		cursors_drawn(&ring->headless->cursors, screen->console);
	ring->last = ring->last == picture ? NULL : ring->last;
	if (!vk_begin(vk) || !picture_record(vk, &ring->converter, picture, source, frame) ||
	    (cursor != NULL && !overlay_record(vk, &ring->overlay, picture, cursor)) ||
	    !vk_submit_and_wait(vk, VK_NULL_HANDLE, screen->frame_id)) {
		return SCREEN_FAILED;
	}
	if (trace_on() && screen->frame_id != 0) {
		/* There is no display to give it to. */
		uint64_t now = clock_now_ns();
		trace_frame_slice(TRACE_FLOW_IN, TRACE_PRESENT, "present", screen->frame_id, now,
				  now, TRACE_ARGS(TRACE_NUMBER("headless", 1)));
	}
	ring->last = picture;
	ring->next = (ring->next + 1) % RING;
	return SCREEN_SHOWN;
}

static const struct picture *last_picture(struct screen *screen)
{
	return ((struct ring *)screen)->last;
}

static bool take_redraw(struct screen *screen)
{
	struct headless *headless = ((struct ring *)screen)->headless;
	uint32_t bit = 1u << screen->console;
	bool moved = (headless->moved & bit) != 0;
	headless->moved &= ~bit;
	return moved;
}

static void ring_destroy(struct screen *screen)
{
	struct ring *ring = (struct ring *)screen;
	for (int i = 0; i < RING; i++) {
		picture_finish(ring->vk, &ring->pictures[i]);
	}
	converter_finish(ring->vk, &ring->converter);
	overlay_finish(ring->vk, &ring->overlay);
	free(ring);
}

static const struct screen_ops ring_ops = {
	.show = show,
	.picture = last_picture,
	.redraw = take_redraw,
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
	ring->headless = headless;
	ring->vk = headless->vk;
	return &ring->base;
}

static void wait_for_bus(struct presenter *presenter, struct view_bus *bus, uint64_t until_ns)
{
	view_bus_wait(bus, until_ns);
}

static void set_cursor(struct presenter *presenter, unsigned console,
		       const struct view_cursor *cursor)
{
	struct headless *headless = (struct headless *)presenter;
	cursors_set(&headless->cursors, console, cursor);
	if (headless->cursors.mode == VIEW_CURSOR_DRAW) {
		headless->moved |= 1u << console;
	}
}

static void destroy(struct presenter *presenter)
{
	struct headless *headless = (struct headless *)presenter;
	cursors_finish(&headless->cursors);
	free(headless);
}

static const struct presenter_ops ops = {
	.open = ring_open,
	.wait = wait_for_bus,
	.cursor = set_cursor,
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
	cursors_init(&headless->cursors, (enum view_cursor_mode)options->cursor);
	if (!vk_init_instance(vk, NULL, 0) ||
	    !vk_init_device(vk, options->device, VK_NULL_HANDLE)) {
		free(headless);
		return NULL;
	}
	return &headless->base;
}
