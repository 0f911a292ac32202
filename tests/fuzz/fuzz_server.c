/* SPDX-License-Identifier: MIT */
/*
 * hesperd's display against viewers that may say anything: any number of connections, objects asked
 * for rightly and wrongly, listeners that answer late, wrongly or never, that do not read, or are no
 * sockets; while the machine draws, moves its pointer and changes its monitors. Every update is
 * released exactly once, few at a time; what waits for a viewer is bounded; input that comes out is
 * sane, and nothing stays pressed when the viewers are gone.
 */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dbus.h"
#include "display/listener.h"
#include "display/names.h"
#include "display/peer.h"
#include "util/fd.h"

const size_t fuzz_record_size = 40;

#define MAX_OPS 128
#define HEADS 2u
#define MAX_PEERS_HERE 4u
#define MAX_LISTENERS_HERE 6u
#define MAX_CALLS 64u
#define MAX_UPDATES 512u
#define PAGE 4096u

enum action {
	CALL, /* rightly, but for its numbers */
	CALL_WRONG,
	RAW,
	CONNECT,
	CLOSE_PEER,
	LISTEN,
	ANSWER,
	ANSWER_WRONG,
	LISTENER_RAW,
	LISTENER_CALL,
	CLOSE_LISTENER,
	READ, /* or not */
	SCANOUT,
	UPDATE,
	DISABLE,
	CURSOR,
	POINTER,
	SIZE,
	STATE,
	TIMER,
	CALL_BENT, /* a right message with some of its bytes changed */
	ANSWER_BENT,
	FLOOD, /* many calls at once */
	GREET, /* a connection that introduces itself in another way */
	ACTIONS,
};

struct op {
	uint8_t kind;
	uint8_t which; /* peer or listener */
	uint8_t what;
	uint8_t head;
	uint8_t values[36];
};
_Static_assert(sizeof(struct op) == 40, "a record");

struct method {
	const char *path; /* below the root */
	const char *interface;
	const char *member;
	const char *signature;
};

#define CONSOLE_METHOD(interface, member, signature)                                               \
	{"/Console_0", interface, member, signature},                                              \
	{                                                                                          \
		"/Console_1", interface, member, signature                                         \
	}

static const struct method methods[] = {
	CONSOLE_METHOD(DISPLAY_KEYBOARD, "Press", "u"),
	CONSOLE_METHOD(DISPLAY_KEYBOARD, "Release", "u"),
	CONSOLE_METHOD(DISPLAY_MOUSE, "Press", "u"),
	CONSOLE_METHOD(DISPLAY_MOUSE, "Release", "u"),
	CONSOLE_METHOD(DISPLAY_MOUSE, "SetAbsPosition", "uu"),
	CONSOLE_METHOD(DISPLAY_MOUSE, "RelMotion", "ii"),
	CONSOLE_METHOD(DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd"),
	CONSOLE_METHOD(DISPLAY_HESPER, "SetMonitor", "uuuuu"),
	CONSOLE_METHOD(DISPLAY_HESPER, "RelMotion", "ii"),
	CONSOLE_METHOD(DISPLAY_HESPER, "Scroll", "ii"),
	CONSOLE_METHOD(DISPLAY_CONSOLE, "SetUIInfo", "qqiiuu"),
	CONSOLE_METHOD(DISPLAY_CONSOLE, "RegisterListener", "h"),
	CONSOLE_METHOD(DISPLAY_PROPERTIES, "Get", "ss"),
	CONSOLE_METHOD(DISPLAY_PROPERTIES, "GetAll", "s"),
	CONSOLE_METHOD(DISPLAY_PROPERTIES, "Set", "ssv"),
	CONSOLE_METHOD("org.freedesktop.DBus.Introspectable", "Introspect", ""),
	{"/VM", DISPLAY_PROPERTIES, "Get", "ss"},
	{"/VM", DISPLAY_PROPERTIES, "GetAll", "s"},
	{"", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""},
	{"", "org.freedesktop.DBus.Peer", "Ping", ""},
	{"/Console_9", DISPLAY_MOUSE, "Press", "u"},
	{"/Listener", DISPLAY_LISTENER, "Disable", ""},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* A listener's calls that it has not answered. */
struct viewer {
	struct dbus_end end;
	bool used;
	struct dbus_in calls[MAX_CALLS];
	unsigned count;
	bool deaf; /* reads nothing */
};

static struct {
	struct display_server *server;
	struct dbus_end peers[MAX_PEERS_HERE];
	bool peer_deaf[MAX_PEERS_HERE];
	struct viewer listeners[MAX_LISTENERS_HERE];
	struct dbus_out out;
	bool listens;
	struct sockaddr_un address;
	socklen_t address_size;
	bool released[MAX_UPDATES];
	unsigned updates;
	unsigned waiting; /* updates that are not released */
	/* What the machine has been told. */
	bool keys[DISPLAY_KEYS];
	bool buttons[DISPLAY_BUTTONS];
	bool touches[DISPLAY_MAX_TOUCH_SLOTS];
	uint32_t width[HEADS];
	uint32_t height[HEADS];
	bool destroyed;
} fx;

static int some_event;
static int some_memfd;

/* --- the machine ----------------------------------------------------------------------------- */

static void on_monitor(void *data, unsigned head, const struct display_monitor *monitor)
{
	FUZZ_CHECK(head < HEADS, "head %u", head);
}

static void hold(bool *state, bool down, const char *what, unsigned number)
{
	FUZZ_CHECK(*state != down, "%s %u goes %s twice", what, number, down ? "down" : "up");
	*state = down;
}

static void on_input(void *data, unsigned head, const struct display_input *input)
{
	FUZZ_CHECK(head < HEADS, "head %u", head);
	switch (input->kind) {
	case DISPLAY_KEY:
		FUZZ_CHECK(input->key.qnum < DISPLAY_KEYS, "key %u", input->key.qnum);
		hold(&fx.keys[input->key.qnum], input->key.down, "key", input->key.qnum);
		break;
	case DISPLAY_BUTTON:
		FUZZ_CHECK((unsigned)input->button.button < DISPLAY_BUTTONS, "button");
		hold(&fx.buttons[input->button.button], input->button.down, "button",
		     input->button.button);
		break;
	case DISPLAY_MOVE_TO:
		FUZZ_CHECK(input->to.x < fx.width[head] && input->to.y < fx.height[head],
			   "a position outside of head %u", head);
		break;
	case DISPLAY_MOVE_BY:
	case DISPLAY_SCROLL:
		FUZZ_CHECK(input->by.dx >= -32768 && input->by.dx <= 32767 &&
				   input->by.dy >= -32768 && input->by.dy <= 32767,
			   "a motion of %d, %d", input->by.dx, input->by.dy);
		break;
	case DISPLAY_TOUCH: {
		FUZZ_CHECK(input->touch.slot < DISPLAY_MAX_TOUCH_SLOTS, "slot");
		FUZZ_CHECK(isfinite(input->touch.x) && isfinite(input->touch.y) &&
				   input->touch.x >= 0 && input->touch.y >= 0,
			   "a finger nowhere");
		bool *down = &fx.touches[input->touch.slot];
		if (input->touch.kind == DISPLAY_TOUCH_UPDATE) {
			FUZZ_CHECK(*down, "a finger moves that is not down");
		} else {
			hold(down, input->touch.kind == DISPLAY_TOUCH_BEGIN, "finger",
			     input->touch.slot);
		}
		break;
	}
	case DISPLAY_RELEASE_ALL:
		FUZZ_CHECK(false, "RELEASE_ALL");
		break;
	}
}

static void on_listeners(void *data, unsigned count)
{
	FUZZ_CHECK(count <= MAX_LISTENERS, "%u listeners", count);
}

static const struct display_server_callbacks callbacks = {
	.monitor = on_monitor,
	.input = on_input,
	.listeners = on_listeners,
};

static void on_released(void *data)
{
	bool *released = data;
	FUZZ_CHECK(!*released, "an update is released twice");
	*released = true;
	fx.waiting--;
}

static void scanout(const struct op *op)
{
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	unsigned head = op->head % HEADS;
	struct frame frame = {
		.format = format_at(op->what % 8),
		.width = 1 + fuzz_u8(&bytes) % 100,
		.height = 1 + fuzz_u8(&bytes) % 100,
		.offset = 4ull * fuzz_u8(&bytes),
	};
	frame.stride = 4 * (frame.width + fuzz_u8(&bytes) % 4);
	uint64_t size = frame.offset + (uint64_t)frame.stride * frame.height;
	bool other = (op->what & 0x40) != 0;
	frame.memory =
		memory_create(other ? MEMORY_DMA_BUF : MEMORY_SHM, fuzz_memfd(size, true), size);
	FUZZ_CHECK(frame.memory != NULL, "no memory");
	if ((op->what & 0x80) != 0) {
		memory_map(frame.memory);
	}
	fx.width[head] = frame.width;
	fx.height[head] = frame.height;
	display_server_set_size(fx.server, head, frame.width, frame.height);
	display_server_scanout(fx.server, head, &frame);
	memory_unref(frame.memory);
}

static void update(const struct op *op)
{
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	struct rect rect = {fuzz_u8(&bytes), fuzz_u8(&bytes), fuzz_u8(&bytes), fuzz_u8(&bytes)};
	if ((op->what & 0x80) != 0) {
		rect.x = fuzz_odd_u32(rect.x);
		rect.width = fuzz_odd_u32(rect.width);
	}
	if ((op->what & 1) != 0 || fx.updates == MAX_UPDATES) {
		display_server_update(fx.server, op->head % HEADS, &rect, NULL, NULL);
		return;
	}
	fx.waiting++;
	display_server_update(fx.server, op->head % HEADS, &rect, on_released,
			      &fx.released[fx.updates++]);
}

static void cursor(const struct op *op)
{
	static const uint32_t pixels[512 * 512];
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	uint32_t width = fuzz_u8(&bytes);
	uint32_t height = fuzz_u8(&bytes);
	bool odd = (op->what & 0x80) != 0;
	width = odd ? fuzz_odd_u32(width) : width;
	bool fits = width <= 512 && height <= 512;
	display_server_cursor_define(fx.server, op->head % HEADS, width, height,
				     (int32_t)fuzz_u16(&bytes), (int32_t)fuzz_u32(&bytes),
				     (op->what & 1) != 0 || (!fits && !odd) ? NULL : pixels);
}

static void state(const struct op *op)
{
	switch (op->what % 3) {
	case 0:
		display_server_set_enabled(fx.server, op->head % HEADS, (op->values[0] & 1) != 0);
		break;
	case 1:
		display_server_set_leds(fx.server, op->values[0]);
		break;
	default:
		display_server_set_absolute(fx.server, (op->values[0] & 1) != 0);
		break;
	}
}

/* --- viewers --------------------------------------------------------------------------------- */

static struct dbus_end *peer_at(const struct op *op)
{
	return &fx.peers[op->which % MAX_PEERS_HERE];
}

/* The far end of a new connection. */
static int make_peer(void)
{
	int pair[2];
	if (fx.listens) {
		pair[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		FUZZ_CHECK(pair[1] >= 0, "no socket");
		/* Refused when too many wait. */
		connect(pair[1], (const struct sockaddr *)&fx.address, fx.address_size);
		return pair[1];
	}
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
	if (display_server_add_peer(fx.server, pair[0]) < 0) {
		fd_close(&pair[0]);
	}
	return pair[1];
}

/* Connections come by a socket, as in hesperd; the kernel gives it a name. */
static void listen_at_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fx.address.sun_family = AF_UNIX;
	fx.address_size = sizeof(sa_family_t);
	FUZZ_CHECK(fd >= 0 &&
			   bind(fd, (const struct sockaddr *)&fx.address, fx.address_size) == 0 &&
			   listen(fd, 4) == 0,
		   "no socket");
	fx.address_size = sizeof(fx.address);
	getsockname(fd, (struct sockaddr *)&fx.address, &fx.address_size);
	FUZZ_CHECK(display_server_listen(fx.server, fd) == 0, "the server does not listen");
	fx.listens = true;
}

static void connect_peer(const struct op *op)
{
	struct dbus_end *end = peer_at(op);
	dbus_close(end);
	dbus_open(end, make_peer(), 2);
	if ((op->what & 0x80) != 0) {
		dbus_send_bytes(end, op->values, op->what % sizeof(op->values), NULL, 0);
	}
	if ((op->what & 0x40) == 0) {
		dbus_greet_server(end);
	}
}

static int strange_fd(uint8_t what)
{
	int pair[2];
	switch (what % 5) {
	case 0:
		return fd_dup(some_memfd);
	case 1:
		return fd_dup(some_event);
	case 2:
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "fd");
		close(pair[1]);
		return pair[0];
	case 3: /* nobody connected */
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	default:
		return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
}

/* Without sending it. */
static void make_call(const struct op *op, const struct method *method, const char *signature,
		      unsigned fds)
{
	char path[64] = DISPLAY_ROOT_PATH;
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	strcat(path, method->path);
	const struct dbus_head head = {
		.type = DBUS_CALL,
		.serial = ++peer_at(op)->serial,
		.path = path,
		.interface = (op->which & 0x40) != 0 ? NULL : method->interface,
		.member = method->member,
		.signature = signature,
		.fds = fds,
	};
	dbus_begin(&fx.out, &head);
	dbus_put_any(&fx.out, signature, &bytes);
	dbus_end(&fx.out);
}

static void call(const struct op *op, const struct method *method, const char *signature,
		 unsigned fds, int fd)
{
	make_call(op, method, signature, fds);
	if (fd >= 0) {
		fx.out.fds[fx.out.fd_count++] = fd;
	}
	dbus_send(peer_at(op), &fx.out);
}

/* Right but for some bytes, and maybe sent in two pieces. */
static void call_bent(const struct op *op)
{
	const struct method *method = &methods[op->what % METHODS];
	struct dbus_end *end = peer_at(op);
	bool fd = strchr(method->signature, 'h') != NULL;
	make_call(op, method, method->signature, fd ? 1 : 0);
	if (fd) {
		fx.out.fds[fx.out.fd_count++] = some_memfd;
	}
	dbus_bend(&fx.out, op->values + 16, sizeof(op->values) - 16);
	size_t cut = op->head < 0x80 ? op->head % fx.out.size : fx.out.size;
	dbus_send_bytes(end, fx.out.bytes, cut, fx.out.fds, fx.out.fd_count);
	fuzz_turns(1);
	dbus_send_bytes(end, fx.out.bytes + cut, fx.out.size - cut, NULL, 0);
}

static void flood(const struct op *op)
{
	const struct method *method = &methods[op->what % METHODS];
	make_call(op, method, method->signature, 0);
	for (unsigned i = 0; i < 20u + op->head * 3u; i++) {
		dbus_send(peer_at(op), &fx.out);
		if (i % 64 == 63) {
			fuzz_turns(1);
		}
	}
}

static void greet(const struct op *op)
{
	static const char *const lines[] = {
		"AUTH EXTERNAL 30\r\n",
		"AUTH EXTERNAL\r\n",
		"DATA\r\n",
		"AUTH ANONYMOUS\r\n",
		"AUTH\r\n",
		"NEGOTIATE_UNIX_FD\r\n",
		"CANCEL\r\n",
		"ERROR no\r\n",
		"BEGIN\r\n",
		"AUTH EXTERNAL xyz\r\n",
		"\n",
		"AUTH EXTERNAL \r\n",
	};
	struct dbus_end *end = peer_at(op);
	dbus_close(end);
	dbus_open(end, make_peer(), 2);
	dbus_send_bytes(end, "", (op->what & 1) == 0, NULL, 0);
	for (unsigned i = 0; i < op->head % 16u; i++) {
		const char *line = lines[op->values[i] % 12];
		dbus_send_bytes(end, line, strlen(line), NULL, 0);
		if ((op->what & 2) != 0) {
			fuzz_turns(1);
		}
	}
}

/* With wrong types, more or fewer descriptors than it says, or the header changed. */
static void call_wrong(const struct op *op)
{
	static const char *const signatures[] = {"",     "u",     "s",  "h",    "hh",    "ii", "uu",
						 "utdd", "v",     "av", "as",   "a{sv}", "b",  "ay",
						 "d",    "uuuuu", "t",  "(uu)", "qqiiuu"};
	const struct method *method = &methods[op->what % METHODS];
	const size_t count = sizeof(signatures) / sizeof(signatures[0]);
	int fd = (op->head & 1) != 0 ? strange_fd(op->which) : -1;
	call(op, method, signatures[op->head % count], op->head >> 5, fd);
	fd_close(&fd);
}

static void listen_to(const struct op *op)
{
	struct viewer *viewer = &fx.listeners[op->what % MAX_LISTENERS_HERE];
	const struct method *method = &methods[22 + op->head % HEADS];
	int pair[2];
	FUZZ_CHECK(strcmp(method->member, "RegisterListener") == 0, "another method");
	if ((op->what & 0x80) != 0) {
		pair[0] = strange_fd(op->values[1]);
		call(op, method, "h", 1, pair[0]);
		fd_close(&pair[0]);
		return;
	}
	dbus_close(&viewer->end);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
	call(op, method, "h", 1, pair[0]);
	fd_close(&pair[0]);
	*viewer = (struct viewer){.used = true};
	dbus_open(&viewer->end, pair[1], 2);
	if ((op->what & 0x40) == 0) {
		dbus_greet_server(&viewer->end);
	}
}

enum manner {
	RIGHT,
	WRONG,
	BENT,
};

static void answer(const struct op *op, enum manner manner)
{
	bool wrong = manner == WRONG;
	struct viewer *viewer = &fx.listeners[op->which % MAX_LISTENERS_HERE];
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	if (viewer->count == 0 || !viewer->used) {
		return;
	}
	unsigned which = wrong ? op->head % viewer->count : 0;
	struct dbus_in asked = viewer->calls[which];
	memmove(&viewer->calls[which], &viewer->calls[which + 1],
		(--viewer->count - which) * sizeof(viewer->calls[0]));
	bool question = strcmp(asked.member, "Get") == 0;
	bool error = (op->what & 1) != 0;
	struct dbus_head head = {
		.type = error ? DBUS_ERROR : DBUS_RETURN,
		.serial = ++viewer->end.serial,
		.reply_serial = asked.serial,
		.error = error ? DISPLAY_ERROR_FAILED : NULL,
		.signature = question && !error ? "v" : "",
	};
	if (wrong) {
		static const char *const signatures[] = {"v", "u", "as", "a{sv}", "s", ""};
		head.signature = signatures[op->what / 2 % 6];
		head.reply_serial += (op->what & 0x80) != 0 ? op->values[35] : 0;
	}
	dbus_begin(&fx.out, &head);
	if (wrong) {
		dbus_put_any(&fx.out, head.signature, &bytes);
	} else if (head.signature[0] != '\0') {
		dbus_put_signature(&fx.out, "as");
		dbus_put_u32(&fx.out, 0);
		size_t at = fx.out.size;
		if ((op->what & 2) == 0) {
			dbus_put_string(&fx.out, DISPLAY_LISTENER_MAP);
		}
		if ((op->what & 4) == 0) {
			dbus_put_string(&fx.out, DISPLAY_LISTENER_DMABUF2);
		}
		uint32_t length = (uint32_t)(fx.out.size - at);
		memcpy(fx.out.bytes + at - 4, &length, sizeof(length));
	}
	dbus_end(&fx.out);
	if (manner == BENT) {
		dbus_bend(&fx.out, op->values, sizeof(op->values));
	}
	dbus_send(&viewer->end, &fx.out);
}

/* The server has no objects there. */
static void listener_call(const struct op *op)
{
	struct viewer *viewer = &fx.listeners[op->which % MAX_LISTENERS_HERE];
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	if (!viewer->used) {
		return;
	}
	const struct dbus_head head = {
		.type = 1 + op->head % 4,
		.serial = ++viewer->end.serial,
		.reply_serial = op->head / 4 % 8,
		.path = DISPLAY_LISTENER_PATH,
		.interface = DISPLAY_LISTENER,
		.member = "Disable",
		.signature = methods[op->what % METHODS].signature,
	};
	dbus_begin(&fx.out, &head);
	dbus_put_any(&fx.out, head.signature, &bytes);
	dbus_end(&fx.out);
	dbus_send(&viewer->end, &fx.out);
}

static void read_viewers(void)
{
	struct dbus_in message;
	int fd;
	for (unsigned i = 0; i < MAX_PEERS_HERE; i++) {
		while (!fx.peer_deaf[i] && dbus_receive(&fx.peers[i], &message, &fd)) {
			fd_close(&fd);
		}
	}
	for (unsigned i = 0; i < MAX_LISTENERS_HERE; i++) {
		struct viewer *viewer = &fx.listeners[i];
		while (viewer->used && !viewer->deaf && dbus_receive(&viewer->end, &message, &fd)) {
			fd_close(&fd);
			if (message.type == DBUS_CALL && viewer->count < MAX_CALLS) {
				viewer->calls[viewer->count++] = message;
			}
		}
	}
}

/* --- judging --------------------------------------------------------------------------------- */

static void check_server(void)
{
	struct list *item;
	unsigned listeners = 0;
	list_for_each (item, &fx.server->listeners) {
		struct listener *listener = container_of(item, struct listener, link);
		uint64_t queued = 0;
		sd_bus_get_n_queued_write(listener->bus.bus, &queued);
		FUZZ_CHECK(queued <= 512, "%u messages wait for a viewer", (unsigned)queued);
		FUZZ_CHECK(listener->small_calls <= 2, "%u small calls", listener->small_calls);
		listeners++;
	}
	list_for_each (item, &fx.server->peers) {
		uint64_t queued = 0;
		struct peer *peer = container_of(item, struct peer, link);
		sd_bus_get_n_queued_write(peer->bus.bus, &queued);
		FUZZ_CHECK(queued <= 512, "%u messages wait for a viewer", (unsigned)queued);
	}
	FUZZ_CHECK(listeners == fx.server->listener_count, "%u listeners", listeners);
	FUZZ_CHECK(fx.waiting <= 2 * listeners, "%u updates wait for %u listeners", fx.waiting,
		   listeners);
}

static void settle(void)
{
	for (unsigned i = 0; i < 3; i++) {
		fuzz_turns(1);
		read_viewers();
	}
	check_server();
}

/* sd-bus makes its sockets so large that they take minutes to fill. */
static void make_sockets_small(void)
{
	const int small = 4096;
	struct list *item;
	list_for_each (item, &fx.server->peers) {
		const struct peer *peer = container_of(item, struct peer, link);
		setsockopt(peer->bus.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	}
	list_for_each (item, &fx.server->listeners) {
		const struct listener *listener = container_of(item, struct listener, link);
		setsockopt(listener->bus.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	}
}

static void act(const struct op *op)
{
	struct viewer *viewer = &fx.listeners[op->which % MAX_LISTENERS_HERE];
	switch ((enum action)(op->kind % ACTIONS)) {
	case CALL: {
		const struct method *method = &methods[op->what % METHODS];
		bool fd = strchr(method->signature, 'h') != NULL;
		call(op, method, method->signature, fd ? 1 : 0, fd ? some_memfd : -1);
		break;
	}
	case CALL_WRONG:
		call_wrong(op);
		break;
	case RAW:
		dbus_send_bytes(peer_at(op), op->values, op->what % sizeof(op->values), NULL, 0);
		break;
	case CONNECT:
		connect_peer(op);
		break;
	case CLOSE_PEER:
		dbus_close(peer_at(op));
		break;
	case LISTEN:
		listen_to(op);
		break;
	case ANSWER:
		answer(op, RIGHT);
		break;
	case ANSWER_WRONG:
		answer(op, WRONG);
		break;
	case LISTENER_RAW:
		if (viewer->used) {
			dbus_send_bytes(&viewer->end, op->values, op->what % sizeof(op->values),
					NULL, 0);
		}
		break;
	case LISTENER_CALL:
		listener_call(op);
		break;
	case CLOSE_LISTENER:
		if (viewer->used) {
			dbus_close(&viewer->end);
		}
		break;
	case READ:
		viewer->deaf = (op->what & 1) != 0;
		fx.peer_deaf[op->which % MAX_PEERS_HERE] = (op->what & 2) != 0;
		if ((op->what & 3) != 0) {
			make_sockets_small();
		}
		break;
	case SCANOUT:
		scanout(op);
		break;
	case UPDATE:
		update(op);
		break;
	case DISABLE:
		display_server_disable(fx.server, op->head % HEADS);
		break;
	case CURSOR:
		cursor(op);
		break;
	case POINTER: {
		struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
		display_server_cursor_move(fx.server, op->head % HEADS, (int32_t)fuzz_u32(&bytes),
					   (int32_t)fuzz_u32(&bytes), (op->what & 1) != 0);
		break;
	}
	case SIZE: {
		unsigned head = op->head % HEADS;
		fx.width[head] = op->values[0];
		fx.height[head] = op->values[1];
		display_server_set_size(fx.server, head, fx.width[head], fx.height[head]);
		break;
	}
	case STATE:
		state(op);
		break;
	case TIMER:
		fuzz_fire_timer(op->what % 16);
		break;
	case CALL_BENT:
		call_bent(op);
		break;
	case ANSWER_BENT:
		answer(op, BENT);
		break;
	case FLOOD:
		flood(op);
		break;
	case GREET:
		greet(op);
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
	some_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	some_memfd = fuzz_memfd(PAGE, true);
}

static void close_viewers(void)
{
	for (unsigned i = 0; i < MAX_PEERS_HERE; i++) {
		dbus_close(&fx.peers[i]);
	}
	for (unsigned i = 0; i < MAX_LISTENERS_HERE; i++) {
		dbus_close(&fx.listeners[i].end);
	}
}

static void check_nothing_held(void)
{
	for (unsigned i = 0; i < DISPLAY_KEYS; i++) {
		FUZZ_CHECK(!fx.keys[i], "key %u stays down", i);
	}
	for (unsigned i = 0; i < DISPLAY_BUTTONS; i++) {
		FUZZ_CHECK(!fx.buttons[i], "button %u stays down", i);
	}
	for (unsigned i = 0; i < DISPLAY_MAX_TOUCH_SLOTS; i++) {
		FUZZ_CHECK(!fx.touches[i], "finger %u stays down", i);
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct op header;
	const struct display_server_options options = {.vm_name = "fuzz",
						       .heads = HEADS,
						       .output_names = {"one"},
						       .callbacks = &callbacks};
	memset(&fx, 0, sizeof(fx));
	for (unsigned i = 0; i < MAX_PEERS_HERE; i++) {
		fx.peers[i].fd = -1;
	}
	for (unsigned i = 0; i < MAX_LISTENERS_HERE; i++) {
		fx.listeners[i].end.fd = -1;
	}
	fuzz_take(&bytes, &header, sizeof(header));
	FUZZ_CHECK(display_server_create(fuzz_loop(), &options, &fx.server) == 0, "no server");
	if ((header.head & 2) != 0) {
		listen_at_socket();
	}
	connect_peer(&header);
	for (unsigned i = 0; i < MAX_OPS && bytes.left > 0; i++) {
		struct op op;
		fuzz_take(&bytes, &op, sizeof(op));
		act(&op);
	}
	if ((header.head & 1) == 0) {
		/* The viewers go first, each in its own turns. */
		close_viewers();
		for (unsigned i = 0; i < 64 && !(list_empty(&fx.server->peers) &&
						 list_empty(&fx.server->listeners));
		     i++) {
			fuzz_turns(1);
		}
		check_server();
		FUZZ_CHECK(list_empty(&fx.server->peers) && list_empty(&fx.server->listeners),
			   "a viewer that is gone stays");
		check_nothing_held();
	}
	display_server_destroy(fx.server, on_destroyed, NULL);
	close_viewers();
	fuzz_until(&fx.destroyed);
	FUZZ_CHECK(fx.waiting == 0, "%u updates are never released", fx.waiting);
}
