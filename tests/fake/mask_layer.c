/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan_core.h>
#include <vulkan/vk_layer.h>

/*
 * A fake for the tests of layer/: below it, it makes lavapipe look like a discrete GPU without any
 * export of memory.
 *
 *   memory types     0: DEVICE_LOCAL   1: HOST_VISIBLE, system memory   2: both, a mapped BAR
 *   host pointers    into type 1 only; but vkGetMemoryHostPointerPropertiesEXT lists 2 as well,
 *                    as drivers do that find out in vkAllocateMemory
 *   images           external ones import no host pointer
 *   missing          VK_EXT_external_memory_dma_buf, VK_KHR_external_memory_fd,
 *                    VK_KHR_external_semaphore_fd
 *
 * It aborts when it sees what such a driver could not take: those extensions, a modifier, an
 * external image, an fd, a SYNC_FD semaphore, memory type 3, or two submissions to a queue at once.
 * HESPER_MASK_FAIL_ALLOCATION=N makes the Nth import of a host pointer fail, the probe's excepted.
 *
 * One instance and one device at a time are enough of a life for it (and a second one, which
 * shares the tables).
 */

enum { type_local, type_host, type_bar, type_count };
static const uint32_t all_types = (1u << type_count) - 1;

static PFN_vkGetInstanceProcAddr next_instance_proc;
static PFN_vkGetDeviceProcAddr next_device_proc;
static VkInstance instance;
static VkDevice device; /* the newest: lavapipe's commands are the same for all of them */
static int submitting;

static void refuse(const char *what)
{
	fprintf(stderr, "mask: the driver was given %s\n", what);
	abort();
}

#define NEXT(name) ((PFN_vk##name)next_instance_proc(instance, "vk" #name))
#define NEXT_DEVICE(handle, name) ((PFN_vk##name)next_device_proc(handle, "vk" #name))

static const void *find(const void *next, VkStructureType type)
{
	const VkBaseInStructure *item = next;
	while (item && item->sType != type) {
		item = item->pNext;
	}
	return item;
}

static bool is_hidden(const char *name)
{
	static const char *const hidden[] = {
		"VK_EXT_external_memory_dma_buf",
		"VK_KHR_external_memory_fd",
		"VK_KHR_external_semaphore_fd",
		"VK_EXT_image_drm_format_modifier",
	};
	for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++) {
		if (strcmp(name, hidden[i]) == 0) {
			return true;
		}
	}
	return false;
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_EnumerateDeviceExtensionProperties(
	VkPhysicalDevice physical, const char *layer, uint32_t *count, VkExtensionProperties *out)
{
	VkExtensionProperties list[512];
	uint32_t total = 512, kept = 0;
	if (layer || NEXT(EnumerateDeviceExtensionProperties)(physical, NULL, &total, list)) {
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	for (uint32_t i = 0; i < total; i++) {
		if (!is_hidden(list[i].extensionName)) {
			list[kept++] = list[i];
		}
	}
	if (!out) {
		*count = kept;
		return VK_SUCCESS;
	}
	VkResult result = *count < kept ? VK_INCOMPLETE : VK_SUCCESS;
	*count = *count < kept ? *count : kept;
	memcpy(out, list, *count * sizeof(*out));
	return result;
}

static void mask_memory(VkPhysicalDeviceMemoryProperties *out)
{
	const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
	const VkMemoryPropertyFlags coherent =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	VkDeviceSize size = out->memoryHeaps[0].size;
	*out = (VkPhysicalDeviceMemoryProperties){
		.memoryTypeCount = type_count,
		.memoryTypes = {{local, 0},
				{coherent | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, 1},
				{local | coherent, 0}},
		.memoryHeapCount = 2,
		.memoryHeaps = {{size, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT}, {size, 0}},
	};
}

static VKAPI_ATTR void VKAPI_CALL mask_GetPhysicalDeviceMemoryProperties(
	VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *out)
{
	NEXT(GetPhysicalDeviceMemoryProperties)(physical, out);
	mask_memory(out);
}

static VKAPI_ATTR void VKAPI_CALL mask_GetPhysicalDeviceMemoryProperties2(
	VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 *out)
{
	NEXT(GetPhysicalDeviceMemoryProperties2)(physical, out);
	mask_memory(&out->memoryProperties);
}

static VKAPI_ATTR void VKAPI_CALL mask_GetPhysicalDeviceExternalBufferProperties(
	VkPhysicalDevice physical, const VkPhysicalDeviceExternalBufferInfo *info,
	VkExternalBufferProperties *out)
{
	if (info->handleType == VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT) {
		NEXT(GetPhysicalDeviceExternalBufferProperties)(physical, info, out);
	} else {
		out->externalMemoryProperties = (VkExternalMemoryProperties){0};
	}
}

static VKAPI_ATTR void VKAPI_CALL mask_GetPhysicalDeviceExternalSemaphoreProperties(
	VkPhysicalDevice physical, const VkPhysicalDeviceExternalSemaphoreInfo *info,
	VkExternalSemaphoreProperties *out)
{
	out->exportFromImportedHandleTypes = 0;
	out->compatibleHandleTypes = 0;
	out->externalSemaphoreFeatures = 0;
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_GetPhysicalDeviceImageFormatProperties2(
	VkPhysicalDevice physical, const VkPhysicalDeviceImageFormatInfo2 *info,
	VkImageFormatProperties2 *out)
{
	if (info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT) {
		refuse("a question about modifiers");
	}
	if (find(info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO)) {
		return VK_ERROR_FORMAT_NOT_SUPPORTED;
	}
	return NEXT(GetPhysicalDeviceImageFormatProperties2)(physical, info, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_AllocateMemory(VkDevice handle,
							  const VkMemoryAllocateInfo *info,
							  const VkAllocationCallbacks *allocator,
							  VkDeviceMemory *out)
{
	static int imports;
	const char *fail = getenv("HESPER_MASK_FAIL_ALLOCATION");
	bool pointer =
		find(info->pNext, VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT) != NULL;
	if (info->memoryTypeIndex >= type_count) {
		refuse("a memory type that it does not have");
	}
	if (find(info->pNext, VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR) ||
	    find(info->pNext, VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO)) {
		refuse("memory to export, or an fd to import");
	}
	if (pointer && find(info->pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO)) {
		refuse("a host pointer as a dedicated allocation");
	}
	if (pointer && info->memoryTypeIndex != type_host) {
		return VK_ERROR_INVALID_EXTERNAL_HANDLE;
	}
	if (pointer && fail && ++imports == atoi(fail) + 1) {
		return VK_ERROR_OUT_OF_DEVICE_MEMORY;
	}
	VkMemoryAllocateInfo real = *info;
	real.memoryTypeIndex = 0;
	return NEXT_DEVICE(handle, AllocateMemory)(handle, &real, allocator, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL
mask_GetMemoryHostPointerPropertiesEXT(VkDevice handle, VkExternalMemoryHandleTypeFlagBits type,
				       const void *pointer, VkMemoryHostPointerPropertiesEXT *out)
{
	out->memoryTypeBits = (1u << type_host) | (1u << type_bar);
	return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_CreateImage(VkDevice handle,
						       const VkImageCreateInfo *info,
						       const VkAllocationCallbacks *allocator,
						       VkImage *out)
{
	if (info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT ||
	    find(info->pNext, VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO)) {
		refuse("an external image, or one with a modifier");
	}
	return NEXT_DEVICE(handle, CreateImage)(handle, info, allocator, out);
}

#define REQUIREMENTS(name, type)                                                                   \
	static VKAPI_ATTR void VKAPI_CALL mask_##name(VkDevice handle, type info,                  \
						      VkMemoryRequirements *out)                   \
	{                                                                                          \
		NEXT_DEVICE(handle, name)(handle, info, out);                                      \
		out->memoryTypeBits = all_types;                                                   \
	}
#define REQUIREMENTS2(name, type)                                                                  \
	static VKAPI_ATTR void VKAPI_CALL mask_##name(VkDevice handle, const type *info,           \
						      VkMemoryRequirements2 *out)                  \
	{                                                                                          \
		NEXT_DEVICE(handle, name)(handle, info, out);                                      \
		out->memoryRequirements.memoryTypeBits = all_types;                                \
		VkMemoryDedicatedRequirements *dedicated =                                         \
			(void *)find(out->pNext, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS); \
		if (dedicated) {                                                                   \
			dedicated->prefersDedicatedAllocation = VK_TRUE;                           \
		}                                                                                  \
	}
REQUIREMENTS(GetBufferMemoryRequirements, VkBuffer)
REQUIREMENTS(GetImageMemoryRequirements, VkImage)
REQUIREMENTS2(GetBufferMemoryRequirements2, VkBufferMemoryRequirementsInfo2)
REQUIREMENTS2(GetImageMemoryRequirements2, VkImageMemoryRequirementsInfo2)
REQUIREMENTS2(GetDeviceBufferMemoryRequirements, VkDeviceBufferMemoryRequirements)
REQUIREMENTS2(GetDeviceImageMemoryRequirements, VkDeviceImageMemoryRequirements)

static VKAPI_ATTR VkResult VKAPI_CALL mask_CreateSemaphore(VkDevice handle,
							   const VkSemaphoreCreateInfo *info,
							   const VkAllocationCallbacks *allocator,
							   VkSemaphore *out)
{
	if (find(info->pNext, VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO)) {
		refuse("a semaphore to export");
	}
	return NEXT_DEVICE(handle, CreateSemaphore)(handle, info, allocator, out);
}

static void submit_begin(void)
{
	if (__atomic_add_fetch(&submitting, 1, __ATOMIC_SEQ_CST) != 1) {
		refuse("two submissions to its queue at once");
	}
}

static void submit_end(void)
{
	__atomic_sub_fetch(&submitting, 1, __ATOMIC_SEQ_CST);
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_QueueSubmit(VkQueue queue, uint32_t count,
						       const VkSubmitInfo *infos, VkFence fence)
{
	submit_begin();
	VkResult result = NEXT_DEVICE(device, QueueSubmit)(queue, count, infos, fence);
	submit_end();
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_QueueSubmit2(VkQueue queue, uint32_t count,
							const VkSubmitInfo2 *infos, VkFence fence)
{
	submit_begin();
	VkResult result = NEXT_DEVICE(device, QueueSubmit2)(queue, count, infos, fence);
	submit_end();
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_QueueWaitIdle(VkQueue queue)
{
	submit_begin();
	VkResult result = NEXT_DEVICE(device, QueueWaitIdle)(queue);
	submit_end();
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_CreateInstance(const VkInstanceCreateInfo *info,
							  const VkAllocationCallbacks *allocator,
							  VkInstance *out)
{
	VkLayerInstanceCreateInfo *link = (void *)info->pNext;
	while (link->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
	       link->function != VK_LAYER_LINK_INFO) {
		link = (void *)link->pNext;
	}
	next_instance_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	link->u.pLayerInfo = link->u.pLayerInfo->pNext;
	VkResult result = ((PFN_vkCreateInstance)next_instance_proc(NULL, "vkCreateInstance"))(
		info, allocator, out);
	instance = *out;
	return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL mask_CreateDevice(VkPhysicalDevice physical,
							const VkDeviceCreateInfo *info,
							const VkAllocationCallbacks *allocator,
							VkDevice *out)
{
	VkLayerDeviceCreateInfo *link = (void *)info->pNext;
	while (link->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
	       link->function != VK_LAYER_LINK_INFO) {
		link = (void *)link->pNext;
	}
	for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
		if (is_hidden(info->ppEnabledExtensionNames[i])) {
			refuse(info->ppEnabledExtensionNames[i]);
		}
	}
	next_device_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
	link->u.pLayerInfo = link->u.pLayerInfo->pNext;
	VkResult result = NEXT(CreateDevice)(physical, info, allocator, out);
	device = *out;
	return result;
}

struct command {
	const char *name;
	PFN_vkVoidFunction hook;
};

static PFN_vkVoidFunction mask_find(const struct command *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) == 0) {
			return table[i].hook;
		}
	}
	return NULL;
}

#define COMMAND(name) {"vk" #name, (PFN_vkVoidFunction)mask_##name}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL mask_GetDeviceProcAddr(VkDevice handle,
								       const char *name)
{
	static const struct command table[] = {
		COMMAND(GetDeviceProcAddr),
		COMMAND(AllocateMemory),
		COMMAND(GetMemoryHostPointerPropertiesEXT),
		COMMAND(CreateImage),
		COMMAND(GetBufferMemoryRequirements),
		COMMAND(GetImageMemoryRequirements),
		COMMAND(GetBufferMemoryRequirements2),
		COMMAND(GetImageMemoryRequirements2),
		COMMAND(GetDeviceBufferMemoryRequirements),
		COMMAND(GetDeviceImageMemoryRequirements),
		COMMAND(CreateSemaphore),
		COMMAND(QueueSubmit),
		COMMAND(QueueSubmit2),
		COMMAND(QueueWaitIdle),
	};
	PFN_vkVoidFunction hook = mask_find(table, sizeof(table) / sizeof(*table), name);
	return hook ? hook : next_device_proc(handle, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL mask_GetInstanceProcAddr(VkInstance handle,
									 const char *name)
{
	static const struct command table[] = {
		COMMAND(GetInstanceProcAddr),
		COMMAND(CreateInstance),
		COMMAND(CreateDevice),
		COMMAND(GetDeviceProcAddr),
		COMMAND(EnumerateDeviceExtensionProperties),
		COMMAND(GetPhysicalDeviceMemoryProperties),
		COMMAND(GetPhysicalDeviceMemoryProperties2),
		COMMAND(GetPhysicalDeviceExternalBufferProperties),
		COMMAND(GetPhysicalDeviceExternalSemaphoreProperties),
		COMMAND(GetPhysicalDeviceImageFormatProperties2),
	};
	PFN_vkVoidFunction hook = mask_find(table, sizeof(table) / sizeof(*table), name);
	return hook || !handle ? hook : next_instance_proc(handle, name);
}

__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version)
{
	version->loaderLayerInterfaceVersion = 2;
	version->pfnGetInstanceProcAddr = mask_GetInstanceProcAddr;
	version->pfnGetDeviceProcAddr = mask_GetDeviceProcAddr;
	version->pfnGetPhysicalDeviceProcAddr = NULL;
	return VK_SUCCESS;
}
