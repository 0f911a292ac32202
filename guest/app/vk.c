/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vk.h"

#define MAX_EXTENSIONS 4

/* What each way of showing frames needs beyond core Vulkan 1.3. */
static const struct {
	const char *instance[MAX_EXTENSIONS];
	const char *device[MAX_EXTENSIONS];
} needs[] = {
	[WSI_DIRECT] =
		{
			.device =
				{
					VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
					VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
				},
		},
	[WSI_DISPLAY] =
		{
			.instance =
				{
					VK_KHR_SURFACE_EXTENSION_NAME,
					VK_KHR_DISPLAY_EXTENSION_NAME,
					VK_EXT_DIRECT_MODE_DISPLAY_EXTENSION_NAME,
					VK_EXT_ACQUIRE_DRM_DISPLAY_EXTENSION_NAME,
				},
			.device = {VK_KHR_SWAPCHAIN_EXTENSION_NAME},
		},
	[WSI_HEADLESS] = {.device = {NULL}},
};

const char *vk_result_name(VkResult result)
{
	static char unknown[32];

	switch (result) {
#define NAME(name)                                                                                 \
	case name:                                                                                 \
		return #name;
		NAME(VK_SUCCESS)
		NAME(VK_NOT_READY)
		NAME(VK_TIMEOUT)
		NAME(VK_INCOMPLETE)
		NAME(VK_SUBOPTIMAL_KHR)
		NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
		NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
		NAME(VK_ERROR_INITIALIZATION_FAILED)
		NAME(VK_ERROR_DEVICE_LOST)
		NAME(VK_ERROR_MEMORY_MAP_FAILED)
		NAME(VK_ERROR_LAYER_NOT_PRESENT)
		NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
		NAME(VK_ERROR_FEATURE_NOT_PRESENT)
		NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
		NAME(VK_ERROR_TOO_MANY_OBJECTS)
		NAME(VK_ERROR_FORMAT_NOT_SUPPORTED)
		NAME(VK_ERROR_UNKNOWN)
		NAME(VK_ERROR_OUT_OF_DATE_KHR)
		NAME(VK_ERROR_SURFACE_LOST_KHR)
		NAME(VK_ERROR_NATIVE_WINDOW_IN_USE_KHR)
		NAME(VK_ERROR_INVALID_EXTERNAL_HANDLE)
#undef NAME
	default:
		snprintf(unknown, sizeof(unknown), "VkResult %d", (int)result);
		return unknown;
	}
}

int vk_check(struct vk *vk, VkResult result, const char *what)
{
	if (result == VK_SUCCESS) {
		return 0;
	}
	report_error(vk->report, "%s: %s", what, vk_result_name(result));
	return result == VK_ERROR_DEVICE_LOST ? -ENODEV : -EIO;
}

static uint32_t count_names(const char *const *names)
{
	uint32_t n = 0;

	while (n < MAX_EXTENSIONS && names[n]) {
		n++;
	}
	return n;
}

/* NULL if the loader and some driver have what is needed, else the name of what is missing. */
static const char *instance_lacks(enum wsi wsi)
{
	static VkExtensionProperties all[128];
	uint32_t count = 128;

	if (vkEnumerateInstanceExtensionProperties(NULL, &count, all) < 0) {
		return "a Vulkan driver";
	}
	for (uint32_t i = 0; i < count_names(needs[wsi].instance); i++) {
		uint32_t found = 0;

		while (found < count &&
		       strcmp(all[found].extensionName, needs[wsi].instance[i]) != 0) {
			found++;
		}
		if (found == count) {
			return needs[wsi].instance[i];
		}
	}
	return NULL;
}

static int create_instance(struct vk *vk, enum wsi wsi)
{
	const char *lack = instance_lacks(wsi);
	VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pApplicationName = vk->report->app,
		.pEngineName = "hesper",
		.apiVersion = VK_API_VERSION_1_3,
	};
	VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
		.enabledExtensionCount = count_names(needs[wsi].instance),
		.ppEnabledExtensionNames = needs[wsi].instance,
	};

	if (lack) {
		report_error(vk->report, "no Vulkan driver here has %s", lack);
		return -ENODEV;
	}
	return vk_check(vk, vkCreateInstance(&info, NULL, &vk->instance), "vkCreateInstance");
}

static bool has_extension(VkPhysicalDevice physical, const char *name)
{
	static VkExtensionProperties all[512];
	uint32_t count = 512;

	if (vkEnumerateDeviceExtensionProperties(physical, NULL, &count, all) < 0) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(all[i].extensionName, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool find_family(VkPhysicalDevice physical, uint32_t *family)
{
	VkQueueFamilyProperties all[16];
	uint32_t count = 16;

	vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, all);
	for (uint32_t i = 0; i < count; i++) {
		if (all[i].queueFlags & VK_QUEUE_GRAPHICS_BIT) {
			*family = i;
			return true;
		}
	}
	return false;
}

/* NULL if the device will do, else what it lacks. */
static const char *device_lacks(VkPhysicalDevice physical, enum wsi wsi, uint32_t *family)
{
	VkPhysicalDeviceVulkan13Features v13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
	};
	VkPhysicalDeviceFeatures2 features = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
		.pNext = &v13,
	};
	VkPhysicalDeviceProperties props;

	vkGetPhysicalDeviceProperties(physical, &props);
	if (props.apiVersion < VK_API_VERSION_1_3) {
		return "Vulkan 1.3";
	}
	vkGetPhysicalDeviceFeatures2(physical, &features);
	if (!v13.dynamicRendering || !v13.synchronization2) {
		return "dynamic rendering or synchronization 2";
	}
	if (!find_family(physical, family)) {
		return "a graphics queue";
	}
	for (uint32_t i = 0; i < count_names(needs[wsi].device); i++) {
		if (!has_extension(physical, needs[wsi].device[i])) {
			return needs[wsi].device[i];
		}
	}
	return NULL;
}

static void describe_device(struct vk *vk)
{
	VkPhysicalDeviceDriverProperties driver = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 props = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &driver,
	};
	struct report *report = vk->report;

	vkGetPhysicalDeviceProperties2(vk->physical, &props);
	snprintf(report->device, sizeof(report->device), "%s", props.properties.deviceName);
	snprintf(report->driver, sizeof(report->driver), "%s", driver.driverName);
	snprintf(report->mesa, sizeof(report->mesa), "%s", driver.driverInfo);
	/* Venus calls itself virtual whatever the host has; it forwards the host's name. */
	vk->is_cpu = props.properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU ||
		     strstr(props.properties.deviceName, "llvmpipe") != NULL;
}

static int pick_device(struct vk *vk, enum wsi wsi)
{
	VkPhysicalDevice all[16];
	uint32_t count = 16;
	VkResult result = vkEnumeratePhysicalDevices(vk->instance, &count, all);

	if (result < 0 || count == 0) {
		report_error(vk->report, "there is no Vulkan device (%s)", vk_result_name(result));
		return -ENODEV;
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *lack = device_lacks(all[i], wsi, &vk->family);
		VkPhysicalDeviceProperties props;

		if (!lack) {
			vk->physical = all[i];
			return 0;
		}
		vkGetPhysicalDeviceProperties(all[i], &props);
		report_error(vk->report, "%s lacks %s", props.deviceName, lack);
	}
	return -ENODEV;
}

static int create_device(struct vk *vk, enum wsi wsi)
{
	float priority = 1.0f;
	const char *names[MAX_EXTENSIONS + 2] = {NULL};
	uint32_t count = count_names(needs[wsi].device);
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueFamilyIndex = vk->family,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkPhysicalDeviceVulkan13Features v13 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
		.dynamicRendering = VK_TRUE,
		.synchronization2 = VK_TRUE,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &v13,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.ppEnabledExtensionNames = names,
	};

	memcpy(names, needs[wsi].device, count * sizeof(names[0]));
	vk->outside_family = VK_QUEUE_FAMILY_EXTERNAL;
	if (wsi == WSI_DIRECT &&
	    has_extension(vk->physical, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME)) {
		names[count++] = VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME;
		vk->outside_family = VK_QUEUE_FAMILY_FOREIGN_EXT;
	}
	if (wsi == WSI_DIRECT &&
	    has_extension(vk->physical, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME)) {
		names[count++] = VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME;
		vk->modifiers = true;
	}
	info.enabledExtensionCount = count;
	return vk_check(vk, vkCreateDevice(vk->physical, &info, NULL, &vk->device),
			"vkCreateDevice");
}

int vk_init(struct vk *vk, enum wsi wsi, struct report *report)
{
	VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
	};

	*vk = (struct vk){.report = report};
	if (create_instance(vk, wsi) < 0 || pick_device(vk, wsi) < 0) {
		goto fail;
	}
	describe_device(vk);
	vkGetPhysicalDeviceMemoryProperties(vk->physical, &vk->memory);
	if (create_device(vk, wsi) < 0) {
		goto fail;
	}
	vkGetDeviceQueue(vk->device, vk->family, 0, &vk->queue);
	pool.queueFamilyIndex = vk->family;
	if (vk_check(vk, vkCreateCommandPool(vk->device, &pool, NULL, &vk->pool),
		     "vkCreateCommandPool") < 0) {
		goto fail;
	}
	return 0;
fail:
	vk_finish(vk);
	return -ENODEV;
}

void vk_finish(struct vk *vk)
{
	if (vk->device) {
		vkDeviceWaitIdle(vk->device);
		vkDestroyCommandPool(vk->device, vk->pool, NULL);
		vkDestroyDevice(vk->device, NULL);
	}
	if (vk->instance) {
		vkDestroyInstance(vk->instance, NULL);
	}
	*vk = (struct vk){0};
}
