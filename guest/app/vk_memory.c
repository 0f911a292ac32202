/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "vk.h"

#define PAGE 65536 /* the largest of the guests we know */

int vk_memory_type(const struct vk *vk, uint32_t bits, VkMemoryPropertyFlags wanted)
{
	int any = -1;

	for (uint32_t i = 0; i < vk->memory.memoryTypeCount; i++) {
		if (!(bits & 1u << i)) {
			continue;
		}
		if ((vk->memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
			return (int)i;
		}
		if (any < 0) {
			any = (int)i;
		}
	}
	return any;
}

static int allocate(struct vk *vk, const VkMemoryRequirements *needed, VkMemoryPropertyFlags wanted,
		    bool export_dma_buf, VkImage image, VkBuffer buffer, VkDeviceMemory *memory)
{
	VkMemoryDedicatedAllocateInfo dedicated = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
		.image = image,
		.buffer = buffer,
	};
	VkExportMemoryAllocateInfo export = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.pNext = image != VK_NULL_HANDLE || buffer != VK_NULL_HANDLE ? &dedicated : NULL,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = export_dma_buf ? &export : NULL,
		.allocationSize = needed->size,
	};
	int type = vk_memory_type(vk, needed->memoryTypeBits, wanted);

	if (type < 0 || (wanted & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT &&
			 (vk->memory.memoryTypes[type].propertyFlags & wanted) != wanted)) {
		report_error(vk->report, "the device has no memory of the needed type");
		return -ENOMEM;
	}
	info.memoryTypeIndex = (uint32_t)type;
	return vk_check(vk, vkAllocateMemory(vk->device, &info, NULL, memory), "vkAllocateMemory");
}

static const VkExternalMemoryImageCreateInfo external_image = {
	.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
	.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
};

static int create_view(struct vk *vk, struct vk_image *image, const struct vk_image_info *info)
{
	VkImageViewCreateInfo view = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
		.image = image->image,
		.viewType = VK_IMAGE_VIEW_TYPE_2D,
		.format = info->format,
		.subresourceRange = {info->aspect, 0, 1, 0, 1},
	};

	return vk_check(vk, vkCreateImageView(vk->device, &view, NULL, &image->view),
			"vkCreateImageView");
}

static const uint64_t linear_modifier = 0; /* DRM_FORMAT_MOD_LINEAR */

static int create_image(struct vk *vk, struct vk_image *image, const struct vk_image_info *info)
{
	VkImageDrmFormatModifierListCreateInfoEXT modifiers = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
		.drmFormatModifierCount = 1,
		.pDrmFormatModifiers = &linear_modifier,
	};
	VkExternalMemoryImageCreateInfo external = external_image;
	VkImageCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = info->export_dma_buf ? &external : NULL,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = info->format,
		.extent = {info->width, info->height, 1},
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = (VkSampleCountFlagBits)info->samples,
		.tiling = info->tiling,
		.usage = info->usage,
	};

	if (info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
		external.pNext = &modifiers;
	}
	*image = (struct vk_image){0};
	return vk_check(vk, vkCreateImage(vk->device, &create, NULL, &image->image),
			"vkCreateImage");
}

static int bind(struct vk *vk, struct vk_image *image, const struct vk_image_info *info,
		VkDeviceMemory memory)
{
	int ret = vk_check(vk, vkBindImageMemory(vk->device, image->image, memory, image->offset),
			   "vkBindImageMemory");

	return ret < 0 ? ret : create_view(vk, image, info);
}

int vk_image_init(struct vk *vk, struct vk_image *image, const struct vk_image_info *info)
{
	VkMemoryRequirements needed;
	int ret = create_image(vk, image, info);

	if (ret < 0) {
		return ret;
	}
	vkGetImageMemoryRequirements(vk->device, image->image, &needed);
	ret = allocate(vk, &needed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, info->export_dma_buf,
		       image->image, VK_NULL_HANDLE, &image->memory);
	if (ret == 0) {
		ret = bind(vk, image, info, image->memory);
	}
	if (ret < 0) {
		vk_image_finish(vk, image);
	}
	return ret;
}

int vk_images_init(struct vk *vk, struct vk_image *images, unsigned count,
		   const struct vk_image_info *info)
{
	VkMemoryRequirements needed = {.memoryTypeBits = ~0u};
	int ret = 0;

	memset(images, 0, count * sizeof(*images));
	for (unsigned i = 0; i < count && ret == 0; i++) {
		VkMemoryRequirements one;

		ret = create_image(vk, &images[i], info);
		if (ret == 0) {
			vkGetImageMemoryRequirements(vk->device, images[i].image, &one);
			/* Framebuffers start on pages. */
			images[i].offset = needed.size;
			needed.size += (one.size + PAGE - 1) & ~(VkDeviceSize)(PAGE - 1);
			needed.memoryTypeBits &= one.memoryTypeBits;
		}
	}
	if (ret == 0) {
		ret = allocate(vk, &needed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
			       info->export_dma_buf, VK_NULL_HANDLE, VK_NULL_HANDLE,
			       &images[0].memory);
	}
	for (unsigned i = 0; i < count && ret == 0; i++) {
		ret = bind(vk, &images[i], info, images[0].memory);
	}
	for (unsigned i = count; i > 0 && ret < 0; i--) {
		vk_image_finish(vk, &images[i - 1]);
	}
	return ret;
}

void vk_image_finish(struct vk *vk, struct vk_image *image)
{
	vkDestroyImageView(vk->device, image->view, NULL);
	vkDestroyImage(vk->device, image->image, NULL);
	vkFreeMemory(vk->device, image->memory, NULL);
	*image = (struct vk_image){0};
}

int vk_buffer_init(struct vk *vk, struct vk_buffer *buffer, VkDeviceSize size,
		   VkBufferUsageFlags usage, VkMemoryPropertyFlags flags, bool export_dma_buf)
{
	VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	VkBufferCreateInfo create = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = export_dma_buf ? &external : NULL,
		.size = size,
		.usage = usage,
	};
	VkMemoryRequirements needed;
	int ret;

	if (flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
		flags |= VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	}
	*buffer = (struct vk_buffer){0};
	ret = vk_check(vk, vkCreateBuffer(vk->device, &create, NULL, &buffer->buffer),
		       "vkCreateBuffer");
	if (ret < 0) {
		return ret;
	}
	vkGetBufferMemoryRequirements(vk->device, buffer->buffer, &needed);
	ret = allocate(vk, &needed, flags, export_dma_buf, VK_NULL_HANDLE, buffer->buffer,
		       &buffer->memory);
	if (ret == 0) {
		ret = vk_check(vk,
			       vkBindBufferMemory(vk->device, buffer->buffer, buffer->memory, 0),
			       "vkBindBufferMemory");
	}
	if (ret == 0 && flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) {
		ret = vk_check(
			vk,
			vkMapMemory(vk->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, &buffer->map),
			"vkMapMemory");
	}
	if (ret < 0) {
		vk_buffer_finish(vk, buffer);
	}
	return ret;
}

void vk_buffer_finish(struct vk *vk, struct vk_buffer *buffer)
{
	vkDestroyBuffer(vk->device, buffer->buffer, NULL);
	vkFreeMemory(vk->device, buffer->memory, NULL);
	*buffer = (struct vk_buffer){0};
}

int vk_export_dma_buf(struct vk *vk, VkDeviceMemory memory)
{
	PFN_vkGetMemoryFdKHR get_fd =
		(PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(vk->device, "vkGetMemoryFdKHR");
	VkMemoryGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = memory,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	int fd = -1;
	int ret = vk_check(vk, get_fd(vk->device, &info, &fd), "vkGetMemoryFdKHR");

	return ret < 0 ? ret : fd;
}

bool vk_linear_render_works(struct vk *vk, VkFormat format, uint32_t width, uint32_t height,
			    VkImageTiling tiling, VkImageUsageFlags usage)
{
	VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		.drmFormatModifier = linear_modifier,
	};
	bool by_modifier = tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
	VkPhysicalDeviceExternalImageFormatInfo external = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
		.pNext = by_modifier ? &modifier : NULL,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	VkPhysicalDeviceImageFormatInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
		.pNext = &external,
		.format = format,
		.type = VK_IMAGE_TYPE_2D,
		.tiling = tiling,
		.usage = usage,
	};
	VkExternalImageFormatProperties external_props = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
	};
	VkImageFormatProperties2 props = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
		.pNext = &external_props,
	};

	if (by_modifier && !vk->modifiers) {
		return false;
	}
	if (vkGetPhysicalDeviceImageFormatProperties2(vk->physical, &info, &props) < 0) {
		return false;
	}
	return external_props.externalMemoryProperties.externalMemoryFeatures &
		       VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT &&
	       props.imageFormatProperties.maxExtent.width >= width &&
	       props.imageFormatProperties.maxExtent.height >= height;
}

void vk_image_barrier(VkCommandBuffer cmd, const VkImageMemoryBarrier2 *barrier)
{
	VkDependencyInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
		.imageMemoryBarrierCount = 1,
		.pImageMemoryBarriers = barrier,
	};

	vkCmdPipelineBarrier2(cmd, &info);
}
