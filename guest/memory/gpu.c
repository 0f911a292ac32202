/* SPDX-License-Identifier: MIT */
#include "gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(VkResult result, const char *what)
{
	if (result != VK_SUCCESS) {
		printf("FAIL %s: VkResult %d\n", what, result);
		exit(1);
	}
}

void gpu_init(struct gpu *gpu)
{
	static const char *const extensions[] = {"VK_KHR_external_memory_fd",
						 "VK_EXT_external_memory_dma_buf"};
	const float priority = 1.0f;
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_1,
	};
	const VkInstanceCreateInfo instance = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkDeviceCreateInfo device = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.enabledExtensionCount = 2,
		.ppEnabledExtensionNames = extensions,
	};
	uint32_t one = 1;
	need(vkCreateInstance(&instance, NULL, &gpu->instance), "vkCreateInstance");
	vkEnumeratePhysicalDevices(gpu->instance, &one, &gpu->physical);
	if (one == 0) {
		printf("FAIL no Vulkan device\n");
		exit(1);
	}
	need(vkCreateDevice(gpu->physical, &device, NULL, &gpu->device), "vkCreateDevice");
	vkGetDeviceQueue(gpu->device, 0, 0, &gpu->queue);
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
	};
	need(vkCreateCommandPool(gpu->device, &pool, NULL, &gpu->pool), "vkCreateCommandPool");
	const VkCommandBufferAllocateInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = gpu->pool,
		.commandBufferCount = 1,
	};
	need(vkAllocateCommandBuffers(gpu->device, &commands, &gpu->commands), "command buffer");
	const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
	need(vkCreateFence(gpu->device, &fence, NULL, &gpu->fence), "vkCreateFence");
	gpu->get_fd = (PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(gpu->device, "vkGetMemoryFdKHR");
	gpu->get_fd_properties = (PFN_vkGetMemoryFdPropertiesKHR)vkGetDeviceProcAddr(
		gpu->device, "vkGetMemoryFdPropertiesKHR");
}

void gpu_finish(struct gpu *gpu)
{
	vkDestroyFence(gpu->device, gpu->fence, NULL);
	vkDestroyCommandPool(gpu->device, gpu->pool, NULL);
	vkDestroyDevice(gpu->device, NULL);
	vkDestroyInstance(gpu->instance, NULL);
}

static int pick_type(struct gpu *gpu, uint32_t allowed, VkMemoryPropertyFlags flags)
{
	VkPhysicalDeviceMemoryProperties memory;
	vkGetPhysicalDeviceMemoryProperties(gpu->physical, &memory);
	for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
		if ((allowed & (1u << i)) != 0 &&
		    (memory.memoryTypes[i].propertyFlags & flags) == flags) {
			return (int)i;
		}
	}
	return -1;
}

static VkResult make_buffer(struct gpu *gpu, VkDeviceSize size, bool external, VkBuffer *buffer)
{
	const VkExternalMemoryBufferCreateInfo handle = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = external ? &handle : NULL,
		.size = size,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	return vkCreateBuffer(gpu->device, &info, NULL, buffer);
}

static VkResult finish_block(struct gpu *gpu, const VkMemoryAllocateInfo *allocate, bool mapped,
			     struct block *block)
{
	VkResult result = vkAllocateMemory(gpu->device, allocate, NULL, &block->memory);
	if (result == VK_SUCCESS) {
		result = vkBindBufferMemory(gpu->device, block->buffer, block->memory, 0);
	}
	if (result == VK_SUCCESS && mapped) {
		result = vkMapMemory(gpu->device, block->memory, 0, VK_WHOLE_SIZE, 0,
				     (void **)&block->words);
	}
	if (result != VK_SUCCESS) {
		gpu_block_destroy(gpu, block);
	}
	return result;
}

VkResult gpu_block_create(struct gpu *gpu, VkDeviceSize size, bool exportable, bool mapped,
			  struct block *block)
{
	*block = (struct block){.size = size};
	VkResult result = make_buffer(gpu, size, exportable, &block->buffer);
	if (result != VK_SUCCESS) {
		return result;
	}
	VkMemoryRequirements requirements;
	vkGetBufferMemoryRequirements(gpu->device, block->buffer, &requirements);
	int type = pick_type(gpu, requirements.memoryTypeBits,
			     VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
				     VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
	const VkExportMemoryAllocateInfo export = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkMemoryAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = exportable ? &export : NULL,
		.allocationSize = requirements.size,
		.memoryTypeIndex = (uint32_t)type,
	};
	if (type < 0) {
		vkDestroyBuffer(gpu->device, block->buffer, NULL);
		return VK_ERROR_FEATURE_NOT_PRESENT;
	}
	return finish_block(gpu, &allocate, mapped, block);
}

VkResult gpu_block_import(struct gpu *gpu, int fd, VkDeviceSize size, struct block *block)
{
	*block = (struct block){.size = size};
	VkMemoryFdPropertiesKHR properties = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR,
	};
	VkResult result = gpu->get_fd_properties(
		gpu->device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT, fd, &properties);
	if (result == VK_SUCCESS) {
		result = make_buffer(gpu, size, true, &block->buffer);
	}
	if (result != VK_SUCCESS) {
		return result;
	}
	VkMemoryRequirements requirements;
	vkGetBufferMemoryRequirements(gpu->device, block->buffer, &requirements);
	int type = pick_type(gpu, requirements.memoryTypeBits & properties.memoryTypeBits, 0);
	const VkImportMemoryFdInfoKHR import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
		.fd = fd,
	};
	const VkMemoryAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &import,
		.allocationSize = requirements.size,
		.memoryTypeIndex = (uint32_t)type,
	};
	if (type < 0) {
		vkDestroyBuffer(gpu->device, block->buffer, NULL);
		return VK_ERROR_FEATURE_NOT_PRESENT;
	}
	return finish_block(gpu, &allocate, false, block);
}

void gpu_block_destroy(struct gpu *gpu, struct block *block)
{
	if (block->buffer != VK_NULL_HANDLE) {
		vkDestroyBuffer(gpu->device, block->buffer, NULL);
	}
	if (block->memory != VK_NULL_HANDLE) {
		vkFreeMemory(gpu->device, block->memory, NULL);
	}
	*block = (struct block){0};
}

static void begin(struct gpu *gpu)
{
	const VkCommandBufferBeginInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	const VkMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_HOST_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
	};
	vkBeginCommandBuffer(gpu->commands, &info);
	vkCmdPipelineBarrier(gpu->commands, VK_PIPELINE_STAGE_HOST_BIT,
			     VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
}

static bool run(struct gpu *gpu)
{
	const VkMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_HOST_READ_BIT,
	};
	vkCmdPipelineBarrier(gpu->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
	vkEndCommandBuffer(gpu->commands);
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &gpu->commands,
	};
	vkResetFences(gpu->device, 1, &gpu->fence);
	return vkQueueSubmit(gpu->queue, 1, &submit, gpu->fence) == VK_SUCCESS &&
	       vkWaitForFences(gpu->device, 1, &gpu->fence, VK_TRUE, UINT64_MAX) == VK_SUCCESS;
}

bool gpu_copy(struct gpu *gpu, const struct block *from, const struct block *to)
{
	const VkBufferCopy region = {.size = from->size < to->size ? from->size : to->size};
	begin(gpu);
	vkCmdCopyBuffer(gpu->commands, from->buffer, to->buffer, 1, &region);
	return run(gpu);
}

bool gpu_fill(struct gpu *gpu, const struct block *block, uint32_t word)
{
	begin(gpu);
	vkCmdFillBuffer(gpu->commands, block->buffer, 0, VK_WHOLE_SIZE, word);
	return run(gpu);
}
