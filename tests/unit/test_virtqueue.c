/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "../wire/bad_chains.h"
#include "util/fd.h"
#include "util/log.h"
#include "vhost/ring.h"

/*
 * One queue over a memfd, played by hand: every rule of protocols §2.3 and §2.4. RAM is two
 * regions that touch in guest addresses, so that buffers can cross a border.
 */
#define NUM BAD_CHAIN_RING
#define GPA 0x100000ull
#define HALF 0x100000ull /* bytes in each region */
#define USER 0x7f0000000000ull
#define DESC_AT 0x0u
#define AVAIL_AT 0x1000u
#define USED_AT 0x2000u
#define DATA (GPA + 0x4000u)

#define NEXT 1
#define WRITE 2
#define INDIRECT 4

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static struct {
	int ram;
	int call;
	int err;
	struct guest_memory *memory;
	struct virtqueue queue;
	struct virtqueue_setup setup;
	struct desc *desc;
	uint16_t *avail; /* flags, idx, ring, used_event */
	uint8_t *used;
} fx;

static uint16_t *avail_idx(void)
{
	return &fx.avail[1];
}

static uint16_t *used_event(void)
{
	return &fx.avail[2 + NUM];
}

static uint16_t used_idx(void)
{
	return ((uint16_t *)fx.used)[1];
}

static uint16_t *avail_event(void)
{
	return (uint16_t *)(fx.used + 4 + 8 * NUM);
}

static uint32_t used_id(unsigned slot)
{
	return ((uint32_t *)(fx.used + 4))[2 * (slot % NUM)];
}

static uint32_t used_len(unsigned slot)
{
	return ((uint32_t *)(fx.used + 4))[2 * (slot % NUM) + 1];
}

static void *at(uint64_t gpa)
{
	void *host = guest_memory_at(fx.memory, gpa, 1);
	assert_non_null(host);
	return host;
}

#define ALL (VIRTIO_F_VERSION_1 | VIRTIO_RING_F_EVENT_IDX | VIRTIO_RING_F_INDIRECT_DESC)

static void start(uint64_t features)
{
	assert_int_equal(virtqueue_start(&fx.queue, fx.memory, &fx.setup, features), 0);
}

static int setup_ram(void **state)
{
	log_init("test", LOG_ERROR);
	fx.ram = fd_memfd("ram", 2 * HALF);
	fx.call = eventfd(0, EFD_NONBLOCK);
	fx.err = eventfd(0, EFD_NONBLOCK);
	const struct guest_region regions[2] = {
		{GPA, HALF, USER, 0},
		/* In the file they do not follow each other: in our memory neither. */
		{GPA + HALF, HALF, USER + 16 * HALF, HALF},
	};
	const int fds[2] = {fx.ram, fx.ram};
	int error = 0;
	fx.memory = guest_memory_create(regions, fds, 2, &error);
	fx.setup = (struct virtqueue_setup){
		.num = NUM,
		.desc = USER + DESC_AT,
		.avail = USER + AVAIL_AT,
		.used = USER + USED_AT,
	};
	fx.desc = at(GPA + DESC_AT);
	fx.avail = at(GPA + AVAIL_AT);
	fx.used = at(GPA + USED_AT);
	virtqueue_init(&fx.queue, 0);
	virtqueue_set_call(&fx.queue, fd_dup(fx.call));
	virtqueue_set_err(&fx.queue, fd_dup(fx.err));
	return error;
}

static uint64_t signals(int fd)
{
	uint64_t count = 0;
	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static int setup(void **state)
{
	int error = setup_ram(state);
	start(ALL);
	signals(fx.call);
	return error;
}

static int teardown(void **state)
{
	virtqueue_finish(&fx.queue);
	guest_memory_unref(fx.memory);
	close(fx.ram);
	close(fx.call);
	close(fx.err);
	return 0;
}

static void offer(uint16_t head)
{
	fx.avail[2 + *avail_idx() % NUM] = head;
	__atomic_store_n(avail_idx(), (uint16_t)(*avail_idx() + 1), __ATOMIC_RELEASE);
}

static void set(unsigned index, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	fx.desc[index] = (struct desc){addr, len, flags, next};
}

/* A chain of one readable and one writable buffer, at descriptors head and head + 1. */
static void offer_pair(uint16_t head)
{
	set(head, DATA + 0x100u * head, 64, NEXT, (uint16_t)(head + 1));
	set(head + 1u, DATA + 0x100u * head + 64, 32, WRITE, 0);
	offer(head);
}

static struct virtqueue_chain *pop(void)
{
	struct virtqueue_chain *chain = virtqueue_pop(&fx.queue);
	assert_non_null(chain);
	return chain;
}

static void expect_broken(void)
{
	assert_null(virtqueue_pop(&fx.queue));
	assert_true(fx.queue.broken);
	assert_int_equal(signals(fx.err), 1);
	assert_int_equal(used_idx(), 0);
	/* It stays so, whatever the guest does. */
	set(8, DATA, 4, 0, 0);
	offer(8);
	assert_null(virtqueue_pop(&fx.queue));
	assert_false(virtqueue_rearm(&fx.queue));
	assert_int_equal(signals(fx.err), 0);
	/* A reset makes it whole. */
	virtqueue_stop(&fx.queue);
	virtqueue_reset(&fx.queue);
	memset(fx.avail, 0, 6 + 2 * NUM);
	memset(fx.used, 0, 6 + 8 * NUM);
	start(ALL);
	offer_pair(0);
	virtqueue_drop(pop());
}

/* The chain at `head` is completed with length 0, and the queue goes on. */
static void expect_refused(uint16_t head)
{
	assert_null(virtqueue_pop(&fx.queue));
	assert_false(fx.queue.broken);
	assert_int_equal(used_idx(), 1);
	assert_int_equal(used_id(0), head);
	assert_int_equal(used_len(0), 0);
	assert_int_equal(signals(fx.call), 1);
	offer_pair(0);
	virtqueue_push(&fx.queue, pop(), 1);
	assert_int_equal(used_idx(), 2);
}

/* What works. */

static void test_round_trip(void **state)
{
	offer_pair(4);
	memcpy(at(DATA + 0x400), "request", 8);
	struct virtqueue_chain *chain = pop();
	assert_int_equal(chain->head, 4);
	assert_int_equal(chain->readable_count, 1);
	assert_int_equal(chain->readable_bytes, 64);
	assert_int_equal(chain->writable_count, 1);
	assert_int_equal(chain->writable_bytes, 32);
	char text[8];
	assert_true(virtqueue_read(chain, 0, text, 8));
	assert_string_equal(text, "request");
	assert_true(virtqueue_write(chain, 0, "response", 9));
	virtqueue_push(&fx.queue, chain, 9);
	assert_string_equal(at(DATA + 0x440), "response");
	assert_int_equal(used_idx(), 1);
	assert_int_equal(used_id(0), 4);
	assert_int_equal(used_len(0), 9);
	assert_null(virtqueue_pop(&fx.queue));
}

static void test_no_writable(void **state)
{
	/* As Linux's cursor queue. */
	set(0, DATA, 56, 0, 0);
	offer(0);
	struct virtqueue_chain *chain = pop();
	assert_int_equal(chain->readable_bytes, 56);
	assert_int_equal(chain->writable_count, 0);
	assert_false(virtqueue_write(chain, 0, "x", 1));
	virtqueue_push(&fx.queue, chain, 24);
	/* Never more than there was room for. */
	assert_int_equal(used_len(0), 0);
}

static void test_read_write_bounds(void **state)
{
	/* Readable 10 + 20 + 30 bytes, writable 5 + 7. */
	set(0, DATA, 10, NEXT, 1);
	set(1, DATA + 0x100, 20, NEXT, 2);
	set(2, DATA + 0x200, 30, NEXT, 3);
	set(3, DATA + 0x300, 5, NEXT | WRITE, 4);
	set(4, DATA + 0x400, 7, WRITE, 0);
	offer(0);
	struct virtqueue_chain *chain = pop();
	assert_int_equal(chain->readable_count, 3);
	assert_int_equal(chain->writable_count, 2);
	uint8_t bytes[64] = {0};
	memset(at(DATA), 1, 10);
	memset(at(DATA + 0x100), 2, 20);
	memset(at(DATA + 0x200), 3, 30);
	assert_true(virtqueue_read(chain, 9, bytes, 22));
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[1], 2);
	assert_int_equal(bytes[20], 2);
	assert_int_equal(bytes[21], 3);
	assert_true(virtqueue_read(chain, 0, bytes, 60));
	assert_true(virtqueue_read(chain, 60, bytes, 0));
	assert_false(virtqueue_read(chain, 0, bytes, 61));
	assert_false(virtqueue_read(chain, 60, bytes, 1));
	assert_false(virtqueue_read(chain, 61, bytes, 0));
	assert_false(virtqueue_read(chain, SIZE_MAX, bytes, 2));
	assert_true(virtqueue_write(chain, 4, "abcd", 4));
	assert_int_equal(((uint8_t *)at(DATA + 0x300))[4], 'a');
	assert_memory_equal(at(DATA + 0x400), "bcd", 3);
	assert_false(virtqueue_write(chain, 9, "abcd", 4));
	assert_int_equal(((uint8_t *)at(DATA + 0x400))[4], 0);
	assert_true(virtqueue_write(chain, 0, bytes, 12));
	virtqueue_push(&fx.queue, chain, 12);
}

static void test_out_of_order(void **state)
{
	struct virtqueue_chain *chains[4];
	for (uint16_t i = 0; i < 4; i++) {
		offer_pair((uint16_t)(2 * i));
	}
	for (unsigned i = 0; i < 4; i++) {
		chains[i] = pop();
	}
	for (unsigned i = 0; i < 4; i++) {
		virtqueue_push(&fx.queue, chains[3 - i], i);
		assert_int_equal(used_id(i), 6 - 2 * i);
		assert_int_equal(used_len(i), i);
	}
}

static void test_index_wraps(void **state)
{
	for (unsigned i = 0; i < 70000; i++) {
		offer_pair(i % NUM & ~1u);
		virtqueue_push(&fx.queue, pop(), i % 33);
		assert_int_equal(used_idx(), (uint16_t)(i + 1));
		assert_int_equal(used_len(i), i % 33);
	}
}

static void test_full_ring(void **state)
{
	struct virtqueue_chain *chains[NUM];
	for (unsigned i = 0; i < NUM; i++) {
		set(i, DATA, 8, 0, 0);
		offer((uint16_t)i);
	}
	for (unsigned i = 0; i < NUM; i++) {
		chains[i] = pop();
	}
	assert_null(virtqueue_pop(&fx.queue));
	assert_false(fx.queue.broken);
	for (unsigned i = 0; i < NUM; i++) {
		virtqueue_push(&fx.queue, chains[i], 0);
	}
	assert_int_equal(used_idx(), NUM);
}

static void test_buffer_crosses_regions(void **state)
{
	set(0, GPA + HALF - 10, 30, NEXT, 1);
	set(1, GPA + HALF - 4, 8, WRITE, 0);
	offer(0);
	memset(at(GPA + HALF - 10), 0x11, 10);
	memset(at(GPA + HALF), 0x22, 20);
	struct virtqueue_chain *chain = pop();
	assert_int_equal(chain->readable_count, 2);
	assert_int_equal(chain->readable_bytes, 30);
	assert_int_equal(chain->writable_count, 2);
	uint8_t bytes[30];
	assert_true(virtqueue_read(chain, 0, bytes, 30));
	assert_int_equal(bytes[9], 0x11);
	assert_int_equal(bytes[10], 0x22);
	assert_true(virtqueue_write(chain, 0, "12345678", 8));
	assert_memory_equal(at(GPA + HALF), "5678", 4);
	virtqueue_push(&fx.queue, chain, 8);
}

/* Indirect tables. */

static struct desc *table_at(uint64_t gpa)
{
	return at(gpa);
}

static void test_indirect_longer_than_ring(void **state)
{
	/* 1 MiB of memory entries is 256 pages and 2: far more than the ring has slots. */
	const unsigned count = 700;
	struct desc *table = table_at(DATA + 0x8000);
	for (unsigned i = 0; i < count; i++) {
		table[i] = (struct desc){DATA + i, 1, (uint16_t)(i < count - 1 ? NEXT : WRITE),
					 (uint16_t)(i + 1)};
		((uint8_t *)at(DATA))[i] = (uint8_t)i;
	}
	set(3, DATA + 0x8000, count * 16, INDIRECT | WRITE, 0);
	offer(3);
	struct virtqueue_chain *chain = pop();
	assert_int_equal(chain->head, 3);
	assert_int_equal(chain->readable_count, count - 1);
	assert_int_equal(chain->writable_count, 1);
	uint8_t bytes[700];
	assert_true(virtqueue_read(chain, 0, bytes, count - 1));
	for (unsigned i = 0; i < count - 1; i++) {
		assert_int_equal(bytes[i], (uint8_t)i);
	}
	virtqueue_push(&fx.queue, chain, 1);
	assert_int_equal(used_id(0), 3);
}

static void test_indirect_scattered(void **state)
{
	/* Entries in any order, and the table itself across a region border. */
	uint64_t gpa = GPA + HALF - 24;
	struct desc entry[4] = {
		{DATA, 4, NEXT, 2},
		{DATA + 8, 4, WRITE, 0},
		{DATA + 4, 4, NEXT, 3},
		{DATA + 12, 4, NEXT, 1},
	};
	memcpy(at(gpa), entry, 24);
	memcpy(at(gpa + 24), (uint8_t *)entry + 24, sizeof(entry) - 24);
	memcpy(at(DATA), "abcdxxxxefgh", 13);
	memcpy(at(DATA + 4), "efgh", 4);
	memcpy(at(DATA + 12), "ijkl", 4);
	set(0, gpa, sizeof(entry), INDIRECT, 0);
	offer(0);
	struct virtqueue_chain *chain = pop();
	char text[13] = {0};
	assert_true(virtqueue_read(chain, 0, text, 12));
	assert_string_equal(text, "abcdefghijkl");
	virtqueue_push(&fx.queue, chain, 0);
}

static void test_indirect_after_direct(void **state)
{
	table_at(DATA + 0x1000)[0] = (struct desc){DATA + 8, 8, WRITE, 0};
	set(0, DATA, 8, NEXT, 1);
	set(1, DATA + 0x1000, 16, INDIRECT, 0);
	offer(0);
	struct virtqueue_chain *chain = pop();
	assert_int_equal(chain->readable_bytes, 8);
	assert_int_equal(chain->writable_bytes, 8);
	virtqueue_push(&fx.queue, chain, 8);
}

/* Checks that break the queue, or fail the chain. */

static void test_bad_chains(void **state)
{
	for (size_t i = 0; i < bad_chain_count; i++) {
		const struct bad_chain *chain = &bad_chains[i];
		print_message("%s\n", chain->what);
		setup(state);
		bad_chain_place(chain, fx.desc, at(DATA), DATA);
		offer(chain->head);
		*avail_idx() = chain->available > 0 ? chain->available : *avail_idx();
		if (chain->refused) {
			expect_refused(chain->head);
		} else {
			expect_broken();
		}
		teardown(state);
	}
}

static void test_indirect_not_negotiated(void **state)
{
	virtqueue_stop(&fx.queue);
	start(VIRTIO_F_VERSION_1 | VIRTIO_RING_F_EVENT_IDX);
	table_at(DATA)[0] = (struct desc){DATA, 4, 0, 0};
	set(0, DATA, 16, INDIRECT, 0);
	offer(0);
	expect_broken();
}

static void test_same_head_in_flight(void **state)
{
	/* The guest's own problem, up to the ring's size: then it would be ours. */
	struct virtqueue_chain *chains[NUM];
	set(0, DATA, 8, 0, 0);
	for (unsigned i = 0; i < NUM; i++) {
		offer(0);
		chains[i] = pop();
	}
	offer(0);
	assert_null(virtqueue_pop(&fx.queue));
	assert_true(fx.queue.broken);
	for (unsigned i = 0; i < NUM; i++) {
		virtqueue_push(&fx.queue, chains[i], 0);
	}
	/* A broken queue posts nothing. */
	assert_int_equal(used_idx(), 0);
}

static void test_outside_ram(void **state)
{
	set(2, GPA - 1, 2, 0, 0);
	offer(2);
	expect_refused(2);
}

static void test_past_ram(void **state)
{
	set(2, GPA + 2 * HALF - 4, 5, 0, 0);
	offer(2);
	expect_refused(2);
}

static void test_indirect_table_outside(void **state)
{
	set(2, GPA + 2 * HALF - 8, 16, INDIRECT, 0);
	offer(2);
	expect_refused(2);
	assert_false(fx.queue.broken);
}

#define LONG_TABLE (GPA + 0x8000)

/* One readable byte each. Its 16-bit next wraps: entry 65535 is the last that can have one. */
static void fill_long_table(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct desc entry = {DATA, 1, i < count - 1 ? NEXT : 0, (uint16_t)(i + 1)};
		memcpy(at(LONG_TABLE + 16ull * i), &entry, sizeof(entry));
	}
}

static void test_too_many_segments(void **state)
{
	fill_long_table(VIRTQUEUE_MAX_SEGMENTS + 1);
	set(2, LONG_TABLE, (VIRTQUEUE_MAX_SEGMENTS + 1) * 16, INDIRECT, 0);
	offer(2);
	expect_refused(2);
}

static void test_most_segments(void **state)
{
	fill_long_table(VIRTQUEUE_MAX_SEGMENTS);
	set(2, LONG_TABLE, VIRTQUEUE_MAX_SEGMENTS * 16, INDIRECT, 0);
	offer(2);
	struct virtqueue_chain *chain = pop();
	assert_int_equal(chain->readable_count, VIRTQUEUE_MAX_SEGMENTS);
	virtqueue_push(&fx.queue, chain, 0);
}

static void test_endless_bad_chains(void **state)
{
	/* A guest that refills as fast as we refuse must not keep us in one call. */
	set(0, 0, 4, 0, 0);
	for (unsigned i = 0; i < NUM; i++) {
		offer(0);
	}
	assert_null(virtqueue_pop(&fx.queue));
	assert_int_equal(used_idx(), NUM);
	assert_false(fx.queue.broken);
}

/* Starting. */

static int start_error(struct virtqueue_setup wrong)
{
	struct virtqueue queue;
	virtqueue_init(&queue, 1);
	int error = virtqueue_start(&queue, fx.memory, &wrong, ALL);
	assert_int_equal(queue.state, error < 0 ? VIRTQUEUE_STOPPED : VIRTQUEUE_RUNNING);
	virtqueue_finish(&queue);
	return error;
}

static void test_bad_setups(void **state)
{
	const struct virtqueue_setup right = fx.setup;
	assert_int_equal(start_error(right), 0);
	const uint16_t sizes[] = {0, 3, 15, 17, 2048};
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct virtqueue_setup wrong = right;
		wrong.num = sizes[i];
		assert_int_equal(start_error(wrong), -EINVAL);
	}
	const uint64_t bad[] = {0, USER - 1, USER + HALF - 8, USER + 3, UINT64_MAX};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct virtqueue_setup wrong = right;
		wrong.desc = bad[i];
		assert_int_equal(start_error(wrong), -EINVAL);
		wrong = right;
		wrong.avail = bad[i];
		assert_int_equal(start_error(wrong), -EINVAL);
		wrong = right;
		wrong.used = bad[i];
		assert_int_equal(start_error(wrong), -EINVAL);
	}
	struct virtqueue queue;
	virtqueue_init(&queue, 1);
	assert_int_equal(virtqueue_start(&queue, NULL, &right, ALL), -EINVAL);
	virtqueue_finish(&queue);
}

static void test_indices_taken_over(void **state)
{
	virtqueue_stop(&fx.queue);
	virtqueue_reset(&fx.queue);
	fx.setup.base = 65534;
	*avail_idx() = 65534;
	((uint16_t *)fx.used)[1] = 65534;
	start(ALL);
	for (unsigned i = 0; i < 4; i++) {
		offer_pair(0);
		virtqueue_push(&fx.queue, pop(), i);
	}
	assert_int_equal(used_idx(), 2);
	assert_int_equal(virtqueue_stop(&fx.queue), 2);
}

/* Pause and reset. */

static void test_suspended(void **state)
{
	offer_pair(0);
	offer_pair(2);
	struct virtqueue_chain *chain = pop();
	virtqueue_suspend(&fx.queue);
	assert_null(virtqueue_pop(&fx.queue));
	assert_false(virtqueue_rearm(&fx.queue));
	virtqueue_push(&fx.queue, chain, 7);
	virtqueue_notify(&fx.queue);
	assert_int_equal(used_idx(), 0);
	assert_int_equal(signals(fx.call), 0);
	start(ALL);
	assert_int_equal(used_idx(), 1);
	assert_int_equal(used_len(0), 7);
	assert_int_equal(signals(fx.call), 1);
	virtqueue_push(&fx.queue, pop(), 1);
	assert_int_equal(used_idx(), 2);
}

static void test_stopped_and_resumed(void **state)
{
	struct virtqueue_chain *chains[3];
	for (uint16_t i = 0; i < 3; i++) {
		offer_pair((uint16_t)(2 * i));
		chains[i] = pop();
	}
	virtqueue_push(&fx.queue, chains[0], 1);
	assert_int_equal(virtqueue_stop(&fx.queue), 3);
	virtqueue_push(&fx.queue, chains[2], 2);
	fx.setup.base = 3;
	assert_true(virtqueue_continues(&fx.queue, fx.memory, &fx.setup));
	*used_event() = 1000;
	signals(fx.call);
	start(ALL);
	assert_int_equal(used_idx(), 2);
	assert_int_equal(used_id(1), 4);
	/* Told whatever the event index says: the guest may have waited all the pause. */
	assert_int_equal(signals(fx.call), 1);
	/* One that is still out comes later. */
	virtqueue_push(&fx.queue, chains[1], 3);
	assert_int_equal(used_idx(), 3);
}

static void test_does_not_continue(void **state)
{
	offer_pair(0);
	virtqueue_push(&fx.queue, pop(), 1);
	virtqueue_stop(&fx.queue);
	fx.setup.base = 1;
	assert_true(virtqueue_continues(&fx.queue, fx.memory, &fx.setup));
	struct virtqueue_setup other = fx.setup;
	other.base = 0;
	assert_false(virtqueue_continues(&fx.queue, fx.memory, &other));
	other = fx.setup;
	other.num = NUM / 2;
	assert_false(virtqueue_continues(&fx.queue, fx.memory, &other));
	other = fx.setup;
	other.desc += 4096;
	assert_false(virtqueue_continues(&fx.queue, fx.memory, &other));
	other = fx.setup;
	other.avail += 64;
	assert_false(virtqueue_continues(&fx.queue, fx.memory, &other));
	other = fx.setup;
	other.used += 64;
	assert_false(virtqueue_continues(&fx.queue, fx.memory, &other));
	((uint16_t *)fx.used)[1] = 0;
	assert_false(virtqueue_continues(&fx.queue, fx.memory, &fx.setup));
	assert_false(virtqueue_continues(&fx.queue, NULL, &fx.setup));
}

static void test_stale_generation(void **state)
{
	offer_pair(0);
	offer_pair(2);
	struct virtqueue_chain *late = pop();
	struct virtqueue_chain *kept = pop();
	virtqueue_stop(&fx.queue);
	virtqueue_push(&fx.queue, kept, 5);
	virtqueue_reset(&fx.queue);
	memset(fx.avail, 0, 6 + 2 * NUM);
	memset(fx.used, 0, 6 + 8 * NUM);
	start(ALL);
	/* Neither the kept one nor the late one reaches the new rings. */
	assert_int_equal(used_idx(), 0);
	virtqueue_push(&fx.queue, late, 5);
	assert_int_equal(used_idx(), 0);
	for (unsigned i = 0; i < NUM; i++) {
		set(i, DATA, 8, 0, 0);
		offer((uint16_t)i);
	}
	/* And they do not count as in flight. */
	for (unsigned i = 0; i < NUM; i++) {
		virtqueue_push(&fx.queue, pop(), 0);
	}
	assert_int_equal(used_idx(), NUM);
}

static void test_new_memory(void **state)
{
	offer_pair(0);
	struct virtqueue_chain *chain = pop();
	/* Only the first half is left; chains that are out keep what they point into. */
	const struct guest_region region = {GPA, HALF, USER, 0};
	int error = 0;
	struct guest_memory *less = guest_memory_create(&region, &fx.ram, 1, &error);
	virtqueue_set_memory(&fx.queue, less);
	assert_true(virtqueue_write(chain, 0, "still", 6));
	virtqueue_push(&fx.queue, chain, 6);
	assert_string_equal(at(DATA + 64), "still");
	assert_int_equal(used_idx(), 1);
	set(4, GPA + HALF, 8, 0, 0);
	offer(4);
	assert_null(virtqueue_pop(&fx.queue));
	assert_int_equal(used_idx(), 2);
	assert_false(fx.queue.broken);
	/* Without its ring the queue is broken. */
	const struct guest_region upper = {GPA + HALF, HALF, USER + 16 * HALF, HALF};
	struct guest_memory *none = guest_memory_create(&upper, &fx.ram, 1, &error);
	virtqueue_set_memory(&fx.queue, none);
	assert_true(fx.queue.broken);
	guest_memory_unref(less);
	guest_memory_unref(none);
}

/* Interrupts and kicks. */

static void complete(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		offer_pair(0);
		virtqueue_push(&fx.queue, pop(), 0);
	}
	virtqueue_notify(&fx.queue);
}

static void test_interrupt_by_event_index(void **state)
{
	*used_event() = 0;
	complete(1);
	assert_int_equal(signals(fx.call), 1);
	/* The guest has not moved its event: silence. */
	complete(3);
	assert_int_equal(signals(fx.call), 0);
	/* It wants the one after the next: exactly one, for a batch that passes it. */
	*used_event() = 5;
	complete(1);
	assert_int_equal(signals(fx.call), 0);
	complete(4);
	assert_int_equal(signals(fx.call), 1);
	/* avail.flags means nothing with event indices. */
	fx.avail[0] = 1;
	*used_event() = used_idx();
	complete(1);
	assert_int_equal(signals(fx.call), 1);
	virtqueue_notify(&fx.queue);
	assert_int_equal(signals(fx.call), 0);
}

static void test_event_index_wraps(void **state)
{
	for (unsigned i = 0; i < 70000; i++) {
		/* Every third time the guest asks; it is told then and only then. */
		bool asks = i % 3 == 0;
		*used_event() = asks ? used_idx() : (uint16_t)(used_idx() - 1);
		complete(1);
		assert_int_equal(signals(fx.call), asks ? 1 : 0);
	}
	/* A batch over the wrap-around. */
	while (used_idx() != 65530) {
		complete(1);
	}
	signals(fx.call);
	*used_event() = 3;
	complete(9);
	assert_int_equal(signals(fx.call), 0);
	complete(1);
	assert_int_equal(signals(fx.call), 1);
}

static void test_interrupt_by_flag(void **state)
{
	virtqueue_stop(&fx.queue);
	start(VIRTIO_F_VERSION_1);
	complete(1);
	assert_int_equal(signals(fx.call), 1);
	fx.avail[0] = 1;
	complete(5);
	assert_int_equal(signals(fx.call), 0);
	fx.avail[0] = 0;
	complete(5);
	assert_int_equal(signals(fx.call), 1);
}

static void test_rearm(void **state)
{
	complete(3);
	/* While draining the index is stale, so that the guest need not kick. */
	assert_int_equal(*avail_event(), 0);
	assert_false(virtqueue_rearm(&fx.queue));
	assert_int_equal(*avail_event(), 3);
	offer_pair(0);
	assert_true(virtqueue_rearm(&fx.queue));
	assert_int_equal(*(uint16_t *)fx.used, 0);
	virtqueue_push(&fx.queue, pop(), 0);
	assert_false(virtqueue_rearm(&fx.queue));
	assert_int_equal(*avail_event(), 4);
}

static void test_rearm_without_event_index(void **state)
{
	virtqueue_stop(&fx.queue);
	start(VIRTIO_F_VERSION_1);
	assert_false(virtqueue_rearm(&fx.queue));
	offer_pair(0);
	assert_true(virtqueue_rearm(&fx.queue));
	assert_int_equal(*avail_event(), 0);
	assert_int_equal(*(uint16_t *)fx.used, 0);
	virtqueue_push(&fx.queue, pop(), 0);
}

static void test_new_call_fd(void **state)
{
	int call = eventfd(0, EFD_NONBLOCK);
	virtqueue_set_call(&fx.queue, fd_dup(call));
	assert_int_equal(signals(call), 1);
	virtqueue_suspend(&fx.queue);
	virtqueue_set_call(&fx.queue, fd_dup(call));
	assert_int_equal(signals(call), 0);
	start(ALL);
	assert_int_equal(signals(call), 1);
	virtqueue_set_call(&fx.queue, -1);
	complete(1);
	assert_int_equal(signals(call), 0);
	close(call);
}

#define with_queue(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_queue(test_round_trip),
		with_queue(test_no_writable),
		with_queue(test_read_write_bounds),
		with_queue(test_out_of_order),
		with_queue(test_index_wraps),
		with_queue(test_full_ring),
		with_queue(test_buffer_crosses_regions),
		with_queue(test_indirect_longer_than_ring),
		with_queue(test_indirect_scattered),
		with_queue(test_indirect_after_direct),
		cmocka_unit_test(test_bad_chains),
		with_queue(test_indirect_not_negotiated),
		with_queue(test_same_head_in_flight),
		with_queue(test_outside_ram),
		with_queue(test_past_ram),
		with_queue(test_indirect_table_outside),
		with_queue(test_too_many_segments),
		with_queue(test_most_segments),
		with_queue(test_endless_bad_chains),
		with_queue(test_bad_setups),
		with_queue(test_indices_taken_over),
		with_queue(test_suspended),
		with_queue(test_stopped_and_resumed),
		with_queue(test_does_not_continue),
		with_queue(test_stale_generation),
		with_queue(test_new_memory),
		with_queue(test_interrupt_by_event_index),
		with_queue(test_event_index_wraps),
		with_queue(test_interrupt_by_flag),
		with_queue(test_rearm),
		with_queue(test_rearm_without_event_index),
		with_queue(test_new_call_fd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
