/* SPDX-License-Identifier: MIT */
#include "venus.h"

#include <string.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"

#define TYPE_INSTANCE 1
#define TYPE_DEVICE_QUEUE 2
#define TYPE_DEVICE 3
#define TYPE_MEMORY 5
#define TYPE_EXPORT 1000072002
#define TYPE_QUEUE_INFO_2 1000145003
#define EXPORT_DMA_BUF 0x200

static void put(struct stream *stream, const void *bytes, size_t size)
{
	if (size <= sizeof(stream->bytes) - stream->size) {
		memcpy(stream->bytes + stream->size, bytes, size);
		stream->size += size;
	}
}

void put32(struct stream *stream, uint32_t value)
{
	put(stream, &value, sizeof(value));
}

void put64(struct stream *stream, uint64_t value)
{
	put(stream, &value, sizeof(value));
}

void put_command(struct stream *stream, uint32_t command, uint32_t flags)
{
	put32(stream, command);
	put32(stream, flags);
}

void put_instance(struct stream *stream, uint64_t id)
{
	put_command(stream, VENUS_CREATE_INSTANCE, 0);
	put64(stream, 1); /* pCreateInfo */
	put32(stream, TYPE_INSTANCE);
	put64(stream, 0); /* pNext */
	put32(stream, 0); /* flags */
	put64(stream, 0); /* pApplicationInfo */
	put32(stream, 0); /* layers */
	put64(stream, 0);
	put32(stream, 0); /* extensions */
	put64(stream, 0);
	put64(stream, 0); /* pAllocator */
	put64(stream, 1); /* pInstance */
	put64(stream, id);
}

void put_memory(struct stream *stream, uint64_t device, uint64_t id, uint64_t size, uint32_t type)
{
	put_command(stream, VENUS_ALLOCATE_MEMORY, 0);
	put64(stream, device);
	put64(stream, 1); /* pAllocateInfo */
	put32(stream, TYPE_MEMORY);
	put64(stream, 1); /* pNext */
	put32(stream, TYPE_EXPORT);
	put64(stream, 0);
	put32(stream, EXPORT_DMA_BUF);
	put64(stream, size);
	put32(stream, type);
	put64(stream, 0); /* pAllocator */
	put64(stream, 1); /* pMemory */
	put64(stream, id);
}

void put_free_memory(struct stream *stream, uint64_t device, uint64_t id)
{
	put_command(stream, VENUS_FREE_MEMORY, 0);
	put64(stream, device);
	put64(stream, id);
	put64(stream, 0); /* pAllocator */
}

void put_reply_stream(struct stream *stream, uint32_t resource, uint64_t offset, uint64_t size)
{
	put_command(stream, VENUS_SET_REPLY_STREAM, 0);
	put64(stream, 1);
	put32(stream, resource);
	put64(stream, offset);
	put64(stream, size);
}

void put_version_query(struct stream *stream, uint32_t flags)
{
	put_command(stream, VENUS_ENUMERATE_INSTANCE_VERSION, flags);
	put64(stream, 1);
}

void put_execute(struct stream *stream, uint32_t resource, uint64_t offset, uint64_t size)
{
	put_command(stream, VENUS_EXECUTE_STREAMS, 0);
	put32(stream, 1); /* streams */
	put64(stream, 1);
	put32(stream, resource);
	put64(stream, offset);
	put64(stream, size);
	put64(stream, 0); /* reply positions */
	put32(stream, 0); /* dependencies */
	put64(stream, 0);
	put32(stream, 0); /* flags */
}

struct ring_layout ring_layout(uint64_t id, uint32_t resource)
{
	return (struct ring_layout){
		.id = id,
		.resource = resource,
		.size = 8192,
		.idle_timeout = 1000000,
		.head = 0,
		.tail = 64,
		.status = 128,
		.extra = 192,
		.extra_size = 4,
		.buffer = 4096,
		.buffer_size = RING_BUFFER_SIZE,
	};
}

void put_ring(struct stream *stream, const struct ring_layout *layout)
{
	put_command(stream, VENUS_CREATE_RING, 0);
	put64(stream, layout->id);
	put64(stream, 1); /* pCreateInfo */
	put32(stream, VENUS_TYPE_RING);
	put64(stream, 0); /* pNext */
	put32(stream, 0); /* flags */
	put32(stream, layout->resource);
	put64(stream, layout->offset);
	put64(stream, layout->size);
	put64(stream, layout->idle_timeout);
	put64(stream, layout->head);
	put64(stream, layout->tail);
	put64(stream, layout->status);
	put64(stream, layout->buffer);
	put64(stream, layout->buffer_size);
	put64(stream, layout->extra);
	put64(stream, layout->extra_size);
}

void put_ring_command(struct stream *stream, uint32_t command, uint64_t ring)
{
	put_command(stream, command, 0);
	put64(stream, ring);
	if (command == VENUS_NOTIFY_RING) {
		put32(stream, 0); /* seqno */
		put32(stream, 0); /* flags */
	}
}

void put_seqno_command(struct stream *stream, uint32_t command, uint64_t ring, uint64_t seqno)
{
	put_command(stream, command, 0);
	put64(stream, ring);
	put64(stream, seqno);
}

static void put_device(struct stream *stream)
{
	put_command(stream, VENUS_ENUMERATE_PHYSICAL_DEVICES, 0);
	put64(stream, ID_INSTANCE);
	put64(stream, 1);
	put32(stream, 1); /* one is enough */
	put64(stream, 1);
	put64(stream, ID_PHYSICAL);

	put_command(stream, VENUS_CREATE_DEVICE, 0);
	put64(stream, ID_PHYSICAL);
	put64(stream, 1); /* pCreateInfo */
	put32(stream, TYPE_DEVICE);
	put64(stream, 0); /* pNext */
	put32(stream, 0); /* flags */
	put32(stream, 1); /* queues */
	put64(stream, 1);
	put32(stream, TYPE_DEVICE_QUEUE);
	put64(stream, 0);
	put32(stream, 0); /* flags */
	put32(stream, 0); /* family */
	put32(stream, 1); /* queues of it */
	put64(stream, 1);
	put32(stream, 0x3f800000); /* 1.0f */
	put32(stream, 0); /* layers */
	put64(stream, 0);
	put32(stream, 0); /* extensions */
	put64(stream, 0);
	put64(stream, 0); /* features */
	put64(stream, 0); /* pAllocator */
	put64(stream, 1); /* pDevice */
	put64(stream, ID_DEVICE);

	put_command(stream, VENUS_GET_DEVICE_QUEUE_2, 0);
	put64(stream, ID_DEVICE);
	put64(stream, 1);
	put32(stream, TYPE_QUEUE_INFO_2);
	put64(stream, 1); /* pNext */
	put32(stream, VENUS_TYPE_QUEUE_TIMELINE);
	put64(stream, 0);
	put32(stream, 1); /* ring */
	put32(stream, 0); /* flags */
	put32(stream, 0); /* family */
	put32(stream, 0); /* index */
	put64(stream, 1);
	put64(stream, ID_QUEUE);
}

int venus_submit(int fd, const struct stream *stream)
{
	int fence;
	int error = card_submit_fenced(fd, 0, stream->bytes, stream->size, &fence);
	if (error < 0) {
		return error;
	}
	error = card_await(fence);
	close(fence);
	return error;
}

int venus_device(int fd)
{
	static struct stream stream;
	stream.size = 0;
	put_instance(&stream, ID_INSTANCE);
	put_device(&stream);
	return venus_submit(fd, &stream);
}

const char *venus_try(const struct stream *stream, bool works)
{
	int fd = card_context();
	TRY(expect("a context", fd < 0 ? fd : 0, 0));
	TRY(expect("the stream", venus_submit(fd, stream), 0));
	TRY(card_expect(fd, works));
	close(fd);
	return NULL;
}
