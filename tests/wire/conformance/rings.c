/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bad_chains.h"
#include "conformance.h"
#include "gpu.h"
#include "vhost/ring.h"

/*
 * Split rings. First chains that a device has to take, however odd; then those of bad_chains.c, which no
 * driver may make: of these a device may do what it likes, but not die, nor write to what is the
 * driver's, and behind a reset it works again, or has closed the connection.
 */

static const struct virtio_gpu_ctrl_hdr ask = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
#define ANSWER sizeof(struct virtio_gpu_resp_display_info)

static uint64_t place_request(struct wire_front *front)
{
	uint64_t gpa = wire_alloc(front, sizeof(ask));
	memcpy(wire_at(front, gpa), &ask, sizeof(ask));
	return gpa;
}

static void check_answer(struct wire_front *front, uint64_t answer)
{
	const struct virtio_gpu_ctrl_hdr *hdr = wire_at(front, answer);
	wire_check_equal(hdr->type, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

/* Splits the request and its answer into pieces of these sizes, over and over. */
static size_t scatter(struct wire_front *front, const uint32_t *sizes, size_t size_count,
		      struct wire_buffer *buffers, uint64_t *answer)
{
	const uint64_t in = place_request(front);
	*answer = wire_alloc(front, ANSWER);
	const struct wire_buffer parts[] = {{in, sizeof(ask), false}, {*answer, ANSWER, true}};
	size_t count = 0;
	for (size_t i = 0; i < 2; i++) {
		uint32_t at = 0;
		while (at < parts[i].len) {
			uint32_t left = parts[i].len - at;
			uint32_t size = sizes[count % size_count];
			size = size < left ? size : left;
			buffers[count++] =
				(struct wire_buffer){parts[i].gpa + at, size, parts[i].writable};
			at += size;
		}
	}
	return count;
}

static void scattered(struct subject *subject, const void *data)
{
	static const uint32_t sizes[] = {1, 7, 3, 16, 2, 5};
	struct wire_front *front = &subject->front;
	struct wire_buffer buffers[512];
	uint64_t answer;
	for (unsigned i = 0; i < 20; i++) {
		bool indirect =
			i % 2 == 1 && (subject->features & VIRTIO_RING_F_INDIRECT_DESC) != 0;
		size_t count = scatter(front, sizes, 6, buffers, &answer);
		uint16_t head = wire_submit(front, 0, buffers, count, indirect);
		wire_wait_used(front, 0, head);
		check_answer(front, answer);
		wire_free_all(front);
	}
}

/* Waits a second, or until the chain is used. */
static bool used_soon(struct subject *subject, uint16_t head)
{
	for (unsigned i = 0; i < 200; i++) {
		if (wire_used(&subject->front, 0, head, NULL)) {
			return true;
		}
		if (!subject_still_there(subject)) {
			return false;
		}
		usleep(5000);
	}
	return false;
}

/* Not a driver's right (2.7.5.3.1), but Linux's habit. */
static void longer_than_the_ring(struct subject *subject, const void *data)
{
	static const uint32_t one = 1;
	struct wire_front *front = &subject->front;
	struct wire_buffer buffers[512];
	uint64_t answer;
	size_t count = scatter(front, &one, 1, buffers, &answer);
	uint16_t head = wire_submit(front, 0, buffers, count, true);
	if (used_soon(subject, head)) {
		check_answer(front, answer);
		conformance_note("a chain of %zu pieces in a ring of %u is taken, as Linux "
				 "wishes",
				 count, front->ring_size);
	} else {
		conformance_note("a chain of %zu pieces in a ring of %u is not taken", count,
				 front->ring_size);
	}
}

/* Chains that the front end does not make: descriptors by hand. */
static void by_hand(struct subject *subject, const struct bad_desc *ring, size_t ring_count,
		    const struct bad_desc *table, size_t table_count, uint64_t table_gpa,
		    uint64_t answer)
{
	struct wire_front *front = &subject->front;
	memcpy(wire_at(front, front->rings[0].desc_gpa), ring, ring_count * sizeof(*ring));
	memcpy(wire_at(front, table_gpa), table, table_count * sizeof(*table));
	wire_submit_head(front, 0, 0);
	wire_wait_used(front, 0, 0);
	check_answer(front, answer);
}

static void direct_then_indirect(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint64_t in = place_request(front);
	uint64_t answer = wire_alloc(front, ANSWER);
	uint64_t table_gpa = wire_alloc(front, 64);
	const struct bad_desc ring[] = {
		{in, 10, BAD_CHAIN_NEXT, 1},
		{in + 10, sizeof(ask) - 10, BAD_CHAIN_NEXT, 2},
		{table_gpa, 16, BAD_CHAIN_INDIRECT, 0},
	};
	const struct bad_desc table[] = {{answer, ANSWER, BAD_CHAIN_WRITE, 0}};
	by_hand(subject, ring, 3, table, 1, table_gpa, answer);
}

static void indirect_and_writable(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint64_t in = place_request(front);
	uint64_t answer = wire_alloc(front, ANSWER);
	uint64_t table_gpa = wire_alloc(front, 64);
	const struct bad_desc ring[] = {{table_gpa, 32, BAD_CHAIN_INDIRECT | BAD_CHAIN_WRITE, 0}};
	const struct bad_desc table[] = {
		{in, sizeof(ask), BAD_CHAIN_NEXT, 1},
		{answer, ANSWER, BAD_CHAIN_WRITE, 0},
	};
	by_hand(subject, ring, 1, table, 2, table_gpa, answer);
}

static void full_ring(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint16_t heads[WIRE_RING_SIZE];
	bool indirect = (subject->features & VIRTIO_RING_F_INDIRECT_DESC) != 0;
	unsigned count = indirect ? WIRE_RING_SIZE : WIRE_RING_SIZE / 2;
	uint64_t in = place_request(front);
	for (unsigned round = 0; round < 3; round++) {
		uint64_t mark = front->allocated;
		uint64_t answers = wire_alloc(front, count * 512);
		for (unsigned i = 0; i < count; i++) {
			const struct wire_buffer buffers[] = {{in, sizeof(ask), false},
							      {answers + 512 * i, ANSWER, true}};
			heads[i] = wire_submit(front, 0, buffers, 2, indirect);
		}
		for (unsigned i = 0; i < count; i++) {
			wire_wait_used(front, 0, heads[i]);
			check_answer(front, answers + 512 * i);
		}
		front->allocated = mark;
	}
}

static void spurious_kicks(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	for (unsigned i = 0; i < 100; i++) {
		wire_kick(&subject->front, 0);
		wire_kick(&subject->front, 1);
		if (i % 10 == 0) {
			echo.command(echo.data, i % 20 == 0);
		}
	}
	echo.command(echo.data, 0);
}

static void used_flags(struct subject *subject, const void *data)
{
	const struct scenario_echo echo = subject_echo(subject);
	struct wire_front *front = &subject->front;
	for (unsigned i = 0; i < 10; i++) {
		echo.command(echo.data, 0);
		wire_check_equal(((uint16_t *)wire_at(front, front->rings[0].used_gpa))[0], 0);
	}
}

static bool interrupted(struct wire_front *front)
{
	uint64_t count;
	return read(front->rings[0].call, &count, sizeof(count)) == sizeof(count);
}

/* Without event indices a driver says by a flag that it polls. */
static void interrupts_by_flag(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	const struct scenario_echo echo = subject_echo(subject);
	wire_start(front, subject->features & ~VIRTIO_RING_F_EVENT_IDX);
	echo.command(echo.data, 0);
	uint16_t *flags = wire_at(front, front->rings[0].avail_gpa);
	*flags = 1;
	usleep(20000);
	interrupted(front);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t answer;
		uint16_t head = gpu_post(front, &ask, sizeof(ask), ANSWER, &answer);
		if (!used_soon(subject, head)) {
			conformance_fail(
				"a command is not used when the driver wants no interrupt");
		}
		check_answer(front, answer);
	}
	if (interrupted(front)) {
		conformance_note("interrupts come that the driver does not want");
	}
	*flags = 0;
	echo.command(echo.data, 0);
}

/* What belongs to the driver stays as it is, and so does what is behind the answer's buffer. */
static void only_its_own_memory(struct subject *subject, const void *data)
{
	struct wire_front *front = &subject->front;
	uint8_t before[WIRE_RING_SIZE * 16];
	uint64_t in = place_request(front);
	uint64_t out = wire_alloc(front, 1024);
	memset(wire_at(front, out), 0xa5, 1024);
	const struct wire_buffer buffers[] = {{in, sizeof(ask), false}, {out + 64, ANSWER, true}};
	uint16_t head = wire_submit(front, 0, buffers, 2, false);
	memcpy(before, wire_at(front, front->rings[0].desc_gpa), sizeof(before));
	uint32_t written = wire_wait_used(front, 0, head);
	check_answer(front, out + 64);
	if (memcmp(before, wire_at(front, front->rings[0].desc_gpa), sizeof(before)) != 0) {
		conformance_fail("the descriptor table was written to");
	}
	if (memcmp(wire_at(front, in), &ask, sizeof(ask)) != 0) {
		conformance_fail("a readable buffer was written to");
	}
	const uint8_t *bytes = wire_at(front, out);
	for (size_t i = 0; i < 1024; i++) {
		if ((i < 64 || i >= 64 + ANSWER) && bytes[i] != 0xa5) {
			conformance_fail("a byte beside the writable buffer was written to");
		}
	}
	if (written > ANSWER) {
		conformance_fail("%u bytes are said to be written to a buffer of %zu", written,
				 ANSWER);
	}
}

static void odd_room(struct subject *subject, const void *data)
{
	static const uint32_t sizes[] = {4096, 408, 407, 100, 24, 23, 1, 0};
	struct wire_front *front = &subject->front;
	uint8_t answer[4096];
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t written = wire_command(front, 0, &ask, sizeof(ask), answer, sizes[i]);
		if (written > sizes[i]) {
			conformance_fail("%u bytes are said to be written to a buffer of %u",
					 written, sizes[i]);
		}
		if (sizes[i] >= ANSWER && written != ANSWER) {
			conformance_note("%u bytes are said to be written, of an answer of %zu",
					 written, ANSWER);
		}
	}
}

/* Bad chains. */

static void settle(struct subject *subject)
{
	for (unsigned i = 0; i < 20; i++) {
		if (!subject_still_there(subject)) {
			return;
		}
		usleep(1000);
	}
}

static void bad(struct subject *subject, const void *data)
{
	const struct bad_chain *chain = data;
	struct wire_front *front = &subject->front;
	uint8_t before[(BAD_CHAIN_RING + 1) * sizeof(struct bad_desc)];
	wire_set_ring_size(front, BAD_CHAIN_RING);
	wire_start(front, subject->features);
	const struct scenario_echo echo = subject_echo(subject);
	echo.command(echo.data, 1);
	uint64_t data_gpa = wire_alloc(front, BAD_CHAIN_DATA);
	void *ring = wire_at(front, front->rings[0].desc_gpa);
	bad_chain_place(chain, ring, wire_at(front, data_gpa), data_gpa);
	memcpy(before, ring, sizeof(before));
	uint16_t *avail = wire_at(front, front->rings[0].avail_gpa);
	avail[2] = chain->head;
	__atomic_store_n(&avail[1], chain->available > 0 ? chain->available : 1, __ATOMIC_RELEASE);
	wire_kick(front, 0);
	settle(subject);
	if (!subject->open) {
		conformance_note("the back end closes the connection");
		return;
	}
	if (memcmp(before, ring, sizeof(before)) != 0) {
		conformance_fail("the descriptor table was written to");
	}
	wire_stop(front);
	wire_reset(front);
	wire_start(front, subject->features);
	echo.command(echo.data, 0);
	echo.command(echo.data, 1);
}

#define INDIRECT VIRTIO_RING_F_INDIRECT_DESC
static const struct conformance_test good_tests[] = {
	{"scattered", "virtio 2.7.4", RUNNING, 0, 0, scattered},
	{"direct-then-indirect", "virtio 2.7.5.3", RUNNING, INDIRECT, 0, direct_then_indirect},
	{"indirect-and-writable", "virtio 2.7.5.3", RUNNING, INDIRECT, 0, indirect_and_writable},
	{"longer-than-the-ring", "virtio 2.7.5.3", RUNNING, INDIRECT, 0, longer_than_the_ring},
	{"full-ring", "virtio 2.7.6", RUNNING, 0, 0, full_ring},
	{"spurious-kicks", "virtio 2.7.10", RUNNING, 0, 0, spurious_kicks},
	{"used-flags", "virtio 2.7.10", RUNNING, VIRTIO_RING_F_EVENT_IDX, 0, used_flags},
	{"interrupts-by-flag", "virtio 2.7.7", GREETED, 0, 0, interrupts_by_flag},
	{"only-its-own-memory", "virtio 2.7.5, 2.7.8", RUNNING, 0, 0, only_its_own_memory},
	{"odd-room-for-the-answer", "virtio 2.7.8", RUNNING, 0, 0, odd_room},
};
#define GOOD (sizeof(good_tests) / sizeof(good_tests[0]))

/* "a loop of one, writable" is the test bad-a-loop-of-one-writable. */
static char *test_name(const char *what)
{
	char *name = NULL;
	if (asprintf(&name, "bad-%s", what) < 0) {
		abort();
	}
	char *to = name;
	for (const char *from = name; *from != '\0'; from++) {
		if (*from != ',') {
			*to++ = (char)(*from == ' ' ? '-' : *from);
		}
	}
	*to = '\0';
	return name;
}

const struct conformance_group *rings_group(void)
{
	static struct conformance_test tests[GOOD + 64];
	static struct conformance_group group = {.name = "rings", .tests = tests};
	if (group.count == 0) {
		memcpy(tests, good_tests, sizeof(good_tests));
		group.count = GOOD;
		for (size_t i = 0; i < bad_chain_count; i++) {
			tests[group.count++] = (struct conformance_test){
				.name = test_name(bad_chains[i].what),
				.spec = "virtio 2.7.5",
				.stage = GREETED,
				.needs = bad_chains[i].indirect ? INDIRECT : 0,
				.run = bad,
				.data = &bad_chains[i],
			};
		}
	}
	return &group;
}
