/* SPDX-License-Identifier: MIT */
#include "util/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

/*
 * THEORY OF OPERATION
 *
 * The file is one JSON array. Every event but the first begins with the comma and the line break that
 * end the one before, so whatever ends the program, the file lacks only the closing bracket, which
 * readers do without; trace_close writes it.
 *
 * Each thread formats whole events into its own buffer, by hand, and writes that with one write() to
 * a file that was opened for appending: the kernel keeps writes apart, so there is no lock. Events of
 * several threads, and a slice, which is made when it ends, are not in the order of time; readers sort.
 */

#define BUFFER_BYTES (32 * 1024)
#define MAX_AGE_NS (250 * CLOCK_NS_PER_MS)
#define MAX_TEXT 200
#define MAX_NAME 64
/* An event with TRACE_MAX_ARGS texts of nothing but control characters, and an arrow. */
#define MAX_EVENT (TRACE_MAX_ARGS * (6 * MAX_TEXT + MAX_NAME + 8) + 1024)
_Static_assert(2 * MAX_EVENT <= BUFFER_BYTES, "there is always room for an event");

struct buffer {
	size_t used;
	uint64_t oldest_ns; /* of the events in it */
	char bytes[BUFFER_BYTES];
};

atomic_bool trace_enabled;

/* Constant while anything is traced. */
static int file = -1;
static char head[32]; /* of each event, up to the number of its kind */
static size_t head_size;

static _Atomic uint64_t last_id;
static _Thread_local struct buffer *own;

/* --- the file ----------------------------------------------------------------------------------- */

static void fail(int error)
{
	if (atomic_exchange(&trace_enabled, false)) {
		log_error("the trace ends here, it cannot be written: %s", strerror(error));
	}
}

static void write_all(const char *bytes, size_t size)
{
	while (size > 0 && trace_on()) {
		ssize_t wrote = write(file, bytes, size);
		if (wrote > 0) {
			bytes += wrote;
			size -= (size_t)wrote;
		} else if (wrote == 0 || errno != EINTR) {
			fail(wrote == 0 ? EIO : errno);
		}
	}
}

static int open_file(const char *path)
{
	struct stat info;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0666);
	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &info) < 0 || S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode)) {
		fd_close(&fd);
		return -ESPIPE;
	}
	return fd;
}

int trace_open(const char *path, const char *program)
{
	char first[256];
	int fd = open_file(path);
	if (fd < 0) {
		return fd;
	}
	file = fd;
	signal(SIGXFSZ, SIG_IGN);
	head_size = (size_t)snprintf(head, sizeof(head), ",\n{\"pid\":%d,\"tid\":", (int)getpid());
	/* The first event has no comma before it. */
	int size =
		snprintf(first, sizeof(first),
			 "[%s0,\"ph\":\"M\",\"name\":\"process_name\",\"args\":{\"name\":\"%s\"}}",
			 head + 1, program);
	atomic_store(&trace_enabled, true);
	write_all(first, (size_t)size);
	if (!trace_on()) {
		fd_close(&file);
		return -EIO;
	}
	return 0;
}

static void write_buffer(struct buffer *buffer)
{
	write_all(buffer->bytes, buffer->used);
	buffer->used = 0;
}

void trace_flush(void)
{
	if (own != NULL) {
		write_buffer(own);
		free(own);
		own = NULL;
	}
}

void trace_close(void)
{
	trace_flush();
	if (file >= 0) {
		write_all("\n]\n", 3);
		atomic_store(&trace_enabled, false);
		fd_close(&file);
	}
}

/* --- formatting ---------------------------------------------------------------------------------- */

static void put(struct buffer *buffer, const char *bytes, size_t size)
{
	memcpy(buffer->bytes + buffer->used, bytes, size);
	buffer->used += size;
}

#define PUT(buffer, literal) put((buffer), (literal), sizeof(literal) - 1)

static void put_char(struct buffer *buffer, char c)
{
	buffer->bytes[buffer->used++] = c;
}

static void put_number(struct buffer *buffer, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	put(buffer, digits + at, sizeof(digits) - at);
}

/* µs with the ns as decimals. */
static void put_time(struct buffer *buffer, uint64_t ns)
{
	unsigned rest = (unsigned)(ns % 1000);
	const char decimals[4] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
				  (char)('0' + rest % 10)};
	put_number(buffer, ns / 1000);
	put(buffer, decimals, sizeof(decimals));
}

static void put_id(struct buffer *buffer, uint64_t id)
{
	static const char digits[] = "0123456789abcdef";
	char text[20] = "\"0x";
	size_t size = 3;
	int shift = 60;
	while (shift > 0 && (id >> shift & 15) == 0) {
		shift -= 4;
	}
	for (; shift >= 0; shift -= 4) {
		text[size++] = digits[id >> shift & 15];
	}
	text[size++] = '"';
	put(buffer, text, size);
}

static void put_text(struct buffer *buffer, const char *text)
{
	static const char digits[] = "0123456789abcdef";
	put_char(buffer, '"');
	for (size_t i = 0; i < MAX_TEXT && text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < 0x20) {
			PUT(buffer, "\\u00");
			put_char(buffer, digits[c >> 4]);
			put_char(buffer, digits[c & 15]);
		} else if (c >= 0x7f) {
			put_char(buffer, '?');
		} else {
			if (c == '"' || c == '\\') {
				put_char(buffer, '\\');
			}
			put_char(buffer, (char)c);
		}
	}
	put_char(buffer, '"');
}

/* Of ours: no need to look at each byte. */
static void put_name(struct buffer *buffer, const char *name)
{
	put(buffer, name, strnlen(name, MAX_NAME));
}

static void put_arg(struct buffer *buffer, const struct trace_arg *arg)
{
	put_char(buffer, '"');
	put_name(buffer, arg->name);
	PUT(buffer, "\":");
	switch (arg->kind) {
	case TRACE_KIND_NUMBER:
		put_number(buffer, arg->number);
		break;
	case TRACE_KIND_ID:
		put_id(buffer, arg->number);
		break;
	case TRACE_KIND_TIME:
		put_time(buffer, arg->number);
		break;
	case TRACE_KIND_TEXT:
		put_text(buffer, arg->text != NULL ? arg->text : "");
		break;
	}
}

static void put_args(struct buffer *buffer, const struct trace_arg *first,
		     const struct trace_arg *args)
{
	PUT(buffer, ",\"args\":{");
	if (first != NULL) {
		put_arg(buffer, first);
	}
	for (unsigned i = 0; args != NULL && i < TRACE_MAX_ARGS && args[i].name != NULL; i++) {
		if (first != NULL || i > 0) {
			put_char(buffer, ',');
		}
		put_arg(buffer, &args[i]);
	}
	PUT(buffer, "}}");
}

/* --- events -------------------------------------------------------------------------------------- */

/* The buffer, with room for an event; NULL: it is not traced. */
static struct buffer *get_buffer(void)
{
	if (!trace_on()) {
		return NULL;
	}
	if (own == NULL) {
		own = malloc(sizeof(*own));
		if (own == NULL) {
			fail(ENOMEM);
			return NULL;
		}
		own->used = 0;
	}
	if (own->used > BUFFER_BYTES - MAX_EVENT) {
		write_buffer(own);
	}
	return own;
}

static void put_head(struct buffer *buffer, unsigned track, char kind, uint64_t ns)
{
	char phase[] = ",\"ph\":\"?\",\"ts\":";
	phase[7] = kind;
	if (buffer->used == 0) {
		buffer->oldest_ns = ns;
	}
	put(buffer, head, head_size);
	put_number(buffer, track);
	put(buffer, phase, sizeof(phase) - 1);
	put_time(buffer, ns);
}

/* now_ns: of the event, or a little before. */
static void end_event(struct buffer *buffer, uint64_t now_ns)
{
	if (now_ns > buffer->oldest_ns && now_ns - buffer->oldest_ns >= MAX_AGE_NS) {
		write_buffer(buffer);
	}
}

static void put_kind(struct buffer *buffer, const char *name)
{
	PUT(buffer, ",\"name\":\"");
	put_name(buffer, name);
	put_char(buffer, '"');
}

void trace_name(unsigned track, const char *name)
{
	struct buffer *buffer = get_buffer();
	if (buffer == NULL) {
		return;
	}
	uint64_t now = clock_now_ns();
	put_head(buffer, track, 'M', now);
	put_kind(buffer, "thread_name");
	put_args(buffer, NULL, TRACE_ARGS(TRACE_TEXT("name", name)));
	put_head(buffer, track, 'M', now);
	put_kind(buffer, "thread_sort_index");
	put_args(buffer, NULL, TRACE_ARGS(TRACE_NUMBER("sort_index", track)));
	end_event(buffer, now);
}

static void put_slice(struct buffer *buffer, unsigned track, const char *name, uint64_t begin_ns,
		      uint64_t end_ns)
{
	put_head(buffer, track, 'X', begin_ns);
	PUT(buffer, ",\"dur\":");
	put_time(buffer, end_ns > begin_ns ? end_ns - begin_ns : 0);
	put_kind(buffer, name);
}

void trace_slice(unsigned track, const char *name, uint64_t begin_ns, uint64_t end_ns,
		 const struct trace_arg *args)
{
	struct buffer *buffer = get_buffer();
	if (buffer != NULL) {
		put_slice(buffer, track, name, begin_ns, end_ns);
		put_args(buffer, NULL, args);
		end_event(buffer, end_ns);
	}
}

void trace_mark(unsigned track, const char *name, uint64_t ns, const struct trace_arg *args)
{
	struct buffer *buffer = get_buffer();
	if (buffer != NULL) {
		put_head(buffer, track, 'i', ns);
		put_kind(buffer, name);
		PUT(buffer, ",\"s\":\"t\"");
		put_args(buffer, NULL, args);
		end_event(buffer, ns);
	}
}

uint64_t trace_next_id(void)
{
	return atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
}

static void put_half(char kind, const char *name, uint64_t id, uint64_t ns,
		     const struct trace_arg *args)
{
	struct buffer *buffer = get_buffer();
	if (buffer != NULL) {
		put_head(buffer, 0, kind, ns);
		put_kind(buffer, name);
		PUT(buffer, ",\"cat\":\"");
		put_name(buffer, name);
		/* Of this process: another one counts from 1, too. */
		PUT(buffer, "\",\"id2\":{\"local\":");
		put_id(buffer, id);
		put_char(buffer, '}');
		put_args(buffer, NULL, args);
		end_event(buffer, ns);
	}
}

void trace_begin(const char *name, uint64_t id, uint64_t ns, const struct trace_arg *args)
{
	put_half('b', name, id, ns, args);
}

void trace_end(const char *name, uint64_t id, uint64_t ns, const struct trace_arg *args)
{
	put_half('e', name, id, ns, args);
}

/* The enclosing slice is what readers bind the first two to; of the last they have to be told. */
static void put_flow(struct buffer *buffer, enum trace_flow direction, unsigned track, uint64_t ns,
		     uint64_t id)
{
	static const char kinds[] = {
		[TRACE_FLOW_OUT] = 's', [TRACE_FLOW_THROUGH] = 't', [TRACE_FLOW_IN] = 'f'};
	put_head(buffer, track, kinds[direction], ns);
	PUT(buffer, ",\"name\":\"frame\",\"cat\":\"frame\",\"bp\":\"e\",\"id\":");
	put_id(buffer, id);
	put_char(buffer, '}');
}

void trace_flow(enum trace_flow direction, unsigned track, uint64_t ns, uint64_t id)
{
	struct buffer *buffer = get_buffer();
	if (buffer != NULL) {
		put_flow(buffer, direction, track, ns, id);
		end_event(buffer, ns);
	}
}

void trace_frame_slice(enum trace_flow direction, unsigned track, const char *name, uint64_t id,
		       uint64_t begin_ns, uint64_t end_ns, const struct trace_arg *args)
{
	struct buffer *buffer = get_buffer();
	if (buffer != NULL) {
		const struct trace_arg frame = TRACE_ID("frame", id);
		/* Long enough for something to be inside of it. */
		end_ns = end_ns < begin_ns + 2 ? begin_ns + 2 : end_ns;
		put_slice(buffer, track, name, begin_ns, end_ns);
		put_args(buffer, &frame, args);
		put_flow(buffer, direction, track, begin_ns + 1, id);
		end_event(buffer, end_ns);
	}
}

/* One round of a mixer for 64 bits (MurmurHash3's finalizer). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

uint64_t trace_frame_id(const uint8_t connection[16], uint64_t cookie)
{
	uint64_t halves[2];
	memcpy(halves, connection, sizeof(halves));
	uint64_t id = mix(mix(halves[0] ^ mix(halves[1])) + cookie);
	return id != 0 ? id : 1;
}
