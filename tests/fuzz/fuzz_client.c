/* SPDX-License-Identifier: MIT */
/*
 * The viewer's display against a server that may say anything: what consoles there are and what
 * they are like, pictures that do not fit their memory, cursors, signals, answers to what was not
 * asked, on its connection and on those of its listeners, or as a QMP monitor. Frames that come out
 * lie in their memory, updates in their frame; each console is told before its pictures, and nothing
 * comes after the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dbus.h"
#include "display/client_impl.h"
#include "util/fd.h"

const size_t fuzz_record_size = 48;

#define MAX_OPS 128
#define CONSOLES 3u
#define MAX_CALLS 64u
#define MAX_LISTENERS_HERE 4u
#define MAX_UPDATES 64u
#define PAGE 4096u

enum action {
	ANSWER, /* rightly */
	ANSWER_ODD,
	SIGNAL,
	RAW,
	SERVER_CALL,
	PICTURE, /* a listener's method, with numbers that may fit */
	PICTURE_ODD,
	LISTENER_ANSWER,
	LISTENER_RAW,
	CLOSE_LISTENER,
	CLOSE,
	LISTEN,
	IGNORE,
	INPUT,
	MONITOR,
	DONE,
	DEAF,
	TIMER,
	QMP_TEXT,
	ANSWER_BENT, /* right but for some bytes */
	PICTURE_BENT,
	ACTIONS,
};

struct op {
	uint8_t kind;
	uint8_t which;
	uint8_t what;
	uint8_t how;
	uint8_t values[44];
};
_Static_assert(sizeof(struct op) == 48, "a record");

struct method {
	const char *interface;
	const char *member;
	const char *signature;
};

static const struct method methods[] = {
	{DISPLAY_LISTENER_MAP, "ScanoutMap", "huuuuu"},
	{DISPLAY_LISTENER_MAP, "UpdateMap", "iiii"},
	{DISPLAY_LISTENER, "ScanoutDMABUF", "huuuutb"},
	{DISPLAY_LISTENER, "UpdateDMABUF", "iiii"},
	{DISPLAY_LISTENER_DMABUF2, "ScanoutDMABUF2", "ahuuuuauauuuuutb"},
	{DISPLAY_LISTENER, "Scanout", "uuuuay"},
	{DISPLAY_LISTENER, "Update", "iiiiuuay"},
	{DISPLAY_LISTENER, "Disable", ""},
	{DISPLAY_LISTENER, "MouseSet", "iii"},
	{DISPLAY_LISTENER, "CursorDefine", "iiiiay"},
	{DISPLAY_PROPERTIES, "Get", "ss"},
	{DISPLAY_PROPERTIES, "GetAll", "s"},
	{"org.freedesktop.DBus.Peer", "GetMachineId", ""},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

struct server {
	struct dbus_end end;
	struct dbus_in calls[MAX_CALLS];
	unsigned count;
	bool deaf;
};

static struct {
	struct display_client *client;
	struct server server;
	struct server listeners[MAX_LISTENERS_HERE];
	unsigned listener_count;
	bool qmp; /* server.end is a QMP socket until it hands over another */
	struct dbus_out out;
	const struct op *bend; /* has the changes of what is sent now */
	struct {
		bool told;
		struct frame frame; /* without a reference; format NULL: none */
		uint64_t size;
	} consoles[256];
	struct display_update *updates[MAX_UPDATES];
	unsigned update_count;
	bool disconnected;
	bool destroyed;
} fx;

/* --- the viewer ------------------------------------------------------------------------------ */

static void on_console(void *data, const struct display_console *console)
{
	FUZZ_CHECK(!fx.disconnected, "a console after the end");
	FUZZ_CHECK(memchr(console->label, '\0', 64) != NULL, "a label without an end");
	if (console->id < 256) {
		fx.consoles[console->id].told = true;
	}
}

static void on_scanout(void *data, unsigned console, struct frame *frame)
{
	FUZZ_CHECK(!fx.disconnected && console < 256 && fx.consoles[console].told,
		   "a picture of console %u", console);
	FUZZ_CHECK(frame->memory != NULL && frame->format != NULL, "a picture of nothing");
	FUZZ_CHECK(frame_fits(frame->width, frame->height, frame->stride, frame->offset,
			      frame->memory->size),
		   "a picture outside of its memory");
	FUZZ_CHECK(fd_size(frame->memory->fd) >= (int64_t)frame->memory->size, "a short file");
	fx.consoles[console].frame = *frame;
	memory_unref(frame->memory);
}

static void on_update(void *data, unsigned console, const struct rect *rect,
		      struct display_update *update)
{
	const struct frame *frame = &fx.consoles[console & 255].frame;
	FUZZ_CHECK(!fx.disconnected && frame->format != NULL, "an update of nothing");
	FUZZ_CHECK(rect_inside(rect, frame->width, frame->height), "an update outside");
	if (fx.update_count == MAX_UPDATES) {
		display_update_done(update);
		return;
	}
	fx.updates[fx.update_count++] = update;
}

static void on_disable(void *data, unsigned console)
{
	FUZZ_CHECK(!fx.disconnected, "Disable after the end");
	fx.consoles[console & 255].frame.format = NULL;
}

static void on_cursor(void *data, unsigned console, uint32_t width, uint32_t height, int32_t hot_x,
		      int32_t hot_y, const uint32_t *pixels)
{
	FUZZ_CHECK(!fx.disconnected && width > 0 && height > 0 && width <= 512 && height <= 512,
		   "a cursor of %ux%u", width, height);
	volatile const uint8_t *bytes = (const uint8_t *)pixels;
	(void)bytes[0];
	(void)bytes[(size_t)width * height * 4 - 1];
}

static void on_mouse(void *data, unsigned console, int32_t x, int32_t y, bool visible)
{
	FUZZ_CHECK(!fx.disconnected, "MouseSet after the end");
}

static void on_leds(void *data, uint32_t leds)
{
	FUZZ_CHECK(!fx.disconnected, "LEDs after the end");
}

static void on_absolute(void *data, bool absolute)
{
	FUZZ_CHECK(!fx.disconnected, "IsAbsolute after the end");
}

static void on_disconnected(void *data, int error)
{
	FUZZ_CHECK(!fx.disconnected && error < 0, "the end: %d", error);
	fx.disconnected = true;
}

static const struct display_client_callbacks callbacks = {
	.console = on_console,
	.scanout = on_scanout,
	.update = on_update,
	.disable = on_disable,
	.cursor_define = on_cursor,
	.mouse_set = on_mouse,
	.leds = on_leds,
	.absolute = on_absolute,
	.disconnected = on_disconnected,
};

static void finish_update(unsigned which)
{
	if (which < fx.update_count) {
		struct display_update *update = fx.updates[which];
		fx.updates[which] = fx.updates[--fx.update_count];
		display_update_done(update);
	}
}

static void input(const struct op *op)
{
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	struct display_input input = {.kind = (enum display_input_kind)(op->what % 7)};
	switch (input.kind) {
	case DISPLAY_KEY:
		input.key.qnum = fuzz_u16(&bytes) % 300;
		input.key.down = fuzz_u8(&bytes) & 1;
		break;
	case DISPLAY_BUTTON:
		input.button.button = (enum display_button)(fuzz_u8(&bytes) % 12);
		input.button.down = fuzz_u8(&bytes) & 1;
		break;
	case DISPLAY_MOVE_TO:
		input.to.x = fuzz_u32(&bytes);
		input.to.y = fuzz_u32(&bytes);
		break;
	case DISPLAY_MOVE_BY:
	case DISPLAY_SCROLL:
		input.by.dx = (int32_t)fuzz_u32(&bytes);
		input.by.dy = (int32_t)fuzz_u32(&bytes);
		break;
	case DISPLAY_TOUCH:
		input.touch.kind = (enum display_touch_kind)(fuzz_u8(&bytes) % 4);
		input.touch.slot = fuzz_u8(&bytes) % 12;
		input.touch.x = fuzz_u16(&bytes);
		input.touch.y = fuzz_u16(&bytes);
		break;
	case DISPLAY_RELEASE_ALL:
		break;
	}
	for (unsigned i = 0; i <= ((op->which & 0x80) != 0 ? op->how * 4u : 0); i++) {
		display_client_input(fx.client, op->which % 0x80 % (CONSOLES + 1), &input);
	}
}

/* --- the server ------------------------------------------------------------------------------ */

static void begin_reply(struct server *server, const struct dbus_in *asked, const char *signature)
{
	const struct dbus_head head = {
		.type = DBUS_RETURN,
		.serial = ++server->end.serial,
		.reply_serial = asked->serial,
		.signature = signature,
	};
	dbus_begin(&fx.out, &head);
}

static void send_out(struct server *server)
{
	dbus_end(&fx.out);
	if (fx.bend != NULL) {
		dbus_bend(&fx.out, fx.bend->values + 24, sizeof(fx.bend->values) - 24);
	}
	dbus_send(&server->end, &fx.out);
}

static void put_property(const char *name, const char *type, uint32_t number, const char *text)
{
	static const uint8_t zeros[8];
	while (fx.out.size % 8 != 0) {
		dbus_put(&fx.out, zeros, 1);
	}
	dbus_put_string(&fx.out, name);
	dbus_put_signature(&fx.out, type);
	if (type[0] == 's') {
		dbus_put_string(&fx.out, text);
	} else {
		dbus_put_u32(&fx.out, number);
	}
}

/* An a{sv} of what the interface has. */
static void put_properties(const char *interface, struct fuzz_bytes *bytes)
{
	dbus_put_u32(&fx.out, 0);
	size_t length_at = fx.out.size - 4;
	static const uint8_t zeros[8];
	while (fx.out.size % 8 != 0) {
		dbus_put(&fx.out, zeros, 1);
	}
	size_t start = fx.out.size;
	if (strcmp(interface, DISPLAY_CONSOLE) == 0) {
		put_property("Label", "s", 0, (fuzz_u8(bytes) & 1) != 0 ? "a label" : "");
		put_property("Width", "u", fuzz_u16(bytes), NULL);
		put_property("Height", "u", fuzz_u16(bytes), NULL);
		put_property("Type", "s", 0, (fuzz_u8(bytes) & 1) != 0 ? "Text" : "Graphic");
	} else if (strcmp(interface, DISPLAY_KEYBOARD) == 0) {
		put_property("Modifiers", "u", fuzz_u8(bytes), NULL);
	} else if (strcmp(interface, DISPLAY_MOUSE) == 0) {
		put_property("IsAbsolute", "b", fuzz_u8(bytes) & 1, NULL);
	} else if (strcmp(interface, DISPLAY_TOUCH_SCREEN) == 0) {
		put_property("MaxSlots", "i", fuzz_u8(bytes), NULL);
	} else {
		put_property("Enabled", "b", fuzz_u8(bytes) & 1, NULL);
		put_property("Name", "s", 0, "name");
	}
	uint32_t length = (uint32_t)(fx.out.size - start);
	memcpy(fx.out.bytes + length_at, &length, sizeof(length));
}

static bool take_call(struct server *server, unsigned which, struct dbus_in *call)
{
	if (which >= server->count) {
		return false;
	}
	*call = server->calls[which];
	memmove(&server->calls[which], &server->calls[which + 1],
		(--server->count - which) * sizeof(server->calls[0]));
	return true;
}

static void send_error(struct server *server, const struct dbus_in *asked, unsigned which)
{
	static const char *const errors[] = {
		"org.freedesktop.DBus.Error.UnknownMethod",
		"org.freedesktop.DBus.Error.UnknownObject",
		"org.freedesktop.DBus.Error.ServiceUnknown",
		DISPLAY_ERROR_FAILED,
	};
	const struct dbus_head head = {
		.type = DBUS_ERROR,
		.serial = ++server->end.serial,
		.reply_serial = asked->serial,
		.error = errors[which % 4],
		.signature = (which & 4) != 0 ? "s" : "",
	};
	dbus_begin(&fx.out, &head);
	if ((which & 4) != 0) {
		dbus_put_string(&fx.out, "%s%n no");
	}
	send_out(server);
}

static void answer(const struct op *op)
{
	struct server *server = &fx.server;
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	struct dbus_in asked;
	if (!take_call(server, op->which % 8, &asked)) {
		return;
	}
	if ((op->how & 0x80) != 0) {
		send_error(server, &asked, op->what);
	} else if (strcmp(asked.member, "Get") == 0) {
		unsigned count = op->what % (CONSOLES + 1);
		begin_reply(server, &asked, "v");
		dbus_put_signature(&fx.out, "au");
		dbus_put_u32(&fx.out, count * 4);
		for (uint32_t i = 0; i < count; i++) {
			dbus_put_u32(&fx.out, (op->how & 1) != 0 ? fuzz_u8(&bytes) : i);
		}
		send_out(server);
	} else if (strcmp(asked.member, "GetAll") == 0) {
		begin_reply(server, &asked, "a{sv}");
		put_properties(asked.first, &bytes);
		send_out(server);
	} else {
		begin_reply(server, &asked, "");
		send_out(server);
	}
}

/* A call's answer, of another type, or to a call that there was not. */
static void answer_odd(const struct op *op, struct server *server)
{
	static const char *const signatures[] = {"v",  "a{sv}", "",     "u",  "s", "au",
						 "as", "h",     "(uu)", "av", "b", "d"};
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	struct dbus_in asked = {.serial = op->which};
	if ((op->how & 1) == 0) {
		take_call(server, op->which % 8, &asked);
	}
	const char *signature = signatures[op->what % 12];
	begin_reply(server, &asked, signature);
	dbus_put_any(&fx.out, signature, &bytes);
	send_out(server);
}

static void send_signal(const struct op *op)
{
	static const char *const interfaces[] = {DISPLAY_CONSOLE, DISPLAY_KEYBOARD,
						 DISPLAY_MOUSE,   DISPLAY_TOUCH_SCREEN,
						 DISPLAY_HESPER,  "a.b"};
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	char path[64];
	snprintf(path, sizeof(path), DISPLAY_CONSOLE_PATH "%u", op->which % (CONSOLES + 1));
	bool odd = (op->how & 0x80) != 0;
	const struct dbus_head head = {
		.type = DBUS_SIGNAL,
		.serial = ++fx.server.end.serial,
		.path = (op->how & 0x40) != 0 ? DISPLAY_CONSOLE_PATH "x" : path,
		.interface = DISPLAY_PROPERTIES,
		.member = "PropertiesChanged",
		.signature = odd ? "sa{sv}" : "sa{sv}as",
	};
	dbus_begin(&fx.out, &head);
	dbus_put_string(&fx.out, interfaces[op->what % 6]);
	if (odd) {
		dbus_put_any(&fx.out, "a{sv}", &bytes);
	} else {
		put_properties(interfaces[op->what % 6], &bytes);
		dbus_put_u32(&fx.out, 0);
	}
	send_out(&fx.server);
}

static int picture_fd(uint8_t how, uint64_t size)
{
	int pair[2];
	switch (how >> 5) {
	case 6:
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "fd");
		close(pair[1]);
		return pair[0];
	case 7:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	default:
		return fuzz_memfd(size, (how & 0x20) != 0);
	}
}

static void begin_picture(struct server *server, const struct method *method, const char *signature,
			  unsigned fds)
{
	const struct dbus_head head = {
		.type = DBUS_CALL,
		.serial = ++server->end.serial,
		.path = DISPLAY_LISTENER_PATH,
		.interface = method->interface,
		.member = method->member,
		.signature = signature,
		.fds = fds,
	};
	dbus_begin(&fx.out, &head);
}

static void put_u32s(const uint32_t *values, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		dbus_put_u32(&fx.out, values[i]);
	}
}

static void put_zeros(uint32_t count)
{
	static const uint8_t zeros[64 * 1024];
	dbus_put_u32(&fx.out, count);
	for (uint32_t i = 0; i < count; i++) {
		dbus_put(&fx.out, &zeros[i], 1);
	}
}

/* Numbers that fit each other, but for one that the input changes. */
static void picture(const struct op *op)
{
	struct server *server = &fx.listeners[op->which % MAX_LISTENERS_HERE];
	const struct method *method = &methods[op->what % 10];
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	if (fx.listener_count <= op->which % MAX_LISTENERS_HERE) {
		return;
	}
	uint32_t width = 1 + fuzz_u8(&bytes) % 64;
	uint32_t height = 1 + fuzz_u8(&bytes) % 64;
	uint32_t stride = 4 * width + fuzz_u8(&bytes) / 64 * 4;
	uint32_t offset = fuzz_u8(&bytes) * 4u;
	uint32_t x = fuzz_u8(&bytes) % 64;
	uint32_t y = fuzz_u8(&bytes) % 64;
	const struct format *format = format_at(fuzz_u8(&bytes) % 8);
	uint32_t change = fuzz_u8(&bytes);
	uint32_t odd = fuzz_odd_u32(fuzz_u8(&bytes));
	uint64_t modifier = (change & 0x80) != 0 ? odd : 0;
	uint64_t size = offset + (uint64_t)stride * height;
	uint32_t *const numbers[] = {&width, &height, &stride, &offset, &x, &y};
	if (change % 16 < 6) {
		*numbers[change % 16] = odd;
	}
	int fd = strchr(method->signature, 'h') != NULL ? picture_fd(op->how, size) : -1;
	uint32_t upside_down = change >> 6 & 1;
	begin_picture(server, method, method->signature, fd >= 0);
	if (fd >= 0) {
		fx.out.fds[fx.out.fd_count++] = fd;
	}
	switch (op->what % 10) {
	case 0: /* ScanoutMap */
		put_u32s((uint32_t[]){0, offset, width, height, stride, format->pixman}, 6);
		break;
	case 2: /* ScanoutDMABUF */
		put_u32s((uint32_t[]){0, width, height, stride, format->fourcc}, 5);
		dbus_put(&fx.out, &modifier, sizeof(modifier));
		dbus_put_u32(&fx.out, upside_down);
		break;
	case 4: /* ScanoutDMABUF2 */
		put_u32s((uint32_t[]){4, 0, x, y, width, height, 4, offset, 4, stride, 1,
				      format->fourcc, x + width, y + height},
			 14);
		dbus_put(&fx.out, &modifier, sizeof(modifier));
		dbus_put_u32(&fx.out, upside_down);
		break;
	case 5: { /* Scanout */
		static const uint32_t others[] = {0x10020565, 0x20020888, 0x10020555, 0x20030888};
		bool other = (op->how & 1) != 0;
		uint32_t pixman = other ? others[op->how >> 1 & 3] : format->pixman;
		put_u32s((uint32_t[]){width, height, stride, pixman}, 4);
		put_zeros((uint32_t)(size < 20000 ? size : 20000));
		break;
	}
	case 6: /* Update */
		put_u32s((uint32_t[]){x % 8, y % 8, width, height, stride, format->pixman}, 6);
		put_zeros((uint32_t)(size < 20000 ? size : 20000));
		break;
	case 8: /* MouseSet */
		put_u32s((uint32_t[]){x, y, change & 1}, 3);
		break;
	case 9: /* CursorDefine */
		put_u32s((uint32_t[]){width, height, x, y}, 4);
		put_zeros((uint32_t)(size < 20000 ? size : 20000));
		break;
	case 7: /* Disable */
		break;
	default: /* UpdateMap, UpdateDMABUF */
		put_u32s((uint32_t[]){x, y, width, height}, 4);
		break;
	}
	send_out(server);
	fd_close(&fd);
}

static void picture_odd(const struct op *op, struct server *server)
{
	static const char *const others[] = {"", "h", "hh", "iiii", "uuuu", "ay", "v", "s"};
	const struct method *method = &methods[op->what % METHODS];
	struct fuzz_bytes bytes = {op->values, sizeof(op->values)};
	const char *signature = (op->how & 1) != 0 ? others[op->how >> 1 & 7] : method->signature;
	unsigned fds = op->how >> 4 & 3;
	int fd = (op->how & 0x40) != 0 ? picture_fd(op->how, PAGE) : -1;
	begin_picture(server, method, signature, fds);
	dbus_put_any(&fx.out, signature, &bytes);
	for (unsigned i = 0; fd >= 0 && i < (op->how >> 7) + 1u; i++) {
		fx.out.fds[fx.out.fd_count++] = fd;
	}
	send_out(server);
	fd_close(&fd);
}

/* As a server asks what a listener is. */
static void ask_interfaces(const struct op *op, struct server *server)
{
	const bool all = (op->how & 1) != 0;
	begin_picture(server, &methods[all ? 11 : 10], all ? "s" : "ss", 0);
	dbus_put_string(&fx.out, DISPLAY_LISTENER);
	if (!all) {
		dbus_put_string(&fx.out, "Interfaces");
	}
	send_out(server);
}

/* Without a NUL, and with a line end. */
static void qmp_text(const struct op *op)
{
	static const char *const lines[] = {
		"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n",
		"{\"return\": {}, \"id\": 0}\n",
		"{\"return\": {}, \"id\": 1}\n",
		"{\"return\": {}, \"id\": 2}\n",
		"{\"event\": \"STOP\", \"data\": {}}\n",
		"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 0}\n",
		"{\"error\": 5}\n",
		"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 2}\n",
		"{\"return\": [[[[{}]]]], \"id\": -1}\n",
		"{\n",
		"\"id\": 2, \"return\":",
		" \r\n\t ",
	};
	const size_t count = sizeof(lines) / sizeof(lines[0]);
	if (op->what >= 0x80) {
		dbus_send_bytes(&fx.server.end, op->values, op->how % sizeof(op->values), NULL, 0);
		return;
	}
	const char *text = lines[op->what % count];
	size_t size = strlen(text);
	dbus_send_bytes(&fx.server.end, text, (op->how & 1) != 0 ? op->how % size : size, NULL, 0);
}

/* --- what the client says -------------------------------------------------------------------- */

static void take_listener(int fd)
{
	if (fx.listener_count == MAX_LISTENERS_HERE) {
		close(fd);
		return;
	}
	struct server *listener = &fx.listeners[fx.listener_count++];
	*listener = (struct server){0};
	dbus_open(&listener->end, fd, DBUS_UNTIL_BEGIN);
	dbus_greet_client(&listener->end);
}

static void read_qmp(void)
{
	/* A descriptor comes with a command: the display is behind it then, for other inputs. */
	int fd = -1;
	uint8_t bytes[4096];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control)};
	while (fx.server.end.fd >= 0 && fd < 0 &&
	       recvmsg(fx.server.end.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) > 0) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		if (c != NULL) {
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		}
		message.msg_controllen = sizeof(control);
	}
	fd_close(&fd);
}

static void read_client(void)
{
	struct dbus_in message;
	int fd;
	if (fx.qmp) {
		read_qmp();
		return;
	}
	while (!fx.server.deaf && dbus_receive(&fx.server.end, &message, &fd)) {
		if (fd >= 0) {
			take_listener(fd);
		}
		if (message.type == DBUS_CALL && !message.no_reply && fx.server.count < MAX_CALLS) {
			fx.server.calls[fx.server.count++] = message;
		}
	}
	for (unsigned i = 0; i < fx.listener_count; i++) {
		struct server *listener = &fx.listeners[i];
		while (!listener->deaf && dbus_receive(&listener->end, &message, &fd)) {
			fd_close(&fd);
			if (message.type == DBUS_CALL && listener->count < MAX_CALLS) {
				listener->calls[listener->count++] = message;
			}
		}
	}
}

static void settle(void)
{
	for (unsigned i = 0; i < 3; i++) {
		fuzz_turns(1);
		read_client();
	}
	if (fx.client->server.bus != NULL) {
		uint64_t queued = 0;
		sd_bus_get_n_queued_write(fx.client->server.bus, &queued);
		FUZZ_CHECK(queued < 1200, "%u messages wait for the server", (unsigned)queued);
	}
}

static void act(const struct op *op)
{
	struct server *listener = &fx.listeners[op->which % MAX_LISTENERS_HERE];
	bool there = op->which % MAX_LISTENERS_HERE < fx.listener_count;
	switch ((enum action)(op->kind % ACTIONS)) {
	case ANSWER:
		answer(op);
		break;
	case ANSWER_ODD:
		answer_odd(op, &fx.server);
		break;
	case SIGNAL:
		send_signal(op);
		break;
	case RAW:
		dbus_send_bytes(&fx.server.end, op->values, op->what % sizeof(op->values), NULL, 0);
		break;
	case SERVER_CALL:
		picture_odd(op, &fx.server);
		break;
	case PICTURE:
		picture(op);
		break;
	case PICTURE_ODD:
		if (there && op->what == 0xff) {
			ask_interfaces(op, listener);
		} else if (there) {
			picture_odd(op, listener);
		}
		break;
	case LISTENER_ANSWER:
		if (there) {
			answer_odd(op, listener);
		}
		break;
	case LISTENER_RAW:
		if (there) {
			dbus_send_bytes(&listener->end, op->values, op->what % sizeof(op->values),
					NULL, 0);
		}
		break;
	case CLOSE_LISTENER:
		if (there) {
			dbus_close(&listener->end);
		}
		break;
	case CLOSE:
		dbus_close(&fx.server.end);
		break;
	case LISTEN:
		if (!fx.disconnected) {
			display_client_listen(fx.client, op->which % (CONSOLES + 1));
		}
		break;
	case IGNORE:
		display_client_ignore(fx.client, op->which % (CONSOLES + 1));
		break;
	case INPUT:
		input(op);
		break;
	case MONITOR: {
		struct display_monitor monitor;
		memcpy(&monitor, op->values, sizeof(monitor));
		display_client_set_monitor(fx.client, op->which % (CONSOLES + 1), &monitor);
		break;
	}
	case DONE:
		finish_update(op->which % 8);
		break;
	case DEAF:
		fx.server.deaf = (op->what & 1) != 0;
		if (fx.server.deaf && fx.client->server.fd >= 0) {
			/* sd-bus made it so large that it takes minutes to fill. */
			const int small = 4096;
			setsockopt(fx.client->server.fd, SOL_SOCKET, SO_SNDBUF, &small,
				   sizeof(small));
		}
		if (there) {
			listener->deaf = (op->what & 2) != 0;
		}
		break;
	case TIMER:
		fuzz_fire_timer(op->what % 8);
		break;
	case QMP_TEXT:
		qmp_text(op);
		break;
	case ANSWER_BENT:
		fx.bend = op;
		answer(op);
		break;
	case PICTURE_BENT:
		fx.bend = op;
		picture(op);
		break;
	case ACTIONS:
		break;
	}
	fx.bend = NULL;
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

static void open_client(const struct op *header)
{
	int pair[2];
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
	fx.qmp = (header->what & 1) != 0;
	const struct display_client_options options = {
		.way = fx.qmp ? DISPLAY_QMP : DISPLAY_PEER,
		.fd = pair[0],
		.callbacks = &callbacks,
	};
	dbus_open(&fx.server.end, pair[1], DBUS_UNTIL_BEGIN);
	FUZZ_CHECK(display_client_create(fuzz_loop(), &options, &fx.client) == 0, "no client");
	if (!fx.qmp && (header->what & 2) == 0) {
		dbus_greet_client(&fx.server.end);
	}
	for (unsigned i = 0; i < CONSOLES; i++) {
		if ((header->how >> i & 1) != 0) {
			display_client_listen(fx.client, i);
		}
	}
	settle();
}

static void close_client(const struct op *header)
{
	if ((header->what & 4) != 0) {
		while (fx.update_count > 0) {
			finish_update(0);
		}
	}
	display_client_destroy(fx.client, on_destroyed, NULL);
	dbus_close(&fx.server.end);
	for (unsigned i = 0; i < fx.listener_count; i++) {
		dbus_close(&fx.listeners[i].end);
	}
	fx.disconnected = true;
	fuzz_until(&fx.destroyed);
	while (fx.update_count > 0) {
		finish_update(0);
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct op header;
	memset(&fx, 0, sizeof(fx));
	fx.server.end.fd = -1;
	fuzz_take(&bytes, &header, sizeof(header));
	open_client(&header);
	for (unsigned i = 0; i < MAX_OPS && bytes.left > 0; i++) {
		struct op op;
		fuzz_take(&bytes, &op, sizeof(op));
		act(&op);
	}
	close_client(&header);
}
