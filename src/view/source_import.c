/* SPDX-License-Identifier: MIT */
#include "view/source.h"

#include <sys/mman.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"

/*
 * Three ways to let the GPU read a guest's buffer, and the fallback. All make something to copy
 * from: a buffer (any stride that is a multiple of 4) or, for dma-bufs, a linear image where the
 * driver takes the guest's stride and offset.
 */

static uint64_t round_down(uint64_t value, uint64_t to)
{
	return value - value % to;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return round_down(value + to - 1, to);
}

/* Bytes from the frame's first pixel to the end of its last one. */
static uint64_t frame_span(const struct frame *frame)
{
	return (uint64_t)frame->stride * (frame->height - 1) +
	       (uint64_t)frame->width * FORMAT_PIXEL_BYTES;
}

/* Maps the part of the fd with the frame, at an address and of a size that align divides. */
static bool map(struct source *source, const struct frame *frame, uint64_t align)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t unit = align > page ? align : page;
	uint64_t start = round_down(frame->offset, unit);
	uint64_t size = round_up(frame->offset + frame_span(frame), unit) - start;
	/* Room to choose an aligned address in; what is not used goes back. */
	char *room = mmap(NULL, size + unit, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED) {
		return false;
	}
	char *at = (char *)round_up((uintptr_t)room, unit);
	int fd = frame->memory->fd;
	/* Drivers pin host pages for writing, so they must be writable where that is allowed. */
	char *mapped =
		mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)start);
	if (mapped == MAP_FAILED) {
		mapped = mmap(at, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)start);
	}
	if (mapped == MAP_FAILED) {
		munmap(room, size + unit);
		return false;
	}
	if (at > room) {
		munmap(room, (size_t)(at - room));
	}
	munmap(at + size, (size_t)(room + unit - at));
	source->mapping = at;
	source->mapping_size = size;
	source->mapping_first = frame->offset - start;
	return true;
}

static bool create_buffer(struct vk *vk, struct source *source, VkDeviceSize size,
			  VkExternalMemoryHandleTypeFlags handle)
{
	const VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = handle};
	const VkBufferCreateInfo create = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
					   .pNext = &external,
					   .size = size,
					   .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT};
	return vkCreateBuffer(vk->device, &create, NULL, &source->buffer) == VK_SUCCESS;
}

static bool buffer_importable(struct vk *vk, VkExternalMemoryHandleTypeFlagBits handle,
			      bool *dedicated)
{
	const VkPhysicalDeviceExternalBufferInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
		.handleType = handle};
	VkExternalBufferProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
	vkGetPhysicalDeviceExternalBufferProperties(vk->physical, &info, &properties);
	VkExternalMemoryFeatureFlags features =
		properties.externalMemoryProperties.externalMemoryFeatures;
	*dedicated = (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0;
	return (features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0;
}

/* Drivers list types that they then refuse: the first one that is taken will do. */
static bool allocate(struct vk *vk, struct source *source, const void *import, VkDeviceSize size,
		     uint32_t type_bits)
{
	for (uint32_t type = 0; type < vk->memory.memoryTypeCount; type++) {
		const VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
						   .pNext = import,
						   .allocationSize = size,
						   .memoryTypeIndex = type};
		if ((type_bits & (1u << type)) != 0 &&
		    vkAllocateMemory(vk->device, &info, NULL, &source->memory) == VK_SUCCESS) {
			return true;
		}
	}
	return false;
}

static bool import_pointer(struct vk *vk, struct source *source)
{
	const VkExternalMemoryHandleTypeFlagBits handle =
		VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT;
	VkMemoryHostPointerPropertiesEXT properties = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
	VkMemoryRequirements needs;
	bool dedicated;
	if (!buffer_importable(vk, handle, &dedicated) ||
	    vk->get_host_pointer_properties(vk->device, handle, source->mapping, &properties) !=
		    VK_SUCCESS ||
	    !create_buffer(vk, source, source->mapping_size, handle)) {
		return false;
	}
	vkGetBufferMemoryRequirements(vk->device, source->buffer, &needs);
	const VkImportMemoryHostPointerInfoEXT import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
		.handleType = handle,
		.pHostPointer = source->mapping};
	return needs.size <= source->mapping_size &&
	       allocate(vk, source, &import, source->mapping_size,
			needs.memoryTypeBits & properties.memoryTypeBits) &&
	       vkBindBufferMemory(vk->device, source->buffer, source->memory, 0) == VK_SUCCESS;
}

bool source_import_host(struct vk *vk, struct source *source, const struct frame *frame)
{
	if (!vk->host_import || !map(source, frame, vk->host_alignment)) {
		return false;
	}
	if (!import_pointer(vk, source)) {
		source_free(vk, source);
		return false;
	}
	source->path = SOURCE_HOST_MEMORY;
	source->first = source->mapping_first;
	source->stride = frame->stride;
	return true;
}

/* Memory of the frame's dma-buf for one buffer or image; false leaves nothing behind. */
static bool import_fd(struct vk *vk, struct source *source, const struct frame *frame,
		      uint32_t type_bits, const VkMemoryDedicatedAllocateInfo *dedicated)
{
	const VkExternalMemoryHandleTypeFlagBits handle =
		VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
	VkMemoryFdPropertiesKHR properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR};
	int fd = fd_dup(frame->memory->fd);
	if (fd < 0 || vk->get_fd_properties(vk->device, handle, fd, &properties) != VK_SUCCESS) {
		fd_close(&fd);
		return false;
	}
	const VkImportMemoryFdInfoKHR import = {.sType =
							VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
						.pNext = dedicated,
						.handleType = handle,
						.fd = fd};
	if (!allocate(vk, source, &import, frame->memory->size,
		      type_bits & properties.memoryTypeBits)) {
		fd_close(&fd);
		return false;
	}
	return true; /* the descriptor is Vulkan's now */
}

bool source_import_dma_buf_buffer(struct vk *vk, struct source *source, const struct frame *frame)
{
	const VkExternalMemoryHandleTypeFlagBits handle =
		VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
	bool dedicated;
	if (!vk->dma_buf_import || !buffer_importable(vk, handle, &dedicated) ||
	    !create_buffer(vk, source, frame->memory->size, handle)) {
		return false;
	}
	VkMemoryRequirements needs;
	vkGetBufferMemoryRequirements(vk->device, source->buffer, &needs);
	const VkMemoryDedicatedAllocateInfo alone = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
		.buffer = source->buffer};
	if (!import_fd(vk, source, frame, needs.memoryTypeBits, dedicated ? &alone : NULL) ||
	    vkBindBufferMemory(vk->device, source->buffer, source->memory, 0) != VK_SUCCESS) {
		source_free(vk, source);
		return false;
	}
	source->path = SOURCE_DMA_BUF;
	source->first = frame->offset;
	source->stride = frame->stride;
	return true;
}

/* Whether the driver copies from linear images of this format that come as dma-bufs. */
static bool image_importable(struct vk *vk, const struct frame *frame, bool *dedicated)
{
	const VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
		.drmFormatModifier = 0};
	const VkPhysicalDeviceExternalImageFormatInfo external = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
		.pNext = &modifier,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
	const VkPhysicalDeviceImageFormatInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
		.pNext = &external,
		.format = (VkFormat)frame->format->vulkan,
		.type = VK_IMAGE_TYPE_2D,
		.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
		.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT};
	VkExternalImageFormatProperties importing = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES};
	VkImageFormatProperties2 properties = {.sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
					       .pNext = &importing};
	if (vkGetPhysicalDeviceImageFormatProperties2(vk->physical, &info, &properties) !=
	    VK_SUCCESS) {
		return false;
	}
	VkExternalMemoryFeatureFlags features =
		importing.externalMemoryProperties.externalMemoryFeatures;
	*dedicated = (features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) != 0;
	const VkExtent3D *most = &properties.imageFormatProperties.maxExtent;
	return (features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT) != 0 &&
	       frame->width <= most->width && frame->height <= most->height;
}

static bool create_image(struct vk *vk, struct source *source, const struct frame *frame)
{
	/* size and the two other pitches are 0 by rule for one layer of one plane. */
	const VkSubresourceLayout layout = {.offset = frame->offset, .rowPitch = frame->stride};
	const VkImageDrmFormatModifierExplicitCreateInfoEXT modifier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_EXPLICIT_CREATE_INFO_EXT,
		.drmFormatModifierPlaneCount = 1,
		.pPlaneLayouts = &layout};
	const VkExternalMemoryImageCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		.pNext = &modifier,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT};
	const VkImageCreateInfo create = {.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
					  .pNext = &external,
					  .imageType = VK_IMAGE_TYPE_2D,
					  .format = (VkFormat)frame->format->vulkan,
					  .extent = {frame->width, frame->height, 1},
					  .mipLevels = 1,
					  .arrayLayers = 1,
					  .samples = VK_SAMPLE_COUNT_1_BIT,
					  .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
					  .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
					  .initialLayout = VK_IMAGE_LAYOUT_UNDEFINED};
	return vkCreateImage(vk->device, &create, NULL, &source->image) == VK_SUCCESS;
}

bool source_import_dma_buf_image(struct vk *vk, struct source *source, const struct frame *frame)
{
	bool dedicated;
	if (!vk->dma_buf_images || !image_importable(vk, frame, &dedicated) ||
	    !create_image(vk, source, frame)) {
		return false;
	}
	VkMemoryRequirements needs;
	vkGetImageMemoryRequirements(vk->device, source->image, &needs);
	const VkMemoryDedicatedAllocateInfo alone = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO, .image = source->image};
	if (needs.size > frame->memory->size ||
	    !import_fd(vk, source, frame, needs.memoryTypeBits, dedicated ? &alone : NULL) ||
	    vkBindImageMemory(vk->device, source->image, source->memory, 0) != VK_SUCCESS) {
		source_free(vk, source);
		return false;
	}
	source->path = SOURCE_DMA_BUF;
	return true;
}

bool source_make_copy(struct vk *vk, struct source *source, const struct frame *frame)
{
	source->stride = frame->width * FORMAT_PIXEL_BYTES;
	source->first = 0;
	VkDeviceSize size = (VkDeviceSize)source->stride * frame->height;
	if (!map(source, frame, 1) ||
	    !vk_host_buffer_init(vk, &source->staging, size, VK_BUFFER_USAGE_TRANSFER_SRC_BIT)) {
		source_free(vk, source);
		log_error("a picture of %ux%u can neither be imported nor copied", frame->width,
			  frame->height);
		return false;
	}
	source->buffer = source->staging.buffer;
	source->path = SOURCE_COPY;
	return true;
}

void source_free(struct vk *vk, struct source *source)
{
	if (source->path == SOURCE_COPY) {
		source->buffer = VK_NULL_HANDLE; /* the staging buffer's */
	}
	vkDestroyImage(vk->device, source->image, NULL);
	vkDestroyBuffer(vk->device, source->buffer, NULL);
	/* The driver lets go of the pages before they are unmapped. */
	vkFreeMemory(vk->device, source->memory, NULL);
	vk_host_buffer_finish(vk, &source->staging);
	if (source->mapping != NULL) {
		munmap(source->mapping, source->mapping_size);
	}
	source->image = VK_NULL_HANDLE;
	source->buffer = VK_NULL_HANDLE;
	source->memory = VK_NULL_HANDLE;
	source->mapping = NULL;
	source->path = SOURCE_NONE;
}
