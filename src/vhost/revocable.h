/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_REVOCABLE_H
#define HESPER_VHOST_REVOCABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "vhost/watch.h"

/*
 * Back-end requests that can be taken back until the front end has begun to read them. Theory at
 * the top of revocable.c. Front thread; private to src/vhost. One request at a time.
 */
#define REVOCABLE_MAX_BYTES 64

struct revocable {
	struct watch *watch; /* of an epoll that tells when the front end reads; NULL: not open */
	int socket; /* the channel's; not owned */
	uint8_t rest[REVOCABLE_MAX_BYTES]; /* of the request, without its first byte */
	size_t rest_size; /* 0: none is on its way */
	void (*done)(void *data, int error);
	void *data;
};

/*
 * For a channel's socket, which stays open until revocable_finish. done: the front end has begun to
 * read a request and the rest was sent, error 0, or could not be; not called for one that was read
 * before revocable_send returned. From the loop and from revocable_revoke. Negative errno.
 */
int revocable_init(struct revocable *revocable, uv_loop_t *loop, int socket,
		   void (*done)(void *data, int error), void *data);

/* Without an init, or twice, it does nothing. */
void revocable_finish(struct revocable *revocable);

/*
 * Sends a request: a struct vhost_user_header and its payload, and fd unless that is -1 (borrowed).
 * At most REVOCABLE_MAX_BYTES. Negative errno when nothing was sent.
 */
int revocable_send(struct revocable *revocable, const void *bytes, size_t len, int fd);

/* A request is on its way that the front end has not begun to read. */
static inline bool revocable_is_busy(const struct revocable *revocable)
{
	return revocable->rest_size != 0;
}

/*
 * The front end stops: true when the request was taken back, and is to be made again. False when the
 * front end has it all, or there is none. What the front end reads of one that was taken back is a
 * message that it does not know and does not answer.
 */
bool revocable_revoke(struct revocable *revocable);

#endif
