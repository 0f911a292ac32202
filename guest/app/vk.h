/* SPDX-License-Identifier: MIT */
#ifndef GUEST_VK_H
#define GUEST_VK_H

#include <stdbool.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

#include "options.h"
#include "report.h"

/* A device with one graphics queue. Everything is used by one thread. */
struct vk {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	uint32_t family;
	VkCommandPool pool;
	VkPhysicalDeviceMemoryProperties memory;
	bool is_cpu;
	bool modifiers; /* VK_EXT_image_drm_format_modifier is enabled */
	uint32_t outside_family; /* where exported memory is released to: FOREIGN or EXTERNAL */
	struct report *report; /* borrowed */
};

/*
 * Opens the first device that has Vulkan 1.3 with dynamic rendering and synchronization 2 and what
 * the way of showing frames needs. Returns 0, or -ENODEV with words in the report; *vk is then
 * finished already.
 */
int vk_init(struct vk *vk, enum wsi wsi, struct report *report);
void vk_finish(struct vk *vk);

/* "VK_ERROR_DEVICE_LOST", or "VkResult -1234" in a buffer that the next call reuses. */
const char *vk_result_name(VkResult result);

/* Reports "what: VK_ERROR_…" unless result is VK_SUCCESS. Returns 0 or -EIO (-ENODEV: lost). */
int vk_check(struct vk *vk, VkResult result, const char *what);

/* Index of a memory type out of bits with the wanted flags, else any of bits; -1: bits is 0. */
int vk_memory_type(const struct vk *vk, uint32_t bits, VkMemoryPropertyFlags wanted);

struct vk_image_info {
	VkFormat format;
	uint32_t width, height;
	VkImageTiling tiling;
	VkImageUsageFlags usage;
	VkImageAspectFlags aspect;
	uint32_t samples;
	bool export_dma_buf;
};

struct vk_image {
	VkImage image;
	VkDeviceMemory memory; /* VK_NULL_HANDLE if another image of vk_images_init owns it */
	VkDeviceSize offset; /* in the memory */
	VkImageView view; /* VK_NULL_HANDLE if usage has no attachment bit */
};

/* Returns 0 or a negative errno, with words in the report and *image finished. */
int vk_image_init(struct vk *vk, struct vk_image *image, const struct vk_image_info *info);
void vk_image_finish(struct vk *vk, struct vk_image *image);

/*
 * count images of one kind, side by side in one allocation that images[0] owns. As vk_image_init;
 * finish images[0] last.
 */
int vk_images_init(struct vk *vk, struct vk_image *images, unsigned count,
		   const struct vk_image_info *info);

struct vk_buffer {
	VkBuffer buffer;
	VkDeviceMemory memory;
	void *map; /* host-visible and coherent ones stay mapped; NULL else */
};

/* flags: VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT (also coherent, mapped) or 0. As vk_image_init. */
int vk_buffer_init(struct vk *vk, struct vk_buffer *buffer, VkDeviceSize size,
		   VkBufferUsageFlags usage, VkMemoryPropertyFlags flags, bool export_dma_buf);
void vk_buffer_finish(struct vk *vk, struct vk_buffer *buffer);

/* A new dma-buf fd of exportable memory (the caller's), or a negative errno (reported). */
int vk_export_dma_buf(struct vk *vk, VkDeviceMemory memory);

/*
 * Whether LINEAR images of that kind can be attachments and be exported; then usage works. tiling:
 * LINEAR, or DRM_FORMAT_MODIFIER with the LINEAR modifier, which is the only one of the two that
 * Venus exports.
 */
bool vk_linear_render_works(struct vk *vk, VkFormat format, uint32_t width, uint32_t height,
			    VkImageTiling tiling, VkImageUsageFlags usage);

/* One pipeline barrier on the whole of a colour image. */
void vk_image_barrier(VkCommandBuffer cmd, const VkImageMemoryBarrier2 *barrier);

#endif
