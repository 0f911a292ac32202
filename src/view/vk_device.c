/* SPDX-License-Identifier: MIT */
#include "view/vk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

#define MAX_DEVICES 32
#define MAX_EXTENSIONS 16
#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"

static const char *const no_vulkan_fix =
	"Fix: install a Vulkan driver (Debian: apt install mesa-vulkan-drivers), or let "
	"VK_DRIVER_FILES name one";

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
						 VkDebugUtilsMessageTypeFlagsEXT types,
						 const VkDebugUtilsMessengerCallbackDataEXT *text,
						 void *data)
{
	struct vk *vk = data;
	atomic_fetch_add(&vk->validation_messages, 1);
	log_warn("validation: %s", text->pMessage);
	return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(struct vk *vk)
{
	return (VkDebugUtilsMessengerCreateInfoEXT){
		.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
		.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
				   VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
		.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
			       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
		.pfnUserCallback = on_message,
		.pUserData = vk};
}

bool vk_init_instance(struct vk *vk, const char *const *extensions, uint32_t count)
{
	const char *wanted = getenv("HESPER_VALIDATE");
	vk->validating = wanted != NULL && strcmp(wanted, "1") == 0;
	const char *names[MAX_EXTENSIONS];
	if (count >= MAX_EXTENSIONS) {
		log_error("the window system wants %u Vulkan extensions", count);
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		names[i] = extensions[i];
	}
	const char *const layer = VALIDATION_LAYER;
	VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(vk);
	const VkApplicationInfo application = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
					       .pApplicationName = "hesper-view",
					       .apiVersion = VK_API_VERSION_1_2};
	VkInstanceCreateInfo create = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
				       .pApplicationInfo = &application,
				       .ppEnabledExtensionNames = names};
	if (vk->validating) {
		names[count++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
		create.pNext = &messenger;
		create.enabledLayerCount = 1;
		create.ppEnabledLayerNames = &layer;
	}
	create.enabledExtensionCount = count;
	VkResult result = vkCreateInstance(&create, NULL, &vk->instance);
	if (result == VK_ERROR_LAYER_NOT_PRESENT) {
		log_error("HESPER_VALIDATE=1 needs " VALIDATION_LAYER
			  ". Fix: install vulkan-validationlayers");
		return false;
	}
	if (result != VK_SUCCESS) {
		log_error("no Vulkan here: %s. %s", vk_result_name(result), no_vulkan_fix);
		return false;
	}
	if (vk->validating) {
		PFN_vkCreateDebugUtilsMessengerEXT make =
			(PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
				vk->instance, "vkCreateDebugUtilsMessengerEXT");
		make(vk->instance, &messenger, NULL, &vk->messenger);
	}
	return true;
}

static uint32_t list(struct vk *vk, VkPhysicalDevice devices[MAX_DEVICES])
{
	uint32_t count = MAX_DEVICES;
	VkResult result = vkEnumeratePhysicalDevices(vk->instance, &count, devices);
	if ((result != VK_SUCCESS && result != VK_INCOMPLETE) || count == 0) {
		log_error("no Vulkan device here. %s", no_vulkan_fix);
		return 0;
	}
	return count;
}

static const char *type_name(VkPhysicalDeviceType type)
{
	switch (type) {
	case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
		return "discrete";
	case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
		return "integrated";
	case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
		return "virtual";
	case VK_PHYSICAL_DEVICE_TYPE_CPU:
		return "cpu";
	default:
		return "other";
	}
}

/* Larger is better. */
static int rank(VkPhysicalDeviceType type)
{
	switch (type) {
	case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
		return 4;
	case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
		return 3;
	case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
		return 2;
	default:
		return 1;
	}
}

bool vk_list_devices(struct vk *vk)
{
	VkPhysicalDevice devices[MAX_DEVICES];
	uint32_t count = list(vk, devices);
	for (uint32_t i = 0; i < count; i++) {
		VkPhysicalDeviceProperties properties;
		vkGetPhysicalDeviceProperties(devices[i], &properties);
		printf("%u  %-10s  %s, Vulkan %u.%u\n", i, type_name(properties.deviceType),
		       properties.deviceName, VK_API_VERSION_MAJOR(properties.apiVersion),
		       VK_API_VERSION_MINOR(properties.apiVersion));
	}
	return count > 0;
}

/* A family that draws, computes and, with a surface, presents; UINT32_MAX when there is none. */
static uint32_t find_family(VkPhysicalDevice device, VkSurfaceKHR surface)
{
	VkQueueFamilyProperties families[32];
	uint32_t count = 32;
	const VkQueueFlags flags = VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT;
	vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families);
	for (uint32_t i = 0; i < count; i++) {
		VkBool32 presents = VK_TRUE;
		if (surface != VK_NULL_HANDLE &&
		    vkGetPhysicalDeviceSurfaceSupportKHR(device, i, surface, &presents) !=
			    VK_SUCCESS) {
			presents = VK_FALSE;
		}
		if ((families[i].queueFlags & flags) == flags && presents) {
			return i;
		}
	}
	return UINT32_MAX;
}

static bool pick(struct vk *vk, uint32_t index, VkSurfaceKHR surface)
{
	VkPhysicalDevice devices[MAX_DEVICES];
	uint32_t count = list(vk, devices);
	int best = 0;
	if (count == 0) {
		return false;
	}
	if (index != UINT32_MAX && index >= count) {
		log_error("there is no Vulkan device %u; --list-devices shows 0 to %u", index,
			  count - 1);
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		VkPhysicalDeviceProperties properties;
		vkGetPhysicalDeviceProperties(devices[i], &properties);
		uint32_t family = find_family(devices[i], surface);
		bool usable = family != UINT32_MAX && properties.apiVersion >= VK_API_VERSION_1_2;
		if (usable && (index == i || index == UINT32_MAX) &&
		    rank(properties.deviceType) > best) {
			best = rank(properties.deviceType);
			vk->physical = devices[i];
			vk->properties = properties;
			vk->family = family;
		}
	}
	if (best == 0) {
		log_error("no Vulkan device that can be used: it must know Vulkan 1.2%s",
			  surface != VK_NULL_HANDLE ? " and present to this display" : "");
	}
	return best > 0;
}

static bool has(const VkExtensionProperties *all, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(all[i].extensionName, name) == 0) {
			return true;
		}
	}
	return false;
}

/* Which extensions to enable; returns how many. */
static uint32_t choose_extensions(struct vk *vk, bool presents, const char *names[MAX_EXTENSIONS])
{
	uint32_t count = 0;
	uint32_t chosen = 0;
	vkEnumerateDeviceExtensionProperties(vk->physical, NULL, &count, NULL);
	VkExtensionProperties *all = calloc(count + 1, sizeof(*all));
	if (all == NULL ||
	    vkEnumerateDeviceExtensionProperties(vk->physical, NULL, &count, all) < 0) {
		count = 0;
	}
	vk->host_import = has(all, count, VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME);
	vk->dma_buf_import = has(all, count, VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME) &&
			     has(all, count, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME);
	vk->dma_buf_images = vk->dma_buf_import &&
			     has(all, count, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME);
	vk->foreign_queues = has(all, count, VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME);
	free(all);
	if (presents) {
		names[chosen++] = VK_KHR_SWAPCHAIN_EXTENSION_NAME;
	}
	if (vk->host_import) {
		names[chosen++] = VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME;
	}
	if (vk->dma_buf_import) {
		names[chosen++] = VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME;
		names[chosen++] = VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME;
	}
	if (vk->dma_buf_images) {
		names[chosen++] = VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME;
	}
	if (vk->foreign_queues) {
		names[chosen++] = VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME;
	}
	return chosen;
}

static bool create_device(struct vk *vk, bool presents)
{
	const char *names[MAX_EXTENSIONS];
	const float priority = 1.0f;
	const VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
					       .queueFamilyIndex = vk->family,
					       .queueCount = 1,
					       .pQueuePriorities = &priority};
	VkDeviceCreateInfo create = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
				     .queueCreateInfoCount = 1,
				     .pQueueCreateInfos = &queue,
				     .ppEnabledExtensionNames = names};
	create.enabledExtensionCount = choose_extensions(vk, presents, names);
	if (!vk_ok(vkCreateDevice(vk->physical, &create, NULL, &vk->device), "vkCreateDevice")) {
		return false;
	}
	vkGetDeviceQueue(vk->device, vk->family, 0, &vk->queue);
	vk->get_host_pointer_properties =
		(PFN_vkGetMemoryHostPointerPropertiesEXT)vkGetDeviceProcAddr(
			vk->device, "vkGetMemoryHostPointerPropertiesEXT");
	vk->get_fd_properties = (PFN_vkGetMemoryFdPropertiesKHR)vkGetDeviceProcAddr(
		vk->device, "vkGetMemoryFdPropertiesKHR");
	return true;
}

static void read_properties(struct vk *vk)
{
	VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
	VkPhysicalDeviceDriverProperties driver = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
		.pNext = vk->host_import ? &host : NULL};
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &driver};
	vkGetPhysicalDeviceProperties2(vk->physical, &properties);
	vkGetPhysicalDeviceMemoryProperties(vk->physical, &vk->memory);
	vk->host_alignment = host.minImportedHostPointerAlignment;
	snprintf(vk->driver, sizeof(vk->driver), "%s %s", driver.driverName, driver.driverInfo);
}

bool vk_init_device(struct vk *vk, uint32_t index, VkSurfaceKHR surface)
{
	if (!pick(vk, index, surface) || !create_device(vk, surface != VK_NULL_HANDLE)) {
		return false;
	}
	read_properties(vk);
	const VkCommandPoolCreateInfo pool = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
		.queueFamilyIndex = vk->family};
	const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
	if (!vk_ok(vkCreateCommandPool(vk->device, &pool, NULL, &vk->pool),
		   "vkCreateCommandPool") ||
	    !vk_ok(vkCreateFence(vk->device, &fence, NULL, &vk->fence), "vkCreateFence")) {
		return false;
	}
	const VkCommandBufferAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = vk->pool,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1};
	return vk_ok(vkAllocateCommandBuffers(vk->device, &allocate, &vk->commands),
		     "vkAllocateCommandBuffers");
}

void vk_finish(struct vk *vk)
{
	if (vk->device != VK_NULL_HANDLE) {
		vkDestroyFence(vk->device, vk->fence, NULL);
		vkDestroyCommandPool(vk->device, vk->pool, NULL);
		vkDestroyDevice(vk->device, NULL);
	}
	if (vk->instance == VK_NULL_HANDLE) {
		return;
	}
	if (vk->messenger != VK_NULL_HANDLE) {
		PFN_vkDestroyDebugUtilsMessengerEXT destroy =
			(PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
				vk->instance, "vkDestroyDebugUtilsMessengerEXT");
		destroy(vk->instance, vk->messenger, NULL);
	}
	vkDestroyInstance(vk->instance, NULL);
}
