/* SPDX-License-Identifier: MIT */
/*
 * One split virtqueue over guest memory that the input writes, and writes again while the device
 * reads: descriptors, tables, rings and indices are whatever it says, at any moment. A device that
 * takes chains, reads and writes all of them and gives them back in any order must stay inside of
 * RAM, tell no more than it did, and never take more chains than the ring has entries.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "util/fd.h"
#include "vhost/ring.h"

const size_t fuzz_record_size = 16;

/* Three regions: two that touch, one alone. Small, so that a change hits something. */
#define PAGE 4096u
#define GPA 0x10000ull
#define USER 0x7f0000000000ull
#define LOW_BYTES (3u * PAGE)
#define HIGH_BYTES (1u * PAGE)
#define LONE_GPA 0xfffffffffffff000ull /* up to the very end, but for its last byte */
#define LONE_BYTES (PAGE - 1)
#define TABLE_AT (2u * PAGE) /* where indirect tables like to be */
#define MAX_OPS 256
#define MAX_CHAINS 1100
#define MAX_SIZE 1024u

enum action {
	WRITE_DESC,
	WRITE_INDIRECT,
	WRITE_AVAIL,
	WRITE_BYTES,
	MAKE_AVAILABLE, /* one or more heads */
	POP,
	READ,
	PUSH,
	DROP,
	NOTIFY,
	REARM,
	SUSPEND,
	STOP,
	RESET,
	START,
	MEMORY,
	CALL_FD,
	CHANGE_LATER, /* while the next chain is walked */
	ACTIONS,
};

struct op {
	uint8_t kind;
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
};
_Static_assert(sizeof(struct op) == 16, "a record");

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static struct {
	int low_fd;
	int high_fd;
	int lone_fd;
	int call;
	uint8_t *low;
	uint8_t *high;
	uint8_t *lone;
	struct guest_memory *memory;
} shared;

static struct {
	struct virtqueue queue;
	struct virtqueue_setup setup;
	struct guest_memory *memory;
	uint64_t features;
	struct virtqueue_chain *chains[MAX_CHAINS];
	unsigned count;
	uint64_t generation;
	/* A change that happens inside of the next guest_memory_iov. */
	bool change;
	struct op later;
} fx;

/* --- guest memory ---------------------------------------------------------------------------- */

static uint8_t *byte_at(uint32_t offset)
{
	offset %= LOW_BYTES + HIGH_BYTES;
	return offset < LOW_BYTES ? shared.low + offset : shared.high + (offset - LOW_BYTES);
}

static uint64_t address(const struct op *op)
{
	switch (op->a >> 5) {
	case 0:
	case 1:
	case 2:
		return GPA + op->d % (LOW_BYTES + HIGH_BYTES);
	case 3: /* the border */
		return GPA + LOW_BYTES - op->d % 64;
	case 4:
		return GPA + TABLE_AT + op->d % 16 * 16;
	case 5:
		return LONE_GPA + op->d % PAGE;
	case 6:
		return fuzz_odd_u64((unsigned)op->d);
	default:
		return op->d;
	}
}

static uint32_t length(const struct op *op)
{
	return (op->c & 0x80000000) == 0 ? op->c % 300 : fuzz_odd_u32(op->c & 0xff);
}

static void write_desc(uint8_t *table, uint32_t entries, const struct op *op)
{
	struct desc desc = {
		.addr = address(op),
		.len = length(op),
		.flags = op->a & 7,
		.next = (uint16_t)(op->c >> 12 & 0x3ff),
	};
	if (desc.flags == 4 && (op->c & 0x80000000) == 0) {
		desc.len = desc.len / 16 * 16 + 16;
	}
	memcpy(table + 16ull * (op->b % entries), &desc, sizeof(desc));
}

static void change(const struct op *op)
{
	switch (op->kind % ACTIONS) {
	case WRITE_DESC:
		write_desc(shared.low + (fx.setup.desc - USER), fx.setup.num, op);
		break;
	case WRITE_INDIRECT:
		write_desc(shared.low + TABLE_AT, 32, op);
		break;
	case WRITE_AVAIL: {
		uint16_t *avail = (uint16_t *)(shared.low + (fx.setup.avail - USER));
		avail[op->b % (3u + fx.setup.num)] = (uint16_t)op->c;
		break;
	}
	default:
		for (unsigned i = 0; i < op->a % 8u; i++) {
			*byte_at(op->b + i) = (uint8_t)(op->d >> 8 * i);
		}
		break;
	}
}

ssize_t __real_guest_memory_iov(const struct guest_memory *memory, uint64_t gpa, uint64_t len,
				struct iovec *iov, size_t max);
ssize_t __wrap_guest_memory_iov(const struct guest_memory *memory, uint64_t gpa, uint64_t len,
				struct iovec *iov, size_t max);
ssize_t __wrap_guest_memory_iov(const struct guest_memory *memory, uint64_t gpa, uint64_t len,
				struct iovec *iov, size_t max)
{
	/* Another processor of the guest's, in the middle of a walk. */
	if (fx.change && fx.later.a % 4 == 0) {
		fx.change = false;
		change(&fx.later);
	}
	fx.later.a -= fx.later.a > 0;
	return __real_guest_memory_iov(memory, gpa, len, iov, max);
}

static void make_available(const struct op *op)
{
	uint16_t *avail = (uint16_t *)(shared.low + (fx.setup.avail - USER));
	unsigned count = 1 + op->a % 4;
	for (unsigned i = 0; i < count; i++) {
		avail[2 + avail[1] % fx.setup.num] = (uint16_t)(op->b + i);
		avail[1]++;
	}
}

/* --- the device ------------------------------------------------------------------------------ */

/* All of one region. */
static bool inside(const struct iovec *iov)
{
	int fds[2];
	uint64_t offsets[2];
	const uint8_t *first = iov->iov_base;
	const uint8_t *last = first + iov->iov_len - 1;
	return iov->iov_len > 0 && guest_memory_file(fx.memory, first, &fds[0], &offsets[0]) &&
	       guest_memory_file(fx.memory, last, &fds[1], &offsets[1]) && fds[0] == fds[1] &&
	       offsets[1] - offsets[0] == iov->iov_len - 1;
}

static void check_chain(const struct virtqueue_chain *chain)
{
	size_t bytes[2] = {0, 0};
	FUZZ_CHECK(chain->head < fx.setup.num, "head %u", chain->head);
	for (size_t i = 0; i < chain->readable_count + chain->writable_count; i++) {
		bool readable = i < chain->readable_count;
		const struct iovec *iov = readable ? &chain->readable[i]
						   : &chain->writable[i - chain->readable_count];
		FUZZ_CHECK(inside(iov), "piece %zu is outside of RAM", i);
		bytes[readable] += iov->iov_len;
	}
	FUZZ_CHECK(bytes[1] == chain->readable_bytes && bytes[0] == chain->writable_bytes,
		   "the sums are wrong");
	FUZZ_CHECK(bytes[0] + bytes[1] <= VIRTQUEUE_MAX_BYTES, "too long");
	FUZZ_CHECK(chain->readable_count + chain->writable_count <= VIRTQUEUE_MAX_SEGMENTS,
		   "too many pieces");
}

static void pop(const struct op *op)
{
	for (unsigned i = 0; i <= op->a % 8u && fx.count < MAX_CHAINS; i++) {
		struct virtqueue_chain *chain = virtqueue_pop(&fx.queue);
		if (chain == NULL) {
			break;
		}
		check_chain(chain);
		fx.chains[fx.count++] = chain;
	}
	unsigned fresh = 0;
	for (unsigned i = 0; i < fx.count; i++) {
		fresh += fx.chains[i]->generation == fx.queue.generation;
	}
	FUZZ_CHECK(fresh <= fx.setup.num, "%u chains of a ring of %u", fresh, fx.setup.num);
}

static struct virtqueue_chain *chain_at(const struct op *op)
{
	return fx.count > 0 ? fx.chains[op->b % fx.count] : NULL;
}

static struct virtqueue_chain *take_chain(const struct op *op)
{
	struct virtqueue_chain *chain = chain_at(op);
	if (chain != NULL) {
		unsigned at = op->b % fx.count--;
		fx.chains[at] = fx.chains[fx.count];
	}
	return chain;
}

static void read_write(const struct op *op)
{
	static uint8_t bytes[8192];
	const struct virtqueue_chain *chain = chain_at(op);
	if (chain == NULL) {
		return;
	}
	size_t len = op->c % sizeof(bytes);
	size_t offset = (op->a & 1) != 0 ? op->d : op->d % 64;
	bool fits = offset <= chain->readable_bytes && len <= chain->readable_bytes - offset;
	FUZZ_CHECK(virtqueue_read(chain, offset, bytes, len) == fits, "read");
	fits = offset <= chain->writable_bytes && len <= chain->writable_bytes - offset;
	FUZZ_CHECK(virtqueue_write(chain, offset, bytes, len) == fits, "write");
	/* All that there is. */
	len = chain->readable_bytes < sizeof(bytes) ? chain->readable_bytes : sizeof(bytes);
	FUZZ_CHECK(virtqueue_read(chain, 0, bytes, len), "read");
	len = chain->writable_bytes < sizeof(bytes) ? chain->writable_bytes : sizeof(bytes);
	FUZZ_CHECK(virtqueue_write(chain, 0, bytes, len), "write");
}

static uint16_t used_idx(void)
{
	uint16_t idx;
	memcpy(&idx, shared.low + (fx.setup.used - USER) + 2, sizeof(idx));
	return idx;
}

static void push(const struct op *op)
{
	struct virtqueue_chain *chain = take_chain(op);
	if (chain == NULL) {
		return;
	}
	bool posted = chain->generation == fx.queue.generation && !fx.queue.broken &&
		      fx.queue.state == VIRTQUEUE_RUNNING;
	uint16_t head = chain->head;
	uint32_t written = op->c > chain->writable_bytes ? (uint32_t)chain->writable_bytes : op->c;
	uint16_t before = fx.queue.used_idx;
	virtqueue_push(&fx.queue, chain, op->c);
	FUZZ_CHECK(fx.queue.used_idx == (uint16_t)(before + posted), "used.idx");
	if (posted) {
		uint32_t element[2];
		memcpy(element,
		       shared.low + (fx.setup.used - USER) + 4 + 8ull * (before % fx.setup.num),
		       sizeof(element));
		FUZZ_CHECK(used_idx() == fx.queue.used_idx, "used.idx in memory");
		FUZZ_CHECK(element[0] == head && element[1] == written, "used element");
	}
}

static void start(const struct op *op)
{
	struct virtqueue_setup setup = fx.setup;
	if ((op->a & 1) != 0) {
		setup.base = (uint16_t)op->c;
	}
	if ((op->a & 2) != 0) {
		/* Places that make no sense. */
		setup.num = (uint16_t)op->b;
		setup.desc += op->d;
		setup.used += op->c;
		bool right = virtqueue_start(&fx.queue, fx.memory, &setup, fx.features) == 0;
		if (right && fx.queue.state == VIRTQUEUE_RUNNING) {
			virtqueue_stop(&fx.queue);
		}
		return;
	}
	if (fx.queue.state == VIRTQUEUE_STOPPED) {
		virtqueue_continues(&fx.queue, fx.memory, &setup);
	}
	if (fx.queue.state != VIRTQUEUE_RUNNING) {
		FUZZ_CHECK(virtqueue_start(&fx.queue, fx.memory, &setup, fx.features) == 0 ||
				   fx.queue.state == VIRTQUEUE_SUSPENDED,
			   "the queue does not start");
	}
}

static struct guest_memory *map_ram(bool all)
{
	const struct guest_region regions[3] = {
		{GPA, LOW_BYTES, USER, 0},
		{GPA + LOW_BYTES, HIGH_BYTES, USER + 0x100000, 0},
		{LONE_GPA, LONE_BYTES, USER + 0x200000, 0},
	};
	const int fds[3] = {shared.low_fd, shared.high_fd, shared.lone_fd};
	int error;
	struct guest_memory *memory = guest_memory_create(regions, fds, all ? 3 : 1, &error);
	FUZZ_CHECK(memory != NULL, "no memory: %d", error);
	return memory;
}

static void act(const struct op *op)
{
	switch ((enum action)(op->kind % ACTIONS)) {
	case WRITE_DESC:
	case WRITE_INDIRECT:
	case WRITE_AVAIL:
	case WRITE_BYTES:
		change(op);
		break;
	case MAKE_AVAILABLE:
		make_available(op);
		break;
	case POP:
		pop(op);
		break;
	case READ:
		read_write(op);
		break;
	case PUSH:
		push(op);
		break;
	case DROP:
		/* Only a reset may make a device do this, so it does it with old ones. */
		if (fx.count > 0 && chain_at(op)->generation != fx.queue.generation) {
			virtqueue_drop(take_chain(op));
		}
		break;
	case NOTIFY:
		virtqueue_notify(&fx.queue);
		break;
	case REARM:
		virtqueue_rearm(&fx.queue);
		break;
	case SUSPEND:
		virtqueue_suspend(&fx.queue);
		break;
	case STOP:
		virtqueue_stop(&fx.queue);
		break;
	case RESET:
		virtqueue_reset(&fx.queue);
		break;
	case START:
		start(op);
		break;
	case MEMORY:
		/* Chains keep theirs; see inside(). */
		if (fx.count == 0) {
			guest_memory_unref(fx.memory);
			fx.memory = map_ram((op->a & 1) == 0);
			virtqueue_set_memory(&fx.queue, fx.memory);
		}
		break;
	case CALL_FD:
		virtqueue_set_call(&fx.queue, (op->a & 1) != 0 ? fd_dup(shared.call) : -1);
		virtqueue_set_err(&fx.queue, (op->a & 2) != 0 ? fd_dup(shared.call) : -1);
		break;
	case CHANGE_LATER:
		fx.change = true;
		fx.later = *op;
		fx.later.kind = op->a >> 6;
		break;
	case ACTIONS:
		break;
	}
}

/* --- a run ----------------------------------------------------------------------------------- */

static uint8_t *map_file(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_CHECK(at != MAP_FAILED, "no RAM");
	return at;
}

void fuzz_init(void)
{
	shared.low_fd = fuzz_memfd(LOW_BYTES, true);
	shared.high_fd = fuzz_memfd(HIGH_BYTES, true);
	shared.lone_fd = fuzz_memfd(PAGE, true);
	shared.low = map_file(shared.low_fd, LOW_BYTES);
	shared.high = map_file(shared.high_fd, HIGH_BYTES);
	shared.lone = map_file(shared.lone_fd, PAGE);
	shared.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared.memory = map_ram(true);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static const uint16_t sizes[8] = {8, 1, 2, 4, 16, 32, 64, 128};
	struct fuzz_bytes bytes = {data, size};
	struct op header;
	memset(&fx, 0, sizeof(fx));
	memset(shared.low, 0, LOW_BYTES);
	memset(shared.high, 0, HIGH_BYTES);
	fuzz_take(&bytes, &header, sizeof(header));
	fx.memory = guest_memory_ref(shared.memory);
	fx.features = VIRTIO_F_VERSION_1 | ((header.a & 1) == 0 ? VIRTIO_RING_F_INDIRECT_DESC : 0) |
		      ((header.a & 2) == 0 ? VIRTIO_RING_F_EVENT_IDX : 0);
	fx.setup = (struct virtqueue_setup){
		.num = sizes[header.b % 8],
		.base = (uint16_t)header.c,
		.desc = USER,
		.avail = USER + PAGE,
		.used = USER + PAGE + 2048,
	};
	/* The ring goes on where it was. */
	const uint16_t base[2] = {fx.setup.base, fx.setup.base};
	memcpy(shared.low + PAGE + 2, base, sizeof(uint16_t));
	memcpy(shared.low + PAGE + 2048 + 2, base, sizeof(uint16_t));
	virtqueue_init(&fx.queue, 0);
	virtqueue_set_call(&fx.queue, fd_dup(shared.call));
	FUZZ_CHECK(virtqueue_start(&fx.queue, fx.memory, &fx.setup, fx.features) == 0, "start");
	for (unsigned i = 0; i < MAX_OPS && bytes.left > 0; i++) {
		struct op op;
		fuzz_take(&bytes, &op, sizeof(op));
		act(&op);
	}
	while (fx.count > 0) {
		virtqueue_drop(fx.chains[--fx.count]);
	}
	virtqueue_finish(&fx.queue);
	guest_memory_unref(fx.memory);
}
