/* SPDX-License-Identifier: MIT */
#include "render/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fd.h"

/* More than any message may carry, so that too many are seen and closed. */
#define MAX_FDS 4

struct kind {
	size_t size;
	bool to_hesperd;
};

#define FIXED(member)                                                                              \
	(offsetof(struct render_wire_message, member) +                                            \
	 sizeof(((struct render_wire_message *)NULL)->member))

static const struct kind kinds[RENDER_WIRE_TYPE_COUNT] = {
	[RENDER_WIRE_CONTEXT] = {FIXED(context), false},
	[RENDER_WIRE_BLOB] = {FIXED(blob), false},
	[RENDER_WIRE_UNREF] = {FIXED(resource), false},
	[RENDER_WIRE_IMPORT] = {FIXED(import), false},
	[RENDER_WIRE_ATTACH] = {FIXED(resource), false},
	[RENDER_WIRE_DETACH] = {FIXED(resource), false},
	[RENDER_WIRE_SUBMIT] = {FIXED(submit), false},
	[RENDER_WIRE_READY] = {FIXED(ready), true},
	[RENDER_WIRE_DONE] = {FIXED(done), true},
	[RENDER_WIRE_FENCE] = {FIXED(fence), true},
	[RENDER_WIRE_LOST] = {FIXED(lost), true},
};
_Static_assert(FIXED(submit) % 8 == 0, "commands are aligned");
_Static_assert(FIXED(submit) <= 64, "commands have their room");
_Static_assert(sizeof(struct render_wire_message) <=
		       sizeof(((struct render_wire_buffer *)NULL)->bytes),
	       "every message has its room");

size_t render_wire_size(uint32_t type)
{
	return type < RENDER_WIRE_TYPE_COUNT ? kinds[type].size : 0;
}

int render_wire_send(int socket, const struct render_wire_message *message, const void *tail,
		     size_t tail_size, int fd)
{
	struct iovec iov[2] = {
		{(void *)message, render_wire_size(message->type)},
		{(void *)tail, tail_size},
	};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr header = {.msg_iov = iov, .msg_iovlen = tail_size > 0 ? 2 : 1};
	if (fd >= 0) {
		header.msg_control = control.space;
		header.msg_controllen = sizeof(control.space);
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	for (;;) {
		if (sendmsg(socket, &header, MSG_NOSIGNAL) >= 0) {
			return 0;
		}
		if (errno != EINTR) {
			return errno == ECONNRESET ? -EPIPE : -errno;
		}
	}
}

static size_t take_fds(struct msghdr *header, int *fds)
{
	size_t count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here && count < MAX_FDS; i++) {
			memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		}
	}
	return count;
}

static bool well_formed(const struct render_wire_buffer *buffer, enum render_wire_reader reader,
			size_t size, size_t fds)
{
	const struct render_wire_message *message = &buffer->message;
	if (size < offsetof(struct render_wire_message, context) ||
	    render_wire_size(message->type) == 0) {
		return false;
	}
	const struct kind *kind = &kinds[message->type];
	if (kind->to_hesperd != (reader == RENDER_WIRE_HESPERD) || size < kind->size) {
		return false;
	}
	size_t wanted_tail = 0;
	size_t wanted_fds = 0;
	switch ((enum render_wire_type)message->type) {
	case RENDER_WIRE_SUBMIT:
		if (message->submit.size > RENDER_WIRE_INLINE_BYTES) {
			wanted_fds = 1;
		} else {
			wanted_tail = message->submit.size;
		}
		break;
	case RENDER_WIRE_IMPORT:
		wanted_fds = 1;
		break;
	case RENDER_WIRE_DONE:
		wanted_fds = message->done.fd_type != RENDER_WIRE_FD_NONE;
		break;
	case RENDER_WIRE_READY:
		wanted_fds = message->ready.gate != 0;
		break;
	default:
		break;
	}
	return size - kind->size == wanted_tail && fds == wanted_fds;
}

int render_wire_receive(int socket, enum render_wire_reader reader,
			struct render_wire_buffer *buffer)
{
	struct iovec iov = {buffer->bytes, sizeof(buffer->bytes)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	buffer->fd = -1;
	buffer->tail_size = 0;
	ssize_t size;
	do {
		size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (size < 0 && errno == EINTR);
	if (size < 0) {
		return errno == ECONNRESET ? 0 : -errno;
	}
	int fds[MAX_FDS];
	size_t count = take_fds(&header, fds);
	if (size == 0 && count == 0) {
		return 0;
	}
	if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    !well_formed(buffer, reader, (size_t)size, count)) {
		fd_close_all(fds, count);
		return -EPROTO;
	}
	buffer->tail = buffer->bytes + kinds[buffer->message.type].size;
	buffer->tail_size = (size_t)size - kinds[buffer->message.type].size;
	buffer->fd = count == 1 ? fds[0] : -1;
	return 1;
}

int render_wire_pack(const void *bytes, size_t size)
{
	int fd = memfd_create("hesper-commands", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -errno;
	}
	int error = 0;
	for (size_t done = 0; done < size && error == 0;) {
		ssize_t wrote = write(fd, (const char *)bytes + done, size - done);
		if (wrote > 0) {
			done += (size_t)wrote;
		} else if (wrote == 0 || errno != EINTR) {
			error = wrote == 0 ? -EIO : -errno;
		}
	}
	if (error == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		error = -errno;
	}
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}
