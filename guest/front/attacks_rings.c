/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attack.h"

/* Descriptors and indices that no driver writes. */

#define RING FRONT_RING_SIZE
#define HEADER sizeof(struct virtio_gpu_ctrl_hdr)
#define BEYOND_RAM 0x4000000000ull
#define SYSTEM_ROM 0xfffc0000ull
#define IO_APIC 0xfec00000ull

static void put(struct front *front, unsigned index, uint64_t addr, uint32_t len, uint16_t flags,
		uint16_t next)
{
	*front_desc(front, 0, index) = (struct desc){addr, len, flags, next};
}

/* A display info request and room for its answer. */
static uint64_t ask(struct front *front)
{
	const struct virtio_gpu_ctrl_hdr hdr = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	uint64_t gpa = front_alloc(front, sizeof(hdr));
	memcpy(front_at(front, gpa), &hdr, sizeof(hdr));
	return gpa;
}

static uint64_t room(struct front *front)
{
	return front_alloc(front, sizeof(struct virtio_gpu_resp_display_info));
}

static void loop_of_one(struct front *front)
{
	put(front, 7, ask(front), HEADER, DESC_NEXT, 7);
	front_submit_head(front, 0, 7);
}

static void loop_of_two(struct front *front)
{
	uint64_t at = ask(front);
	put(front, 7, at, HEADER, DESC_NEXT, 8);
	put(front, 8, at, HEADER, DESC_NEXT, 7);
	front_submit_head(front, 0, 7);
}

static void loop_of_all(struct front *front)
{
	uint64_t at = ask(front);
	/* But for the first, which the next command will be in. */
	for (unsigned i = 1; i < RING; i++) {
		put(front, i, at, HEADER, DESC_NEXT, (uint16_t)(i + 1 < RING ? i + 1 : 1));
	}
	front_submit_head(front, 0, 1);
}

static void next_outside(struct front *front)
{
	put(front, 3, ask(front), HEADER, DESC_NEXT, RING);
	front_submit_head(front, 0, 3);
}

static void next_far_outside(struct front *front)
{
	put(front, 3, ask(front), HEADER, DESC_NEXT, 0xffff);
	front_submit_head(front, 0, 3);
}

static void head_outside(struct front *front)
{
	front_submit_head(front, 0, RING);
}

static void head_far_outside(struct front *front)
{
	front_submit_head(front, 0, 0xffff);
}

static void empty_descriptor(struct front *front)
{
	put(front, 3, ask(front), 0, DESC_NEXT, 4);
	put(front, 4, room(front), 408, DESC_WRITE, 0);
	front_submit_head(front, 0, 3);
}

static void empty_answer(struct front *front)
{
	put(front, 3, ask(front), HEADER, DESC_NEXT, 4);
	put(front, 4, room(front), 0, DESC_WRITE, 0);
	front_submit_head(front, 0, 3);
}

static void readable_behind_writable(struct front *front)
{
	put(front, 3, room(front), 408, DESC_WRITE | DESC_NEXT, 4);
	put(front, 4, ask(front), HEADER, 0, 0);
	front_submit_head(front, 0, 3);
}

/* An indirect table of count descriptors, not filled in, as descriptor 5. */
static struct desc *indirect(struct front *front, uint32_t count)
{
	uint64_t gpa = front_alloc(front, count * 16);
	put(front, 5, gpa, count * 16, DESC_INDIRECT, 0);
	return front_at(front, gpa);
}

static void indirect_in_indirect(struct front *front)
{
	struct desc *table = indirect(front, 1);
	table[0] = (struct desc){front_alloc(front, 16), 16, DESC_INDIRECT, 0};
	front_submit_head(front, 0, 5);
}

static void indirect_itself(struct front *front)
{
	struct desc *table = indirect(front, 1);
	table[0] = *front_desc(front, 0, 5);
	front_submit_head(front, 0, 5);
}

static void indirect_empty(struct front *front)
{
	indirect(front, 1);
	front_desc(front, 0, 5)->len = 0;
	front_submit_head(front, 0, 5);
}

static void indirect_odd(struct front *front)
{
	indirect(front, 2);
	front_desc(front, 0, 5)->len = 17;
	front_submit_head(front, 0, 5);
}

static void indirect_with_next(struct front *front)
{
	struct desc *table = indirect(front, 1);
	table[0] = (struct desc){ask(front), HEADER, 0, 0};
	front_desc(front, 0, 5)->flags |= DESC_NEXT;
	front_submit_head(front, 0, 5);
}

static void indirect_loop(struct front *front)
{
	struct desc *table = indirect(front, 3);
	uint64_t at = ask(front);
	for (unsigned i = 0; i < 3; i++) {
		table[i] = (struct desc){at, HEADER, DESC_NEXT, (uint16_t)((i + 1) % 3)};
	}
	front_submit_head(front, 0, 5);
}

static void indirect_next_outside(struct front *front)
{
	struct desc *table = indirect(front, 2);
	table[0] = (struct desc){ask(front), HEADER, DESC_NEXT, 2};
	front_submit_head(front, 0, 5);
}

static void indirect_of_4_gib(struct front *front)
{
	indirect(front, 4); /* of zeros */
	front_desc(front, 0, 5)->len = 0xfffffff0;
	front_submit_head(front, 0, 5);
}

static void indirect_not_negotiated(struct front *front)
{
	front_start_with(front, FRONT_FEATURES & ~FRONT_INDIRECT, RING);
	struct desc *table = indirect(front, 1);
	table[0] = (struct desc){ask(front), HEADER, 0, 0};
	front_submit_head(front, 0, 5);
}

/* The chain that starts at head is given back unread. */
static void expect_refused(struct front *front, uint16_t head)
{
	front->rings[0].chain_length[head] = 0;
	front->rings[0].done[head] = false;
	front_submit_head(front, 0, head);
	EXPECT(front, 0, front_wait_used(front, 0, head));
}

static void indirect_at(struct front *front, uint64_t gpa)
{
	indirect(front, 4);
	front_desc(front, 0, 5)->addr = gpa;
	expect_refused(front, 5);
}

static void indirect_elsewhere(struct front *front)
{
	indirect_at(front, BEYOND_RAM);
	indirect_at(front, UINT64_MAX - 15);
	indirect_at(front, front->window_gpa);
	indirect_at(front, front->pci.bars[front->pci.common_at.bar].gpa);
	indirect_at(front, IO_APIC);
	indirect_at(front, SYSTEM_ROM);
}

static void indirect_of_65535(struct front *front)
{
	const uint32_t count = 65535;
	struct desc *table = indirect(front, count);
	uint64_t at = ask(front);
	uint64_t answer = room(front);
	for (uint32_t i = 0; i + 1 < count; i++) {
		table[i] =
			(struct desc){at + (i < HEADER ? i : 0), 1, DESC_NEXT, (uint16_t)(i + 1)};
	}
	table[count - 1] = (struct desc){answer, 408, DESC_WRITE, 0};
	front_submit_head(front, 0, 5);
	EXPECT(front, 408, front_wait_used(front, 0, 5));
	EXPECT(front, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, gpu_answer(front, answer));
}

static void indirect_too_long(struct front *front)
{
	const uint32_t count = 70000;
	struct desc *table = indirect(front, count);
	uint64_t at = ask(front);
	for (uint32_t i = 0; i < count; i++) {
		table[i] = (struct desc){at, 1, DESC_NEXT, (uint16_t)(i + 1)};
	}
	expect_refused(front, 5);
}

static void buffers_at(struct front *front, uint64_t gpa, uint32_t len)
{
	/* As request, as answer. */
	put(front, 3, gpa, len, DESC_NEXT, 4);
	put(front, 4, room(front), 408, DESC_WRITE, 0);
	expect_refused(front, 3);
	put(front, 3, ask(front), HEADER, DESC_NEXT, 4);
	put(front, 4, gpa, len, DESC_WRITE, 0);
	expect_refused(front, 3);
}

static void beyond_ram(struct front *front)
{
	buffers_at(front, BEYOND_RAM, 64);
	buffers_at(front, 0x7ffffffff000ull, 4096);
}

static void wrapping(struct front *front)
{
	buffers_at(front, UINT64_MAX - 63, 64);
	buffers_at(front, UINT64_MAX - 31, 64);
	buffers_at(front, UINT64_MAX, 1);
}

static void in_registers(struct front *front)
{
	buffers_at(front, front->pci.bars[front->pci.common_at.bar].gpa, 64);
	buffers_at(front, IO_APIC, 64);
	buffers_at(front, SYSTEM_ROM, 64);
}

static void in_the_window(struct front *front)
{
	buffers_at(front, front->window_gpa, 64);
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, 65536);
	EXPECT(front, MAPPED, gpu_map(front, 1, 0));
	/* There is memory now; it is still not the guest's RAM. */
	memset(front->window, 0, 4096);
	buffers_at(front, front->window_gpa, 64);
	EXPECT(front, 0, *(volatile uint32_t *)front->window);
}

static void of_4_gib(struct front *front)
{
	buffers_at(front, front->pages[1].gpa, 0xffffffff);
}

static void of_600_mib(struct front *front)
{
	struct desc *table = indirect(front, 301);
	uint64_t page = front->pages[1].gpa;
	for (unsigned i = 0; i < 300; i++) {
		table[i] = (struct desc){page, FRONT_PAGE, DESC_NEXT, (uint16_t)(i + 1)};
	}
	table[300] = (struct desc){room(front), 408, DESC_WRITE, 0};
	expect_refused(front, 5);
}

static void jump_to(struct front *front, uint16_t idx)
{
	front_set_avail_idx(front, 0, (uint16_t)(front->rings[0].avail_idx + idx));
	front_kick(front, 0);
}

static void index_by_40000(struct front *front)
{
	jump_to(front, 40000);
}

static void index_by_257(struct front *front)
{
	jump_to(front, RING + 1);
}

static void index_backwards(struct front *front)
{
	gpu_probe(front);
	jump_to(front, (uint16_t)-1);
}

static void one_head_256_times(struct front *front)
{
	uint64_t answer = room(front);
	put(front, 9, ask(front), HEADER, DESC_NEXT, 10);
	put(front, 10, answer, 408, DESC_WRITE, 0);
	for (unsigned i = 0; i + 1 < RING; i++) {
		uint16_t *ring = front_at(front, front->rings[0].avail_gpa);
		ring[2 + (front->rings[0].avail_idx + i) % RING] = 9;
	}
	jump_to(front, RING - 1);
	front_wait_count(front, 0, RING - 1);
	EXPECT(front, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, gpu_answer(front, answer));
}

/* A chain that waits, given to the device again and again before it is back. */
static void one_head_in_flight(struct front *front)
{
	gpu_make_context(front, 1);
	const struct virtio_gpu_resource_create_blob request = {
		.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = 1},
		.resource_id = 1,
		.blob_mem = HOST3D,
		.blob_flags = MAPPABLE,
		.size = 4096,
	};
	uint64_t answer;
	uint16_t head = gpu_post(front, 0, &request, sizeof(request), &answer);
	front->rings[0].chain_length[head] = 0;
	for (unsigned i = 0; i < 50; i++) {
		front_submit_head(front, 0, head);
	}
	front_wait_count(front, 0, 51);
	CHECK(front, gpu_answer(front, answer) == OK || gpu_answer(front, answer) == BAD_RESOURCE);
	EXPECT(front, OK, gpu_unref(front, 1));
	EXPECT(front, BAD_RESOURCE, gpu_unref(front, 1));
}

/* Descriptors change while they are read. */
static void descriptors_rewritten(struct front *front)
{
	for (unsigned i = 0; i < 400; i++) {
		struct desc *table = indirect(front, 2);
		volatile struct desc *live = table;
		table[0] = (struct desc){ask(front), HEADER, DESC_NEXT, 1};
		table[1] = (struct desc){room(front), 408, DESC_WRITE, 0};
		front->rings[0].chain_length[5] = 0;
		front->rings[0].done[5] = false;
		front_submit_head(front, 0, 5);
		for (unsigned k = 0; k < 1000 && !front_used(front, 0, 5, NULL); k++) {
			live[1].len ^= 0xfffffff0;
			live[1].addr ^= 1ull << 60;
			live[0].len ^= 1;
		}
		front_wait_used(front, 0, 5);
		front_free_all(front);
	}
}

/* Answers over the ring: what is damaged is the guest's. */
static void answer_over(struct front *front, uint64_t gpa)
{
	put(front, 3, ask(front), HEADER, DESC_NEXT, 4);
	put(front, 4, gpa, 1100, DESC_WRITE, 0);
	front_submit_head(front, 0, 3);
	for (unsigned i = 0; i < 20; i++) {
		front_kick(front, 0);
		front_sleep_us(500);
	}
}

static void answer_over_used(struct front *front)
{
	answer_over(front, front->rings[0].used_gpa);
}

static void answer_over_available(struct front *front)
{
	answer_over(front, front->rings[0].avail_gpa);
}

static void answer_over_descriptors(struct front *front)
{
	answer_over(front, front->rings[0].desc_gpa);
}

static void kick_storm(struct front *front)
{
	for (unsigned i = 0; i < 30000; i++) {
		front_kick(front, i & 1);
	}
}

static void kick_nobody(struct front *front)
{
	const struct pci *pci = &front->pci;
	for (uint32_t at = 0; at + 4 <= pci->notify_at.length && at < 4096; at += 2) {
		io_write16(pci->notify + at, 0);
		io_write16(pci->notify + at, (uint16_t)at);
		io_write32(pci->notify + (at & ~3u), 0xffffffff);
	}
}

static void plain_ring(struct front *front)
{
	/* No indirect descriptors, no event index: 127 chains of two. */
	front_start_with(front, FRONT_VERSION_1 | 0x3b, RING);
	const struct front_buffer buffers[] = {{ask(front), HEADER, false},
					       {room(front), 408, true}};
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = 0; i < RING / 2; i++) {
			front_post(front, 0, buffers, 2, false);
		}
		front_kick(front, 0);
		front_wait_count(front, 0, RING / 2);
	}
	EXPECT(front, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, gpu_answer(front, buffers[1].gpa));
	front_start(front);
}

/* A turn of the 16-bit index. */
static void index_wraps(struct front *front)
{
	const struct front_buffer buffers[] = {{ask(front), HEADER, false},
					       {room(front), 408, true}};
	for (unsigned round = 0; round < 65536 / (RING / 2); round++) {
		for (unsigned i = 0; i < RING / 2; i++) {
			front_post(front, 0, buffers, 2, false);
		}
		front_kick(front, 0);
		front_wait_count(front, 0, RING / 2);
	}
	EXPECT(front, 0, front_used_idx(front, 0));
	/* All stopped at index 0: to hesperd, pause and reset look alike. */
	front_start(front);
	gpu_probe(front);
}

static const struct attack table[] = {
	{"ring-loop-of-one", "a descriptor that follows itself: the queue stops", loop_of_one,
	 BROKEN},
	{"ring-loop-of-two", "the queue stops", loop_of_two, BROKEN},
	{"ring-loop-of-all", "255 descriptors in a circle: the queue stops", loop_of_all, BROKEN},
	{"ring-next-outside", "next is 256: the queue stops", next_outside, BROKEN},
	{"ring-next-far-outside", "next is 65535: the queue stops", next_far_outside, BROKEN},
	{"ring-head-outside", "head is 256: the queue stops", head_outside, BROKEN},
	{"ring-head-far-outside", "head is 65535: the queue stops", head_far_outside, BROKEN},
	{"ring-empty-descriptor", "a request of 0 bytes: the queue stops", empty_descriptor,
	 BROKEN},
	{"ring-empty-answer", "a place of 0 bytes: the queue stops", empty_answer, BROKEN},
	{"ring-readable-behind-writable", "the queue stops", readable_behind_writable, BROKEN},
	{"ring-indirect-in-indirect", "the queue stops", indirect_in_indirect, BROKEN},
	{"ring-indirect-itself", "a table that leads to itself: the queue stops", indirect_itself,
	 BROKEN},
	{"ring-indirect-empty", "a table of 0 bytes: the queue stops", indirect_empty, BROKEN},
	{"ring-indirect-odd", "a table of 17 bytes: the queue stops", indirect_odd, BROKEN},
	{"ring-indirect-with-next", "the queue stops", indirect_with_next, BROKEN},
	{"ring-indirect-loop", "the queue stops", indirect_loop, BROKEN},
	{"ring-indirect-next-outside", "the queue stops", indirect_next_outside, BROKEN},
	{"ring-indirect-of-4-gib", "zeros in it: the queue stops at the first", indirect_of_4_gib,
	 BROKEN},
	{"ring-indirect-not-negotiated", "the queue stops", indirect_not_negotiated, BROKEN},
	{"ring-indirect-elsewhere",
	 "tables beyond RAM, at 2^64, in the window, registers, ROM: given back unread",
	 indirect_elsewhere, ANSWERS},
	{"ring-indirect-of-65535", "65534 descriptors of a byte: the right answer",
	 indirect_of_65535, ANSWERS},
	{"ring-indirect-too-long", "a chain of more than 65536: given back unread",
	 indirect_too_long, ANSWERS},
	{"ring-buffers-beyond-ram", "given back unread", beyond_ram, ANSWERS},
	{"ring-buffers-wrapping", "at the end of 2^64: given back unread", wrapping, ANSWERS},
	{"ring-buffers-in-registers", "registers, I/O APIC, ROM: given back unread", in_registers,
	 ANSWERS},
	{"ring-buffers-in-the-window", "also where a blob is mapped: given back unread",
	 in_the_window, ANSWERS},
	{"ring-buffer-of-4-gib", "given back unread", of_4_gib, ANSWERS},
	{"ring-chain-of-600-mib", "300 times the same 2 MiB: given back unread", of_600_mib,
	 ANSWERS},
	{"ring-index-by-40000", "the queue stops", index_by_40000, BROKEN},
	{"ring-index-by-257", "one more than there can be: the queue stops", index_by_257, BROKEN},
	{"ring-index-backwards", "the queue stops", index_backwards, BROKEN},
	{"ring-index-wraps", "65536 commands, and a reset at index 0: goes on", index_wraps,
	 ANSWERS},
	{"ring-one-head-255-times", "each is answered", one_head_256_times, ANSWERS},
	{"ring-one-head-in-flight", "a blob made 51 times at once: one is made", one_head_in_flight,
	 ANSWERS},
	{"ring-descriptors-rewritten", "while they are read: answered or given back",
	 descriptors_rewritten, ANSWERS},
	{"ring-answer-over-used", "damages the guest's ring only", answer_over_used, RESET},
	{"ring-answer-over-available", "damages the guest's ring only", answer_over_available,
	 RESET},
	{"ring-answer-over-descriptors", "damages the guest's ring only", answer_over_descriptors,
	 RESET},
	{"ring-kick-storm", "30000 kicks for nothing: answers as before", kick_storm, ANSWERS},
	{"ring-kick-nobody", "every word of the notify structure: answers as before", kick_nobody,
	 ANSWERS},
	{"ring-plain", "without indirect descriptors and event index: the right answers",
	 plain_ring, ANSWERS},
};

ATTACK_GROUP(rings, table);
