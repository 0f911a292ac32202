/* SPDX-License-Identifier: MIT */
#include "layer.h"

#include "hooks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Dispatch key -> struct instance */
static struct map instances = MAP_INIT;

struct instance *instance_of(void *handle)
{
	return map_get(&instances, dispatch_key(handle));
}

void layer_debug(const char *format, ...)
{
	if (!getenv("HESPER_HOST_MEMORY_DEBUG")) {
		return;
	}
	char line[256];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, LAYER_NAME ": %s\n", line);
}

bool layer_is_forced(void)
{
	const char *value = getenv("HESPER_HOST_MEMORY");
	return value && strcmp(value, "always") == 0;
}

/* The loader's struct of that function in the chain. */
static VkLayerInstanceCreateInfo *instance_find_link(const VkInstanceCreateInfo *info,
						     VkLayerFunction function)
{
	const VkLayerInstanceCreateInfo *item = info->pNext;
	while (item && (item->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO ||
			item->function != function)) {
		item = item->pNext;
	}
	return (VkLayerInstanceCreateInfo *)item;
}

static PFN_vkVoidFunction instance_proc(const struct instance *instance, const char *name)
{
	return instance->next_proc(instance->handle, name);
}

void instance_load(struct instance *instance)
{
#define LOAD(name) instance->next.name = (PFN_vk##name)instance_proc(instance, "vk" #name);
	INSTANCE_CALLS(LOAD)
#undef LOAD
}

static void instance_init(struct instance *instance, VkInstance handle,
			  PFN_vkGetInstanceProcAddr next_proc,
			  const VkLayerInstanceCreateInfo *callbacks, uint32_t api_version)
{
	*instance = (struct instance){.handle = handle, .next_proc = next_proc};
	instance_load(instance);
	map_init(&instance->physdevs);
	if (callbacks) {
		instance->create_device = callbacks->u.layerDevice.pfnLayerCreateDevice;
		instance->destroy_device = callbacks->u.layerDevice.pfnLayerDestroyDevice;
	}
	instance->usable = api_version >= VK_API_VERSION_1_1 && instance->create_device &&
			   instance->destroy_device;
	if (!instance->usable) {
		layer_debug("instance of Vulkan %u.%u: the layer stays out",
			    VK_API_VERSION_MAJOR(api_version), VK_API_VERSION_MINOR(api_version));
	}
}

VKAPI_ATTR VkResult VKAPI_CALL hm_CreateInstance(const VkInstanceCreateInfo *info,
						 const VkAllocationCallbacks *allocator,
						 VkInstance *out)
{
	VkLayerInstanceCreateInfo *link = instance_find_link(info, VK_LAYER_LINK_INFO);
	if (!link || !link->u.pLayerInfo) {
		return VK_ERROR_INITIALIZATION_FAILED;
	}
	PFN_vkGetInstanceProcAddr next_proc = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
	PFN_vkCreateInstance create =
		(PFN_vkCreateInstance)next_proc(VK_NULL_HANDLE, "vkCreateInstance");
	struct instance *instance = malloc(sizeof(*instance));
	if (!create || !instance) {
		free(instance);
		return create ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_ERROR_INITIALIZATION_FAILED;
	}
	link->u.pLayerInfo = link->u.pLayerInfo->pNext; /* the loader's rule: for the next layer */
	VkResult result = create(info, allocator, out);
	if (result != VK_SUCCESS) {
		free(instance);
		return result;
	}
	uint32_t api_version = info->pApplicationInfo ? info->pApplicationInfo->apiVersion : 0;
	instance_init(instance, *out, next_proc,
		      instance_find_link(info, VK_LOADER_LAYER_CREATE_DEVICE_CALLBACK),
		      api_version);
	if (!map_put(&instances, dispatch_key(*out), instance)) {
		instance->next.DestroyInstance(*out, allocator);
		map_finish(&instance->physdevs, free);
		free(instance);
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	return VK_SUCCESS;
}

VKAPI_ATTR void VKAPI_CALL hm_DestroyInstance(VkInstance handle,
					      const VkAllocationCallbacks *allocator)
{
	if (!handle) {
		return;
	}
	struct instance *instance = map_take(&instances, dispatch_key(handle));
	instance->next.DestroyInstance(handle, allocator);
	map_finish(&instance->physdevs, free);
	free(instance);
}
