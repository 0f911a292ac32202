/* SPDX-License-Identifier: MIT */
#include "view/swapchain.h"

#include "util/log.h"

/*
 * Replacing: the new swapchain is made with the old one as its oldSwapchain, which retires it but
 * lets its images be shown on; it is destroyed when the queue has finished all that it was told,
 * presents included. Each frame's drawing is waited for before its present, so one `acquired`
 * semaphore is never pending twice; a present's wait is only known to be over when its image is
 * acquired again, so each image has a `drawn` semaphore of its own.
 */

static bool choose_format(struct vk *vk, VkSurfaceFormatKHR *out)
{
	VkSurfaceFormatKHR formats[64];
	uint32_t count = 64;
	static const VkFormat wanted[] = {VK_FORMAT_B8G8R8A8_UNORM, VK_FORMAT_R8G8B8A8_UNORM};
	VkResult result =
		vkGetPhysicalDeviceSurfaceFormatsKHR(vk->physical, vk->surface, &count, formats);
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

/* The newest picture, if that can be had without tearing; else each in turn. */
static VkPresentModeKHR choose_mode(struct vk *vk)
{
	VkPresentModeKHR modes[16];
	uint32_t count = 16;
	if (vkGetPhysicalDeviceSurfacePresentModesKHR(vk->physical, vk->surface, &count, modes) <
	    0) {
		count = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (modes[i] == VK_PRESENT_MODE_MAILBOX_KHR) {
			return modes[i];
		}
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
	       vk_ok(vkCreateSemaphore(vk->device, &semaphore, NULL, &swapchain->acquired),
		     "vkCreateSemaphore");
}

static enum swapchain_result make(struct swapchain *swapchain, uint32_t width, uint32_t height)
{
	struct vk *vk = swapchain->vk;
	VkSurfaceCapabilitiesKHR caps;
	VkSurfaceFormatKHR format;
	if (!vk_ok(vkGetPhysicalDeviceSurfaceCapabilitiesKHR(vk->physical, vk->surface, &caps),
		   "vkGetPhysicalDeviceSurfaceCapabilitiesKHR") ||
	    !choose_format(vk, &format)) {
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
	uint32_t most = caps.maxImageCount == 0 ? SWAPCHAIN_MAX_IMAGES : caps.maxImageCount;
	VkSwapchainKHR old = swapchain->handle;
	const VkSwapchainCreateInfoKHR create = {
		.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR,
		.surface = vk->surface,
		.minImageCount = clamp(caps.minImageCount + 1, 1, most),
		.imageFormat = format.format,
		.imageColorSpace = format.colorSpace,
		.imageExtent = extent,
		.imageArrayLayers = 1,
		.imageUsage = VK_IMAGE_USAGE_TRANSFER_DST_BIT,
		.preTransform = caps.currentTransform,
		.compositeAlpha = choose_alpha(&caps),
		.presentMode = choose_mode(vk),
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

enum swapchain_result swapchain_acquire(struct swapchain *swapchain, uint32_t width,
					uint32_t height, uint64_t timeout_ns, uint32_t *index)
{
	struct vk *vk = swapchain->vk;
	/* A window being dragged larger may outdate several in a row. */
	for (int attempt = 0; attempt < 4; attempt++) {
		if (swapchain->handle == VK_NULL_HANDLE || swapchain->stale) {
			enum swapchain_result made = make(swapchain, width, height);
			if (made != SWAPCHAIN_READY) {
				return made;
			}
		}
		VkResult result = vkAcquireNextImageKHR(vk->device, swapchain->handle, timeout_ns,
							swapchain->acquired, VK_NULL_HANDLE, index);
		switch (result) {
		case VK_SUBOPTIMAL_KHR:
			swapchain->stale = true; /* after this image */
			return SWAPCHAIN_READY;
		case VK_SUCCESS:
			return SWAPCHAIN_READY;
		case VK_TIMEOUT:
		case VK_NOT_READY:
			return SWAPCHAIN_TIMEOUT;
		case VK_ERROR_OUT_OF_DATE_KHR:
			swapchain->stale = true;
			break;
		default:
			vk_ok(result, "vkAcquireNextImageKHR");
			return SWAPCHAIN_FAILED;
		}
	}
	return SWAPCHAIN_TIMEOUT;
}

bool swapchain_present(struct swapchain *swapchain, uint32_t index)
{
	struct vk *vk = swapchain->vk;
	if (!vk_submit_and_wait(vk, swapchain->acquired, swapchain->drawn[index])) {
		return false;
	}
	const VkPresentInfoKHR present = {.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR,
					  .waitSemaphoreCount = 1,
					  .pWaitSemaphores = &swapchain->drawn[index],
					  .swapchainCount = 1,
					  .pSwapchains = &swapchain->handle,
					  .pImageIndices = &index};
	VkResult result = vkQueuePresentKHR(vk->queue, &present);
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
	vkQueueWaitIdle(vk->queue);
	destroy_images(swapchain);
	vkDestroySemaphore(vk->device, swapchain->acquired, NULL);
	vkDestroySwapchainKHR(vk->device, swapchain->handle, NULL);
	swapchain->handle = VK_NULL_HANDLE;
}
