/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "chain.h"
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/*
 * Memory that may be exported as a dma-buf, or is imported from such an export, is a memfd: mapped,
 * and given to the driver as a host pointer. So is an import of guest pages that came as a list
 * (pages.c). Everything else is the driver's own.
 *
 * Cost. One allocation is five system calls, one fd and one mapping, and the driver pins or
 * faults its pages: some 20 us for 64 KiB on a CPU driver, ten times that where a GPU pins them.
 * Venus allocates in blocks of its own, so this is not on the path of a frame; an application
 * that allocates small pieces feels it. A pool of memfds would help, but a handed-out fd shows the
 * whole file, so a memfd could be reused only after it was proven that no duplicate of it lives.
 */

struct memory {
	struct backing backing;
};

void memory_release(void *memory)
{
	struct memory *mem = memory;
	if (mem) {
		backing_finish(&mem->backing);
		free(mem);
	}
}

/* An fd that passes for a dma-buf: a memfd, or pages of the guest. */
static bool is_ours(int fd)
{
	return backing_is_memfd(fd) || pages_is(fd);
}

/* What the layer reads of an allocation. */
struct request {
	bool exports; /* as DMA_BUF */
	const VkImportMemoryFdInfoKHR *import; /* of a DMA_BUF that is none, or NULL */
	uint32_t type; /* the driver's */
};

static struct request memory_parse(const struct device *device, const VkMemoryAllocateInfo *info)
{
	const struct physdev *physdev = device->physdev;
	const VkExternalMemoryHandleTypeFlagBits dma_buf =
		VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
	struct request request = {.type = info->memoryTypeIndex};
	if (request.type == physdev->local_type) {
		request.type = physdev->local_target;
	}
	const VkExportMemoryAllocateInfo *export =
		chain_find(info->pNext, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO);
	request.exports = export && (export->handleTypes & dma_buf);
	const VkImportMemoryFdInfoKHR *import =
		chain_find(info->pNext, VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR);
	if (import && import->handleType == dma_buf &&
	    (is_ours(import->fd) || !physdev->imports_dma_buf)) {
		request.import = import;
	} else if (import) {
		request.exports = false; /* what it imports is the driver's own */
	}
	return request;
}

/* Imports `backing` into the driver in the place of what the application asked for. */
static VkResult memory_import(struct device *device, const VkMemoryAllocateInfo *info,
			      uint32_t type, const struct backing *backing,
			      const VkAllocationCallbacks *allocator, VkDeviceMemory *out)
{
	/* A host pointer cannot be a dedicated allocation (VUID-VkMemoryAllocateInfo-pNext-02806). */
	static const VkStructureType drop[] = {
		VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
		VK_STRUCTURE_TYPE_DEDICATED_ALLOCATION_MEMORY_ALLOCATE_INFO_NV,
	};
	struct chain_storage storage;
	VkImportMemoryHostPointerInfoEXT pointer = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
		.pHostPointer = backing->data,
	};
	if (!chain_without(info->pNext, drop, sizeof(drop) / sizeof(*drop), &storage,
			   &pointer.pNext)) {
		return VK_ERROR_UNKNOWN;
	}
	VkMemoryAllocateInfo imported = *info;
	imported.pNext = &pointer;
	imported.allocationSize = backing->size;
	imported.memoryTypeIndex = type;
	return device->next.AllocateMemory(device->handle, &imported, allocator, out);
}

/* An allocation that stays the driver's own; the synthetic type must not reach it. */
static VkResult memory_pass(struct device *device, const VkMemoryAllocateInfo *info, uint32_t type,
			    const VkAllocationCallbacks *allocator, VkDeviceMemory *out)
{
	VkMemoryAllocateInfo passed = *info;
	passed.memoryTypeIndex = type;
	return device->next.AllocateMemory(device->handle, &passed, allocator, out);
}

/* Makes or adopts the memfd of a request. The fd of an import is taken even so: memory_abandon
 * gives it back. */
static VkResult memory_create(const struct physdev *physdev, const struct request *request,
			      VkDeviceSize size, struct memory **out)
{
	if (request->type >= 32 || !(physdev->host_types & (1u << request->type))) {
		layer_debug("memory type %u takes no host pointer", request->type);
		return request->import ? VK_ERROR_INVALID_EXTERNAL_HANDLE
				       : VK_ERROR_OUT_OF_DEVICE_MEMORY;
	}
	struct memory *mem = calloc(1, sizeof(*mem));
	if (!mem) {
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	const VkDeviceSize alignment = physdev->alignment;
	int error;
	if (!request->import) {
		error = backing_create(&mem->backing, size, alignment);
	} else if (pages_is(request->import->fd)) {
		error = pages_adopt(&mem->backing, request->import->fd, size, alignment);
	} else {
		error = backing_adopt(&mem->backing, request->import->fd, size, alignment);
	}
	if (error < 0) {
		free(mem);
		return backing_result(error);
	}
	*out = mem;
	return VK_SUCCESS;
}

/* After a failure: the fd of an import stays the caller's. */
static void memory_abandon(struct memory *mem, const struct request *request)
{
	if (request->import) {
		mem->backing.fd = -1;
	}
	memory_release(mem);
}

VKAPI_ATTR VkResult VKAPI_CALL hm_AllocateMemory(VkDevice handle, const VkMemoryAllocateInfo *info,
						 const VkAllocationCallbacks *allocator,
						 VkDeviceMemory *out)
{
	struct device *device = device_of(handle);
	struct request request = memory_parse(device, info);
	if (!request.exports && !request.import) {
		return memory_pass(device, info, request.type, allocator, out);
	}
	struct memory *mem = NULL;
	VkResult result = memory_create(device->physdev, &request, info->allocationSize, &mem);
	if (result != VK_SUCCESS) {
		return result;
	}
	result = memory_import(device, info, request.type, &mem->backing, allocator, out);
	if (result == VK_ERROR_INVALID_EXTERNAL_HANDLE && !request.import) {
		/* The application gave nothing that could be invalid. */
		result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
	}
	if (result == VK_SUCCESS && !map_put(&device->memories, HANDLE_KEY(*out), mem)) {
		device->next.FreeMemory(device->handle, *out, allocator);
		*out = VK_NULL_HANDLE;
		result = VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	if (result != VK_SUCCESS) {
		memory_abandon(mem, &request);
	}
	return result;
}

VKAPI_ATTR void VKAPI_CALL hm_FreeMemory(VkDevice handle, VkDeviceMemory memory,
					 const VkAllocationCallbacks *allocator)
{
	struct device *device = device_of(handle);
	struct memory *mem = memory ? map_take(&device->memories, HANDLE_KEY(memory)) : NULL;
	device->next.FreeMemory(handle, memory, allocator);
	memory_release(mem);
}

VKAPI_ATTR VkResult VKAPI_CALL hm_GetMemoryFdKHR(VkDevice handle, const VkMemoryGetFdInfoKHR *info,
						 int *fd)
{
	struct device *device = device_of(handle);
	struct memory *mem = map_get(&device->memories, HANDLE_KEY(info->memory));
	if (!mem) {
		return device->next.GetMemoryFdKHR ? device->next.GetMemoryFdKHR(handle, info, fd)
						   : VK_ERROR_UNKNOWN;
	}
	if (info->handleType != VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT) {
		return VK_ERROR_UNKNOWN; /* compatibleHandleTypes says that nothing else goes */
	}
	*fd = fcntl(mem->backing.fd, F_DUPFD_CLOEXEC, 0);
	return *fd < 0 ? backing_result(-errno) : VK_SUCCESS;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_GetMemoryFdPropertiesKHR(VkDevice handle,
							   VkExternalMemoryHandleTypeFlagBits type,
							   int fd,
							   VkMemoryFdPropertiesKHR *properties)
{
	struct device *device = device_of(handle);
	const struct physdev *physdev = device->physdev;
	if (type == VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT && is_ours(fd)) {
		if (pages_is(fd) && !pages_hold(fd)) {
			return VK_ERROR_INVALID_EXTERNAL_HANDLE;
		}
		properties->memoryTypeBits = physdev->host_types;
		if (physdev->local_type != UINT32_MAX) {
			properties->memoryTypeBits |= 1u << physdev->local_type;
		}
		return VK_SUCCESS;
	}
	if (!device->next.GetMemoryFdPropertiesKHR) {
		return VK_ERROR_INVALID_EXTERNAL_HANDLE;
	}
	return device->next.GetMemoryFdPropertiesKHR(handle, type, fd, properties);
}
