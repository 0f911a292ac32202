/* SPDX-License-Identifier: MIT */
#include "malformed.h"
#include "scenarios.h"
#include "session.h"

#include <fcntl.h>
#include <sys/eventfd.h>

/*
 * What a front end should not send. The answer is a failure where one is due, the session goes on,
 * and no fd is left behind (the teardown counts them); only a header that cannot be parsed ends it.
 */
static void check_alive(struct session *session)
{
	assert_true(wire_get_u64(&session->front, VHOST_USER_GET_FEATURES) ==
		    (DEVICE_FEATURES | VHOST_USER_F_PROTOCOL_FEATURES));
}

/* A failure is 1 to NEED_REPLY, and an empty reply where the request has its own. */
static void expect_failure(void *data, const struct malformed *message)
{
	struct session *session = data;
	struct wire_front *front = &session->front;
	uint8_t reply[4096];
	wire_send(front, message->request, VHOST_USER_NEED_REPLY, message->payload, message->size,
		  message->fds, message->fd_count);
	uint32_t got = wire_receive(front, message->request, reply, sizeof(reply));
	if (message->replies) {
		assert_int_equal(got, 0);
		return;
	}
	assert_int_equal(got, 8);
	uint64_t value;
	memcpy(&value, reply, sizeof(value));
	assert_int_equal(value, 1);
}

static void expect_failures(void **state, void (*make)(const struct malformed_rig *rig))
{
	struct session *session = *state;
	const struct malformed_rig rig = {SESSION_QUEUES, session->front.ram_fd, SESSION_RAM,
					  expect_failure, session};
	make(&rig);
	check_alive(session);
}

static void test_wrong_size(void **state)
{
	expect_failures(state, malformed_sizes);
}

static void test_wrong_size_without_reply(void **state)
{
	struct session *session = *state;
	static const uint8_t zeros[64];
	uint32_t requests[32];
	size_t count = malformed_silent(requests, 32);
	for (size_t i = 0; i < count; i++) {
		wire_send(&session->front, requests[i], 0, zeros, 63, NULL, 0);
	}
	/* Nothing came back for those. */
	check_alive(session);
}

static void test_bad_index(void **state)
{
	expect_failures(state, malformed_queues);
}

static void test_bad_ring_values(void **state)
{
	expect_failures(state, malformed_ring_values);
}

static void test_surplus_fds(void **state)
{
	expect_failures(state, malformed_surplus_fds);
}

static void test_unwanted_fd(void **state)
{
	expect_failures(state, malformed_unwanted_fds);
}

static void test_missing_fd(void **state)
{
	struct session *session = *state;
	expect_failures(state, malformed_missing_fds);
	/* Polling queues are not supported. */
	const uint64_t value = VHOST_USER_VRING_NO_FD;
	assert_int_equal(wire_acked(&session->front, VHOST_USER_SET_VRING_KICK, &value, 8, NULL, 0),
			 1);
	check_alive(session);
}

static void test_fd_of_the_wrong_kind(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint64_t features = VHOST_USER_F_PROTOCOL_FEATURES;
	wire_send(front, VHOST_USER_SET_FEATURES, 0, &features, sizeof(features), NULL, 0);
	/* Not pollable as a channel; a queue whose kick fd is dead simply has no kicks. */
	assert_int_equal(
		wire_acked(front, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &front->ram_fd, 1), 1);
	uint64_t value = 0;
	assert_int_equal(wire_acked(front, VHOST_USER_SET_VRING_KICK, &value, 8, &front->ram_fd, 1),
			 0);
	assert_int_equal(wire_acked(front, VHOST_USER_SET_VRING_KICK, &value, 8, &fd, 1), 0);
	close(fd);
	session_settle(session);
	check_alive(session);
}

static void test_bad_memory_tables(void **state)
{
	struct session *session = *state;
	expect_failures(state, malformed_memory_tables);
	assert_int_equal(session_count_maps("memfd:wire-ram"), 1);
	/* The right one still works. */
	wire_start(&session->front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 1);
}

static void test_bad_config(void **state)
{
	struct session *session = *state;
	expect_failures(state, malformed_configs);
	assert_int_equal(device_count(&session->device, &session->device.writes), 0);
}

static void test_unknown_requests(void **state)
{
	struct session *session = *state;
	static const uint8_t zeros[512];
	int fd = eventfd(0, 0);
	expect_failures(state, malformed_requests);
	/* Without NEED_REPLY there is no answer. */
	wire_send(&session->front, 99, 0, zeros, sizeof(zeros), &fd, 1);
	/* Of QEMU's vhost-user-gpu device, which has another display. */
	assert_int_equal(wire_acked(&session->front, 33, NULL, 0, &fd, 1), 1);
	close(fd);
	check_alive(session);
}

static void test_reply_flag(void **state)
{
	struct session *session = *state;
	uint64_t value = 0;
	wire_send(&session->front, VHOST_USER_SET_FEATURES, VHOST_USER_REPLY, &value, 8, NULL, 0);
	check_alive(session);
}

static void expect_end(struct session *session, int error)
{
	assert_true(wire_closed(&session->front));
	device_wait(&session->device, &session->device.disconnected, 1);
	assert_int_equal(session->device.error, error);
}

static void test_too_large_ends_the_session(void **state)
{
	struct session *session = *state;
	const struct vhost_user_header header = {VHOST_USER_SET_CONFIG, 1,
						 VHOST_USER_MAX_PAYLOAD + 1};
	assert_int_equal(write(session->front.socket, &header, sizeof(header)), sizeof(header));
	expect_end(session, -EPROTO);
}

static void test_wrong_version_ends_the_session(void **state)
{
	struct session *session = *state;
	const struct vhost_user_header header = {VHOST_USER_GET_FEATURES, 2, 0};
	assert_int_equal(write(session->front.socket, &header, sizeof(header)), sizeof(header));
	expect_end(session, -EPROTO);
}

static void test_end_inside_a_message(void **state)
{
	struct session *session = *state;
	const struct vhost_user_header header = {VHOST_USER_SET_FEATURES, 1, 8};
	assert_int_equal(write(session->front.socket, &header, sizeof(header)), sizeof(header));
	wire_close(&session->front);
	session->front_open = false;
	device_wait(&session->device, &session->device.disconnected, 1);
	assert_int_equal(session->device.error, -ECONNRESET);
}

static void test_byte_by_byte(void **state)
{
	struct session *session = *state;
	assert_true(scenario_in_pieces(&session->front, 1));
	assert_true(scenario_in_pieces(&session->front, 12));
}

static void test_front_end_that_does_not_read(void **state)
{
	struct session *session = *state;
	scenario_late_reader(&session->front, VHOST_USER_GET_SHMEM_CONFIG, 2000);
	check_alive(session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		session_test(test_wrong_size),
		session_test(test_wrong_size_without_reply),
		session_test(test_bad_index),
		session_test(test_bad_ring_values),
		session_test(test_surplus_fds),
		session_test(test_unwanted_fd),
		session_test(test_missing_fd),
		session_test(test_fd_of_the_wrong_kind),
		session_test(test_bad_memory_tables),
		session_test(test_bad_config),
		session_test(test_unknown_requests),
		session_test(test_reply_flag),
		session_test(test_too_large_ends_the_session),
		session_test(test_wrong_version_ends_the_session),
		session_test(test_end_inside_a_message),
		session_test(test_byte_by_byte),
		session_test(test_front_end_that_does_not_read),
	};
	return cmocka_run_group_tests(tests, session_warm_up, NULL);
}
