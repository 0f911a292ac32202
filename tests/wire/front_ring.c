/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "front_private.h"
#include "vhost/ring.h"

/* The guest driver's side: rings and buffers in RAM. */

/* Each queue: 64 KiB from the start of RAM; the table, then the available, then the used ring. */
#define RING_SPACE 0x10000ull
#define AVAIL_AT 0x4000ull
#define USED_AT 0x5000ull

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
static_assert(sizeof(struct desc) == 16, "ring layout");

void *wire_at(struct wire_front *front, uint64_t gpa)
{
	wire_check(gpa >= WIRE_RAM_GPA && gpa - WIRE_RAM_GPA < front->ram_size);
	return front->ram + (gpa - WIRE_RAM_GPA);
}

uint64_t wire_alloc(struct wire_front *front, uint64_t len)
{
	uint64_t at = front->allocated;
	front->allocated += (len + 63) & ~63ull;
	if (front->allocated > front->ram_size) {
		wire_fail("the guest has no %llu bytes of RAM left", (unsigned long long)len);
	}
	memset(front->ram + at, 0, len);
	return WIRE_RAM_GPA + at;
}

void wire_free_all(struct wire_front *front)
{
	front->allocated = front->queue_count * RING_SPACE;
	wire_check(front->allocated < front->ram_size);
}

void wire_ring_fresh(struct wire_front *front, unsigned queue)
{
	struct wire_ring *ring = &front->rings[queue];
	ring->desc_gpa = WIRE_RAM_GPA + queue * RING_SPACE;
	ring->avail_gpa = ring->desc_gpa + AVAIL_AT;
	ring->used_gpa = ring->desc_gpa + USED_AT;
	ring->avail_idx = 0;
	ring->used_seen = 0;
	ring->base = 0;
	ring->taken = 0;
	ring->free_count = front->ring_size;
	for (unsigned i = 0; i < front->ring_size; i++) {
		ring->free[i] = (uint16_t)(front->ring_size - 1 - i);
		ring->chain_length[i] = 0;
		ring->done[i] = false;
	}
	memset(wire_at(front, ring->desc_gpa), 0, RING_SPACE);
}

static uint16_t *avail_word(struct wire_front *front, unsigned queue, size_t index)
{
	return (uint16_t *)wire_at(front, front->rings[queue].avail_gpa) + index;
}

static uint8_t *used_byte(struct wire_front *front, unsigned queue, size_t index)
{
	return (uint8_t *)wire_at(front, front->rings[queue].used_gpa) + index;
}

static uint16_t used_idx(struct wire_front *front, unsigned queue)
{
	return __atomic_load_n((uint16_t *)used_byte(front, queue, 2), __ATOMIC_ACQUIRE);
}

void wire_set_ring_size(struct wire_front *front, uint16_t size)
{
	front->ring_size = size;
	for (unsigned i = 0; i < front->queue_count; i++) {
		wire_ring_fresh(front, i);
	}
}

void wire_kick(struct wire_front *front, unsigned queue)
{
	const uint64_t one = 1;
	wire_check_equal(write(front->rings[queue].kick, &one, sizeof(one)), sizeof(one));
}

/* Publishes head; false when the device does not want a kick for it. */
static bool make_available(struct wire_front *front, unsigned queue, uint16_t head)
{
	struct wire_ring *ring = &front->rings[queue];
	uint16_t old = ring->avail_idx;
	__atomic_store_n(avail_word(front, queue, 2 + old % front->ring_size), head,
			 __ATOMIC_RELAXED);
	ring->avail_idx++;
	__atomic_store_n(avail_word(front, queue, 1), ring->avail_idx, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if ((front->features & VIRTIO_RING_F_EVENT_IDX) == 0) {
		return (__atomic_load_n((uint16_t *)used_byte(front, queue, 0), __ATOMIC_RELAXED) &
			1) == 0;
	}
	uint16_t event = __atomic_load_n(
		(uint16_t *)used_byte(front, queue, 4 + 8 * (size_t)front->ring_size),
		__ATOMIC_RELAXED);
	return (uint16_t)(ring->avail_idx - event - 1) < (uint16_t)(ring->avail_idx - old);
}

void wire_submit_head(struct wire_front *front, unsigned queue, uint16_t head)
{
	make_available(front, queue, head);
	wire_kick(front, queue);
}

static uint16_t take_desc(struct wire_ring *ring)
{
	if (ring->free_count == 0) {
		wire_fail("the ring is full");
	}
	return ring->free[--ring->free_count];
}

static void fill(struct desc *desc, const struct wire_buffer *buffer, bool more, uint16_t next)
{
	desc->addr = buffer->gpa;
	desc->len = buffer->len;
	desc->flags = (uint16_t)((buffer->writable ? DESC_WRITE : 0) | (more ? DESC_NEXT : 0));
	desc->next = more ? next : 0;
}

static uint16_t write_indirect(struct wire_front *front, unsigned queue,
			       const struct wire_buffer *buffers, size_t count)
{
	struct wire_ring *ring = &front->rings[queue];
	uint64_t table_gpa = wire_alloc(front, count * sizeof(struct desc));
	struct desc *table = wire_at(front, table_gpa);
	for (size_t i = 0; i < count; i++) {
		fill(&table[i], &buffers[i], i + 1 < count, (uint16_t)(i + 1));
	}
	uint16_t head = take_desc(ring);
	struct desc *desc = (struct desc *)wire_at(front, ring->desc_gpa) + head;
	*desc = (struct desc){table_gpa, (uint32_t)(count * sizeof(struct desc)), DESC_INDIRECT, 0};
	ring->chain_length[head] = 1;
	return head;
}

static uint16_t write_direct(struct wire_front *front, unsigned queue,
			     const struct wire_buffer *buffers, size_t count)
{
	struct wire_ring *ring = &front->rings[queue];
	struct desc *table = wire_at(front, ring->desc_gpa);
	uint16_t head = take_desc(ring);
	uint16_t at = head;
	for (size_t i = 0; i < count; i++) {
		bool more = i + 1 < count;
		uint16_t next = more ? take_desc(ring) : 0;
		fill(&table[at], &buffers[i], more, next);
		at = next;
	}
	ring->chain_length[head] = (uint16_t)count;
	return head;
}

uint16_t wire_submit(struct wire_front *front, unsigned queue, const struct wire_buffer *buffers,
		     size_t count, bool indirect)
{
	uint16_t head = indirect ? write_indirect(front, queue, buffers, count)
				 : write_direct(front, queue, buffers, count);
	front->rings[queue].done[head] = false;
	if (make_available(front, queue, head) && !front->quiet) {
		wire_kick(front, queue);
	}
	return head;
}

static void free_chain(struct wire_front *front, unsigned queue, uint16_t head)
{
	struct wire_ring *ring = &front->rings[queue];
	const struct desc *table = wire_at(front, ring->desc_gpa);
	uint16_t at = head;
	for (uint16_t i = 0; i < ring->chain_length[head]; i++) {
		uint16_t next = table[at].next;
		ring->free[ring->free_count++] = at;
		at = next;
	}
	ring->chain_length[head] = 0;
}

static void collect(struct wire_front *front, unsigned queue)
{
	struct wire_ring *ring = &front->rings[queue];
	while (ring->used_seen != used_idx(front, queue)) {
		size_t slot = ring->used_seen % front->ring_size;
		uint32_t element[2];
		memcpy(element, used_byte(front, queue, 4 + 8 * slot), sizeof(element));
		ring->order[ring->used_seen++ % WIRE_RING_SIZE] = (uint16_t)element[0];
		if (element[0] >= front->ring_size || ring->done[element[0]]) {
			wire_fail("queue %u: used entry for chain %u, which is not in flight",
				  queue, element[0]);
		}
		ring->done[element[0]] = true;
		ring->written[element[0]] = element[1];
		free_chain(front, queue, (uint16_t)element[0]);
	}
	/* Asks for an interrupt at the next one. */
	__atomic_store_n(avail_word(front, queue, 2 + (size_t)front->ring_size), ring->used_seen,
			 __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool wire_used(struct wire_front *front, unsigned queue, uint16_t head, uint32_t *written)
{
	struct wire_ring *ring = &front->rings[queue];
	/* Twice: the second look is after the interrupt was asked for. */
	collect(front, queue);
	collect(front, queue);
	if (ring->done[head] && written != NULL) {
		*written = ring->written[head];
	}
	return ring->done[head];
}

bool wire_next_used(struct wire_front *front, unsigned queue, uint16_t *head, uint32_t *written)
{
	struct wire_ring *ring = &front->rings[queue];
	collect(front, queue);
	collect(front, queue);
	if (ring->taken == ring->used_seen) {
		return false;
	}
	*head = ring->order[ring->taken++ % WIRE_RING_SIZE];
	*written = ring->written[*head];
	return true;
}

uint32_t wire_wait_used(struct wire_front *front, unsigned queue, uint16_t head)
{
	uint32_t written = 0;
	while (!wire_used(front, queue, head, &written)) {
		uint64_t count;
		if (!wire_poll(front, front->rings[queue].call, front->channel, WIRE_TIMEOUT_MS)) {
			wire_fail("queue %u: no interrupt for chain %u", queue, head);
		}
		ssize_t got = read(front->rings[queue].call, &count, sizeof(count));
		wire_check(got == sizeof(count) || errno == EAGAIN);
		if (front->channel >= 0) {
			wire_pump(front, 0);
		}
	}
	return written;
}

uint32_t wire_command(struct wire_front *front, unsigned queue, const void *request,
		      uint32_t request_size, void *response, uint32_t response_size)
{
	uint64_t mark = front->allocated;
	uint64_t in = wire_alloc(front, request_size);
	uint64_t out = wire_alloc(front, response_size);
	const struct wire_buffer buffers[] = {
		{in, request_size, false},
		{out, response_size, true},
	};
	memcpy(wire_at(front, in), request, request_size);
	bool indirect = (front->features & VIRTIO_RING_F_INDIRECT_DESC) != 0;
	uint16_t head = wire_submit(front, queue, buffers, response_size > 0 ? 2 : 1, indirect);
	uint32_t written = wire_wait_used(front, queue, head);
	if (response_size > 0) {
		memcpy(response, wire_at(front, out),
		       written < response_size ? written : response_size);
	}
	front->allocated = mark;
	return written;
}
