/* SPDX-License-Identifier: MIT */
/*
 * hesper-probe: asks the host's Vulkan driver how it can share memory with other processes, and
 * prints the answer as one line of JSON. A process of its own, so that hesperd never loads a GPU
 * driver and a driver that crashes takes nothing with it.
 *
 * A driver that lists VK_EXT_external_memory_dma_buf may still be unable to export (no udmabuf,
 * no DRM node), so host-visible memory is really allocated and exported.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#define PROBE_BYTES (1u << 20)
#define MAX_DEVICES 16

struct finding {
	bool dma_buf;
	bool host_memory;
	const char *reason;
	VkPhysicalDeviceProperties properties;
	char driver[VK_MAX_DRIVER_NAME_SIZE + VK_MAX_DRIVER_INFO_SIZE + 2];
};

static bool has_extension(VkPhysicalDevice physical, const char *name)
{
	uint32_t count = 0;
	vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL);
	VkExtensionProperties *list = calloc(count + 1, sizeof(*list));
	if (list == NULL) {
		return false;
	}
	vkEnumerateDeviceExtensionProperties(physical, NULL, &count, list);
	bool found = false;
	for (uint32_t i = 0; i < count; i++) {
		found = found || strcmp(list[i].extensionName, name) == 0;
	}
	free(list);
	return found;
}

static int host_visible_type(VkPhysicalDevice physical)
{
	VkPhysicalDeviceMemoryProperties memory;
	vkGetPhysicalDeviceMemoryProperties(physical, &memory);
	for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
		if ((memory.memoryTypes[i].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) !=
		    0) {
			return (int)i;
		}
	}
	return -1;
}

/* NULL when a dma-buf came out; otherwise the step that failed. */
static const char *try_export(VkPhysicalDevice physical)
{
	const float priority = 1.0f;
	const char *const extensions[] = {"VK_KHR_external_memory_fd",
					  "VK_EXT_external_memory_dma_buf"};
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.enabledExtensionCount = 2,
		.ppEnabledExtensionNames = extensions,
	};
	int type = host_visible_type(physical);
	VkDevice device;
	if (type < 0 || vkCreateDevice(physical, &info, NULL, &device) != VK_SUCCESS) {
		return "it lists VK_EXT_external_memory_dma_buf but makes no device with it";
	}
	const VkExportMemoryAllocateInfo export = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	const VkMemoryAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &export,
		.allocationSize = PROBE_BYTES,
		.memoryTypeIndex = (uint32_t)type,
	};
	const char *failed = "it cannot allocate host-visible memory for export";
	VkDeviceMemory memory;
	if (vkAllocateMemory(device, &allocate, NULL, &memory) == VK_SUCCESS) {
		failed = "it cannot export host-visible memory as a dma-buf";
		PFN_vkGetMemoryFdKHR get_fd =
			(PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(device, "vkGetMemoryFdKHR");
		const VkMemoryGetFdInfoKHR get = {
			.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
			.memory = memory,
			.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
		};
		int fd = -1;
		if (get_fd != NULL && get_fd(device, &get, &fd) == VK_SUCCESS && fd >= 0) {
			failed = NULL;
			close(fd);
		}
		vkFreeMemory(device, memory, NULL);
	}
	vkDestroyDevice(device, NULL);
	return failed;
}

static void examine(VkPhysicalDevice physical, struct finding *finding)
{
	VkPhysicalDeviceDriverProperties driver = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
	};
	VkPhysicalDeviceProperties2 properties = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
		.pNext = &driver,
	};
	vkGetPhysicalDeviceProperties2(physical, &properties);
	finding->properties = properties.properties;
	snprintf(finding->driver, sizeof(finding->driver), "%s %s", driver.driverName,
		 driver.driverInfo);
	finding->host_memory = has_extension(physical, "VK_EXT_external_memory_host");
	if (!has_extension(physical, "VK_EXT_external_memory_dma_buf")) {
		finding->reason = "it has no VK_EXT_external_memory_dma_buf";
	} else {
		finding->reason = try_export(physical);
	}
	finding->dma_buf = finding->reason == NULL;
}

static int rank(VkPhysicalDeviceType type)
{
	switch (type) {
	case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
		return 3;
	case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
		return 2;
	case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
		return 1;
	default:
		return 0;
	}
}

static int print(json_t *object)
{
	json_dumpf(object, stdout, JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(object);
	return 0;
}

static int print_error(const char *error, const char *fix)
{
	return print(json_pack("{s:s, s:s}", "error", error, "fix", fix));
}

int main(void)
{
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.pApplicationName = "hesper-probe",
		.apiVersion = VK_API_VERSION_1_2,
	};
	const VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	const char *fix =
		"install a Vulkan driver (Debian: mesa-vulkan-drivers, or your GPU vendor's), "
		"and check with vulkaninfo --summary";
	VkInstance instance;
	if (vkCreateInstance(&info, NULL, &instance) != VK_SUCCESS) {
		return print_error("no Vulkan driver could be loaded", fix);
	}
	VkPhysicalDevice devices[MAX_DEVICES];
	uint32_t count = MAX_DEVICES;
	vkEnumeratePhysicalDevices(instance, &count, devices);
	if (count == 0) {
		vkDestroyInstance(instance, NULL);
		return print_error("no Vulkan device was found", fix);
	}
	struct finding best = {0};
	for (uint32_t i = 0; i < count; i++) {
		struct finding finding = {0};
		examine(devices[i], &finding);
		if (i == 0 ||
		    rank(finding.properties.deviceType) > rank(best.properties.deviceType)) {
			best = finding;
		}
	}
	vkDestroyInstance(instance, NULL);
	char reason[256];
	const char *path = best.dma_buf ? "dma-buf" : best.host_memory ? "host-memory" : NULL;
	if (best.dma_buf) {
		snprintf(reason, sizeof(reason), "the driver exports memory as dma-bufs");
	} else if (best.host_memory) {
		snprintf(reason, sizeof(reason),
			 "the driver cannot share memory itself: %s; it takes "
			 "host pointers, so hesper's layer shares memory for it",
			 best.reason);
	} else {
		snprintf(reason, sizeof(reason),
			 "%s, and it has no VK_EXT_external_memory_host either", best.reason);
	}
	json_t *object =
		json_pack("{s:s?, s:s, s:s, s:s, s:b, s:b}", "memory_path", path, "reason", reason,
			  "device", best.properties.deviceName, "driver", best.driver, "dma_buf",
			  best.dma_buf, "host_memory", best.host_memory);
	if (path == NULL) {
		json_object_set_new(object, "error",
				    json_string("this Vulkan driver cannot share memory with other "
						"processes"));
		json_object_set_new(object, "fix",
				    json_string("use a driver with "
						"VK_EXT_external_memory_dma_buf"));
	}
	return print(object);
}
