/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LAYER_GPU_H
#define TESTS_LAYER_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vulkan/vulkan.h>

/*
 * The application of the layer's tests: one device, one queue, and resources with exportable
 * memory. Fails the running cmocka test on any error. Which layers there are, the environment
 * says (tests/layer/meson.build); HESPER_TEST_CONFIG names the arrangement.
 */

#define DMA_BUF VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT

struct gpu {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	VkCommandPool pool;
	VkDebugUtilsMessengerEXT messenger;
	unsigned messages; /* of the validation layer, but for the next */
	unsigned filtered; /* BindMemory 02985 and 02989; who expects them sets it to 0 */
	PFN_vkGetMemoryFdKHR get_memory_fd;
	PFN_vkGetMemoryFdPropertiesKHR get_memory_fd_properties;
	PFN_vkGetSemaphoreFdKHR get_semaphore_fd;
	PFN_vkImportSemaphoreFdKHR import_semaphore_fd;
};

/* Whether run.sh was asked for that arrangement of layers. */
bool config_is(const char *name);

/* Whether our layer is above tests/fake/mask_layer.c. */
bool config_is_masked(void);

void gpu_open(struct gpu *gpu);
/* Destroys all (the device if not NULL); fails when the validation layer had anything to say. */
void gpu_close(struct gpu *gpu);

/* Records with `record`, submits, waits. */
void gpu_run(struct gpu *gpu, void (*record)(VkCommandBuffer, void *), void *arg);

/* The first memory type of `bits` with all of `flags`; fails if there is none. */
uint32_t gpu_memory_type(struct gpu *gpu, uint32_t bits, VkMemoryPropertyFlags flags);

struct exported_buffer {
	VkBuffer buffer;
	VkDeviceMemory memory;
	VkDeviceSize size;
};

/* `external`: the buffer is made for DMA_BUF. `exportable`: the memory is. `import_fd` >= 0: the
 * memory is imported from it, and the fd is taken. */
void gpu_make_buffer(struct gpu *gpu, VkDeviceSize size, bool external, bool exportable,
		     int import_fd, struct exported_buffer *out);
void gpu_free_buffer(struct gpu *gpu, struct exported_buffer *buffer);

/* A new fd, the caller's. */
int gpu_export(struct gpu *gpu, VkDeviceMemory memory);

/* Maps the start of the file; unmap with munmap. */
void *map_fd(int fd, size_t size);

void gpu_fill(struct gpu *gpu, VkBuffer buffer, uint32_t word);
void gpu_copy(struct gpu *gpu, VkBuffer from, VkBuffer to, VkDeviceSize size);

/* How many fds this process has open. */
int fd_count(void);

#endif
