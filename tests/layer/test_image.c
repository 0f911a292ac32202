/* SPDX-License-Identifier: MIT */
/* Images whose memory is a memfd: what the GPU draws lies in the file where the layout says. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gpu.h"

static const VkExtent2D extents[] = {{1280, 800}, {333, 77}, {1, 1}};
static const VkFormat format = VK_FORMAT_B8G8R8A8_UNORM;
static const VkImageUsageFlags usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT |
				       VK_IMAGE_USAGE_TRANSFER_DST_BIT |
				       VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;

struct target {
	VkImage image;
	VkDeviceMemory memory;
	VkExtent2D extent;
	VkSubresourceLayout layout;
};

/* `next`: the modifier struct, with an image of DRM_FORMAT_MODIFIER tiling; NULL: LINEAR. */
static VkResult create_image(struct gpu *gpu, VkExtent2D extent, void *next, VkImage *out)
{
	VkExternalMemoryImageCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		.pNext = next,
		.handleTypes = DMA_BUF,
	};
	/* A struct before the one that the layer replaces, so that it has to copy. */
	VkImageFormatListCreateInfo list = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_LIST_CREATE_INFO,
		.pNext = &external,
		.viewFormatCount = 1,
		.pViewFormats = &format,
	};
	VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = &list,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = format,
		.extent = {extent.width, extent.height, 1},
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = next ? VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT : VK_IMAGE_TILING_LINEAR,
		.usage = usage,
	};
	return vkCreateImage(gpu->device, &info, NULL, out);
}

static void bind_memory(struct gpu *gpu, struct target *target, int import_fd)
{
	VkMemoryDedicatedRequirements dedicated = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS,
		.prefersDedicatedAllocation = VK_TRUE,
	};
	VkMemoryRequirements2 requirements = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2,
		.pNext = &dedicated,
	};
	VkImageMemoryRequirementsInfo2 requirements_info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_REQUIREMENTS_INFO_2,
		.image = target->image,
	};
	vkGetImageMemoryRequirements2(gpu->device, &requirements_info, &requirements);
	assert_false(dedicated.prefersDedicatedAllocation);
	assert_false(dedicated.requiresDedicatedAllocation);
	/* Given all the same, as Mesa's window-system code does. */
	VkMemoryDedicatedAllocateInfo dedicate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
		.image = target->image,
	};
	VkExportMemoryAllocateInfo export = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.pNext = &dedicate,
		.handleTypes = DMA_BUF,
	};
	VkImportMemoryFdInfoKHR import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.pNext = &dedicate,
		.handleType = DMA_BUF,
		.fd = import_fd,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = import_fd >= 0 ? (void *)&import : (void *)&export,
		.allocationSize = requirements.memoryRequirements.size,
		.memoryTypeIndex =
			gpu_memory_type(gpu, requirements.memoryRequirements.memoryTypeBits,
					VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT),
	};
	assert_int_equal(vkAllocateMemory(gpu->device, &info, NULL, &target->memory), VK_SUCCESS);
	assert_int_equal(vkBindImageMemory(gpu->device, target->image, target->memory, 0),
			 VK_SUCCESS);
}

static void read_layout(struct gpu *gpu, struct target *target, VkImageAspectFlags aspect)
{
	VkImageSubresource subresource = {.aspectMask = aspect};
	vkGetImageSubresourceLayout(gpu->device, target->image, &subresource, &target->layout);
	assert_true(target->layout.rowPitch >= target->extent.width * 4);
}

static void free_target(struct gpu *gpu, struct target *target)
{
	vkDestroyImage(gpu->device, target->image, NULL);
	vkFreeMemory(gpu->device, target->memory, NULL);
}

static void to_general(VkCommandBuffer commands, VkImage image)
{
	VkImageMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
		.dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED,
		.newLayout = VK_IMAGE_LAYOUT_GENERAL,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
	};
	vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
			     VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &barrier);
}

/* B8G8R8A8: 0x11 red, 0x22 green, 0x33 blue, 0xff alpha. */
static const uint32_t cleared = 0xff112233;

static void record_clear(VkCommandBuffer commands, void *arg)
{
	const struct target *target = arg;
	VkClearColorValue colour = {.float32 = {0x11 / 255.0f, 0x22 / 255.0f, 0x33 / 255.0f, 1.0f}};
	VkImageSubresourceRange range = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
	to_general(commands, target->image);
	vkCmdClearColorImage(commands, target->image, VK_IMAGE_LAYOUT_GENERAL, &colour, 1, &range);
}

static void assert_cleared(const struct target *target, int fd)
{
	size_t size = (size_t)lseek(fd, 0, SEEK_END);
	const unsigned char *data = map_fd(fd, size);
	for (uint32_t y = 0; y < target->extent.height; y++) {
		const uint32_t *row =
			(const void *)(data + target->layout.offset + y * target->layout.rowPitch);
		for (uint32_t x = 0; x < target->extent.width; x++) {
			if (row[x] != cleared) {
				fail_msg("pixel %u,%u is %#x", x, y, row[x]);
			}
		}
	}
	munmap((void *)data, size);
}

static void test_linear(void **state)
{
	struct gpu gpu;
	gpu_open(&gpu);
	const int fds = fd_count();
	for (size_t i = 0; i < sizeof(extents) / sizeof(*extents); i++) {
		struct target target = {.extent = extents[i]};
		assert_int_equal(create_image(&gpu, extents[i], NULL, &target.image), VK_SUCCESS);
		bind_memory(&gpu, &target, -1);
		read_layout(&gpu, &target, VK_IMAGE_ASPECT_COLOR_BIT);
		gpu_run(&gpu, record_clear, &target);
		int fd = gpu_export(&gpu, target.memory);
		assert_cleared(&target, fd);
		close(fd);
		free_target(&gpu, &target);
	}
	assert_int_equal(fd_count(), fds);
	gpu_close(&gpu);
}

static void make_modifier_target(struct gpu *gpu, VkExtent2D extent, struct target *target)
{
	static const uint64_t modifiers[] = {UINT64_C(0x0300000000000001), 0};
	VkImageDrmFormatModifierListCreateInfoEXT list = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
		.drmFormatModifierCount = 1,
		.pDrmFormatModifiers = modifiers + 1,
	};
	target->extent = extent;
	assert_int_equal(create_image(gpu, extent, &list, &target->image), VK_SUCCESS);
	VkImageDrmFormatModifierPropertiesEXT properties = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT,
		.drmFormatModifier = 99,
	};
	PFN_vkGetImageDrmFormatModifierPropertiesEXT get =
		(PFN_vkGetImageDrmFormatModifierPropertiesEXT)vkGetDeviceProcAddr(
			gpu->device, "vkGetImageDrmFormatModifierPropertiesEXT");
	assert_int_equal(get(gpu->device, target->image, &properties), VK_SUCCESS);
	assert_int_equal(properties.drmFormatModifier, 0);
	bind_memory(gpu, target, -1);
	read_layout(gpu, target, VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT);
}

static VkResult create_explicit(struct gpu *gpu, VkExtent2D extent, VkDeviceSize offset,
				VkDeviceSize row_pitch, VkImage *out)
{
	VkSubresourceLayout layout = {.offset = offset, .rowPitch = row_pitch};
	VkImageDrmFormatModifierExplicitCreateInfoEXT one = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
		.drmFormatModifierPlaneCount = 1,
		.pPlaneLayouts = &layout,
	};
	return create_image(gpu, extent, &one, out);
}

/* An image made by modifier in one device is imported by explicit layout into another, which draws
 * into it; the file has the pixels. */
static void test_modifier(void **state)
{
	struct gpu gpu, other;
	gpu_open(&gpu);
	gpu_open(&other);
	const int fds = fd_count();
	for (size_t i = 0; i < sizeof(extents) / sizeof(*extents); i++) {
		struct target made, imported = {.extent = extents[i]};
		make_modifier_target(&gpu, extents[i], &made);
		int fd = gpu_export(&gpu, made.memory);
		assert_int_equal(create_explicit(&other, extents[i], made.layout.offset,
						 made.layout.rowPitch, &imported.image),
				 VK_SUCCESS);
		bind_memory(&other, &imported, fcntl(fd, F_DUPFD_CLOEXEC, 0));
		read_layout(&other, &imported, VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT);
		assert_int_equal(imported.layout.rowPitch, made.layout.rowPitch);
		gpu_run(&other, record_clear, &imported);
		assert_cleared(&made, fd);
		free_target(&other, &imported);
		free_target(&gpu, &made);
		close(fd);
	}
	assert_int_equal(fd_count(), fds);
	gpu_close(&other);
	gpu_close(&gpu);
}

static void test_wrong_layout_is_refused(void **state)
{
	struct gpu gpu;
	gpu_open(&gpu);
	struct target made;
	make_modifier_target(&gpu, extents[0], &made);
	VkImage image;
	assert_int_equal(create_explicit(&gpu, extents[0], 0, made.layout.rowPitch + 4096, &image),
			 VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
	assert_int_equal(create_explicit(&gpu, extents[0], 4096, made.layout.rowPitch, &image),
			 VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT);
	free_target(&gpu, &made);
	gpu_close(&gpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_modifier),
		cmocka_unit_test(test_wrong_layout_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
