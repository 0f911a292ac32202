/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front_private.h"
#include "util/fd.h"

/*
 * The display of QEMU's vhost-user-gpu device, as far as its back ends need it: they ask it for the
 * monitors and tell it what to show (QEMU docs/interop/vhost-user-gpu.rst). What is shown is read
 * and forgotten.
 */
#define GPU_SET_SOCKET 33 /* vhost-user */

enum display_request {
	GET_PROTOCOL_FEATURES = 1,
	GET_DISPLAY_INFO = 3,
	DMABUF_UPDATE = 10,
	GET_EDID = 11,
};
#define PROTOCOL_EDID (1ull << 0)
#define REPLY (1u << 2)

static void read_all(struct wire_front *front, void *bytes, size_t len)
{
	uint8_t *at = bytes;
	while (len > 0) {
		struct pollfd poll_fd = {.fd = front->display, .events = POLLIN};
		ssize_t got =
			poll(&poll_fd, 1, WIRE_TIMEOUT_MS) > 0 ? read(front->display, at, len) : 0;
		if (got <= 0) {
			wire_fail("a message on the display's socket stopped in the middle");
		}
		at += got;
		len -= (size_t)got;
	}
}

/* A back end that is gone meanwhile is not this one's matter. */
static void reply(struct wire_front *front, uint32_t request, const void *bytes, uint32_t size)
{
	struct vhost_user_header header = {request, REPLY, size};
	struct iovec iov[2] = {{&header, sizeof(header)}, {(void *)bytes, size}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t sent = sendmsg(front->display, &message, MSG_NOSIGNAL);
	wire_check(sent < 0 || (size_t)sent == sizeof(header) + size);
}

/* One monitor without a name: a valid EDID 1.4 with one timing. */
static void reply_edid(struct wire_front *front, uint32_t scanout)
{
	static const uint8_t head[] = {0, 255, 255, 255, 255, 255, 255, 0, 0x22, 0x64, [18] = 1, 4};
	/* 1024 x 768 at 60 Hz (VESA DMT). */
	static const uint8_t timing[18] = {0x64, 0x19, 0x00, 0x40, 0x41, 0x00, 0x26, 0x30, 0x18,
					   0x88, 0x36, 0x00, 0x54, 0x0e, 0x11, 0x00, 0x00, 0x18};
	struct virtio_gpu_resp_edid edid = {.hdr.type = VIRTIO_GPU_RESP_OK_EDID, .size = 128};
	uint8_t sum = 0;
	memcpy(edid.edid, head, sizeof(head));
	memcpy(edid.edid + 54, timing, sizeof(timing));
	for (unsigned i = 0; i < 127; i++) {
		sum = (uint8_t)(sum + edid.edid[i]);
	}
	edid.edid[127] = (uint8_t)-sum;
	if (scanout > 0) {
		edid.hdr.type = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	reply(front, GET_EDID, &edid, sizeof(edid));
}

static void reply_display_info(struct wire_front *front)
{
	const struct virtio_gpu_resp_display_info info = {
		.hdr.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO,
		.pmodes[0] = {.r = {0, 0, WIRE_DISPLAY_WIDTH, WIRE_DISPLAY_HEIGHT}, .enabled = 1},
	};
	reply(front, GET_DISPLAY_INFO, &info, sizeof(info));
}

static void serve(struct wire_front *front)
{
	struct vhost_user_header header;
	const uint64_t features = PROTOCOL_EDID;
	char byte;
	if (recv(front->display, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) {
		/* The back end has closed it; who waits will see why. */
		fd_close(&front->display);
		return;
	}
	read_all(front, &header, sizeof(header));
	uint8_t bytes[4096] = {0};
	uint32_t scanout = 0;
	for (uint32_t left = header.size; left > 0;) {
		uint32_t part = left < sizeof(bytes) ? left : sizeof(bytes);
		read_all(front, bytes, part);
		memcpy(&scanout, bytes, left == header.size ? sizeof(scanout) : 0);
		left -= part;
	}
	front->displayed++;
	switch (header.request) {
	case GET_PROTOCOL_FEATURES:
		reply(front, header.request, &features, sizeof(features));
		break;
	case GET_DISPLAY_INFO:
		reply_display_info(front);
		break;
	case GET_EDID:
		reply_edid(front, scanout);
		break;
	case DMABUF_UPDATE:
		reply(front, header.request, NULL, 0);
		break;
	default:
		break;
	}
}

bool wire_poll(struct wire_front *front, int fd, int other, int ms)
{
	for (;;) {
		struct pollfd fds[3] = {
			{.fd = fd, .events = POLLIN},
			{.fd = other, .events = POLLIN},
			{.fd = front->display, .events = POLLIN},
		};
		int ready = poll(fds, 3, ms);
		if (ready == 0) {
			return false;
		}
		if (ready > 0 && fds[2].revents != 0) {
			serve(front);
		}
		if (ready > 0 && (fds[0].revents != 0 || fds[1].revents != 0)) {
			return true;
		}
	}
}

uint64_t wire_give_display(struct wire_front *front)
{
	int pair[2];
	wire_check_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	front->display = pair[0];
	uint64_t answer = wire_acked(front, GPU_SET_SOCKET, NULL, 0, &pair[1], 1);
	close(pair[1]);
	return answer;
}
