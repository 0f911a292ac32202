/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_WATCH_H
#define HESPER_VHOST_WATCH_H

#include <uv.h>

/* A polled fd with the life time that libuv asks for: freed, and the fd closed, a loop turn later. */
struct watch {
	uv_poll_t poll;
	int fd;
	int events; /* polled for */
	void (*ready)(void *data);
	void *data;
	void (*closed)(void *data);
	void *closed_data;
};

/* The loop's thread. Owns fd on success only. Polls UV_READABLE. Negative errno. */
int watch_create(uv_loop_t *loop, int fd, void (*ready)(void *data), void *data,
		 struct watch **out);

/*
 * UV_READABLE, UV_WRITABLE or 0. Errors of the fd count as ready: the next read tells them. Negative
 * errno; it polls nothing then.
 */
int watch_events(struct watch *watch, int events);

/* No ready call comes after this one; closed(data), which may be NULL, does. NULL is accepted. */
void watch_destroy(struct watch *watch, void (*closed)(void *data), void *data);

#endif
