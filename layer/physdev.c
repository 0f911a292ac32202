/* SPDX-License-Identifier: MIT */
#include "layer.h"

#include <stdlib.h>
#include <string.h>

/*
 * What a driver offers is found once per physical device, when something is first asked about it.
 * Two threads may do that at the same time: they find the same, and one result is kept.
 *
 * probe.c makes a device for it. To make one, the loader asks the whole chain, and so this layer
 * again, for the device's extensions. On the thread that probes the layer is therefore not there.
 */
static _Thread_local bool probing;

static bool physdev_has(const VkExtensionProperties *list, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(list[i].extensionName, name) == 0) {
			return true;
		}
	}
	return false;
}

/* Says whether the driver has VK_EXT_external_memory_host. False when out of memory. */
static bool physdev_read_extensions(struct physdev *physdev, bool *has_host)
{
	PFN_vkEnumerateDeviceExtensionProperties enumerate =
		physdev->instance->next.EnumerateDeviceExtensionProperties;
	uint32_t count = 0;
	VkResult result = enumerate(physdev->handle, NULL, &count, NULL);
	if (result != VK_SUCCESS || count == 0) {
		return result != VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	VkExtensionProperties *list = calloc(count, sizeof(*list));
	if (!list || enumerate(physdev->handle, NULL, &count, list) < 0) {
		free(list);
		return false;
	}
	physdev->has_memory_fd = physdev_has(list, count, "VK_KHR_external_memory_fd");
	physdev->has_dma_buf = physdev_has(list, count, "VK_EXT_external_memory_dma_buf");
	physdev->has_semaphore_fd = physdev_has(list, count, "VK_KHR_external_semaphore_fd");
	physdev->has_modifier = physdev_has(list, count, "VK_EXT_image_drm_format_modifier");
	*has_host = physdev_has(list, count, "VK_EXT_external_memory_host");
	free(list);
	return true;
}

static VkExternalMemoryFeatureFlags physdev_native_features(const struct physdev *physdev)
{
	if (!physdev->has_dma_buf || !physdev->has_memory_fd) {
		return 0;
	}
	/* The very question with which virglrenderer decides. */
	VkPhysicalDeviceExternalBufferInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	VkExternalBufferProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
	};
	physdev->instance->next.GetPhysicalDeviceExternalBufferProperties(physdev->handle, &info,
									  &properties);
	return properties.externalMemoryProperties.externalMemoryFeatures;
}

static bool physdev_imports_sync_fd(const struct physdev *physdev)
{
	VkPhysicalDeviceExternalSemaphoreInfo info = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	VkExternalSemaphoreProperties properties = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES,
	};
	physdev->instance->next.GetPhysicalDeviceExternalSemaphoreProperties(physdev->handle, &info,
									     &properties);
	return physdev->has_semaphore_fd && (properties.externalSemaphoreFeatures &
					     VK_EXTERNAL_SEMAPHORE_FEATURE_IMPORTABLE_BIT);
}

/* The lowest type that takes host pointers and has all of `flags`, or UINT32_MAX. */
static uint32_t physdev_find_type(const struct physdev *physdev, VkMemoryPropertyFlags flags)
{
	for (uint32_t i = 0; i < physdev->memory.memoryTypeCount; i++) {
		if ((physdev->host_types & (1u << i)) &&
		    (physdev->memory.memoryTypes[i].propertyFlags & flags) == flags) {
			return i;
		}
	}
	return UINT32_MAX;
}

/*
 * Mesa's window-system code in the guest takes it for granted that exportable images have a
 * DEVICE_LOCAL type. Where host pointers go into system memory only, one more type says so; it
 * stands for a type of system memory, and only external resources offer it. As the last of the
 * list, and with all flags of its target, it keeps the order that Vulkan demands of the types.
 */
static void physdev_add_local_type(struct physdev *physdev)
{
	VkPhysicalDeviceMemoryProperties *memory = &physdev->memory;
	const VkMemoryPropertyFlags mapped =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	physdev->local_type = UINT32_MAX;
	if (physdev_find_type(physdev, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT) != UINT32_MAX ||
	    memory->memoryTypeCount == VK_MAX_MEMORY_TYPES) {
		return;
	}
	uint32_t target = physdev_find_type(physdev, mapped | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
	if (target == UINT32_MAX) {
		target = physdev_find_type(physdev, mapped);
	}
	uint32_t heap = 0;
	while (heap < memory->memoryHeapCount &&
	       !(memory->memoryHeaps[heap].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)) {
		heap++;
	}
	if (target == UINT32_MAX || heap == memory->memoryHeapCount) {
		return;
	}
	physdev->local_target = target;
	physdev->local_type = memory->memoryTypeCount++;
	memory->memoryTypes[physdev->local_type] = (VkMemoryType){
		.propertyFlags = memory->memoryTypes[target].propertyFlags |
				 VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT,
		.heapIndex = heap,
	};
}

/* virglrenderer exports whatever is HOST_VISIBLE, so nothing else may be. */
static void physdev_hide_unusable_types(struct physdev *physdev)
{
	const VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
					      VK_MEMORY_PROPERTY_HOST_COHERENT_BIT |
					      VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
	for (uint32_t i = 0; i < physdev->memory.memoryTypeCount; i++) {
		if (!(physdev->host_types & (1u << i))) {
			physdev->memory.memoryTypes[i].propertyFlags &= ~visible;
		}
	}
}

/* False when out of memory. */
static bool physdev_probe(struct physdev *physdev)
{
	VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT,
	};
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &host,
	};
	const struct instance_calls *next = &physdev->instance->next;
	next->GetPhysicalDeviceProperties2(physdev->handle, &properties);
	const char *name = properties.properties.deviceName;
	bool has_host = false;
	if (!physdev_read_extensions(physdev, &has_host)) {
		return false;
	}
	physdev->alignment = host.minImportedHostPointerAlignment;
	if (properties.properties.apiVersion < VK_API_VERSION_1_1 || !has_host ||
	    physdev->alignment == 0) {
		layer_debug("%s: no VK_EXT_external_memory_host, the layer stays out", name);
		return true;
	}
	VkExternalMemoryFeatureFlags features = physdev_native_features(physdev);
	if ((features & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT) && !layer_is_forced()) {
		layer_debug("%s: exports dma-bufs itself, the layer stays out", name);
		return true;
	}
	physdev->imports_dma_buf = features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
	next->GetPhysicalDeviceMemoryProperties(physdev->handle, &physdev->memory);
	if (!probe_host_types(physdev, &physdev->host_types)) {
		return false;
	}
	if (physdev->host_types == 0) {
		layer_debug("%s: no memory type takes a memfd, the layer stays out", name);
		return true;
	}
	physdev_hide_unusable_types(physdev);
	physdev_add_local_type(physdev);
	physdev->emulates_sync_fd = !physdev_imports_sync_fd(physdev);
	physdev->active = true;
	layer_debug("%s: active; host pointer types %#x, DEVICE_LOCAL type %d, alignment %u%s",
		    name, physdev->host_types, (int)physdev->local_type,
		    (unsigned)physdev->alignment,
		    physdev->emulates_sync_fd ? ", SYNC_FD emulated" : "");
	return true;
}

/* NULL when out of memory. */
static struct physdev *physdev_make(struct instance *instance, VkPhysicalDevice handle)
{
	struct physdev *made = calloc(1, sizeof(*made));
	if (!made) {
		return NULL;
	}
	made->instance = instance;
	made->handle = handle;
	made->local_type = UINT32_MAX;
	probing = true;
	bool right = physdev_probe(made);
	probing = false;
	struct physdev *kept =
		right ? map_put_once(&instance->physdevs, HANDLE_KEY(handle), made) : NULL;
	if (kept != made) {
		free(made);
	}
	return kept;
}

struct physdev *physdev_of(VkPhysicalDevice handle)
{
	struct instance *instance = instance_of(handle);
	struct physdev *physdev = map_get(&instance->physdevs, HANDLE_KEY(handle));
	if (physdev || !instance->usable || probing || instance->short_of_memory) {
		return physdev;
	}
	physdev = physdev_make(instance, handle);
	if (!physdev) {
		layer_debug("out of memory: this instance has no device");
		instance->short_of_memory = true;
	}
	return physdev;
}

bool physdev_is_unknown(VkPhysicalDevice handle)
{
	struct instance *instance = instance_of(handle);
	return instance->short_of_memory && !probing &&
	       !map_get(&instance->physdevs, HANDLE_KEY(handle));
}

struct physdev *physdev_of_active(VkPhysicalDevice handle)
{
	struct physdev *physdev = physdev_of(handle);
	return physdev && physdev->active ? physdev : NULL;
}
