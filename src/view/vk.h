/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_VK_H
#define HESPER_VIEW_VK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

/*
 * The Vulkan device and what it can import. Main thread only, but for validation_messages. The
 * viewer waits for each frame's GPU work before the next one, so one command buffer and one fence
 * serve it all.
 */
struct vk {
	VkInstance instance;
	VkDebugUtilsMessengerEXT messenger;
	_Atomic uint32_t validation_messages;
	bool validating;
	VkPhysicalDevice physical;
	VkPhysicalDeviceProperties properties;
	char driver[VK_MAX_DRIVER_NAME_SIZE + VK_MAX_DRIVER_INFO_SIZE + 2];
	VkPhysicalDeviceMemoryProperties memory;
	VkDevice device;
	uint32_t family;
	VkQueue queue;
	VkCommandPool pool;
	VkCommandBuffer commands;
	VkFence fence;

	bool host_import;  /* VK_EXT_external_memory_host */
	VkDeviceSize host_alignment;
	bool dma_buf_import;  /* VK_EXT_external_memory_dma_buf */
	bool dma_buf_images;  /* … and VK_EXT_image_drm_format_modifier */
	bool foreign_queues;  /* VK_EXT_queue_family_foreign */
	PFN_vkGetMemoryHostPointerPropertiesEXT get_host_pointer_properties;
	PFN_vkGetMemoryFdPropertiesKHR get_fd_properties;
};

/*
 * The instance, with the extensions a window needs. HESPER_VALIDATE=1 adds the Khronos validation
 * layer. Says in words what is wrong and returns false on failure, as do all calls below.
 */
bool vk_init_instance(struct vk *vk, const char *const *extensions, uint32_t count);

/*
 * The device: the index-th of --list-devices, or the best one (discrete, integrated, virtual,
 * CPU). UINT32_MAX: any. It can present to surface, unless that is VK_NULL_HANDLE.
 */
bool vk_init_device(struct vk *vk, uint32_t index, VkSurfaceKHR surface);

/* Needs vk_init_instance only. Prints one line for each device. */
bool vk_list_devices(struct vk *vk);

void vk_finish(struct vk *vk);

/* A name like "VK_ERROR_DEVICE_LOST"; any thread. */
const char *vk_result_name(VkResult result);

/* True for VK_SUCCESS; logs "what: RESULT" otherwise. */
bool vk_ok(VkResult result, const char *what);

/* The lowest type among bits that has all of flags; UINT32_MAX when there is none. */
uint32_t vk_memory_type(const struct vk *vk, uint32_t bits, VkMemoryPropertyFlags flags);

/* Starts recording vk->commands. */
bool vk_begin(struct vk *vk);

/* Ends, submits and waits until the GPU is done. signal may be VK_NULL_HANDLE. */
bool vk_submit_and_wait(struct vk *vk, VkSemaphore signal, uint64_t frame_id);

/* One colour image, whole: a barrier between two uses. */
struct vk_use {
	VkImageLayout layout;
	VkPipelineStageFlags stage;
	VkAccessFlags access;
};
extern const struct vk_use vk_use_nothing;
extern const struct vk_use vk_use_copied_from;
extern const struct vk_use vk_use_copied_to;
extern const struct vk_use vk_use_sampled;
extern const struct vk_use vk_use_stored;
extern const struct vk_use vk_use_presented;
void vk_image_barrier(struct vk *vk, VkImage image, struct vk_use from, struct vk_use to);

/* A buffer that the CPU reads and writes, mapped as long as it lives. */
struct vk_host_buffer {
	VkBuffer buffer;
	VkDeviceMemory memory;
	void *mapped;
};
bool vk_host_buffer_init(struct vk *vk, struct vk_host_buffer *buffer, VkDeviceSize size,
			 VkBufferUsageFlags usage);
void vk_host_buffer_finish(struct vk *vk, struct vk_host_buffer *buffer);

#endif
