/* SPDX-License-Identifier: MIT */
/* What a peer sends reaches sd-bus whole or not at all, and its descriptors never stay with us. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "display/bus_input.h"
#include "util/fd.h"

static struct fixture {
	struct bus_input input;
	int far; /* the peer's end */
	int near;
	int output; /* what sd-bus would read */
	int fds; /* the lowest free one, before */
	const char *why;
} fx;

static const struct bus_input_limits limits = {.body = 1024, .fds = 1};

static int lowest_fd(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	close(fd);
	return fd;
}

static int set_up(void **state)
{
	int pair[2];
	fx.fds = lowest_fd();
	fx.why = "";
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		return -1;
	}
	fx.far = pair[0];
	fx.near = pair[1];
	return bus_input_init(&fx.input, fx.near, true, &limits, &fx.output);
}

static int tear_down(void **state)
{
	bus_input_finish(&fx.input);
	fd_close(&fx.far);
	fd_close(&fx.near);
	fd_close(&fx.output);
	return lowest_fd() == fx.fds ? 0 : -1;
}

static int pump(void)
{
	return bus_input_pump(&fx.input, &fx.why);
}

static void say_with(const void *bytes, size_t size, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)bytes, size};
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
	assert_int_equal(sendmsg(fx.far, &message, MSG_NOSIGNAL), size);
}

static void say(const void *bytes, size_t size)
{
	say_with(bytes, size, -1);
}

/* What came out is this. */
static void expect(const void *bytes, size_t size)
{
	char seen[4096];
	size_t have = 0;
	ssize_t got;
	while ((got = recv(fx.output, seen + have, sizeof(seen) - have, MSG_DONTWAIT)) > 0) {
		have += (size_t)got;
	}
	assert_int_equal(have, size);
	assert_memory_equal(seen, bytes, size);
}

static const char hello[] = "\0AUTH ANONYMOUS 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

static void introduce(void)
{
	say(hello, sizeof(hello) - 1);
	assert_int_equal(pump(), 0);
	expect(hello, sizeof(hello) - 1);
}

/* A call of member "M" at "/", with a u. fds: the header's field; 0: it has none. */
struct call {
	uint8_t fixed[16];
	uint8_t fields[64];
	size_t size;
};

static void put(struct call *call, const void *bytes, size_t size)
{
	memcpy((uint8_t *)call + call->size, bytes, size);
	call->size += size;
}

static void pad(struct call *call, size_t to)
{
	while (call->size % to != 0) {
		put(call, "", 1);
	}
}

static struct call make_call(uint32_t fds)
{
	struct call call = {.fixed = {'l', 1, 0, 1, 4, 0, 0, 0, 7}, .size = 16};
	put(&call, "\1\1o\0\1\0\0\0/\0", 10);
	pad(&call, 8);
	put(&call, "\3\1s\0\1\0\0\0M\0", 10);
	pad(&call, 8);
	put(&call, "\10\1g\0\1u\0", 7);
	if (fds > 0) {
		pad(&call, 8);
		put(&call, "\11\1u\0", 4);
		put(&call, &fds, sizeof(fds));
	}
	call.fixed[12] = (uint8_t)(call.size - 16);
	pad(&call, 8);
	put(&call, "\5\0\0\0", 4);
	return call;
}

static void test_message_goes_through(void **state)
{
	struct call call = make_call(0);
	introduce();
	say(&call, call.size);
	assert_int_equal(pump(), 0);
	expect(&call, call.size);
}

static void test_message_in_pieces(void **state)
{
	struct call call = make_call(0);
	introduce();
	for (size_t i = 0; i < call.size - 4; i++) {
		expect("", 0);
		say((const char *)&call + i, 1);
		assert_int_equal(pump(), 0);
	}
	expect(&call, call.size - 4);
	say((const char *)&call + call.size - 4, 4);
	assert_int_equal(pump(), 0);
	expect((const char *)&call + call.size - 4, 4);
}

static void test_introduction_in_pieces(void **state)
{
	for (size_t i = 0; i < sizeof(hello) - 1; i++) {
		say(hello + i, 1);
		assert_int_equal(pump(), 0);
	}
	expect(hello, sizeof(hello) - 1);
}

/* The second piece of a line with all that was sent behind it. */
static void test_introduction_with_much_behind_it(void **state)
{
	struct call call = make_call(0);
	char bytes[512];
	const size_t first = 10;
	size_t size = sizeof(hello) - 1;
	memcpy(bytes, hello, size);
	while (size + call.size <= sizeof(bytes)) {
		memcpy(bytes + size, &call, call.size);
		size += call.size;
	}
	say(bytes, first);
	assert_int_equal(pump(), 0);
	say(bytes + first, size - first);
	assert_int_equal(pump(), 0);
	expect(bytes, size);
}

static void test_stated_user_becomes_anonymous(void **state)
{
	static const char external[] = "\0AUTH EXTERNAL 31303030\r\n";
	static const char anonymous[] = "\0AUTH ANONYMOUS 31303030\r\n";
	say(external, sizeof(external) - 1);
	assert_int_equal(pump(), 0);
	expect(anonymous, sizeof(anonymous) - 1);
}

static void test_descriptor_goes_through(void **state)
{
	struct call call = make_call(1);
	introduce();
	say_with(&call, call.size, fx.output);
	assert_int_equal(pump(), 0);
	/* Unread, it goes with the socket that it is in. */
	expect(&call, call.size);
}

/* A message that is refused, with a descriptor that has to be closed. */
static void refuse(const struct call *call, int fd)
{
	introduce();
	say_with(call, call->size, fd);
	assert_int_equal(pump(), -EPROTO);
	assert_true(strlen(fx.why) > 0);
	assert_false(bus_input_is_open(&fx.input));
	/* sd-bus sees the end, and nothing of the message. */
	char byte;
	assert_int_equal(recv(fx.output, &byte, 1, MSG_DONTWAIT), 0);
}

static void test_descriptor_that_is_not_announced(void **state)
{
	struct call call = make_call(0);
	refuse(&call, fx.output);
}

static void test_descriptor_that_does_not_come(void **state)
{
	struct call call = make_call(1);
	refuse(&call, -1);
}

static void test_more_descriptors_than_come(void **state)
{
	struct call call = make_call(3);
	refuse(&call, fx.output);
}

static void test_no_path(void **state)
{
	struct call call = make_call(1);
	call.fields[0] = 2; /* an interface, called "/" */
	refuse(&call, fx.output);
}

static void test_reply_serial_of_a_call(void **state)
{
	struct call call = make_call(1);
	call.fields[40] = 5; /* instead of the number of descriptors */
	refuse(&call, fx.output);
}

/* Some write whom they mean, though nobody else is there. */
static void test_destination(void **state)
{
	static const uint8_t bytes[] = "l\1\0\1\0\0\0\0\7\0\0\0\55\0\0\0"
				       "\1\1o\0\1\0\0\0/\0\0\0\0\0\0\0"
				       "\3\1s\0\1\0\0\0M\0\0\0\0\0\0\0"
				       "\6\1s\0\4\0\0\0:1.2\0\0\0\0";
	uint8_t wrong[sizeof(bytes)];
	assert_null(bus_input_judge(bytes, 64, 0));
	memcpy(wrong, bytes, sizeof(bytes));
	wrong[56] = '.';
	assert_non_null(bus_input_judge(wrong, 64, 0));
	memcpy(wrong, bytes, sizeof(bytes));
	wrong[61] = 1; /* behind the field */
	assert_non_null(bus_input_judge(wrong, 64, 0));
}

static void test_too_long(void **state)
{
	struct call call = make_call(0);
	call.fixed[5] = 8; /* 2052 bytes */
	refuse(&call, -1);
}

static void test_bad_type_number_and_version(void **state)
{
	struct call call = make_call(0);
	call.fixed[3] = 2;
	refuse(&call, -1);
}

static void test_descriptor_in_the_middle(void **state)
{
	struct call call = make_call(0);
	introduce();
	say(&call, 20);
	say_with((const char *)&call + 20, call.size - 20, fx.output);
	assert_int_equal(pump(), -EPROTO);
}

static void test_descriptor_of_the_introduction(void **state)
{
	say_with(hello, sizeof(hello) - 1, fx.output);
	assert_int_equal(pump(), -EPROTO);
}

static void test_long_introduction(void **state)
{
	static const char line[] = "AUTH KERBEROS 0123456789abcdef0123456789abcdef\r\n";
	int r = 0;
	for (unsigned i = 0; i < 1000 && r == 0; i++) {
		char away[4096];
		if (send(fx.far, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0) {
			break;
		}
		r = pump();
		recv(fx.output, away, sizeof(away), MSG_DONTWAIT);
	}
	assert_int_equal(r, -EPROTO);
}

/* What sd-bus does not read stays with the peer: we hold one piece of it. */
static void test_reader_that_does_not_read(void **state)
{
	struct call call = make_call(0);
	int r = 0;
	unsigned sent = 0;
	introduce();
	for (unsigned turns = 0; turns < 100000 && r != -EAGAIN; turns++) {
		while (send(fx.far, &call, call.size, MSG_NOSIGNAL) > 0) {
			sent++;
		}
		r = pump();
	}
	assert_int_equal(r, -EAGAIN);
	/* Nothing of it is lost, nor out of order. */
	for (unsigned got = 0; got < sent;) {
		char seen[8192];
		pump();
		ssize_t bytes = recv(fx.output, seen, call.size, MSG_WAITALL | MSG_DONTWAIT);
		if (bytes == (ssize_t)call.size) {
			assert_memory_equal(seen, &call, call.size);
			got++;
		} else {
			assert_int_equal(bytes, -1);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_message_goes_through),
		TEST(test_message_in_pieces),
		TEST(test_introduction_in_pieces),
		TEST(test_introduction_with_much_behind_it),
		TEST(test_stated_user_becomes_anonymous),
		TEST(test_descriptor_goes_through),
		TEST(test_descriptor_that_is_not_announced),
		TEST(test_descriptor_that_does_not_come),
		TEST(test_more_descriptors_than_come),
		TEST(test_no_path),
		TEST(test_reply_serial_of_a_call),
		TEST(test_destination),
		TEST(test_too_long),
		TEST(test_bad_type_number_and_version),
		TEST(test_descriptor_in_the_middle),
		TEST(test_descriptor_of_the_introduction),
		TEST(test_long_introduction),
		TEST(test_reader_that_does_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
