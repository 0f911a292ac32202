/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_ATTACK_VENUS_H
#define HESPER_GUEST_ATTACK_VENUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Just enough of the Venus protocol to say wrong things in it: a stream of commands, each of which is
 * its number, flags, and arguments as they come; pointers are u64 (how many are there). Numbers are
 * those of Mesa's and virglrenderer's venus-protocol.
 */
enum venus_command {
	VENUS_CREATE_INSTANCE = 0,
	VENUS_DESTROY_INSTANCE = 1,
	VENUS_ENUMERATE_PHYSICAL_DEVICES = 2,
	VENUS_CREATE_DEVICE = 11,
	VENUS_DESTROY_DEVICE = 12,
	VENUS_QUEUE_SUBMIT = 18,
	VENUS_QUEUE_WAIT_IDLE = 19,
	VENUS_ALLOCATE_MEMORY = 21,
	VENUS_FREE_MEMORY = 22,
	VENUS_ENUMERATE_INSTANCE_VERSION = 137,
	VENUS_GET_DEVICE_QUEUE_2 = 155,
	VENUS_SET_REPLY_STREAM = 178,
	VENUS_SEEK_REPLY_STREAM = 179,
	VENUS_EXECUTE_STREAMS = 180,
	VENUS_CREATE_RING = 188,
	VENUS_DESTROY_RING = 189,
	VENUS_NOTIFY_RING = 190,
	VENUS_WRITE_RING_EXTRA = 191,
	VENUS_GET_MEMORY_RESOURCE_PROPERTIES = 192,
	VENUS_SUBMIT_VIRTQUEUE_SEQNO = 251,
	VENUS_WAIT_VIRTQUEUE_SEQNO = 252,
	VENUS_WAIT_RING_SEQNO = 253,
};

#define VENUS_REPLY 1 /* the flag */

#define VENUS_TYPE_RING 1000384000
#define VENUS_TYPE_RESOURCE_PROPERTIES 1000384001
#define VENUS_TYPE_RING_MONITOR 1000384006
#define VENUS_TYPE_RING_PRIORITY 1000384007
#define VENUS_TYPE_QUEUE_TIMELINE 1000384005

/* What is written beyond the end is left out. */
struct stream {
	size_t size;
	uint8_t bytes[65536];
};

void put32(struct stream *stream, uint32_t value);
void put64(struct stream *stream, uint64_t value);
void put_command(struct stream *stream, uint32_t command, uint32_t flags);

void put_instance(struct stream *stream, uint64_t id);
/* Memory of a device's first type, with the flag to be exported. */
void put_memory(struct stream *stream, uint64_t device, uint64_t id, uint64_t size, uint32_t type);
void put_free_memory(struct stream *stream, uint64_t device, uint64_t id);
void put_reply_stream(struct stream *stream, uint32_t resource, uint64_t offset, uint64_t size);
void put_version_query(struct stream *stream, uint32_t flags);
void put_execute(struct stream *stream, uint32_t resource, uint64_t offset, uint64_t size);

struct ring_layout {
	uint64_t id;
	uint32_t resource;
	uint64_t offset;
	uint64_t size;
	uint64_t idle_timeout; /* ns */
	uint64_t head;
	uint64_t tail;
	uint64_t status;
	uint64_t buffer;
	uint64_t buffer_size;
	uint64_t extra;
	uint64_t extra_size;
};

#define RING_BUFFER_SIZE 4096

/* A right one, in a resource of 8192 bytes. */
struct ring_layout ring_layout(uint64_t id, uint32_t resource);
void put_ring(struct stream *stream, const struct ring_layout *layout);
/* One command whose argument is a ring's id; or two u64. */
void put_ring_command(struct stream *stream, uint32_t command, uint64_t ring);
void put_seqno_command(struct stream *stream, uint32_t command, uint64_t ring, uint64_t seqno);

/* Ids of what venus_device makes. */
enum {
	ID_INSTANCE = 1,
	ID_PHYSICAL = 2,
	ID_DEVICE = 10,
	ID_QUEUE = 11,
	ID_MEMORY = 20, /* free, and those above */
};

/* Submits; waits until it was executed or the context is lost. 0 or a negative errno. */
int venus_submit(int fd, const struct stream *stream);
/* Makes an instance and a device with a queue on ring 1. */
int venus_device(int fd);
/* NULL when the stream on a new context leaves it working, or has it lost. */
const char *venus_try(const struct stream *stream, bool works);

#endif
