/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vulkan/vulkan.h>

/*
 * venus_pixels [--wait]   a small Vulkan program whose result is known to the bit.
 *
 * It writes a buffer through a mapping, copies it on the GPU, draws an image from it (clear, copy,
 * scaled blit), reads all back through a mapping, and prints the device's name and a hash of what
 * it read. On the driver itself and through Venus the hash must be the same. With --wait it keeps
 * its device until its standard input ends.
 */

enum { width = 1280, height = 800, small_width = 333, small_height = 77 };
static const VkDeviceSize big_size = (VkDeviceSize)width * height * 4;
static const VkDeviceSize small_size = (VkDeviceSize)small_width * small_height * 4;

static VkInstance instance;
static VkPhysicalDevice physical;
static VkDevice device;
static VkQueue queue;
static VkCommandPool pool;
static uint64_t hash = UINT64_C(0xcbf29ce484222325);

static void check(VkResult result, const char *what)
{
	if (result != VK_SUCCESS) {
		fprintf(stderr, "venus_pixels: %s: VkResult %d\n", what, result);
		exit(1);
	}
}

#define CHECK(call) check(call, #call)

/* FNV-1a, by words. */
static void add_to_hash(const void *data, VkDeviceSize size)
{
	const uint32_t *words = data;
	for (VkDeviceSize i = 0; i < size / 4; i++) {
		hash = (hash ^ words[i]) * UINT64_C(0x100000001b3);
	}
}

static void open_device(void)
{
	static const float priority = 1.0f;
	VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_1,
	};
	VkInstanceCreateInfo instance_info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	CHECK(vkCreateInstance(&instance_info, NULL, &instance));
	uint32_t count = 1;
	VkResult result = vkEnumeratePhysicalDevices(instance, &count, &physical);
	if ((result != VK_SUCCESS && result != VK_INCOMPLETE) || count == 0) {
		fprintf(stderr, "venus_pixels: no device\n");
		exit(1);
	}
	VkPhysicalDeviceProperties properties;
	vkGetPhysicalDeviceProperties(physical, &properties);
	printf("device %s\n", properties.deviceName);
	VkDeviceQueueCreateInfo queue_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkDeviceCreateInfo device_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue_info,
	};
	CHECK(vkCreateDevice(physical, &device_info, NULL, &device));
	vkGetDeviceQueue(device, 0, 0, &queue);
	VkCommandPoolCreateInfo pool_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
	CHECK(vkCreateCommandPool(device, &pool_info, NULL, &pool));
}

static VkDeviceMemory allocate(const VkMemoryRequirements *requirements,
			       VkMemoryPropertyFlags flags)
{
	VkPhysicalDeviceMemoryProperties memory;
	vkGetPhysicalDeviceMemoryProperties(physical, &memory);
	for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
		if (!(requirements->memoryTypeBits & (1u << i)) ||
		    (memory.memoryTypes[i].propertyFlags & flags) != flags) {
			continue;
		}
		VkMemoryAllocateInfo info = {
			.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
			.allocationSize = requirements->size,
			.memoryTypeIndex = i,
		};
		VkDeviceMemory result;
		CHECK(vkAllocateMemory(device, &info, NULL, &result));
		return result;
	}
	fprintf(stderr, "venus_pixels: no memory type with flags %#x\n", flags);
	exit(1);
}

struct buffer {
	VkBuffer buffer;
	VkDeviceMemory memory;
	void *data;
};

static struct buffer make_buffer(VkDeviceSize size)
{
	struct buffer result;
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = size,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
	};
	CHECK(vkCreateBuffer(device, &info, NULL, &result.buffer));
	VkMemoryRequirements requirements;
	vkGetBufferMemoryRequirements(device, result.buffer, &requirements);
	result.memory = allocate(&requirements, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
							VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
	CHECK(vkBindBufferMemory(device, result.buffer, result.memory, 0));
	CHECK(vkMapMemory(device, result.memory, 0, VK_WHOLE_SIZE, 0, &result.data));
	return result;
}

static void free_buffer(struct buffer *buffer)
{
	vkDestroyBuffer(device, buffer->buffer, NULL);
	vkFreeMemory(device, buffer->memory, NULL);
}

struct image {
	VkImage image;
	VkDeviceMemory memory;
};

static struct image make_image(uint32_t w, uint32_t h)
{
	struct image result;
	VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = VK_FORMAT_B8G8R8A8_UNORM,
		.extent = {w, h, 1},
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT,
	};
	CHECK(vkCreateImage(device, &info, NULL, &result.image));
	VkMemoryRequirements requirements;
	vkGetImageMemoryRequirements(device, result.image, &requirements);
	result.memory = allocate(&requirements, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
	CHECK(vkBindImageMemory(device, result.image, result.memory, 0));
	return result;
}

static void free_image(struct image *image)
{
	vkDestroyImage(device, image->image, NULL);
	vkFreeMemory(device, image->memory, NULL);
}

static void barrier(VkCommandBuffer commands, VkImage image, VkImageLayout from)
{
	VkImageMemoryBarrier info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
		.oldLayout = from,
		.newLayout = VK_IMAGE_LAYOUT_GENERAL,
		.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
		.image = image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1},
	};
	vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &info);
}

/* Clears the big image, puts the small picture into its middle, scales all of it into the small
 * image. */
static void record(VkCommandBuffer commands, const struct buffer *source,
		   const struct buffer *copied, const struct image *big, const struct image *small,
		   const struct buffer *out_big, const struct buffer *out_small)
{
	const VkImageLayout general = VK_IMAGE_LAYOUT_GENERAL;
	const VkImageSubresourceLayers layers = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
	const VkImageSubresourceRange range = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
	const VkClearColorValue colour = {.float32 = {0.2f, 0.4f, 0.6f, 1.0f}};
	VkBufferCopy all = {.size = small_size};
	vkCmdCopyBuffer(commands, source->buffer, copied->buffer, 1, &all);
	barrier(commands, big->image, VK_IMAGE_LAYOUT_UNDEFINED);
	barrier(commands, small->image, VK_IMAGE_LAYOUT_UNDEFINED);
	vkCmdClearColorImage(commands, big->image, general, &colour, 1, &range);
	barrier(commands, big->image, general);
	VkBufferImageCopy region = {
		.imageSubresource = layers,
		.imageOffset = {(width - small_width) / 2, (height - small_height) / 2, 0},
		.imageExtent = {small_width, small_height, 1},
	};
	vkCmdCopyBufferToImage(commands, source->buffer, big->image, general, 1, &region);
	barrier(commands, big->image, general);
	VkImageBlit blit = {
		.srcSubresource = layers,
		.srcOffsets = {{0, 0, 0}, {width, height, 1}},
		.dstSubresource = layers,
		.dstOffsets = {{0, 0, 0}, {small_width, small_height, 1}},
	};
	vkCmdBlitImage(commands, big->image, general, small->image, general, 1, &blit,
		       VK_FILTER_LINEAR);
	barrier(commands, small->image, general);
	VkBufferImageCopy read_big = {
		.imageSubresource = layers,
		.imageExtent = {width, height, 1},
	};
	vkCmdCopyImageToBuffer(commands, big->image, general, out_big->buffer, 1, &read_big);
	VkBufferImageCopy read_small = {
		.imageSubresource = layers,
		.imageExtent = {small_width, small_height, 1},
	};
	vkCmdCopyImageToBuffer(commands, small->image, general, out_small->buffer, 1, &read_small);
	VkMemoryBarrier to_host = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_HOST_READ_BIT,
	};
	vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT,
			     0, 1, &to_host, 0, NULL, 0, NULL);
}

static VkCommandBuffer begin(void)
{
	VkCommandBufferAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.commandPool = pool,
		.commandBufferCount = 1,
	};
	VkCommandBuffer commands;
	CHECK(vkAllocateCommandBuffers(device, &info, &commands));
	VkCommandBufferBeginInfo begin_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
	};
	CHECK(vkBeginCommandBuffer(commands, &begin_info));
	return commands;
}

static void end(VkCommandBuffer commands)
{
	VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
	VkFence fence;
	CHECK(vkEndCommandBuffer(commands));
	CHECK(vkCreateFence(device, &fence_info, NULL, &fence));
	VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &commands,
	};
	CHECK(vkQueueSubmit(queue, 1, &submit, fence));
	CHECK(vkWaitForFences(device, 1, &fence, VK_TRUE, UINT64_MAX));
	vkDestroyFence(device, fence, NULL);
	vkFreeCommandBuffers(device, pool, 1, &commands);
}

static void draw(void)
{
	struct buffer source = make_buffer(small_size), copied = make_buffer(small_size);
	struct buffer out_big = make_buffer(big_size), out_small = make_buffer(small_size);
	struct image big = make_image(width, height), small = make_image(small_width, small_height);
	uint32_t *words = source.data;
	for (uint32_t i = 0; i < small_size / 4; i++) {
		words[i] = i * 2654435761u;
	}
	VkCommandBuffer commands = begin();
	record(commands, &source, &copied, &big, &small, &out_big, &out_small);
	end(commands);
	if (memcmp(copied.data, source.data, small_size) != 0) {
		fprintf(stderr, "venus_pixels: the copied buffer differs\n");
		exit(1);
	}
	add_to_hash(copied.data, small_size);
	add_to_hash(out_big.data, big_size);
	add_to_hash(out_small.data, small_size);
	free_image(&small);
	free_image(&big);
	free_buffer(&out_small);
	free_buffer(&out_big);
	free_buffer(&copied);
	free_buffer(&source);
}

int main(int argc, char **argv)
{
	open_device();
	for (int i = 0; i < 5; i++) {
		draw();
	}
	printf("hash %016llx\n", (unsigned long long)hash);
	fflush(stdout);
	while (argc > 1 && strcmp(argv[1], "--wait") == 0 && getchar() != EOF) {
	}
	vkDestroyCommandPool(device, pool, NULL);
	vkDestroyDevice(device, NULL);
	vkDestroyInstance(instance, NULL);
	return 0;
}
