/* SPDX-License-Identifier: MIT */
#include "layer.h"

#include "hooks.h"
#include "memory.h"
#include "resource.h"
#include "semaphore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Dispatch key -> struct device */
static struct map devices = MAP_INIT;

struct device *device_of(void *handle)
{
	return map_get(&devices, dispatch_key(handle));
}

static PFN_vkVoidFunction device_proc(const struct device *device, const char *name)
{
	static const char *const suffixes[] = {"", "KHR", "EXT"};
	PFN_vkVoidFunction proc = NULL;
	for (size_t i = 0; !proc && i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		char full[64];
		snprintf(full, sizeof(full), "%s%s", name, suffixes[i]);
		proc = device->next_proc(device->handle, full);
	}
	return proc;
}

void device_load(struct device *device)
{
#define LOAD(name) device->next.name = (PFN_vk##name)device_proc(device, "vk" #name);
	DEVICE_CALLS(LOAD)
#undef LOAD
}

/* Each allocation holds an fd, and the soft limit is often 1024. This process renders for a VM and
 * does nothing else, so nothing in it depends on small fd numbers. */
static void device_raise_fd_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* True for an extension that the driver must not be asked for: the layer stands in for it. */
static bool device_provides(const struct physdev *physdev, const char *name)
{
	const struct {
		const char *name;
		bool native;
	} provided[] = {
		{"VK_KHR_external_memory_fd", physdev->has_memory_fd},
		{"VK_EXT_external_memory_dma_buf", physdev->has_dma_buf},
		{"VK_KHR_external_semaphore_fd", physdev->has_semaphore_fd},
		{"VK_EXT_image_drm_format_modifier", false},
	};
	for (size_t i = 0; i < sizeof(provided) / sizeof(*provided); i++) {
		if (strcmp(name, provided[i].name) == 0) {
			return !provided[i].native;
		}
	}
	return false;
}

/* A list for the driver, to be freed, or NULL when out of memory. */
static const char **device_filter_extensions(const struct physdev *physdev,
					     const VkDeviceCreateInfo *info, uint32_t *count)
{
	static const char host[] = "VK_EXT_external_memory_host";
	const char **list = calloc(info->enabledExtensionCount + 1, sizeof(*list));
	bool has_host = false;
	*count = 0;
	for (uint32_t i = 0; list && i < info->enabledExtensionCount; i++) {
		const char *name = info->ppEnabledExtensionNames[i];
		if (!device_provides(physdev, name)) {
			list[(*count)++] = name;
		}
		has_host = has_host || strcmp(name, host) == 0;
	}
	if (list && !has_host) {
		list[(*count)++] = host;
	}
	return list;
}

/* The loader's struct of that function in the chain. */
static VkLayerDeviceCreateInfo *device_find_link(const VkDeviceCreateInfo *info,
						 VkLayerFunction function)
{
	const VkLayerDeviceCreateInfo *item = info->pNext;
	while (item && (item->sType != VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO ||
			item->function != function)) {
		item = item->pNext;
	}
	return (VkLayerDeviceCreateInfo *)item;
}

static VkResult device_create_below(PFN_vkCreateDevice create, const struct physdev *physdev,
				    VkPhysicalDevice handle, const VkDeviceCreateInfo *info,
				    const VkAllocationCallbacks *allocator, VkDevice *out)
{
	if (!physdev) {
		return create(handle, info, allocator, out);
	}
	VkDeviceCreateInfo filtered = *info;
	const char **extensions =
		device_filter_extensions(physdev, info, &filtered.enabledExtensionCount);
	if (!extensions) {
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	filtered.ppEnabledExtensionNames = extensions;
	VkResult result = create(handle, &filtered, allocator, out);
	free(extensions);
	return result;
}

static VkResult device_init(struct device *device, const VkDeviceCreateInfo *info)
{
	VkLayerDeviceCreateInfo *data = device_find_link(info, VK_LOADER_DATA_CALLBACK);
	device_load(device);
	if (device->active) {
		device_raise_fd_limit();
	}
	if (!device->active || !device->physdev->emulates_sync_fd) {
		return VK_SUCCESS;
	}
	return semaphore_init(device, info, data ? data->u.pfnSetDeviceLoaderData : NULL);
}

static void device_free(struct device *device)
{
	semaphore_finish(device);
	map_finish(&device->memories, memory_release);
	map_finish(&device->buffers, NULL);
	map_finish(&device->images, free);
	free(device);
}

VKAPI_ATTR VkResult VKAPI_CALL hm_CreateDevice(VkPhysicalDevice physical,
					       const VkDeviceCreateInfo *info,
					       const VkAllocationCallbacks *allocator,
					       VkDevice *out)
{
	VkLayerDeviceCreateInfo *link = device_find_link(info, VK_LAYER_LINK_INFO);
	if (!link || !link->u.pLayerInfo) {
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	struct physdev *physdev = physdev_of_active(physical);
	if (physdev_is_unknown(physical)) {
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	PFN_vkGetInstanceProcAddr next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	PFN_vkCreateDevice create =
		(PFN_vkCreateDevice)next_instance(instance_of(physical)->handle, "vkCreateDevice");
	struct device *device = calloc(1, sizeof(*device));
	if (!create || !device) {
		free(device);
		return create ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_ERROR_INITIALIZATION_FAILED;
	}
	device->physdev = physdev;
	device->active = physdev != NULL;
	device->next_proc = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
	pthread_mutex_init(&device->submit_lock, NULL);
	map_init(&device->memories);
	map_init(&device->buffers);
	map_init(&device->images);
	link->u.pLayerInfo = link->u.pLayerInfo->pNext; /* the loader's rule: for the next layer */
	VkResult result = device_create_below(create, physdev, physical, info, allocator, out);
	if (result != VK_SUCCESS) {
		device_free(device);
		return result;
	}
	device->handle = *out;
	result = device_init(device, info);
	if (result == VK_SUCCESS && !map_put(&devices, dispatch_key(*out), device)) {
		result = VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	if (result != VK_SUCCESS) {
		device->next.DestroyDevice(*out, allocator);
		device_free(device);
	}
	return result;
}

VKAPI_ATTR void VKAPI_CALL hm_DestroyDevice(VkDevice handle, const VkAllocationCallbacks *allocator)
{
	if (!handle) {
		return;
	}
	struct device *device = map_take(&devices, dispatch_key(handle));
	device->next.DestroyDevice(handle, allocator);
	device_free(device); /* unmaps only now what the application did not free */
}
