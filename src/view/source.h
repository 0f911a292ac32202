/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_SOURCE_H
#define HESPER_VIEW_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "frame/frame.h"
#include "util/list.h"
#include "view/vk.h"

/* How the GPU gets at a guest's picture. */
enum source_path {
	SOURCE_NONE,
	SOURCE_HOST_MEMORY, /* its pages, imported as a host pointer */
	SOURCE_DMA_BUF,  /* its dma-buf, imported */
	SOURCE_COPY,  /* a copy that the CPU makes of each frame: counted, warned about */
};

/* "host-memory", "dma-buf", "copy" or "none". */
const char *source_path_name(enum source_path path);

/*
 * One guest buffer, imported once: a buffer to copy from, or a linear image. Its pixels are read
 * by source_record. Main thread.
 */
struct source {
	struct list link;
	/* The key. The import keeps the inode alive, so its number cannot come to mean another. */
	dev_t device;
	ino_t inode;
	struct frame shape; /* its memory pointer is not used */
	uint64_t used_ns; /* shown last */

	enum source_path path;
	VkBuffer buffer;
	VkImage image;
	VkDeviceMemory memory;
	VkDeviceSize first; /* bytes from the buffer's start to the first pixel */
	uint32_t stride; /* bytes from row to row in the buffer */
	void *mapping; /* of the fd; SOURCE_HOST_MEMORY and SOURCE_COPY */
	size_t mapping_size;
	size_t mapping_first; /* bytes from the mapping to the first pixel */
	struct vk_host_buffer staging; /* SOURCE_COPY */
};

/* Imported buffers, least recently used first. */
struct source_cache {
	struct vk *vk;
	struct list sources;
	unsigned count;
	bool never_import; /* every frame is copied by the CPU, though the driver could import it */
	bool warned;
	enum source_path worst; /* of all that were ever shown: SOURCE_COPY if any was copied */
};

#define SOURCE_CACHE_MAX 64

/* An import pins the guest's pages: one that was not shown for so long goes. */
#define SOURCE_IDLE_NS 5000000000ull

void source_cache_init(struct source_cache *cache, struct vk *vk);

/* Forgets every import. No GPU work may be under way. */
void source_cache_clear(struct source_cache *cache);

/* Forgets what is idle. No GPU work may be under way. */
void source_cache_prune(struct source_cache *cache, uint64_t now_ns);

/* When the next one will have been idle for so long; UINT64_MAX when there is none. */
uint64_t source_cache_due_ns(const struct source_cache *cache);

/*
 * The import of the frame's buffer; made when it is not there yet, and then the least recently
 * used one may be destroyed, so no GPU work may be under way. NULL when not even a copy can be
 * made (said in the log). Owned by the cache.
 */
struct source *source_cache_get(struct source_cache *cache, const struct frame *frame);

/* Before recording: SOURCE_COPY takes its copy of the picture. */
bool source_refresh(struct source *source, const struct frame *frame);

/*
 * Records a 1:1 copy of part of the source to (x, y) of target, which is in vk_use_copied_to. The
 * bytes are moved as they are; a target format other than source->shape.format->vulkan must be
 * of the same size.
 */
void source_record(struct vk *vk, const struct source *source, const struct rect *part,
		   VkImage target, int32_t x, int32_t y);

/* source_import.c: each fills the source or leaves it as it was. */
bool source_import_host(struct vk *vk, struct source *source, const struct frame *frame);
bool source_import_dma_buf_image(struct vk *vk, struct source *source, const struct frame *frame);
bool source_import_dma_buf_buffer(struct vk *vk, struct source *source, const struct frame *frame);
bool source_make_copy(struct vk *vk, struct source *source, const struct frame *frame);
void source_free(struct vk *vk, struct source *source);

#endif
