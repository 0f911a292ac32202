/* SPDX-License-Identifier: MIT */
#include "view/source.h"

#include <errno.h>
#include <linux/dma-buf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

const char *source_path_name(enum source_path path)
{
	switch (path) {
	case SOURCE_NONE:
		break;
	case SOURCE_HOST_MEMORY:
		return "host-memory";
	case SOURCE_DMA_BUF:
		return "dma-buf";
	case SOURCE_COPY:
		return "copy";
	}
	return "none";
}

void source_cache_init(struct source_cache *cache, struct vk *vk)
{
	*cache = (struct source_cache){.vk = vk};
	list_init(&cache->sources);
}

static void drop(struct source_cache *cache, struct source *source)
{
	list_remove(&source->link);
	cache->count--;
	source_free(cache->vk, source);
	free(source);
}

void source_cache_clear(struct source_cache *cache)
{
	while (!list_empty(&cache->sources)) {
		drop(cache, container_of(cache->sources.next, struct source, link));
	}
}

void source_cache_prune(struct source_cache *cache, uint64_t now_ns)
{
	while (!list_empty(&cache->sources)) {
		struct source *oldest = container_of(cache->sources.next, struct source, link);
		if (now_ns - oldest->used_ns < SOURCE_IDLE_NS) {
			return;
		}
		drop(cache, oldest);
	}
}

uint64_t source_cache_due_ns(const struct source_cache *cache)
{
	if (list_empty(&cache->sources)) {
		return UINT64_MAX;
	}
	return container_of(cache->sources.next, struct source, link)->used_ns + SOURCE_IDLE_NS;
}

static bool matches(const struct source *source, const struct stat *stat, const struct frame *frame)
{
	const struct frame *shape = &source->shape;
	return source->device == stat->st_dev && source->inode == stat->st_ino &&
	       shape->format == frame->format && shape->width == frame->width &&
	       shape->height == frame->height && shape->stride == frame->stride &&
	       shape->offset == frame->offset;
}

static bool import(struct source_cache *cache, struct source *source, const struct frame *frame)
{
	struct vk *vk = cache->vk;
	if (cache->never_import) {
		if (!cache->warned) {
			cache->warned = true;
			log_warn("the CPU copies every frame, as --import copy asks for");
		}
		return source_make_copy(vk, source, frame);
	}
	if (frame->memory->kind == MEMORY_DMA_BUF) {
		if (source_import_dma_buf_image(vk, source, frame) ||
		    source_import_dma_buf_buffer(vk, source, frame)) {
			return true;
		}
	} else if (source_import_host(vk, source, frame)) {
		return true;
	}
	if (!cache->warned) {
		cache->warned = true;
		log_warn("%s cannot import the guest's %s: the CPU copies every frame",
			 vk->properties.deviceName,
			 frame->memory->kind == MEMORY_DMA_BUF ? "dma-buf" : "pages");
	}
	return source_make_copy(vk, source, frame);
}

static struct source *add(struct source_cache *cache, const struct stat *stat,
			  const struct frame *frame)
{
	if (cache->count >= SOURCE_CACHE_MAX) {
		drop(cache, container_of(cache->sources.next, struct source, link));
	}
	struct source *source = calloc(1, sizeof(*source));
	if (source == NULL) {
		return NULL;
	}
	source->device = stat->st_dev;
	source->inode = stat->st_ino;
	source->shape = *frame;
	source->shape.memory = NULL;
	if (!import(cache, source, frame)) {
		free(source);
		return NULL;
	}
	log_debug("imported %ux%u %s, stride %u, offset %llu: %s", frame->width, frame->height,
		  frame->format->name, frame->stride, (unsigned long long)frame->offset,
		  source_path_name(source->path));
	cache->count++;
	return source;
}

struct source *source_cache_get(struct source_cache *cache, const struct frame *frame)
{
	struct stat stat;
	if (fstat(frame->memory->fd, &stat) != 0) {
		log_error("a picture's descriptor cannot be read: %s", strerror(errno));
		return NULL;
	}
	struct source *found = NULL;
	struct list *item;
	list_for_each (item, &cache->sources) {
		struct source *source = container_of(item, struct source, link);
		if (matches(source, &stat, frame)) {
			found = source;
			break;
		}
	}
	if (found != NULL) {
		list_remove(&found->link);
	} else {
		found = add(cache, &stat, frame);
	}
	if (found != NULL) {
		list_append(&cache->sources, &found->link);
		found->used_ns = clock_now_ns();
		cache->worst = found->path > cache->worst ? found->path : cache->worst;
	}
	return found;
}

static void sync_dma_buf(const struct frame *frame, uint64_t flags)
{
	if (frame->memory->kind == MEMORY_DMA_BUF) {
		struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_READ | flags};
		ioctl(frame->memory->fd, DMA_BUF_IOCTL_SYNC, &sync);
	}
}

bool source_refresh(struct source *source, const struct frame *frame)
{
	if (source->path != SOURCE_COPY) {
		return true;
	}
	const char *from = (const char *)source->mapping + source->mapping_first;
	char *to = source->staging.mapped;
	sync_dma_buf(frame, DMA_BUF_SYNC_START);
	for (uint32_t y = 0; y < frame->height; y++) {
		counter_copy_pixels(to + (size_t)y * source->stride,
				    from + (size_t)y * frame->stride, source->stride);
	}
	sync_dma_buf(frame, DMA_BUF_SYNC_END);
	return true;
}

/* A dma-buf belongs to another device between our reads; host memory just needs to be seen. */
static void take_buffer(struct vk *vk, const struct source *source, bool back)
{
	bool foreign = source->path == SOURCE_DMA_BUF && vk->foreign_queues;
	uint32_t theirs = foreign ? VK_QUEUE_FAMILY_FOREIGN_EXT : VK_QUEUE_FAMILY_IGNORED;
	uint32_t ours = foreign ? vk->family : VK_QUEUE_FAMILY_IGNORED;
	const VkBufferMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
		.srcAccessMask = back || foreign ? 0 : VK_ACCESS_HOST_WRITE_BIT,
		.dstAccessMask = back ? 0 : VK_ACCESS_TRANSFER_READ_BIT,
		.srcQueueFamilyIndex = back ? ours : theirs,
		.dstQueueFamilyIndex = back ? theirs : ours,
		.buffer = source->buffer,
		.size = VK_WHOLE_SIZE};
	VkPipelineStageFlags outside =
		foreign ? VK_PIPELINE_STAGE_TRANSFER_BIT : VK_PIPELINE_STAGE_HOST_BIT;
	if (back && !foreign) {
		return;
	}
	vkCmdPipelineBarrier(vk->commands, outside, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 1,
			     &barrier, 0, NULL);
}

static void take_image(struct vk *vk, const struct source *source, bool back)
{
	uint32_t theirs =
		vk->foreign_queues ? VK_QUEUE_FAMILY_FOREIGN_EXT : VK_QUEUE_FAMILY_EXTERNAL;
	VkImageLayout copied = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;
	const VkImageMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
		.dstAccessMask = back ? 0 : VK_ACCESS_TRANSFER_READ_BIT,
		.oldLayout = back ? copied : VK_IMAGE_LAYOUT_GENERAL,
		.newLayout = back ? VK_IMAGE_LAYOUT_GENERAL : copied,
		.srcQueueFamilyIndex = back ? vk->family : theirs,
		.dstQueueFamilyIndex = back ? theirs : vk->family,
		.image = source->image,
		.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
	vkCmdPipelineBarrier(vk->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &barrier);
}

void source_record(struct vk *vk, const struct source *source, const struct rect *part,
		   VkImage target, int32_t x, int32_t y)
{
	const VkImageSubresourceLayers colour = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
	const VkExtent3D extent = {part->width, part->height, 1};
	if (source->image != VK_NULL_HANDLE) {
		const VkImageCopy region = {.srcSubresource = colour,
					    .srcOffset = {(int32_t)part->x, (int32_t)part->y, 0},
					    .dstSubresource = colour,
					    .dstOffset = {x, y, 0},
					    .extent = extent};
		take_image(vk, source, false);
		vkCmdCopyImage(vk->commands, source->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
			       target, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
		take_image(vk, source, true);
		return;
	}
	const VkBufferImageCopy region = {
		.bufferOffset = source->first + (VkDeviceSize)part->y * source->stride +
				(VkDeviceSize)part->x * FORMAT_PIXEL_BYTES,
		.bufferRowLength = source->stride / FORMAT_PIXEL_BYTES,
		.imageSubresource = colour,
		.imageOffset = {x, y, 0},
		.imageExtent = extent};
	take_buffer(vk, source, false);
	vkCmdCopyBufferToImage(vk->commands, source->buffer, target,
			       VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
	take_buffer(vk, source, true);
}
