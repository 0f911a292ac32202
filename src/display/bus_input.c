/* SPDX-License-Identifier: MIT */
#include "display/bus_input.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fd.h"

/*
 * THEORY OF OPERATION
 *
 * sd-bus (systemd 257) drops a message that it cannot parse, goes on, and forgets to free what came
 * with it: some memory, and every descriptor. It also takes messages of 128 MiB. So a peer could
 * take both away from us without end. It therefore reads from a socket pair of ours, and a peer's
 * bytes come there only in messages whose headers it is known to take, within our limits. At the
 * first other one the connection ends.
 *
 * What comes is never read beyond the message that it belongs to, because the kernel attaches
 * descriptors to bytes: those that come with a header's first bytes are its own, and all others are
 * an error. What sd-bus writes goes to the peer directly.
 *
 * Authentication is sd-bus's too, but it asks the kernel about the socket it reads from, and that
 * one's other end is this very process: a peer that states its user id would be refused. As we let
 * anonymous peers in (the socket's mode decides who comes), such a line is made one of those.
 */

#define MAX_LINE 256
#define MAX_LINES 4096
#define FIXED 16

/* The pair is ours at both ends, so this is about memory, not about trust. */
#define FEED_BYTES (256 * 1024)

int bus_input_init(struct bus_input *input, int peer, bool serves,
		   const struct bus_input_limits *limits, int *output)
{
	int pair[2];
	const int room = FEED_BYTES;
	*input = (struct bus_input){.peer = peer, .feed = -1, .limits = *limits, .serves = serves};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		return -errno;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	input->feed = pair[0];
	*output = pair[1];
	return 0;
}

void bus_input_finish(struct bus_input *input)
{
	fd_close_all(input->fds, input->fd_count);
	input->fd_count = 0;
	fd_close(&input->feed);
}

/* --- reading --------------------------------------------------------------------------------- */

static bool take_fds(struct bus_input *input, struct msghdr *message)
{
	bool right = (message->msg_flags & MSG_CTRUNC) == 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (input->fd_count < BUS_INPUT_MAX_FDS) {
				input->fds[input->fd_count++] = fd;
			} else {
				close(fd);
				right = false;
			}
		}
	}
	return right;
}

/* Up to `count` bytes more. 0: none are there. -ECONNRESET: none will come. */
static ssize_t read_bytes(struct bus_input *input, size_t count, const char **why)
{
	union {
		char bytes[CMSG_SPACE(BUS_INPUT_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {input->bytes + input->have, count};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	unsigned before = input->fd_count;
	bool first = input->have == 0 && input->stage == BUS_INPUT_HEADER;
	ssize_t got = recvmsg(input->peer, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	bool right = take_fds(input, &message);
	if (got == 0) {
		return -ECONNRESET;
	}
	if (!right || (input->fd_count > before && !first)) {
		*why = "descriptors that belong to no message";
		return -EPROTO;
	}
	input->have += (size_t)got;
	return got;
}

/* --- messages -------------------------------------------------------------------------------- */

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
	FIELDS,
};

enum type {
	TYPE_CALL = 1,
	TYPE_RETURN,
	TYPE_ERROR,
	TYPE_SIGNAL,
};

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof(value));
	return value;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Up to 255 bytes. dots: how many at least, or -1 for none at all; more: other characters, also at
 * the beginning of an element.
 */
static bool is_name(const char *text, size_t length, int dots, const char *more)
{
	bool fresh = true; /* an element begins */
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		if (c == '.' && !fresh && dots >= 0) {
			fresh = true;
			dots -= dots > 0;
		} else if (is_letter(c) || (is_digit(c) && !fresh) || strchr(more, c) != NULL) {
			fresh = false;
		} else {
			return false;
		}
	}
	return length <= 255 && !fresh && dots <= 0;
}

static bool is_path(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		bool slash = text[i] == '/';
		bool right = slash ? i == 0 || text[i - 1] != '/'
				   : i > 0 && (is_letter(text[i]) || is_digit(text[i]));
		if (!right) {
			return false;
		}
	}
	return length == 1 ? text[0] == '/' : length > 1 && text[length - 1] != '/';
}

/* The length of the type that text begins with; 0: it is none. */
static size_t type_length(const char *text, unsigned depth)
{
	size_t at = 1;
	if (depth > 8 || text[0] == '\0' || strchr("ybnqiuxtdsogvha(", text[0]) == NULL) {
		return 0;
	}
	if (text[0] == 'a' && text[1] == '{') {
		/* A basic key and one value. */
		size_t value = text[2] != '\0' && strchr("ybnqiuxtdsogh", text[2]) != NULL
				       ? type_length(text + 3, depth + 1)
				       : 0;
		return value > 0 && text[3 + value] == '}' ? 4 + value : 0;
	}
	if (text[0] == 'a') {
		size_t item = type_length(text + 1, depth + 1);
		return item > 0 ? 1 + item : 0;
	}
	if (text[0] != '(') {
		return 1;
	}
	do {
		size_t item = type_length(text + at, depth + 1);
		if (item == 0) {
			return 0;
		}
		at += item;
	} while (text[at] != ')');
	return at + 1;
}

static bool is_signature(const char *text, size_t length)
{
	size_t at = 0;
	while (at < length) {
		size_t one = type_length(text + at, 0);
		if (one == 0) {
			return false;
		}
		at += one;
	}
	return at == length;
}

static bool is_right(enum field field, const char *text, size_t length)
{
	switch (field) {
	case FIELD_PATH:
		return is_path(text, length) && strcmp(text, "/org/freedesktop/DBus/Local") != 0;
	case FIELD_INTERFACE:
	case FIELD_ERROR:
		return is_name(text, length, 1, "") &&
		       strcmp(text, "org.freedesktop.DBus.Local") != 0;
	case FIELD_MEMBER:
		return is_name(text, length, -1, "");
	case FIELD_SIGNATURE:
		return is_signature(text, length);
	case FIELD_DESTINATION:
	case FIELD_SENDER:
		/* Between two peers nobody has a name, but some write one all the same. */
		return length <= 255 &&
		       (text[0] == ':' ? is_name(text + 1, length - 1, 1, "-0123456789")
				       : is_name(text, length, 1, "-")) &&
		       strcmp(text, "org.freedesktop.DBus.Local") != 0;
	default:
		return false;
	}
}

struct fields {
	bool seen[FIELDS];
	uint32_t fds;
	bool typed; /* the signature has types */
};

/* The value of a field behind *at, which moves behind it. */
static bool read_field(const uint8_t *bytes, size_t end, size_t *at, enum field field, char type,
		       struct fields *fields)
{
	if (type == 'u') {
		if (end - *at < 4) {
			return false;
		}
		uint32_t value = get_u32(bytes + *at);
		*at += 4;
		fields->fds = field == FIELD_FDS ? value : fields->fds;
		return value != 0;
	}
	size_t head = type == 'g' ? 1 : 4;
	if (end - *at < head + 1) {
		return false;
	}
	size_t length = type == 'g' ? bytes[*at] : get_u32(bytes + *at);
	if (length > end - *at - head - 1) {
		return false;
	}
	const char *text = (const char *)bytes + *at + head;
	*at += head + length + 1;
	fields->typed |= field == FIELD_SIGNATURE && length > 0;
	return text[length] == '\0' && strlen(text) == length && is_right(field, text, length);
}

static bool are_zero(const uint8_t *bytes, size_t from, size_t to)
{
	uint8_t any = 0;
	for (; from < to; from++) {
		any |= bytes[from];
	}
	return any == 0;
}

static size_t padded(size_t at)
{
	return (at + 7) & ~(size_t)7;
}

static bool read_fields(const uint8_t *bytes, size_t end, struct fields *fields)
{
	static const char types[FIELDS + 1] = "-osssussgu";
	for (size_t at = FIXED; at < end;) {
		size_t start = padded(at);
		if (start > end || end - start < 4 || !are_zero(bytes, at, start)) {
			return false;
		}
		uint8_t field = bytes[start];
		if (field == 0 || field >= FIELDS || fields->seen[field] || bytes[start + 1] != 1 ||
		    bytes[start + 2] != (uint8_t)types[field] || bytes[start + 3] != 0) {
			return false;
		}
		fields->seen[field] = true;
		at = start + 4;
		if (!read_field(bytes, end, &at, (enum field)field, types[field], fields)) {
			return false;
		}
	}
	return true;
}

const char *bus_input_judge(const uint8_t *header, size_t size, uint32_t fds)
{
	struct fields fields = {0};
	size_t end = FIXED + get_u32(header + 12);
	if (!read_fields(header, end, &fields) || !are_zero(header, end, size)) {
		return "a message with a wrong header";
	}
	const bool *seen = fields.seen;
	bool reply = seen[FIELD_REPLY_SERIAL];
	bool complete = false;
	switch ((enum type)header[1]) {
	case TYPE_CALL:
		complete = seen[FIELD_PATH] && seen[FIELD_MEMBER] && !reply;
		break;
	case TYPE_RETURN:
		complete = reply;
		break;
	case TYPE_ERROR:
		complete = reply && seen[FIELD_ERROR];
		break;
	case TYPE_SIGNAL:
		complete =
			seen[FIELD_PATH] && seen[FIELD_INTERFACE] && seen[FIELD_MEMBER] && !reply;
		break;
	}
	if (!complete || (get_u32(header + 4) > 0 && !fields.typed)) {
		return "an incomplete message";
	}
	return fields.fds == fds ? NULL : "a message with more or fewer descriptors than it says";
}

/* The first 16 bytes are there: how long is it? */
static const char *measure(struct bus_input *input)
{
	/* Both ends are on one machine: its byte order. */
	const uint16_t one = 1;
	const uint8_t order = *(const uint8_t *)&one == 1 ? 'l' : 'B';
	const uint8_t *bytes = input->bytes;
	uint32_t body = get_u32(bytes + 4);
	uint32_t fields = get_u32(bytes + 12);
	if (bytes[0] != order || bytes[3] != 1 || get_u32(bytes + 8) == 0) {
		return "no message";
	}
	if (fields > BUS_INPUT_MAX_FIELDS || body > input->limits.body) {
		return "a message that is too long";
	}
	input->wanted = padded(FIXED + (size_t)fields);
	input->left = body;
	return NULL;
}

/* 1: bytes are there that may go on. 0: not yet. */
static int read_header(struct bus_input *input, const char **why)
{
	while (input->have < FIXED || input->have < input->wanted) {
		size_t goal = input->have < FIXED ? FIXED : input->wanted;
		ssize_t got = read_bytes(input, goal - input->have, why);
		if (got <= 0) {
			return (int)got;
		}
		if (input->have == FIXED) {
			*why = measure(input);
			if (*why != NULL) {
				return -EPROTO;
			}
		}
	}
	*why = input->fd_count > input->limits.fds
		       ? "a message with too many descriptors"
		       : bus_input_judge(input->bytes, input->wanted, input->fd_count);
	if (*why != NULL) {
		return -EPROTO;
	}
	input->wanted = 0;
	input->stage = input->left > 0 ? BUS_INPUT_BODY : BUS_INPUT_HEADER;
	return 1;
}

static int read_body(struct bus_input *input, const char **why)
{
	size_t room = sizeof(input->bytes);
	ssize_t got = read_bytes(input, input->left < room ? input->left : room, why);
	if (got <= 0) {
		return (int)got;
	}
	input->left -= (uint32_t)got;
	input->stage = input->left > 0 ? BUS_INPUT_BODY : BUS_INPUT_HEADER;
	return 1;
}

/* --- authentication -------------------------------------------------------------------------- */

static bool begins(const uint8_t *line, size_t size, const char *with)
{
	size_t length = strlen(with);
	return size >= length && memcmp(line, with, length) == 0;
}

/* bytes has a whole line, of which it may change the words. */
static void judge_line(struct bus_input *input)
{
	static const char external[] = "AUTH EXTERNAL ";
	static const char anonymous[] = "AUTH ANONYMOUS ";
	const size_t grown = sizeof(anonymous) - sizeof(external);
	/* A client begins with a NUL. */
	size_t skip = input->introduced == 0 && input->bytes[0] == '\0';
	uint8_t *line = input->bytes + skip;
	size_t size = input->have - skip;
	if (!input->serves) {
		return;
	}
	if (begins(line, size, "BEGIN\r\n")) {
		input->stage = BUS_INPUT_HEADER;
	} else if (begins(line, size, external)) {
		size_t head = sizeof(external) - 1;
		memmove(line + head + grown, line + head, size - head);
		memcpy(line, anonymous, sizeof(anonymous) - 1);
		input->have += grown;
	}
}

/* 1: a line is there. 0: not yet. */
static int read_line(struct bus_input *input, const char **why)
{
	uint8_t peeked[MAX_LINE];
	ssize_t seen = recv(input->peer, peeked, sizeof(peeked), MSG_PEEK | MSG_DONTWAIT);
	if (seen < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	if (seen == 0) {
		return -ECONNRESET;
	}
	/* A server's words begin with capitals; its messages follow them without a mark. */
	if (!input->serves && input->have == 0 && (peeked[0] == 'l' || peeked[0] == 'B')) {
		input->stage = BUS_INPUT_HEADER;
		return read_header(input, why);
	}
	const uint8_t *end = memchr(peeked, '\n', (size_t)seen);
	if (end == NULL && seen < (ssize_t)sizeof(peeked)) {
		/* Level-triggered polling would spin on half a line: so halves are read as well. */
		end = peeked + seen - 1;
	}
	size_t rest = end != NULL ? (size_t)(end - peeked) + 1 : MAX_LINE + 1;
	if (input->have + rest > MAX_LINE || input->introduced + input->have > MAX_LINES) {
		*why = "an introduction that is too long";
		return -EPROTO;
	}
	ssize_t got = read_bytes(input, rest, why);
	if (got <= 0) {
		return (int)got;
	}
	if (input->bytes[input->have - 1] != '\n') {
		return 0;
	}
	size_t size = input->have;
	judge_line(input);
	input->introduced += size;
	return 1;
}

/* --- writing --------------------------------------------------------------------------------- */

static int pass_on(struct bus_input *input)
{
	union {
		char bytes[CMSG_SPACE(BUS_INPUT_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	while (input->sent < input->have) {
		struct iovec iov = {input->bytes + input->sent, input->have - input->sent};
		struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
		size_t size = input->fd_count * sizeof(int);
		if (size > 0) {
			message.msg_control = control.bytes;
			message.msg_controllen = CMSG_SPACE(size);
			struct cmsghdr *head = CMSG_FIRSTHDR(&message);
			head->cmsg_level = SOL_SOCKET;
			head->cmsg_type = SCM_RIGHTS;
			head->cmsg_len = CMSG_LEN(size);
			memcpy(CMSG_DATA(head), input->fds, size);
		}
		ssize_t sent = sendmsg(input->feed, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0) {
			return errno == EINTR ? -EAGAIN : -errno;
		}
		input->sent += (size_t)sent;
		fd_close_all(input->fds, input->fd_count);
		input->fd_count = 0;
	}
	input->have = 0;
	input->sent = 0;
	input->whole = false;
	return 0;
}

static int read_on(struct bus_input *input, const char **why)
{
	switch (input->stage) {
	case BUS_INPUT_LINES:
		return read_line(input, why);
	case BUS_INPUT_HEADER:
		return read_header(input, why);
	default:
		return read_body(input, why);
	}
}

/* Pieces in one turn of the loop; polling brings us back for more. */
#define PIECES 64

int bus_input_pump(struct bus_input *input, const char **why)
{
	for (unsigned i = 0; i < PIECES; i++) {
		int r = input->whole ? 1 : read_on(input, why);
		if (r == 0) {
			return 0;
		}
		if (r > 0) {
			input->whole = true;
			r = pass_on(input);
		}
		if (r == -EAGAIN) {
			return r;
		}
		if (r < 0) {
			bus_input_finish(input);
			return r;
		}
	}
	return 0;
}
