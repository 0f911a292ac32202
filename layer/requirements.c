/* SPDX-License-Identifier: MIT */
#include "hooks.h"
#include "resource.h"

/*
 * Memory requirements: of external resources only the types that take a host pointer remain, and
 * the synthetic DEVICE_LOCAL type joins them. A host pointer is never a dedicated allocation.
 */

static void requirements_restrict(const struct physdev *physdev, VkMemoryRequirements *out)
{
	out->memoryTypeBits &= physdev->host_types;
	if (physdev->local_type != UINT32_MAX &&
	    (out->memoryTypeBits & (1u << physdev->local_target))) {
		out->memoryTypeBits |= 1u << physdev->local_type;
	}
}

static void requirements_restrict2(const struct physdev *physdev, VkMemoryRequirements2 *out)
{
	requirements_restrict(physdev, &out->memoryRequirements);
	VkMemoryDedicatedRequirements *dedicated =
		chain_find_out(out->pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
	if (dedicated) {
		dedicated->prefersDedicatedAllocation = VK_FALSE;
		dedicated->requiresDedicatedAllocation = VK_FALSE;
	}
}

static bool image_is_external(struct device *device, VkImage handle)
{
	const struct image *image = map_get(&device->images, HANDLE_KEY(handle));
	return image && image->external;
}

VKAPI_ATTR void VKAPI_CALL hm_GetBufferMemoryRequirements(VkDevice handle, VkBuffer buffer,
							  VkMemoryRequirements *out)
{
	struct device *device = device_of(handle);
	device->next.GetBufferMemoryRequirements(handle, buffer, out);
	if (map_get(&device->buffers, HANDLE_KEY(buffer))) {
		requirements_restrict(device->physdev, out);
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetBufferMemoryRequirements2(
	VkDevice handle, const VkBufferMemoryRequirementsInfo2 *info, VkMemoryRequirements2 *out)
{
	struct device *device = device_of(handle);
	device->next.GetBufferMemoryRequirements2(handle, info, out);
	if (map_get(&device->buffers, HANDLE_KEY(info->buffer))) {
		requirements_restrict2(device->physdev, out);
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetDeviceBufferMemoryRequirements(
	VkDevice handle, const VkDeviceBufferMemoryRequirements *info, VkMemoryRequirements2 *out)
{
	struct device *device = device_of(handle);
	struct buffer_plan plan;
	if (buffer_plan(device->physdev, info->pCreateInfo, &plan) != VK_SUCCESS) {
		out->memoryRequirements = (VkMemoryRequirements){.alignment = 1};
		return; /* vkCreateBuffer will say why */
	}
	VkDeviceBufferMemoryRequirements planned = *info;
	planned.pCreateInfo = &plan.info;
	device->next.GetDeviceBufferMemoryRequirements(handle, &planned, out);
	if (plan.external) {
		requirements_restrict2(device->physdev, out);
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetImageMemoryRequirements(VkDevice handle, VkImage image,
							 VkMemoryRequirements *out)
{
	struct device *device = device_of(handle);
	device->next.GetImageMemoryRequirements(handle, image, out);
	if (image_is_external(device, image)) {
		requirements_restrict(device->physdev, out);
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetImageMemoryRequirements2(
	VkDevice handle, const VkImageMemoryRequirementsInfo2 *info, VkMemoryRequirements2 *out)
{
	struct device *device = device_of(handle);
	device->next.GetImageMemoryRequirements2(handle, info, out);
	if (image_is_external(device, info->image)) {
		requirements_restrict2(device->physdev, out);
	}
}

VKAPI_ATTR void VKAPI_CALL hm_GetDeviceImageMemoryRequirements(
	VkDevice handle, const VkDeviceImageMemoryRequirements *info, VkMemoryRequirements2 *out)
{
	struct device *device = device_of(handle);
	struct image_plan plan;
	if (image_plan(device->physdev, info->pCreateInfo, &plan) != VK_SUCCESS) {
		out->memoryRequirements = (VkMemoryRequirements){.alignment = 1};
		return; /* vkCreateImage will say why */
	}
	VkDeviceImageMemoryRequirements planned = *info;
	planned.pCreateInfo = &plan.info;
	device->next.GetDeviceImageMemoryRequirements(handle, &planned, out);
	if (plan.image.external) {
		requirements_restrict2(device->physdev, out);
	}
}
