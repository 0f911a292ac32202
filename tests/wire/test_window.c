/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/*
 * The shared-memory window: when requests may be sent, when they count as done, and what a stop, a
 * reset or a front end that refuses makes of them. The scripted front end fails a test by itself
 * when something is sent while the device is stopped.
 */
#define PAGE 4096u

static struct wire_front *start(void **state)
{
	struct session *session = *state;
	wire_start(&session->front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 1);
	return &session->front;
}

static void map_page(struct session *session, uint64_t offset, uint8_t value)
{
	int fd = session_memfd(PAGE, value);
	device_map(&session->device, offset, PAGE, fd, 0);
	close(fd);
}

static unsigned done_count(struct session *session)
{
	return device_count(&session->device, &session->device.done_count);
}

/* Handles back-end requests until the device has count answers. */
static void pump_until_done(struct session *session, unsigned count)
{
	while (done_count(session) < count) {
		wire_pump(&session->front, 1);
	}
}

static void run_command(struct session *session)
{
	uint8_t bytes[16] = {0};
	wire_command(&session->front, 0, bytes, sizeof(bytes), bytes, sizeof(bytes));
	assert_int_equal(bytes[0], 0xff);
}

static void test_map_and_unmap(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	int fd = session_memfd(4 * PAGE, 0x5a);
	device_map(&session->device, 16 * PAGE, 2 * PAGE, fd, 2 * PAGE);
	pump_until_done(session, 1);
	assert_int_equal(session->device.done[0], 0);
	uint8_t *seen = wire_window_at(front, 16 * PAGE, 2 * PAGE);
	assert_non_null(seen);
	assert_int_equal(seen[0], 0x5a);
	/* The guest's writes are in the file, at the right offset. */
	seen[1] = 0x77;
	uint8_t byte = 0;
	assert_int_equal(pread(fd, &byte, 1, 2 * PAGE + 1), 1);
	assert_int_equal(byte, 0x77);
	device_unmap(&session->device, 16 * PAGE, 2 * PAGE);
	pump_until_done(session, 2);
	assert_int_equal(session->device.done[1], 0);
	assert_null(wire_window_at(front, 16 * PAGE, 1));
	assert_int_equal(front->maps, 1);
	assert_int_equal(front->unmaps, 1);
	close(fd);
}

static void test_not_done_before_barrier(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	front->hold_barriers = true;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->barriers, 1);
	/* The MAP was answered and the table was sent; the barrier was not answered. */
	session_settle(session);
	assert_int_equal(done_count(session), 0);
	wire_release(front, 1);
	device_wait(&session->device, &session->device.done_count, 1);
	assert_int_equal(session->device.done[0], 0);
}

/* A front end that knows no shared objects is believed. */
static void test_done_without_barrier(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	front->protocol_unwanted = VHOST_USER_PROTOCOL_SHARED_OBJECT;
	wire_hello(front);
	start(state);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->maps, 1);
	session_settle(session);
	assert_int_equal(done_count(session), 0);
	front->policy = WIRE_ANSWER;
	wire_release(front, 0);
	pump_until_done(session, 1);
	device_unmap(&session->device, 0, PAGE);
	pump_until_done(session, 2);
	map_page(session, 0, 2);
	pump_until_done(session, 3);
	assert_int_equal(*wire_window_at(front, 0, 1), 2);
	assert_int_equal(front->barriers, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(session->device.done[i], 0);
	}
}

/* The device exports none: no fd, whoever asks. */
static void test_no_shared_object(void **state)
{
	struct session *session = *state;
	const uint8_t uuid[VHOST_USER_UUID_BYTES] = "hesper-barrier";
	uint8_t reply[VHOST_USER_UUID_BYTES];
	wire_send(&session->front, VHOST_USER_GET_SHARED_OBJECT, 0, uuid, sizeof(uuid), NULL, 0);
	assert_int_equal(
		wire_receive(&session->front, VHOST_USER_GET_SHARED_OBJECT, reply, sizeof(reply)),
		sizeof(reply));
	assert_memory_equal(reply, uuid, sizeof(uuid));
}

static void test_no_barrier_before_reply(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->maps, 1);
	session_settle(session);
	/* One outstanding: nothing else on the channel, whatever else the device wants. */
	map_page(session, PAGE, 2);
	device_set_config(&session->device, 0, 1, true);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	front->policy = WIRE_ANSWER;
	wire_release(front, 0);
	pump_until_done(session, 2);
	wire_pump_until(front, &front->config_changes, 1);
	assert_int_equal(front->maps, 2);
	assert_int_equal(front->barriers, 2);
	device_wait_order(&session->device, "SDD");
}

static void test_commands_run_while_map_is_out(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->maps, 1);
	for (int i = 0; i < 100; i++) {
		run_command(session);
	}
	assert_int_equal(done_count(session), 0);
	front->policy = WIRE_ANSWER;
	wire_release(front, 0);
	pump_until_done(session, 1);
}

static void test_refused(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	map_page(session, 0, 1);
	pump_until_done(session, 1);
	/* A second one in the same place is refused; the first is still there and can go. */
	front->policy = WIRE_REFUSE;
	map_page(session, 0, 2);
	pump_until_done(session, 2);
	assert_int_equal(session->device.done[1], -EREMOTEIO);
	assert_int_equal(front->barriers, 1);
	device_unmap(&session->device, 0, PAGE);
	pump_until_done(session, 3);
	assert_int_equal(session->device.done[2], -EREMOTEIO);
	front->policy = WIRE_ANSWER;
	device_unmap(&session->device, 0, PAGE);
	pump_until_done(session, 4);
	assert_int_equal(session->device.done[3], 0);
	/* The window goes on working. */
	map_page(session, 0, 3);
	pump_until_done(session, 5);
	assert_int_equal(session->device.done[4], 0);
	assert_int_equal(*wire_window_at(front, 0, 1), 3);
}

static void test_bad_requests_are_not_sent(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	int fd = session_memfd(PAGE, 1);
	const struct {
		uint64_t offset;
		uint64_t size;
		uint64_t fd_offset;
	} bad[] = {
		{0, 0, 0},
		{1, PAGE, 0},
		{0, PAGE + 1, 0},
		{0, PAGE, 12},
		{DEVICE_WINDOW, PAGE, 0},
		{DEVICE_WINDOW - PAGE, 2 * PAGE, 0},
		{UINT64_MAX - PAGE + 1, 2 * PAGE, 0},
		{0, UINT64_MAX - PAGE + 1, 0},
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		device_map(&session->device, bad[i].offset, bad[i].size, fd, bad[i].fd_offset);
		device_wait(&session->device, &session->device.done_count, i + 1);
		assert_int_equal(session->device.done[i], -EINVAL);
	}
	unsigned count = done_count(session);
	device_map(&session->device, 0, PAGE, -1, 0);
	device_wait(&session->device, &session->device.done_count, count + 1);
	assert_int_equal(session->device.done[count], -EBADF);
	device_unmap(&session->device, 0, PAGE);
	device_wait(&session->device, &session->device.done_count, count + 2);
	assert_int_equal(session->device.done[count + 1], -EINVAL);
	assert_false(wire_pump(front, 20));
	close(fd);
}

static void test_many_mappings(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	/* Past the 8 regions of a memory table, where QEMU stops sending any. */
	for (unsigned i = 0; i < 60; i++) {
		map_page(session, (uint64_t)i * PAGE, (uint8_t)i);
	}
	pump_until_done(session, 60);
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(session->device.done[i], 0);
		assert_int_equal(*wire_window_at(front, (uint64_t)i * PAGE, PAGE), i);
	}
	/* Unmap, then map in the same place, in order and without waiting in between. */
	device_unmap(&session->device, 3 * PAGE, PAGE);
	map_page(session, 3 * PAGE, 0xaa);
	pump_until_done(session, 62);
	assert_int_equal(*wire_window_at(front, 3 * PAGE, PAGE), 0xaa);
	/* No table in the start after a pause: QEMU does not start then, another front end might. */
	run_command(session);
	wire_stop(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 1);
}

static void test_echoes_are_not_mapped(void **state)
{
	struct session *session = *state;
	start(state);
	assert_int_equal(session_count_maps("memfd:window"), 0);
	int fd = session_memfd(4 * PAGE, 1);
	for (unsigned i = 0; i < 4; i++) {
		/* Four mappings of one file, the case that needs more than the inode. */
		device_map(&session->device, 2 * i * PAGE, PAGE, fd, i * PAGE);
	}
	pump_until_done(session, 4);
	/* The front end's own mappings, and no other: each table of it was understood. */
	assert_int_equal(session_count_maps("memfd:window"), 4);
	assert_int_equal(session_count_maps("memfd:wire-ram"), 2);
	close(fd);
}

static void test_echo_in_parts(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	int fd = session_memfd(4 * PAGE, 1);
	device_map(&session->device, 0, 2 * PAGE, fd, PAGE);
	pump_until_done(session, 1);
	unsigned before = session_count_maps("memfd:window");
	struct vhost_user_memory_table table = {.count = 2};
	int fds[2] = {front->ram_fd, fd};
	table.regions[0] = (struct guest_region){WIRE_RAM_GPA, front->ram_size,
						 WIRE_USER_BASE + WIRE_RAM_GPA, 0};
	/* A part of the mapping is ours; what reaches past it is not, and is RAM. */
	table.regions[1] = (struct guest_region){WIRE_WINDOW_GPA + PAGE, PAGE, 0x1000, 2 * PAGE};
	assert_int_equal(wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 0);
	assert_int_equal(session_count_maps("memfd:window"), before);
	table.regions[1].mmap_offset = 3 * PAGE;
	assert_int_equal(wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 0);
	assert_int_equal(session_count_maps("memfd:window"), before + 1);
	table.regions[1].mmap_offset = 0;
	assert_int_equal(wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 0);
	assert_int_equal(session_count_maps("memfd:window"), before + 1);
	/* Another file of that kind is RAM, too. */
	table.regions[1].mmap_offset = 2 * PAGE;
	fds[1] = session_memfd(4 * PAGE, 2);
	assert_int_equal(wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 0);
	assert_int_equal(session_count_maps("memfd:window"), before + 1);
	close(fds[1]);
	close(fd);
}

static void test_refused_is_no_window(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	front->policy = WIRE_REFUSE;
	int fd = session_memfd(PAGE, 1);
	device_map(&session->device, 0, PAGE, fd, 0);
	pump_until_done(session, 1);
	struct vhost_user_memory_table table = {.count = 2};
	const int fds[2] = {front->ram_fd, fd};
	table.regions[0] = (struct guest_region){WIRE_RAM_GPA, front->ram_size,
						 WIRE_USER_BASE + WIRE_RAM_GPA, 0};
	table.regions[1] = (struct guest_region){0x1000, PAGE, 0x1000, 0};
	assert_int_equal(wire_acked(front, VHOST_USER_SET_MEM_TABLE, &table, 8 + 64, fds, 2), 0);
	assert_int_equal(session_count_maps("memfd:window"), 1);
	close(fd);
}

/* Stops. */

static void test_nothing_before_start(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	map_page(session, 0, 1);
	device_set_config(&session->device, 0, 0x11223344, true);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	start(state);
	/* The start is a reset: what was asked before it is not wanted any more. */
	device_wait(&session->device, &session->device.done_count, 1);
	assert_int_equal(session->device.done[0], -ECANCELED);
	/* The config change is: kept until the device is started. */
	wire_pump_until(front, &front->config_changes, 1);
	uint32_t value;
	wire_get_config(front, 0, &value, sizeof(value));
	assert_int_equal(value, 0x11223344);
	assert_int_equal(front->maps, 0);
}

static void test_nothing_after_stop(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	const struct vhost_user_vring_state off = {0, 0};
	assert_int_equal(wire_acked(front, VHOST_USER_SET_VRING_ENABLE, &off, sizeof(off), NULL, 0),
			 0);
	front->started = false;
	/* One ring is disabled, the other still to come: nothing may be sent any more. */
	map_page(session, 0, 1);
	device_set_config(&session->device, 0, 1, true);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	wire_stop(front);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	/* It was a pause: both are done now. */
	wire_start(front, DEVICE_FEATURES);
	pump_until_done(session, 1);
	assert_int_equal(session->device.done[0], 0);
	wire_pump_until(front, &front->config_changes, 1);
	device_wait_order(&session->device, "STRD");
}

/* QEMU reads requests when it comes to it, also after it has stopped the device: it would crash. */
static void test_stop_before_it_is_read(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	for (unsigned i = 1; i <= 3; i++) {
		map_page(session, (i - 1) * PAGE, (uint8_t)i);
		session_settle(session);
		wire_stop(front);
		session_settle(session);
		wire_pump_until(front, &front->revoked, i);
		assert_false(wire_pump(front, 20));
		assert_int_equal(front->maps, i - 1);
		wire_start(front, DEVICE_FEATURES);
		pump_until_done(session, i);
		assert_int_equal(session->device.done[i - 1], 0);
		assert_int_equal(*wire_window_at(front, (i - 1) * PAGE, 1), i);
	}
	device_unmap(&session->device, 0, PAGE);
	session_settle(session);
	wire_stop(front);
	wire_pump_until(front, &front->revoked, 4);
	wire_start(front, DEVICE_FEATURES);
	pump_until_done(session, 4);
	assert_int_equal(session->device.done[3], 0);
	assert_null(wire_window_at(front, 0, 1));
	device_set_config(&session->device, 0, 7, true);
	session_settle(session);
	wire_stop(front);
	wire_pump_until(front, &front->revoked, 5);
	wire_start(front, DEVICE_FEATURES);
	wire_pump_until(front, &front->config_changes, 1);
}

/* As before, but it was a reset. */
static void test_reset_before_it_is_read(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	map_page(session, 0, 1);
	session_settle(session);
	wire_stop(front);
	wire_reset(front);
	wire_pump_until(front, &front->revoked, 1);
	wire_start(front, DEVICE_FEATURES);
	pump_until_done(session, 1);
	assert_int_equal(session->device.done[0], -ECANCELED);
	assert_false(wire_pump(front, 20));
	map_page(session, 0, 2);
	pump_until_done(session, 2);
	assert_int_equal(*wire_window_at(front, 0, 1), 2);
}

static void test_config_change_only_while_started(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	for (unsigned i = 1; i <= 5; i++) {
		device_set_config(&session->device, 0, i, true);
		wire_pump_until(front, &front->config_changes, i);
	}
	/* No notice asked for, none sent. */
	device_set_config(&session->device, 0, 9, false);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	wire_stop(front);
	for (unsigned i = 0; i < 5; i++) {
		device_set_config(&session->device, 0, i, true);
	}
	session_settle(session);
	assert_false(wire_pump(front, 20));
	wire_reset(front);
	wire_start(front, DEVICE_FEATURES);
	/* Once is enough. */
	wire_pump_until(front, &front->config_changes, 6);
	session_settle(session);
	assert_false(wire_pump(front, 20));
}

static void block(struct test_device *device, void *data)
{
	char byte;
	if (read(*(int *)data, &byte, 1) != 1) {
		abort();
	}
}

static void test_stop_counts_before_it_is_answered(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->maps, 1);
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	device_post(&session->device, block, &pipe_fds[0]);
	/* The front thread reads this, but cannot answer: the device thread is stuck. */
	const struct vhost_user_vring_state off = {0, 0};
	wire_send(front, VHOST_USER_SET_VRING_ENABLE, VHOST_USER_NEED_REPLY, &off, sizeof(off),
		  NULL, 0);
	int unread = 1;
	while (unread > 0) {
		assert_int_equal(ioctl(front->socket, SIOCOUTQ, &unread), 0);
	}
	usleep(20000);
	front->started = false;
	front->policy = WIRE_ANSWER;
	wire_release(front, 0);
	/* The reply to the MAP calls for a barrier: not now. */
	assert_false(wire_pump(front, 50));
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	uint64_t answer = 1;
	wire_receive(front, VHOST_USER_SET_VRING_ENABLE, &answer, sizeof(answer));
	assert_int_equal(answer, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	wire_stop(front);
	wire_start(front, DEVICE_FEATURES);
	pump_until_done(session, 1);
	assert_int_equal(session->device.done[0], 0);
}

static void test_pause_with_map_out(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 0x42);
	map_page(session, PAGE, 0x43);
	wire_pump_until(front, &front->maps, 1);
	wire_stop(front);
	session_settle(session);
	assert_int_equal(done_count(session), 0);
	/* The reply comes after the stop; the barrier must wait for the start. */
	front->policy = WIRE_ANSWER;
	wire_release(front, 0);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	assert_int_equal(done_count(session), 0);
	wire_start(front, DEVICE_FEATURES);
	pump_until_done(session, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 1);
	assert_int_equal(session->device.done[0], 0);
	assert_int_equal(session->device.done[1], 0);
	assert_int_equal(*wire_window_at(front, 0, 1), 0x42);
	assert_int_equal(*wire_window_at(front, PAGE, 1), 0x43);
}

static void test_pause_with_barrier_out(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	front->hold_barriers = true;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->barriers, 1);
	wire_stop(front);
	wire_release(front, 1);
	device_wait(&session->device, &session->device.done_count, 1);
	front->hold_barriers = false;
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 1);
}

static void test_unmap_pending_over_pause(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	map_page(session, 0, 1);
	pump_until_done(session, 1);
	wire_stop(front);
	device_unmap(&session->device, 0, PAGE);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	assert_int_equal(wire_window_count(front), 1);
	wire_start(front, DEVICE_FEATURES);
	pump_until_done(session, 2);
	assert_int_equal(session->device.done[1], 0);
	assert_int_equal(wire_window_count(front), 0);
}

static void test_reset_cancels(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	map_page(session, 0, 1);
	pump_until_done(session, 1);
	front->policy = WIRE_HOLD;
	map_page(session, PAGE, 2);
	device_unmap(&session->device, 0, PAGE);
	wire_pump_until(front, &front->maps, 2);
	wire_stop(front);
	wire_reset(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 0);
	assert_int_equal(done_count(session), 3);
	assert_int_equal(session->device.done[1], -ECANCELED);
	assert_int_equal(session->device.done[2], -ECANCELED);
	/* The answers come before the device is told that it starts afresh. */
	device_wait_order(&session->device, "SDTDDS");
	/* The old reply still comes; it means nothing to the new request. */
	front->policy = WIRE_ANSWER;
	map_page(session, PAGE, 3);
	session_settle(session);
	assert_false(wire_pump(front, 20));
	wire_release(front, 1);
	pump_until_done(session, 4);
	assert_int_equal(session->device.done[3], 0);
	assert_int_equal(*wire_window_at(front, PAGE, 1), 3);
}

static void test_reset_forgets_mappings(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	map_page(session, 0, 1);
	pump_until_done(session, 1);
	wire_stop(front);
	wire_reset(front);
	wire_start(front, DEVICE_FEATURES);
	run_command(session);
	/* A pause of the new driver, which has no window: none is missed in the table. */
	wire_stop(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait_order(&session->device, "SDTSTR");
}

static void ask_again(struct test_device *device, void *data)
{
	device->ask_again = true;
}

static void test_reset_cancels_what_comes_of_it(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	map_page(session, 0, 1);
	pump_until_done(session, 1);
	wire_stop(front);
	map_page(session, PAGE, 2);
	session_settle(session);
	/* The answer to the cancelled MAP makes an UNMAP: of a mapping that is gone as well. */
	device_run(&session->device, ask_again, NULL);
	wire_reset(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait_order(&session->device, "SDTDDS");
	assert_int_equal(session->device.done[1], -ECANCELED);
	assert_int_equal(session->device.done[2], -ECANCELED);
	session_settle(session);
	assert_false(wire_pump(front, 20));
}

/* Ends the device thread's turn with a refused request that the start behind it must find. */
static void refused_and_reset(struct test_device *device, void *data)
{
	struct session *session = data;
	const struct vhost_user_vring_state on = {0, 1};
	wire_send(&session->front, VHOST_USER_SET_VRING_ENABLE, VHOST_USER_NEED_REPLY, &on,
		  sizeof(on), NULL, 0);
	/* The front thread has posted its letter when it does not read the socket any more. */
	usleep(50000);
	device->ask_again = true;
	vhost_window_map(device->vhost, 1, 1, 0, 0, true, device_window_done, device);
	if (device->done_count != 0) {
		abort();
	}
}

static void test_refusals_do_not_outlive_a_reset(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	wire_stop(front);
	wire_reset(front);
	assert_int_equal(wire_send_memory(front), 0);
	wire_set_ring(front, 0);
	device_run(&session->device, refused_and_reset, session);
	uint64_t answer = 1;
	wire_receive(front, VHOST_USER_SET_VRING_ENABLE, &answer, sizeof(answer));
	assert_int_equal(answer, 0);
	front->started = true;
	device_wait_order(&session->device, "STDDS");
	assert_int_equal(session->device.done[0], -EINVAL);
	assert_int_equal(session->device.done[1], -ECANCELED);
}

static void test_answers_in_order(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->maps, 1);
	/* Refused at once, but told when it is its turn. */
	map_page(session, DEVICE_WINDOW, 1);
	map_page(session, PAGE, 1);
	session_settle(session);
	assert_int_equal(done_count(session), 0);
	front->policy = WIRE_ANSWER;
	wire_release(front, 0);
	pump_until_done(session, 3);
	assert_int_equal(session->device.done[0], 0);
	assert_int_equal(session->device.done[1], -EINVAL);
	assert_int_equal(session->device.done[2], 0);
}

static void test_resume_needs_the_windows(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	run_command(session);
	map_page(session, 0, 1);
	pump_until_done(session, 1);
	/* A pause: the window is in the table. */
	wire_stop(front);
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 2);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 1);
	/* Everything as after a pause, but the mappings are gone: it was a reset. */
	wire_stop(front);
	for (unsigned i = 0; i < WIRE_MAX_WINDOWS; i++) {
		if (front->windows[i].used) {
			front->windows[i].used = false;
			close(front->windows[i].fd);
		}
	}
	wire_start(front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 3);
	assert_int_equal(device_count(&session->device, &session->device.resumed), 1);
	/* They are forgotten: the same place can be mapped again. */
	map_page(session, 0, 9);
	pump_until_done(session, 2);
	assert_int_equal(session->device.done[1], 0);
}

/* A channel that fails. */

static void test_channel_closed(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 1);
	map_page(session, PAGE, 1);
	wire_pump_until(front, &front->maps, 1);
	fd_close(&front->channel);
	device_wait(&session->device, &session->device.done_count, 2);
	assert_int_equal(session->device.done[0], -ENOTCONN);
	assert_int_equal(session->device.done[1], -ENOTCONN);
	/* The rest of the device lives. */
	run_command(session);
}

static void test_channel_nonsense(void **state)
{
	struct session *session = *state;
	struct wire_front *front = start(state);
	front->policy = WIRE_HOLD;
	map_page(session, 0, 1);
	wire_pump_until(front, &front->maps, 1);
	const uint32_t wrong[5] = {VHOST_USER_BACKEND_SHMEM_UNMAP, 5, 8, 0, 0};
	assert_int_equal(write(front->channel, wrong, sizeof(wrong)), sizeof(wrong));
	device_wait(&session->device, &session->device.done_count, 1);
	assert_int_equal(session->device.done[0], -ENOTCONN);
	fd_close(&front->channel);
	run_command(session);
}

static void test_request_after_disconnect(void **state)
{
	struct session *session = *state;
	start(state);
	wire_close(&session->front);
	session->front_open = false;
	device_wait(&session->device, &session->device.disconnected, 1);
	map_page(session, 0, 1);
	device_wait(&session->device, &session->device.done_count, 1);
	assert_int_equal(session->device.done[0], -ENOTCONN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		session_test(test_map_and_unmap),
		session_test(test_not_done_before_barrier),
		session_test_unstarted(test_done_without_barrier),
		session_test(test_no_shared_object),
		session_test(test_no_barrier_before_reply),
		session_test(test_commands_run_while_map_is_out),
		session_test(test_refused),
		session_test(test_bad_requests_are_not_sent),
		session_test(test_many_mappings),
		session_test(test_echoes_are_not_mapped),
		session_test(test_echo_in_parts),
		session_test(test_refused_is_no_window),
		session_test(test_nothing_before_start),
		session_test(test_nothing_after_stop),
		session_test(test_stop_before_it_is_read),
		session_test(test_reset_before_it_is_read),
		session_test(test_config_change_only_while_started),
		session_test(test_stop_counts_before_it_is_answered),
		session_test(test_pause_with_map_out),
		session_test(test_pause_with_barrier_out),
		session_test(test_unmap_pending_over_pause),
		session_test(test_reset_cancels),
		session_test(test_reset_forgets_mappings),
		session_test(test_reset_cancels_what_comes_of_it),
		session_test(test_refusals_do_not_outlive_a_reset),
		session_test(test_answers_in_order),
		session_test(test_resume_needs_the_windows),
		session_test(test_channel_closed),
		session_test(test_channel_nonsense),
		session_test(test_request_after_disconnect),
	};
	return cmocka_run_group_tests(tests, session_warm_up, NULL);
}
