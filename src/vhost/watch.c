/* SPDX-License-Identifier: MIT */
#include "vhost/watch.h"

#include <errno.h>
#include <stdlib.h>

#include "util/fd.h"

int watch_create(uv_loop_t *loop, int fd, void (*ready)(void *data), void *data, struct watch **out)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	if (watch == NULL) {
		return -ENOMEM;
	}
	int error = uv_poll_init(loop, &watch->poll, fd);
	if (error < 0) {
		free(watch);
		return error;
	}
	watch->poll.data = watch;
	watch->fd = fd;
	watch->ready = ready;
	watch->data = data;
	error = watch_events(watch, UV_READABLE);
	if (error < 0) {
		watch->fd = -1; /* stays the caller's */
		watch_destroy(watch, NULL, NULL);
		return error;
	}
	*out = watch;
	return 0;
}

static void handle_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	watch->ready(watch->data);
}

int watch_events(struct watch *watch, int events)
{
	if (events == watch->events) {
		return 0;
	}
	int error = 0;
	uv_poll_stop(&watch->poll);
	if (events != 0) {
		error = uv_poll_start(&watch->poll, events, handle_poll);
	}
	watch->events = error < 0 ? 0 : events;
	return error;
}

static void handle_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	fd_close(&watch->fd);
	if (watch->closed != NULL) {
		watch->closed(watch->closed_data);
	}
	free(watch);
}

void watch_destroy(struct watch *watch, void (*closed)(void *data), void *data)
{
	if (watch == NULL) {
		return;
	}
	watch->closed = closed;
	watch->closed_data = data;
	uv_close((uv_handle_t *)&watch->poll, handle_closed);
}
