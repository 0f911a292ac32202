/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_BUS_INPUT_H
#define HESPER_DISPLAY_BUS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Private to src/display. What a peer sends, checked on its way to sd-bus: see bus_input.c. */

#define BUS_INPUT_MAX_FIELDS 4096u /* bytes of a message's header fields */
#define BUS_INPUT_MAX_FDS 4u

struct bus_input_limits {
	uint32_t body; /* bytes of a message */
	unsigned fds; /* of a message, at most BUS_INPUT_MAX_FDS */
};

struct bus_input {
	int peer; /* borrowed: the connection */
	int feed; /* what sd-bus reads comes out of its other end; owned; -1: at its end */
	struct bus_input_limits limits;
	bool serves; /* the peer introduces itself as a client */
	enum {
		BUS_INPUT_LINES, /* authentication */
		BUS_INPUT_HEADER,
		BUS_INPUT_BODY,
	} stage;
	size_t introduced; /* bytes of lines so far */
	size_t wanted; /* bytes of the header */
	uint32_t left; /* bytes of the body that are still to be read */
	bool whole; /* bytes may go on to sd-bus */
	size_t have;
	size_t sent;
	int fds[BUS_INPUT_MAX_FDS];
	unsigned fd_count;
	uint8_t bytes[8192];
};

/*
 * Negative errno; else *output is what sd-bus is to read, non-blocking and the caller's. peer:
 * non-blocking, must stay open.
 */
int bus_input_init(struct bus_input *input, int peer, bool serves,
		   const struct bus_input_limits *limits, int *output);

/* Also for one that is zeroed but for feed = -1. Twice is harmless. */
void bus_input_finish(struct bus_input *input);

/*
 * Passes on what is there. 0: the peer has to send more. -EAGAIN: sd-bus has to read first. Other
 * negative errno: that was the end, which sd-bus sees as such when it has read the rest; -EPROTO:
 * because *why.
 */
int bus_input_pump(struct bus_input *input, const char **why);

static inline bool bus_input_is_open(const struct bus_input *input)
{
	return input->feed >= 0;
}

/*
 * Why a message's header, of size bytes with its fields and padding, is not to be passed on; NULL:
 * it may be. fds: that came with it.
 */
const char *bus_input_judge(const uint8_t *header, size_t size, uint32_t fds);

#endif
