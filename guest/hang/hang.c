/* SPDX-License-Identifier: MIT */
/*
 * hesper-hang: a queue that stands still, for tests of what a host does about it.
 *
 *   shader        a compute shader that never ends: for a host with a watchdog over GPUs. Whether
 *                 this program is told, ends by a signal or waits for ever is the driver's affair.
 *   wait SECONDS  the queue waits for a timeline semaphore that this program signals after so
 *                 long: prints PASS if all is well then.
 *
 * "submitted" is printed when the queue has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	VkFence fence;
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
	const float priority = 1.0f;
	const VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_2,
	};
	const VkInstanceCreateInfo instance = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	const VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
		.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
		.timelineSemaphore = VK_TRUE,
	};
	/* Family 0 can compute on every driver there is for Venus. */
	const VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	const VkDeviceCreateInfo device = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.pNext = &timeline,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
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
	const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
	need(vkCreateFence(gpu->device, &fence, NULL, &gpu->fence), "vkCreateFence");
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

/* A buffer of zeros. */
static VkBuffer make_words(struct gpu *gpu, VkDeviceSize size)
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

static void record_shader(struct gpu *gpu)
{
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
	VkDescriptorSet set = make_set(gpu, set_layout, make_words(gpu, 256));
	vkCmdBindPipeline(gpu->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
	vkCmdBindDescriptorSets(gpu->commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set,
				0, NULL);
	vkCmdDispatch(gpu->commands, GROUPS, GROUPS, GROUPS);
}

static VkResult wait_for_fence(struct gpu *gpu)
{
	return vkWaitForFences(gpu->device, 1, &gpu->fence, VK_TRUE, UINT64_MAX);
}

static int run_shader(struct gpu *gpu)
{
	begin_commands(gpu);
	record_shader(gpu);
	need(vkEndCommandBuffer(gpu->commands), "vkEndCommandBuffer");
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &gpu->commands,
	};
	need(vkQueueSubmit(gpu->queue, 1, &submit, gpu->fence), "vkQueueSubmit");
	printf("submitted\n");
	VkResult result = wait_for_fence(gpu);
	printf("the wait ended with VkResult %d\n", result);
	/* A driver that was not told finds out now. */
	result = vkQueueWaitIdle(gpu->queue);
	printf("the queue is idle with VkResult %d\n", result);
	return 1;
}

static int run_wait(struct gpu *gpu, unsigned seconds)
{
	const uint64_t one = 1;
	const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
	const VkSemaphoreTypeCreateInfo type = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
		.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
	};
	const VkSemaphoreCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
		.pNext = &type,
	};
	VkSemaphore semaphore;
	need(vkCreateSemaphore(gpu->device, &info, NULL, &semaphore), "vkCreateSemaphore");
	const VkTimelineSemaphoreSubmitInfo values = {
		.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
		.waitSemaphoreValueCount = 1,
		.pWaitSemaphoreValues = &one,
	};
	const VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.pNext = &values,
		.waitSemaphoreCount = 1,
		.pWaitSemaphores = &semaphore,
		.pWaitDstStageMask = &stage,
	};
	need(vkQueueSubmit(gpu->queue, 1, &submit, gpu->fence), "vkQueueSubmit");
	printf("submitted\n");
	sleep(seconds);
	if (vkGetFenceStatus(gpu->device, gpu->fence) != VK_NOT_READY) {
		printf("FAIL the queue did not wait\n");
		return 1;
	}
	const VkSemaphoreSignalInfo signal = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
		.semaphore = semaphore,
		.value = 1,
	};
	need(vkSignalSemaphore(gpu->device, &signal), "vkSignalSemaphore");
	need(wait_for_fence(gpu), "vkWaitForFences");
	printf("PASS wait %u\n", seconds);
	return 0;
}

int main(int argc, char **argv)
{
	struct gpu gpu;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "shader") == 0) {
		open_device(&gpu);
		return run_shader(&gpu);
	}
	if (argc == 3 && strcmp(argv[1], "wait") == 0) {
		open_device(&gpu);
		return run_wait(&gpu, (unsigned)strtoul(argv[2], NULL, 10));
	}
	fprintf(stderr, "usage: hesper-hang shader | wait SECONDS\n");
	return 2;
}
