/* SPDX-License-Identifier: MIT */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vhost/chain.h"

/*
 * From descriptors to a chain. Every descriptor is hostile and may change while it is read, so it
 * is copied once and only the copy is believed. What breaks the queue and what only fails the
 * chain: protocols §2.3.
 */

#define DESC_BYTES 16
#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* The ring's own table (ring != NULL), or an indirect one at gpa. */
struct desc_table {
	const uint8_t *ring;
	uint64_t gpa;
	uint32_t length;
};

struct walk {
	struct virtqueue *queue;
	struct desc_table table;
	size_t count; /* pieces in queue->scratch, readable ones first */
	size_t readable_count;
	uint64_t readable_bytes;
	uint64_t writable_bytes;
	int error; /* the first that fails the chain without breaking the queue */
	const char *why;
};

static int broken(struct walk *walk, const char *why)
{
	walk->why = why;
	return -EPROTO;
}

static bool copy_from_guest(const struct guest_memory *memory, uint64_t gpa, void *to, size_t len)
{
	struct iovec pieces[2];
	ssize_t count = guest_memory_iov(memory, gpa, len, pieces, 2);
	for (ssize_t i = 0; i < count; i++) {
		memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
		to = (uint8_t *)to + pieces[i].iov_len;
	}
	return count > 0;
}

static bool read_descriptor(const struct walk *walk, uint32_t index, struct descriptor *out)
{
	uint8_t copy[DESC_BYTES];
	const struct desc_table *table = &walk->table;
	if (table->ring != NULL) {
		memcpy(copy, table->ring + (size_t)index * DESC_BYTES, DESC_BYTES);
	} else if (!copy_from_guest(walk->queue->memory, table->gpa + (uint64_t)index * DESC_BYTES,
				    copy, DESC_BYTES)) {
		return false;
	}
	/* The compiler may not read guest memory again for what it has in the copy. */
	__asm__ volatile("" ::: "memory");
	memcpy(&out->addr, copy, 8);
	memcpy(&out->len, copy + 8, 4);
	memcpy(&out->flags, copy + 12, 2);
	memcpy(&out->next, copy + 14, 2);
	out->addr = le64toh(out->addr);
	out->len = le32toh(out->len);
	out->flags = le16toh(out->flags);
	out->next = le16toh(out->next);
	return true;
}

static int grow_scratch(struct virtqueue *queue)
{
	size_t size = queue->scratch_size == 0 ? 64 : 2 * queue->scratch_size;
	struct iovec *scratch = realloc(queue->scratch, size * sizeof(*scratch));
	if (scratch == NULL) {
		return -ENOMEM;
	}
	queue->scratch = scratch;
	queue->scratch_size = size;
	return 0;
}

/* Pieces of one buffer; more than one where it crosses a region border. */
static int add_pieces(struct walk *walk, const struct descriptor *desc)
{
	struct virtqueue *queue = walk->queue;
	ssize_t count = -E2BIG;
	while (count == -E2BIG) {
		size_t room = queue->scratch_size - walk->count;
		if (room > 0) {
			count = guest_memory_iov(queue->memory, desc->addr, desc->len,
						 queue->scratch + walk->count, room);
		}
		int error = count == -E2BIG ? grow_scratch(queue) : 0;
		if (error < 0) {
			return error;
		}
	}
	if (count < 0) {
		return (int)count;
	}
	walk->count += (size_t)count;
	return walk->count > VIRTQUEUE_MAX_SEGMENTS ? -E2BIG : 0;
}

static int add_buffer(struct walk *walk, const struct descriptor *desc)
{
	bool writable = (desc->flags & DESC_WRITE) != 0;
	if (desc->len == 0) {
		return broken(walk, "a descriptor is empty");
	}
	if (!writable && walk->writable_bytes > 0) {
		return broken(walk, "a readable descriptor follows a writable one");
	}
	*(writable ? &walk->writable_bytes : &walk->readable_bytes) += desc->len;
	if (walk->readable_bytes + walk->writable_bytes > VIRTQUEUE_MAX_BYTES && walk->error == 0) {
		walk->error = -E2BIG;
	}
	/* A chain that already failed is walked to its end only to see whether it breaks the queue. */
	if (walk->error == 0) {
		walk->error = add_pieces(walk, desc);
	}
	if (!writable) {
		walk->readable_count = walk->count;
	}
	return 0;
}

static int enter_indirect(struct walk *walk, const struct descriptor *desc)
{
	if (!walk->queue->indirect) {
		return broken(walk, "an indirect descriptor was not negotiated");
	}
	if (walk->table.ring == NULL) {
		return broken(walk, "an indirect table refers to another");
	}
	if ((desc->flags & DESC_NEXT) != 0) {
		return broken(walk, "an indirect descriptor has a next one");
	}
	if (desc->len == 0 || desc->len % DESC_BYTES != 0) {
		return broken(walk, "an indirect table's length is no multiple of 16");
	}
	walk->table.ring = NULL;
	walk->table.gpa = desc->addr;
	walk->table.length = desc->len / DESC_BYTES;
	return 0;
}

/* Follows one table from index; 1 when it led into an indirect table. */
static int walk_table(struct walk *walk, uint32_t index)
{
	for (uint32_t visited = 0; visited < walk->table.length; visited++) {
		struct descriptor desc;
		if (visited == VIRTQUEUE_MAX_SEGMENTS) {
			return -E2BIG;
		}
		if (!read_descriptor(walk, index, &desc)) {
			return -EFAULT;
		}
		int error;
		if ((desc.flags & DESC_INDIRECT) != 0) {
			error = enter_indirect(walk, &desc);
			return error < 0 ? error : 1;
		}
		error = add_buffer(walk, &desc);
		if (error < 0) {
			return error;
		}
		if ((desc.flags & DESC_NEXT) == 0) {
			return 0;
		}
		if (desc.next >= walk->table.length) {
			return broken(walk, "a descriptor's next one is outside the table");
		}
		index = desc.next;
	}
	return broken(walk, "descriptors form a loop");
}

static struct virtqueue_chain *make_chain(const struct walk *walk, uint16_t head)
{
	struct virtqueue *queue = walk->queue;
	struct chain_storage *storage =
		malloc(sizeof(*storage) + walk->count * sizeof(storage->iov[0]));
	if (storage == NULL) {
		return NULL;
	}
	list_init(&storage->link);
	storage->written = 0;
	memcpy(storage->iov, queue->scratch, walk->count * sizeof(storage->iov[0]));
	storage->chain = (struct virtqueue_chain){
		.head = head,
		.generation = queue->generation,
		.memory = guest_memory_ref(queue->memory),
		.readable = storage->iov,
		.readable_count = walk->readable_count,
		.readable_bytes = (size_t)walk->readable_bytes,
		.writable = storage->iov + walk->readable_count,
		.writable_count = walk->count - walk->readable_count,
		.writable_bytes = (size_t)walk->writable_bytes,
	};
	return &storage->chain;
}

int virtqueue_walk(struct virtqueue *queue, uint16_t head, struct virtqueue_chain **out,
		   const char **why)
{
	struct walk walk = {
		.queue = queue,
		.table = {.ring = queue->desc, .length = queue->setup.num},
	};
	int result = walk_table(&walk, head);
	if (result == 1) {
		result = walk_table(&walk, 0);
	}
	*why = walk.why;
	if (result == 0) {
		result = walk.error;
	}
	if (result < 0) {
		return result;
	}
	*out = make_chain(&walk, head);
	return *out == NULL ? -ENOMEM : 0;
}
