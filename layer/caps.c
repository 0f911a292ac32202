/* SPDX-License-Identifier: MIT */
#include "hooks.h"
#include "resource.h"

#include <stdlib.h>
#include <string.h>

/* What the application is told about a device on which the layer works. */

static void caps_append(VkExtensionProperties *list, uint32_t *count, const char *name,
			uint32_t version)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (strcmp(list[i].extensionName, name) == 0) {
			return;
		}
	}
	VkExtensionProperties *added = &list[(*count)++];
	*added = (VkExtensionProperties){.specVersion = version};
	memcpy(added->extensionName, name, strlen(name) + 1);
}

/* The driver's list with what the layer adds, to be freed. */
static VkResult caps_list_extensions(const struct physdev *physdev, VkExtensionProperties **out,
				     uint32_t *count)
{
	static const struct {
		const char *name;
		uint32_t version;
	} added[] = {
		{VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, VK_KHR_EXTERNAL_MEMORY_FD_SPEC_VERSION},
		{VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
		 VK_EXT_EXTERNAL_MEMORY_DMA_BUF_SPEC_VERSION},
		{VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
		 VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_SPEC_VERSION},
		{VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
		 VK_KHR_EXTERNAL_SEMAPHORE_FD_SPEC_VERSION},
	};
	const size_t added_count = sizeof(added) / sizeof(*added);
	PFN_vkEnumerateDeviceExtensionProperties enumerate =
		physdev->instance->next.EnumerateDeviceExtensionProperties;
	VkResult result = enumerate(physdev->handle, NULL, count, NULL);
	if (result != VK_SUCCESS) {
		return result;
	}
	VkExtensionProperties *list = calloc(*count + added_count, sizeof(*list));
	if (!list) {
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	result = enumerate(physdev->handle, NULL, count, list);
	if (result < 0) {
		free(list);
		return result;
	}
	for (size_t i = 0; i < added_count; i++) {
		caps_append(list, count, added[i].name, added[i].version);
	}
	*out = list;
	return VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_EnumerateDeviceExtensionProperties(VkPhysicalDevice handle,
								     const char *layer,
								     uint32_t *count,
								     VkExtensionProperties *out)
{
	if (layer && strcmp(layer, LAYER_NAME) == 0) {
		*count = 0;
		return VK_SUCCESS;
	}
	const struct physdev *physdev = physdev_of_active(handle);
	if (!layer && physdev_is_unknown(handle)) {
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	if (layer || !physdev) {
		return instance_of(handle)->next.EnumerateDeviceExtensionProperties(handle, layer,
										    count, out);
	}
	VkExtensionProperties *list = NULL;
	uint32_t total = 0;
	VkResult result = caps_list_extensions(physdev, &list, &total);
	if (result != VK_SUCCESS) {
		return result;
	}
	if (!out) {
		*count = total;
	} else {
		if (*count < total) {
			result = VK_INCOMPLETE;
		} else {
			*count = total;
		}
		memcpy(out, list, *count * sizeof(*out));
	}
	free(list);
	return result;
}

VKAPI_ATTR void VKAPI_CALL
hm_GetPhysicalDeviceMemoryProperties(VkPhysicalDevice handle, VkPhysicalDeviceMemoryProperties *out)
{
	const struct physdev *physdev = physdev_of_active(handle);
	if (physdev) {
		*out = physdev->memory;
	} else {
		instance_of(handle)->next.GetPhysicalDeviceMemoryProperties(handle, out);
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetPhysicalDeviceMemoryProperties2(
	VkPhysicalDevice handle, VkPhysicalDeviceMemoryProperties2 *out)
{
	const struct physdev *physdev = physdev_of_active(handle);
	instance_of(handle)->next.GetPhysicalDeviceMemoryProperties2(handle, out);
	if (physdev) {
		out->memoryProperties = physdev->memory;
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetPhysicalDeviceFormatProperties2(VkPhysicalDevice handle,
								 VkFormat format,
								 VkFormatProperties2 *out)
{
	const struct physdev *physdev = physdev_of_active(handle);
	struct modifier_capacity capacity = modifier_capacity(out->pNext);
	instance_of(handle)->next.GetPhysicalDeviceFormatProperties2(handle, format, out);
	if (physdev) {
		modifier_fill_format(physdev, format, out, capacity);
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetPhysicalDeviceExternalSemaphoreProperties(
	VkPhysicalDevice handle, const VkPhysicalDeviceExternalSemaphoreInfo *info,
	VkExternalSemaphoreProperties *out)
{
	const struct physdev *physdev = physdev_of_active(handle);
	const VkExternalSemaphoreHandleTypeFlagBits sync_fd =
		VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT;
	const VkSemaphoreTypeCreateInfo *type =
		chain_find(info->pNext, VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
	bool timeline = type && type->semaphoreType == VK_SEMAPHORE_TYPE_TIMELINE;
	instance_of(handle)->next.GetPhysicalDeviceExternalSemaphoreProperties(handle, info, out);
	if (physdev && physdev->emulates_sync_fd && info->handleType == sync_fd && !timeline) {
		out->exportFromImportedHandleTypes = sync_fd;
		out->compatibleHandleTypes = sync_fd;
		out->externalSemaphoreFeatures = VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT |
						 VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT;
	}
}
