/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_SWAPCHAIN_H
#define HESPER_VIEW_SWAPCHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "view/options.h"
#include "view/vk.h"

#define SWAPCHAIN_MAX_IMAGES 16

/* A surface's images. Main thread. A window's size changes are states here, not errors. */
struct swapchain {
	struct vk *vk;
	VkSurfaceKHR surface; /* not owned */
	VkSwapchainKHR handle; /* VK_NULL_HANDLE until the first acquire */
	enum view_present wanted; /* by the user */
	VkPresentModeKHR mode;
	bool warned; /* that the mode is not what is wanted */
	VkFormat format;
	VkExtent2D extent;
	uint32_t count;
	VkImage images[SWAPCHAIN_MAX_IMAGES];
	VkSemaphore drawn[SWAPCHAIN_MAX_IMAGES];
	VkFence acquired; /* the display lets go of images[index] */
	uint32_t index;
	bool held;  /* images[index] is ours, or will be when acquired says so */
	bool stale;  /* out of date: the next acquire makes another one */
};

enum swapchain_result {
	SWAPCHAIN_READY,
	SWAPCHAIN_NO_AREA, /* the window has none, e.g. it is minimized */
	SWAPCHAIN_TIMEOUT, /* the display keeps all images, e.g. the window is covered */
	SWAPCHAIN_FAILED, /* said in the log */
};

/*
 * images[index] is the next one to draw into when this returns SWAPCHAIN_READY, undefined in
 * content and layout. Makes or remakes the swapchain first when it has to; width and height are
 * used where the window system leaves the size to us. Blocks for at most timeout_ns.
 */
enum swapchain_result swapchain_acquire(struct swapchain *swapchain, uint32_t width,
					uint32_t height, uint64_t timeout_ns);

/*
 * Ends and submits vk->commands, waits until the GPU is done, and shows the image, which the
 * commands left in vk_use_presented. frame_id: for traces, 0 for none. False after words in the log.
 */
bool swapchain_present(struct swapchain *swapchain, uint64_t frame_id);

/* "mailbox" and so on, as --present has them. */
const char *swapchain_mode_name(VkPresentModeKHR mode);

void swapchain_finish(struct swapchain *swapchain);

#endif
