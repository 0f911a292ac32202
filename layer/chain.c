/* SPDX-License-Identifier: MIT */
#include "chain.h"

#include <string.h>

/*
 * To drop a struct from a const chain, those before it must be copied, and for that their sizes
 * must be known. Listed is what vk.xml (1.4.309) lets extend VkMemoryAllocateInfo,
 * VkBufferCreateInfo, VkImageCreateInfo, VkPhysicalDeviceImageFormatInfo2,
 * VkPhysicalDeviceExternalBufferInfo and VkSemaphoreCreateInfo, less what other systems than
 * Linux define in headers of their own.
 */
static size_t chain_struct_size(VkStructureType type)
{
	switch ((int)type) {
#define SIZE(type, name)                                                                           \
	case VK_STRUCTURE_TYPE_##type:                                                             \
		return sizeof(name)
		SIZE(BUFFER_USAGE_FLAGS_2_CREATE_INFO, VkBufferUsageFlags2CreateInfo);
		SIZE(DEDICATED_ALLOCATION_IMAGE_CREATE_INFO_NV,
		     VkDedicatedAllocationImageCreateInfoNV);
		SIZE(DEDICATED_ALLOCATION_BUFFER_CREATE_INFO_NV,
		     VkDedicatedAllocationBufferCreateInfoNV);
		SIZE(DEDICATED_ALLOCATION_MEMORY_ALLOCATE_INFO_NV,
		     VkDedicatedAllocationMemoryAllocateInfoNV);
		SIZE(EXTERNAL_MEMORY_IMAGE_CREATE_INFO_NV, VkExternalMemoryImageCreateInfoNV);
		SIZE(EXPORT_MEMORY_ALLOCATE_INFO_NV, VkExportMemoryAllocateInfoNV);
		SIZE(PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
		     VkPhysicalDeviceExternalImageFormatInfo);
		SIZE(EXTERNAL_MEMORY_IMAGE_CREATE_INFO, VkExternalMemoryImageCreateInfo);
		SIZE(EXTERNAL_MEMORY_BUFFER_CREATE_INFO, VkExternalMemoryBufferCreateInfo);
		SIZE(EXPORT_MEMORY_ALLOCATE_INFO, VkExportMemoryAllocateInfo);
		SIZE(IMPORT_MEMORY_FD_INFO_KHR, VkImportMemoryFdInfoKHR);
		SIZE(EXPORT_SEMAPHORE_CREATE_INFO, VkExportSemaphoreCreateInfo);
		SIZE(MEMORY_ALLOCATE_FLAGS_INFO, VkMemoryAllocateFlagsInfo);
		SIZE(IMAGE_SWAPCHAIN_CREATE_INFO_KHR, VkImageSwapchainCreateInfoKHR);
		SIZE(MEMORY_DEDICATED_ALLOCATE_INFO, VkMemoryDedicatedAllocateInfo);
		SIZE(IMAGE_FORMAT_LIST_CREATE_INFO, VkImageFormatListCreateInfo);
		SIZE(IMPORT_MEMORY_HOST_POINTER_INFO_EXT, VkImportMemoryHostPointerInfoEXT);
		SIZE(SEMAPHORE_TYPE_CREATE_INFO, VkSemaphoreTypeCreateInfo);
		SIZE(PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		     VkPhysicalDeviceImageDrmFormatModifierInfoEXT);
		SIZE(IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
		     VkImageDrmFormatModifierListCreateInfoEXT);
		SIZE(IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
		     VkImageDrmFormatModifierExplicitCreateInfoEXT);
		SIZE(IMAGE_STENCIL_USAGE_CREATE_INFO, VkImageStencilUsageCreateInfo);
		SIZE(MEMORY_PRIORITY_ALLOCATE_INFO_EXT, VkMemoryPriorityAllocateInfoEXT);
		SIZE(BUFFER_OPAQUE_CAPTURE_ADDRESS_CREATE_INFO,
		     VkBufferOpaqueCaptureAddressCreateInfo);
		SIZE(BUFFER_DEVICE_ADDRESS_CREATE_INFO_EXT, VkBufferDeviceAddressCreateInfoEXT);
		SIZE(PHYSICAL_DEVICE_IMAGE_VIEW_IMAGE_FORMAT_INFO_EXT,
		     VkPhysicalDeviceImageViewImageFormatInfoEXT);
		SIZE(MEMORY_OPAQUE_CAPTURE_ADDRESS_ALLOCATE_INFO,
		     VkMemoryOpaqueCaptureAddressAllocateInfo);
		SIZE(VIDEO_PROFILE_LIST_INFO_KHR, VkVideoProfileListInfoKHR);
		SIZE(OPAQUE_CAPTURE_DESCRIPTOR_DATA_CREATE_INFO_EXT,
		     VkOpaqueCaptureDescriptorDataCreateInfoEXT);
		SIZE(IMAGE_COMPRESSION_CONTROL_EXT, VkImageCompressionControlEXT);
		SIZE(OPTICAL_FLOW_IMAGE_FORMAT_INFO_NV, VkOpticalFlowImageFormatInfoNV);
		SIZE(QUERY_LOW_LATENCY_SUPPORT_NV, VkQueryLowLatencySupportNV);
		SIZE(IMAGE_ALIGNMENT_CONTROL_CREATE_INFO_MESA,
		     VkImageAlignmentControlCreateInfoMESA);
#undef SIZE
	default:
		return 0;
	}
}

const void *chain_find(const void *next, VkStructureType type)
{
	const VkBaseInStructure *item = next;
	while (item && item->sType != type) {
		item = item->pNext;
	}
	return item;
}

void *chain_find_out(void *next, VkStructureType type)
{
	VkBaseOutStructure *item = next;
	while (item && item->sType != type) {
		item = item->pNext;
	}
	return item;
}

static bool chain_is_dropped(const VkBaseInStructure *item, const VkStructureType *drop,
			     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (item->sType == drop[i]) {
			return true;
		}
	}
	return false;
}

bool chain_without(const void *next, const VkStructureType *drop, size_t count,
		   struct chain_storage *storage, const void **out)
{
	const VkBaseInStructure *rest = next; /* what follows the last dropped struct */
	for (const VkBaseInStructure *item = next; item; item = item->pNext) {
		if (chain_is_dropped(item, drop, count)) {
			rest = item->pNext;
		}
	}
	*out = rest;
	VkBaseInStructure *last = NULL;
	size_t used = 0;
	for (const VkBaseInStructure *item = next; item != rest; item = item->pNext) {
		if (chain_is_dropped(item, drop, count)) {
			continue;
		}
		size_t size = chain_struct_size(item->sType);
		if (size == 0 || size > sizeof(storage->bytes) - used) {
			return false;
		}
		VkBaseInStructure *copy = (void *)(storage->bytes + used);
		memcpy(copy, item, size);
		used += (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
		if (used > sizeof(storage->bytes)) {
			used = sizeof(storage->bytes);
		}
		copy->pNext = rest;
		if (last) {
			last->pNext = copy;
		} else {
			*out = copy;
		}
		last = copy;
	}
	return true;
}
