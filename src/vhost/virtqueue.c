/* SPDX-License-Identifier: MIT */
#include "vhost/virtqueue.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "vhost/chain.h"

/*
 * Moving chains between guest and device on a split ring.
 *
 * Ordering (protocols §2.4). Taking: avail.idx is loaded with acquire before the ring entry and
 * the descriptors behind it. Giving back: the used element, then used.idx with release, then a
 * full fence before the guest's event index is read, or guest and device could each miss what the
 * other just wrote, and no interrupt would come. The same fence the other way round stands between
 * avail_event and the second look at avail.idx (virtqueue_rearm).
 */

static uint16_t load_u16(const uint8_t *at, int order)
{
	return le16toh(__atomic_load_n((const uint16_t *)at, order));
}

static void store_u16(uint8_t *at, uint16_t value, int order)
{
	__atomic_store_n((uint16_t *)at, htole16(value), order);
}

static void store_u32(uint8_t *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)at, htole32(value), __ATOMIC_RELAXED);
}

static uint16_t avail_flags(const struct virtqueue *queue)
{
	return load_u16(queue->avail, __ATOMIC_RELAXED);
}

static uint16_t avail_idx(const struct virtqueue *queue)
{
	return load_u16(queue->avail + 2, __ATOMIC_ACQUIRE);
}

static uint16_t avail_entry(const struct virtqueue *queue, uint16_t index)
{
	uint16_t slot = index & (queue->setup.num - 1);
	return load_u16(queue->avail + 4 + 2 * (size_t)slot, __ATOMIC_RELAXED);
}

static uint16_t used_event(const struct virtqueue *queue)
{
	return load_u16(queue->avail + 4 + 2 * (size_t)queue->setup.num, __ATOMIC_RELAXED);
}

static void signal_fd(int fd)
{
	/* EAGAIN: the counter is full, so the other side has not looked yet. */
	const uint64_t one = 1;
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN) {
		log_limited(LOG_WARN, "a queue's eventfd cannot be written: %s", strerror(errno));
	}
}

void virtqueue_signal_call(struct virtqueue *queue)
{
	queue->call_due = false;
	signal_fd(queue->call_fd);
}

void virtqueue_break(struct virtqueue *queue, const char *why)
{
	if (!queue->broken) {
		log_limited(LOG_WARN, "queue %u is broken by the guest: %s", queue->index, why);
		signal_fd(queue->err_fd);
	}
	queue->broken = true;
}

static bool queue_runs(const struct virtqueue *queue)
{
	return queue->state == VIRTQUEUE_RUNNING && !queue->broken;
}

static void post_used(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	uint16_t slot = queue->used_idx & (queue->setup.num - 1);
	uint8_t *element = queue->used + 4 + 8 * (size_t)slot;
	store_u32(element, head);
	store_u32(element + 4, written);
	queue->used_idx++;
	store_u16(queue->used + 2, queue->used_idx, __ATOMIC_RELEASE);
	queue->in_flight--;
}

/* Whether a chain can be taken; breaks the queue when the guest's index is nonsense. */
static bool next_head(struct virtqueue *queue, uint16_t *head)
{
	uint16_t waiting = (uint16_t)(avail_idx(queue) - queue->last_avail);
	if (waiting == 0) {
		return false;
	}
	if (waiting > queue->setup.num) {
		virtqueue_break(queue, "more chains are available than the ring has entries");
		return false;
	}
	/* Each takes at least one descriptor. Without this a guest could make us hold any number. */
	if (queue->in_flight >= queue->setup.num) {
		virtqueue_break(queue, "more chains are in flight than the ring has entries");
		return false;
	}
	*head = avail_entry(queue, queue->last_avail);
	if (*head >= queue->setup.num) {
		virtqueue_break(queue, "a chain's head is outside the table");
		return false;
	}
	return true;
}

void virtqueue_starve(struct virtqueue *queue)
{
	log_limited(LOG_ERROR, "queue %u: out of memory, the guest has to wait", queue->index);
	queue->starved = true;
	if (queue->starving != NULL) {
		queue->starving(queue->starving_data);
	}
}

struct virtqueue_chain *virtqueue_pop(struct virtqueue *queue)
{
	uint16_t head;
	queue->starved = false;
	/* One ring of bad chains a call: a guest that makes them endlessly holds up nobody else. */
	for (unsigned bad = 0; queue_runs(queue) && next_head(queue, &head); bad++) {
		struct virtqueue_chain *chain;
		const char *why;
		int error = virtqueue_walk(queue, head, &chain, &why);
		if (error == -EPROTO) {
			virtqueue_break(queue, why);
			return NULL;
		}
		if (error == -ENOMEM) {
			virtqueue_starve(queue);
			return NULL;
		}
		queue->last_avail++;
		queue->popped++;
		queue->in_flight++;
		if (error == 0) {
			return chain;
		}
		log_limited(LOG_WARN, "queue %u: a chain is refused: %s", queue->index,
			    strerror(-error));
		post_used(queue, head, 0);
		virtqueue_notify(queue);
		if (bad == queue->setup.num) {
			return NULL;
		}
	}
	return NULL;
}

bool virtqueue_read(const struct virtqueue_chain *chain, size_t offset, void *to, size_t len)
{
	if (offset > chain->readable_bytes || len > chain->readable_bytes - offset) {
		return false;
	}
	uint8_t *out = to;
	for (size_t i = 0; i < chain->readable_count && len > 0; i++) {
		const struct iovec *piece = &chain->readable[i];
		if (offset >= piece->iov_len) {
			offset -= piece->iov_len;
			continue;
		}
		size_t part = piece->iov_len - offset;
		part = part < len ? part : len;
		memcpy(out, (const uint8_t *)piece->iov_base + offset, part);
		out += part;
		len -= part;
		offset = 0;
	}
	/* What the caller decides on is the copy: guest memory is not read again for it. */
	__asm__ volatile("" ::: "memory");
	return true;
}

bool virtqueue_write(const struct virtqueue_chain *chain, size_t offset, const void *from,
		     size_t len)
{
	if (offset > chain->writable_bytes || len > chain->writable_bytes - offset) {
		return false;
	}
	const uint8_t *in = from;
	for (size_t i = 0; i < chain->writable_count && len > 0; i++) {
		const struct iovec *piece = &chain->writable[i];
		if (offset >= piece->iov_len) {
			offset -= piece->iov_len;
			continue;
		}
		size_t part = piece->iov_len - offset;
		part = part < len ? part : len;
		memcpy((uint8_t *)piece->iov_base + offset, in, part);
		in += part;
		len -= part;
		offset = 0;
	}
	return true;
}

void virtqueue_push(struct virtqueue *queue, struct virtqueue_chain *chain, uint32_t written)
{
	struct chain_storage *storage = container_of(chain, struct chain_storage, chain);
	if (chain->generation != queue->generation || queue->broken) {
		virtqueue_drop(chain);
		return;
	}
	if (written > chain->writable_bytes) {
		written = (uint32_t)chain->writable_bytes;
	}
	if (queue->state != VIRTQUEUE_RUNNING) {
		storage->written = written;
		list_append(&queue->kept, &storage->link);
		return;
	}
	post_used(queue, chain->head, written);
	virtqueue_drop(chain);
}

unsigned virtqueue_size(const struct virtqueue *queue)
{
	return queue->setup.num;
}

void virtqueue_drop(struct virtqueue_chain *chain)
{
	if (chain != NULL) {
		guest_memory_unref(chain->memory);
		free(container_of(chain, struct chain_storage, chain));
	}
}

static bool guest_wants_interrupt(const struct virtqueue *queue, uint16_t old)
{
	if (!queue->event_idx) {
		return (avail_flags(queue) & 1) == 0;
	}
	uint16_t passed = (uint16_t)(queue->used_idx - used_event(queue) - 1);
	return passed < (uint16_t)(queue->used_idx - old);
}

void virtqueue_notify(struct virtqueue *queue)
{
	/* A queue that has just broken still tells of what it completed before. */
	if (queue->state != VIRTQUEUE_RUNNING || queue->used_idx == queue->signalled) {
		return;
	}
	uint16_t old = queue->signalled;
	bool due = queue->signal_due;
	queue->signalled = queue->used_idx;
	queue->signal_due = false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (due || guest_wants_interrupt(queue, old)) {
		signal_fd(queue->call_fd);
	}
}

bool virtqueue_rearm(struct virtqueue *queue)
{
	if (!queue_runs(queue) || queue->starved) {
		return false;
	}
	if (queue->event_idx) {
		store_u16(queue->used + 4 + 8 * (size_t)queue->setup.num, queue->last_avail,
			  __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return avail_idx(queue) != queue->last_avail;
}
