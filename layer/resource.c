/* SPDX-License-Identifier: MIT */
#include "resource.h"

#include "hooks.h"

#include <stdlib.h>

static const uint64_t linear_modifier = 0; /* DRM_FORMAT_MOD_LINEAR */

static bool is_dma_buf(VkExternalMemoryHandleTypeFlags types)
{
	return types & VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
}

VkResult buffer_plan(const struct physdev *physdev, const VkBufferCreateInfo *info,
		     struct buffer_plan *plan)
{
	static const VkStructureType drop = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO;
	const VkExternalMemoryBufferCreateInfo *external = chain_find(info->pNext, drop);
	plan->info = *info;
	plan->external = external && is_dma_buf(external->handleTypes);
	if (!plan->external) {
		return VK_SUCCESS;
	}
	if (!chain_without(info->pNext, &drop, 1, &plan->storage, &plan->info.pNext)) {
		return VK_ERROR_UNKNOWN;
	}
	if (caps_buffer_takes_pointer(physdev, &plan->info)) {
		plan->host = (VkExternalMemoryBufferCreateInfo){
			.sType = drop,
			.pNext = plan->info.pNext,
			.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
		};
		plan->info.pNext = &plan->host;
	}
	return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_CreateBuffer(VkDevice handle, const VkBufferCreateInfo *info,
					       const VkAllocationCallbacks *allocator,
					       VkBuffer *out)
{
	struct device *device = device_of(handle);
	struct buffer_plan plan;
	VkResult result = buffer_plan(device->physdev, info, &plan);
	if (result != VK_SUCCESS) {
		return result;
	}
	result = device->next.CreateBuffer(handle, &plan.info, allocator, out);
	if (result == VK_SUCCESS && plan.external &&
	    !map_put(&device->buffers, HANDLE_KEY(*out), device)) {
		device->next.DestroyBuffer(handle, *out, allocator);
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	return result;
}

VKAPI_ATTR void VKAPI_CALL hm_DestroyBuffer(VkDevice handle, VkBuffer buffer,
					    const VkAllocationCallbacks *allocator)
{
	struct device *device = device_of(handle);
	if (buffer) {
		map_take(&device->buffers, HANDLE_KEY(buffer));
	}
	device->next.DestroyBuffer(handle, buffer, allocator);
}

/* Whether LINEAR is among the modifiers that the application would take. */
static VkResult image_plan_modifier(const VkImageCreateInfo *info, struct image_plan *plan)
{
	const VkImageDrmFormatModifierListCreateInfoEXT *list = chain_find(
		info->pNext, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT);
	const VkImageDrmFormatModifierExplicitCreateInfoEXT *one = chain_find(
		info->pNext, VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT);
	if (!modifier_allows_format(info->format)) {
		return VK_ERROR_FORMAT_NOT_SUPPORTED;
	}
	plan->info.tiling = VK_IMAGE_TILING_LINEAR;
	if (one) {
		if (one->drmFormatModifier != linear_modifier) {
			return VK_ERROR_FORMAT_NOT_SUPPORTED;
		}
		if (one->drmFormatModifierPlaneCount != 1 || one->pPlaneLayouts[0].offset != 0) {
			return VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
		}
		plan->layout = one->pPlaneLayouts;
		return VK_SUCCESS;
	}
	for (uint32_t i = 0; list && i < list->drmFormatModifierCount; i++) {
		if (list->pDrmFormatModifiers[i] == linear_modifier) {
			return VK_SUCCESS;
		}
	}
	return VK_ERROR_FORMAT_NOT_SUPPORTED;
}

VkResult image_plan(const struct physdev *physdev, const VkImageCreateInfo *info,
		    struct image_plan *plan)
{
	static const VkStructureType drop[] = {
		VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
		VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
	};
	const VkExternalMemoryImageCreateInfo *external = chain_find(info->pNext, drop[0]);
	plan->info = *info;
	plan->layout = NULL;
	plan->image = (struct image){
		.external = external && is_dma_buf(external->handleTypes),
		.modifier = info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
	};
	if (!plan->image.external && !plan->image.modifier) {
		return VK_SUCCESS;
	}
	if (plan->image.modifier) {
		VkResult result = image_plan_modifier(info, plan);
		if (result != VK_SUCCESS) {
			return result;
		}
	}
	if (!chain_without(info->pNext, drop, sizeof(drop) / sizeof(*drop), &plan->storage,
			   &plan->info.pNext)) {
		return VK_ERROR_UNKNOWN;
	}
	VkExternalMemoryHandleTypeFlags types = external ? external->handleTypes : 0;
	if (plan->image.external) {
		types = caps_image_takes_pointer(physdev, &plan->info)
				? VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT
				: 0;
	}
	if (types) {
		plan->external = (VkExternalMemoryImageCreateInfo){
			.sType = drop[0],
			.pNext = plan->info.pNext,
			.handleTypes = types,
		};
		plan->info.pNext = &plan->external;
	}
	return VK_SUCCESS;
}

/* The application says how the rows of an existing buffer lie; the driver has its own idea. */
static bool image_layout_matches(struct device *device, VkImage image,
				 const VkSubresourceLayout *wanted)
{
	VkImageSubresource subresource = {.aspectMask = VK_IMAGE_ASPECT_COLOR_BIT};
	VkSubresourceLayout layout;
	device->next.GetImageSubresourceLayout(device->handle, image, &subresource, &layout);
	if (layout.offset != 0 || layout.rowPitch != wanted->rowPitch) {
		layer_debug("image with row pitch %llu refused: the driver's is %llu",
			    (unsigned long long)wanted->rowPitch,
			    (unsigned long long)layout.rowPitch);
		return false;
	}
	return true;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_CreateImage(VkDevice handle, const VkImageCreateInfo *info,
					      const VkAllocationCallbacks *allocator, VkImage *out)
{
	struct device *device = device_of(handle);
	struct image_plan plan;
	VkResult result = image_plan(device->physdev, info, &plan);
	if (result == VK_SUCCESS) {
		result = device->next.CreateImage(handle, &plan.info, allocator, out);
	}
	if (result != VK_SUCCESS || (!plan.image.external && !plan.image.modifier)) {
		return result;
	}
	struct image *image = malloc(sizeof(*image));
	if (plan.layout && !image_layout_matches(device, *out, plan.layout)) {
		result = VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT;
	} else if (!image) {
		result = VK_ERROR_OUT_OF_HOST_MEMORY;
	} else {
		*image = plan.image;
		if (!map_put(&device->images, HANDLE_KEY(*out), image)) {
			result = VK_ERROR_OUT_OF_HOST_MEMORY;
		}
	}
	if (result != VK_SUCCESS) {
		device->next.DestroyImage(handle, *out, allocator);
		*out = VK_NULL_HANDLE;
		free(image);
	}
	return result;
}

VKAPI_ATTR void VKAPI_CALL hm_DestroyImage(VkDevice handle, VkImage image,
					   const VkAllocationCallbacks *allocator)
{
	struct device *device = device_of(handle);
	struct image *known = image ? map_take(&device->images, HANDLE_KEY(image)) : NULL;
	device->next.DestroyImage(handle, image, allocator);
	free(known);
}
