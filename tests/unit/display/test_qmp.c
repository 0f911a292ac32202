/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "display/qmp.h"

/* The client over a QMP socket, at whose other end we play QEMU, or something else. */

#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 11}}, \"capabilities\": []}}\r\n"
#define EVENT "{\"timestamp\": {\"seconds\": 1}, \"event\": \"RESUME\"}\r\n"

struct exchange {
	struct rig rig;
	struct qmp *qmp;
	int qemu; /* the other end of the QMP socket */
	int theirs; /* our end of what QEMU is to serve */
	unsigned done;
	int error;
	bool closed;
};

static void on_done(void *data, int error)
{
	struct exchange *exchange = data;
	exchange->done++;
	exchange->error = error;
}

static void on_qmp_closed(void *data)
{
	((struct exchange *)data)->closed = true;
}

static void setup(struct exchange *exchange)
{
	int qmp[2];
	int display[2];
	rig_init(&exchange->rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, display), 0);
	assert_int_equal(qmp_create(&exchange->rig.loop, qmp[0], display[0], on_done, exchange,
				    &exchange->qmp),
			 0);
	exchange->qemu = qmp[1];
	exchange->theirs = display[1];
}

static void teardown(struct exchange *exchange)
{
	qmp_destroy(exchange->qmp, on_qmp_closed);
	rig_until(&exchange->rig, exchange->closed);
	fd_close(&exchange->qemu);
	fd_close(&exchange->theirs);
	rig_finish(&exchange->rig);
}

static void say(struct exchange *exchange, const char *text)
{
	ssize_t size = (ssize_t)strlen(text);
	assert_int_equal(send(exchange->qemu, text, (size_t)size, MSG_NOSIGNAL), size);
}

/* Runs until a command has come; the descriptor that came with it, or -1. */
static int hear(struct exchange *exchange, const char *wanted)
{
	char text[512] = "";
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {text, sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t got = recvmsg(exchange->qemu, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	rig_arm(&exchange->rig, 4000);
	while (got < 0 && !exchange->rig.expired) {
		uv_run(&exchange->rig.loop, UV_RUN_ONCE);
		got = recvmsg(exchange->qemu, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	}
	assert_true(got > 0);
	if (strstr(text, wanted) == NULL || text[got - 1] != '\n') {
		fail_msg("'%s' instead of %s", text, wanted);
	}
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd = -1;
	if (header != NULL && header->cmsg_type == SCM_RIGHTS) {
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	}
	return fd;
}

static void test_right_way(void **state)
{
	struct exchange exchange = {0};
	setup(&exchange);
	say(&exchange, GREETING);
	assert_int_equal(hear(&exchange, "\"qmp_capabilities\""), -1);
	say(&exchange, EVENT "{\"return\": {}, \"id\": 0}\r\n");
	int fd = hear(&exchange, "\"getfd\"");
	assert_true(fd >= 0);
	/* Two in one piece, the second one spread over lines, as with pretty=on. */
	say(&exchange, "{\"return\": {}, \"id\": 1}\r\n{\n    \"event\":\n");
	assert_int_equal(hear(&exchange, "\"@dbus-display\""), -1);
	say(&exchange, " \"STOP\"\n}\n" EVENT);
	rig_run(&exchange.rig, 10);
	assert_int_equal(exchange.done, 0);
	say(&exchange, "{\"return\": {}, \"id\": 2}");
	rig_until(&exchange.rig, exchange.done == 1);
	assert_int_equal(exchange.error, 0);
	/* What was sent is the socket, and nobody else has it any more. */
	assert_int_equal(write(fd, "D", 1), 1);
	char byte;
	assert_int_equal(read(exchange.theirs, &byte, 1), 1);
	fd_close(&fd);
	assert_int_equal(read(exchange.theirs, &byte, 1), 0);
	teardown(&exchange);
}

static void test_byte_by_byte(void **state)
{
	static const char *const answers[] = {GREETING, EVENT "{\"return\": {}, \"id\": 0}\r\n",
					      "{\"return\": {}, \"id\": 1}\r\n",
					      EVENT "{\"return\": {}, \"id\": 2}\r\n"};
	static const char *const commands[] = {"qmp_capabilities", "getfd", "add_client"};
	struct exchange exchange = {0};
	setup(&exchange);
	for (unsigned i = 0; i < 4; i++) {
		for (const char *at = answers[i]; *at != '\0'; at++) {
			char one[2] = {*at, '\0'};
			say(&exchange, one);
			uv_run(&exchange.rig.loop, UV_RUN_NOWAIT);
			uv_run(&exchange.rig.loop, UV_RUN_NOWAIT);
		}
		if (i < 3) {
			int fd = hear(&exchange, commands[i]);
			fd_close(&fd);
		}
	}
	rig_until(&exchange.rig, exchange.done == 1);
	assert_int_equal(exchange.error, 0);
	teardown(&exchange);
}

/* `stage` answers are right, then comes `text`, or the end when that is NULL. */
static int ends(unsigned stage, const char *text)
{
	static const char *const answers[] = {GREETING, "{\"return\": {}, \"id\": 0}\r\n",
					      "{\"return\": {}, \"id\": 1}\r\n"};
	static const char *const commands[] = {"qmp_capabilities", "getfd", "add_client"};
	struct exchange exchange = {0};
	setup(&exchange);
	for (unsigned i = 0; i < stage; i++) {
		say(&exchange, answers[i]);
		int fd = hear(&exchange, commands[i]);
		fd_close(&fd);
	}
	if (text != NULL) {
		say(&exchange, text);
	} else {
		fd_close(&exchange.qemu);
	}
	rig_until(&exchange.rig, exchange.done == 1);
	rig_run(&exchange.rig, 5);
	assert_int_equal(exchange.done, 1);
	int error = exchange.error;
	teardown(&exchange);
	return error;
}

static void test_wrong_ways(void **state)
{
	static char endless[70000];
	static const char refusal[] =
		"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 2}\r\n";
	memset(endless, '[', sizeof(endless) - 1);
	assert_int_equal(ends(0, "SSH-2.0-OpenSSH_10.0\r\n"), -EPROTO);
	assert_int_equal(ends(0, "{\"hello\": 1}\r\n"), -EPROTO);
	assert_int_equal(ends(0, "[\"QMP\"]\r\n"), -EPROTO);
	assert_int_equal(ends(0, endless), -EPROTO);
	for (unsigned stage = 0; stage < 4; stage++) {
		assert_int_equal(ends(stage, NULL), -ECONNRESET);
	}
	for (unsigned stage = 1; stage < 4; stage++) {
		assert_int_equal(ends(stage, refusal), -EPROTO);
		assert_int_equal(ends(stage, "{\"error\": 7}\r\n"), -EPROTO);
		assert_int_equal(ends(stage, "AUTH EXTERNAL\r\n"), -EPROTO);
	}
}

static void test_given_up(void **state)
{
	struct exchange exchange = {0};
	setup(&exchange);
	say(&exchange, GREETING);
	assert_int_equal(hear(&exchange, "\"qmp_capabilities\""), -1);
	say(&exchange, "{\"return\": {}, \"id\": 0}\r\n");
	teardown(&exchange);
	assert_int_equal(exchange.done, 0);
}

static void viewer_gone(void *data, int error)
{
	((struct viewer *)data)->gone = error;
}

static void viewer_console(void *data, const struct display_console *console)
{
	((struct viewer *)data)->console_calls++;
}

static const struct display_client_callbacks callbacks = {.console = viewer_console,
							  .disconnected = viewer_gone};

static void on_client_destroyed(void *data)
{
	((struct viewer *)data)->destroyed = true;
}

/* The whole way: what QEMU was given is served, and the client asks it for consoles. */
static void test_client(void **state)
{
	struct exchange exchange = {0};
	struct rig *rig = &exchange.rig;
	struct viewer viewer = {0};
	int qmp[2];
	rig_init(rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp), 0);
	exchange.qemu = qmp[1];
	const struct display_client_options options = {
		.way = DISPLAY_QMP, .fd = qmp[0], .callbacks = &callbacks, .data = &viewer};
	assert_int_equal(display_client_create(&rig->loop, &options, &viewer.client), 0);
	/* Not connected yet: nothing to tell, nothing to break. */
	const struct display_input input = {.kind = DISPLAY_KEY, .key = {1, true}};
	display_client_input(viewer.client, 0, &input);
	say(&exchange, GREETING);
	hear(&exchange, "\"qmp_capabilities\"");
	say(&exchange, "{\"return\": {}, \"id\": 0}\r\n");
	int fd = hear(&exchange, "\"getfd\"");
	say(&exchange, "{\"return\": {}, \"id\": 1}\r\n");
	hear(&exchange, "\"add_client\"");
	assert_int_equal(display_server_add_peer(rig->server, fd), 0);
	say(&exchange, "{\"return\": {}, \"id\": 2}\r\n");
	rig_until(rig, viewer.console_calls == 2);
	/* QEMU's QMP socket is free for others. */
	char byte;
	assert_int_equal(recv(exchange.qemu, &byte, 1, MSG_DONTWAIT), 0);
	display_client_destroy(viewer.client, on_client_destroyed, &viewer);
	rig_until(rig, viewer.destroyed);
	assert_int_equal(viewer.gone, 0);
	fd_close(&exchange.qemu);
	rig_finish(rig);
}

/* A bus where nobody is: told at once, nothing left behind. */
static void test_no_bus(void **state)
{
	struct rig rig;
	struct viewer viewer = {0};
	rig_init(&rig);
	static const char *const addresses[] = {"unix:path=/nonexistent/bus", "nonsense", ""};
	for (unsigned i = 0; i < 3; i++) {
		const struct display_client_options options = {.way = DISPLAY_BUS,
							       .address = addresses[i],
							       .callbacks = &callbacks,
							       .data = &viewer};
		assert_true(display_client_create(&rig.loop, &options, &viewer.client) < 0);
	}
	rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_way),  cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_wrong_ways), cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_client),     cmocka_unit_test(test_no_bus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
