/* SPDX-License-Identifier: MIT */
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

/* Payload size that is right for the request, or 0xffff when several are. */
static const struct {
	uint32_t id;
	uint32_t size;
	bool replies;
} known[] = {
	{VHOST_USER_GET_FEATURES, 0, true},
	{VHOST_USER_SET_FEATURES, 8, false},
	{VHOST_USER_SET_OWNER, 0, false},
	{VHOST_USER_RESET_OWNER, 0, false},
	{VHOST_USER_SET_MEM_TABLE, 0xffff, false},
	{VHOST_USER_SET_VRING_NUM, 8, false},
	{VHOST_USER_SET_VRING_ADDR, 40, false},
	{VHOST_USER_SET_VRING_BASE, 8, false},
	{VHOST_USER_GET_VRING_BASE, 8, true},
	{VHOST_USER_SET_VRING_KICK, 8, false},
	{VHOST_USER_SET_VRING_CALL, 8, false},
	{VHOST_USER_SET_VRING_ERR, 8, false},
	{VHOST_USER_GET_PROTOCOL_FEATURES, 0, true},
	{VHOST_USER_SET_PROTOCOL_FEATURES, 8, false},
	{VHOST_USER_GET_QUEUE_NUM, 0, true},
	{VHOST_USER_SET_VRING_ENABLE, 8, false},
	{VHOST_USER_SET_BACKEND_REQ_FD, 0, false},
	{VHOST_USER_GET_CONFIG, 0xffff, true},
	{VHOST_USER_SET_CONFIG, 0xffff, false},
	{VHOST_USER_GET_SHMEM_CONFIG, 0, true},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

/* A failure is 1 to NEED_REPLY, and an empty reply where the request has its own. */
static void expect_failure(struct session *session, unsigned which, const void *payload,
			   uint32_t size, const int *fds, size_t fd_count)
{
	struct wire_front *front = &session->front;
	uint8_t reply[4096];
	wire_send(front, known[which].id, VHOST_USER_NEED_REPLY, payload, size, fds, fd_count);
	uint32_t got = wire_receive(front, known[which].id, reply, sizeof(reply));
	if (known[which].replies) {
		assert_int_equal(got, 0);
		return;
	}
	assert_int_equal(got, 8);
	uint64_t value;
	memcpy(&value, reply, sizeof(value));
	assert_int_equal(value, 1);
}

static void test_wrong_size(void **state)
{
	struct session *session = *state;
	static const uint8_t zeros[VHOST_USER_MAX_PAYLOAD];
	const uint32_t sizes[] = {
		0, 1, 4, 7, 8, 9, 12, 39, 40, 41, 300, 2056, VHOST_USER_MAX_PAYLOAD};
	for (unsigned i = 0; i < KNOWN; i++) {
		for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			/* 12 zeros are a right GET_CONFIG and SET_CONFIG of no bytes. */
			bool right = sizes[k] == known[i].size ||
				     (known[i].size == 0xffff && sizes[k] == 12 &&
				      known[i].id != VHOST_USER_SET_MEM_TABLE);
			if (!right) {
				expect_failure(session, i, zeros, sizes[k], NULL, 0);
			}
		}
	}
	check_alive(session);
}

static void test_wrong_size_without_reply(void **state)
{
	struct session *session = *state;
	static const uint8_t zeros[64];
	for (unsigned i = 0; i < KNOWN; i++) {
		if (!known[i].replies) {
			wire_send(&session->front, known[i].id, 0, zeros, 63, NULL, 0);
		}
	}
	/* Nothing came back for those. */
	check_alive(session);
}

static unsigned index_of(uint32_t id)
{
	for (unsigned i = 0; i < KNOWN; i++) {
		if (known[i].id == id) {
			return i;
		}
	}
	fail();
	return 0;
}

static void test_bad_index(void **state)
{
	struct session *session = *state;
	const uint32_t bad[] = {SESSION_QUEUES, VHOST_MAX_QUEUES, 255, 0x7fffffff, UINT32_MAX};
	const uint32_t ids[] = {VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
				VHOST_USER_GET_VRING_BASE, VHOST_USER_SET_VRING_ENABLE};
	int fd = eventfd(0, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct vhost_user_vring_state ring = {bad[i], 1};
		for (unsigned k = 0; k < sizeof(ids) / sizeof(ids[0]); k++) {
			expect_failure(session, index_of(ids[k]), &ring, sizeof(ring), NULL, 0);
		}
		const struct vhost_user_vring_addr addr = {.index = bad[i]};
		expect_failure(session, index_of(VHOST_USER_SET_VRING_ADDR), &addr, sizeof(addr),
			       NULL, 0);
		uint64_t value = bad[i] & VHOST_USER_VRING_INDEX_MASK;
		expect_failure(session, index_of(VHOST_USER_SET_VRING_KICK), &value, 8, &fd, 1);
		expect_failure(session, index_of(VHOST_USER_SET_VRING_CALL), &value, 8, &fd, 1);
		expect_failure(session, index_of(VHOST_USER_SET_VRING_ERR), &value, 8, &fd, 1);
	}
	close(fd);
	check_alive(session);
}

static void test_bad_ring_values(void **state)
{
	struct session *session = *state;
	const uint32_t sizes[] = {0, 3, 255, 2048, 65536, UINT32_MAX};
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct vhost_user_vring_state num = {0, sizes[i]};
		expect_failure(session, index_of(VHOST_USER_SET_VRING_NUM), &num, sizeof(num), NULL,
			       0);
	}
	const struct vhost_user_vring_state base = {0, 65536};
	expect_failure(session, index_of(VHOST_USER_SET_VRING_BASE), &base, sizeof(base), NULL, 0);
	const struct vhost_user_vring_state enable = {0, 2};
	expect_failure(session, index_of(VHOST_USER_SET_VRING_ENABLE), &enable, sizeof(enable),
		       NULL, 0);
	check_alive(session);
}

static void test_surplus_fds(void **state)
{
	struct session *session = *state;
	static const uint8_t zeros[64];
	int fds[40];
	for (unsigned i = 0; i < 40; i++) {
		fds[i] = eventfd(0, 0);
	}
	const size_t counts[] = {2, 8, 9, 16, 17, 40};
	for (unsigned i = 0; i < KNOWN; i++) {
		for (unsigned k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
			uint32_t size = known[i].size == 0xffff ? 12 : known[i].size;
			expect_failure(session, i, zeros, size, fds, counts[k]);
		}
	}
	fd_close_all(fds, 40);
	check_alive(session);
}

static void test_unwanted_fd(void **state)
{
	struct session *session = *state;
	static const uint8_t zeros[64];
	int fd = eventfd(0, 0);
	const uint32_t ids[] = {VHOST_USER_GET_FEATURES, VHOST_USER_SET_VRING_NUM,
				VHOST_USER_SET_OWNER, VHOST_USER_GET_VRING_BASE};
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		unsigned which = index_of(ids[i]);
		expect_failure(session, which, zeros, known[which].size, &fd, 1);
	}
	/* It says that there is no fd, and has one. */
	uint64_t value = VHOST_USER_VRING_NO_FD;
	expect_failure(session, index_of(VHOST_USER_SET_VRING_CALL), &value, 8, &fd, 1);
	close(fd);
	check_alive(session);
}

static void test_missing_fd(void **state)
{
	struct session *session = *state;
	uint64_t value = 0;
	expect_failure(session, index_of(VHOST_USER_SET_VRING_KICK), &value, 8, NULL, 0);
	expect_failure(session, index_of(VHOST_USER_SET_VRING_CALL), &value, 8, NULL, 0);
	expect_failure(session, index_of(VHOST_USER_SET_VRING_ERR), &value, 8, NULL, 0);
	expect_failure(session, index_of(VHOST_USER_SET_BACKEND_REQ_FD), NULL, 0, NULL, 0);
	/* Polling queues are not supported. */
	value = VHOST_USER_VRING_NO_FD;
	expect_failure(session, index_of(VHOST_USER_SET_VRING_KICK), &value, 8, NULL, 0);
	struct vhost_user_memory_table table = {.count = 2};
	expect_failure(session, index_of(VHOST_USER_SET_MEM_TABLE), &table, 8 + 64,
		       &session->front.ram_fd, 1);
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
	expect_failure(session, index_of(VHOST_USER_SET_BACKEND_REQ_FD), NULL, 0, &front->ram_fd,
		       1);
	uint64_t value = 0;
	assert_int_equal(wire_acked(front, VHOST_USER_SET_VRING_KICK, &value, 8, &front->ram_fd, 1),
			 0);
	assert_int_equal(wire_acked(front, VHOST_USER_SET_VRING_KICK, &value, 8, &fd, 1), 0);
	close(fd);
	session_settle(session);
	check_alive(session);
}

static void expect_bad_table(struct session *session, const struct vhost_user_memory_table *table,
			     uint32_t count)
{
	const int ram = session->front.ram_fd;
	const int fds[VHOST_USER_MAX_REGIONS] = {ram, ram, ram, ram, ram, ram, ram, ram};
	expect_failure(session, index_of(VHOST_USER_SET_MEM_TABLE), table, 8 + 32 * count, fds,
		       count);
}

static void test_bad_memory_tables(void **state)
{
	struct session *session = *state;
	struct vhost_user_memory_table table = {.count = 0};
	expect_bad_table(session, &table, 0);
	table.count = 9;
	expect_bad_table(session, &table, 8);
	table.count = UINT32_MAX;
	expect_bad_table(session, &table, 1);
	/* Empty, wrapping, past the end of the file, overlapping. */
	table.count = 1;
	table.regions[0] = (struct guest_region){0x1000, 0, 0x1000, 0};
	expect_bad_table(session, &table, 1);
	table.regions[0] = (struct guest_region){UINT64_MAX - 0xfff, 0x2000, 0x1000, 0};
	expect_bad_table(session, &table, 1);
	table.regions[0] = (struct guest_region){0x1000, 0x1000, UINT64_MAX - 0xfff, 0};
	expect_bad_table(session, &table, 1);
	table.regions[0] = (struct guest_region){0x1000, 0x1000, 0x1000, UINT64_MAX - 0xfff};
	expect_bad_table(session, &table, 1);
	table.regions[0] = (struct guest_region){0x1000, 0x2000, 0x1000, SESSION_RAM - 0x1000};
	expect_bad_table(session, &table, 1);
	/* One fd more than regions, of which there cannot be more. */
	table.count = VHOST_USER_MAX_REGIONS;
	int nine[9];
	for (unsigned i = 0; i < 9; i++) {
		nine[i] = session->front.ram_fd;
		table.regions[i % 8] =
			(struct guest_region){0x1000ull * (i % 8), 0x1000, 0x1000ull * (i % 8), 0};
	}
	expect_failure(session, index_of(VHOST_USER_SET_MEM_TABLE), &table, sizeof(table), nine, 9);
	table.count = 2;
	table.regions[0] = (struct guest_region){0x1000, 0x2000, 0x1000, 0};
	table.regions[1] = (struct guest_region){0x2000, 0x2000, 0x8000, 0};
	expect_bad_table(session, &table, 2);
	assert_int_equal(session_count_maps("memfd:wire-ram"), 1);
	/* The right one still works. */
	wire_start(&session->front, DEVICE_FEATURES);
	device_wait(&session->device, &session->device.started, 1);
}

static void test_bad_config(void **state)
{
	struct session *session = *state;
	struct vhost_user_config config = {.offset = 0, .size = 257};
	unsigned get = index_of(VHOST_USER_GET_CONFIG);
	unsigned set = index_of(VHOST_USER_SET_CONFIG);
	expect_failure(session, get, &config, 12 + 256, NULL, 0);
	config.size = 24;
	expect_failure(session, get, &config, 12 + 23, NULL, 0);
	expect_failure(session, set, &config, 12 + 25, NULL, 0);
	config.offset = 256;
	config.size = 1;
	expect_failure(session, get, &config, 12 + 1, NULL, 0);
	expect_failure(session, set, &config, 12 + 1, NULL, 0);
	config.offset = UINT32_MAX;
	expect_failure(session, get, &config, 12 + 1, NULL, 0);
	expect_failure(session, set, &config, 12 + 1, NULL, 0);
	assert_int_equal(device_count(&session->device, &session->device.writes), 0);
	check_alive(session);
}

static void test_unknown_requests(void **state)
{
	struct session *session = *state;
	static const uint8_t zeros[512];
	int fd = eventfd(0, 0);
	const uint32_t ids[] = {0,  6,  7,  19, 20, 22, 23, 26, 31, 32, 33,   34,        36,
				37, 38, 39, 40, 41, 42, 43, 45, 46, 99, 1000, UINT32_MAX};
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(wire_acked(&session->front, ids[i], zeros, 40, &fd, 1), 1);
		/* Without NEED_REPLY there is none. */
		wire_send(&session->front, ids[i], 0, zeros, sizeof(zeros), &fd, 1);
	}
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
	const struct {
		struct vhost_user_header header;
		struct vhost_user_vring_state ring;
	} message = {{VHOST_USER_SET_VRING_NUM, 1 | VHOST_USER_NEED_REPLY, 8}, {0, 256}};
	for (size_t i = 0; i < sizeof(message); i++) {
		assert_int_equal(write(session->front.socket, (const uint8_t *)&message + i, 1), 1);
		usleep(100);
	}
	uint64_t answer = 1;
	wire_receive(&session->front, VHOST_USER_SET_VRING_NUM, &answer, 8);
	assert_int_equal(answer, 0);
}

static void test_front_end_that_does_not_read(void **state)
{
	struct session *session = *state;
	struct wire_front *front = &session->front;
	/* Far more replies than a socket holds; then they are all read, in order. */
	const unsigned count = 2000;
	unsigned sent = 0;
	unsigned got = 0;
	fd_set_nonblock(front->socket, true);
	const struct vhost_user_header header = {VHOST_USER_GET_SHMEM_CONFIG, 1, 0};
	while (got < count) {
		while (sent < count && write(front->socket, &header, 12) == 12) {
			sent++;
		}
		struct vhost_user_shmem_config config;
		wire_receive(front, VHOST_USER_GET_SHMEM_CONFIG, &config, sizeof(config));
		assert_int_equal(config.count, 1);
		got++;
	}
	assert_int_equal(sent, count);
	fd_set_nonblock(front->socket, false);
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
