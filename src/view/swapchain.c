/* SPDX-License-Identifier: MIT */
#include "view/swapchain.h"

#include "util/clock.h"
#include "util/log.h"
#include "util/trace.h"

/*
 * Replacing: the new swapchain is made with the old one as its oldSwapchain, which retires it but
 * lets its images be shown on; it is destroyed when the queue has finished all that it was told,
 * presents included. A present's wait is only known to be over when its image is acquired again,
 * so each image has a `drawn` semaphore of its own.
 *
 * That an image may be drawn into is told by a fence, not by a semaphore that the drawing waits
 * for: the queue is one for all windows, and a covered window must not hold up the others. An
 * image once acquired is kept until it is presented or its swapchain is out of date, however long
 * its fence takes.
 */

static bool choose_format(const struct swapchain *swapchain, VkSurfaceFormatKHR *out)
{
	struct vk *vk = swapchain->vk;
	VkSurfaceFormatKHR formats[64];
	uint32_t count = 64;
	static const VkFormat wanted[] = {VK_FORMAT_B8G8R8A8_UNORM, VK_FORMAT_R8G8B8A8_UNORM};
	VkResult result = vkGetPhysicalDeviceSurfaceFormatsKHR(vk->physical, swapchain->surface,
							       &count, formats);
	if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
		vk_ok(result, "vkGetPhysicalDeviceSurfaceFormatsKHR");
		return false;
	}
	for (size_t w = 0; w < sizeof(wanted) / sizeof(wanted[0]); w++) {
		for (uint32_t i = 0; i < count; i++) {
			if (formats[i].format == wanted[w] &&
			    formats[i].colorSpace == VK_COLOR_SPACE_SRGB_NONLINEAR_KHR) {
				*out = formats[i];
				return true;
			}
		}
	}
	log_error("%s cannot show 8-bit colours in this window", vk->properties.deviceName);
	return false;
}

/* In the order of enum view_present; that one's first is a choice of ours. */
static const struct {
	VkPresentModeKHR mode;
	const char *name;
} modes[VIEW_PRESENTS] = {
	[VIEW_PRESENT_AUTO] = {VK_PRESENT_MODE_MAILBOX_KHR, "mailbox"},
	[VIEW_PRESENT_FIFO] = {VK_PRESENT_MODE_FIFO_KHR, "fifo"},
	[VIEW_PRESENT_FIFO_RELAXED] = {VK_PRESENT_MODE_FIFO_RELAXED_KHR, "fifo-relaxed"},
	[VIEW_PRESENT_MAILBOX] = {VK_PRESENT_MODE_MAILBOX_KHR, "mailbox"},
	[VIEW_PRESENT_IMMEDIATE] = {VK_PRESENT_MODE_IMMEDIATE_KHR, "immediate"},
};

const char *swapchain_mode_name(VkPresentModeKHR mode)
{
	for (int i = 0; i < VIEW_PRESENTS; i++) {
		if (modes[i].mode == mode) {
			return modes[i].name;
		}
	}
	return "unknown";
}

/* FIFO is always there (Vulkan 1.3, VkPresentModeKHR). */
static VkPresentModeKHR choose_mode(struct swapchain *swapchain)
{
	VkPhysicalDevice device = swapchain->vk->physical;
	VkPresentModeKHR offered[16];
	uint32_t count = 16;
	if (vkGetPhysicalDeviceSurfacePresentModesKHR(device, swapchain->surface, &count, offered) <
	    0) {
		count = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (offered[i] == modes[swapchain->wanted].mode) {
			return offered[i];
		}
	}
	if (swapchain->wanted > VIEW_PRESENT_FIFO && !swapchain->warned) {
		swapchain->warned = true;
		log_warn("this window cannot be presented to by --present=%s: fifo it is",
			 modes[swapchain->wanted].name);
	}
	return VK_PRESENT_MODE_FIFO_KHR;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : value;
}

static VkExtent2D choose_extent(const VkSurfaceCapabilitiesKHR *caps, uint32_t width,
				uint32_t height)
{
	if (caps->currentExtent.width != UINT32_MAX) {
		return caps->currentExtent;
	}
	return (VkExtent2D){
		clamp(width, caps->minImageExtent.width, caps->maxImageExtent.width),
		clamp(height, caps->minImageExtent.height, caps->maxImageExtent.height)};
}

static VkCompositeAlphaFlagBitsKHR choose_alpha(const VkSurfaceCapabilitiesKHR *caps)
{
	if ((caps->supportedCompositeAlpha & VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR) != 0) {
		return VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR;
	}
	return VK_COMPOSITE_ALPHA_INHERIT_BIT_KHR;
}

static void destroy_images(struct swapchain *swapchain)
{
	for (uint32_t i = 0; i < swapchain->count; i++) {
		vkDestroySemaphore(swapchain->vk->device, swapchain->drawn[i], NULL);
	}
	swapchain->count = 0;
}

static bool get_images(struct swapchain *swapchain)
{
	struct vk *vk = swapchain->vk;
	uint32_t count = SWAPCHAIN_MAX_IMAGES;
	const VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
	const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
	if (!vk_ok(vkGetSwapchainImagesKHR(vk->device, swapchain->handle, &count,
					   swapchain->images),
		   "vkGetSwapchainImagesKHR")) {
		return false;
	}
	for (; swapchain->count < count; swapchain->count++) {
		if (!vk_ok(vkCreateSemaphore(vk->device, &semaphore, NULL,
					     &swapchain->drawn[swapchain->count]),
			   "vkCreateSemaphore")) {
			return false;
		}
	}
	return swapchain->acquired != VK_NULL_HANDLE ||
	       vk_ok(vkCreateFence(vk->device, &fence, NULL, &swapchain->acquired),
		     "vkCreateFence");
}

static enum swapchain_result make(struct swapchain *swapchain, uint32_t width, uint32_t height)
{
	struct vk *vk = swapchain->vk;
	VkSurfaceCapabilitiesKHR caps;
	VkSurfaceFormatKHR format;
	if (!vk_ok(vkGetPhysicalDeviceSurfaceCapabilitiesKHR(vk->physical, swapchain->surface,
							     &caps),
		   "vkGetPhysicalDeviceSurfaceCapabilitiesKHR") ||
	    !choose_format(swapchain, &format)) {
		return SWAPCHAIN_FAILED;
	}
	VkExtent2D extent = choose_extent(&caps, width, height);
	if (extent.width == 0 || extent.height == 0) {
		return SWAPCHAIN_NO_AREA;
	}
	if ((caps.supportedUsageFlags & VK_IMAGE_USAGE_TRANSFER_DST_BIT) == 0) {
		log_error("%s cannot copy into this window", vk->properties.deviceName);
		return SWAPCHAIN_FAILED;
	}
	swapchain->mode = choose_mode(swapchain);
	uint32_t most = caps.maxImageCount == 0 ? SWAPCHAIN_MAX_IMAGES : caps.maxImageCount;
	VkSwapchainKHR old = swapchain->handle;
	const VkSwapchainCreateInfoKHR create = {
		.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR,
		.surface = swapchain->surface,
		.minImageCount = clamp(caps.minImageCount + 1, 1, most),
		.imageFormat = format.format,
		.imageColorSpace = format.colorSpace,
		.imageExtent = extent,
		.imageArrayLayers = 1,
		.imageUsage = VK_IMAGE_USAGE_TRANSFER_DST_BIT,
		.preTransform = caps.currentTransform,
		.compositeAlpha = choose_alpha(&caps),
		.presentMode = swapchain->mode,
		.clipped = VK_TRUE,
		.oldSwapchain = old};
	VkResult result = vkCreateSwapchainKHR(vk->device, &create, NULL, &swapchain->handle);
	vkQueueWaitIdle(vk->queue);
	destroy_images(swapchain);
	vkDestroySwapchainKHR(vk->device, old, NULL);
	if (!vk_ok(result, "vkCreateSwapchainKHR")) {
		swapchain->handle = VK_NULL_HANDLE;
		return SWAPCHAIN_FAILED;
	}
	swapchain->format = format.format;
	swapchain->extent = extent;
	swapchain->stale = false;
	return get_images(swapchain) ? SWAPCHAIN_READY : SWAPCHAIN_FAILED;
}

/* SWAPCHAIN_TIMEOUT: not yet. SWAPCHAIN_NO_AREA: the swapchain is out of date. */
static enum swapchain_result hold(struct swapchain *swapchain, uint64_t timeout_ns)
{
	struct vk *vk = swapchain->vk;
	if (swapchain->held) {
		return SWAPCHAIN_READY;
	}
	VkResult result =
		vkAcquireNextImageKHR(vk->device, swapchain->handle, timeout_ns, VK_NULL_HANDLE,
				      swapchain->acquired, &swapchain->index);
	switch (result) {
	case VK_SUBOPTIMAL_KHR:
		swapchain->stale = true; /* after this image */
		swapchain->held = true;
		return SWAPCHAIN_READY;
	case VK_SUCCESS:
		swapchain->held = true;
		return SWAPCHAIN_READY;
	case VK_TIMEOUT:
	case VK_NOT_READY:
		return SWAPCHAIN_TIMEOUT;
	case VK_ERROR_OUT_OF_DATE_KHR:
		return SWAPCHAIN_NO_AREA;
	default:
		vk_ok(result, "vkAcquireNextImageKHR");
		return SWAPCHAIN_FAILED;
	}
}

/* Whether the held image is ready. */
static enum swapchain_result ready(struct swapchain *swapchain, uint64_t timeout_ns)
{
	struct vk *vk = swapchain->vk;
	VkResult result = vkWaitForFences(vk->device, 1, &swapchain->acquired, VK_TRUE, timeout_ns);
	if (result == VK_TIMEOUT) {
		return SWAPCHAIN_TIMEOUT;
	}
	return vk_ok(result, "vkWaitForFences") ? SWAPCHAIN_READY : SWAPCHAIN_FAILED;
}

static bool let_go(struct swapchain *swapchain)
{
	struct vk *vk = swapchain->vk;
	swapchain->held = false;
	return vk_ok(vkResetFences(vk->device, 1, &swapchain->acquired), "vkResetFences");
}

enum swapchain_result swapchain_acquire(struct swapchain *swapchain, uint32_t width,
					uint32_t height, uint64_t timeout_ns)
{
	enum swapchain_result result = SWAPCHAIN_NO_AREA;
	if (swapchain->held && swapchain->stale) {
		result = ready(swapchain, timeout_ns);
		if (result != SWAPCHAIN_READY) {
			return result;
		}
		result = let_go(swapchain) ? SWAPCHAIN_NO_AREA : SWAPCHAIN_FAILED;
	}
	/* A window being dragged larger may outdate several in a row. */
	for (int attempt = 0; attempt < 4 && result == SWAPCHAIN_NO_AREA; attempt++) {
		if (swapchain->handle == VK_NULL_HANDLE || swapchain->stale) {
			result = make(swapchain, width, height);
			if (result != SWAPCHAIN_READY) {
				return result;
			}
		}
		result = hold(swapchain, timeout_ns);
		swapchain->stale |= result == SWAPCHAIN_NO_AREA;
	}
	if (result != SWAPCHAIN_READY) {
		return result == SWAPCHAIN_NO_AREA ? SWAPCHAIN_TIMEOUT : result;
	}
	return ready(swapchain, timeout_ns);
}

bool swapchain_present(struct swapchain *swapchain, uint64_t frame_id)
{
	struct vk *vk = swapchain->vk;
	uint32_t index = swapchain->index;
	if (!let_go(swapchain) || !vk_submit_and_wait(vk, swapchain->drawn[index], frame_id)) {
		return false;
	}
	const VkPresentInfoKHR present = {.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR,
					  .waitSemaphoreCount = 1,
					  .pWaitSemaphores = &swapchain->drawn[index],
					  .swapchainCount = 1,
					  .pSwapchains = &swapchain->handle,
					  .pImageIndices = &index};
	uint64_t begin = trace_on() ? clock_now_ns() : 0;
	VkResult result = vkQueuePresentKHR(vk->queue, &present);
	if (trace_on() && frame_id != 0) {
		trace_frame_slice(TRACE_FLOW_IN, TRACE_PRESENT, "present", frame_id, begin,
				  clock_now_ns(), TRACE_ARGS(TRACE_NUMBER("headless", 0)));
	}
	if (result == VK_ERROR_OUT_OF_DATE_KHR || result == VK_SUBOPTIMAL_KHR) {
		swapchain->stale = true;
		return true;
	}
	return vk_ok(result, "vkQueuePresentKHR");
}

void swapchain_finish(struct swapchain *swapchain)
{
	struct vk *vk = swapchain->vk;
	if (swapchain->handle == VK_NULL_HANDLE) {
		return;
	}
	if (swapchain->held) {
		/* Bounded: where it never comes, the window system is gone. */
		vkWaitForFences(vk->device, 1, &swapchain->acquired, VK_TRUE, CLOCK_NS_PER_S);
	}
	vkQueueWaitIdle(vk->queue);
	destroy_images(swapchain);
	vkDestroyFence(vk->device, swapchain->acquired, NULL);
	vkDestroySwapchainKHR(vk->device, swapchain->handle, NULL);
	swapchain->handle = VK_NULL_HANDLE;
}
