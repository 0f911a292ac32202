/* SPDX-License-Identifier: MIT */
/*
 * hesper-hang: a queue that stands still, for tests of what a host does about it.
 *
 *   shader        a compute shader that never ends: for a host with a watchdog over GPUs
 *   silent        the same, but nobody waits for it
 *   busy SECONDS  one that ends after so long: prints PASS if all is well then
 *
 * "submitted" is printed when the queue has it. It is waited for by a sync file, as compositors and
 * the kernel wait for what they are to show: Mesa's Venus makes a fence of virtio-gpu for that, and
 * none for a VkFence, which it finds by looking at memory.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include "hang.comp.h"

/* Drivers for CPUs may bound a loop; no driver bounds this many of them. */
#define GROUPS 65535

struct gpu {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	VkCommandBuffer commands;
	PFN_vkGetSemaphoreFdKHR get_fd;
};

static void need(VkResult result, const char *what)
{
	if (result != VK_SUCCESS) {
		printf("FAIL %s: VkResult %d\n", what, result);
		exit(1);
	}
}

static void open_device(struct gpu *gpu)
{
	static const char *const extensions[] = {"VK_KHR_external_semaphore_fd"};
	const float priority = 1.0f;
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_2,
	};
	const VkInstanceCreateInfo instance = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	/* Family 0 can compute on every driver there is for Venus. */
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkDeviceCreateInfo device = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.enabledExtensionCount = 1,
		.ppEnabledExtensionNames = extensions,
	};
	uint32_t one = 1;
	need(vkCreateInstance(&instance, NULL, &gpu->instance), "vkCreateInstance");
	vkEnumeratePhysicalDevices(gpu->instance, &one, &gpu->physical);
	if (one == 0) {
		printf("FAIL no Vulkan device\n");
		exit(1);
	}
	need(vkCreateDevice(gpu->physical, &device, NULL, &gpu->device), "vkCreateDevice");
	vkGetDeviceQueue(gpu->device, 0, 0, &gpu->queue);
	gpu->get_fd =
		(PFN_vkGetSemaphoreFdKHR)vkGetDeviceProcAddr(gpu->device, "vkGetSemaphoreFdKHR");
}

static void begin_commands(struct gpu *gpu)
{
	const VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
	};
	const VkCommandBufferBeginInfo begin = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
	};
	VkCommandPool pool;
	need(vkCreateCommandPool(gpu->device, &pool_info, NULL, &pool), "vkCreateCommandPool");
	const VkCommandBufferAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = pool,
		.commandBufferCount = 1,
	};
	need(vkAllocateCommandBuffers(gpu->device, &allocate, &gpu->commands), "command buffer");
	need(vkBeginCommandBuffer(gpu->commands, &begin), "vkBeginCommandBuffer");
}

static uint32_t host_visible(struct gpu *gpu, uint32_t allowed)
{
	VkPhysicalDeviceMemoryProperties memory;
	vkGetPhysicalDeviceMemoryProperties(gpu->physical, &memory);
	for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
		if ((allowed & (1u << i)) != 0 && (memory.memoryTypes[i].propertyFlags &
						   VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
			return i;
		}
	}
	return 0;
}

/* A buffer of zeros, mapped. */
static VkBuffer make_words(struct gpu *gpu, VkDeviceSize size, volatile uint32_t **out)
{
	const VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = size,
		.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
	};
	VkBuffer buffer;
	VkDeviceMemory memory;
	VkMemoryRequirements requirements;
	void *words;
	need(vkCreateBuffer(gpu->device, &info, NULL, &buffer), "vkCreateBuffer");
	vkGetBufferMemoryRequirements(gpu->device, buffer, &requirements);
	const VkMemoryAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.allocationSize = requirements.size,
		.memoryTypeIndex = host_visible(gpu, requirements.memoryTypeBits),
	};
	need(vkAllocateMemory(gpu->device, &allocate, NULL, &memory), "vkAllocateMemory");
	need(vkBindBufferMemory(gpu->device, buffer, memory, 0), "vkBindBufferMemory");
	need(vkMapMemory(gpu->device, memory, 0, size, 0, &words), "vkMapMemory");
	memset(words, 0, size);
	*out = words;
	return buffer;
}

static VkDescriptorSet make_set(struct gpu *gpu, VkDescriptorSetLayout layout, VkBuffer buffer)
{
	const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1};
	const VkDescriptorPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
		.maxSets = 1,
		.poolSizeCount = 1,
		.pPoolSizes = &size,
	};
	VkDescriptorPool pool;
	VkDescriptorSet set;
	need(vkCreateDescriptorPool(gpu->device, &pool_info, NULL, &pool), "descriptor pool");
	const VkDescriptorSetAllocateInfo allocate = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
		.descriptorPool = pool,
		.descriptorSetCount = 1,
		.pSetLayouts = &layout,
	};
	need(vkAllocateDescriptorSets(gpu->device, &allocate, &set), "descriptor set");
	const VkDescriptorBufferInfo info = {.buffer = buffer, .range = VK_WHOLE_SIZE};
	const VkWriteDescriptorSet write = {
		.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
		.dstSet = set,
		.descriptorCount = 1,
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
		.pBufferInfo = &info,
	};
	vkUpdateDescriptorSets(gpu->device, 1, &write, 0, NULL);
	return set;
}

/* Ends when the word is written, or after so many groups for which a driver bounds the loop. */
static volatile uint32_t *record_shader(struct gpu *gpu, uint32_t groups)
{
	volatile uint32_t *stop;
	const VkDescriptorSetLayoutBinding binding = {
		.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
		.descriptorCount = 1,
		.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
	};
	const VkDescriptorSetLayoutCreateInfo set_info = {
		.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
		.bindingCount = 1,
		.pBindings = &binding,
	};
	const VkShaderModuleCreateInfo module_info = {
		.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
		.codeSize = sizeof(hang_comp),
		.pCode = hang_comp,
	};
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	VkShaderModule module;
	VkPipeline pipeline;
	need(vkCreateDescriptorSetLayout(gpu->device, &set_info, NULL, &set_layout), "set layout");
	const VkPipelineLayoutCreateInfo layout_info = {
		.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
		.setLayoutCount = 1,
		.pSetLayouts = &set_layout,
	};
	need(vkCreatePipelineLayout(gpu->device, &layout_info, NULL, &layout), "pipeline layout");
	need(vkCreateShaderModule(gpu->device, &module_info, NULL, &module), "shader");
	const VkComputePipelineCreateInfo pipeline_info = {
		.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
		.stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
			  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
			  .module = module,
			  .pName = "main"},
		.layout = layout,
	};
	need(vkCreateComputePipelines(gpu->device, VK_NULL_HANDLE, 1, &pipeline_info, NULL,
				      &pipeline),
	     "pipeline");
	VkDescriptorSet set = make_set(gpu, set_layout, make_words(gpu, 256, &stop));
	vkCmdBindPipeline(gpu->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
	vkCmdBindDescriptorSets(gpu->commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set,
				0, NULL);
	vkCmdDispatch(gpu->commands, groups, groups, groups);
	return stop;
}

static volatile uint32_t *record_all(struct gpu *gpu, uint32_t groups)
{
	begin_commands(gpu);
	volatile uint32_t *stop = record_shader(gpu, groups);
	need(vkEndCommandBuffer(gpu->commands), "vkEndCommandBuffer");
	return stop;
}

/* A semaphore that signals behind it. */
static VkSemaphore submit(struct gpu *gpu)
{
	const VkExportSemaphoreCreateInfo export = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
		.handleTypes = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	const VkSemaphoreCreateInfo semaphore = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &export,
	};
	VkSemaphore done;
	need(vkCreateSemaphore(gpu->device, &semaphore, NULL, &done), "vkCreateSemaphore");
	const VkSubmitInfo info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &gpu->commands,
		.signalSemaphoreCount = 1,
		.pSignalSemaphores = &done,
	};
	need(vkQueueSubmit(gpu->queue, 1, &info, VK_NULL_HANDLE), "vkQueueSubmit");
	printf("submitted\n");
	return done;
}

/* Drivers may wait here already. */
static void wait_for(struct gpu *gpu, VkSemaphore done)
{
	const VkSemaphoreGetFdInfoKHR get = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
		.semaphore = done,
		.handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	struct pollfd file = {.events = POLLIN};
	need(gpu->get_fd(gpu->device, &get, &file.fd), "vkGetSemaphoreFdKHR");
	/* -1 stands for one that is signalled. */
	if (file.fd >= 0) {
		poll(&file, 1, -1);
	}
	need(vkQueueWaitIdle(gpu->queue), "vkQueueWaitIdle");
}

static int run_shader(struct gpu *gpu)
{
	record_all(gpu, GROUPS);
	wait_for(gpu, submit(gpu));
	printf("FAIL it ended\n");
	return 1;
}

static _Noreturn void run_silent(struct gpu *gpu)
{
	record_all(gpu, GROUPS);
	submit(gpu);
	for (;;) {
		pause();
	}
}

struct end {
	volatile uint32_t *stop;
	unsigned seconds;
};

static void *end_later(void *data)
{
	const struct end *end = data;
	sleep(end->seconds);
	*end->stop = 1;
	return NULL;
}

static int run_busy(struct gpu *gpu, unsigned seconds)
{
	struct end end = {record_all(gpu, 1), seconds};
	time_t start = time(NULL);
	pthread_t thread;
	VkSemaphore done = submit(gpu);
	pthread_create(&thread, NULL, end_later, &end);
	wait_for(gpu, done);
	time_t took = time(NULL) - start;
	pthread_join(thread, NULL);
	printf("%s busy for %d s\n", took + 1 >= seconds ? "PASS" : "FAIL", (int)took);
	return took + 1 >= seconds ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct gpu gpu = {0};
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "shader") == 0) {
		open_device(&gpu);
		return run_shader(&gpu);
	}
	if (argc == 2 && strcmp(argv[1], "silent") == 0) {
		open_device(&gpu);
		run_silent(&gpu);
	}
	if (argc == 3 && strcmp(argv[1], "busy") == 0) {
		open_device(&gpu);
		return run_busy(&gpu, (unsigned)strtoul(argv[2], NULL, 10));
	}
	fprintf(stderr, "usage: hesper-hang shader | silent | busy SECONDS\n");
	return 2;
}
