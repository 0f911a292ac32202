/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_FRONT_GPU_H
#define HESPER_GUEST_FRONT_GPU_H

#include <linux/virtio_gpu.h>

#include "front.h"

/*
 * Commands of virtio-gpu, as tests/golden/daemon.h has them: each returns the type of the answer,
 * 0 when the device wrote none.
 */
#define OK VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BAD_SCANOUT VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_CONTEXT VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define MAPPED VIRTIO_GPU_RESP_OK_MAP_INFO
#define HOST3D VIRTIO_GPU_BLOB_MEM_HOST3D
#define GUEST VIRTIO_GPU_BLOB_MEM_GUEST
#define MAPPABLE VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE
#define VENUS 4

/* Fails unless the call's value is want. */
#define EXPECT(front, want, call)                                                                  \
	gpu_expect(front, (unsigned long long)(want), (unsigned long long)(call), #call, __LINE__)
/* Fails unless the condition holds. */
#define CHECK(front, condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			front_fail(front, "not true: %s (line %d)", #condition, __LINE__);         \
		}                                                                                  \
	} while (0)

void gpu_expect(struct front *front, unsigned long long want, unsigned long long got,
		const char *call, int line);

/* One of a table of all commands; what it answers when all behind its type is zeros, or ones. */
struct gpu_command {
	const char *name;
	uint32_t type;
	uint32_t size;
	uint8_t queue;
	uint32_t zeros;
	uint32_t ones;
};
extern const struct gpu_command gpu_commands[];
extern const unsigned gpu_command_count;

/* A whole command on the control queue; response may be NULL. */
uint32_t gpu_send(struct front *front, const void *request, uint32_t size);
uint32_t gpu_ask(struct front *front, const void *request, uint32_t size, void *response,
		 uint32_t response_size);
/* Nothing but the header. */
uint32_t gpu_simple(struct front *front, uint32_t type, uint32_t context);
/* The device is there, and answers what is asked: display info. */
void gpu_probe(struct front *front);

/* Posts a command without waiting or kicking; *answer is where its response will be. */
uint16_t gpu_post(struct front *front, unsigned queue, const void *request, uint32_t size,
		  uint64_t *answer);
uint32_t gpu_answer(struct front *front, uint64_t answer);

uint32_t gpu_create_2d(struct front *front, uint32_t id, uint32_t format, uint32_t width,
		       uint32_t height);
/* One entry. */
uint32_t gpu_attach(struct front *front, uint32_t id, uint64_t gpa, uint32_t len);
/* Entries that are in memory at gpa, count of them; claimed: nr_entries. */
uint32_t gpu_attach_list(struct front *front, uint32_t id, uint64_t gpa, uint32_t count,
			 uint32_t claimed);
uint32_t gpu_detach(struct front *front, uint32_t id);
uint32_t gpu_transfer(struct front *front, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		      uint32_t height, uint64_t offset);
uint32_t gpu_flush(struct front *front, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
		   uint32_t height);
uint32_t gpu_unref(struct front *front, uint32_t id);
uint32_t gpu_set_scanout(struct front *front, uint32_t head, uint32_t id, uint32_t x, uint32_t y,
			 uint32_t width, uint32_t height);
uint32_t gpu_set_scanout_blob(struct front *front, uint32_t head, uint32_t id, uint32_t format,
			      uint32_t width, uint32_t height, uint32_t stride, uint32_t offset);
uint32_t gpu_create_context(struct front *front, uint32_t context, uint32_t capset);
uint32_t gpu_destroy_context(struct front *front, uint32_t context);
/* type: CTX_ATTACH_RESOURCE or CTX_DETACH_RESOURCE. */
uint32_t gpu_context_resource(struct front *front, uint32_t type, uint32_t context, uint32_t id);
/* size: what the header claims; there: bytes that follow, at data. */
uint32_t gpu_submit(struct front *front, uint32_t context, uint32_t size, const void *data,
		    uint32_t there);
/* A host blob of shared memory, or one of guest pages at gpa (GUEST). */
uint32_t gpu_create_blob(struct front *front, uint32_t context, uint32_t id, uint32_t mem,
			 uint32_t flags, uint64_t blob_id, uint64_t size, uint64_t gpa);
uint32_t gpu_map(struct front *front, uint32_t id, uint64_t offset);
uint32_t gpu_unmap(struct front *front, uint32_t id);

/* What attacks start from. */
uint64_t gpu_make_picture(struct front *front, uint32_t id, uint32_t side); /* its backing */
void gpu_make_context(struct front *front, uint32_t id);
void gpu_make_blob(struct front *front, uint32_t context, uint32_t id, uint64_t size);

#endif
