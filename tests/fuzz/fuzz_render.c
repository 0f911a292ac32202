/* SPDX-License-Identifier: MIT */
/*
 * hesperd's renderer (src/render/venus.c, process.c, wire.c) against hesper-render processes that
 * say anything, take nothing, or die at any moment. Every request is answered exactly once, fences
 * come only where some are pending, memory that comes out is as large as was asked and cannot
 * shrink, and one process concerns one context.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "render/process.h"
#include "render/render_impl.h"
#include "render/spawner.h"
#include "util/fd.h"

const size_t fuzz_record_size = 24;

#define MAX_OPS 160
#define MAX_PROCESSES 16
#define CONTEXTS 6u
#define RESOURCES 16u
#define MAX_REQUESTS 2600u

enum action {
	CREATE,
	DESTROY,
	BLOB,
	IMPORT,
	UNREF,
	ATTACH,
	DETACH,
	SUBMIT,
	RESET,
	SAY_READY,
	SAY_DONE,
	SAY_FENCE,
	SAY_LOST,
	SAY_RAW,
	READ,
	DEAF,
	DIE,
	TIMER,
	SPAWN_FAILS,
	PAUSE,
	ACTIONS,
};

struct op {
	uint8_t kind;
	uint8_t which; /* process, or context */
	uint8_t what;
	uint8_t how;
	uint32_t a;
	uint64_t b;
	uint64_t c;
};
_Static_assert(sizeof(struct op) == 24, "a record");

struct fake_process {
	uint32_t id;
	int fd; /* its end */
	bool deaf;
	uint32_t answered; /* requests */
	uint32_t asked;
};

struct request {
	bool answered;
	uint64_t size; /* of a blob */
	uint32_t resource;
};

/* A device asks for nothing else of a resource while it is being made. */
enum resource {
	RESOURCE_NONE,
	RESOURCE_COMES,
	RESOURCE_THERE,
};

static struct {
	struct render *render;
	struct render_options options;
	struct fake_process processes[MAX_PROCESSES];
	unsigned count;
	struct request requests[MAX_REQUESTS];
	unsigned request_count;
	enum resource resources[RESOURCES + 1];
	bool exists[CONTEXTS + 1];
	bool lost[CONTEXTS + 1];
	unsigned fences[CONTEXTS + 1]; /* that were made */
	bool ready;
	bool spawn_fails;
	bool in_call; /* context_lost may not come from inside of one */
	bool destroyed;
} fx;

/* --- the spawner ----------------------------------------------------------------------------- */

int spawner_attach(struct spawner *spawner, uv_loop_t *loop)
{
	return 0;
}

int spawner_start(struct spawner *spawner, uint32_t id, int socket)
{
	if (fx.spawn_fails || fx.count == MAX_PROCESSES) {
		close(socket);
		return -EAGAIN;
	}
	fx.processes[fx.count++] = (struct fake_process){.id = id, .fd = socket};
	fd_set_nonblock(socket, true);
	return 0;
}

void spawner_kill(struct spawner *spawner, uint32_t id)
{
	for (unsigned i = 0; i < fx.count; i++) {
		if (fx.processes[i].id == id) {
			fd_close(&fx.processes[i].fd);
			fx.processes[i] = fx.processes[--fx.count];
			return;
		}
	}
}

void spawner_destroy(struct spawner *spawner, void (*done)(void *data), void *data)
{
	FUZZ_CHECK(fx.count == 0, "%u processes are left", fx.count);
	if (done != NULL) {
		done(data);
	}
}

/* --- the device ------------------------------------------------------------------------------ */

static void on_ready(void *data, int error, const struct render_capset *capset)
{
	FUZZ_CHECK(!fx.ready, "ready twice");
	FUZZ_CHECK(error < 0 || (capset->id != 0 && capset->size <= sizeof(capset->data)),
		   "a capset of %u bytes", capset->size);
	fx.ready = true;
}

static void on_fence(void *data, uint32_t context, uint32_t ring, uint64_t fence)
{
	FUZZ_CHECK(context > 0 && context <= CONTEXTS && fx.exists[context] && !fx.lost[context],
		   "a fence of context %u", context);
	FUZZ_CHECK(ring < RENDER_MAX_RINGS && fx.fences[context] > 0, "a fence too many");
	fx.fences[context]--;
}

static void on_lost(void *data, uint32_t context)
{
	FUZZ_CHECK(!fx.in_call, "context_lost inside of a call");
	FUZZ_CHECK(context > 0 && context <= CONTEXTS && fx.exists[context] && !fx.lost[context],
		   "context %u is lost", context);
	fx.lost[context] = true;
}

static const struct render_callbacks callbacks = {
	.ready = on_ready,
	.fence = on_fence,
	.context_lost = on_lost,
};

static struct request *new_request(uint64_t size)
{
	struct request *request = &fx.requests[fx.request_count % MAX_REQUESTS];
	FUZZ_CHECK(fx.request_count++ < MAX_REQUESTS, "too many requests");
	*request = (struct request){.size = size};
	return request;
}

static void on_done(void *data, int status)
{
	struct request *request = data;
	FUZZ_CHECK(!request->answered, "answered twice");
	FUZZ_CHECK(status <= 0, "status %d", status);
	request->answered = true;
}

static void on_blob(void *data, int status, struct memory *memory, uint32_t map_info)
{
	struct request *request = data;
	on_done(data, status);
	fx.resources[request->resource] = status == 0 ? RESOURCE_THERE : RESOURCE_NONE;
	FUZZ_CHECK(status == 0 || (memory == NULL && map_info == 0), "a refused blob with memory");
	FUZZ_CHECK(map_info <= 3, "map info %u", map_info);
	if (memory != NULL) {
		FUZZ_CHECK(memory->size == request->size, "another size");
		FUZZ_CHECK(fd_size(memory->fd) >= (int64_t)memory->size, "a short file");
		FUZZ_CHECK(ftruncate(memory->fd, 0) < 0 || memory->size == 0,
			   "memory that can shrink");
		memory_unref(memory);
	}
}

/* The one command that hesperd looks at (src/render/rings.c): as it should be, but for the numbers. */
static uint32_t write_create_ring(uint8_t *to, uint32_t size, const struct op *op)
{
	struct {
		uint32_t command;
		uint32_t command_flags;
		uint64_t ring;
		uint64_t info;
		uint32_t type;
		struct {
			uint64_t next;
			uint32_t type;
		} __attribute__((packed)) extensions[3];
		uint64_t no_next;
		uint32_t values[3];
		uint32_t flags;
		uint32_t resource;
		uint64_t numbers[6]; /* offset, size, idleTimeout, headOffset, tailOffset, status */
	}
	__attribute__((packed)) whole = {.command = 188, .ring = 1, .info = 1, .type = 1000384000};
	uint8_t bytes[sizeof(whole)];
	unsigned extensions = op->a % 4;
	whole.resource = 1 + op->what % RESOURCES;
	whole.numbers[0] = (op->b >> 63) != 0 ? fuzz_odd_u64((unsigned)op->b) : op->b % 65536;
	whole.numbers[5] = (op->c >> 63) != 0 ? fuzz_odd_u64((unsigned)op->c) : op->c % 4096;
	for (unsigned i = 0; i < 3; i++) {
		whole.extensions[i].next = 1;
	}
	/* Without the extensions that are not there. */
	const size_t head = offsetof(__typeof__(whole), extensions);
	const size_t next = extensions * sizeof(whole.extensions[0]);
	const size_t values = extensions * sizeof(whole.values[0]);
	const size_t tail = sizeof(whole) - offsetof(__typeof__(whole), flags);
	memcpy(bytes, &whole, head + next);
	memcpy(bytes + head + next, &whole.no_next, sizeof(whole.no_next));
	memset(bytes + head + next + sizeof(whole.no_next), 0, values);
	memcpy(bytes + head + next + sizeof(whole.no_next) + values, &whole.flags, tail);
	uint32_t all = (uint32_t)(head + next + sizeof(whole.no_next) + values + tail);
	size = (op->how & 8) != 0 && size < all ? size : all;
	memcpy(to, bytes, size);
	return size;
}

static void submit(const struct op *op, uint32_t context)
{
	/* In the datagram, or too large for it. */
	uint32_t size = (op->how & 0x80) != 0   ? 32772 + op->a % 65536 / 4 * 4
			: (op->how & 0x40) != 0 ? op->a % 8193 * 4
						: op->a % 256 * 4;
	uint8_t *commands = size > 0 ? calloc(1, size) : NULL;
	if ((op->how & 0x10) != 0) {
		free(commands);
		commands = calloc(1, 256);
		size = write_create_ring(commands, size, op);
	}
	const struct render_submit submit = {
		.context = context,
		.commands = commands,
		.size = size,
		.fence = (op->how & 1) != 0,
		.ring = op->what % RENDER_MAX_RINGS,
		.fence_id = op->b,
	};
	fx.fences[context] += submit.fence;
	render_submit(fx.render, &submit, on_done, new_request(0));
}

static void import(const struct op *op, uint32_t resource)
{
	render_resource_import(fx.render, resource,
			       (op->how & 1) != 0 ? RENDER_MEMORY_SHM : RENDER_MEMORY_DMA_BUF,
			       fuzz_memfd(4096, true), 4096);
}

static void ask(const struct op *op)
{
	uint32_t context = 1 + op->which % CONTEXTS;
	uint32_t resource = 1 + op->what % RESOURCES;
	enum resource *state = &fx.resources[resource];
	struct request *request;
	fx.in_call = true;
	switch ((enum action)(op->kind % ACTIONS)) {
	case CREATE:
		if (!fx.exists[context]) {
			static const char name[80] =
				"a name of a context, longer than what is kept";
			fx.exists[context] = true;
			fx.lost[context] = false;
			fx.fences[context] = 0;
			render_context_create(fx.render, context, 4, name, op->a % 65, on_done,
					      new_request(0));
		}
		break;
	case DESTROY:
		if (fx.exists[context]) {
			fx.exists[context] = false;
			render_context_destroy(fx.render, context, on_done, new_request(0));
		}
		break;
	case BLOB: {
		const struct render_blob blob = {.resource = resource,
						 .context = context,
						 .flags = op->how & 7,
						 .blob_id = op->c,
						 .size = 4096 * (1 + op->b % 16)};
		if (*state == RESOURCE_NONE) {
			*state = RESOURCE_COMES;
			request = new_request(blob.size);
			request->resource = resource;
			render_blob_create(fx.render, &blob, on_blob, request);
		}
		break;
	}
	case IMPORT:
		if (*state == RESOURCE_NONE) {
			/* Many, one after the other: how many files wait is limited. */
			for (unsigned i = 0; i < ((op->how & 0x20) != 0 ? 30u : 0); i++) {
				import(op, resource);
				render_context_attach(fx.render, context, resource);
				render_resource_unref(fx.render, resource);
			}
			*state = RESOURCE_THERE;
			import(op, resource);
		}
		break;
	case UNREF:
		if (*state == RESOURCE_THERE) {
			*state = RESOURCE_NONE;
			render_resource_unref(fx.render, resource);
		}
		break;
	case ATTACH: /* also what comes yet, or never did */
		render_context_attach(fx.render, context, resource);
		break;
	case DETACH:
		render_context_detach(fx.render, context, resource);
		break;
	default: /* SUBMIT */
		for (unsigned i = 0; i < ((op->how & 0x20) != 0 ? 12u : 1u); i++) {
			submit(op, context);
		}
		break;
	}
	fx.in_call = false;
}

/* --- the processes --------------------------------------------------------------------------- */

static int some_fd(uint8_t how, uint64_t size)
{
	int pair[2];
	switch (how % 6) {
	case 0:
		return fuzz_memfd(size, true);
	case 1: /* it can shrink */
		return fuzz_memfd(size, false);
	case 2:
		return fuzz_memfd(size / 2, true);
	case 3:
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "fd");
		close(pair[1]);
		return pair[0];
	case 4:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	default: {
		/* Sealed so that no seal can be added, and still to be shortened. */
		int fd = fuzz_memfd(size, false);
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
		return fd;
	}
	}
}

static void say_bytes(int socket, const void *bytes, size_t size, const int *fds, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
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
	sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say(struct fake_process *process, const struct op *op)
{
	struct render_wire_message message = {0};
	int fd = -1;
	switch ((enum action)(op->kind % ACTIONS)) {
	case SAY_READY:
		message.type = RENDER_WIRE_READY;
		message.ready.capset = (struct render_capset){.id = 4, .size = 160};
		if ((op->how & 0x80) != 0) {
			message.ready.capset.id = op->a & 7;
			message.ready.capset.size = (uint32_t)op->b;
		}
		break;
	case SAY_DONE:
		message.type = RENDER_WIRE_DONE;
		message.sequence = process->answered + 1;
		message.done.fd_type = op->what % 4;
		message.done.map_info = op->a % 5;
		if ((op->how & 0x80) != 0) {
			message.sequence = op->a;
			message.done.status = (int32_t)op->b;
		} else {
			message.done.status = (op->how & 0x40) != 0 ? -5 : 0;
			process->answered++;
		}
		fd = message.done.fd_type != RENDER_WIRE_FD_NONE
			     ? some_fd(op->how & 7, 4096 * (1 + op->b % 16))
			     : -1;
		break;
	case SAY_FENCE:
		message.type = RENDER_WIRE_FENCE;
		message.fence.ring = (op->how & 0x80) != 0 ? op->a : op->what % 64u;
		message.fence.fence_id = op->b;
		break;
	default:
		message.type = RENDER_WIRE_LOST;
		memset(message.lost.reason, op->what, sizeof(message.lost.reason));
		break;
	}
	say_bytes(process->fd, &message, render_wire_size(message.type), &fd, fd >= 0);
	fd_close(&fd);
}

static void say_raw(struct fake_process *process, const struct op *op)
{
	static uint8_t bytes[RENDER_WIRE_INLINE_BYTES + 256];
	int fds[8];
	unsigned count = op->how & 7;
	size_t size = op->what == 0xff ? sizeof(bytes) - op->a % 128 : op->a % 200;
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, &op->b, sizeof(op->b));
	memcpy(bytes + 8, &op->c, sizeof(op->c));
	if ((op->how & 0x80) != 0) {
		const uint32_t type = op->what % (RENDER_WIRE_TYPE_COUNT + 1);
		memcpy(bytes, &type, sizeof(type));
		size = (op->how & 0x40) != 0 ? render_wire_size(type) + op->a % 3 - 1 : size;
		size = size > sizeof(bytes) ? 0 : size;
	}
	for (unsigned i = 0; i < count; i++) {
		fds[i] = some_fd(op->how >> 3 & 3, 4096);
	}
	say_bytes(process->fd, bytes, size, fds, count);
	fd_close_all(fds, count);
}

/* What hesperd says is whole, always. */
static void hear(struct fake_process *process)
{
	static struct render_wire_buffer buffer;
	int got;
	while ((got = render_wire_receive(process->fd, RENDER_WIRE_PROCESS, &buffer)) == 1) {
		uint32_t type = buffer.message.type;
		if (type == RENDER_WIRE_CONTEXT || type == RENDER_WIRE_BLOB) {
			process->asked++;
			FUZZ_CHECK(buffer.message.sequence == process->asked, "sequence %u",
				   buffer.message.sequence);
		}
		FUZZ_CHECK(type == RENDER_WIRE_CONTEXT || process->asked > 0,
			   "a message before the context");
		fd_close(&buffer.fd);
	}
	FUZZ_CHECK(got == -EAGAIN || got == 0, "hesperd breaks the protocol: %d", got);
}

static void settle(void)
{
	for (unsigned i = 0; i < 3; i++) {
		fuzz_turns(1);
		for (unsigned k = 0; k < fx.count; k++) {
			if (!fx.processes[k].deaf) {
				hear(&fx.processes[k]);
			}
		}
	}
}

static void reset(void)
{
	memset(fx.exists, 0, sizeof(fx.exists));
	fx.in_call = true;
	render_reset(fx.render);
	fx.in_call = false;
	memset(fx.resources, 0, sizeof(fx.resources));
	for (unsigned i = 0; i < fx.request_count; i++) {
		FUZZ_CHECK(fx.requests[i].answered, "request %u is not answered", i);
	}
}

static void act(const struct op *op)
{
	struct fake_process *process = fx.count > 0 ? &fx.processes[op->which % fx.count] : NULL;
	switch ((enum action)(op->kind % ACTIONS)) {
	case SAY_READY:
	case SAY_DONE:
	case SAY_FENCE:
	case SAY_LOST:
		if (process != NULL) {
			say(process, op);
		}
		break;
	case SAY_RAW:
		if (process != NULL) {
			say_raw(process, op);
		}
		break;
	case READ:
		if (process != NULL) {
			hear(process);
		}
		break;
	case DEAF:
		if (process != NULL) {
			process->deaf = (op->how & 1) != 0;
		}
		break;
	case DIE:
		if (process != NULL) {
			shutdown(process->fd, SHUT_RDWR);
			process->deaf = true;
		}
		break;
	case TIMER:
		fuzz_fire_timer(op->what % 8);
		break;
	case SPAWN_FAILS:
		fx.spawn_fails = (op->how & 1) != 0;
		break;
	case PAUSE:
		render_pause(fx.render, (op->how & 1) != 0);
		break;
	case RESET:
		reset();
		break;
	case ACTIONS:
		break;
	default:
		ask(op);
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
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct op header;
	memset(&fx, 0, sizeof(fx));
	fuzz_take(&bytes, &header, sizeof(header));
	fx.options = (struct render_options){.watchdog_ms = (header.how & 1) != 0 ? 1000 : 0,
					     .gpu_watchdog_ms = (header.how & 2) != 0 ? 1000 : 0,
					     .callbacks = &callbacks};
	FUZZ_CHECK(render_create(&render_venus, &fx.options, fuzz_loop(), &fx.render) == 0,
		   "no renderer");
	settle();
	for (unsigned i = 0; i < MAX_OPS && bytes.left > 0; i++) {
		struct op op;
		fuzz_take(&bytes, &op, sizeof(op));
		act(&op);
	}
	render_destroy(fx.render, on_destroyed, NULL);
	fuzz_until(&fx.destroyed);
	fuzz_turns(3);
	for (unsigned i = 0; i < fx.request_count; i++) {
		FUZZ_CHECK(fx.requests[i].answered, "request %u is not answered", i);
	}
}
