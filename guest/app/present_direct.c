/* SPDX-License-Identifier: MIT */
/*
 * Zero-copy showing on KMS, without a swapchain.
 *
 * Pieces of exportable memory are each a KMS framebuffer, by dma-buf. In the good case each
 * is the memory of a LINEAR image that the GPU renders to, so that a flip shows the very memory it
 * rendered. virtio-gpu's KMS knows no modifiers: a framebuffer is linear, with the stride that
 * vkGetImageSubresourceLayout tells. Where a LINEAR image cannot be a colour attachment, one
 * OPTIMAL image is rendered to and copied by the GPU into a buffer on that memory.
 *
 * The buffers are used in turn. While frame n is drawn, n - 1 is drawn or waits to be shown, the
 * flip to n - 2 is queued or done, and n - 3 is on the screen until it is. That is why four are
 * needed: n takes the buffer of n - 4, which left the screen when the flip to n - 3 completed. At
 * most one flip is in flight, and it is queued only when the GPU is done (the caller's fence).
 * With three, n - 1 must have been queued before n is drawn; with two, it must be on the screen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kms.h"
#include "present.h"

#define MAX_BUFFERS 4
#define FLIP_TIMEOUT_MS 5000

struct direct_buffer {
	struct vk_image image; /* render path */
	struct vk_buffer buffer; /* copy path */
	struct kms_fb fb;
};

struct direct {
	struct present base;
	struct vk *vk;
	struct kms kms;
	struct report *report;
	bool copy;
	struct vk_image apart; /* copy path: what is rendered to */
	struct direct_buffer buffers[MAX_BUFFERS];
	uint32_t count;
	uint32_t stride;
	bool mode_set; /* the first frame has been shown */
	uint32_t next; /* index of the buffer to draw to */
};

static void direct_destroy(struct present *present)
{
	struct direct *direct = (struct direct *)present;

	for (unsigned i = 0; i < MAX_BUFFERS; i++) {
		if (direct->kms.fd >= 0) {
			kms_fb_finish(&direct->kms, &direct->buffers[i].fb);
		}
		vk_image_finish(direct->vk, &direct->buffers[i].image);
		vk_buffer_finish(direct->vk, &direct->buffers[i].buffer);
	}
	vk_image_finish(direct->vk, &direct->apart);
	kms_finish(&direct->kms);
	free(direct);
}

static int direct_drain(struct present *present)
{
	struct direct *direct = (struct direct *)present;
	int ret;

	if (direct->kms.flips_pending == 0) {
		return 0;
	}
	ret = kms_wait_flip(&direct->kms, FLIP_TIMEOUT_MS);
	if (ret == 0) {
		report_frame(direct->report);
	}
	return ret;
}

static int direct_acquire(struct present *present, struct canvas *canvas)
{
	struct direct *direct = (struct direct *)present;
	uint32_t index = direct->next;

	if (kms_changed(&direct->kms)) {
		return -ESTALE;
	}
	if (direct->count == 2) {
		int ret = direct_drain(present);

		if (ret < 0) {
			return ret;
		}
	}
	direct->next = (index + 1) % direct->count;
	*canvas = (struct canvas){
		.index = index,
		.image = direct->copy ? direct->apart.image : direct->buffers[index].image.image,
		.view = direct->copy ? direct->apart.view : direct->buffers[index].image.view,
	};
	return 0;
}

static void copy_to_buffer(struct direct *direct, VkCommandBuffer cmd, VkBuffer buffer)
{
	VkBufferImageCopy region = {
		.bufferRowLength = direct->stride / 4,
		.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
		.imageExtent = {direct->base.width, direct->base.height, 1},
	};
	VkImageMemoryBarrier2 drawn = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT,
		.srcAccessMask = VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.dstAccessMask = VK_ACCESS_2_TRANSFER_READ_BIT,
		.oldLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
		.newLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = direct->apart.image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
	};
	VkBufferMemoryBarrier2 release = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
		.srcQueueFamilyIndex = direct->vk->family,
		.dstQueueFamilyIndex = direct->vk->outside_family,
		.buffer = buffer,
		.size = VK_WHOLE_SIZE,
	};
	VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.bufferMemoryBarrierCount = 1,
		.pBufferMemoryBarriers = &release,
	};

	vk_image_barrier(cmd, &drawn);
	vkCmdCopyImageToBuffer(cmd, direct->apart.image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
			       buffer, 1, &region);
	vkCmdPipelineBarrier2(cmd, &info);
}

static void direct_hand_over(struct present *present, VkCommandBuffer cmd,
			     const struct canvas *canvas)
{
	struct direct *direct = (struct direct *)present;
	VkImageMemoryBarrier2 release = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT,
		.srcAccessMask = VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT,
		.oldLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
		.newLayout = VK_IMAGE_LAYOUT_GENERAL,
		.srcQueueFamilyIndex = direct->vk->family,
		.dstQueueFamilyIndex = direct->vk->outside_family,
		.image = canvas->image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
	};

	if (direct->copy) {
		copy_to_buffer(direct, cmd, direct->buffers[canvas->index].buffer.buffer);
	} else {
		vk_image_barrier(cmd, &release);
	}
}

static int direct_show(struct present *present, const struct canvas *canvas)
{
	struct direct *direct = (struct direct *)present;
	const struct kms_fb *fb = &direct->buffers[canvas->index].fb;
	int ret = direct_drain(present);

	if (ret < 0) {
		return ret;
	}
	ret = direct->mode_set ? kms_flip(&direct->kms, fb) : kms_set(&direct->kms, fb);
	if (ret < 0) {
		return ret;
	}
	direct->mode_set = true;
	if (direct->kms.flips_pending == 0) {
		report_frame(direct->report);
	}
	return 0;
}

static const struct present_ops direct_ops = {
	.destroy = direct_destroy,
	.acquire = direct_acquire,
	.hand_over = direct_hand_over,
	.show = direct_show,
	.drain = direct_drain,
};

/* Makes the framebuffer on memory; the dma-buf itself is not needed any longer. */
static int add_framebuffer(struct direct *direct, struct kms_fb *fb, VkDeviceMemory memory,
			   uint32_t offset)
{
	int fd = vk_export_dma_buf(direct->vk, memory);
	int ret;

	if (fd < 0) {
		return fd;
	}
	ret = kms_fb_init(&direct->kms, fb, fd, direct->base.width, direct->base.height,
			  direct->stride, offset);
	close(fd);
	return ret;
}

/*
 * All images are in one allocation: each mapping of guest memory costs the host one of the few
 * memory regions with which QEMU can resume a paused guest.
 */
static int add_linear_images(struct direct *direct, const struct vk_image_info *info)
{
	VkImageSubresource whole = {
		.aspectMask = info->tiling == VK_IMAGE_TILING_LINEAR
				      ? VK_IMAGE_ASPECT_COLOR_BIT
				      : VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT,
	};
	struct vk_image images[MAX_BUFFERS];
	int ret = vk_images_init(direct->vk, images, direct->count, info);

	for (unsigned i = 0; i < direct->count && ret == 0; i++) {
		direct->buffers[i].image = images[i];
	}
	for (unsigned i = 0; i < direct->count && ret == 0; i++) {
		VkSubresourceLayout layout;

		vkGetImageSubresourceLayout(direct->vk->device, images[i].image, &whole, &layout);
		direct->stride = (uint32_t)layout.rowPitch;
		ret = add_framebuffer(direct, &direct->buffers[i].fb, images[0].memory,
				      (uint32_t)(images[i].offset + layout.offset));
		if (i > 0) {
			/* The same memory has the same handle: it is closed once. */
			direct->buffers[i].fb.handle = 0;
		}
	}
	return ret;
}

static int add_copy_buffer(struct direct *direct, struct direct_buffer *buffer)
{
	VkDeviceSize size = (VkDeviceSize)direct->stride * direct->base.height;
	int ret = vk_buffer_init(direct->vk, &buffer->buffer, (size + 4095) & ~4095ull,
				 VK_BUFFER_USAGE_TRANSFER_DST_BIT, 0, true);

	return ret < 0 ? ret : add_framebuffer(direct, &buffer->fb, buffer->buffer.memory, 0);
}

static int make_buffers(struct direct *direct, const struct options *opts)
{
	struct vk_image_info info = {
		.format = PRESENT_FORMAT,
		.width = direct->base.width,
		.height = direct->base.height,
		.tiling = VK_IMAGE_TILING_LINEAR,
		.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
		.aspect = VK_IMAGE_ASPECT_COLOR_BIT,
		.samples = 1,
		.export_dma_buf = true,
	};
	int ret = 0;

	if (vk_linear_render_works(direct->vk, info.format, info.width, info.height,
				   VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT, info.usage)) {
		info.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
	}
	direct->copy = opts->copy || !vk_linear_render_works(direct->vk, info.format, info.width,
							     info.height, info.tiling, info.usage);
	if (direct->copy) {
		info.tiling = VK_IMAGE_TILING_OPTIMAL;
		info.export_dma_buf = false;
		direct->stride = (info.width * 4 + 255) & ~255u;
		ret = vk_image_init(direct->vk, &direct->apart, &info);
	}
	if (!direct->copy) {
		return add_linear_images(direct, &info);
	}
	for (unsigned i = 0; i < direct->count && ret == 0; i++) {
		ret = add_copy_buffer(direct, &direct->buffers[i]);
	}
	return ret;
}

struct present *present_direct_create(struct vk *vk, const struct options *opts,
				      struct report *report)
{
	struct direct *direct = calloc(1, sizeof(*direct));

	if (!direct) {
		return NULL;
	}
	direct->base.ops = &direct_ops;
	direct->vk = vk;
	direct->report = report;
	direct->count = opts->buffers;
	direct->base.one_by_one = direct->count < MAX_BUFFERS;
	if (kms_init(&direct->kms, opts, report) < 0) {
		goto fail;
	}
	direct->base.width = direct->kms.width;
	direct->base.height = direct->kms.height;
	/* Kernels without a vblank timer complete flips at once: then this is what paces. */
	direct->base.pace = opts->no_throttle ? 0 : report->refresh * 1.02;
	if (make_buffers(direct, opts) < 0) {
		goto fail;
	}
	report->width = direct->base.width;
	report->height = direct->base.height;
	report->stride = direct->stride;
	report->path = direct->copy ? "copy to LINEAR on the GPU" : "render to LINEAR";
	return &direct->base;
fail:
	direct_destroy(&direct->base);
	return NULL;
}
