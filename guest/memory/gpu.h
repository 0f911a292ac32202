/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_MEMORY_GPU_H
#define HESPER_GUEST_MEMORY_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/* A Vulkan device with one queue and synchronous helpers, for tests in the guest. One thread. */
struct gpu {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	VkCommandPool pool;
	VkCommandBuffer commands;
	VkFence fence;
	PFN_vkGetMemoryFdKHR get_fd;
	PFN_vkGetMemoryFdPropertiesKHR get_fd_properties;
};

/* One buffer with memory of its own. */
struct block {
	VkBuffer buffer;
	VkDeviceMemory memory;
	VkDeviceSize size;
	uint32_t *words; /* NULL when not mapped */
};

/* Ends the process with words when there is no usable device. */
void gpu_init(struct gpu *gpu);
void gpu_finish(struct gpu *gpu);

/* mapped: map it, too. Results are Vulkan's. On failure nothing is left allocated. */
VkResult gpu_block_create(struct gpu *gpu, VkDeviceSize size, bool exportable, bool mapped,
			  struct block *block);
void gpu_block_destroy(struct gpu *gpu, struct block *block);

/* A block on an imported dma-buf; fd is taken over on success. */
VkResult gpu_block_import(struct gpu *gpu, int fd, VkDeviceSize size, struct block *block);

/* The GPU's own work, waited for. False when the device is lost. */
bool gpu_copy(struct gpu *gpu, const struct block *from, const struct block *to);
bool gpu_fill(struct gpu *gpu, const struct block *block, uint32_t word);

#endif
