/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_CHANNEL_H
#define HESPER_LAUNCHER_CHANNEL_H

#include <stdbool.h>
#include <uv.h>

#include "launcher/lines.h"

/* A connected stream socket that carries lines both ways. On the thread of one loop. */
struct channel {
	uv_pipe_t pipe;
	struct lines lines;
	void (*closed)(void *data);
	void *data;
	bool open;
};

/*
 * A pair of connected stream sockets: fds[0] for channel_open, fds[1] for another process. CLOEXEC.
 * Negative errno.
 */
int channel_pair(int fds[2]);

/*
 * Owns fd, also on failure (negative errno). closed(data) is called once after channel_close, or
 * after the other end closed; the storage must live until then. May be NULL. It is called after a
 * failure, too, when there was something to close.
 */
int channel_open(struct channel *channel, uv_loop_t *loop, int fd, lines_callback line,
		 void (*closed)(void *data), void *data);

/*
 * Sends text and a newline. Never blocks; without effect when the channel is closed. What cannot be
 * sent for want of memory is lost, with a line in the log: negative errno.
 */
int channel_send(struct channel *channel, const char *text);

/* Accepts one that is closed already. */
void channel_close(struct channel *channel);

#endif
