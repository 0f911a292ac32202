/* SPDX-License-Identifier: MIT */
#include "gpu.h"

#include <dirent.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define CHECK(call) assert_int_equal(call, VK_SUCCESS)

bool config_is(const char *name)
{
	const char *config = getenv("HESPER_TEST_CONFIG");
	return config && strcmp(config, name) == 0;
}

bool config_is_masked(void)
{
	return config_is("masked") || config_is("bare");
}

/* What a driver that imports memory says of a resource that was not made external: Venus's guests
 * do that all the time, because virglrenderer exports all that is HOST_VISIBLE. */
static bool is_filtered(const char *id)
{
	static const char *const ids[] = {
		"VUID-vkBindBufferMemory-memory-02985",
		"VUID-VkBindBufferMemoryInfo-memory-02985",
		"VUID-vkBindImageMemory-memory-02989",
		"VUID-VkBindImageMemoryInfo-memory-02989",
	};
	for (size_t i = 0; id && i < sizeof(ids) / sizeof(*ids); i++) {
		if (strcmp(id, ids[i]) == 0) {
			return true;
		}
	}
	return false;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
						 VkDebugUtilsMessageTypeFlagsEXT types,
						 const VkDebugUtilsMessengerCallbackDataEXT *data,
						 void *arg)
{
	struct gpu *gpu = arg;
	if (data->pMessageIdName && strcmp(data->pMessageIdName, "Loader Message") == 0) {
		return VK_FALSE; /* which layers it took from the environment */
	}
	if (is_filtered(data->pMessageIdName)) {
		gpu->filtered++;
	} else {
		gpu->messages++;
		fprintf(stderr, "%s\n", data->pMessage);
	}
	return VK_FALSE;
}

static const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
	.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
	.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
			   VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
	.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT |
		       VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT |
		       VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
	.pfnUserCallback = on_message,
};

static void gpu_open_instance(struct gpu *gpu)
{
	static const char *const extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
	VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info;
	messenger.pUserData = gpu;
	VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pNext = &messenger,
		.pApplicationInfo = &application,
		.enabledExtensionCount = 1,
		.ppEnabledExtensionNames = extensions,
	};
	CHECK(vkCreateInstance(&info, NULL, &gpu->instance));
	PFN_vkCreateDebugUtilsMessengerEXT create =
		(PFN_vkCreateDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
			gpu->instance, "vkCreateDebugUtilsMessengerEXT");
	messenger.pNext = NULL;
	CHECK(create(gpu->instance, &messenger, NULL, &gpu->messenger));
	uint32_t count = 1;
	VkResult result = vkEnumeratePhysicalDevices(gpu->instance, &count, &gpu->physical);
	assert_true(result == VK_SUCCESS || result == VK_INCOMPLETE);
	assert_int_equal(count, 1);
}

static void gpu_open_device(struct gpu *gpu)
{
	static const char *const extensions[] = {
		VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
		VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
		VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
		VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
	};
	static const float priority = 1.0f;
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkPhysicalDeviceSynchronization2Features sync2 = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
		.synchronization2 = VK_TRUE,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &sync2,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.enabledExtensionCount = sizeof(extensions) / sizeof(*extensions),
		.ppEnabledExtensionNames = extensions,
	};
	CHECK(vkCreateDevice(gpu->physical, &info, NULL, &gpu->device));
	vkGetDeviceQueue(gpu->device, 0, 0, &gpu->queue);
	VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
	CHECK(vkCreateCommandPool(gpu->device, &pool, NULL, &gpu->pool));
#define LOAD(member, name) gpu->member = (PFN_##name)vkGetDeviceProcAddr(gpu->device, #name)
	LOAD(get_memory_fd, vkGetMemoryFdKHR);
	LOAD(get_memory_fd_properties, vkGetMemoryFdPropertiesKHR);
	LOAD(get_semaphore_fd, vkGetSemaphoreFdKHR);
	LOAD(import_semaphore_fd, vkImportSemaphoreFdKHR);
#undef LOAD
	assert_non_null(gpu->get_memory_fd);
	assert_non_null(gpu->get_memory_fd_properties);
	assert_non_null(gpu->get_semaphore_fd);
	assert_non_null(gpu->import_semaphore_fd);
}

void gpu_open(struct gpu *gpu)
{
	*gpu = (struct gpu){0};
	gpu_open_instance(gpu);
	gpu_open_device(gpu);
}

void gpu_close(struct gpu *gpu)
{
	if (gpu->device) {
		vkDestroyCommandPool(gpu->device, gpu->pool, NULL);
		vkDestroyDevice(gpu->device, NULL);
	}
	PFN_vkDestroyDebugUtilsMessengerEXT destroy =
		(PFN_vkDestroyDebugUtilsMessengerEXT)vkGetInstanceProcAddr(
			gpu->instance, "vkDestroyDebugUtilsMessengerEXT");
	destroy(gpu->instance, gpu->messenger, NULL);
	vkDestroyInstance(gpu->instance, NULL);
	assert_int_equal(gpu->messages, 0);
	assert_int_equal(gpu->filtered, 0);
}

void gpu_run(struct gpu *gpu, void (*record)(VkCommandBuffer, void *), void *arg)
{
	VkCommandBufferAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = gpu->pool,
		.commandBufferCount = 1,
	};
	VkCommandBuffer commands;
	CHECK(vkAllocateCommandBuffers(gpu->device, &allocate, &commands));
	VkCommandBufferBeginInfo begin = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
		.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
	};
	CHECK(vkBeginCommandBuffer(commands, &begin));
	record(commands, arg);
	VkMemoryBarrier to_host = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_HOST_READ_BIT,
	};
	vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT,
			     0, 1, &to_host, 0, NULL, 0, NULL);
	CHECK(vkEndCommandBuffer(commands));
	VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &commands,
	};
	CHECK(vkQueueSubmit(gpu->queue, 1, &submit, VK_NULL_HANDLE));
	CHECK(vkQueueWaitIdle(gpu->queue));
	vkFreeCommandBuffers(gpu->device, gpu->pool, 1, &commands);
}

uint32_t gpu_memory_type(struct gpu *gpu, uint32_t bits, VkMemoryPropertyFlags flags)
{
	VkPhysicalDeviceMemoryProperties memory;
	vkGetPhysicalDeviceMemoryProperties(gpu->physical, &memory);
	for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
		if ((bits & (1u << i)) && (memory.memoryTypes[i].propertyFlags & flags) == flags) {
			return i;
		}
	}
	fail_msg("no memory type of %#x with flags %#x", bits, flags);
	return 0;
}

void gpu_make_buffer(struct gpu *gpu, VkDeviceSize size, bool external, bool exportable,
		     int import_fd, struct exported_buffer *out)
{
	VkExternalMemoryBufferCreateInfo external_info = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = external ? &external_info : NULL,
		.size = size,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	CHECK(vkCreateBuffer(gpu->device, &info, NULL, &out->buffer));
	VkMemoryRequirements requirements;
	vkGetBufferMemoryRequirements(gpu->device, out->buffer, &requirements);
	VkExportMemoryAllocateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkImportMemoryFdInfoKHR import_info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.handleType = DMA_BUF,
		.fd = import_fd,
	};
	VkMemoryAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = requirements.size,
		.memoryTypeIndex = gpu_memory_type(gpu, requirements.memoryTypeBits,
						   VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
							   VK_MEMORY_PROPERTY_HOST_COHERENT_BIT),
	};
	if (exportable) {
		allocate.pNext = &export_info;
	}
	if (import_fd >= 0) {
		import_info.pNext = allocate.pNext;
		allocate.pNext = &import_info;
	}
	CHECK(vkAllocateMemory(gpu->device, &allocate, NULL, &out->memory));
	CHECK(vkBindBufferMemory(gpu->device, out->buffer, out->memory, 0));
	out->size = size;
}

void gpu_free_buffer(struct gpu *gpu, struct exported_buffer *buffer)
{
	vkDestroyBuffer(gpu->device, buffer->buffer, NULL);
	vkFreeMemory(gpu->device, buffer->memory, NULL);
}

int gpu_export(struct gpu *gpu, VkDeviceMemory memory)
{
	VkMemoryGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = memory,
		.handleType = DMA_BUF,
	};
	int fd = -1;
	CHECK(gpu->get_memory_fd(gpu->device, &info, &fd));
	assert_true(fd >= 0);
	return fd;
}

void *map_fd(int fd, size_t size)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(data, MAP_FAILED);
	return data;
}

struct fill {
	VkBuffer buffer;
	uint32_t word;
};

static void record_fill(VkCommandBuffer commands, void *arg)
{
	const struct fill *fill = arg;
	vkCmdFillBuffer(commands, fill->buffer, 0, VK_WHOLE_SIZE, fill->word);
}

void gpu_fill(struct gpu *gpu, VkBuffer buffer, uint32_t word)
{
	struct fill fill = {buffer, word};
	gpu_run(gpu, record_fill, &fill);
}

struct copy {
	VkBuffer from, to;
	VkDeviceSize size;
};

static void record_copy(VkCommandBuffer commands, void *arg)
{
	const struct copy *copy = arg;
	VkBufferCopy region = {.size = copy->size};
	vkCmdCopyBuffer(commands, copy->from, copy->to, 1, &region);
}

void gpu_copy(struct gpu *gpu, VkBuffer from, VkBuffer to, VkDeviceSize size)
{
	struct copy copy = {from, to, size};
	gpu_run(gpu, record_copy, &copy);
}

int fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	int count = 0;
	while (readdir(dir)) {
		count++;
	}
	closedir(dir);
	return count;
}
