/* SPDX-License-Identifier: MIT */
#include "view/vk.h"

#include <string.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/trace.h"

/* What recording and submitting need; instance and device are in vk_device.c. */

#define CASE(name)                                                                                 \
	case name:                                                                                 \
		return #name

const char *vk_result_name(VkResult result)
{
	switch (result) {
		CASE(VK_SUCCESS);
		CASE(VK_NOT_READY);
		CASE(VK_TIMEOUT);
		CASE(VK_INCOMPLETE);
		CASE(VK_ERROR_OUT_OF_HOST_MEMORY);
		CASE(VK_ERROR_OUT_OF_DEVICE_MEMORY);
		CASE(VK_ERROR_INITIALIZATION_FAILED);
		CASE(VK_ERROR_DEVICE_LOST);
		CASE(VK_ERROR_MEMORY_MAP_FAILED);
		CASE(VK_ERROR_LAYER_NOT_PRESENT);
		CASE(VK_ERROR_EXTENSION_NOT_PRESENT);
		CASE(VK_ERROR_FEATURE_NOT_PRESENT);
		CASE(VK_ERROR_INCOMPATIBLE_DRIVER);
		CASE(VK_ERROR_TOO_MANY_OBJECTS);
		CASE(VK_ERROR_FORMAT_NOT_SUPPORTED);
		CASE(VK_ERROR_INVALID_EXTERNAL_HANDLE);
		CASE(VK_ERROR_SURFACE_LOST_KHR);
		CASE(VK_ERROR_NATIVE_WINDOW_IN_USE_KHR);
		CASE(VK_SUBOPTIMAL_KHR);
		CASE(VK_ERROR_OUT_OF_DATE_KHR);
		CASE(VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
	default:
		return "another VkResult";
	}
}

bool vk_ok(VkResult result, const char *what)
{
	if (result != VK_SUCCESS) {
		log_error("%s: %s", what, vk_result_name(result));
	}
	return result == VK_SUCCESS;
}

uint32_t vk_memory_type(const struct vk *vk, uint32_t bits, VkMemoryPropertyFlags flags)
{
	for (uint32_t i = 0; i < vk->memory.memoryTypeCount; i++) {
		if ((bits & (1u << i)) != 0 &&
		    (vk->memory.memoryTypes[i].propertyFlags & flags) == flags) {
			return i;
		}
	}
	return UINT32_MAX;
}

bool vk_begin(struct vk *vk)
{
	const VkCommandBufferBeginInfo begin = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
	return vk_ok(vkBeginCommandBuffer(vk->commands, &begin), "vkBeginCommandBuffer");
}

static void trace_copy(uint64_t frame_id, uint64_t begin, uint64_t submitted)
{
	uint64_t end = clock_now_ns();
	const struct trace_arg *args = TRACE_ARGS(TRACE_TIME("submit_us", submitted - begin));
	if (frame_id != 0) {
		trace_frame_slice(TRACE_FLOW_THROUGH, TRACE_COPY, "gpu copy", frame_id, begin, end,
				  args);
	} else {
		trace_slice(TRACE_COPY, "other gpu work", begin, end, args);
	}
}

bool vk_submit_and_wait(struct vk *vk, VkSemaphore signal, uint64_t frame_id)
{
	const VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
				     .commandBufferCount = 1,
				     .pCommandBuffers = &vk->commands,
				     .signalSemaphoreCount = signal != VK_NULL_HANDLE,
				     .pSignalSemaphores = &signal};
	if (!vk_ok(vkEndCommandBuffer(vk->commands), "vkEndCommandBuffer") ||
	    !vk_ok(vkResetFences(vk->device, 1, &vk->fence), "vkResetFences")) {
		return false;
	}
	uint64_t begin = trace_on() ? clock_now_ns() : 0;
	if (!vk_ok(vkQueueSubmit(vk->queue, 1, &submit, vk->fence), "vkQueueSubmit")) {
		return false;
	}
	uint64_t submitted = trace_on() ? clock_now_ns() : 0;
	if (!vk_ok(vkWaitForFences(vk->device, 1, &vk->fence, VK_TRUE, UINT64_MAX),
		   "vkWaitForFences")) {
		return false;
	}
	if (trace_on()) {
		trace_copy(frame_id, begin, submitted);
	}
	return true;
}

const struct vk_use vk_use_nothing = {VK_IMAGE_LAYOUT_UNDEFINED, VK_PIPELINE_STAGE_TRANSFER_BIT, 0};
const struct vk_use vk_use_copied_from = {VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
					  VK_PIPELINE_STAGE_TRANSFER_BIT,
					  VK_ACCESS_TRANSFER_READ_BIT};
const struct vk_use vk_use_copied_to = {VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
					VK_PIPELINE_STAGE_TRANSFER_BIT,
					VK_ACCESS_TRANSFER_WRITE_BIT};
const struct vk_use vk_use_sampled = {VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
				      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
				      VK_ACCESS_SHADER_READ_BIT};
const struct vk_use vk_use_stored = {VK_IMAGE_LAYOUT_GENERAL, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
				     VK_ACCESS_SHADER_WRITE_BIT};
const struct vk_use vk_use_presented = {VK_IMAGE_LAYOUT_PRESENT_SRC_KHR,
					VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0};

void vk_image_barrier(struct vk *vk, VkImage image, struct vk_use from, struct vk_use to)
{
	const VkImageMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
		.srcAccessMask = from.access,
		.dstAccessMask = to.access,
		.oldLayout = from.layout,
		.newLayout = to.layout,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
	vkCmdPipelineBarrier(vk->commands, from.stage, to.stage, 0, 0, NULL, 0, NULL, 1, &barrier);
}

bool vk_host_buffer_init(struct vk *vk, struct vk_host_buffer *buffer, VkDeviceSize size,
			 VkBufferUsageFlags usage)
{
	*buffer = (struct vk_host_buffer){0};
	const VkBufferCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = usage};
	if (!vk_ok(vkCreateBuffer(vk->device, &create, NULL, &buffer->buffer), "vkCreateBuffer")) {
		return false;
	}
	VkMemoryRequirements needs;
	vkGetBufferMemoryRequirements(vk->device, buffer->buffer, &needs);
	VkMemoryPropertyFlags coherent =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	uint32_t type = vk_memory_type(vk, needs.memoryTypeBits,
				       coherent | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
	if (type == UINT32_MAX) {
		type = vk_memory_type(vk, needs.memoryTypeBits, coherent);
	}
	const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
					       .allocationSize = needs.size,
					       .memoryTypeIndex = type};
	if (type == UINT32_MAX ||
	    !vk_ok(vkAllocateMemory(vk->device, &allocate, NULL, &buffer->memory),
		   "vkAllocateMemory") ||
	    !vk_ok(vkBindBufferMemory(vk->device, buffer->buffer, buffer->memory, 0),
		   "vkBindBufferMemory") ||
	    !vk_ok(vkMapMemory(vk->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->mapped),
		   "vkMapMemory")) {
		vk_host_buffer_finish(vk, buffer);
		return false;
	}
	return true;
}

void vk_host_buffer_finish(struct vk *vk, struct vk_host_buffer *buffer)
{
	vkDestroyBuffer(vk->device, buffer->buffer, NULL);
	vkFreeMemory(vk->device, buffer->memory, NULL);
	*buffer = (struct vk_host_buffer){0};
}
