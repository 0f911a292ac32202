/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "front_private.h"
#include "util/clock.h"
#include "util/fd.h"
#include "vhost/message.h"

/* The back-end channel's side: what QEMU does with requests of the device. */

static void drop_window(struct wire_window *window)
{
	munmap(window->map, window->size);
	fd_close(&window->fd);
	window->used = false;
}

void wire_drop_windows(struct wire_front *front)
{
	for (size_t i = 0; i < WIRE_MAX_WINDOWS; i++) {
		if (front->windows[i].used) {
			drop_window(&front->windows[i]);
		}
	}
}

unsigned wire_window_count(const struct wire_front *front)
{
	unsigned count = 0;
	for (size_t i = 0; i < WIRE_MAX_WINDOWS; i++) {
		count += front->windows[i].used;
	}
	return count;
}

uint8_t *wire_window_at(struct wire_front *front, uint64_t offset, uint64_t len)
{
	for (size_t i = 0; i < WIRE_MAX_WINDOWS; i++) {
		struct wire_window *window = &front->windows[i];
		if (window->used && offset >= window->offset &&
		    offset + len <= window->offset + window->size) {
			return window->map + (offset - window->offset);
		}
	}
	return NULL;
}

/* Takes fd on success. */
static bool add_window(struct wire_front *front, const struct vhost_user_shmem_map *request, int fd)
{
	struct wire_window *empty = NULL;
	for (size_t i = 0; i < WIRE_MAX_WINDOWS; i++) {
		struct wire_window *window = &front->windows[i];
		if (!window->used) {
			empty = empty == NULL ? window : empty;
		} else if (request->offset < window->offset + window->size &&
			   window->offset < request->offset + request->size) {
			return false;
		}
	}
	uint64_t room = front->shmem.sizes[request->id];
	if (front->shmem.count > 0 &&
	    (request->offset > room || request->size > room - request->offset)) {
		return false;
	}
	if (empty == NULL || fd_size(fd) < (int64_t)(request->fd_offset + request->size)) {
		return false;
	}
	/* QEMU maps writable whatever the flags say. */
	void *map = mmap(NULL, request->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)request->fd_offset);
	if (map == MAP_FAILED) {
		return false;
	}
	*empty = (struct wire_window){
		.used = true,
		.offset = request->offset,
		.size = request->size,
		.fd_offset = request->fd_offset,
		.fd = fd,
		.map = map,
	};
	return true;
}

static bool remove_window(struct wire_front *front, const struct vhost_user_shmem_map *request)
{
	for (size_t i = 0; i < WIRE_MAX_WINDOWS; i++) {
		struct wire_window *window = &front->windows[i];
		if (window->used && window->offset == request->offset &&
		    window->size == request->size) {
			drop_window(window);
			return true;
		}
	}
	return false;
}

static void reply(struct wire_front *front, const struct vhost_user_header *header, uint64_t value)
{
	if ((header->flags & VHOST_USER_NEED_REPLY) != 0) {
		wire_send_on(front->channel, header->request, VHOST_USER_VERSION | VHOST_USER_REPLY,
			     &value, sizeof(value), NULL, 0);
	}
}

/*
 * QEMU's order: the reply, then the mapping, then the new table. The mapping's file is held_fd until it
 * is one: wire_failed may leave by a long jump.
 */
static void make_it_so(struct wire_front *front, const struct vhost_user_header *header,
		       const struct vhost_user_shmem_map *request)
{
	reply(front, header, 0);
	if (header->request == VHOST_USER_BACKEND_SHMEM_MAP) {
		if (!add_window(front, request, front->held_fd)) {
			wire_fail("SHMEM_MAP of %llu bytes at %llu is one that QEMU would refuse",
				  (unsigned long long)request->size,
				  (unsigned long long)request->offset);
		}
		front->held_fd = -1;
	} else if (!remove_window(front, request)) {
		wire_fail("SHMEM_UNMAP at %llu is no mapping", (unsigned long long)request->offset);
	}
	if (front->started) {
		wire_check_equal(wire_send_memory(front), 0);
	}
}

static void handle_window_request(struct wire_front *front, struct message *message)
{
	const struct vhost_user_header *header = &message->header;
	bool map = header->request == VHOST_USER_BACKEND_SHMEM_MAP;
	*(map ? &front->maps : &front->unmaps) += 1;
	wire_check_equal(header->size, sizeof(struct vhost_user_shmem_map));
	wire_check_equal(header->flags & ~VHOST_USER_NEED_REPLY, VHOST_USER_VERSION);
	wire_check_equal(message->fd_count, map ? 1 : 0);
	wire_check(!front->held);
	front->held_fd = map ? message->fds[0] : -1;
	message->fd_count = 0;
	if (front->policy == WIRE_HOLD) {
		front->held = true;
		front->held_header = *header;
		front->held_map = message->payload.map;
	} else if (front->policy == WIRE_REFUSE) {
		reply(front, header, 1);
		fd_close(&front->held_fd);
	} else {
		make_it_so(front, header, &message->payload.map);
	}
}

static void handle_barrier(struct wire_front *front, const struct message *message)
{
	front->barriers++;
	wire_check_equal(message->header.size, VHOST_USER_UUID_BYTES);
	wire_check_equal(message->header.flags, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY);
	if (front->hold_barriers) {
		wire_check(!front->held);
		front->held = true;
		front->held_header = message->header;
	} else {
		reply(front, &message->header, 1);
	}
}

static void handle_backend_message(struct wire_front *front, struct message *message)
{
	const struct vhost_user_header *header = &message->header;
	if ((header->request & VHOST_USER_BACKEND_UNKNOWN) == VHOST_USER_BACKEND_UNKNOWN) {
		/* Logged by QEMU, and no more. */
		wire_check_equal(header->size, 0);
		wire_check_equal(header->flags, VHOST_USER_VERSION);
		front->revoked++;
		return;
	}
	if (!front->started) {
		wire_fail("back-end request %u while the device is stopped: QEMU would crash",
			  message->header.request);
	}
	switch (message->header.request) {
	case VHOST_USER_BACKEND_SHMEM_MAP:
	case VHOST_USER_BACKEND_SHMEM_UNMAP:
		handle_window_request(front, message);
		break;
	case VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE:
		handle_barrier(front, message);
		break;
	case VHOST_USER_BACKEND_CONFIG_CHANGE:
		wire_check_equal(message->header.size, 0);
		front->config_changes++;
		reply(front, &message->header, 0);
		break;
	default:
		wire_fail("back-end request %u is unknown", message->header.request);
	}
}

bool wire_pump(struct wire_front *front, int ms)
{
	if (!wire_poll(front, front->channel, -1, ms)) {
		return false;
	}
	struct message *message = &front->incoming;
	int result;
	while ((result = message_read(front->channel, message)) == 0) {
		if (!wire_poll(front, front->channel, -1, WIRE_TIMEOUT_MS)) {
			wire_fail("a back-end request stopped in the middle");
		}
	}
	if (result < 0) {
		message_clear(message);
		wire_fail("the back-end channel: %s", strerror(-result));
	}
	handle_backend_message(front, message);
	message_clear(message);
	return true;
}

void wire_pump_until(struct wire_front *front, const unsigned *counter, unsigned value)
{
	uint64_t end = clock_now_ns() + WIRE_TIMEOUT_MS * CLOCK_NS_PER_MS;
	while (*counter != value) {
		if (clock_now_ns() > end || !wire_pump(front, WIRE_TIMEOUT_MS)) {
			wire_fail("the device did not send what it should");
		}
	}
}

void wire_release(struct wire_front *front, uint64_t value)
{
	wire_check(front->held);
	front->held = false;
	bool barrier = front->held_header.request == VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE;
	if (value == 0 && !barrier) {
		make_it_so(front, &front->held_header, &front->held_map);
	} else {
		reply(front, &front->held_header, value);
		fd_close(&front->held_fd);
	}
}
