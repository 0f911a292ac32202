/* SPDX-License-Identifier: MIT */
#ifndef GUEST_PRESENT_H
#define GUEST_PRESENT_H

#include "options.h"
#include "report.h"
#include "vk.h"

#define PRESENT_FORMAT VK_FORMAT_B8G8R8A8_UNORM

/* What one frame is drawn to. Valid until it is shown. */
struct canvas {
	uint32_t index;
	VkImage image;
	VkImageView view;
	VkSemaphore ready; /* the submission waits for it before it draws; may be null */
	VkSemaphore done; /* the submission signals it; may be null */
};

struct present;

struct present_ops {
	void (*destroy)(struct present *present);

	/*
	 * A canvas nobody reads any more. 0, -EINTR (a signal), -ESTALE (the screens changed:
	 * create it anew), another -errno (reported).
	 */
	int (*acquire)(struct present *present, struct canvas *canvas);

	/*
	 * Records what is needed between drawing and showing. The image is in
	 * COLOR_ATTACHMENT_OPTIMAL; its old content is never needed again.
	 */
	void (*hand_over)(struct present *present, VkCommandBuffer cmd,
			  const struct canvas *canvas);

	/*
	 * Shows it. Called when the GPU is done with it, or right after the submission if
	 * show_early. Same results as acquire.
	 */
	int (*show)(struct present *present, const struct canvas *canvas);

	/* optional: waits until all that was shown is on the screen */
	int (*drain)(struct present *present);
	bool show_early;
};

/* A way to show frames. Owned by its creator, used by one thread. */
struct present {
	const struct present_ops *ops;
	uint32_t width, height;
	bool one_by_one; /* a frame is shown before the next one is acquired */
	double pace; /* frames per second that the caller keeps to; 0: present paces itself */
};

/*
 * Each returns NULL on failure, with words in the report, and fills the report's size, stride,
 * path and refresh. vk and report must outlive it.
 */
struct present *present_direct_create(struct vk *vk, const struct options *opts,
				      struct report *report);
struct present *present_display_create(struct vk *vk, const struct options *opts,
				       struct report *report);
struct present *present_headless_create(struct vk *vk, const struct options *opts,
					struct report *report);

#endif
