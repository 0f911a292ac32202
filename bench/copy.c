/* SPDX-License-Identifier: MIT */
/*
 * The limit of what a viewer can do, without one: a loop of nothing but the GPU's copy, of the same size,
 * out of the same kind of import, on the same driver; and of memcpy. Prints JSON.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "samples.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/options.h"
#include "view/picture.h"
#include "view/source.h"
#include "view/vk.h"

#define BUFFERS 3
#define IMAGES 3

enum copy_kind {
	COPY_IMPORT, /* vkCmdCopyBufferToImage out of imported pages */
	COPY_BLIT, /* vkCmdBlitImage from image to image */
	COPY_MEMCPY, /* the CPU, from the pages to memory of the driver's */
};

struct copy_options {
	struct option_size size;
	uint32_t kind;
	uint32_t warm_up;
	uint32_t frames;
	uint32_t rounds;
};

struct copy {
	struct vk vk;
	struct source_cache sources;
	struct frame frames[BUFFERS];
	struct source *source[BUFFERS];
	struct converter converter;
	struct picture pictures[IMAGES];
	struct vk_host_buffer staging;
};

static int parse(struct copy_options *options, int argc, char **argv)
{
	*options = (struct copy_options){
		.size = {1920, 1080}, .warm_up = 10, .frames = 100, .rounds = 1};
	const struct option_spec specs[] = {
		{"size", 0, OPTION_SIZE, &options->size, "WxH", "Size of the picture", 1, 16384},
		{"kind", 0, OPTION_CHOICE, &options->kind, "copy|blit|memcpy", "What copies", 0, 0},
		{"warm-up", 0, OPTION_UINT, &options->warm_up, "N", "Copies before the first round",
		 1, 0},
		{"frames", 0, OPTION_UINT, &options->frames, "N", "Copies of a round", 1, 0},
		{"rounds", 0, OPTION_UINT, &options->rounds, "N", "Rounds", 1, 100},
	};
	const struct option_table table = {
		.program = "hesper-bench-copy",
		.operands = "",
		.summary = "Measures bare copies of pictures",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
	};
	return options_parse(&table, argc, argv);
}

static bool make_frames(struct copy *copy, const struct option_size *size)
{
	uint64_t bytes = (uint64_t)size->width * size->height * FORMAT_PIXEL_BYTES;
	for (int i = 0; i < BUFFERS; i++) {
		struct memory *memory =
			memory_create_shm("hesper-bench", (bytes + 4095) & ~4095ull);
		if (memory == NULL) {
			log_error("no memory for %ux%u", size->width, size->height);
			return false;
		}
		memset(memory->mapping, 0x55 + i, bytes);
		copy->frames[i] = (struct frame){.memory = memory,
						 .format = format_from_virtio(2),
						 .width = size->width,
						 .height = size->height,
						 .stride = size->width * FORMAT_PIXEL_BYTES};
		copy->source[i] = source_cache_get(&copy->sources, &copy->frames[i]);
		if (copy->source[i] == NULL) {
			return false;
		}
	}
	return true;
}

/* All images are there, and have been written to, before the clock runs. */
static bool make_images(struct copy *copy)
{
	struct vk *vk = &copy->vk;
	for (int i = 0; i < IMAGES; i++) {
		if (!vk_begin(vk) ||
		    !picture_record(vk, &copy->converter, &copy->pictures[i], copy->source[0],
				    &copy->frames[0]) ||
		    !vk_submit_and_wait(vk, VK_NULL_HANDLE, 0)) {
			return false;
		}
	}
	return true;
}

static bool copy_once(struct copy *copy, uint32_t number)
{
	struct vk *vk = &copy->vk;
	const struct frame *frame = &copy->frames[number % BUFFERS];
	const struct source *source = copy->source[number % BUFFERS];
	VkImage image = copy->pictures[number % IMAGES].image;
	const VkBufferImageCopy region = {.bufferOffset = source->first,
					  .bufferRowLength = source->stride / FORMAT_PIXEL_BYTES,
					  .imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
					  .imageExtent = {frame->width, frame->height, 1}};
	if (!vk_begin(vk)) {
		return false;
	}
	vk_image_barrier(vk, image, vk_use_nothing, vk_use_copied_to);
	vkCmdCopyBufferToImage(vk->commands, source->buffer, image,
			       VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
	return vk_submit_and_wait(vk, VK_NULL_HANDLE, 0);
}

static bool blit_once(struct copy *copy, uint32_t number)
{
	struct vk *vk = &copy->vk;
	const struct frame *frame = &copy->frames[0];
	const VkOffset3D end = {(int32_t)frame->width, (int32_t)frame->height, 1};
	const VkImageSubresourceLayers colour = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
	const VkImageBlit region = {.srcSubresource = colour,
				    .srcOffsets = {{0}, end},
				    .dstSubresource = colour,
				    .dstOffsets = {{0}, end}};
	VkImage from = copy->pictures[0].image;
	VkImage to = copy->pictures[1 + number % (IMAGES - 1)].image;
	if (!vk_begin(vk)) {
		return false;
	}
	vk_image_barrier(vk, to, vk_use_nothing, vk_use_copied_to);
	vkCmdBlitImage(vk->commands, from, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, to,
		       VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region, VK_FILTER_NEAREST);
	return vk_submit_and_wait(vk, VK_NULL_HANDLE, 0);
}

static bool memcpy_once(struct copy *copy, uint32_t number)
{
	const struct source *source = copy->source[number % BUFFERS];
	const struct frame *frame = &copy->frames[number % BUFFERS];
	memcpy(copy->staging.mapped, (const char *)source->mapping + source->mapping_first,
	       (size_t)frame->stride * frame->height);
	return true;
}

static bool run(struct copy *copy, enum copy_kind kind, uint32_t count, uint32_t *number,
		struct samples *samples)
{
	for (uint32_t i = 0; i < count; i++, (*number)++) {
		uint64_t start = clock_now_ns();
		bool right = kind == COPY_IMPORT ? copy_once(copy, *number)
			     : kind == COPY_BLIT ? blit_once(copy, *number)
						 : memcpy_once(copy, *number);
		if (!right) {
			return false;
		}
		if (samples != NULL) {
			samples_add(samples, clock_now_ns() - start);
		}
	}
	return true;
}

static bool measure(struct copy *copy, const struct copy_options *options)
{
	struct samples samples;
	uint32_t number = 0;
	enum copy_kind kind = (enum copy_kind)options->kind;
	json_t *rounds = json_array();
	samples_init(&samples, (uint64_t)options->frames * options->rounds);
	bool right = run(copy, kind, options->warm_up, &number, NULL);
	for (uint32_t i = 0; i < options->rounds && right; i++) {
		uint64_t start = clock_now_ns();
		right = run(copy, kind, options->frames, &number, &samples);
		json_array_append_new(rounds, json_pack("{s:f}", "ms",
							(double)(clock_now_ns() - start) / 1e6 /
								options->frames));
	}
	json_t *result = json_pack("{s:s, s:s, s:s, s:o, s:o}", "device",
				   copy->vk.properties.deviceName, "driver", copy->vk.driver,
				   "path", source_path_name(copy->source[0]->path), "rounds",
				   rounds, "interval_us", samples_json(&samples));
	if (right) {
		json_dumpf(result, stdout, JSON_REAL_PRECISION(7) | JSON_COMPACT);
		putchar('\n');
	}
	json_decref(result);
	samples_finish(&samples);
	return right;
}

static void finish(struct copy *copy)
{
	struct vk *vk = &copy->vk;
	for (int i = 0; i < IMAGES; i++) {
		picture_finish(vk, &copy->pictures[i]);
	}
	vk_host_buffer_finish(vk, &copy->staging);
	source_cache_clear(&copy->sources);
	for (int i = 0; i < BUFFERS; i++) {
		memory_unref(copy->frames[i].memory);
	}
	vk_finish(vk);
}

int main(int argc, char **argv)
{
	static struct copy copy;
	struct copy_options options;
	log_init("hesper-bench-copy", LOG_WARN);
	int parsed = parse(&options, argc, argv);
	if (parsed < 0) {
		return parsed == -ECANCELED ? 0 : 2;
	}
	if (!vk_init_instance(&copy.vk, NULL, 0) ||
	    !vk_init_device(&copy.vk, UINT32_MAX, VK_NULL_HANDLE)) {
		return 1;
	}
	source_cache_init(&copy.sources, &copy.vk);
	bool right = make_frames(&copy, &options.size) && make_images(&copy) &&
		     vk_host_buffer_init(&copy.vk, &copy.staging,
					 (VkDeviceSize)copy.frames[0].stride * options.size.height,
					 VK_BUFFER_USAGE_TRANSFER_SRC_BIT) &&
		     measure(&copy, &options);
	finish(&copy);
	return right ? 0 : 1;
}
