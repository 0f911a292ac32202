/* SPDX-License-Identifier: MIT */
#include "fast_ring.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4
#define SPINS 4096 /* between two looks at the clock */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static void make_slot(struct fast_ring *ring, uint16_t index, uint32_t request_size,
		      uint32_t response_size)
{
	struct wire_front *front = ring->front;
	struct fast_slot *slot = &ring->slots[index];
	uint64_t request = wire_alloc(front, request_size);
	uint64_t response = response_size > 0 ? wire_alloc(front, response_size) : 0;
	uint64_t table_gpa = wire_alloc(front, 2 * sizeof(struct desc));
	struct desc *table = wire_at(front, table_gpa);
	uint32_t count = response_size > 0 ? 2 : 1;
	table[0] = (struct desc){request, request_size, count > 1 ? DESC_NEXT : 0, 1};
	table[1] = (struct desc){response, response_size, DESC_WRITE, 0};
	struct desc *head = (struct desc *)wire_at(front, front->rings[ring->queue].desc_gpa);
	head[index] =
		(struct desc){table_gpa, count * (uint32_t)sizeof(struct desc), DESC_INDIRECT, 0};
	*slot = (struct fast_slot){
		.request = wire_at(front, request),
		.request_room = request_size,
		.request_size = &table[0].len,
		.response = response_size > 0 ? wire_at(front, response) : NULL,
	};
}

void fast_ring_init(struct fast_ring *ring, struct wire_front *front, unsigned queue,
		    uint32_t request_size, uint32_t response_size)
{
	const struct wire_ring *wire = &front->rings[queue];
	uint16_t *avail = wire_at(front, wire->avail_gpa);
	uint16_t *used = wire_at(front, wire->used_gpa);
	wire_check_equal(front->ring_size, FAST_SLOTS);
	*ring = (struct fast_ring){
		.front = front,
		.queue = queue,
		.avail_idx = avail + 1,
		.avail = avail + 2,
		.used_event = avail + 2 + FAST_SLOTS,
		.used_idx = used + 1,
		.avail_event = used + 2 + 4 * FAST_SLOTS,
	};
	for (uint16_t i = 0; i < FAST_SLOTS; i++) {
		make_slot(ring, i, request_size, response_size);
	}
}

static bool all_used(const struct fast_ring *ring, uint16_t until)
{
	return __atomic_load_n(ring->used_idx, __ATOMIC_ACQUIRE) == until;
}

static void wait_spinning(const struct fast_ring *ring, uint16_t until)
{
	uint64_t end = clock_now_ns() + WIRE_TIMEOUT_MS * CLOCK_NS_PER_MS;
	for (unsigned i = 1; !all_used(ring, until); i++) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
		if (i % SPINS == 0 && clock_now_ns() > end) {
			wire_fail("queue %u: commands are not answered", ring->queue);
		}
	}
}

static void wait_interrupt(const struct fast_ring *ring, uint16_t until)
{
	struct pollfd call = {.fd = ring->front->rings[ring->queue].call, .events = POLLIN};
	uint64_t count;
	while (!all_used(ring, until)) {
		int ready = poll(&call, 1, WIRE_TIMEOUT_MS);
		if (ready == 0) {
			wire_fail("queue %u: no interrupt", ring->queue);
		}
		ssize_t got = read(call.fd, &count, sizeof(count));
		wire_check(got == sizeof(count) || errno == EAGAIN || errno == EINTR);
	}
}

uint64_t fast_ring_run(struct fast_ring *ring, unsigned count)
{
	struct wire_ring *wire = &ring->front->rings[ring->queue];
	uint16_t old = wire->avail_idx;
	uint16_t until = (uint16_t)(old + count);
	for (unsigned i = 0; i < count; i++) {
		ring->avail[(uint16_t)(old + i) % FAST_SLOTS] = (uint16_t)i;
	}
	/* An interrupt for the last one; for none when nobody would notice. */
	__atomic_store_n(ring->used_event, (uint16_t)(ring->spin ? until + 0x7fff : until - 1),
			 __ATOMIC_RELAXED);
	uint64_t start = clock_now_ns();
	__atomic_store_n(ring->avail_idx, until, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint16_t event = __atomic_load_n(ring->avail_event, __ATOMIC_RELAXED);
	if ((uint16_t)(until - event - 1) < (uint16_t)(until - old)) {
		wire_kick(ring->front, ring->queue);
	}
	if (ring->spin) {
		wait_spinning(ring, until);
	} else {
		wait_interrupt(ring, until);
	}
	uint64_t took = clock_now_ns() - start;
	/* The scripted front end goes on from here. */
	wire->avail_idx = until;
	wire->used_seen = until;
	wire->taken = until;
	return took;
}
