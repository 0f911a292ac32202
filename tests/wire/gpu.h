/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_GPU_H
#define HESPER_TESTS_WIRE_GPU_H

#include <linux/virtio_gpu.h>
#include <stdint.h>

#include "front.h"

/*
 * virtio-gpu commands on a scripted front end whose device is started (virtio 1.3, 5.7.6). Those
 * that return a number return the type of the answer. Anything unexpected ends the running test.
 */
#define GPU_CONTROL_QUEUE 0
#define GPU_CURSOR_QUEUE 1

/* A name for words: "OK_NODATA", "ERR_INVALID_RESOURCE_ID", "no answer" for 0, … */
const char *gpu_answer_name(uint32_t type);
bool gpu_is_error(uint32_t type);

/* Any command on the control queue. response may be NULL; it is zero where nothing was written. */
uint32_t gpu_command(struct wire_front *front, const void *request, uint32_t size, void *response,
		     uint32_t response_size);
/* Just a header. */
uint32_t gpu_simple(struct wire_front *front, uint32_t type);

uint32_t gpu_create_2d(struct wire_front *front, uint32_t id, uint32_t format, uint32_t width,
		       uint32_t height);
uint32_t gpu_attach(struct wire_front *front, uint32_t id, uint64_t gpa, uint32_t len);
uint32_t gpu_transfer(struct wire_front *front, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		      uint32_t height, uint64_t offset);
uint32_t gpu_set_scanout(struct wire_front *front, uint32_t head, uint32_t id, uint32_t x,
			 uint32_t y, uint32_t width, uint32_t height);
uint32_t gpu_flush_part(struct wire_front *front, uint32_t id, const struct virtio_gpu_rect *part);
uint32_t gpu_flush(struct wire_front *front, uint32_t id, uint32_t width, uint32_t height);
uint32_t gpu_unref(struct wire_front *front, uint32_t id);
uint32_t gpu_create_context(struct wire_front *front, uint32_t context, uint32_t capset);
/* gpa 0: without guest memory. */
uint32_t gpu_create_blob(struct wire_front *front, uint32_t context, uint32_t id, uint32_t mem,
			 uint64_t blob_id, uint64_t size, uint64_t gpa);
uint32_t gpu_map(struct wire_front *front, uint32_t id, uint64_t offset, uint32_t *map_info);
uint32_t gpu_unmap(struct wire_front *front, uint32_t id);
uint32_t gpu_set_scanout_blob(struct wire_front *front, uint32_t head, uint32_t id, uint32_t format,
			      uint32_t width, uint32_t height, uint32_t stride, uint32_t offset,
			      const struct virtio_gpu_rect *part);

/* Makes a command available without waiting for it; its answer, of len bytes, will be at *answer. */
uint16_t gpu_post(struct wire_front *front, const void *request, uint32_t size, uint32_t len,
		  uint64_t *answer);

#endif
