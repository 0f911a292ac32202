/* SPDX-License-Identifier: MIT */
#include "vhost/ring.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/fd.h"
#include "vhost/chain.h"
#include "vhost/protocol.h"

/*
 * The life of a queue: starting, pausing, resetting. Moving chains is in virtqueue.c.
 */

void virtqueue_init(struct virtqueue *queue, unsigned index)
{
	*queue = (struct virtqueue){
		.index = index,
		.state = VIRTQUEUE_STOPPED,
		.call_fd = -1,
		.err_fd = -1,
	};
	list_init(&queue->kept);
}

static void forget_ring(struct virtqueue *queue)
{
	queue->desc = NULL;
	queue->avail = NULL;
	queue->used = NULL;
	guest_memory_unref(queue->memory);
	queue->memory = NULL;
}

static void drop_kept(struct virtqueue *queue)
{
	while (!list_empty(&queue->kept)) {
		struct chain_storage *storage =
			container_of(queue->kept.next, struct chain_storage, link);
		list_remove(&storage->link);
		virtqueue_drop(&storage->chain);
	}
}

void virtqueue_finish(struct virtqueue *queue)
{
	drop_kept(queue);
	forget_ring(queue);
	fd_close(&queue->call_fd);
	fd_close(&queue->err_fd);
	free(queue->scratch);
	queue->scratch = NULL;
	queue->scratch_size = 0;
	queue->state = VIRTQUEUE_STOPPED;
}

struct ring_pointers {
	const uint8_t *desc;
	const uint8_t *avail;
	uint8_t *used;
};

/* Layouts and alignments: protocols §2.2. Two more bytes each for the event index. */
static bool find_ring(struct guest_memory *memory, const struct virtqueue_setup *setup,
		      struct ring_pointers *out)
{
	uint64_t num = setup->num;
	if (memory == NULL || num == 0 || num > VHOST_USER_MAX_RING || (num & (num - 1)) != 0) {
		return false;
	}
	out->desc = guest_memory_at_user(memory, setup->desc, 16 * num);
	out->avail = guest_memory_at_user(memory, setup->avail, 6 + 2 * num);
	out->used = guest_memory_at_user(memory, setup->used, 6 + 8 * num);
	return out->desc != NULL && out->avail != NULL && out->used != NULL &&
	       ((uintptr_t)out->desc & 15) == 0 && ((uintptr_t)out->avail & 1) == 0 &&
	       ((uintptr_t)out->used & 3) == 0;
}

static uint16_t ring_used_idx(const struct ring_pointers *ring)
{
	return le16toh(__atomic_load_n((const uint16_t *)(ring->used + 2), __ATOMIC_ACQUIRE));
}

static void use_ring(struct virtqueue *queue, struct guest_memory *memory,
		     const struct ring_pointers *ring)
{
	guest_memory_ref(memory);
	guest_memory_unref(queue->memory);
	queue->memory = memory;
	queue->desc = ring->desc;
	queue->avail = ring->avail;
	queue->used = ring->used;
}

static void post_kept(struct virtqueue *queue)
{
	struct list kept;
	list_init(&kept);
	list_splice(&kept, &queue->kept);
	while (!list_empty(&kept)) {
		struct chain_storage *storage = container_of(kept.next, struct chain_storage, link);
		list_remove(&storage->link);
		virtqueue_push(queue, &storage->chain, storage->written);
	}
}

int virtqueue_start(struct virtqueue *queue, struct guest_memory *memory,
		    const struct virtqueue_setup *setup, uint64_t features)
{
	struct ring_pointers ring;
	if (queue->state == VIRTQUEUE_SUSPENDED) {
		setup = &queue->setup;
	}
	if (!find_ring(memory, setup, &ring)) {
		return -EINVAL;
	}
	if (queue->state == VIRTQUEUE_STOPPED) {
		queue->last_avail = setup->base;
		queue->used_idx = ring_used_idx(&ring);
	}
	use_ring(queue, memory, &ring);
	if (setup != &queue->setup) {
		queue->setup = *setup;
	}
	queue->event_idx = (features & VIRTIO_RING_F_EVENT_IDX) != 0;
	queue->indirect = (features & VIRTIO_RING_F_INDIRECT_DESC) != 0;
	queue->signalled = queue->used_idx;
	queue->state = VIRTQUEUE_RUNNING;
	if (!list_empty(&queue->kept)) {
		/* The guest may have set its event index anywhere meanwhile. */
		queue->signal_due = true;
		post_kept(queue);
	}
	if (queue->call_due) {
		virtqueue_signal_call(queue);
	}
	virtqueue_notify(queue);
	return 0;
}

void virtqueue_suspend(struct virtqueue *queue)
{
	if (queue->state == VIRTQUEUE_RUNNING) {
		/* What was pushed but not told yet must not be lost with the pause. */
		virtqueue_notify(queue);
		queue->state = VIRTQUEUE_SUSPENDED;
	}
}

uint16_t virtqueue_stop(struct virtqueue *queue)
{
	virtqueue_suspend(queue);
	forget_ring(queue);
	queue->state = VIRTQUEUE_STOPPED;
	return queue->last_avail;
}

void virtqueue_reset(struct virtqueue *queue)
{
	drop_kept(queue);
	queue->generation++;
	queue->popped = 0;
	queue->in_flight = 0;
	queue->broken = false;
	queue->starved = false;
	queue->signal_due = false;
	if (queue->state == VIRTQUEUE_STOPPED) {
		queue->setup = (struct virtqueue_setup){0};
		queue->last_avail = 0;
		queue->used_idx = 0;
	}
}

bool virtqueue_continues(const struct virtqueue *queue, struct guest_memory *memory,
			 const struct virtqueue_setup *setup)
{
	const struct virtqueue_setup *left = &queue->setup;
	struct ring_pointers ring;
	return setup->base == queue->last_avail && setup->num == left->num &&
	       setup->desc == left->desc && setup->avail == left->avail &&
	       setup->used == left->used && find_ring(memory, setup, &ring) &&
	       ring_used_idx(&ring) == queue->used_idx;
}

void virtqueue_set_memory(struct virtqueue *queue, struct guest_memory *memory)
{
	if (queue->state == VIRTQUEUE_STOPPED) {
		return;
	}
	struct ring_pointers ring;
	if (find_ring(memory, &queue->setup, &ring)) {
		use_ring(queue, memory, &ring);
	} else {
		virtqueue_break(queue, "its ring is not in the new memory table");
	}
}

void virtqueue_set_call(struct virtqueue *queue, int fd)
{
	fd_close(&queue->call_fd);
	queue->call_fd = fd;
	queue->call_due = fd >= 0;
	if (queue->call_due && queue->state == VIRTQUEUE_RUNNING) {
		virtqueue_signal_call(queue);
	}
}

void virtqueue_set_err(struct virtqueue *queue, int fd)
{
	fd_close(&queue->err_fd);
	queue->err_fd = fd;
}
