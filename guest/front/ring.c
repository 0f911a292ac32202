/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "front.h"

/* The driver's side of a split ring (virtio 1.4, 2.7). */

static uint16_t *avail_word(struct front *front, unsigned queue, size_t index)
{
	return (uint16_t *)front_at(front, front->rings[queue].avail_gpa) + index;
}

static uint8_t *used_byte(struct front *front, unsigned queue, size_t index)
{
	return (uint8_t *)front_at(front, front->rings[queue].used_gpa) + index;
}

uint16_t front_used_idx(struct front *front, unsigned queue)
{
	return __atomic_load_n((uint16_t *)used_byte(front, queue, 2), __ATOMIC_ACQUIRE);
}

struct desc *front_desc(struct front *front, unsigned queue, unsigned index)
{
	return (struct desc *)front_at(front, front->rings[queue].desc_gpa) + index;
}

void front_kick(struct front *front, unsigned queue)
{
	const struct pci *pci = &front->pci;
	io_write16(pci->common + COMMON_QUEUE_SELECT, (uint16_t)queue);
	uint32_t at = io_read16(pci->common + COMMON_QUEUE_NOTIFY_OFF) * pci->notify_multiplier;
	io_write16(pci->notify + at, (uint16_t)queue);
}

void front_set_avail_idx(struct front *front, unsigned queue, uint16_t idx)
{
	front->rings[queue].avail_idx = idx;
	__atomic_store_n(avail_word(front, queue, 1), idx, __ATOMIC_SEQ_CST);
}

static void make_available(struct front *front, unsigned queue, uint16_t head)
{
	struct front_ring *ring = &front->rings[queue];
	__atomic_store_n(avail_word(front, queue, 2 + ring->avail_idx % ring->size), head,
			 __ATOMIC_RELAXED);
	/* No interrupt, please: with EVENT_IDX it is far away. */
	__atomic_store_n(avail_word(front, queue, 0), 1, __ATOMIC_RELAXED);
	__atomic_store_n(avail_word(front, queue, 2 + (size_t)ring->size),
			 (uint16_t)(ring->used_seen - 1), __ATOMIC_RELAXED);
	front_set_avail_idx(front, queue, (uint16_t)(ring->avail_idx + 1));
}

void front_submit_head(struct front *front, unsigned queue, uint16_t head)
{
	make_available(front, queue, head);
	front_kick(front, queue);
}

static uint16_t take_desc(struct front *front, unsigned queue)
{
	struct front_ring *ring = &front->rings[queue];
	if (ring->free_count == 0) {
		front_fail(front, "queue %u is full", queue);
	}
	return ring->free[--ring->free_count];
}

static struct desc make_desc(const struct front_buffer *buffer, bool more, uint16_t next)
{
	return (struct desc){
		.addr = buffer->gpa,
		.len = buffer->len,
		.flags = (uint16_t)((buffer->writable ? DESC_WRITE : 0) | (more ? DESC_NEXT : 0)),
		.next = more ? next : 0,
	};
}

static uint16_t write_indirect(struct front *front, unsigned queue,
			       const struct front_buffer *buffers, size_t count)
{
	uint32_t bytes = (uint32_t)(count * sizeof(struct desc));
	uint64_t gpa = front_alloc(front, bytes);
	struct desc *table = front_at(front, gpa);
	for (size_t i = 0; i < count; i++) {
		table[i] = make_desc(&buffers[i], i + 1 < count, (uint16_t)(i + 1));
	}
	uint16_t head = take_desc(front, queue);
	*front_desc(front, queue, head) =
		(struct desc){.addr = gpa, .len = bytes, .flags = DESC_INDIRECT};
	front->rings[queue].chain_length[head] = 1;
	return head;
}

static uint16_t write_direct(struct front *front, unsigned queue,
			     const struct front_buffer *buffers, size_t count)
{
	uint16_t head = take_desc(front, queue);
	uint16_t at = head;
	for (size_t i = 0; i < count; i++) {
		bool more = i + 1 < count;
		uint16_t next = more ? take_desc(front, queue) : 0;
		*front_desc(front, queue, at) = make_desc(&buffers[i], more, next);
		at = next;
	}
	front->rings[queue].chain_length[head] = (uint16_t)count;
	return head;
}

uint16_t front_post(struct front *front, unsigned queue, const struct front_buffer *buffers,
		    size_t count, bool indirect)
{
	indirect = indirect && (front->features & FRONT_INDIRECT) != 0;
	uint16_t head = indirect ? write_indirect(front, queue, buffers, count)
				 : write_direct(front, queue, buffers, count);
	front->rings[queue].done[head] = false;
	make_available(front, queue, head);
	return head;
}

uint16_t front_submit(struct front *front, unsigned queue, const struct front_buffer *buffers,
		      size_t count, bool indirect)
{
	uint16_t head = front_post(front, queue, buffers, count, indirect);
	front_kick(front, queue);
	return head;
}

static void free_chain(struct front *front, unsigned queue, uint16_t head)
{
	struct front_ring *ring = &front->rings[queue];
	uint16_t at = head;
	for (uint16_t i = 0; i < ring->chain_length[head]; i++) {
		uint16_t next = front_desc(front, queue, at)->next;
		ring->free[ring->free_count++] = at;
		at = next % ring->size;
	}
	ring->chain_length[head] = 0;
}

static bool collect_one(struct front *front, unsigned queue)
{
	struct front_ring *ring = &front->rings[queue];
	uint32_t element[2];
	if (ring->used_seen == front_used_idx(front, queue)) {
		return false;
	}
	memcpy(element, used_byte(front, queue, 4 + 8 * (size_t)(ring->used_seen % ring->size)),
	       sizeof(element));
	ring->used_seen++;
	if (element[0] >= ring->size) {
		front_fail(front, "queue %u: used entry for chain %u", queue, element[0]);
	}
	ring->done[element[0]] = true;
	ring->written[element[0]] = element[1];
	free_chain(front, queue, (uint16_t)element[0]);
	return true;
}

bool front_used(struct front *front, unsigned queue, uint16_t head, uint32_t *written)
{
	struct front_ring *ring = &front->rings[queue];
	while (collect_one(front, queue)) {
	}
	if (ring->done[head] && written != NULL) {
		*written = ring->written[head];
	}
	return ring->done[head];
}

/* Looks for a while, then lets the host have the processor in between. */
static void pause_polling(struct front *front, uint64_t start, const char *what, unsigned queue)
{
	uint64_t passed = front_now_us() - start;
	if (passed > FRONT_TIMEOUT_MS * 1000ull) {
		front_fail(front, "queue %u: %s within %u s", queue, what, FRONT_TIMEOUT_MS / 1000);
	}
	if (passed > 500) {
		front_sleep_us(100);
	}
}

uint32_t front_wait_used(struct front *front, unsigned queue, uint16_t head)
{
	uint64_t start = front_now_us();
	uint32_t written = 0;
	while (!front_used(front, queue, head, &written)) {
		pause_polling(front, start, "a command is not answered", queue);
	}
	return written;
}

void front_wait_count(struct front *front, unsigned queue, unsigned count)
{
	uint64_t start = front_now_us();
	while (count > 0) {
		if (collect_one(front, queue)) {
			count--;
		} else {
			pause_polling(front, start, "commands are not answered", queue);
		}
	}
}

void front_expect_silence(struct front *front, unsigned queue, unsigned ms)
{
	uint16_t before = front_used_idx(front, queue);
	for (unsigned i = 0; i < ms; i++) {
		front_sleep_us(1000);
	}
	if (front_used_idx(front, queue) != before) {
		front_fail(front, "queue %u is broken, and still used %u chains", queue,
			   (uint16_t)(front_used_idx(front, queue) - before));
	}
}

uint32_t front_command(struct front *front, unsigned queue, const void *request,
		       uint32_t request_size, void *response, uint32_t response_size)
{
	struct front_buffer buffers[2];
	size_t count = 0;
	unsigned page = front->page;
	uint32_t used = front->page_used;
	if (request_size > 0) {
		uint64_t gpa = front_alloc(front, request_size);
		memcpy(front_at(front, gpa), request, request_size);
		buffers[count++] = (struct front_buffer){gpa, request_size, false};
	}
	uint64_t answer = front_alloc(front, response_size + 1);
	if (response_size > 0) {
		buffers[count++] = (struct front_buffer){answer, response_size, true};
	}
	uint32_t written =
		front_wait_used(front, queue, front_submit(front, queue, buffers, count, true));
	if (response != NULL) {
		memcpy(response, front_at(front, answer), response_size);
	}
	/* Nothing else of it is in flight. */
	front->page = page;
	front->page_used = used;
	return written;
}
