/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fd.h"
#include "vhost/ring.h"

static void echo_all(const struct scenario_echo *echo, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		echo->command(echo->data, i % 16 == 0);
	}
}

void scenario_many_commands(struct wire_front *front, uint64_t features,
			    const struct scenario_echo *echo, unsigned count)
{
	wire_start(front, features);
	echo_all(echo, count);
}

void scenario_feature_sets(struct wire_front *front, uint64_t offered,
			   const struct scenario_echo *echo, unsigned count)
{
	const uint64_t ring = VIRTIO_RING_F_EVENT_IDX | VIRTIO_RING_F_INDIRECT_DESC;
	const uint64_t sets[] = {0, VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC, ring};
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if ((sets[i] & ~offered) == 0) {
			wire_start(front, (offered & ~ring) | sets[i]);
			echo_all(echo, count);
			wire_stop(front);
			wire_reset(front);
		}
	}
}

/* A front end that starts the first queue only, up to its enabling. */
static void set_up_first_queue(struct wire_front *front, uint64_t features)
{
	front->features = features & ~VHOST_USER_F_PROTOCOL_FEATURES;
	wire_send(front, VHOST_USER_SET_FEATURES, 0, &features, sizeof(features), NULL, 0);
	wire_check_equal(wire_send_memory(front), 0);
	wire_set_ring(front, 0);
}

void scenario_features_after_rings(struct wire_front *front, uint64_t features,
				   const struct scenario_echo *echo)
{
	front->features = features;
	wire_check_equal(wire_send_memory(front), 0);
	wire_set_ring(front, 0);
	wire_send(front, VHOST_USER_SET_FEATURES, 0, &features, sizeof(features), NULL, 0);
	front->started = true;
	echo->command(echo->data, 0);
}

static uint16_t submit_nothing(struct wire_front *front, bool indirect)
{
	uint64_t gpa = wire_alloc(front, 64);
	const struct wire_buffer buffers[] = {{gpa, 32, false}, {gpa + 32, 32, true}};
	return wire_submit(front, 0, buffers, 2,
			   indirect && (front->features & VIRTIO_RING_F_INDIRECT_DESC) != 0);
}

void scenario_chains_before_enable(struct wire_front *front, uint64_t features,
				   void (*disabled)(void *data), void *data)
{
	/* The kick that QEMU injects is all there is. */
	front->features = features;
	uint16_t first = submit_nothing(front, true);
	uint16_t second = submit_nothing(front, false);
	set_up_first_queue(front, features | VHOST_USER_F_PROTOCOL_FEATURES);
	disabled(data);
	wire_check_equal(wire_enable(front, 0, true), 0);
	wire_wait_used(front, 0, first);
	wire_wait_used(front, 0, second);
}

void scenario_without_protocol_features(struct wire_front *front, uint64_t features,
					const struct scenario_echo *echo)
{
	set_up_first_queue(front, features);
	front->started = true;
	echo->command(echo->data, 0);
}

void scenario_pause(struct wire_front *front, uint64_t features, const struct scenario_echo *echo)
{
	uint64_t count;
	wire_start(front, features);
	for (unsigned i = 0; i < 3; i++) {
		echo->command(echo->data, 0);
	}
	echo->command(echo->data, 1);
	wire_stop(front);
	wire_check_equal(front->rings[0].base, 3);
	wire_check_equal(front->rings[1].base, 1);
	ssize_t got = read(front->rings[0].call, &count, sizeof(count));
	wire_check(got == sizeof(count) || errno == EAGAIN);
	uint16_t head = submit_nothing(front, true);
	wire_kick(front, 0);
	/* Its answer comes behind whatever the back end does with the kick. */
	for (unsigned i = 0; i < 20; i++) {
		wire_get_u64(front, VHOST_USER_GET_FEATURES);
		usleep(1000);
	}
	if (wire_used(front, 0, head, NULL)) {
		wire_fail("a stopped ring was processed");
	}
	if (read(front->rings[0].call, &count, sizeof(count)) == sizeof(count)) {
		wire_fail("an interrupt came from a device that was suspended");
	}
	wire_start(front, features);
	wire_wait_used(front, 0, head);
	echo->command(echo->data, 0);
	echo->command(echo->data, 1);
}

void scenario_reset(struct wire_front *front, uint64_t features, const struct scenario_echo *echo)
{
	for (unsigned i = 0; i < 5; i++) {
		wire_start(front, features);
		echo_all(echo, 20);
		wire_stop(front);
		wire_reset(front);
	}
}

void scenario_disable_one_queue(struct wire_front *front, uint64_t features,
				const struct scenario_echo *echo)
{
	wire_start(front, features);
	echo->command(echo->data, 0);
	wire_check_equal(wire_enable(front, 1, false), 0);
	wire_check_equal(wire_enable(front, 1, true), 0);
	echo->command(echo->data, 0);
	echo->command(echo->data, 1);
}

void scenario_memory_changes(struct wire_front *front, uint64_t features,
			     const struct scenario_echo *echo)
{
	wire_start(front, features);
	echo->command(echo->data, 0);
	for (unsigned i = 0; i < 10; i++) {
		wire_check_equal(wire_send_memory(front), 0);
		echo->command(echo->data, 0);
	}
	int extra = fd_memfd("wire-extra", 1 << 20);
	struct vhost_user_memory_table table = {.count = 2};
	table.regions[0] = (struct guest_region){WIRE_RAM_GPA, front->ram_size,
						 WIRE_USER_BASE + WIRE_RAM_GPA, 0};
	table.regions[1] = (struct guest_region){0x1000, 1 << 20, WIRE_USER_BASE + 0x1000, 0};
	const int fds[2] = {front->ram_fd, extra};
	uint64_t answer = wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table, 8 + 2 * 32, fds, 2);
	close(extra);
	wire_check_equal(answer, 0);
	echo->command(echo->data, 0);
	echo->command(echo->data, 1);
	wire_check_equal(wire_send_memory(front), 0);
	echo->command(echo->data, 0);
	echo->command(echo->data, 1);
}

/*
 * As if a machine had made so many chains before: on another host, say. Its device would have left in
 * the ring at which index it wants the next kick.
 */
static void begin_at(struct wire_front *front, uint16_t index)
{
	for (unsigned i = 0; i < front->queue_count; i++) {
		struct wire_ring *ring = &front->rings[i];
		ring->avail_idx = index;
		ring->used_seen = index;
		ring->taken = index;
		ring->base = index;
		((uint16_t *)wire_at(front, ring->avail_gpa))[1] = index;
		((uint16_t *)wire_at(front, ring->used_gpa))[1] = index;
		((uint16_t *)wire_at(front, ring->used_gpa))[2 + 4 * (size_t)front->ring_size] =
			index;
	}
}

void scenario_ring_sizes(struct wire_front *front, uint64_t features,
			 const struct scenario_echo *echo)
{
	for (uint16_t size = 2; size <= WIRE_RING_SIZE; size = (uint16_t)(2 * size)) {
		wire_set_ring_size(front, size);
		begin_at(front, (uint16_t)(65536 - size - 3));
		wire_start(front, features);
		echo_all(echo, 2u * size + 20);
		wire_stop(front);
		wire_reset(front);
	}
}

bool scenario_in_pieces(struct wire_front *front, size_t piece)
{
	const bool ack = (front->protocol_features & VHOST_USER_PROTOCOL_REPLY_ACK) != 0;
	const struct {
		struct vhost_user_header header;
		struct vhost_user_vring_state ring;
	} message = {{VHOST_USER_SET_VRING_NUM, 1 | (ack ? VHOST_USER_NEED_REPLY : 0), 8},
		     {0, 256}};
	for (size_t at = 0; at < sizeof(message); at += piece) {
		size_t left = sizeof(message) - at;
		size_t len = piece < left ? piece : left;
		if (send(front->socket, (const uint8_t *)&message + at, len, MSG_NOSIGNAL) !=
		    (ssize_t)len) {
			return false;
		}
		usleep(100);
	}
	uint64_t answer = 0;
	if (ack && wire_answer(front, VHOST_USER_SET_VRING_NUM, &answer, sizeof(answer)) < 0) {
		return false;
	}
	wire_check_equal(answer, 0);
	wire_check_equal(wire_get_u64(front, VHOST_USER_GET_FEATURES), front->offered);
	return true;
}

void scenario_late_reader(struct wire_front *front, uint32_t request, unsigned count)
{
	const struct vhost_user_header header = {request, 1, 0};
	uint8_t payload[VHOST_USER_MAX_PAYLOAD];
	uint8_t first[VHOST_USER_MAX_PAYLOAD];
	uint32_t size = 0;
	unsigned sent = 0;
	fd_set_nonblock(front->socket, true);
	for (unsigned got = 0; got < count; got++) {
		while (sent < count && write(front->socket, &header, 12) == 12) {
			sent++;
		}
		uint32_t now = wire_receive(front, request, payload, sizeof(payload));
		if (got == 0) {
			size = now;
			memcpy(first, payload, size);
		}
		if (now != size || memcmp(first, payload, size) != 0) {
			wire_fail("reply %u to request %u is another than the first", got, request);
		}
	}
	wire_check_equal(sent, count);
	fd_set_nonblock(front->socket, false);
}
