/* SPDX-License-Identifier: MIT */
#include "gate.h"
#include "hooks.h"
#include "memory.h"

#include <string.h>

/*
 * VK_LAYER_HESPER_host_memory: memory that any process can map, from drivers that cannot export it.
 *
 * virglrenderer needs every HOST_VISIBLE allocation as an fd that can be mapped into a guest, and a
 * viewer needs the frame's memory as an fd that it can import. A driver that exports dma-bufs gives
 * both. Some cannot: lavapipe without /dev/udmabuf, NVIDIA's without a DRM node. But those import
 * memory of the application: VK_EXT_external_memory_host. So the layer turns it round. What may be
 * exported is first made, as a sealed memfd, then mapped, and the mapping imported; "export" hands
 * out a duplicate of the memfd under the name of a dma-buf. Who imports it maps it and imports that
 * mapping: all of them share the pages.
 *
 * The rest is what makes the application (virglrenderer, and Mesa in the guest) believe it:
 *
 *   caps.c          extensions, memory types, formats, semaphores as the application sees them
 *   caps_external.c likewise external buffers and images
 *   physdev.c       what the driver can really do; probe.c asks a device of the layer's own
 *   memory.c        allocation, export, import; backing.c has the memfds, pages.c the guest's RAM
 *   resource.c      external buffers and images, as the driver must see them
 *   requirements.c  which memory types these offer
 *   modifier.c      DRM format modifiers, LINEAR alone
 *   semaphore.c     SYNC_FD semaphores where the driver has none; queue.c goes with it
 *   gate.c          what hesperd lets nobody draw into yet, because a viewer reads it
 *   preload.c       for virglrenderer 1.1 and drivers that do not survive a fork
 *
 * On a device that needs none of this (no VK_EXT_external_memory_host, or dma-buf export of its
 * own) the layer stays out of the way: all calls go straight down.
 *
 * What a memfd is not: it has no implicit synchronisation and no DMA_BUF ioctls. Whoever shows a
 * frame must know that the guest's fence has signalled. F_GET_SEALS tells it from a dma-buf.
 *
 * Threads. Any thread may call anything, as Vulkan has it. The layer's state is in hash maps, each
 * with a lock that is held for a look-up and never over a call down.
 *
 * Down the chain. Each instance and device has a table of the next layer's commands; the loader's
 * own entry points are never called (nor linked). A command that needs no change costs nothing:
 * vkGetDeviceProcAddr answers with the next layer's pointer.
 */

enum condition {
	NEEDS_NEXT, /* offered if the driver has it, too */
	MEMORY_FD, /* the layer has it even if the driver does not */
	MODIFIER, /* likewise */
	SYNC_FD, /* likewise, but only where SYNC_FD is emulated */
	SYNC_FD_NEXT, /* only where SYNC_FD is emulated, and the driver has it */
	SUBMITS, /* the same, or where there is a gate */
};

struct command {
	const char *name;
	PFN_vkVoidFunction hook;
	enum condition condition;
};

#define COMMAND(name, suffix, condition)                                                           \
	{"vk" #name #suffix, (PFN_vkVoidFunction)hm_##name, condition}

static const struct command instance_commands[] = {
	COMMAND(GetInstanceProcAddr, , NEEDS_NEXT),
	COMMAND(CreateInstance, , NEEDS_NEXT),
	COMMAND(DestroyInstance, , NEEDS_NEXT),
	COMMAND(CreateDevice, , NEEDS_NEXT),
	COMMAND(GetDeviceProcAddr, , NEEDS_NEXT),
	COMMAND(EnumerateDeviceExtensionProperties, , NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceMemoryProperties, , NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceMemoryProperties2, , NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceMemoryProperties2, KHR, NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceExternalBufferProperties, , NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceExternalBufferProperties, KHR, NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceExternalSemaphoreProperties, , NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceExternalSemaphoreProperties, KHR, NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceFormatProperties2, , NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceFormatProperties2, KHR, NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceImageFormatProperties2, , NEEDS_NEXT),
	COMMAND(GetPhysicalDeviceImageFormatProperties2, KHR, NEEDS_NEXT),
};

/* Of a device on which the layer works. */
static const struct command device_commands[] = {
	COMMAND(AllocateMemory, , NEEDS_NEXT),
	COMMAND(FreeMemory, , NEEDS_NEXT),
	COMMAND(GetMemoryFdKHR, , MEMORY_FD),
	COMMAND(GetMemoryFdPropertiesKHR, , MEMORY_FD),
	COMMAND(CreateBuffer, , NEEDS_NEXT),
	COMMAND(DestroyBuffer, , NEEDS_NEXT),
	COMMAND(CreateImage, , NEEDS_NEXT),
	COMMAND(DestroyImage, , NEEDS_NEXT),
	COMMAND(GetBufferMemoryRequirements, , NEEDS_NEXT),
	COMMAND(GetBufferMemoryRequirements2, , NEEDS_NEXT),
	COMMAND(GetBufferMemoryRequirements2, KHR, NEEDS_NEXT),
	COMMAND(GetDeviceBufferMemoryRequirements, , NEEDS_NEXT),
	COMMAND(GetDeviceBufferMemoryRequirements, KHR, NEEDS_NEXT),
	COMMAND(GetImageMemoryRequirements, , NEEDS_NEXT),
	COMMAND(GetImageMemoryRequirements2, , NEEDS_NEXT),
	COMMAND(GetImageMemoryRequirements2, KHR, NEEDS_NEXT),
	COMMAND(GetDeviceImageMemoryRequirements, , NEEDS_NEXT),
	COMMAND(GetDeviceImageMemoryRequirements, KHR, NEEDS_NEXT),
	COMMAND(GetImageSubresourceLayout, , NEEDS_NEXT),
	COMMAND(GetImageSubresourceLayout2, , NEEDS_NEXT),
	COMMAND(GetImageSubresourceLayout2, KHR, NEEDS_NEXT),
	COMMAND(GetImageSubresourceLayout2, EXT, NEEDS_NEXT),
	COMMAND(GetDeviceImageSubresourceLayout, , NEEDS_NEXT),
	COMMAND(GetDeviceImageSubresourceLayout, KHR, NEEDS_NEXT),
	COMMAND(GetImageDrmFormatModifierPropertiesEXT, , MODIFIER),
	COMMAND(CreateSemaphore, , SYNC_FD_NEXT),
	COMMAND(ImportSemaphoreFdKHR, , SYNC_FD),
	COMMAND(GetSemaphoreFdKHR, , SYNC_FD),
	COMMAND(QueueSubmit, , SUBMITS),
	COMMAND(QueueSubmit2, , SUBMITS),
	COMMAND(QueueSubmit2, KHR, SUBMITS),
	COMMAND(QueueBindSparse, , SYNC_FD_NEXT),
	COMMAND(QueuePresentKHR, , SYNC_FD_NEXT),
	COMMAND(QueueWaitIdle, , SYNC_FD_NEXT),
	COMMAND(DeviceWaitIdle, , SYNC_FD_NEXT),
};

static const struct command *command_find(const struct command *table, size_t count,
					  const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) == 0) {
			return &table[i];
		}
	}
	return NULL;
}

static bool command_is_offered(const struct command *command, const struct device *device,
			       PFN_vkVoidFunction next)
{
	bool sync_fd = device->physdev->emulates_sync_fd;
	switch (command->condition) {
	case NEEDS_NEXT:
		return next != NULL;
	case MEMORY_FD:
	case MODIFIER:
		return true;
	case SYNC_FD:
		return sync_fd;
	case SYNC_FD_NEXT:
		return sync_fd && next;
	case SUBMITS:
		return (sync_fd || gate_exists()) && next;
	}
	return false;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL hm_GetDeviceProcAddr(VkDevice handle, const char *name)
{
	if (strcmp(name, "vkGetDeviceProcAddr") == 0) {
		return (PFN_vkVoidFunction)hm_GetDeviceProcAddr;
	}
	if (strcmp(name, "vkDestroyDevice") == 0) {
		return (PFN_vkVoidFunction)hm_DestroyDevice;
	}
	const struct device *device = device_of(handle);
	PFN_vkVoidFunction next = device->next_proc(handle, name);
	if (!device->active) {
		return next;
	}
	const struct command *command = command_find(
		device_commands, sizeof(device_commands) / sizeof(*device_commands), name);
	return command && command_is_offered(command, device, next) ? command->hook : next;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL hm_GetInstanceProcAddr(VkInstance handle, const char *name)
{
	const struct command *command = command_find(
		instance_commands, sizeof(instance_commands) / sizeof(*instance_commands), name);
	const struct instance *instance = handle ? instance_of(handle) : NULL;
	if (!instance) {
		/* The loader asks for these before there is an instance, even with the handle of
		 * the one that is to be. */
		bool global =
			command && (command->hook == (PFN_vkVoidFunction)hm_CreateInstance ||
				    command->hook == (PFN_vkVoidFunction)hm_GetInstanceProcAddr);
		return global ? command->hook : NULL;
	}
	PFN_vkVoidFunction next = instance->next_proc(handle, name);
	return command && next ? command->hook : next;
}

__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version)
{
	if (version->sType != LAYER_NEGOTIATE_INTERFACE_STRUCT ||
	    version->loaderLayerInterfaceVersion < 2) {
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	version->loaderLayerInterfaceVersion = 2;
	version->pfnGetInstanceProcAddr = hm_GetInstanceProcAddr;
	version->pfnGetDeviceProcAddr = hm_GetDeviceProcAddr;
	version->pfnGetPhysicalDeviceProcAddr = NULL;
	return VK_SUCCESS;
}
