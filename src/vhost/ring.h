/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_RING_H
#define HESPER_VHOST_RING_H

#include "util/list.h"
#include "vhost/virtqueue.h"

/*
 * The inside of a virtqueue, for the session. Private to src/vhost; device thread.
 *
 * STOPPED: no ring (never started, or the front end took the base back). SUSPENDED: the ring is
 * known but must not be touched. A queue that stops keeps its indices and the completions it
 * could not post: whether they are still wanted is known at the next start (protocols §1.5).
 */
enum virtqueue_state {
	VIRTQUEUE_STOPPED,
	VIRTQUEUE_SUSPENDED,
	VIRTQUEUE_RUNNING,
};

/* Where a ring is, as the front end set it. Addresses are the front end's. */
struct virtqueue_setup {
	uint16_t num;
	uint16_t base; /* next available index */
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

struct virtqueue {
	unsigned index;
	enum virtqueue_state state;
	bool broken; /* the guest broke the rules; until reset */
	bool event_idx;
	bool indirect;
	struct virtqueue_setup setup;
	struct guest_memory *memory;
	/* In guest memory; NULL when STOPPED. */
	const uint8_t *desc;
	const uint8_t *avail;
	uint8_t *used;

	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t signalled; /* used_idx at the last interrupt decision */
	bool signal_due; /* interrupt at the next decision whatever the indices say */
	uint64_t generation; /* of the device: counts resets */
	uint64_t popped; /* chains since the last reset */
	uint32_t in_flight;
	struct list kept; /* struct chain_storage: completed while not RUNNING */

	int call_fd;
	int err_fd;
	bool call_due; /* a new call fd has not been signalled yet */

	struct iovec *scratch;
	size_t scratch_size;

	bool starved; /* see virtqueue_starve */
	void (*starving)(void *data); /* tells the session of that; may be NULL */
	void *starving_data;
};

/* Device and ring feature bits (virtio 1.4, 6). */
#define VIRTIO_RING_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_RING_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

void virtqueue_init(struct virtqueue *queue, unsigned index);
void virtqueue_finish(struct virtqueue *queue);

/*
 * To RUNNING. From SUSPENDED the indices go on; from STOPPED available chains count from
 * setup->base and used ones from what the ring says. Kept completions are posted. -EINVAL when
 * the setup makes no sense or is not in memory.
 */
int virtqueue_start(struct virtqueue *queue, struct guest_memory *memory,
		    const struct virtqueue_setup *setup, uint64_t features);

/* RUNNING to SUSPENDED. */
void virtqueue_suspend(struct virtqueue *queue);

/* To STOPPED. Returns the next available index. */
uint16_t virtqueue_stop(struct virtqueue *queue);

/*
 * All chains in flight become stale and kept completions are gone; a broken queue is whole again,
 * and a stopped one remembers nothing of where it was (setup.num is 0).
 */
void virtqueue_reset(struct virtqueue *queue);

/* True when this stopped queue could go on at setup: the ring is the one that it left. */
bool virtqueue_continues(const struct virtqueue *queue, struct guest_memory *memory,
			 const struct virtqueue_setup *setup);

/* RAM has a new table: finds the ring again. A ring that is no longer there breaks the queue. */
void virtqueue_set_memory(struct virtqueue *queue, struct guest_memory *memory);

/* Owns fd, which may be -1. A new call fd is signalled once, as soon as the queue runs. */
void virtqueue_set_call(struct virtqueue *queue, int fd);
void virtqueue_set_err(struct virtqueue *queue, int fd);

#endif
