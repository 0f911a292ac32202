/* SPDX-License-Identifier: MIT */
#include "hooks.h"
#include "resource.h"

/*
 * VK_EXT_image_drm_format_modifier with LINEAR alone. The layer always stands in for the
 * extension, also where the driver has it: memory that is a host pointer cannot hold any other
 * layout that the guest's kernel and the viewer would both know.
 *
 * A modifier image of one plane is a LINEAR image; only the name of its aspect differs.
 */

bool modifier_allows_format(VkFormat format)
{
	return (format > VK_FORMAT_UNDEFINED && format <= VK_FORMAT_E5B9G9R9_UFLOAT_PACK32) ||
	       format == VK_FORMAT_A4R4G4B4_UNORM_PACK16 ||
	       format == VK_FORMAT_A4B4G4R4_UNORM_PACK16;
}

struct modifier_capacity modifier_capacity(void *out)
{
	const VkDrmFormatModifierPropertiesListEXT *list =
		chain_find_out(out, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
	const VkDrmFormatModifierPropertiesList2EXT *list2 =
		chain_find_out(out, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_2_EXT);
	return (struct modifier_capacity){
		.list = list ? list->drmFormatModifierCount : 0,
		.list2 = list2 ? list2->drmFormatModifierCount : 0,
	};
}

/* The LINEAR features of a format in the 64 bits of Vulkan 1.3, or `features` as wide as that. */
static VkFormatFeatureFlags2 modifier_wide_features(const struct physdev *physdev, VkFormat format,
						    VkFormatFeatureFlags features)
{
	VkFormatProperties3 properties3 = {.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_3};
	VkFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
		.pNext = &properties3,
	};
	physdev->instance->next.GetPhysicalDeviceFormatProperties2(physdev->handle, format,
								   &properties);
	return properties3.linearTilingFeatures ? properties3.linearTilingFeatures : features;
}

/* How many modifiers fit. */
static uint32_t modifier_count(bool has_room, uint32_t capacity, uint32_t available)
{
	return has_room && capacity < available ? capacity : available;
}

void modifier_fill_format(const struct physdev *physdev, VkFormat format,
			  VkFormatProperties2 *properties, struct modifier_capacity capacity)
{
	VkDrmFormatModifierPropertiesListEXT *list = chain_find_out(
		properties->pNext, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT);
	VkDrmFormatModifierPropertiesList2EXT *list2 = chain_find_out(
		properties->pNext, VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_2_EXT);
	if (!list && !list2) {
		return;
	}
	const VkFormatFeatureFlags features =
		modifier_allows_format(format)
			? properties->formatProperties.linearTilingFeatures &
				  ~(VkFormatFeatureFlags)VK_FORMAT_FEATURE_DISJOINT_BIT
			: 0;
	const uint32_t available = features ? 1 : 0;
	if (list) {
		VkDrmFormatModifierPropertiesEXT *out = list->pDrmFormatModifierProperties;
		list->drmFormatModifierCount = modifier_count(out, capacity.list, available);
		if (out && list->drmFormatModifierCount) {
			*out = (VkDrmFormatModifierPropertiesEXT){
				.drmFormatModifierPlaneCount = 1,
				.drmFormatModifierTilingFeatures = features,
			};
		}
	}
	if (list2) {
		VkDrmFormatModifierProperties2EXT *out = list2->pDrmFormatModifierProperties;
		list2->drmFormatModifierCount = modifier_count(out, capacity.list2, available);
		if (out && list2->drmFormatModifierCount) {
			*out = (VkDrmFormatModifierProperties2EXT){
				.drmFormatModifierPlaneCount = 1,
				.drmFormatModifierTilingFeatures =
					modifier_wide_features(physdev, format, features),
			};
		}
	}
}

/* The driver's LINEAR image has no memory planes, only the colour aspect. */
static VkImageAspectFlags modifier_aspect(VkImageAspectFlags aspect)
{
	return aspect == VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT ? VK_IMAGE_ASPECT_COLOR_BIT
								: aspect;
}

static bool image_has_modifier(struct device *device, VkImage handle)
{
	const struct image *image = map_get(&device->images, HANDLE_KEY(handle));
	return image && image->modifier;
}

VKAPI_ATTR void VKAPI_CALL hm_GetImageSubresourceLayout(VkDevice handle, VkImage image,
							const VkImageSubresource *subresource,
							VkSubresourceLayout *layout)
{
	struct device *device = device_of(handle);
	VkImageSubresource passed = *subresource;
	if (image_has_modifier(device, image)) {
		passed.aspectMask = modifier_aspect(passed.aspectMask);
	}
	device->next.GetImageSubresourceLayout(handle, image, &passed, layout);
}

VKAPI_ATTR void VKAPI_CALL hm_GetImageSubresourceLayout2(VkDevice handle, VkImage image,
							 const VkImageSubresource2 *subresource,
							 VkSubresourceLayout2 *layout)
{
	struct device *device = device_of(handle);
	VkImageSubresource2 passed = *subresource;
	if (image_has_modifier(device, image)) {
		passed.imageSubresource.aspectMask =
			modifier_aspect(passed.imageSubresource.aspectMask);
	}
	device->next.GetImageSubresourceLayout2(handle, image, &passed, layout);
}

VKAPI_ATTR void VKAPI_CALL hm_GetDeviceImageSubresourceLayout(
	VkDevice handle, const VkDeviceImageSubresourceInfo *info, VkSubresourceLayout2 *layout)
{
	struct device *device = device_of(handle);
	struct image_plan plan;
	if (image_plan(device->physdev, info->pCreateInfo, &plan) != VK_SUCCESS) {
		layout->subresourceLayout = (VkSubresourceLayout){0};
		return; /* vkCreateImage will say why */
	}
	VkImageSubresource2 subresource = *info->pSubresource;
	if (plan.image.modifier) {
		subresource.imageSubresource.aspectMask =
			modifier_aspect(subresource.imageSubresource.aspectMask);
	}
	VkDeviceImageSubresourceInfo planned = *info;
	planned.pCreateInfo = &plan.info;
	planned.pSubresource = &subresource;
	device->next.GetDeviceImageSubresourceLayout(handle, &planned, layout);
}

VKAPI_ATTR VkResult VKAPI_CALL hm_GetImageDrmFormatModifierPropertiesEXT(
	VkDevice handle, VkImage image, VkImageDrmFormatModifierPropertiesEXT *properties)
{
	(void)handle;
	(void)image;
	properties->drmFormatModifier = 0; /* DRM_FORMAT_MOD_LINEAR */
	return VK_SUCCESS;
}
