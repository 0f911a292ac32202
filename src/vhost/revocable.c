/* SPDX-License-Identifier: MIT */
#include "vhost/revocable.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "util/fd.h"
#include "vhost/message.h"
#include "vhost/protocol.h"

/*
 * QEMU 11.1 crashes when it reads a back-end request after it has stopped the device, be it that it
 * was sent before (protocols Q1, Q2). It stops the device on the thread that reads requests, or
 * with the lock that this thread needs. So a request is sent in two steps:
 *
 * 1. Its first byte, with the fd. QEMU, which reads a whole header or waits for it, is from then
 *    on reading this request and does nothing else until it has acted on it.
 * 2. When that byte has left the socket, the rest. Nobody can stop the device in between.
 *
 * When the device is stopped while the byte is still unread, the rest that is sent makes it a
 * request of a number that nobody knows: its low byte is out, the next one is not. QEMU logs that
 * and goes on; it crashes only on those it knows.
 *
 * That a byte has been read is told by SIOCOUTQ, which counts memory of unread messages, several
 * hundred bytes for each. The kernel wakes an edge-triggered EPOLLOUT when it frees one, just before
 * it takes the last byte off the count.
 */
#define COUNT_OF_NOTHING 1

/* 1 when the first byte has been read, 0 when not; or negative errno. */
static int is_read(const struct revocable *revocable)
{
	int queued = 0;
	if (ioctl(revocable->socket, SIOCOUTQ, &queued) < 0) {
		return -errno;
	}
	return queued <= COUNT_OF_NOTHING;
}

static int send_rest(struct revocable *revocable)
{
	size_t size = revocable->rest_size;
	revocable->rest_size = 0;
	ptrdiff_t sent = message_send(revocable->socket, revocable->rest, size, -1);
	return sent == (ptrdiff_t)size ? 0 : sent < 0 ? (int)sent : -EMSGSIZE;
}

static void go_on(struct revocable *revocable)
{
	int result = revocable->rest_size != 0 ? is_read(revocable) : 0;
	if (result == 0) {
		return;
	}
	if (result > 0) {
		result = send_rest(revocable);
	}
	revocable->done(revocable->data, result);
}

static void handle_read(void *data)
{
	struct revocable *revocable = data;
	struct epoll_event event;
	/* Takes the edge: it says that something was read, go_on sees whether it was all. */
	epoll_wait(revocable->watch->fd, &event, 1, 0);
	go_on(revocable);
}

int revocable_init(struct revocable *revocable, uv_loop_t *loop, int socket,
		   void (*done)(void *data, int error), void *data)
{
	struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
	int fd = epoll_create1(EPOLL_CLOEXEC);
	int error = fd < 0 ? -errno : 0;
	if (error == 0 && epoll_ctl(fd, EPOLL_CTL_ADD, socket, &event) < 0) {
		error = -errno;
	}
	*revocable = (struct revocable){.socket = socket, .done = done, .data = data};
	if (error == 0) {
		error = watch_create(loop, fd, handle_read, revocable, &revocable->watch);
	}
	if (error < 0) {
		fd_close(&fd);
		return error;
	}
	return 0;
}

void revocable_finish(struct revocable *revocable)
{
	watch_destroy(revocable->watch, NULL, NULL);
	revocable->watch = NULL;
	revocable->rest_size = 0;
}

int revocable_send(struct revocable *revocable, const void *bytes, size_t len, int fd)
{
	ptrdiff_t sent = message_send(revocable->socket, bytes, 1, fd);
	if (sent != 1) {
		return (int)sent;
	}
	memcpy(revocable->rest, (const uint8_t *)bytes + 1, len - 1);
	revocable->rest_size = len - 1;
	int result = is_read(revocable);
	return result > 0 ? send_rest(revocable) : result;
}

bool revocable_revoke(struct revocable *revocable)
{
	if (revocable->rest_size == 0) {
		return false;
	}
	if (is_read(revocable) > 0) {
		/* A front end that reads on another thread waits for the rest. */
		go_on(revocable);
		return false;
	}
	struct vhost_user_header unknown = {0};
	memcpy((uint8_t *)&unknown + 1, revocable->rest, sizeof(unknown) - 1);
	unknown.request |= VHOST_USER_BACKEND_UNKNOWN;
	unknown.flags = VHOST_USER_VERSION;
	unknown.size = 0;
	memcpy(revocable->rest, (uint8_t *)&unknown + 1, sizeof(unknown) - 1);
	revocable->rest_size = sizeof(unknown) - 1;
	int error = send_rest(revocable);
	if (error < 0) {
		revocable->done(revocable->data, error);
	}
	return true;
}
