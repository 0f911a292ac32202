/* SPDX-License-Identifier: MIT */
#include "util/clock.h"
#include "util/trace.h"
#include "view/window.h"

/*
 * When the picture is shown 1:1, its format is the swapchain's and nobody asks for screenshots,
 * the GPU copies the guest's buffer right into the swapchain's image: one copy. Otherwise it goes
 * through a picture of our own, from which it is scaled and converted by a blit, and which a
 * screenshot reads.
 */

static void clear(const struct window *window, VkImage image)
{
	struct vk *vk = window->windows->vk;
	const VkClearColorValue black = {.float32 = {0, 0, 0, 1}};
	const VkImageSubresourceRange all = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
	vkCmdClearColorImage(vk->commands, image, vk_use_copied_to.layout, &black, 1, &all);
	vk_image_barrier(vk, image, vk_use_copied_to, vk_use_copied_to);
}

static void blit(const struct window *window, const struct placement *placement, VkImage image)
{
	const struct rect *from = &placement->part;
	const struct rect *to = &placement->area;
	const VkImageSubresourceLayers colour = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
	const VkImageBlit region = {
		.srcSubresource = colour,
		.srcOffsets = {{(int32_t)from->x, (int32_t)from->y, 0},
			       {(int32_t)(from->x + from->width), (int32_t)(from->y + from->height),
				1}},
		.dstSubresource = colour,
		.dstOffsets = {{(int32_t)to->x, (int32_t)to->y, 0},
			       {(int32_t)(to->x + to->width), (int32_t)(to->y + to->height), 1}}};
	vkCmdBlitImage(window->windows->vk->commands, window->picture.image,
		       vk_use_copied_from.layout, image, vk_use_copied_to.layout, 1, &region,
		       placement_sharp(placement, window->filter) ? VK_FILTER_NEAREST
								  : VK_FILTER_LINEAR);
}

static enum screen_result acquire_image(struct window *window, uint64_t timeout_ns)
{
	uint32_t width;
	uint32_t height;
	if (!window_size(window, &width, &height)) {
		return SCREEN_SKIPPED; /* SDL tells when it has one again */
	}
	switch (swapchain_acquire(&window->swapchain, width, height, timeout_ns)) {
	case SWAPCHAIN_READY:
		window->windows->base.present_mode = swapchain_mode_name(window->swapchain.mode);
		return SCREEN_SHOWN;
	case SWAPCHAIN_TIMEOUT:
		return SCREEN_BUSY;
	case SWAPCHAIN_NO_AREA:
		return SCREEN_SKIPPED;
	case SWAPCHAIN_FAILED:
		break;
	}
	return SCREEN_FAILED;
}

static enum screen_result acquire(struct window *window, uint64_t timeout_ns)
{
	static const char *const results[] = {
		[SCREEN_SHOWN] = "got",
		[SCREEN_BUSY] = "busy",
		[SCREEN_SKIPPED] = "no area",
		[SCREEN_FAILED] = "failed",
	};
	if (!trace_on()) {
		return acquire_image(window, timeout_ns);
	}
	uint64_t begin = clock_now_ns();
	enum screen_result result = acquire_image(window, timeout_ns);
	trace_slice(TRACE_DISPLAY, "display", begin, clock_now_ns(),
		    TRACE_ARGS(TRACE_ID("frame", window->base.frame_id),
			       TRACE_NUMBER("console", window->base.console),
			       TRACE_TEXT("result", results[result])));
	return result;
}

static bool covers(const struct rect *area, const VkExtent2D *extent)
{
	return area->width == extent->width && area->height == extent->height;
}

static bool record(struct window *window, struct source *source, const struct frame *frame)
{
	struct vk *vk = window->windows->vk;
	const struct swapchain *swapchain = &window->swapchain;
	VkImage image = swapchain->images[swapchain->index];
	struct placement placement =
		placement_of(frame->width, frame->height, swapchain->extent.width,
			     swapchain->extent.height, window->scale);
	const struct view_drawn_cursor *cursor =
		view_input_drawn(window->windows->input, window->base.console);
	bool direct = !placement.scaled && frame->format->identity &&
		      (VkFormat)frame->format->vulkan == swapchain->format && cursor == NULL &&
		      window->windows->options->screenshot == NULL;
	window->picture_valid = false;
	if (!direct) {
		if (!picture_record(vk, &window->converter, &window->picture, source, frame) ||
		    (cursor != NULL &&
		     !overlay_record(vk, &window->overlay, &window->picture, cursor))) {
			return false;
		}
		window->picture_valid = true;
	}
	vk_image_barrier(vk, image, vk_use_nothing, vk_use_copied_to);
	if (!covers(&placement.area, &swapchain->extent)) {
		clear(window, image);
	}
	if (direct) {
		source_record(vk, source, &placement.part, image, (int32_t)placement.area.x,
			      (int32_t)placement.area.y);
	} else {
		blit(window, &placement, image);
	}
	vk_image_barrier(vk, image, vk_use_copied_to, vk_use_presented);
	return true;
}

enum screen_result window_show(struct screen *screen, struct source *source,
			       const struct frame *frame, uint64_t timeout_ns)
{
	struct window *window = container_of(screen, struct window, base);
	window_appear(window, frame->width, frame->height);
	window_picture_size(window, frame->width, frame->height);
	enum screen_result result = acquire(window, timeout_ns);
	if (result != SCREEN_SHOWN) {
		return result;
	}
	if (!vk_begin(window->windows->vk) || !record(window, source, frame) ||
	    !swapchain_present(&window->swapchain, screen->frame_id)) {
		return SCREEN_FAILED;
	}
	return SCREEN_SHOWN;
}

enum screen_result window_blank(struct screen *screen, uint64_t timeout_ns)
{
	struct window *window = container_of(screen, struct window, base);
	struct vk *vk = window->windows->vk;
	window_picture_size(window, 0, 0);
	if (!window->visible) {
		return SCREEN_SKIPPED;
	}
	enum screen_result result = acquire(window, timeout_ns);
	if (result != SCREEN_SHOWN) {
		return result;
	}
	if (!vk_begin(vk)) {
		return SCREEN_FAILED;
	}
	VkImage image = window->swapchain.images[window->swapchain.index];
	vk_image_barrier(vk, image, vk_use_nothing, vk_use_copied_to);
	clear(window, image);
	vk_image_barrier(vk, image, vk_use_copied_to, vk_use_presented);
	return swapchain_present(&window->swapchain, 0) ? SCREEN_SHOWN : SCREEN_FAILED;
}
