/* SPDX-License-Identifier: MIT */
/*
 * A VK_KHR_display swapchain. Under Venus the plain enumeration of displays finds nothing, because
 * the driver is on the render node and cannot know whose screen it may use: the program opens the
 * KMS device itself and hands it in with VK_EXT_acquire_drm_display.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "kms.h"
#include "present.h"

#define MAX_IMAGES 8
#define ACQUIRE_TIMEOUT_NS 5000000000ull

struct display {
	struct present base;
	struct vk *vk;
	struct report *report;
	struct kms kms; /* lends the card to Vulkan; no mode is set through it */
	VkDisplayKHR display;
	VkDisplayModeKHR mode;
	VkSurfaceKHR surface;
	VkSwapchainKHR swapchain;
	uint32_t num_images;
	VkImage images[MAX_IMAGES];
	VkImageView views[MAX_IMAGES];
	VkSemaphore done[MAX_IMAGES];
	VkSemaphore ready[2]; /* in turn: one frame may still wait for the other's */
	uint32_t next;
};

static void display_destroy(struct present *present)
{
	struct display *display = (struct display *)present;
	struct vk *vk = display->vk;

	vkDeviceWaitIdle(vk->device);
	for (uint32_t i = 0; i < display->num_images; i++) {
		vkDestroyImageView(vk->device, display->views[i], NULL);
		vkDestroySemaphore(vk->device, display->done[i], NULL);
	}
	vkDestroySemaphore(vk->device, display->ready[0], NULL);
	vkDestroySemaphore(vk->device, display->ready[1], NULL);
	if (display->swapchain) {
		vkDestroySwapchainKHR(vk->device, display->swapchain, NULL);
	}
	if (display->surface) {
		vkDestroySurfaceKHR(vk->instance, display->surface, NULL);
	}
	if (display->display) {
		PFN_vkReleaseDisplayEXT release = (PFN_vkReleaseDisplayEXT)vkGetInstanceProcAddr(
			vk->instance, "vkReleaseDisplayEXT");

		release(vk->physical, display->display);
	}
	kms_finish(&display->kms);
	free(display);
}

static int display_acquire(struct present *present, struct canvas *canvas)
{
	struct display *display = (struct display *)present;
	VkSemaphore ready = display->ready[display->next];
	uint32_t index;
	VkResult result = vkAcquireNextImageKHR(display->vk->device, display->swapchain,
						ACQUIRE_TIMEOUT_NS, ready, VK_NULL_HANDLE, &index);

	if (result != VK_SUBOPTIMAL_KHR && result != VK_SUCCESS) {
		return vk_check(display->vk, result, "vkAcquireNextImageKHR");
	}
	display->next = !display->next;
	*canvas = (struct canvas){
		.index = index,
		.image = display->images[index],
		.view = display->views[index],
		.ready = ready,
		.done = display->done[index],
	};
	return 0;
}

static void display_hand_over(struct present *present, VkCommandBuffer cmd,
			      const struct canvas *canvas)
{
	VkImageMemoryBarrier2 barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT,
		.srcAccessMask = VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT,
		.oldLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
		.newLayout = VK_IMAGE_LAYOUT_PRESENT_SRC_KHR,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = canvas->image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
	};

	vk_image_barrier(cmd, &barrier);
}

static int display_show(struct present *present, const struct canvas *canvas)
{
	struct display *display = (struct display *)present;
	VkPresentInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_PRESENT_INFO_KHR,
		.waitSemaphoreCount = 1,
		.pWaitSemaphores = &canvas->done,
		.swapchainCount = 1,
		.pSwapchains = &display->swapchain,
		.pImageIndices = &canvas->index,
	};
	VkResult result = vkQueuePresentKHR(display->vk->queue, &info);

	if (result != VK_SUCCESS && result != VK_SUBOPTIMAL_KHR) {
		return vk_check(display->vk, result, "vkQueuePresentKHR");
	}
	report_frame(display->report);
	return 0;
}

static const struct present_ops display_ops = {
	.destroy = display_destroy,
	.acquire = display_acquire,
	.hand_over = display_hand_over,
	.show = display_show,
	.show_early = true,
};

static int acquire_display(struct display *display)
{
	struct vk *vk = display->vk;
	PFN_vkGetDrmDisplayEXT get =
		(PFN_vkGetDrmDisplayEXT)vkGetInstanceProcAddr(vk->instance, "vkGetDrmDisplayEXT");
	PFN_vkAcquireDrmDisplayEXT acquire = (PFN_vkAcquireDrmDisplayEXT)vkGetInstanceProcAddr(
		vk->instance, "vkAcquireDrmDisplayEXT");
	VkDisplayKHR found = VK_NULL_HANDLE;
	int ret = vk_check(
		vk, get(vk->physical, display->kms.fd, display->kms.screens[0].connector, &found),
		"vkGetDrmDisplayEXT");

	if (ret == 0) {
		ret = vk_check(vk, acquire(vk->physical, display->kms.fd, found),
			       "vkAcquireDrmDisplayEXT");
	}
	if (ret == 0) {
		display->display = found;
	}
	return ret;
}

/* Vulkan's handle of the mode that KMS code chose by size and rate. */
static int find_mode(struct display *display)
{
	VkDisplayModePropertiesKHR modes[64];
	uint32_t count = 64;
	double best = INFINITY, wanted = kms_refresh(&display->kms.screens[0].mode);
	VkResult result = vkGetDisplayModePropertiesKHR(display->vk->physical, display->display,
							&count, modes);

	if (result < 0) {
		return vk_check(display->vk, result, "vkGetDisplayModePropertiesKHR");
	}
	for (uint32_t i = 0; i < count; i++) {
		VkDisplayModeParametersKHR *mode = &modes[i].parameters;
		double off = fabs(mode->refreshRate / 1000.0 - wanted);

		if (mode->visibleRegion.width == display->base.width &&
		    mode->visibleRegion.height == display->base.height && off < best) {
			best = off;
			display->mode = modes[i].displayMode;
		}
	}
	if (!display->mode) {
		report_error(display->report, "Vulkan does not list the mode %ux%u",
			     display->base.width, display->base.height);
		return -ENOENT;
	}
	return 0;
}

/* The first plane that can show the display. */
static int find_plane(struct display *display, uint32_t *plane)
{
	VkDisplayPlanePropertiesKHR planes[32];
	uint32_t count = 32;
	VkResult result =
		vkGetPhysicalDeviceDisplayPlanePropertiesKHR(display->vk->physical, &count, planes);

	for (uint32_t i = 0; result >= 0 && i < count; i++) {
		VkDisplayKHR supported[32];
		uint32_t n = 32;

		if (vkGetDisplayPlaneSupportedDisplaysKHR(display->vk->physical, i, &n, supported) <
		    0) {
			continue;
		}
		while (n-- > 0) {
			if (supported[n] == display->display) {
				*plane = i;
				return 0;
			}
		}
	}
	report_error(display->report, "no display plane can show the screen");
	return -ENOENT;
}

static int create_surface(struct display *display)
{
	VkDisplaySurfaceCreateInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_DISPLAY_SURFACE_CREATE_INFO_KHR,
		.displayMode = display->mode,
		.transform = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR,
		.globalAlpha = 1.0f,
		.alphaMode = VK_DISPLAY_PLANE_ALPHA_OPAQUE_BIT_KHR,
		.imageExtent = {display->base.width, display->base.height},
	};
	VkBool32 supported = VK_FALSE;
	int ret = find_plane(display, &info.planeIndex);

	if (ret < 0) {
		return ret;
	}
	ret = vk_check(display->vk,
		       vkCreateDisplayPlaneSurfaceKHR(display->vk->instance, &info, NULL,
						      &display->surface),
		       "vkCreateDisplayPlaneSurfaceKHR");
	if (ret < 0) {
		return ret;
	}
	vkGetPhysicalDeviceSurfaceSupportKHR(display->vk->physical, display->vk->family,
					     display->surface, &supported);
	if (!supported) {
		report_error(display->report, "the queue cannot present to the screen");
		return -ENOTSUP;
	}
	return 0;
}

static int create_swapchain(struct display *display)
{
	struct vk *vk = display->vk;
	VkSurfaceCapabilitiesKHR caps;
	VkSwapchainCreateInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR,
		.surface = display->surface,
		.imageFormat = PRESENT_FORMAT,
		.imageColorSpace = VK_COLOR_SPACE_SRGB_NONLINEAR_KHR,
		.imageExtent = {display->base.width, display->base.height},
		.imageArrayLayers = 1,
		.imageUsage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
		.preTransform = VK_SURFACE_TRANSFORM_IDENTITY_BIT_KHR,
		.compositeAlpha = VK_COMPOSITE_ALPHA_OPAQUE_BIT_KHR,
		.presentMode = VK_PRESENT_MODE_FIFO_KHR,
		.clipped = VK_TRUE,
	};
	int ret = vk_check(
		vk,
		vkGetPhysicalDeviceSurfaceCapabilitiesKHR(vk->physical, display->surface, &caps),
		"vkGetPhysicalDeviceSurfaceCapabilitiesKHR");

	if (ret < 0) {
		return ret;
	}
	info.minImageCount = caps.minImageCount < 3 ? 3 : caps.minImageCount;
	if (caps.maxImageCount && info.minImageCount > caps.maxImageCount) {
		info.minImageCount = caps.maxImageCount;
	}
	ret = vk_check(vk, vkCreateSwapchainKHR(vk->device, &info, NULL, &display->swapchain),
		       "vkCreateSwapchainKHR");
	if (ret < 0) {
		return ret;
	}
	display->num_images = MAX_IMAGES;
	return vk_check(vk,
			vkGetSwapchainImagesKHR(vk->device, display->swapchain,
						&display->num_images, display->images),
			"vkGetSwapchainImagesKHR");
}

static int create_views(struct display *display)
{
	struct vk *vk = display->vk;
	VkSemaphoreCreateInfo semaphore = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
	int ret = 0;

	for (unsigned i = 0; i < 2 && ret == 0; i++) {
		ret = vk_check(vk,
			       vkCreateSemaphore(vk->device, &semaphore, NULL, &display->ready[i]),
			       "vkCreateSemaphore");
	}
	for (uint32_t i = 0; i < display->num_images && ret == 0; i++) {
		VkImageViewCreateInfo view = {
			.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
			.image = display->images[i],
			.viewType = VK_IMAGE_VIEW_TYPE_2D,
			.format = PRESENT_FORMAT,
			.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
		};

		ret = vk_check(vk, vkCreateImageView(vk->device, &view, NULL, &display->views[i]),
			       "vkCreateImageView");
		if (ret == 0) {
			ret = vk_check(
				vk,
				vkCreateSemaphore(vk->device, &semaphore, NULL, &display->done[i]),
				"vkCreateSemaphore");
		}
	}
	return ret;
}

struct present *present_display_create(struct vk *vk, const struct options *opts,
				       struct report *report)
{
	struct display *display = calloc(1, sizeof(*display));

	if (!display) {
		return NULL;
	}
	display->base.ops = &display_ops;
	display->vk = vk;
	display->report = report;
	if (kms_init(&display->kms, opts, report) < 0) {
		goto fail;
	}
	display->base.width = display->kms.screens[0].mode.hdisplay;
	display->base.height = display->kms.screens[0].mode.vdisplay;
	if (acquire_display(display) < 0 || find_mode(display) < 0 || create_surface(display) < 0 ||
	    create_swapchain(display) < 0 || create_views(display) < 0) {
		goto fail;
	}
	report->width = display->base.width;
	report->height = display->base.height;
	report->path = "swapchain";
	return &display->base;
fail:
	display_destroy(&display->base);
	return NULL;
}
