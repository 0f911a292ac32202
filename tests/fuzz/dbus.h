/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FUZZ_DBUS_H
#define HESPER_TESTS_FUZZ_DBUS_H

#include "fuzz.h"

/*
 * The other end of a D-Bus connection, by hand: messages are written byte by byte (D-Bus
 * specification, "Message Protocol"; little-endian), so that they can be wrong in every way, and
 * what comes back is read only as far as the input needs it.
 */

#define DBUS_CALL 1
#define DBUS_RETURN 2
#define DBUS_ERROR 3
#define DBUS_SIGNAL 4

#define DBUS_MAX_BYTES (128u * 1024)
#define DBUS_MAX_FDS 4u

/* A message on its way out. NULL and 0: the header has no such field. */
struct dbus_head {
	uint8_t type;
	uint32_t serial;
	uint32_t reply_serial;
	const char *path;
	const char *interface;
	const char *member;
	const char *error;
	const char *signature;
	uint32_t fds; /* as the header says */
};

struct dbus_out {
	uint8_t bytes[DBUS_MAX_BYTES];
	size_t size;
	size_t body; /* where it begins */
	int fds[DBUS_MAX_FDS]; /* borrowed */
	unsigned fd_count;
};

void dbus_begin(struct dbus_out *out, const struct dbus_head *head);
/* After the body; the message is whole then. */
void dbus_end(struct dbus_out *out);
/* Appends a value of so many bytes, aligned to that. */
void dbus_put(struct dbus_out *out, const void *value, size_t size);
void dbus_put_u32(struct dbus_out *out, uint32_t value);
void dbus_put_string(struct dbus_out *out, const char *text);
void dbus_put_signature(struct dbus_out *out, const char *text);
/*
 * Values of these types as the input has them; in each place mostly something small, and now and
 * then something odd.
 */
void dbus_put_any(struct dbus_out *out, const char *signature, struct fuzz_bytes *bytes);

/* Changes some bytes of the header: pairs of a place and a byte, of which a place of 0 is none. */
void dbus_bend(struct dbus_out *out, const uint8_t *pairs, size_t size);

/* One end of a connection. */
struct dbus_end {
	int fd; /* -1: closed */
	uint32_t serial; /* of the last message sent */
	uint8_t in[16384];
	size_t in_size;
	unsigned lines; /* of the introduction that are still to come, or UINT_MAX: until BEGIN */
	bool lost; /* what comes is no message, or a long one: it is only thrown away */
};

/* A message that came. */
struct dbus_in {
	uint8_t type;
	uint32_t serial;
	uint32_t reply_serial;
	bool no_reply;
	char path[64];
	char interface[64];
	char member[64];
	char first[64]; /* arguments that are strings */
	char second[64];
};

#define DBUS_UNTIL_BEGIN 0xffffffffu

/* Takes fd, and makes it non-blocking. */
void dbus_open(struct dbus_end *end, int fd, unsigned lines);
void dbus_close(struct dbus_end *end);
/* What does not fit into the socket is lost. */
void dbus_send_bytes(struct dbus_end *end, const void *bytes, size_t size, const int *fds,
		     unsigned fd_count);
void dbus_send(struct dbus_end *end, const struct dbus_out *out);
/* As client, as server: all that authentication needs, at once. */
void dbus_greet_server(struct dbus_end *end);
void dbus_greet_client(struct dbus_end *end);

/*
 * Reads on. True: a message; *fd is the first descriptor that came with the bytes read for it, the
 * caller's, or -1.
 */
bool dbus_receive(struct dbus_end *end, struct dbus_in *message, int *fd);

#endif
