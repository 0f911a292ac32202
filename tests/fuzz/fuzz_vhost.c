/* SPDX-License-Identifier: MIT */
/*
 * The vhost-user session against a front end that may say anything, in pieces, with any descriptors,
 * on the socket and on the back-end channel, while rings are kicked and the device asks for
 * mappings. Both threads of the session are played by turns in this one. What the session sends
 * must be well formed, a reply come to each request that asks for one, and nothing that QEMU would act
 * on come on the channel while the device does not run.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "util/fd.h"
#include "vhost/front.h"

const size_t fuzz_record_size = 32;

#define MAX_OPS 160
#define QUEUES 2u
#define WINDOW (1ull << 20)
#define PAGE 4096u
#define RAM_GPA 0x40000000ull
#define RAM_USER 0x7f0000000000ull
#define RAM_BYTES (16u * PAGE)
#define MAX_FDS 10u
#define MAX_HELD 64
#define CONFIG_BYTES 24

enum action {
	/* Whole messages by their kind, mostly as they should be. */
	SEND_MESSAGE,
	SEND_BYTES, /* some bytes */
	SEND_HALF, /* a message's first bytes; the rest comes with what is next */
	BOOT, /* what QEMU says from its start to a running device */
	STOP, /* ... and to stop it */
	WRITE_RAM,
	CHAIN, /* a chain that makes sense */
	KICK,
	REPLY, /* on the channel */
	REPLY_WRONG,
	MAP,
	UNMAP,
	CONFIG,
	ANSWER, /* the device gives a chain back */
	CLOSE_CHANNEL,
	CLOSE,
	DEAF, /* replies, or the channel, are not read for a while */
	ACTIONS,
};

struct op {
	uint8_t kind;
	uint8_t request;
	uint8_t fds; /* how many, and of which kinds */
	uint8_t how;
	uint32_t size;
	uint64_t a;
	uint64_t b;
	uint64_t c;
};
_Static_assert(sizeof(struct op) == 32, "a record");

#define HOW_NEED_REPLY 0x01
#define HOW_WRONG_SIZE 0x02
#define HOW_WRONG_FLAGS 0x04
#define HOW_ODD 0x08 /* payload as the input has it */

static struct {
	int ram;
	uint8_t *ram_at;
	int other_ram;
	int kicks[QUEUES];
	int call;
	int file; /* no poll works on it */
} shared;

static struct {
	struct vhost *vhost;
	struct window_files *window_files;
	int socket;
	int channel; /* our end */
	bool closed; /* the session is */
	bool destroyed;
	bool running; /* the device, as it is told */
	bool disconnected;
	/* What goes out, so that messages may be cut anywhere. */
	unsigned expected; /* replies */
	struct message in; /* on the socket */
	struct message asked; /* on the channel */
	bool asks; /* asked is complete, and not replied to */
	struct virtqueue_chain *held[MAX_HELD];
	unsigned held_queue[MAX_HELD];
	unsigned held_count;
	bool hold;
	unsigned windows; /* requests that are not answered */
	bool deaf;
	bool channel_deaf;
	unsigned stale; /* bytes on the channel that were unread at a stop */
	size_t begun; /* bytes of a request that were read before the stop */
	bool starves; /* the device has no memory for chains */
	bool heard; /* a reply, just now */
	uint16_t base[QUEUES]; /* as the session gave them back */
	unsigned wild; /* bytes went out that were no message: no reply can be foretold */
} fx;

/* --- the front thread ------------------------------------------------------------------------ */

static struct {
	void *(*run)(void *data);
	void *data;
} thread;

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
			  void *(*run)(void *data), void *data);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
			  void *(*run)(void *data), void *data)
{
	thread.run = run;
	thread.data = data;
	*out = pthread_self();
	return 0;
}

int __wrap_pthread_setname_np(pthread_t who, const char *name);
int __wrap_pthread_setname_np(pthread_t who, const char *name)
{
	return 0;
}

int __wrap_pthread_join(pthread_t who, void **result);
int __wrap_pthread_join(pthread_t who, void **result)
{
	return 0;
}

static uv_loop_t *front_loop(void)
{
	return &((struct front *)thread.data)->loop;
}

static bool letters_wait(void)
{
	return !list_empty(&fx.vhost->inbox.letters) ||
	       !list_empty(&fx.vhost->front->inbox.letters);
}

/* Turns of both, until there is nothing more to do. */
static void take_turns(void)
{
	unsigned quiet = 0;
	for (unsigned i = 0; quiet < 2; i++) {
		FUZZ_CHECK(i < 10000, "no end of letters");
		uv_run(front_loop(), UV_RUN_NOWAIT);
		fuzz_turns(1);
		quiet = letters_wait() ? 0 : quiet + 1;
	}
}

/* --- the device ------------------------------------------------------------------------------ */

static void drop_held(void)
{
	while (fx.held_count > 0) {
		virtqueue_drop(fx.held[--fx.held_count]);
	}
}

static void on_started(void *data, bool resumed)
{
	FUZZ_CHECK(!fx.running, "started twice");
	FUZZ_CHECK(resumed || fx.windows == 0, "a reset leaves %u requests", fx.windows);
	fx.running = true;
	if (!resumed) {
		drop_held();
	}
}

static void on_stopped(void *data)
{
	int unread = 0;
	FUZZ_CHECK(fx.running, "stopped twice");
	fx.running = false;
	if (fx.channel >= 0) {
		ioctl(fx.channel, FIONREAD, &unread);
	}
	fx.stale = (unsigned)unread;
}

static void give_back(unsigned index, struct virtqueue_chain *chain)
{
	uint8_t bytes[64];
	size_t len = chain->readable_bytes < sizeof(bytes) ? chain->readable_bytes : sizeof(bytes);
	virtqueue_read(chain, 0, bytes, len);
	virtqueue_write(chain, 0, bytes, len);
	virtqueue_push(vhost_queue(fx.vhost, index), chain, (uint32_t)len);
}

static void on_kicked(void *data, unsigned index)
{
	FUZZ_CHECK(index < QUEUES && fx.running, "queue %u is kicked", index);
	struct virtqueue *queue = vhost_queue(fx.vhost, index);
	struct virtqueue_chain *chain;
	unsigned budget = 8;
	if (fx.starves) {
		virtqueue_starve(queue);
		return;
	}
	do {
		while (budget > 0 && (chain = virtqueue_pop(queue)) != NULL) {
			budget--;
			if (fx.hold && fx.held_count < MAX_HELD) {
				fx.held_queue[fx.held_count] = index;
				fx.held[fx.held_count++] = chain;
			} else {
				give_back(index, chain);
			}
		}
		virtqueue_notify(queue);
	} while (budget > 0 && virtqueue_rearm(queue));
	if (budget == 0) {
		vhost_kick_later(fx.vhost, index);
	}
}

static void on_config_written(void *data, uint32_t offset, const uint8_t *bytes, uint32_t size)
{
	FUZZ_CHECK(size <= VHOST_MAX_CONFIG && offset <= VHOST_MAX_CONFIG - size, "%u at %u", size,
		   offset);
	uint8_t sum = 0;
	for (uint32_t i = 0; i < size; i++) {
		sum += bytes[i];
	}
	vhost_set_config(fx.vhost, 0, &sum, 1, (sum & 1) != 0);
}

static void on_select(const void *data, uint8_t *config, uint32_t offset, const uint8_t *bytes,
		      uint32_t size)
{
	FUZZ_CHECK(size <= VHOST_MAX_CONFIG && offset <= VHOST_MAX_CONFIG - size, "%u at %u", size,
		   offset);
	memcpy(config + offset, bytes, size);
}

static void on_disconnected(void *data, int error)
{
	FUZZ_CHECK(!fx.disconnected && !fx.running, "disconnected");
	FUZZ_CHECK(fx.windows == 0, "%u requests are not answered", fx.windows);
	fx.disconnected = true;
}

static const struct vhost_callbacks callbacks = {
	.started = on_started,
	.stopped = on_stopped,
	.kicked = on_kicked,
	.config_written = on_config_written,
	.disconnected = on_disconnected,
};

static void on_window(void *data, int status)
{
	FUZZ_CHECK(fx.windows > 0, "an answer too many");
	fx.windows--;
}

/* --- descriptors ----------------------------------------------------------------------------- */

static int make_fd(unsigned kind, int *keep)
{
	int pair[2];
	*keep = -1;
	switch (kind % 8) {
	case 0:
		return fd_dup(shared.ram);
	case 1:
		return fd_dup(shared.kicks[0]);
	case 2:
		return fd_dup(shared.kicks[1]);
	case 3:
		return fd_dup(shared.call);
	case 4:
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "fds");
		*keep = pair[1];
		return pair[0];
	case 5:
		return fd_dup(shared.other_ram);
	case 6:
		return fd_dup(shared.file);
	default: /* a socket with nobody behind it */
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "fds");
		close(pair[1]);
		return pair[0];
	}
}

/* --- out ------------------------------------------------------------------------------------- */

static void send_bytes(const void *bytes, size_t size, const int *fds, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)bytes, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	}
	/* The other end may have closed, or not read. */
	if (fx.socket >= 0 && size > 0 &&
	    sendmsg(fx.socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size) {
		fx.wild++;
	}
}

static bool has_reply(uint32_t request)
{
	switch (request) {
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_GET_QUEUE_NUM:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_GET_SHARED_OBJECT:
	case VHOST_USER_GET_SHMEM_CONFIG:
		return true;
	default:
		return false;
	}
}

struct out {
	struct vhost_user_header header;
	union vhost_user_payload payload;
	int fds[MAX_FDS];
	unsigned fd_count;
};

static void add_fd(struct out *out, unsigned kind)
{
	int keep;
	int fd = make_fd(kind, &keep);
	if (out->header.request == VHOST_USER_SET_BACKEND_REQ_FD && keep >= 0) {
		/* Ours is the channel that is there last. */
		fd_close(&fx.channel);
		fx.channel = keep;
		fcntl(keep, F_SETFL, O_NONBLOCK);
		message_clear(&fx.asked);
		fx.asks = false;
		fx.stale = 0;
		fx.begun = 0;
		keep = -1;
	}
	fd_close(&keep);
	out->fds[out->fd_count++] = fd;
}

static void transmit(struct out *out, size_t from, size_t to)
{
	size_t whole = sizeof(out->header) + out->header.size;
	to = to < whole ? to : whole;
	uint8_t bytes[sizeof(out->header) + sizeof(out->payload)];
	memcpy(bytes, &out->header, sizeof(out->header));
	memcpy(bytes + sizeof(out->header), &out->payload, sizeof(out->payload));
	if (from < to) {
		send_bytes(bytes + from, to - from, out->fds, from == 0 ? out->fd_count : 0);
	}
}

static void close_out(struct out *out)
{
	fd_close_all(out->fds, out->fd_count);
}

static void tell(uint32_t request, const void *payload, uint32_t size, int fd_kind)
{
	struct out out = {.header = {request, VHOST_USER_VERSION, size}};
	memcpy(&out.payload, payload, size);
	if (fd_kind >= 0) {
		add_fd(&out, (unsigned)fd_kind);
	}
	fx.expected += has_reply(request);
	transmit(&out, 0, SIZE_MAX);
	close_out(&out);
	take_turns();
}

static void tell_u64(uint32_t request, uint64_t value, int fd_kind)
{
	tell(request, &value, sizeof(value), fd_kind);
}

static void tell_state(uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhost_user_vring_state state = {index, num};
	tell(request, &state, sizeof(state), -1);
}

static struct vhost_user_vring_addr ring_addr(uint32_t index)
{
	uint64_t at = RAM_USER + index * PAGE;
	return (struct vhost_user_vring_addr){
		.index = index, .desc = at, .avail = at + 1024, .used = at + 2048};
}

/* As QEMU does it, protocols §1.5, with what the input wants otherwise. */
static void boot(const struct op *op)
{
	struct vhost_user_memory_table table = {.count = 1,
						.regions = {{RAM_GPA, RAM_BYTES, RAM_USER, 0}}};
	uint64_t features = 1ull << 32 | 1ull << 30 | (op->how & 3ull) << 28;
	tell_u64(VHOST_USER_SET_PROTOCOL_FEATURES, (op->how & 4) != 0 ? op->a : UINT64_MAX, -1);
	tell(VHOST_USER_SET_BACKEND_REQ_FD, "", 0, 4);
	tell_u64(VHOST_USER_SET_FEATURES, features, -1);
	tell(VHOST_USER_SET_MEM_TABLE, &table, 8 + sizeof(table.regions[0]), 0);
	if ((op->how & 8) != 0) {
		struct vhost_user_config config = {.size = 8};
		tell(VHOST_USER_GET_CONFIG, &config, VHOST_USER_CONFIG_HEADER + 8, -1);
	}
	for (uint32_t i = 0; i < QUEUES; i++) {
		struct vhost_user_vring_addr addr = ring_addr(i);
		tell_state(VHOST_USER_SET_VRING_NUM, i, 1u << op->request % 7);
		tell_state(VHOST_USER_SET_VRING_BASE, i,
			   (op->how & 0x10) != 0 ? fx.base[i] : (uint16_t)op->b);
		tell(VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1);
		tell_u64(VHOST_USER_SET_VRING_KICK, i, 1 + (int)i);
		tell_u64(VHOST_USER_SET_VRING_CALL, i, 3);
	}
	for (uint32_t i = 0; i < QUEUES; i++) {
		tell_state(VHOST_USER_SET_VRING_ENABLE, i, 1);
	}
}

static void stop(const struct op *op)
{
	if ((op->how & 2) != 0 && fx.channel >= 0 && !fx.asks && fx.asked.have == 0 &&
	    fx.stale == 0) {
		/* QEMU is reading a request on another thread. */
		message_read(fx.channel, &fx.asked);
		fx.begun = fx.asked.have;
	}
	for (uint32_t i = 0; i < QUEUES && (op->how & 1) == 0; i++) {
		tell_state(VHOST_USER_SET_VRING_ENABLE, i, 0);
	}
	for (uint32_t i = 0; i < QUEUES; i++) {
		tell_state(VHOST_USER_GET_VRING_BASE, i, 0);
	}
}

static uint64_t ram_offset(uint64_t value)
{
	return (value >> 63) != 0 ? fuzz_odd_u64((unsigned)value) : value % RAM_BYTES;
}

/* The payload that its kind has, with numbers from the input. */
static void fill_payload(struct out *out, const struct op *op)
{
	union vhost_user_payload *payload = &out->payload;
	uint32_t index = op->c < 0x8000 ? (uint32_t)op->c % (QUEUES + 1) : (uint32_t)op->c;
	switch (out->header.request) {
	case VHOST_USER_SET_MEM_TABLE: {
		uint32_t count = op->fds % 10u;
		payload->memory.count = count;
		for (uint32_t i = 0; i < count && i < VHOST_USER_MAX_REGIONS; i++) {
			/* One is RAM, mostly as it is, the others near it. */
			payload->memory.regions[i] = (struct guest_region){
				.gpa = RAM_GPA + i * (op->a % 32) * PAGE,
				.size = i == 0 ? RAM_BYTES : ram_offset(op->b),
				.user_addr = RAM_USER + i * (op->a >> 32) % 64 * PAGE +
					     (i == 0 ? op->how >> 6 : 0) * PAGE,
				.mmap_offset = i == 0 ? 0 : ram_offset(op->c),
			};
		}
		count = count < VHOST_USER_MAX_REGIONS ? count : VHOST_USER_MAX_REGIONS;
		out->header.size = 8 + count * (uint32_t)sizeof(struct guest_region);
		break;
	}
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
		payload->state = (struct vhost_user_vring_state){index, (uint32_t)op->a};
		out->header.size = sizeof(payload->state);
		break;
	case VHOST_USER_SET_VRING_ADDR:
		payload->addr = ring_addr(index % 4);
		payload->addr.index = index;
		payload->addr.desc += op->a % 4096;
		payload->addr.used += ram_offset(op->b);
		out->header.size = sizeof(payload->addr);
		break;
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		payload->config.offset = (uint32_t)(op->a < 0x8000 ? op->a % 64 : op->a);
		payload->config.size = (uint32_t)(op->b < 0x8000 ? op->b % 260 : op->b);
		memset(payload->config.bytes, (int)op->c, sizeof(payload->config.bytes));
		out->header.size = VHOST_USER_CONFIG_HEADER + payload->config.size % 260;
		break;
	case VHOST_USER_SET_FEATURES:
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		payload->u64 = op->a;
		out->header.size = sizeof(payload->u64);
		break;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		payload->u64 = index | (out->fd_count == 0 ? VHOST_USER_VRING_NO_FD : 0);
		payload->u64 ^= op->a >> 56 << 8;
		out->header.size = sizeof(payload->u64);
		break;
	default:
		break;
	}
}

static uint32_t request_of(uint8_t byte)
{
	return byte < 0xe0 ? byte % (VHOST_USER_REQUEST_END + 2) : fuzz_odd_u32(byte & 0x1f);
}

static void build(struct out *out, const struct op *op)
{
	*out = (struct out){.header = {request_of(op->request), VHOST_USER_VERSION, 0}};
	unsigned fds = op->fds % 16u;
	for (unsigned i = 0; i < fds && i < MAX_FDS; i++) {
		add_fd(out, op->fds >> 4 == 15 ? i : op->fds >> 4);
	}
	if ((op->how & HOW_ODD) != 0) {
		memcpy(out->payload.bytes, &op->a, 24);
		out->header.size = op->size % 64;
	} else {
		fill_payload(out, op);
	}
	if ((op->how & HOW_NEED_REPLY) != 0) {
		out->header.flags |= VHOST_USER_NEED_REPLY;
	}
	if ((op->how & HOW_WRONG_SIZE) != 0) {
		/* It comes with as many bytes as it says, up to what is read at all. */
		out->header.size = op->size % 5000;
	}
	if ((op->how & HOW_WRONG_FLAGS) != 0) {
		out->header.flags = op->size;
	}
}

static void send_message(const struct op *op, bool half)
{
	struct out out;
	build(&out, op);
	bool sane = (out.header.flags & VHOST_USER_VERSION_MASK) == VHOST_USER_VERSION &&
		    out.header.size <= VHOST_USER_MAX_PAYLOAD;
	fx.wild += !sane;
	fx.expected +=
		has_reply(out.header.request) || (out.header.flags & VHOST_USER_NEED_REPLY) != 0;
	if (out.header.size > sizeof(out.payload)) {
		out.header.size = sizeof(out.payload);
	}
	if (half) {
		size_t cut = 1 + op->size % 40;
		transmit(&out, 0, cut);
		take_turns();
		transmit(&out, cut, SIZE_MAX);
	} else {
		transmit(&out, 0, SIZE_MAX);
	}
	close_out(&out);
	take_turns();
}

/* --- in -------------------------------------------------------------------------------------- */

static void read_replies(void)
{
	int result;
	fx.heard = false;
	while (fx.socket >= 0 && !fx.deaf && (result = message_read(fx.socket, &fx.in)) != 0) {
		if (result < 0) {
			FUZZ_CHECK(result == -ENODATA || result == -ECONNRESET,
				   "a reply is cut: %d", result);
			fx.closed = true;
			fd_close(&fx.socket);
			break;
		}
		fx.heard = true;
		FUZZ_CHECK(fx.in.header.flags == (VHOST_USER_VERSION | VHOST_USER_REPLY),
			   "flags 0x%x", fx.in.header.flags);
		FUZZ_CHECK(fx.in.fd_count == 0, "a reply with descriptors");
		FUZZ_CHECK(fx.wild > 0 || fx.expected > 0, "nobody asked for this reply");
		const struct vhost_user_vring_state *state = &fx.in.payload.state;
		if (fx.in.header.request == VHOST_USER_GET_VRING_BASE &&
		    fx.in.header.size == sizeof(*state) && state->index < QUEUES) {
			fx.base[state->index] = (uint16_t)state->num;
		}
		fx.expected -= fx.expected > 0;
		message_clear(&fx.in);
	}
}

static void check_request(void)
{
	const struct vhost_user_header *header = &fx.asked.header;
	const uint32_t kind = header->request & 0xff;
	const bool map = kind == VHOST_USER_BACKEND_SHMEM_MAP;
	const bool unmap = kind == VHOST_USER_BACKEND_SHMEM_UNMAP;
	FUZZ_CHECK((header->flags & VHOST_USER_VERSION_MASK) == VHOST_USER_VERSION &&
			   (header->flags & VHOST_USER_REPLY) == 0,
		   "flags 0x%x", header->flags);
	FUZZ_CHECK(fx.asked.fd_count == (map ? 1 : 0), "%zu descriptors", fx.asked.fd_count);
	if (fx.begun > 0) {
		/* Whole, although the device stopped meanwhile. Its rest was unread. */
		const size_t rest = sizeof(*header) + header->size - fx.begun;
		fx.begun = 0;
		fx.stale -= rest < fx.stale ? (unsigned)rest : fx.stale;
		FUZZ_CHECK(header->request == kind, "request 0x%x is taken back too late",
			   header->request);
		return;
	}
	if (fx.stale > 0) {
		/* Taken back (src/vhost/revocable.c), or a barrier, which QEMU bears. */
		const unsigned size = sizeof(*header) + header->size;
		fx.stale -= size < fx.stale ? size : fx.stale;
		if (header->request == VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE) {
			return;
		}
		FUZZ_CHECK(header->request == (VHOST_USER_BACKEND_UNKNOWN | kind),
			   "request %u, which QEMU reads after it stopped", header->request);
		FUZZ_CHECK(map || unmap || kind == VHOST_USER_BACKEND_CONFIG_CHANGE,
			   "0x%x was no request", header->request);
		FUZZ_CHECK(header->size == 0 && header->flags == VHOST_USER_VERSION,
			   "%u bytes of one that was taken back", header->size);
		return;
	}
	/* QEMU crashes on requests at any other time (protocols Q1). */
	FUZZ_CHECK(fx.running, "request %u while nothing runs", header->request);
	FUZZ_CHECK(header->request == kind, "request 0x%x", header->request);
	if (map || unmap) {
		const struct vhost_user_shmem_map *what = &fx.asked.payload.map;
		FUZZ_CHECK(header->size == sizeof(*what) && what->id == 1 && what->size > 0 &&
				   what->offset + what->size <= WINDOW,
			   "a request outside of the window");
	}
}

/* As QEMU does it: who has begun to read a request reads all of it before anything else. */
static int read_request(void)
{
	for (unsigned i = 0; i < 100; i++) {
		int result = message_read(fx.channel, &fx.asked);
		if (result != 0 || fx.asked.have == 0) {
			return result;
		}
		take_turns();
	}
	FUZZ_CHECK(false, "a request stops after %zu bytes", fx.asked.have);
}

static void read_channel(void)
{
	int result;
	while (fx.channel >= 0 && !fx.asks && !fx.channel_deaf && (result = read_request()) != 0) {
		if (result < 0) {
			fd_close(&fx.channel);
			break;
		}
		check_request();
		fx.asks = (fx.asked.header.flags & VHOST_USER_NEED_REPLY) != 0;
		if (!fx.asks) {
			message_clear(&fx.asked);
		}
	}
}

static void settle(void)
{
	do {
		take_turns();
		read_replies();
		read_channel();
	} while (fx.heard);
	if (fx.wild == 0 && fx.socket >= 0 && !fx.closed && !fx.deaf) {
		FUZZ_CHECK(fx.expected == 0, "%u replies did not come", fx.expected);
	}
}

static void reply(uint64_t value, uint32_t request, uint32_t flags, uint32_t size)
{
	struct {
		struct vhost_user_header header;
		uint64_t value;
	} __attribute__((packed)) out = {{request, flags, size}, value};
	if (fx.channel >= 0) {
		send(fx.channel, &out, sizeof(out.header) + (size < 8 ? size : 8),
		     MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	message_clear(&fx.asked);
	fx.asks = false;
}

/* The one request that is on its way gets its answer. */
static void reply_rightly(const struct op *op)
{
	if (!fx.asks) {
		return;
	}
	uint32_t request = fx.asked.header.request;
	if (request == VHOST_USER_BACKEND_SHMEM_MAP && (op->how & 2) != 0) {
		/* QEMU announces the mapping as RAM. */
		struct out out = {.header = {VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION,
					     8 + 2 * sizeof(struct guest_region)}};
		out.payload.memory = (struct vhost_user_memory_table){
			.count = 2,
			.regions = {{RAM_GPA, RAM_BYTES, RAM_USER, 0},
				    {1ull << 40, fx.asked.payload.map.size, 1ull << 44,
				     fx.asked.payload.map.fd_offset}},
		};
		out.fds[0] = fd_dup(shared.ram);
		out.fds[1] = fd_dup(fx.asked.fds[0]);
		out.fd_count = 2;
		transmit(&out, 0, SIZE_MAX);
		close_out(&out);
	}
	reply((op->how & 1) != 0, request, VHOST_USER_VERSION | VHOST_USER_REPLY, 8);
}

/* --- the rest -------------------------------------------------------------------------------- */

static void write_chain(const struct op *op)
{
	unsigned index = op->how % QUEUES;
	uint8_t *ring = shared.ram_at + index * PAGE;
	uint16_t *avail = (uint16_t *)(ring + 1024);
	uint16_t size = fx.vhost->queues[index].setup.num;
	if (size == 0 || size > 64) {
		return;
	}
	uint16_t head = op->request % size;
	const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		uint16_t next;
	} desc = {RAM_GPA + 8 * PAGE + op->a % PAGE, 1 + op->size % 100, (op->how & 2), 0};
	memcpy(ring + 16 * head, &desc, sizeof(desc));
	avail[2 + avail[1] % size] = head;
	avail[1]++;
	const uint64_t one = 1;
	FUZZ_CHECK(write(shared.kicks[index], &one, sizeof(one)) == sizeof(one), "kick");
}

static void map(const struct op *op, bool map_it)
{
	uint64_t offset = (op->a >> 63) != 0 ? op->a : op->a % 64 * PAGE;
	uint64_t size = (op->b >> 63) != 0 ? op->b : (1 + op->b % 8) * PAGE;
	if (fx.windows > 100 || fx.disconnected) {
		return;
	}
	fx.windows++;
	if (map_it) {
		vhost_window_map(fx.vhost, offset, size, shared.other_ram, op->c % 4 * PAGE, true,
				 on_window, NULL);
	} else {
		vhost_window_unmap(fx.vhost, offset, size, on_window, NULL);
	}
}

static void act(const struct op *op)
{
	switch ((enum action)(op->kind % ACTIONS)) {
	case SEND_MESSAGE:
		send_message(op, false);
		break;
	case SEND_HALF:
		send_message(op, true);
		break;
	case SEND_BYTES:
		fx.wild++;
		send_bytes(&op->a, op->size % 25, NULL, 0);
		break;
	case BOOT:
		boot(op);
		break;
	case STOP:
		stop(op);
		break;
	case WRITE_RAM:
		memcpy(shared.ram_at + op->a % (4 * PAGE - 16), &op->b, 1 + op->size % 16);
		break;
	case CHAIN:
		write_chain(op);
		break;
	case KICK: {
		const uint64_t one = 1;
		FUZZ_CHECK(write(shared.kicks[op->how % QUEUES], &one, 8) == 8, "kick");
		break;
	}
	case REPLY:
		reply_rightly(op);
		break;
	case REPLY_WRONG:
		reply(op->a, (uint32_t)op->b, (uint32_t)op->c, op->size % 9);
		break;
	case MAP:
		map(op, true);
		break;
	case UNMAP:
		map(op, false);
		break;
	case CONFIG:
		vhost_set_config(fx.vhost, op->request, &op->a, op->size % 24, (op->how & 1) != 0);
		break;
	case ANSWER:
		fx.hold = (op->how & 1) != 0;
		fx.starves = (op->how & 4) != 0;
		if ((op->how & 8) != 0) {
			fuzz_fire_timer(0);
		}
		while (fx.held_count > 0 && (op->how & 2) != 0) {
			fx.held_count--;
			give_back(fx.held_queue[fx.held_count], fx.held[fx.held_count]);
		}
		break;
	case CLOSE_CHANNEL:
		fd_close(&fx.channel);
		break;
	case CLOSE:
		fd_close(&fx.socket);
		break;
	case DEAF:
		fx.deaf = (op->how & 1) != 0;
		fx.channel_deaf = (op->how & 2) != 0;
		for (unsigned i = 0; fx.deaf && i < op->request; i++) {
			tell(VHOST_USER_GET_SHMEM_CONFIG, "", 0, -1);
		}
		break;
	case ACTIONS:
		break;
	}
	settle();
}

/* --- a run ----------------------------------------------------------------------------------- */

static void on_destroyed(void *data)
{
	fx.destroyed = true;
}

void fuzz_init(void)
{
	shared.ram = fuzz_memfd(RAM_BYTES, true);
	shared.other_ram = fuzz_memfd(16ull * PAGE, true);
	shared.ram_at = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, shared.ram, 0);
	FUZZ_CHECK(shared.ram_at != MAP_FAILED, "no RAM");
	for (unsigned i = 0; i < QUEUES; i++) {
		shared.kicks[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	shared.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared.file = open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void drain(int fd)
{
	uint64_t count;
	while (read(fd, &count, sizeof(count)) > 0) {
	}
}

static void open_session(const struct op *header)
{
	struct vhost_options options = {
		.features = 1ull << 32 | 1ull << 29 | 1ull << 28,
		.queue_count = QUEUES,
		.config_size = CONFIG_BYTES,
		.window_size = (header->how & 1) != 0 ? 0 : WINDOW,
		.window_id = 1,
		.window_files = (header->how & 4) != 0 ? window_files_create() : NULL,
		.select_config = (header->how & 2) != 0 ? on_select : NULL,
		.callbacks = &callbacks,
	};
	int pair[2];
	memset(&fx, 0, sizeof(fx));
	fx.channel = -1;
	message_init(&fx.in);
	message_init(&fx.asked);
	memset(shared.ram_at, 0, RAM_BYTES);
	drain(shared.kicks[0]);
	drain(shared.kicks[1]);
	drain(shared.call);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
	fx.socket = pair[1];
	fcntl(fx.socket, F_SETFL, O_NONBLOCK);
	FUZZ_CHECK(vhost_create(&options, pair[0], fuzz_loop(), &fx.vhost) == 0, "no session");
	fx.window_files = options.window_files;
}

/* The front end still talks when the device ends: what the front thread has heard is in letters. */
static void talk_to_the_end(const struct op *header)
{
	static const uint8_t last[] = {VHOST_USER_SET_MEM_TABLE, VHOST_USER_SET_CONFIG,
				       VHOST_USER_SET_VRING_ENABLE, VHOST_USER_GET_VRING_BASE};
	const struct op ops[2] = {
		{.request = VHOST_USER_SET_VRING_CALL, .fds = 0x31, .c = header->c},
		{.request = last[header->request % 4], .fds = header->fds, .a = 1, .b = 8},
	};
	for (unsigned i = 0; i < 2; i++) {
		struct out out;
		build(&out, &ops[i]);
		transmit(&out, 0, SIZE_MAX);
		close_out(&out);
	}
	for (unsigned i = 0; i < 3; i++) {
		uv_run(front_loop(), UV_RUN_NOWAIT);
	}
}

static void close_session(const struct op *header)
{
	if ((header->how & 8) != 0) {
		talk_to_the_end(header);
	}
	drop_held();
	vhost_destroy(fx.vhost, on_destroyed, NULL);
	FUZZ_CHECK(fx.windows == 0, "%u requests are not answered", fx.windows);
	/* The thread runs to its end: quit is among its letters. */
	thread.run(thread.data);
	fuzz_until(&fx.destroyed);
	window_files_destroy(fx.window_files);
	message_clear(&fx.in);
	message_clear(&fx.asked);
	fd_close(&fx.socket);
	fd_close(&fx.channel);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct op header;
	fuzz_take(&bytes, &header, sizeof(header));
	open_session(&header);
	for (unsigned i = 0; i < MAX_OPS && bytes.left > 0; i++) {
		struct op op;
		fuzz_take(&bytes, &op, sizeof(op));
		act(&op);
	}
	close_session(&header);
}
