/* SPDX-License-Identifier: MIT */
#include "scenarios.h"
#include "session.h"

#include <stdio.h>
#include <sys/socket.h>

#include "vhost/ring.h"

/* QEMU's message order (protocols §1.5), pause and reset, and a device that does not answer. */

static const uint8_t REQUEST[64] = {1, 2, 3, 4};

static void check_command(struct session *session, unsigned queue)
{
	uint8_t response[64] = {0};
	assert_int_equal(wire_command(&session->front, queue, REQUEST, sizeof(REQUEST), response,
				      sizeof(response)),
			 sizeof(response));
	for (size_t i = 0; i < sizeof(REQUEST); i++) {
		assert_int_equal(response[i], (uint8_t)~REQUEST[i]);
	}
}

static void echo_command(void *data, unsigned queue)
{
	check_command(data, queue);
}

static struct scenario_echo echo_of(struct session *session)
{
	return (struct scenario_echo){echo_command, session};
}

static void test_offers(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	assert_true(wire_get_u64(front, VHOST_USER_GET_FEATURES) == (DEVICE_FEATURES | 1ull << 30));
	assert_true(wire_get_u64(front, VHOST_USER_GET_PROTOCOL_FEATURES) == 0x440629);
	assert_int_equal(wire_get_u64(front, VHOST_USER_GET_QUEUE_NUM), SESSION_QUEUES);
	struct vhost_user_shmem_config config;
	wire_send(front, VHOST_USER_GET_SHMEM_CONFIG, 0, NULL, 0, NULL, 0);
	assert_int_equal(wire_receive(front, VHOST_USER_GET_SHMEM_CONFIG, &config, sizeof(config)),
			 2056);
	assert_int_equal(config.count, 1);
	assert_int_equal(config.sizes[0], 0);
	assert_true(config.sizes[1] == DEVICE_WINDOW);
}

static void test_offers_no_window(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	assert_true(wire_get_u64(front, VHOST_USER_GET_PROTOCOL_FEATURES) == 0x629);
	wire_hello(front);
	wire_start(front, DEVICE_FEATURES);
	check_command(session, 0);
	int fd = session_memfd(4096, 1);
	device_map(&session->device, 0, 4096, fd, 0);
	close(fd);
	device_wait(&session->device, &session->device.done_count, 1);
	assert_int_equal(session->device.done[0], -EINVAL);
}

static void test_probe(void **state)
{
	struct session *session = *state;
	uint8_t bytes[DEVICE_CONFIG_SIZE];
	for (int i = 0; i < 2; i++) {
		wire_get_config(&session->front, 0, bytes, sizeof(bytes));
		for (unsigned k = 0; k < sizeof(bytes); k++) {
			assert_int_equal(bytes[k], k + 1);
		}
	}
	/* A front end whose config is larger than the device's reads zeros behind it. */
	uint8_t more[DEVICE_CONFIG_SIZE + 8];
	wire_get_config(&session->front, 0, more, sizeof(more));
	assert_int_equal(more[DEVICE_CONFIG_SIZE - 1], DEVICE_CONFIG_SIZE);
	for (unsigned k = DEVICE_CONFIG_SIZE; k < sizeof(more); k++) {
		assert_int_equal(more[k], 0);
	}
	wire_get_config(&session->front, 4, bytes, 2);
	assert_int_equal(bytes[0], 5);
}

static void test_config_written(void **state)
{
	struct session *session = *state;
	uint8_t bytes[DEVICE_CONFIG_SIZE] = {0};
	for (unsigned i = 0; i < 200; i++) {
		/* What the device makes of a write is in the very next read. */
		bytes[0] = (uint8_t)i;
		wire_set_config(&session->front, 0, bytes, sizeof(bytes));
		uint8_t echo[DEVICE_CONFIG_SIZE];
		wire_get_config(&session->front, 0, echo, sizeof(echo));
		assert_int_equal(echo[8], (uint8_t)~i);
	}
	assert_int_equal(device_count(&session->device, &session->device.writes), 200);
	assert_int_equal(session->device.written_size, DEVICE_CONFIG_SIZE);
	assert_int_equal(session->device.written[0], 199);
}

static void test_start_and_commands(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	/* More than the ring has entries, on both queues, and past the index's wrap-around. */
	scenario_many_commands(&session->front, DEVICE_FEATURES, &echo, 70000);
	device_wait(&session->device, &session->device.served, 70000);
	assert_int_equal(device_count(&session->device, &session->device.started), 1);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 0);
}

static void test_every_feature_set(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_feature_sets(&session->front, DEVICE_FEATURES, &echo, 600);
	device_wait(&session->device, &session->device.stopped, 4);
	assert_int_equal(device_count(&session->device, &session->device.started), 4);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 0);
}

static void test_ring_sizes(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_ring_sizes(&session->front, DEVICE_FEATURES, &echo);
}

static void test_memory_changes(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_memory_changes(&session->front, DEVICE_FEATURES, &echo);
	assert_int_equal(session_count_maps("memfd:wire-ram"), 2);
	assert_int_equal(session_count_maps("memfd:wire-extra"), 0);
}

static void test_pause_with_work_to_do(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_pause(&session->front, DEVICE_FEATURES, &echo);
	device_wait_order(&session->device, "STR");
}

static void test_resets(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_reset(&session->front, DEVICE_FEATURES, &echo);
	device_wait_order(&session->device, "STSTSTSTST");
}

static void expect_untouched(void *data)
{
	struct session *session = data;
	session_settle(session);
	assert_int_equal(device_count(&session->device, &session->device.served), 0);
	assert_int_equal(device_count(&session->device, &session->device.started), 0);
}

static void test_chains_wait_for_enable(void **state)
{
	struct session *session = *state;
	scenario_chains_before_enable(&session->front, DEVICE_FEATURES, expect_untouched, session);
}

static void test_without_bit_30(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_without_protocol_features(&session->front, DEVICE_FEATURES, &echo);
	device_wait(&session->device, &session->device.started, 1);
}

static void one_at_a_time(struct test_device *device, void *data)
{
	device->one_at_a_time = 1;
}

static void test_kick_later(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	device_run(&session->device, one_at_a_time, NULL);
	uint64_t gpa = wire_alloc(front, 64);
	const struct wire_buffer buffers[] = {{gpa, 32, false}, {gpa + 32, 32, true}};
	/* One kick for all of them. */
	uint16_t head = 0;
	for (unsigned i = 0; i < 100; i++) {
		head = wire_submit(front, 0, buffers, 2, true);
	}
	wire_wait_used(front, 0, head);
	device_wait(&session->device, &session->device.served, 100);
	assert_true(device_count(&session->device, &session->device.kicked) >= 100);
}

static void test_call_fd_signalled_once(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	session_settle(session);
	/* Three arrive per start (init, start, after enable): one signal each at most, none lost. */
	uint64_t count = 0;
	assert_int_equal(read(front->rings[0].call, &count, sizeof(count)), sizeof(count));
	assert_true(count >= 1 && count <= 3);
	wire_stop(front);
	uint64_t value = 0;
	assert_int_equal(wire_acked(front, VHOST_USER_SET_VRING_CALL, &value, sizeof(value),
				    &front->rings[0].call, 1),
			 0);
	session_settle(session);
	/* A suspended device signals nothing. */
	assert_int_equal(read(front->rings[0].call, &count, sizeof(count)), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Pause and reset. */

static void test_pause_keeps_completions(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	device_hold(&session->device, true);
	uint64_t gpa = wire_alloc(front, 64);
	const struct wire_buffer buffers[] = {{gpa, 32, false}, {gpa + 32, 32, true}};
	uint16_t heads[10];
	for (unsigned i = 0; i < 10; i++) {
		heads[i] = wire_submit(front, i % 2, buffers, 2, true);
	}
	device_wait(&session->device, &session->device.held_count, 10);
	wire_stop(front);
	assert_int_equal(front->rings[0].base, 5);
	device_wait(&session->device, &session->device.stopped, 1);
	/* The work ends while the VM is paused: nothing may show until it goes on. */
	device_release(&session->device);
	session_settle(session);
	for (unsigned i = 0; i < 10; i++) {
		assert_false(wire_used(front, i % 2, heads[i], NULL));
	}
	wire_start(front, DEVICE_FEATURES);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(wire_wait_used(front, i % 2, heads[i]), 32);
	}
	device_hold(&session->device, false);
	check_command(session, 0);
	device_wait_order(&session->device, "STR");
}

static void test_reset_drops_completions(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	device_hold(&session->device, true);
	uint64_t gpa = wire_alloc(front, 64);
	const struct wire_buffer buffers[] = {{gpa, 32, false}, {gpa + 32, 32, true}};
	for (unsigned i = 0; i < 4; i++) {
		wire_submit(front, 0, buffers, 2, true);
	}
	device_wait(&session->device, &session->device.held_count, 4);
	wire_stop(front);
	device_release(&session->device);
	device_hold(&session->device, false);
	wire_reset(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 0);
	session_settle(session);
	/* wire_used fails the test on a used entry for a chain that is not in flight. */
	assert_false(wire_used(front, 0, 0, NULL));
	check_command(session, 0);
	device_wait_order(&session->device, "STS");
}

static void test_pause_at_zero(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	/* No chain taken yet: a reset loses nothing, and is what is assumed. */
	wire_start(front, DEVICE_FEATURES);
	wire_stop(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 0);
	/* Exactly 65536 chains: the index is 0 again, but there is state to lose. */
	for (unsigned i = 0; i < 65536; i++) {
		check_command(session, 0);
	}
	wire_stop(front);
	assert_int_equal(front->rings[0].base, 0);
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 3);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 1);
	/* The same, but a driver has started meanwhile: it reads config. */
	for (unsigned i = 0; i < 65536; i++) {
		check_command(session, 0);
	}
	wire_stop(front);
	uint8_t bytes[DEVICE_CONFIG_SIZE];
	wire_get_config(front, 0, bytes, sizeof(bytes));
	wire_reset(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 4);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 1);
	check_command(session, 0);
}

static void test_start_elsewhere_is_reset(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	check_command(session, 0);
	/* The right base, but other features: no paused guest does that. */
	wire_stop(front);
	wire_start(front, VIRTIO_F_VERSION_1 | VIRTIO_RING_F_INDIRECT_DESC);
	device_wait(&session->device, &session->device.started, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 0);
	check_command(session, 0);
	/* The right base, but the used index is not where it was left. */
	wire_stop(front);
	uint16_t *used = wire_at(front, front->rings[0].used_gpa);
	used[1] = 0;
	front->rings[0].used_seen = 0;
	wire_start(front, VIRTIO_F_VERSION_1 | VIRTIO_RING_F_INDIRECT_DESC);
	device_wait(&session->device, &session->device.started, 3);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 0);
	check_command(session, 0);
}

static void start_first_queue(struct wire_front *front)
{
	uint64_t features = DEVICE_FEATURES | VHOST_USER_F_PROTOCOL_FEATURES;
	wire_send(front, VHOST_USER_SET_FEATURES, 0, &features, sizeof(features), NULL, 0);
	assert_int_equal(wire_send_memory(front), 0);
	wire_set_ring(front, 0);
	assert_int_equal(wire_enable(front, 0, true), 0);
}

static void test_reset_forgets_unused_queue(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	check_command(session, 0);
	check_command(session, 1);
	wire_stop(front);
	wire_reset(front);
	/* A driver that uses one queue only, paused: the other one's memory is not a ring any more. */
	((uint16_t *)wire_at(front, front->rings[1].used_gpa))[1] = 77;
	start_first_queue(front);
	check_command(session, 0);
	wire_stop(front);
	start_first_queue(front);
	device_wait_order(&session->device, "STSTR");
	check_command(session, 0);
}

static void test_bit_30_after_rings(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_features_after_rings(&session->front, DEVICE_FEATURES, &echo);
	device_wait_order(&session->device, "S");
}

/* No features yet: a ring is disabled. */
static void test_kick_before_features(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	assert_int_equal(wire_send_memory(front), 0);
	wire_set_ring(front, 0);
	session_settle(session);
	assert_int_equal(device_count(&session->device, &session->device.started), 0);
}

static void test_disable_without_stop(void **state)
{
	struct session *session = *state;
	const struct scenario_echo echo = echo_of(session);
	scenario_disable_one_queue(&session->front, DEVICE_FEATURES, &echo);
	device_wait_order(&session->device, "STR");
}

/* What QEMU does when the guest has cleared a ring's addresses: it disables all, and asks for one base. */
static void stop_all_but_one(struct wire_front *front, unsigned kept)
{
	for (unsigned i = 0; i < SESSION_QUEUES; i++) {
		assert_int_equal(wire_enable(front, i, false), 0);
	}
	for (unsigned i = 0; i < SESSION_QUEUES; i++) {
		struct vhost_user_vring_state state = {i, 0};
		if (i != kept) {
			wire_send(front, VHOST_USER_GET_VRING_BASE, 0, &state, sizeof(state), NULL,
				  0);
			wire_receive(front, VHOST_USER_GET_VRING_BASE, &state, sizeof(state));
		}
	}
}

static void test_ring_never_given_back(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	for (unsigned i = 0; i < 3; i++) {
		check_command(session, 0);
		check_command(session, 1);
	}
	/* The next driver's ring has its first chain at index 0 again. */
	stop_all_but_one(front, 0);
	wire_reset(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait_order(&session->device, "STS");
	check_command(session, 0);
	check_command(session, 1);
	/* One that has no such ring: what is in its place is not touched. */
	stop_all_but_one(front, 1);
	wire_reset(front);
	uint64_t request = wire_alloc(front, sizeof(REQUEST));
	const struct wire_buffer buffer = {request, sizeof(REQUEST), false};
	wire_submit(front, 1, &buffer, 1, false);
	uint16_t head = wire_submit(front, 1, &buffer, 1, false);
	start_first_queue(front);
	assert_int_equal(wire_enable(front, 1, true), 0);
	wire_kick(front, 1);
	check_command(session, 0);
	device_wait_order(&session->device, "STSTS");
	check_command(session, 0);
	assert_false(wire_used(front, 1, head, NULL));
	assert_int_equal(((uint16_t *)wire_at(front, front->rings[1].used_gpa))[1], 0);
}

static void test_ring_outside_ram(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	uint64_t right = front->rings[0].avail_gpa;
	front->rings[0].avail_gpa = WIRE_RAM_GPA + front->ram_size - 16;
	uint64_t features = DEVICE_FEATURES | VHOST_USER_F_PROTOCOL_FEATURES;
	front->features = DEVICE_FEATURES;
	wire_send(front, VHOST_USER_SET_FEATURES, 0, &features, sizeof(features), NULL, 0);
	assert_int_equal(wire_send_memory(front), 0);
	wire_set_ring(front, 0);
	assert_int_equal(wire_enable(front, 0, true), 1);
	session_settle(session);
	assert_int_equal(device_count(&session->device, &session->device.started), 0);
	front->rings[0].avail_gpa = right;
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 1);
	check_command(session, 0);
}

/* RAM. */

static void test_same_ram_is_not_mapped_again(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	check_command(session, 0);
	/* The front end's own, and the back end's. */
	assert_int_equal(session_count_maps("memfd:wire-ram"), 2);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(wire_send_memory(front), 0);
	}
	assert_int_equal(session_count_maps("memfd:wire-ram"), 2);
}

static void test_new_ram_while_running(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	device_hold(&session->device, true);
	uint64_t gpa = wire_alloc(front, 64);
	const struct wire_buffer buffers[] = {{gpa, 32, false}, {gpa + 32, 32, true}};
	uint16_t head = wire_submit(front, 0, buffers, 2, true);
	device_wait(&session->device, &session->device.held_count, 1);
	/* The same file and addresses, one more region: a new table, while a chain is out. */
	int extra = fd_memfd("wire-extra", 1 << 20);
	struct vhost_user_memory_table table = {.count = 2};
	table.regions[0] = (struct guest_region){WIRE_RAM_GPA, front->ram_size,
						 WIRE_USER_BASE + WIRE_RAM_GPA, 0};
	table.regions[1] = (struct guest_region){0x1000, 1 << 20, WIRE_USER_BASE + 0x1000, 0};
	int fds[2] = {front->ram_fd, extra};
	assert_int_equal(wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table, 8 + 2 * 32, fds, 2),
			 0);
	assert_int_equal(session_count_maps("memfd:wire-extra"), 1);
	device_release(&session->device);
	device_hold(&session->device, false);
	assert_int_equal(wire_wait_used(front, 0, head), 32);
	check_command(session, 0);
	/* And back: what is gone from the table is gone from our memory. */
	assert_int_equal(wire_send_memory(front), 0);
	assert_int_equal(session_count_maps("memfd:wire-extra"), 0);
	check_command(session, 0);
	close(extra);
}

/* A device thread that is stuck. */

static void block(struct test_device *device, void *data)
{
	char byte;
	if (read(*(int *)data, &byte, 1) < 0) {
		perror("read");
	}
}

static void test_stuck_device(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	device_post(&session->device, block, &pipe_fds[0]);
	/* Everything that the front thread knows is still answered. */
	uint8_t bytes[DEVICE_CONFIG_SIZE];
	for (unsigned i = 0; i < 100; i++) {
		wire_get_u64(front, VHOST_USER_GET_FEATURES);
		wire_get_u64(front, VHOST_USER_GET_PROTOCOL_FEATURES);
		wire_get_u64(front, VHOST_USER_GET_QUEUE_NUM);
		wire_get_config(front, 0, bytes, sizeof(bytes));
		assert_int_equal(wire_send_memory(front), 0);
		uint64_t value = 0;
		assert_int_equal(wire_acked(front, VHOST_USER_SET_VRING_CALL, &value, sizeof(value),
					    &front->rings[0].call, 1),
				 0);
		assert_int_equal(wire_acked(front, 99, NULL, 0, NULL, 0), 1);
	}
	/* What needs the device waits, and what comes behind it too: in order. */
	const struct vhost_user_vring_state off = {0, 0};
	wire_send(front, VHOST_USER_SET_VRING_ENABLE, VHOST_USER_NEED_REPLY, &off, sizeof(off),
		  NULL, 0);
	wire_send(front, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	char byte;
	usleep(20000);
	assert_int_equal(recv(front->socket, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	uint64_t answer = 1;
	wire_receive(front, VHOST_USER_SET_VRING_ENABLE, &answer, sizeof(answer));
	assert_int_equal(answer, 0);
	wire_receive(front, VHOST_USER_GET_FEATURES, &answer, sizeof(answer));
	front->started = false;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void test_front_end_goes(void **state)
{
	struct session *session = *state;
	wire_start(&session->front, DEVICE_FEATURES);
	check_command(session, 0);
	wire_close(&session->front);
	session->front_open = false;
	device_wait(&session->device, &session->device.disconnected, 1);
	assert_int_equal(session->device.error, 0);
	device_wait_order(&session->device, "STX");
}

static void test_destroyed_while_busy(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	wire_start(front, DEVICE_FEATURES);
	device_hold(&session->device, true);
	uint64_t gpa = wire_alloc(front, 64);
	const struct wire_buffer buffers[] = {{gpa, 32, false}, {gpa + 32, 32, true}};
	wire_submit(front, 0, buffers, 2, true);
	device_wait(&session->device, &session->device.held_count, 1);
	front->policy = WIRE_HOLD;
	int fd = session_memfd(4096, 1);
	device_map(&session->device, 0, 4096, fd, 0);
	device_map(&session->device, 4096, 4096, fd, 0);
	close(fd);
	wire_pump_until(front, &front->maps, 1);
	/* The teardown destroys the vhost with the front end still there, and counts fds. */
	session->front_open = false;
	device_close(&session->device);
	assert_true(wire_closed(front));
	wire_close(front);
	session->front_open = false;
	int socket = device_open(&session->device, SESSION_QUEUES, 0);
	close(socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		session_test_unstarted(test_offers),
		cmocka_unit_test_setup_teardown(test_offers_no_window, session_setup_no_window,
						session_teardown),
		session_test(test_probe),
		session_test(test_config_written),
		session_test(test_start_and_commands),
		session_test(test_every_feature_set),
		session_test(test_ring_sizes),
		session_test(test_memory_changes),
		session_test(test_pause_with_work_to_do),
		session_test(test_resets),
		session_test(test_chains_wait_for_enable),
		session_test(test_without_bit_30),
		session_test(test_kick_later),
		session_test(test_call_fd_signalled_once),
		session_test(test_pause_keeps_completions),
		session_test(test_reset_drops_completions),
		session_test(test_pause_at_zero),
		session_test(test_start_elsewhere_is_reset),
		session_test(test_reset_forgets_unused_queue),
		session_test(test_bit_30_after_rings),
		session_test(test_kick_before_features),
		session_test(test_disable_without_stop),
		session_test(test_ring_never_given_back),
		session_test(test_ring_outside_ram),
		session_test(test_same_ram_is_not_mapped_again),
		session_test(test_new_ram_while_running),
		session_test(test_stuck_device),
		session_test(test_front_end_goes),
		session_test(test_destroyed_while_busy),
	};
	return cmocka_run_group_tests(tests, session_warm_up, NULL);
}
