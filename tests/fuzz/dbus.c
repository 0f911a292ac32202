/* SPDX-License-Identifier: MIT */
#include "dbus.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fd.h"

enum field {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR,
	FIELD_REPLY_SERIAL,
	FIELD_DESTINATION,
	FIELD_SENDER,
	FIELD_SIGNATURE,
	FIELD_FDS,
};

/* --- writing --------------------------------------------------------------------------------- */

static void put_bytes(struct dbus_out *out, const void *bytes, size_t size)
{
	if (out->size + size <= sizeof(out->bytes)) {
		memcpy(out->bytes + out->size, bytes, size);
		out->size += size;
	}
}

static void align(struct dbus_out *out, size_t unit)
{
	static const uint8_t zeros[8];
	put_bytes(out, zeros, (unit - out->size % unit) % unit);
}

void dbus_put(struct dbus_out *out, const void *value, size_t size)
{
	align(out, size);
	put_bytes(out, value, size);
}

void dbus_put_u32(struct dbus_out *out, uint32_t value)
{
	dbus_put(out, &value, sizeof(value));
}

void dbus_put_string(struct dbus_out *out, const char *text)
{
	uint32_t length = (uint32_t)strlen(text);
	dbus_put_u32(out, length);
	put_bytes(out, text, length + 1);
}

void dbus_put_signature(struct dbus_out *out, const char *text)
{
	uint8_t length = (uint8_t)strlen(text);
	put_bytes(out, &length, 1);
	put_bytes(out, text, (size_t)length + 1);
}

static void put_field(struct dbus_out *out, enum field field, const char *type, const char *text,
		      uint32_t number)
{
	const uint8_t code = (uint8_t)field;
	align(out, 8);
	put_bytes(out, &code, 1);
	dbus_put_signature(out, type);
	if (type[0] == 'u') {
		dbus_put_u32(out, number);
	} else if (type[0] == 'g') {
		dbus_put_signature(out, text);
	} else {
		dbus_put_string(out, text);
	}
}

static void set_u32(struct dbus_out *out, size_t at, uint32_t value)
{
	memcpy(out->bytes + at, &value, sizeof(value));
}

void dbus_begin(struct dbus_out *out, const struct dbus_head *head)
{
	const uint8_t fixed[16] = {'l', head->type, 0, 1};
	out->size = 0;
	out->fd_count = 0;
	put_bytes(out, fixed, sizeof(fixed));
	set_u32(out, 8, head->serial);
	if (head->path != NULL) {
		put_field(out, FIELD_PATH, "o", head->path, 0);
	}
	if (head->interface != NULL) {
		put_field(out, FIELD_INTERFACE, "s", head->interface, 0);
	}
	if (head->member != NULL) {
		put_field(out, FIELD_MEMBER, "s", head->member, 0);
	}
	if (head->error != NULL) {
		put_field(out, FIELD_ERROR, "s", head->error, 0);
	}
	if (head->reply_serial != 0) {
		put_field(out, FIELD_REPLY_SERIAL, "u", NULL, head->reply_serial);
	}
	if (head->signature != NULL && head->signature[0] != '\0') {
		put_field(out, FIELD_SIGNATURE, "g", head->signature, 0);
	}
	if (head->fds > 0) {
		put_field(out, FIELD_FDS, "u", NULL, head->fds);
	}
	set_u32(out, 12, (uint32_t)(out->size - sizeof(fixed)));
	align(out, 8);
	out->body = out->size;
}

void dbus_end(struct dbus_out *out)
{
	set_u32(out, 4, (uint32_t)(out->size - out->body));
}

void dbus_bend(struct dbus_out *out, const uint8_t *pairs, size_t size)
{
	for (size_t i = 0; i + 1 < size; i += 2) {
		if (pairs[i] != 0 && pairs[i] < out->size) {
			out->bytes[pairs[i]] = pairs[i + 1];
		}
	}
}

static const char *const texts[] = {
	"",
	"Width",
	"Height",
	"Label",
	"Type",
	"Text",
	"Graphic",
	"Modifiers",
	"IsAbsolute",
	"MaxSlots",
	"Enabled",
	"ConsoleIDs",
	"Interfaces",
	"org.qemu.Display1.Console",
	"org.qemu.Display1.Keyboard",
	"org.qemu.Display1.Mouse",
	"org.qemu.Display1.MultiTouch",
	"org.hesper.Display1.Console",
	"org.qemu.Display1.VM",
	"org.qemu.Display1.Listener",
	"org.qemu.Display1.Listener.Unix.Map",
	"org.qemu.Display1.Listener.Unix.ScanoutDMABUF2",
	"/org/qemu/Display1/Console_0",
	"%s%n",
	"\xff\xfe",
	"a text that is rather long, longer than sixty-three characters, which is what is kept",
};

#define TEXTS (sizeof(texts) / sizeof(texts[0]))

/* The length of the complete type that text begins with; 0: none. */
static size_t type_length(const char *text)
{
	if (text[0] == 'a') {
		size_t rest = type_length(text + 1);
		return rest == 0 ? 0 : 1 + rest;
	}
	if (text[0] != '(' && text[0] != '{') {
		return text[0] != '\0';
	}
	size_t at = 1;
	while (text[at] != ')' && text[at] != '}') {
		size_t one = type_length(text + at);
		if (one == 0) {
			return 0;
		}
		at += one;
	}
	return at + 1;
}

static double any_double(struct fuzz_bytes *bytes)
{
	static const double odd[] = {0.0 / 0.0, 1.0 / 0.0, -1.0 / 0.0, 1e300,
				     -1e300,    1e-300,    -0.5,       0};
	uint16_t value = fuzz_u16(bytes);
	return value >= 0xff00 ? odd[value & 7] : value / 16.0;
}

static uint64_t any_number(struct fuzz_bytes *bytes, size_t size)
{
	uint16_t value = fuzz_u16(bytes);
	if (value < 0xff00) {
		return value;
	}
	return size == 8 ? fuzz_odd_u64(value & 0xff) : fuzz_odd_u32(value & 0xff);
}

static const char *any_text(struct fuzz_bytes *bytes)
{
	return texts[fuzz_u8(bytes) % TEXTS];
}

static size_t alignment(char type)
{
	switch (type) {
	case 'y':
	case 'g':
	case 'v':
		return 1;
	case 'n':
	case 'q':
		return 2;
	case 'x':
	case 't':
	case 'd':
	case '(':
	case '{':
		return 8;
	default:
		return 4;
	}
}

static void put_one(struct dbus_out *out, const char *type, size_t length, struct fuzz_bytes *bytes,
		    unsigned depth);

static void put_all(struct dbus_out *out, const char *types, size_t length,
		    struct fuzz_bytes *bytes, unsigned depth)
{
	for (size_t at = 0; at < length;) {
		size_t one = type_length(types + at);
		if (one == 0) {
			return;
		}
		put_one(out, types + at, one, bytes, depth);
		at += one;
	}
}

static void put_array(struct dbus_out *out, const char *type, size_t length,
		      struct fuzz_bytes *bytes, unsigned depth)
{
	dbus_put_u32(out, 0);
	size_t length_at = out->size - 4;
	align(out, alignment(type[0]));
	size_t start = out->size;
	if (type[0] == 'y') {
		static const uint8_t pixels[32768];
		uint16_t count = fuzz_u16(bytes);
		put_bytes(out, pixels, count < 0x8000 ? count : 32768);
	} else {
		unsigned count = fuzz_u8(bytes) % 8;
		for (unsigned i = 0; i < count; i++) {
			put_one(out, type, length, bytes, depth);
		}
	}
	if (length_at + 4 <= out->size) {
		set_u32(out, length_at, (uint32_t)(out->size - start));
	}
}

static void put_variant(struct dbus_out *out, struct fuzz_bytes *bytes, unsigned depth)
{
	static const char *const types[] = {"u", "s", "b", "i", "au", "as", "v", "a{sv}", "d", "t"};
	const char *type = types[fuzz_u8(bytes) % (sizeof(types) / sizeof(types[0]))];
	type = depth > 4 ? "u" : type;
	dbus_put_signature(out, type);
	put_one(out, type, strlen(type), bytes, depth + 1);
}

static void put_one(struct dbus_out *out, const char *type, size_t length, struct fuzz_bytes *bytes,
		    unsigned depth)
{
	uint64_t number;
	double real;
	switch (type[0]) {
	case 'a':
		put_array(out, type + 1, length - 1, bytes, depth);
		break;
	case '(':
	case '{':
		align(out, 8);
		put_all(out, type + 1, length - 2, bytes, depth);
		break;
	case 'v':
		put_variant(out, bytes, depth);
		break;
	case 's':
	case 'o':
		dbus_put_string(out, any_text(bytes));
		break;
	case 'g':
		dbus_put_signature(out, "u");
		break;
	case 'd':
		real = any_double(bytes);
		dbus_put(out, &real, sizeof(real));
		break;
	case 'h': /* an index, mostly of the one that is there */
		number = fuzz_u8(bytes);
		dbus_put_u32(out, number < 0xf0 ? 0 : (uint32_t)number - 0xf0);
		break;
	case 'b':
		number = fuzz_u8(bytes);
		dbus_put_u32(out, number < 0xf0 ? number & 1 : (uint32_t)number);
		break;
	default: {
		size_t size = alignment(type[0]);
		number = any_number(bytes, size);
		dbus_put(out, &number, size);
		break;
	}
	}
}

void dbus_put_any(struct dbus_out *out, const char *signature, struct fuzz_bytes *bytes)
{
	put_all(out, signature, strlen(signature), bytes, 0);
}

/* --- a connection ---------------------------------------------------------------------------- */

void dbus_open(struct dbus_end *end, int fd, unsigned lines)
{
	end->fd = fd;
	end->serial = 0;
	end->in_size = 0;
	end->lines = lines;
	end->lost = false;
	fd_set_nonblock(fd, true);
}

void dbus_close(struct dbus_end *end)
{
	fd_close(&end->fd);
}

void dbus_send_bytes(struct dbus_end *end, const void *bytes, size_t size, const int *fds,
		     unsigned fd_count)
{
	union {
		char bytes[CMSG_SPACE(DBUS_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)bytes, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	if (end->fd >= 0 && size > 0) {
		sendmsg(end->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
}

void dbus_send(struct dbus_end *end, const struct dbus_out *out)
{
	dbus_send_bytes(end, out->bytes, out->size, out->fds, out->fd_count);
}

void dbus_greet_server(struct dbus_end *end)
{
	static const char greeting[] = "\0AUTH ANONYMOUS 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
	dbus_send_bytes(end, greeting, sizeof(greeting) - 1, NULL, 0);
}

void dbus_greet_client(struct dbus_end *end)
{
	static const char greeting[] =
		"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
	dbus_send_bytes(end, greeting, sizeof(greeting) - 1, NULL, 0);
}

static void forget(struct dbus_end *end, size_t count)
{
	memmove(end->in, end->in + count, end->in_size - count);
	end->in_size -= count;
}

/* Reads what is there; the first descriptor goes to *fd. */
static bool read_more(struct dbus_end *end, int *fd)
{
	union {
		char bytes[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control;
	if (end->lost) {
		end->in_size = 0;
	}
	struct iovec iov = {end->in + end->in_size, sizeof(end->in) - end->in_size};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(end->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got <= 0) {
		return false;
	}
	end->in_size += (size_t)got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int one;
			memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(one));
			if (*fd < 0) {
				*fd = one;
			} else {
				close(one);
			}
		}
	}
	return true;
}

/* True when the introduction is over. */
static bool skip_lines(struct dbus_end *end)
{
	static const char begin[] = "BEGIN\r\n";
	while (end->lines > 0) {
		const uint8_t *mark =
			end->lines == DBUS_UNTIL_BEGIN
				? memmem(end->in, end->in_size, begin, sizeof(begin) - 1)
				: memmem(end->in, end->in_size, "\r\n", 2);
		if (mark == NULL) {
			return false;
		}
		bool until = end->lines == DBUS_UNTIL_BEGIN;
		forget(end, (size_t)(mark - end->in) + (until ? sizeof(begin) - 1 : 2));
		end->lines = until ? 0 : end->lines - 1;
	}
	return true;
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof(value));
	return value;
}

static void copy_text(char to[64], const uint8_t *bytes, size_t at, size_t size)
{
	if (at + 4 <= size && get_u32(bytes + at) < size - at - 4) {
		snprintf(to, 64, "%.*s", (int)get_u32(bytes + at), (const char *)bytes + at + 4);
	}
}

static void read_fields(struct dbus_in *message, const uint8_t *bytes, size_t end)
{
	char signature[64] = "";
	for (size_t at = 16; at + 8 <= end;) {
		at = (at + 7) & ~(size_t)7;
		uint8_t code = bytes[at];
		char type = (char)bytes[at + 2];
		size_t value = (at + 4 + 3) & ~(size_t)3;
		if (type == 'u') {
			if (code == FIELD_REPLY_SERIAL) {
				message->reply_serial = get_u32(bytes + value);
			}
			at = value + 4;
		} else if (type == 'g') {
			at = at + 4 + bytes[at + 4] + 2;
		} else {
			char *to = code == FIELD_PATH	     ? message->path
				   : code == FIELD_INTERFACE ? message->interface
				   : code == FIELD_MEMBER    ? message->member
							     : signature;
			copy_text(to, bytes, value, end);
			at = value + 4 + get_u32(bytes + value) + 1;
		}
	}
}

bool dbus_receive(struct dbus_end *end, struct dbus_in *message, int *fd)
{
	*fd = -1;
	if (end->fd < 0) {
		return false;
	}
	for (;;) {
		bool enough = !end->lost && skip_lines(end) && end->in_size >= 16;
		if (enough) {
			size_t body = ((size_t)16 + get_u32(end->in + 12) + 7) & ~(size_t)7;
			size_t whole = body + get_u32(end->in + 4);
			if (end->in[0] != 'l' || whole > sizeof(end->in)) {
				end->lost = true;
			} else if (end->in_size >= whole) {
				*message = (struct dbus_in){.type = end->in[1],
							    .serial = get_u32(end->in + 8),
							    .no_reply = end->in[2] & 1};
				read_fields(message, end->in, 16 + get_u32(end->in + 12));
				copy_text(message->first, end->in, body, whole);
				size_t second = whole >= body + 4
							? body + 4 + get_u32(end->in + body) + 1
							: whole;
				copy_text(message->second, end->in, (second + 3) & ~(size_t)3,
					  whole);
				forget(end, whole);
				return true;
			}
		}
		if (!read_more(end, fd)) {
			fd_close(fd);
			return false;
		}
	}
}
