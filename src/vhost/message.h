/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_MESSAGE_H
#define HESPER_VHOST_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "vhost/protocol.h"

/*
 * vhost-user messages on a non-blocking stream socket. Never reads past the message it is at, so
 * that fds, which travel with a message's first byte, stay with their message.
 */
struct message {
	struct vhost_user_header header;
	union vhost_user_payload payload;
	size_t have; /* bytes of header and payload read so far */
	int fds[VHOST_USER_MAX_FDS];
	size_t fd_count;
	bool fds_lost; /* more came than fit; those were closed */
};

void message_init(struct message *message);

/*
 * Reads on. 1: the message is complete (fds are the caller's; message_clear before the next).
 * 0: not yet. -ENODATA: the peer closed between two messages. -EPROTO: the header makes no sense;
 * nothing after it can be read. Other negative errno: the socket failed, or ended in a message.
 */
int message_read(int socket, struct message *message);

/* Closes the fds that are left and makes room for the next message. */
void message_clear(struct message *message);

/*
 * Sends len bytes, with one fd unless it is -1. Bytes sent, which may be fewer; negative errno,
 * -EAGAIN when the socket is full.
 */
ptrdiff_t message_send(int socket, const void *bytes, size_t len, int fd);

#endif
