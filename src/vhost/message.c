/* SPDX-License-Identifier: MIT */
#include "vhost/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "util/fd.h"

/* Room for more than is legal, so that a wrong message is seen as one; the kernel closes the rest. */
#define RECEIVE_FDS (2 * VHOST_USER_MAX_FDS)

void message_init(struct message *message)
{
	message->have = 0;
	message->fd_count = 0;
	message->fds_lost = false;
}

void message_clear(struct message *message)
{
	fd_close_all(message->fds, message->fd_count);
	message_init(message);
}

static void take_fds(struct message *message, struct msghdr *received)
{
	struct cmsghdr *control;
	for (control = CMSG_FIRSTHDR(received); control != NULL;
	     control = CMSG_NXTHDR(received, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
			if (message->fd_count < VHOST_USER_MAX_FDS) {
				message->fds[message->fd_count++] = fd;
			} else {
				fd_close(&fd);
				message->fds_lost = true;
			}
		}
	}
	if ((received->msg_flags & MSG_CTRUNC) != 0) {
		message->fds_lost = true;
	}
}

static ssize_t receive(int socket, void *to, size_t len, struct message *message)
{
	union {
		char bytes[CMSG_SPACE(RECEIVE_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = to, .iov_len = len};
	struct msghdr received = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;
	do {
		got = recvmsg(socket, &received, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	take_fds(message, &received);
	return got;
}

/* Bytes of the message that are known to come; the header first. */
static size_t wanted(const struct message *message)
{
	const size_t header = sizeof(message->header);
	return message->have < header ? header : header + message->header.size;
}

static void *next_byte(struct message *message)
{
	const size_t header = sizeof(message->header);
	return message->have < header ? (uint8_t *)&message->header + message->have
				      : message->payload.bytes + (message->have - header);
}

static bool header_makes_sense(const struct vhost_user_header *header)
{
	return (header->flags & VHOST_USER_VERSION_MASK) == VHOST_USER_VERSION &&
	       header->size <= VHOST_USER_MAX_PAYLOAD;
}

int message_read(int socket, struct message *message)
{
	while (message->have < wanted(message)) {
		ssize_t got = receive(socket, next_byte(message), wanted(message) - message->have,
				      message);
		if (got == -EAGAIN) {
			return 0;
		}
		if (got < 0) {
			return (int)got;
		}
		if (got == 0) {
			return message->have == 0 ? -ENODATA : -ECONNRESET;
		}
		message->have += (size_t)got;
		if (message->have == sizeof(message->header) &&
		    !header_makes_sense(&message->header)) {
			return -EPROTO;
		}
	}
	return 1;
}

ptrdiff_t message_send(int socket, const void *bytes, size_t len, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(int));
	}
	ssize_t sent;
	do {
		sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	return sent;
}
