/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "draw.h"

#define GPU_TIMEOUT_NS 20000000000ull
#define MAX_REPORTED_MISMATCHES 8

static int init_slot(struct draw *draw, struct draw_slot *slot, bool read_back)
{
	VkCommandBufferAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = draw->vk->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
	int ret = vk_check(draw->vk, vkAllocateCommandBuffers(draw->vk->device, &info, &slot->cmd),
			   "vkAllocateCommandBuffers");

	if (ret == 0) {
		ret = vk_check(draw->vk,
			       vkCreateFence(draw->vk->device, &fence, NULL, &slot->fence),
			       "vkCreateFence");
	}
	if (ret == 0 && read_back) {
		ret = vk_buffer_init(
			draw->vk, &slot->pixels, (VkDeviceSize)draw->width * draw->height * 4,
			VK_BUFFER_USAGE_TRANSFER_DST_BIT,
			VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
			false);
	}
	return ret;
}

static int create_images(struct draw *draw)
{
	struct vk_image_info info = {
		.format = SCENE_DEPTH_FORMAT,
		.width = draw->width,
		.height = draw->height,
		.tiling = VK_IMAGE_TILING_OPTIMAL,
		.usage = VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT,
		.aspect = VK_IMAGE_ASPECT_DEPTH_BIT,
		.samples = draw->samples,
	};
	int ret = vk_image_init(draw->vk, &draw->depth, &info);

	if (ret < 0 || draw->samples == 1) {
		return ret;
	}
	info.format = PRESENT_FORMAT;
	info.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSIENT_ATTACHMENT_BIT;
	info.aspect = VK_IMAGE_ASPECT_COLOR_BIT;
	return vk_image_init(draw->vk, &draw->many, &info);
}

static uint32_t choose_samples(struct vk *vk, uint32_t asked)
{
	uint32_t samples = asked ? asked : vk->is_cpu ? 1 : 4;
	VkPhysicalDeviceProperties props;

	vkGetPhysicalDeviceProperties(vk->physical, &props);
	while (!(props.limits.framebufferColorSampleCounts &
		 props.limits.framebufferDepthSampleCounts & samples)) {
		samples /= 2;
	}
	return samples;
}

int draw_init(struct draw *draw, struct vk *vk, const struct scene_ops *ops, uint32_t width,
	      uint32_t height, const struct options *opts)
{
	int ret;

	*draw = (struct draw){.vk = vk, .ops = ops, .width = width, .height = height};
	draw->samples = choose_samples(vk, opts->samples);
	ret = create_images(draw);
	for (unsigned i = 0; i < DRAW_SLOTS && ret == 0; i++) {
		ret = init_slot(draw, &draw->slots[i], opts->check_every || opts->png);
	}
	if (ret == 0) {
		draw->scene = ops->create(vk, width, height, draw->samples, opts);
		ret = draw->scene ? 0 : -EIO;
	}
	if (ret < 0) {
		draw_finish(draw);
	}
	return ret;
}

void draw_finish(struct draw *draw)
{
	struct vk *vk = draw->vk;

	if (!vk) {
		return;
	}
	vkDeviceWaitIdle(vk->device);
	if (draw->scene) {
		draw->ops->destroy(draw->scene);
	}
	vk_image_finish(vk, &draw->depth);
	vk_image_finish(vk, &draw->many);
	for (unsigned i = 0; i < DRAW_SLOTS; i++) {
		vk_buffer_finish(vk, &draw->slots[i].pixels);
		vkDestroyFence(vk->device, draw->slots[i].fence, NULL);
		if (draw->slots[i].cmd) {
			vkFreeCommandBuffers(vk->device, vk->pool, 1, &draw->slots[i].cmd);
		}
	}
	*draw = (struct draw){0};
}

/* From whatever it was (drawn to, copied from) to an attachment; the old content goes. */
static void to_attachment(VkCommandBuffer cmd, VkImage image, bool depth)
{
	VkImageMemoryBarrier2 barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT |
				VK_PIPELINE_STAGE_2_COPY_BIT,
		.srcAccessMask = VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT,
		.dstAccessMask = VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT |
				 VK_ACCESS_2_COLOR_ATTACHMENT_READ_BIT,
		.newLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
	};

	if (depth) {
		barrier.srcStageMask = VK_PIPELINE_STAGE_2_EARLY_FRAGMENT_TESTS_BIT |
				       VK_PIPELINE_STAGE_2_LATE_FRAGMENT_TESTS_BIT;
		barrier.srcAccessMask = VK_ACCESS_2_DEPTH_STENCIL_ATTACHMENT_WRITE_BIT;
		barrier.dstStageMask = VK_PIPELINE_STAGE_2_EARLY_FRAGMENT_TESTS_BIT;
		barrier.dstAccessMask = VK_ACCESS_2_DEPTH_STENCIL_ATTACHMENT_WRITE_BIT |
					VK_ACCESS_2_DEPTH_STENCIL_ATTACHMENT_READ_BIT;
		barrier.newLayout = VK_IMAGE_LAYOUT_DEPTH_ATTACHMENT_OPTIMAL;
		barrier.subresourceRange.aspectMask = VK_IMAGE_ASPECT_DEPTH_BIT;
	}
	vk_image_barrier(cmd, &barrier);
}

static void begin_rendering(struct draw *draw, VkCommandBuffer cmd, const struct canvas *canvas)
{
	const float *clear = draw->ops->clear_colour;
	VkRenderingAttachmentInfo colour = {
		.sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
		.imageView = canvas->view,
		.imageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
		.loadOp = draw->ops->covers_all ? VK_ATTACHMENT_LOAD_OP_DONT_CARE
						: VK_ATTACHMENT_LOAD_OP_CLEAR,
		.storeOp = VK_ATTACHMENT_STORE_OP_STORE,
		.clearValue.color.float32 = {clear[0], clear[1], clear[2], 1},
	};
	VkRenderingAttachmentInfo depth = {
		.sType = VK_STRUCTURE_TYPE_RENDERING_ATTACHMENT_INFO,
		.imageView = draw->depth.view,
		.imageLayout = VK_IMAGE_LAYOUT_DEPTH_ATTACHMENT_OPTIMAL,
		.loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
		.storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
		.clearValue.depthStencil.depth = 1,
	};
	VkRenderingInfo info = {
		.sType = VK_STRUCTURE_TYPE_RENDERING_INFO,
		.renderArea.extent = {draw->width, draw->height},
		.layerCount = 1,
		.colorAttachmentCount = 1,
		.pColorAttachments = &colour,
		.pDepthAttachment = &depth,
	};

	if (draw->samples > 1) {
		colour.imageView = draw->many.view;
		colour.storeOp = VK_ATTACHMENT_STORE_OP_DONT_CARE;
		colour.resolveMode = VK_RESOLVE_MODE_AVERAGE_BIT;
		colour.resolveImageView = canvas->view;
		colour.resolveImageLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;
	}
	vkCmdBeginRendering(cmd, &info);
}

/* Copies the drawn image to the slot's pixels and leaves it as it was. */
static void record_read_back(struct draw *draw, struct draw_slot *slot, VkImage image)
{
	VkImageMemoryBarrier2 barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT,
		.srcAccessMask = VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.dstAccessMask = VK_ACCESS_2_TRANSFER_READ_BIT,
		.oldLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
		.newLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
	};
	VkMemoryBarrier2 to_host = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
		.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT,
		.srcAccessMask = VK_ACCESS_2_TRANSFER_WRITE_BIT,
		.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT,
		.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT,
	};
	VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.memoryBarrierCount = 1,
		.pMemoryBarriers = &to_host,
	};
	VkBufferImageCopy region = {
		.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
		.imageExtent = {draw->width, draw->height, 1},
	};

	vk_image_barrier(slot->cmd, &barrier);
	vkCmdCopyImageToBuffer(slot->cmd, image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
			       slot->pixels.buffer, 1, &region);
	vkCmdPipelineBarrier2(slot->cmd, &info);

	barrier.srcStageMask = VK_PIPELINE_STAGE_2_COPY_BIT;
	barrier.srcAccessMask = VK_ACCESS_2_NONE;
	barrier.dstStageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT;
	barrier.dstAccessMask = VK_ACCESS_2_COLOR_ATTACHMENT_WRITE_BIT;
	barrier.oldLayout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
	barrier.newLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL;
	vk_image_barrier(slot->cmd, &barrier);
}

static int record(struct draw *draw, struct draw_slot *slot, struct present *present,
		  const struct canvas *canvas, uint64_t frame, bool read_back)
{
	VkCommandBufferBeginInfo begin = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	VkViewport viewport = {0, 0, (float)draw->width, (float)draw->height, 0, 1};
	VkRect2D scissor = {.extent = {draw->width, draw->height}};
	int ret =
		vk_check(draw->vk, vkBeginCommandBuffer(slot->cmd, &begin), "vkBeginCommandBuffer");

	if (ret < 0) {
		return ret;
	}
	to_attachment(slot->cmd, canvas->image, false);
	to_attachment(slot->cmd, draw->depth.image, true);
	if (draw->samples > 1) {
		to_attachment(slot->cmd, draw->many.image, false);
	}
	begin_rendering(draw, slot->cmd, canvas);
	vkCmdSetViewport(slot->cmd, 0, 1, &viewport);
	vkCmdSetScissor(slot->cmd, 0, 1, &scissor);
	draw->ops->record(draw->scene, slot->cmd, frame);
	vkCmdEndRendering(slot->cmd);
	if (read_back) {
		record_read_back(draw, slot, canvas->image);
	}
	present->ops->hand_over(present, slot->cmd, canvas);
	return vk_check(draw->vk, vkEndCommandBuffer(slot->cmd), "vkEndCommandBuffer");
}

int draw_submit(struct draw *draw, struct draw_slot *slot, struct present *present,
		const struct canvas *canvas, uint64_t frame, bool read_back)
{
	VkSemaphoreSubmitInfo ready = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = canvas->ready,
		.stageMask = VK_PIPELINE_STAGE_2_COLOR_ATTACHMENT_OUTPUT_BIT,
	};
	VkSemaphoreSubmitInfo done = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = canvas->done,
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
	VkCommandBufferSubmitInfo cmd = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
		.commandBuffer = slot->cmd,
	};
	VkSubmitInfo2 submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.waitSemaphoreInfoCount = canvas->ready ? 1 : 0,
		.pWaitSemaphoreInfos = &ready,
		.commandBufferInfoCount = 1,
		.pCommandBufferInfos = &cmd,
		.signalSemaphoreInfoCount = canvas->done ? 1 : 0,
		.pSignalSemaphoreInfos = &done,
	};
	int ret = record(draw, slot, present, canvas, frame, read_back);

	if (ret < 0) {
		return ret;
	}
	return vk_check(draw->vk, vkQueueSubmit2(draw->vk->queue, 1, &submit, slot->fence),
			"vkQueueSubmit2");
}

int draw_wait(struct draw *draw, struct draw_slot *slot)
{
	int ret = vk_check(
		draw->vk,
		vkWaitForFences(draw->vk->device, 1, &slot->fence, VK_TRUE, GPU_TIMEOUT_NS),
		"vkWaitForFences");

	if (ret < 0) {
		return ret;
	}
	return vk_check(draw->vk, vkResetFences(draw->vk->device, 1, &slot->fence),
			"vkResetFences");
}

static bool matches(const struct scene_expected *expected, const uint8_t *bgrx)
{
	bool near = true;

	for (unsigned i = 0; i < 3; i++) {
		near = near && abs((int)bgrx[2 - i] - (int)expected->rgb[i]) <= expected->tolerance;
	}
	return near != expected->other;
}

void draw_check(struct draw *draw, const struct draw_slot *slot, uint64_t frame)
{
	struct report *report = draw->vk->report;
	struct scene_expected expected[SCENE_MAX_EXPECTED];
	unsigned count = draw->ops->expect(draw->scene, frame, expected);
	const uint8_t *pixels = slot->pixels.map;

	for (unsigned i = 0; i < count; i++) {
		const struct scene_expected *e = &expected[i];
		const uint8_t *p = &pixels[((size_t)e->y * draw->width + e->x) * 4];

		report->checked++;
		if (matches(e, p)) {
			continue;
		}
		if (report->mismatches++ < MAX_REPORTED_MISMATCHES) {
			report_error(report, "frame %llu, pixel %u,%u (%s): %u,%u,%u %s %u,%u,%u",
				     (unsigned long long)frame, e->x, e->y, e->what, p[2], p[1],
				     p[0], e->other ? "must not be" : "should be", e->rgb[0],
				     e->rgb[1], e->rgb[2]);
		}
	}
}
