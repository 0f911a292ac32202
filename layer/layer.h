/* SPDX-License-Identifier: MIT */
#ifndef LAYER_LAYER_H
#define LAYER_LAYER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vulkan/vulkan_core.h>
#include <vulkan/vk_layer.h>

#include "objects.h"

/*
 * What the layer's files share: one struct per dispatchable handle, and the calls down the chain.
 * entry.c has the theory of operation.
 *
 * Every function here may be called on any thread. The structs are written only while they are
 * made; after that only their maps, locks and what is _Atomic change.
 */

#define LAYER_NAME "VK_LAYER_HESPER_host_memory"

/* What the next layer or the driver offers, by Vulkan name without "vk". Where it has the call
 * only under its KHR or EXT name, that one is here. NULL: not there. */
#define INSTANCE_CALLS(X)                                                                          \
	X(DestroyInstance)                                                                         \
	X(EnumerateDeviceExtensionProperties)                                                      \
	X(GetPhysicalDeviceExternalBufferProperties)                                               \
	X(GetPhysicalDeviceExternalSemaphoreProperties)                                            \
	X(GetPhysicalDeviceFormatProperties2)                                                      \
	X(GetPhysicalDeviceImageFormatProperties2)                                                 \
	X(GetPhysicalDeviceMemoryProperties)                                                       \
	X(GetPhysicalDeviceMemoryProperties2)                                                      \
	X(GetPhysicalDeviceProperties2)                                                            \
	X(GetPhysicalDeviceQueueFamilyProperties)

#define DEVICE_CALLS(X)                                                                            \
	X(AllocateMemory)                                                                          \
	X(CreateBuffer)                                                                            \
	X(CreateFence)                                                                             \
	X(CreateImage)                                                                             \
	X(CreateSemaphore)                                                                         \
	X(DestroyBuffer)                                                                           \
	X(DestroyDevice)                                                                           \
	X(DestroyFence)                                                                            \
	X(DestroyImage)                                                                            \
	X(FreeMemory)                                                                              \
	X(GetBufferMemoryRequirements)                                                             \
	X(GetBufferMemoryRequirements2)                                                            \
	X(GetDeviceBufferMemoryRequirements)                                                       \
	X(GetDeviceImageMemoryRequirements)                                                        \
	X(GetDeviceImageSubresourceLayout)                                                         \
	X(GetDeviceQueue2)                                                                         \
	X(GetDeviceQueue)                                                                          \
	X(GetImageMemoryRequirements)                                                              \
	X(GetImageMemoryRequirements2)                                                             \
	X(GetImageSubresourceLayout)                                                               \
	X(GetImageSubresourceLayout2)                                                              \
	X(GetMemoryFdKHR)                                                                          \
	X(GetMemoryFdPropertiesKHR)                                                                \
	X(GetMemoryHostPointerPropertiesEXT)                                                       \
	X(GetSemaphoreFdKHR)                                                                       \
	X(ImportSemaphoreFdKHR)                                                                    \
	X(QueueBindSparse)                                                                         \
	X(QueuePresentKHR)                                                                         \
	X(QueueSubmit)                                                                             \
	X(QueueSubmit2)                                                                            \
	X(WaitForFences)

#define DECLARE_CALL(name) PFN_vk##name name;
struct instance_calls {
	INSTANCE_CALLS(DECLARE_CALL)
};
struct device_calls {
	DEVICE_CALLS(DECLARE_CALL)
};
#undef DECLARE_CALL

struct instance {
	VkInstance handle;
	PFN_vkGetInstanceProcAddr next_proc;
	struct instance_calls next;
	PFN_vkLayerCreateDevice create_device; /* of the loader, for the probe's device */
	PFN_vkLayerDestroyDevice destroy_device;
	bool usable; /* Vulkan >= 1.1 and the loader's callbacks: without, all passes through */
	struct map physdevs; /* VkPhysicalDevice -> struct physdev, made when first asked for */
	_Atomic bool short_of_memory; /* a probe was, so there is no device: see physdev_of */
};

/* A physical device and what the driver below really offers: physdev.c finds out. */
struct physdev {
	struct instance *instance;
	VkPhysicalDevice handle;
	bool active; /* false: the layer stays out, and nothing below means anything */

	/* Extensions that the driver lists itself. */
	bool has_memory_fd, has_dma_buf, has_semaphore_fd, has_modifier;
	bool imports_dma_buf; /* the driver takes real dma-bufs */
	bool emulates_sync_fd; /* the driver's semaphores know no SYNC_FD import */

	VkDeviceSize alignment; /* minImportedHostPointerAlignment */
	uint32_t host_types; /* bit i: the driver's memory type i takes a mapped memfd */
	VkPhysicalDeviceMemoryProperties memory; /* as the application shall see it */
	uint32_t local_type; /* index of the synthetic DEVICE_LOCAL type; UINT32_MAX: none */
	uint32_t local_target; /* the driver's type that it stands for */
};

struct device {
	VkDevice handle;
	struct physdev *physdev;
	PFN_vkGetDeviceProcAddr next_proc;
	struct device_calls next;
	bool active;
	struct map memories; /* VkDeviceMemory -> struct memory (memory.c) */
	struct map buffers; /* VkBuffer -> its struct device: the external ones (resource.c) */
	struct map images; /* VkImage -> struct image: external or with modifier (resource.h) */

	/* Only with physdev->emulates_sync_fd (semaphore.c). */
	pthread_mutex_t submit_lock; /* all queues: the layer submits to them, too */
	VkQueue *queues;
	uint32_t queue_count;
};

/* What an object has in common with its instance, or its device: the first word of a dispatchable
 * handle is the loader's dispatch table. An instance and its physical devices have one, a device
 * and its queues another. */
static inline uint64_t dispatch_key(void *handle)
{
	return (uint64_t)(uintptr_t)*(void **)handle;
}

/* Not NULL for a handle whose creation has returned. */
struct instance *instance_of(void *instance_or_physical_device);
struct device *device_of(void *device_or_queue);

/* Probes on the first call. NULL for an instance that is not `usable`, and for what the probe itself
 * asks: treat it like one that is not active. NULL also when out of memory: then, and from then on
 * (what was said of a device must stay true), its instance is short_of_memory. */
struct physdev *physdev_of(VkPhysicalDevice handle);

/* Whether physdev_of was NULL because it was out of memory. */
bool physdev_is_unknown(VkPhysicalDevice handle);

/* As physdev_of; NULL unless the layer works on this device. */
struct physdev *physdev_of_active(VkPhysicalDevice handle);

/* The memory types that take a mapped memfd: one bit each (probe.c). Wants `memory` and `alignment`
 * of the physdev. 0 also when the driver makes no device. False when out of memory. */
bool probe_host_types(const struct physdev *physdev, uint32_t *types);

/* The value for `map` of a handle that is not dispatchable. */
#define HANDLE_KEY(handle) ((uint64_t)(handle))

/* Fill a table of calls from the next layer's. */
void instance_load(struct instance *instance);
void device_load(struct device *device);

/* One line to stderr, only with HESPER_HOST_MEMORY_DEBUG set. */
void layer_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* HESPER_HOST_MEMORY=always: work even where the driver exports dma-bufs itself. */
bool layer_is_forced(void);

#endif
