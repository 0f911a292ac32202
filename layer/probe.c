/* SPDX-License-Identifier: MIT */
#include "hooks.h"
#include "memory.h"

/*
 * Which memory types take a mapped memfd as a host pointer.
 *
 * Only a device can say: vkGetMemoryHostPointerPropertiesEXT is a device command. And some drivers
 * answer it well for memory that they then refuse (amdgpu takes anonymous memory only). So the
 * probe makes a device of its own, below this layer, and really imports one memfd into each type.
 */

/* Imports a memfd into one memory type, and frees it again. */
static bool probe_try_type(const struct device_calls *next, VkDevice device, uint32_t type,
			   const struct backing *backing)
{
	VkImportMemoryHostPointerInfoEXT pointer = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
		.pHostPointer = backing->data,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &pointer,
		.allocationSize = backing->size,
		.memoryTypeIndex = type,
	};
	VkDeviceMemory memory;
	if (next->AllocateMemory(device, &info, NULL, &memory) != VK_SUCCESS) {
		return false;
	}
	next->FreeMemory(device, memory, NULL);
	return true;
}

static bool probe_try_types(const struct physdev *physdev, VkDevice device,
			    PFN_vkGetDeviceProcAddr next_proc, uint32_t *types)
{
	struct device probe = {.handle = device, .next_proc = next_proc};
	device_load(&probe);
	struct backing backing;
	if (!probe.next.GetMemoryHostPointerPropertiesEXT) {
		return true;
	}
	if (backing_create(&backing, physdev->alignment, physdev->alignment) < 0) {
		return false;
	}
	VkMemoryHostPointerPropertiesEXT properties = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT,
	};
	VkResult result = probe.next.GetMemoryHostPointerPropertiesEXT(
		device, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT, backing.data,
		&properties);
	for (uint32_t i = 0; result == VK_SUCCESS && i < physdev->memory.memoryTypeCount; i++) {
		if ((properties.memoryTypeBits & (1u << i)) &&
		    probe_try_type(&probe.next, device, i, &backing)) {
			*types |= 1u << i;
		}
	}
	backing_finish(&backing);
	return true;
}

bool probe_host_types(const struct physdev *physdev, uint32_t *types)
{
	static const char *const extensions[] = {"VK_EXT_external_memory_host"};
	static const float priority = 1.0f;
	const struct instance *instance = physdev->instance;
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.enabledExtensionCount = 1,
		.ppEnabledExtensionNames = extensions,
	};
	VkDevice device = VK_NULL_HANDLE;
	PFN_vkGetDeviceProcAddr next_proc = NULL;
	VkResult result = instance->create_device(instance->handle, physdev->handle, &info, NULL,
						  &device, hm_GetInstanceProcAddr, &next_proc);
	*types = 0;
	if (result != VK_SUCCESS) {
		layer_debug("no device for the probe: VkResult %d", result);
		return result != VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	bool right = probe_try_types(physdev, device, next_proc, types);
	instance->destroy_device(device, NULL,
				 (PFN_vkDestroyDevice)next_proc(device, "vkDestroyDevice"));
	return right;
}
