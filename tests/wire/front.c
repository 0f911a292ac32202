/* SPDX-License-Identifier: MIT */
#include "front.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front_private.h"
#include "util/fd.h"
#include "vhost/message.h"

/* The socket's side: messages and QEMU's sequences. */

void wire_equal(const char *file, int line, const char *what, uint64_t is, uint64_t wanted)
{
	if (is != wanted) {
		wire_failed(file, line, "%s is %llu (%#llx), not %llu (%#llx)", what,
			    (unsigned long long)is, (unsigned long long)is,
			    (unsigned long long)wanted, (unsigned long long)wanted);
	}
}

void wire_open(struct wire_front *front, int socket, unsigned queue_count, uint64_t ram_size)
{
	memset(front, 0, sizeof(*front));
	front->socket = socket;
	front->channel = -1;
	front->display = -1;
	front->held_fd = -1;
	message_init(&front->incoming);
	front->queue_count = queue_count;
	front->ring_size = WIRE_RING_SIZE;
	front->ram_size = ram_size;
	front->ram_fd = fd_memfd("wire-ram", ram_size);
	wire_check(front->ram_fd >= 0);
	front->ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE, MAP_SHARED, front->ram_fd, 0);
	wire_check(front->ram != MAP_FAILED);
	front->windows = calloc(WIRE_MAX_WINDOWS, sizeof(front->windows[0]));
	wire_check(front->windows != NULL);
	for (unsigned i = 0; i < queue_count; i++) {
		front->rings[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		front->rings[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		wire_ring_fresh(front, i);
	}
	wire_free_all(front);
}

void wire_close(struct wire_front *front)
{
	wire_drop_windows(front);
	free(front->windows);
	for (unsigned i = 0; i < front->queue_count; i++) {
		fd_close(&front->rings[i].kick);
		fd_close(&front->rings[i].call);
	}
	munmap(front->ram, front->ram_size);
	fd_close(&front->ram_fd);
	fd_close(&front->held_fd);
	message_clear(&front->incoming);
	fd_close(&front->channel);
	fd_close(&front->display);
	fd_close(&front->socket);
}

/* False when the peer has closed the socket. */
static bool try_to_send(int socket, uint32_t request, uint32_t flags, const void *payload,
			uint32_t size, const int *fds, size_t fd_count)
{
	struct vhost_user_header header = {.request = request, .flags = flags, .size = size};
	struct iovec iov[2] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)payload, .iov_len = size},
	};
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = size > 0 ? 2 : 1};
	if (fd_count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) {
		return false;
	}
	if (sent != (ssize_t)(sizeof(header) + size)) {
		wire_fail("message %u could not be sent: %s", request, strerror(errno));
	}
	return true;
}

void wire_send_on(int socket, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
		  const int *fds, size_t fd_count)
{
	if (!try_to_send(socket, request, flags, payload, size, fds, fd_count)) {
		wire_fail("message %u could not be sent: the connection was closed", request);
	}
}

bool wire_try(struct wire_front *front, uint32_t request, uint32_t flags, const void *payload,
	      uint32_t size, const int *fds, size_t fd_count)
{
	return try_to_send(front->socket, request, VHOST_USER_VERSION | flags, payload, size, fds,
			   fd_count);
}

void wire_send(struct wire_front *front, uint32_t request, uint32_t flags, const void *payload,
	       uint32_t size, const int *fds, size_t fd_count)
{
	wire_send_on(front->socket, request, VHOST_USER_VERSION | flags, payload, size, fds,
		     fd_count);
}

/* Reads one whole message in the time limit; message_read's result. */
static int read_message(struct wire_front *front, struct message *message)
{
	message_init(message);
	int result = message_read(front->socket, message);
	while (result == 0) {
		if (!wire_poll(front, front->socket, -1, WIRE_TIMEOUT_MS)) {
			return -ETIMEDOUT;
		}
		result = message_read(front->socket, message);
	}
	return result;
}

int64_t wire_answer(struct wire_front *front, uint32_t request, void *payload, uint32_t max)
{
	struct message message;
	int result = read_message(front, &message);
	if (result == -ENODATA || result == -ECONNRESET) {
		return -1;
	}
	if (result < 0) {
		wire_fail("no reply to message %u: %s", request, strerror(-result));
	}
	wire_check_equal(message.header.request, request);
	/* Exactly this, or QEMU gives up. */
	if (!front->tolerant) {
		wire_check_equal(message.header.flags, VHOST_USER_VERSION | VHOST_USER_REPLY);
		wire_check_equal(message.fd_count, 0);
	}
	uint32_t size = message.header.size;
	wire_check(size <= max);
	memcpy(payload, message.payload.bytes, size);
	message_clear(&message);
	return size;
}

uint32_t wire_receive(struct wire_front *front, uint32_t request, void *payload, uint32_t max)
{
	int64_t size = wire_answer(front, request, payload, max);
	if (size < 0) {
		wire_fail("no reply to message %u: the connection was closed", request);
	}
	return (uint32_t)size;
}

uint64_t wire_acked(struct wire_front *front, uint32_t request, const void *payload, uint32_t size,
		    const int *fds, size_t fd_count)
{
	uint64_t answer = UINT64_MAX;
	if ((front->protocol_features & VHOST_USER_PROTOCOL_REPLY_ACK) == 0) {
		wire_send(front, request, 0, payload, size, fds, fd_count);
		wire_get_u64(front, VHOST_USER_GET_FEATURES);
		return 0;
	}
	wire_send(front, request, VHOST_USER_NEED_REPLY, payload, size, fds, fd_count);
	wire_check_equal(wire_receive(front, request, &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

uint64_t wire_get_u64(struct wire_front *front, uint32_t request)
{
	uint64_t value = 0;
	wire_send(front, request, 0, NULL, 0, NULL, 0);
	wire_check_equal(wire_receive(front, request, &value, sizeof(value)), sizeof(value));
	return value;
}

bool wire_closed(struct wire_front *front)
{
	struct message message;
	int result = read_message(front, &message);
	if (result > 0) {
		message_clear(&message);
	}
	return result == -ENODATA || result == -ECONNRESET;
}

void wire_get_config(struct wire_front *front, uint32_t offset, void *bytes, uint32_t size)
{
	struct vhost_user_config config = {.offset = offset, .size = size};
	uint32_t len = VHOST_USER_CONFIG_HEADER + size;
	wire_send(front, VHOST_USER_GET_CONFIG, 0, &config, len, NULL, 0);
	wire_check_equal(wire_receive(front, VHOST_USER_GET_CONFIG, &config, sizeof(config)), len);
	wire_check_equal(config.offset, offset);
	wire_check_equal(config.size, size);
	memcpy(bytes, config.bytes, size);
}

void wire_set_config(struct wire_front *front, uint32_t offset, const void *bytes, uint32_t size)
{
	struct vhost_user_config config = {.offset = offset, .size = size};
	memcpy(config.bytes, bytes, size);
	wire_check_equal(wire_acked(front, VHOST_USER_SET_CONFIG, &config,
				    VHOST_USER_CONFIG_HEADER + size, NULL, 0),
			 0);
}

static void set_vring_fd(struct wire_front *front, uint32_t request, unsigned queue, int fd)
{
	uint64_t value = queue | (fd < 0 ? VHOST_USER_VRING_NO_FD : 0);
	wire_check_equal(wire_acked(front, request, &value, sizeof(value), &fd, fd < 0 ? 0 : 1), 0);
}

static void open_channel(struct wire_front *front)
{
	int pair[2];
	wire_check_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	front->channel = pair[0];
	/* wire_close finds it there, should this fail. */
	front->held_fd = pair[1];
	wire_send(front, VHOST_USER_SET_BACKEND_REQ_FD, VHOST_USER_NEED_REPLY, NULL, 0,
		  &front->held_fd, 1);
	fd_close(&front->held_fd);
	uint64_t answer = UINT64_MAX;
	wire_receive(front, VHOST_USER_SET_BACKEND_REQ_FD, &answer, sizeof(answer));
	wire_check_equal(answer, 0);
}

static void negotiate(struct wire_front *front)
{
	front->protocol_offered = wire_get_u64(front, VHOST_USER_GET_PROTOCOL_FEATURES);
	uint64_t wanted = front->protocol_offered & WIRE_PROTOCOL & ~front->protocol_unwanted;
	wire_send(front, VHOST_USER_SET_PROTOCOL_FEATURES, 0, &wanted, sizeof(wanted), NULL, 0);
	front->protocol_features = wanted;
	if ((wanted & VHOST_USER_PROTOCOL_MQ) != 0) {
		wire_check(wire_get_u64(front, VHOST_USER_GET_QUEUE_NUM) >= front->queue_count);
	}
	if ((wanted & VHOST_USER_PROTOCOL_BACKEND_REQ) != 0) {
		open_channel(front);
	}
}

void wire_hello(struct wire_front *front)
{
	front->offered = wire_get_u64(front, VHOST_USER_GET_FEATURES);
	if ((front->offered & VHOST_USER_F_PROTOCOL_FEATURES) != 0) {
		negotiate(front);
	}
	wire_send(front, VHOST_USER_SET_OWNER, 0, NULL, 0, NULL, 0);
	wire_check_equal(wire_get_u64(front, VHOST_USER_GET_FEATURES), front->offered);
	for (unsigned i = 0; i < front->queue_count; i++) {
		set_vring_fd(front, VHOST_USER_SET_VRING_CALL, i, front->rings[i].call);
		set_vring_fd(front, VHOST_USER_SET_VRING_ERR, i, -1);
	}
	if ((front->protocol_features & VHOST_USER_PROTOCOL_SHMEM) != 0) {
		wire_send(front, VHOST_USER_GET_SHMEM_CONFIG, 0, NULL, 0, NULL, 0);
		wire_check_equal(wire_receive(front, VHOST_USER_GET_SHMEM_CONFIG, &front->shmem,
					      sizeof(front->shmem)),
				 sizeof(front->shmem));
	}
}

uint64_t wire_send_memory(struct wire_front *front)
{
	struct vhost_user_memory_table table = {.count = 1};
	int fds[VHOST_USER_MAX_REGIONS] = {front->ram_fd};
	table.regions[0] = (struct guest_region){
		.gpa = WIRE_RAM_GPA,
		.size = front->ram_size,
		.user_addr = WIRE_USER_BASE + WIRE_RAM_GPA,
	};
	for (size_t i = 0; i < WIRE_MAX_WINDOWS; i++) {
		const struct wire_window *window = &front->windows[i];
		if (!window->used) {
			continue;
		}
		if (table.count == VHOST_USER_MAX_REGIONS) {
			/* QEMU gives up here and sends nothing (protocols Q4). */
			return 0;
		}
		fds[table.count] = window->fd;
		table.regions[table.count++] = (struct guest_region){
			.gpa = WIRE_WINDOW_GPA + window->offset,
			.size = window->size,
			.user_addr = WIRE_USER_BASE + WIRE_WINDOW_GPA + window->offset,
			.mmap_offset = window->fd_offset,
		};
	}
	return wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table,
			  8 + table.count * (uint32_t)sizeof(struct guest_region), fds,
			  table.count);
}

void wire_set_ring(struct wire_front *front, unsigned queue)
{
	const struct wire_ring *ring = &front->rings[queue];
	const struct vhost_user_vring_state num = {queue, front->ring_size};
	const struct vhost_user_vring_state base = {queue, ring->base};
	const struct vhost_user_vring_addr addr = {
		.index = queue,
		.desc = WIRE_USER_BASE + ring->desc_gpa,
		.avail = WIRE_USER_BASE + ring->avail_gpa,
		.used = WIRE_USER_BASE + ring->used_gpa,
	};
	wire_send(front, VHOST_USER_SET_VRING_NUM, 0, &num, sizeof(num), NULL, 0);
	wire_send(front, VHOST_USER_SET_VRING_BASE, 0, &base, sizeof(base), NULL, 0);
	wire_send(front, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
	if (front->call_delay_ms < 0) {
		set_vring_fd(front, VHOST_USER_SET_VRING_CALL, queue, ring->call);
	}
	set_vring_fd(front, VHOST_USER_SET_VRING_KICK, queue, ring->kick);
	/* QEMU injects one kick. */
	const uint64_t one = 1;
	wire_check_equal(write(ring->kick, &one, sizeof(one)), sizeof(one));
	if (front->call_delay_ms >= 0) {
		usleep(1000u * (unsigned)front->call_delay_ms);
		set_vring_fd(front, VHOST_USER_SET_VRING_CALL, queue, ring->call);
	}
}

uint64_t wire_enable(struct wire_front *front, unsigned queue, bool enable)
{
	const struct vhost_user_vring_state state = {queue, enable};
	if ((front->offered & VHOST_USER_F_PROTOCOL_FEATURES) == 0) {
		front->started = enable;
		return 0;
	}
	uint64_t answer =
		wire_acked(front, VHOST_USER_SET_VRING_ENABLE, &state, sizeof(state), NULL, 0);
	if (answer == 0) {
		front->started = enable;
	}
	return answer;
}

void wire_start(struct wire_front *front, uint64_t features)
{
	front->features = features;
	features |= front->offered & VHOST_USER_F_PROTOCOL_FEATURES;
	wire_send(front, VHOST_USER_SET_FEATURES, 0, &features, sizeof(features), NULL, 0);
	wire_check_equal(wire_send_memory(front), 0);
	for (unsigned i = 0; i < front->queue_count; i++) {
		wire_set_ring(front, i);
	}
	for (unsigned i = 0; i < front->queue_count; i++) {
		wire_check_equal(wire_enable(front, i, true), 0);
	}
	for (unsigned i = 0; i < front->queue_count; i++) {
		set_vring_fd(front, VHOST_USER_SET_VRING_CALL, i, front->rings[i].call);
	}
}

void wire_stop(struct wire_front *front)
{
	for (unsigned i = 0; i < front->queue_count; i++) {
		wire_check_equal(wire_enable(front, i, false), 0);
	}
	for (unsigned i = 0; i < front->queue_count; i++) {
		struct vhost_user_vring_state state = {i, 0};
		wire_send(front, VHOST_USER_GET_VRING_BASE, 0, &state, sizeof(state), NULL, 0);
		wire_check_equal(
			wire_receive(front, VHOST_USER_GET_VRING_BASE, &state, sizeof(state)),
			sizeof(state));
		wire_check_equal(state.index, i);
		front->rings[i].base = (uint16_t)state.num;
	}
}

void wire_reset(struct wire_front *front)
{
	wire_drop_windows(front);
	for (unsigned i = 0; i < front->queue_count; i++) {
		wire_ring_fresh(front, i);
	}
	wire_free_all(front);
}
