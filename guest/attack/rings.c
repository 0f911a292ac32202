/* SPDX-License-Identifier: MIT */
/* Command rings in shared memory, laid out wrongly, or rewritten while they run. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "venus.h"

#define FATAL 2
#define BUFFER_WORDS (RING_BUFFER_SIZE / 4)

static struct stream stream;

static struct stream *begin(void)
{
	stream.size = 0;
	return &stream;
}

struct ring {
	int fd;
	struct blob blob;
	uint8_t *bytes;
	_Atomic uint32_t *head;
	_Atomic uint32_t *tail;
	_Atomic uint32_t *status;
	uint32_t *buffer;
};

/* A context with memory for a ring; close_ring ends it. */
static const char *open_ring(struct ring *ring)
{
	void *address;
	ring->fd = card_context();
	TRY(expect("a context", ring->fd < 0 ? ring->fd : 0, 0));
	TRY(expect("a blob", card_shm(ring->fd, 8192, &ring->blob), 0));
	TRY(expect("mmap", card_map(ring->fd, ring->blob.handle, 8192, &address), 0));
	const struct ring_layout layout = ring_layout(1, ring->blob.resource);
	ring->bytes = address;
	ring->head = (_Atomic uint32_t *)(ring->bytes + layout.head);
	ring->tail = (_Atomic uint32_t *)(ring->bytes + layout.tail);
	ring->status = (_Atomic uint32_t *)(ring->bytes + layout.status);
	ring->buffer = (uint32_t *)(ring->bytes + layout.buffer);
	return NULL;
}

static const char *start_ring(struct ring *ring)
{
	TRY(open_ring(ring));
	const struct ring_layout layout = ring_layout(1, ring->blob.resource);
	put_ring(begin(), &layout);
	TRY(expect("vkCreateRingMESA", venus_submit(ring->fd, &stream), 0));
	return NULL;
}

static const char *close_ring(struct ring *ring, bool works)
{
	TRY(card_expect(ring->fd, works));
	munmap(ring->bytes, 8192);
	close(ring->fd);
	return NULL;
}

/* Writes commands behind what there is, and wakes the ring up. */
static const char *run_in_ring(struct ring *ring, const struct stream *commands)
{
	static struct stream notice;
	uint32_t tail = atomic_load(ring->tail);
	for (size_t i = 0; i < commands->size / 4; i++) {
		memcpy(&ring->buffer[(tail / 4 + i) % BUFFER_WORDS], commands->bytes + 4 * i, 4);
	}
	atomic_store(ring->tail, tail + (uint32_t)commands->size);
	notice.size = 0;
	put_ring_command(&notice, VENUS_NOTIFY_RING, 1);
	return expect("vkNotifyRingMESA", venus_submit(ring->fd, &notice), 0);
}

static const char *await_word(const char *what, _Atomic uint32_t *word, uint32_t mask,
			      uint32_t value)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	int64_t end = now_ms() + 30000;
	while ((atomic_load(word) & mask) != value) {
		if (now_ms() > end) {
			return wrong("%s is %#x, not %#x", what, atomic_load(word), value);
		}
		nanosleep(&nap, NULL);
	}
	return NULL;
}

/* The ring is told to stop: its context goes with the next command. */
static const char *expect_fatal(struct ring *ring)
{
	TRY(await_word("the status", ring->status, FATAL, FATAL));
	put_version_query(begin(), 0);
	TRY(expect("a command", venus_submit(ring->fd, &stream), 0));
	return close_ring(ring, false);
}

static const char *run_right(void)
{
	struct ring ring;
	TRY(start_ring(&ring));
	put_version_query(begin(), 0);
	/* 16 bytes each in 4096: it goes round. */
	for (uint32_t i = 1; i <= 300; i++) {
		TRY(run_in_ring(&ring, &stream));
		TRY(await_word("the head", ring.head, UINT32_MAX, i * (uint32_t)stream.size));
	}
	put_ring_command(begin(), VENUS_DESTROY_RING, 1);
	TRY(expect("vkDestroyRingMESA", venus_submit(ring.fd, &stream), 0));
	return close_ring(&ring, true);
}

static const char *try_layout(void (*change)(struct ring_layout *layout), bool works)
{
	struct ring ring;
	TRY(open_ring(&ring));
	struct ring_layout layout = ring_layout(1, ring.blob.resource);
	change(&layout);
	put_ring(begin(), &layout);
	TRY(expect("vkCreateRingMESA", venus_submit(ring.fd, &stream), 0));
	return close_ring(&ring, works);
}

static void overlap(struct ring_layout *layout)
{
	layout->tail = layout->head;
}

static const char *run_overlap(void)
{
	return try_layout(overlap, false);
}

static void overlap_buffer(struct ring_layout *layout)
{
	layout->status = layout->buffer + 64;
}

static const char *run_overlap_buffer(void)
{
	return try_layout(overlap_buffer, false);
}

static void head_beyond(struct ring_layout *layout)
{
	layout->head = 8192;
}

static const char *run_head_beyond(void)
{
	return try_layout(head_beyond, false);
}

static void head_wrap(struct ring_layout *layout)
{
	layout->head = UINT64_MAX - 3;
}

static const char *run_head_wrap(void)
{
	return try_layout(head_wrap, false);
}

static void offset_wrap(struct ring_layout *layout)
{
	layout->offset = UINT64_MAX - 4095;
	layout->head += 4096;
	layout->tail += 4096;
	layout->status += 4096;
	layout->extra += 4096;
}

static const char *run_offset_wrap(void)
{
	return try_layout(offset_wrap, false);
}

static void size_beyond(struct ring_layout *layout)
{
	layout->size = 1ull << 40;
}

static const char *run_size_beyond(void)
{
	return try_layout(size_beyond, false);
}

static void buffer_zero(struct ring_layout *layout)
{
	layout->buffer_size = 0;
}

static const char *run_buffer_zero(void)
{
	return try_layout(buffer_zero, false);
}

static void buffer_odd(struct ring_layout *layout)
{
	layout->buffer_size = 4092;
}

static const char *run_buffer_odd(void)
{
	return try_layout(buffer_odd, false);
}

static void unaligned(struct ring_layout *layout)
{
	layout->head = 2;
}

static const char *run_unaligned(void)
{
	return try_layout(unaligned, false);
}

static void no_resource(struct ring_layout *layout)
{
	layout->resource = 0xffffff;
}

static const char *run_no_resource(void)
{
	return try_layout(no_resource, false);
}

static void never_idle(struct ring_layout *layout)
{
	layout->idle_timeout = UINT64_MAX;
}

static const char *run_never_idle(void)
{
	return try_layout(never_idle, true);
}

static const char *run_head_not_zero(void)
{
	struct ring ring;
	TRY(open_ring(&ring));
	atomic_store(ring.head, 12345);
	const struct ring_layout layout = ring_layout(1, ring.blob.resource);
	put_ring(begin(), &layout);
	TRY(expect("vkCreateRingMESA", venus_submit(ring.fd, &stream), 0));
	return close_ring(&ring, false);
}

static const char *run_tail_beyond(void)
{
	struct ring ring;
	TRY(start_ring(&ring));
	atomic_store(ring.tail, 0xfffffff0);
	put_ring_command(begin(), VENUS_NOTIFY_RING, 1);
	TRY(expect("vkNotifyRingMESA", venus_submit(ring.fd, &stream), 0));
	return expect_fatal(&ring);
}

static const char *run_garbage(void)
{
	struct ring ring;
	TRY(start_ring(&ring));
	for (int i = 0; i < 64; i++) {
		put32(begin(), chance() | 0x10000);
	}
	TRY(run_in_ring(&ring, &stream));
	return expect_fatal(&ring);
}

/* Head and status are the renderer's: what the guest writes there is not read. */
static const char *run_head_and_status_rewritten(void)
{
	struct ring ring;
	TRY(start_ring(&ring));
	put_version_query(begin(), 0);
	struct stream command = stream;
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 20; k++) {
			atomic_store(ring.head, chance());
			atomic_store(ring.status, chance() & ~(uint32_t)FATAL);
		}
		TRY(run_in_ring(&ring, &command));
	}
	uint32_t end = atomic_load(ring.tail);
	TRY(run_in_ring(&ring, &command));
	TRY(await_word("the head", ring.head, UINT32_MAX, end + (uint32_t)command.size));
	return close_ring(&ring, true);
}

/* Commands and tail change under the reader. */
static const char *run_all_rewritten(void)
{
	struct ring ring;
	int other = card_context();
	TRY(start_ring(&ring));
	int64_t end = now_ms() + 200;
	while (now_ms() < end) {
		for (int i = 0; i < 500; i++) {
			ring.buffer[chance() % BUFFER_WORDS] = chance() % 300;
		}
		atomic_fetch_add(ring.tail, (chance() % 64) * 4);
	}
	put_ring_command(begin(), VENUS_NOTIFY_RING, 1);
	TRY(expect("vkNotifyRingMESA", venus_submit(ring.fd, &stream), 0));
	TRY(card_expect(other, true));
	close(other);
	munmap(ring.bytes, 8192);
	close(ring.fd);
	return NULL;
}

/* What only a context may say, said in its ring. */
static const char *run_context_commands(void)
{
	static const uint32_t commands[] = {VENUS_DESTROY_RING, VENUS_NOTIFY_RING};
	for (int i = 0; i < 2; i++) {
		struct ring ring;
		TRY(start_ring(&ring));
		put_ring_command(begin(), commands[i], 1);
		TRY(run_in_ring(&ring, &stream));
		TRY(expect_fatal(&ring));
	}
	return NULL;
}

static const char *run_ring_in_ring(void)
{
	struct ring ring;
	TRY(start_ring(&ring));
	const struct ring_layout layout = ring_layout(2, ring.blob.resource);
	put_ring(begin(), &layout);
	TRY(run_in_ring(&ring, &stream));
	return expect_fatal(&ring);
}

static const char *try_ring_command(uint32_t command, uint64_t ring_id, uint64_t second)
{
	struct ring ring;
	TRY(start_ring(&ring));
	put_command(begin(), command, 0);
	put64(&stream, ring_id);
	put64(&stream, second);
	put32(&stream, 0);
	TRY(expect("a command", venus_submit(ring.fd, &stream), 0));
	return close_ring(&ring, false);
}

static const char *run_unknown_rings(void)
{
	TRY(try_ring_command(VENUS_NOTIFY_RING, 99, 0));
	TRY(try_ring_command(VENUS_DESTROY_RING, UINT64_MAX, 0));
	TRY(try_ring_command(VENUS_WAIT_RING_SEQNO, 0, 0));
	return NULL;
}

static const char *run_extra_beyond(void)
{
	TRY(try_ring_command(VENUS_WRITE_RING_EXTRA, 1, 4));
	TRY(try_ring_command(VENUS_WRITE_RING_EXTRA, 1, UINT64_MAX - 1));
	return NULL;
}

static const char *run_destroyed_twice(void)
{
	struct ring ring;
	TRY(start_ring(&ring));
	put_ring_command(begin(), VENUS_DESTROY_RING, 1);
	put_ring_command(&stream, VENUS_DESTROY_RING, 1);
	TRY(expect("a stream", venus_submit(ring.fd, &stream), 0));
	return close_ring(&ring, false);
}

static const char *run_wait_unreachable(void)
{
	return try_ring_command(VENUS_WAIT_RING_SEQNO, 1, 0x7000);
}

/* Its kernel memory stays while it is mapped; the renderer's goes. */
static const char *run_memory_closed(void)
{
	struct ring ring;
	TRY(start_ring(&ring));
	munmap(ring.bytes, 8192);
	TRY(expect("GEM_CLOSE", card_close(ring.fd, ring.blob.handle), 0));
	TRY(card_expect(ring.fd, true));
	put_version_query(begin(), 0);
	TRY(expect("a command", venus_submit(ring.fd, &stream), 0));
	TRY(card_expect(ring.fd, false));
	close(ring.fd);
	return NULL;
}

static const char *run_closed_while_running(void)
{
	for (int i = 0; i < 3; i++) {
		struct ring ring;
		TRY(start_ring(&ring));
		put_version_query(begin(), 0);
		while (stream.size + 16 <= 4000) {
			put_version_query(&stream, 0);
		}
		TRY(run_in_ring(&ring, &stream));
		atomic_fetch_add(ring.tail, (uint32_t)stream.size);
		close(ring.fd);
		munmap(ring.bytes, 8192);
	}
	return NULL;
}

static const char *run_many(void)
{
	enum { RINGS = 256 };
	struct blob blob;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, RINGS * 8192, &blob), 0));
	begin();
	for (uint64_t i = 0; i < RINGS; i++) {
		struct ring_layout layout = ring_layout(i, blob.resource);
		layout.offset = i * 8192;
		layout.idle_timeout = 0;
		put_ring(&stream, &layout);
	}
	TRY(expect("256 rings", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/*
 * The ring waits for a number that only the context can say, and the context for the ring: a renderer
 * that will never answer. Its fences signal when the watchdog cuts it off; others do not notice.
 */
static const char *stall(struct ring *ring)
{
	TRY(start_ring(ring));
	put_command(begin(), VENUS_WAIT_VIRTQUEUE_SEQNO, 0);
	put64(&stream, UINT64_MAX);
	TRY(run_in_ring(ring, &stream));
	put_seqno_command(begin(), VENUS_WAIT_RING_SEQNO, 1, atomic_load(ring->tail));
	return expect("vkWaitRingSeqnoMESA", card_submit(ring->fd, stream.bytes, stream.size), 0);
}

static const char *run_stalled(void)
{
	enum { STALLED = 3 };
	struct ring rings[STALLED];
	int fences[STALLED];
	int other = card_context();
	TRY(card_expect(other, true));
	for (int i = 0; i < STALLED; i++) {
		struct blob blob;
		TRY(stall(&rings[i]));
		/* A request that nobody answers, and a fence behind it. */
		TRY(expect("a blob", card_shm(rings[i].fd, PAGE, &blob), 0));
		TRY(expect("a fence", card_submit_fenced(rings[i].fd, 0, NULL, 0, &fences[i]), 0));
	}
	struct pollfd last = {.fd = fences[STALLED - 1], .events = POLLIN};
	int rounds = 0;
	while (rounds < 20 && poll(&last, 1, 0) == 0) {
		TRY(card_expect(other, true));
		rounds++;
	}
	if (rounds == 0) {
		return "nothing else went on meanwhile";
	}
	for (int i = 0; i < STALLED; i++) {
		TRY(expect("a fence of a stalled context", card_await(fences[i]), 0));
		close(fences[i]);
		TRY(close_ring(&rings[i], false));
	}
	TRY(card_expect(other, true));
	close(other);
	return NULL;
}

/* Nobody waits for it, so the watchdog has nothing to see: it ends with its file. */
static const char *run_stalled_and_closed(void)
{
	struct ring ring;
	TRY(stall(&ring));
	munmap(ring.bytes, 8192);
	close(ring.fd);
	return NULL;
}

/* The context is full of commands that it does not take: its own, up to the bounds of its queue. */
static const char *run_stalled_and_flooded(void)
{
	struct ring ring;
	int other = card_context();
	TRY(stall(&ring));
	begin();
	while (stream.size + 16 <= 60000) {
		put_version_query(&stream, 0);
	}
	for (int i = 0; i < 400; i++) {
		TRY(expect("a command", card_submit(ring.fd, stream.bytes, stream.size), 0));
	}
	TRY(card_expect(other, true));
	close(other);
	munmap(ring.bytes, 8192);
	close(ring.fd);
	return NULL;
}

#define RING(name, words, run, lost) {name, words, run, lost, 0, false, NULL}

const struct attack attacks_by_rings[] = {
	RING("right-ring", "a right ring runs 300 commands, to prove the encoder", run_right, 0),
	RING("ring-overlap", "head and tail in one place: lost", run_overlap, 1),
	RING("ring-overlap-buffer", "the status within the buffer: lost", run_overlap_buffer, 1),
	RING("ring-head-beyond", "a head behind the memory: lost", run_head_beyond, 1),
	RING("ring-head-wrap", "a head at 2^64 - 4: lost", run_head_wrap, 1),
	RING("ring-offset-wrap", "an offset of -4096 that the fields make up for: lost",
	     run_offset_wrap, 1),
	RING("ring-size-beyond", "a ring of 2^40 bytes in 8192: lost", run_size_beyond, 1),
	RING("ring-buffer-zero", "a buffer of 0 bytes: lost", run_buffer_zero, 1),
	RING("ring-buffer-odd", "a buffer of 4092 bytes: lost", run_buffer_odd, 1),
	RING("ring-unaligned", "a head at an odd word: lost", run_unaligned, 1),
	RING("ring-no-resource", "a ring in no memory: lost", run_no_resource, 1),
	RING("ring-head-not-zero", "a ring whose head is not zero: lost", run_head_not_zero, 1),
	RING("ring-never-idle", "an idle time-out of 2^64 - 1: works", run_never_idle, 0),
	RING("ring-tail-beyond", "a tail that is farther than the buffer is long: lost",
	     run_tail_beyond, 1),
	RING("ring-garbage", "garbage in the buffer: lost", run_garbage, 1),
	RING("ring-head-rewritten", "head and status overwritten 2000 times: goes on",
	     run_head_and_status_rewritten, 0),
	RING("ring-rewritten", "buffer and tail rewritten for 200 ms while it runs: others work",
	     run_all_rewritten, ATTACK_ANY),
	RING("ring-context-commands", "a ring that destroys and notifies itself: lost, each",
	     run_context_commands, 2),
	RING("ring-in-ring", "a ring made in a ring: lost", run_ring_in_ring, 1),
	RING("unknown-rings", "notice, end of and wait for rings that there are not: lost, each",
	     run_unknown_rings, 3),
	RING("ring-extra-beyond", "vkWriteRingExtraMESA beyond its 4 bytes: lost, each",
	     run_extra_beyond, 2),
	RING("ring-destroyed-twice", "vkDestroyRingMESA twice: lost", run_destroyed_twice, 1),
	RING("ring-wait-unreachable", "waits for a number that the ring will not reach: lost",
	     run_wait_unreachable, 1),
	RING("ring-memory-closed", "the memory of a running ring is given back: lost",
	     run_memory_closed, 1),
	RING("ring-closed-running", "the file is closed while its ring is full: clean",
	     run_closed_while_running, 0),
	RING("ring-256", "256 rings in one context: work", run_many, 0),
	RING("stalled", "3 contexts stall each other's rings: cut off, another goes on",
	     run_stalled, 3),
	RING("stalled-closed", "a stalled context's file is closed: clean", run_stalled_and_closed,
	     0),
	RING("stalled-flooded", "24 MB of commands to a stalled context: another goes on",
	     run_stalled_and_flooded, ATTACK_ANY),
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
