/* SPDX-License-Identifier: MIT */
/* What the layer says of a device: the questions of virglrenderer, of Venus, and of Mesa's
 * window-system code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu.h"

static struct gpu gpu;

static int setup(void **state)
{
	gpu_open(&gpu);
	return 0;
}

static int teardown(void **state)
{
	gpu_close(&gpu);
	return 0;
}

static void test_extensions(void **state)
{
	static const char *const wanted[] = {
		"VK_KHR_external_memory_fd",
		"VK_EXT_external_memory_dma_buf",
		"VK_KHR_external_semaphore_fd",
		"VK_EXT_image_drm_format_modifier",
	};
	uint32_t count = 0;
	assert_int_equal(vkEnumerateDeviceExtensionProperties(gpu.physical, NULL, &count, NULL),
			 VK_SUCCESS);
	VkExtensionProperties *list = calloc(count, sizeof(*list));
	assert_non_null(list);
	uint32_t fewer = count - 1;
	assert_int_equal(vkEnumerateDeviceExtensionProperties(gpu.physical, NULL, &fewer, list),
			 VK_INCOMPLETE);
	assert_int_equal(vkEnumerateDeviceExtensionProperties(gpu.physical, NULL, &count, list),
			 VK_SUCCESS);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		int found = 0;
		for (uint32_t j = 0; j < count; j++) {
			found += strcmp(list[j].extensionName, wanted[i]) == 0;
		}
		if (found != 1) {
			fail_msg("%s is listed %d times", wanted[i], found);
		}
	}
	free(list);
}

static void assert_memfd(const VkExternalMemoryProperties *properties)
{
	assert_int_equal(properties->externalMemoryFeatures,
			 VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT |
				 VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT);
	assert_int_equal(properties->exportFromImportedHandleTypes, DMA_BUF);
	assert_int_equal(properties->compatibleHandleTypes, DMA_BUF);
}

static void test_buffers(void **state)
{
	VkPhysicalDeviceExternalBufferInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
		.handleType = DMA_BUF,
	};
	VkExternalBufferProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
	vkGetPhysicalDeviceExternalBufferProperties(gpu.physical, &info, &properties);
	assert_memfd(&properties.externalMemoryProperties);
}

/* Returns the result for a DMA_BUF image of that tiling, and checks what comes with success. */
static VkResult query_image(VkFormat format, VkImageTiling tiling, uint64_t modifier)
{
	VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier_info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		.drmFormatModifier = modifier,
	};
	VkPhysicalDeviceExternalImageFormatInfo external = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
		.handleType = DMA_BUF,
	};
	if (tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
		external.pNext = &modifier_info;
	}
	VkPhysicalDeviceImageFormatInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
		.pNext = &external,
		.format = format,
		.type = VK_IMAGE_TYPE_2D,
		.tiling = tiling,
		.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
	};
	VkExternalImageFormatProperties external_properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES};
	VkImageFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
		.pNext = &external_properties,
	};
	VkResult result =
		vkGetPhysicalDeviceImageFormatProperties2(gpu.physical, &info, &properties);
	if (result == VK_SUCCESS) {
		assert_memfd(&external_properties.externalMemoryProperties);
		assert_true(properties.imageFormatProperties.maxExtent.width >= 4096);
	} else {
		assert_int_equal(properties.imageFormatProperties.maxExtent.width, 0);
	}
	return result;
}

static void test_images(void **state)
{
	const VkFormat bgra = VK_FORMAT_B8G8R8A8_UNORM;
	const VkImageTiling modifier = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT;
	assert_int_equal(query_image(bgra, VK_IMAGE_TILING_LINEAR, 0), VK_SUCCESS);
	assert_int_equal(query_image(bgra, modifier, 0), VK_SUCCESS);
	assert_int_equal(query_image(bgra, modifier, UINT64_C(0x0300000000000001)),
			 VK_ERROR_FORMAT_NOT_SUPPORTED);
	assert_int_equal(query_image(VK_FORMAT_D16_UNORM, modifier, 0),
			 VK_ERROR_FORMAT_NOT_SUPPORTED);
	/* The mask imports no host pointers for images; only LINEAR is then safe to offer. */
	assert_int_equal(query_image(bgra, VK_IMAGE_TILING_OPTIMAL, 0),
			 config_is_masked() ? VK_ERROR_FORMAT_NOT_SUPPORTED : VK_SUCCESS);
}

static uint32_t count_modifiers(VkFormat format, uint32_t capacity, VkFormatFeatureFlags *features)
{
	VkDrmFormatModifierPropertiesEXT one = {.drmFormatModifier = 99};
	VkDrmFormatModifierPropertiesListEXT list = {
		.sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
		.drmFormatModifierCount = capacity,
		.pDrmFormatModifierProperties = capacity == UINT32_MAX ? NULL : &one,
	};
	VkFormatProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
		.pNext = &list,
	};
	vkGetPhysicalDeviceFormatProperties2(gpu.physical, format, &properties);
	if (list.drmFormatModifierCount && list.pDrmFormatModifierProperties) {
		assert_int_equal(one.drmFormatModifier, 0);
		assert_int_equal(one.drmFormatModifierPlaneCount, 1);
		*features = one.drmFormatModifierTilingFeatures;
		assert_int_equal(*features, properties.formatProperties.linearTilingFeatures);
	}
	return list.drmFormatModifierCount;
}

static void test_format_modifiers(void **state)
{
	VkFormatFeatureFlags features = 0;
	assert_int_equal(count_modifiers(VK_FORMAT_B8G8R8A8_UNORM, UINT32_MAX, &features), 1);
	assert_int_equal(count_modifiers(VK_FORMAT_B8G8R8A8_UNORM, 0, &features), 0);
	assert_int_equal(count_modifiers(VK_FORMAT_B8G8R8A8_UNORM, 1, &features), 1);
	assert_true(features & VK_FORMAT_FEATURE_TRANSFER_SRC_BIT);
	assert_int_equal(count_modifiers(VK_FORMAT_D16_UNORM, 1, &features), 0);
	assert_int_equal(count_modifiers(VK_FORMAT_G8_B8R8_2PLANE_420_UNORM, 1, &features), 0);
}

/* All forms of the question agree, and offer what the guest's window-system code needs. */
static void test_requirements(void **state)
{
	VkExternalMemoryImageCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = &external,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = VK_FORMAT_B8G8R8A8_UNORM,
		.extent = {64, 64, 1},
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_LINEAR,
		.usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
	};
	VkImage image;
	assert_int_equal(vkCreateImage(gpu.device, &info, NULL, &image), VK_SUCCESS);
	VkMemoryRequirements first;
	vkGetImageMemoryRequirements(gpu.device, image, &first);
	gpu_memory_type(&gpu, first.memoryTypeBits,
			VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
	VkDeviceImageMemoryRequirements by_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_IMAGE_MEMORY_REQUIREMENTS,
		.pCreateInfo = &info,
	};
	VkMemoryRequirements2 second = {.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2};
	vkGetDeviceImageMemoryRequirements(gpu.device, &by_info, &second);
	assert_int_equal(second.memoryRequirements.memoryTypeBits, first.memoryTypeBits);
	assert_int_equal(second.memoryRequirements.size, first.size);
	vkDestroyImage(gpu.device, image, NULL);

	VkExternalMemoryBufferCreateInfo external_buffer = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkBufferCreateInfo buffer = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = &external_buffer,
		.size = 4096,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
	};
	VkDeviceBufferMemoryRequirements by_buffer_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS,
		.pCreateInfo = &buffer,
	};
	vkGetDeviceBufferMemoryRequirements(gpu.device, &by_buffer_info, &second);
	gpu_memory_type(&gpu, second.memoryRequirements.memoryTypeBits,
			VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
}

static void test_memory_types(void **state)
{
	VkPhysicalDeviceMemoryProperties memory;
	vkGetPhysicalDeviceMemoryProperties(gpu.physical, &memory);
	VkPhysicalDeviceMemoryProperties2 memory2 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
	vkGetPhysicalDeviceMemoryProperties2(gpu.physical, &memory2);
	assert_memory_equal(&memory.memoryTypes, &memory2.memoryProperties.memoryTypes,
			    memory.memoryTypeCount * sizeof(memory.memoryTypes[0]));
	assert_int_equal(memory.memoryTypeCount, memory2.memoryProperties.memoryTypeCount);
	if (!config_is_masked()) {
		gpu_memory_type(&gpu, ~0u,
				VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
					VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT);
		return; /* the rest is the driver's choice */
	}
	/* The BAR takes no host pointer, so it is not HOST_VISIBLE any more; system memory has a
	 * DEVICE_LOCAL twin, in a DEVICE_LOCAL heap. */
	const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
	const VkMemoryPropertyFlags system = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
					     VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
					     VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
	assert_int_equal(memory.memoryTypeCount, 4);
	assert_int_equal(memory.memoryTypes[0].propertyFlags, local);
	assert_int_equal(memory.memoryTypes[1].propertyFlags, system);
	assert_int_equal(memory.memoryTypes[2].propertyFlags, local);
	assert_int_equal(memory.memoryTypes[3].propertyFlags, local | system);
	assert_int_equal(memory.memoryTypes[3].heapIndex, 0);
	/* A resource that is not external does not see the twin. */
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = 4096,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
	};
	VkBuffer buffer;
	assert_int_equal(vkCreateBuffer(gpu.device, &info, NULL, &buffer), VK_SUCCESS);
	VkMemoryRequirements requirements;
	vkGetBufferMemoryRequirements(gpu.device, buffer, &requirements);
	assert_int_equal(requirements.memoryTypeBits, 7);
	vkDestroyBuffer(gpu.device, buffer, NULL);
}

static void test_semaphores(void **state)
{
	VkPhysicalDeviceExternalSemaphoreInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	VkExternalSemaphoreProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES};
	vkGetPhysicalDeviceExternalSemaphoreProperties(gpu.physical, &info, &properties);
	assert_int_equal(properties.externalSemaphoreFeatures,
			 VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT |
				 VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_extensions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_images, setup, teardown),
		cmocka_unit_test_setup_teardown(test_format_modifiers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_requirements, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_semaphores, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
