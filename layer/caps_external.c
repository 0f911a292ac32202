/* SPDX-License-Identifier: MIT */
#include "hooks.h"
#include "resource.h"

/* What the application is told about buffers and images whose memory may be a memfd. */

static const VkExternalMemoryHandleTypeFlagBits dma_buf =
	VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
static const VkExternalMemoryHandleTypeFlagBits host_allocation =
	VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;

/* Of whatever may be a memfd. */
static const VkExternalMemoryProperties memfd_properties = {
	.externalMemoryFeatures = VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT |
				  VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT,
	.exportFromImportedHandleTypes = dma_buf,
	.compatibleHandleTypes = dma_buf,
};

VKAPI_ATTR void VKAPI_CALL hm_GetPhysicalDeviceExternalBufferProperties(
	VkPhysicalDevice handle, const VkPhysicalDeviceExternalBufferInfo *info,
	VkExternalBufferProperties *out)
{
	const VkBufferCreateFlags impossible =
		VK_BUFFER_CREATE_SPARSE_BINDING_BIT | VK_BUFFER_CREATE_PROTECTED_BIT;
	const struct physdev *physdev = physdev_of_active(handle);
	if (!physdev || info->handleType != dma_buf) {
		instance_of(handle)->next.GetPhysicalDeviceExternalBufferProperties(handle, info,
										    out);
		return;
	}
	out->externalMemoryProperties = memfd_properties;
	if (info->flags & impossible) {
		out->externalMemoryProperties = (VkExternalMemoryProperties){0};
	}
}

/* Asks the driver about an image that the layer has already made its own: LINEAR in the place of a
 * modifier. Says whether it imports host pointers for it; `out` may have a chain. */
static VkResult caps_query_image(const struct physdev *physdev,
				 const VkPhysicalDeviceImageFormatInfo2 *info,
				 VkImageFormatProperties2 *out, bool *takes_pointer)
{
	VkPhysicalDeviceExternalImageFormatInfo external_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
		.pNext = info->pNext,
		.handleType = host_allocation,
	};
	VkPhysicalDeviceImageFormatInfo2 query = *info;
	query.pNext = &external_info;
	VkExternalImageFormatProperties own = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES,
		.pNext = out->pNext,
	};
	VkExternalImageFormatProperties *external =
		chain_find_out(out->pNext, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES);
	VkImageFormatProperties2 answer = *out;
	if (!external) {
		external = &own;
		answer.pNext = &own;
	}
	VkResult result = physdev->instance->next.GetPhysicalDeviceImageFormatProperties2(
		physdev->handle, &query, &answer);
	out->imageFormatProperties = answer.imageFormatProperties;
	*takes_pointer =
		result == VK_SUCCESS && (external->externalMemoryProperties.externalMemoryFeatures &
					 VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
	return result;
}

/* For an image that may be a memfd. A LINEAR one is offered even where the driver does not list
 * host pointers for images: it is a buffer with rows, and Venus binds such memory anyway. */
static VkResult caps_external_image(const struct physdev *physdev,
				    const VkPhysicalDeviceImageFormatInfo2 *info,
				    VkImageFormatProperties2 *out)
{
	const VkImageCreateFlags impossible =
		VK_IMAGE_CREATE_SPARSE_BINDING_BIT | VK_IMAGE_CREATE_PROTECTED_BIT;
	if (info->flags & impossible) {
		return VK_ERROR_FORMAT_NOT_SUPPORTED;
	}
	bool takes_pointer;
	VkResult result = caps_query_image(physdev, info, out, &takes_pointer);
	if (!takes_pointer && info->tiling != VK_IMAGE_TILING_LINEAR) {
		return result == VK_SUCCESS ? VK_ERROR_FORMAT_NOT_SUPPORTED : result;
	}
	if (result == VK_ERROR_FORMAT_NOT_SUPPORTED) {
		result = physdev->instance->next.GetPhysicalDeviceImageFormatProperties2(
			physdev->handle, info, out);
	}
	VkExternalImageFormatProperties *external =
		chain_find_out(out->pNext, VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES);
	if (result == VK_SUCCESS && external) {
		external->externalMemoryProperties = memfd_properties;
	}
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_GetPhysicalDeviceImageFormatProperties2(
	VkPhysicalDevice handle, const VkPhysicalDeviceImageFormatInfo2 *info,
	VkImageFormatProperties2 *out)
{
	const struct physdev *physdev = physdev_of_active(handle);
	const VkPhysicalDeviceExternalImageFormatInfo *external = chain_find(
		info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO);
	const VkPhysicalDeviceImageDrmFormatModifierInfoEXT *modifier = chain_find(
		info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT);
	bool is_external = external && external->handleType == dma_buf;
	bool is_modifier = info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
	if (!physdev || (!is_external && !is_modifier)) {
		return instance_of(handle)->next.GetPhysicalDeviceImageFormatProperties2(handle,
											 info, out);
	}
	VkStructureType drop[2] = {
		VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
	};
	VkPhysicalDeviceImageFormatInfo2 query = *info;
	struct chain_storage storage;
	VkResult result = VK_ERROR_FORMAT_NOT_SUPPORTED;
	bool offered = !is_modifier || (modifier && modifier->drmFormatModifier == 0 &&
					modifier_allows_format(info->format));
	if (is_modifier) {
		query.tiling = VK_IMAGE_TILING_LINEAR;
	}
	if (offered &&
	    chain_without(info->pNext, drop, is_external ? 2 : 1, &storage, &query.pNext)) {
		result =
			is_external
				? caps_external_image(physdev, &query, out)
				: instance_of(handle)->next.GetPhysicalDeviceImageFormatProperties2(
					  handle, &query, out);
	}
	if (result == VK_ERROR_FORMAT_NOT_SUPPORTED) {
		out->imageFormatProperties = (VkImageFormatProperties){0};
	}
	return result;
}

bool caps_image_takes_pointer(const struct physdev *physdev, const VkImageCreateInfo *info)
{
	VkPhysicalDeviceImageFormatInfo2 query = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
		.format = info->format,
		.type = info->imageType,
		.tiling = info->tiling,
		.usage = info->usage,
		.flags = info->flags,
	};
	VkImageFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
	};
	bool takes_pointer;
	caps_query_image(physdev, &query, &properties, &takes_pointer);
	return takes_pointer;
}

bool caps_buffer_takes_pointer(const struct physdev *physdev, const VkBufferCreateInfo *info)
{
	VkPhysicalDeviceExternalBufferInfo query = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
		.flags = info->flags,
		.usage = info->usage,
		.handleType = host_allocation,
	};
	VkBufferUsageFlags2CreateInfo usage2;
	const VkBufferUsageFlags2CreateInfo *given =
		chain_find(info->pNext, VK_STRUCTURE_TYPE_BUFFER_USAGE_FLAGS_2_CREATE_INFO);
	if (given) { /* then `usage` may be 0 */
		usage2 = *given;
		usage2.pNext = NULL;
		query.pNext = &usage2;
	}
	VkExternalBufferProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
	};
	physdev->instance->next.GetPhysicalDeviceExternalBufferProperties(physdev->handle, &query,
									  &properties);
	return properties.externalMemoryProperties.externalMemoryFeatures &
	       VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
}
