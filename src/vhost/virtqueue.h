/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_VIRTQUEUE_H
#define HESPER_VHOST_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vhost/guest_memory.h"

/*
 * Split virtqueues (virtio 1.4, 2.7) with INDIRECT_DESC and EVENT_IDX, read as hostile input.
 * Everything here runs on the device thread.
 */
struct virtqueue;

/* Limits of one chain; above them the chain completes with length 0 and a log line. */
#define VIRTQUEUE_MAX_SEGMENTS 65536
#define VIRTQUEUE_MAX_BYTES (256u << 20)

/*
 * One descriptor chain popped from a queue, owned by the device until virtqueue_push or
 * virtqueue_drop frees it. Pointers go into guest RAM: the guest may change the bytes at any
 * time, so copy what you decide on (virtqueue_read) exactly once.
 */
struct virtqueue_chain {
	uint16_t head;
	uint64_t generation; /* of the queue when it was popped: a stale push does nothing */
	struct guest_memory *memory; /* reference that keeps the pointers alive */
	struct iovec *readable;
	size_t readable_count;
	size_t readable_bytes;
	struct iovec *writable;
	size_t writable_count;
	size_t writable_bytes;
};

/*
 * The next available chain, or NULL: none, queue not running, broken, or starved. Bad chains never
 * get out: they are either completed with length 0 or break the queue (protocols §2.3).
 */
struct virtqueue_chain *virtqueue_pop(struct virtqueue *queue);

/* Copies len bytes from offset of the readable part; false when there are fewer. */
bool virtqueue_read(const struct virtqueue_chain *chain, size_t offset, void *to, size_t len);

/* Copies into the writable part; false (nothing written) when it does not fit. */
bool virtqueue_write(const struct virtqueue_chain *chain, size_t offset, const void *from,
		     size_t len);

/*
 * Completes a chain with `written` bytes and frees it. While the queue is suspended (paused VM)
 * the completion is kept and done at resume; after a reset it is dropped. Interrupts: see
 * virtqueue_notify.
 */
void virtqueue_push(struct virtqueue *queue, struct virtqueue_chain *chain, uint32_t written);

/* Frees a chain without completing it. For device reset. */
void virtqueue_drop(struct virtqueue_chain *chain);

/* Entries of the ring; 0 before the first start. */
unsigned virtqueue_size(const struct virtqueue *queue);

/* Interrupts the guest if it wants that for what was pushed since the last call. One eventfd write. */
void virtqueue_notify(struct virtqueue *queue);

/* Asks the guest for kicks again; true when chains came meanwhile (pop again). */
bool virtqueue_rearm(struct virtqueue *queue);

/*
 * There is no memory for what the next chain needs. It stays where it is, and the device is kicked
 * again in a moment: the guest waits, and loses nothing. virtqueue_pop does so itself.
 */
void virtqueue_starve(struct virtqueue *queue);

#endif
