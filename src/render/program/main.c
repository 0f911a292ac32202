/* SPDX-License-Identifier: MIT */
/*
 * hesper-render: one guest context in libvirglrenderer, for hesperd, which starts it and is alone in
 * using it:  hesper-render LOG-LEVEL [RENDER-SERVER], hesperd's socket as fd 3.
 *
 * It ends with hesperd, with its render server, with its context's process or with the first call
 * that fails for good; each of these is the loss of one context and of nothing else. There is
 * nothing to clean up: who started it kills what is left of its process group.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hesper/gate.h>

#include "render/gate.h"
#include "render/program/session.h"
#include "util/fd.h"
#include "util/log.h"

#define HESPERD_FD 3

static _Noreturn void end_lost(const struct session *session, const char *reason)
{
	struct render_wire_message message = {.type = RENDER_WIRE_LOST};
	snprintf(message.lost.reason, sizeof(message.lost.reason), "%s", reason);
	render_wire_send(session->socket, &message, NULL, 0, -1);
	_exit(1);
}

static void serve(struct session *session)
{
	static struct render_wire_buffer buffer;
	for (;;) {
		struct pollfd fds[] = {
			{.fd = session->socket, .events = POLLIN},
			{.fd = session->server, .events = POLLIN},
			/* Only its end is ours to see: the library reads it. */
			{.fd = session->worker},
		};
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0) {
			continue;
		}
		if (fds[1].revents != 0) {
			end_lost(session, "its render server died");
		}
		if (fds[2].revents != 0) {
			end_lost(session, "its process died");
		}
		int got = render_wire_receive(session->socket, RENDER_WIRE_PROCESS, &buffer);
		if (got == 0) {
			return;
		}
		const char *lost =
			got < 0 ? "hesperd broke the protocol" : session_execute(session, &buffer);
		if (lost != NULL) {
			end_lost(session, lost);
		}
	}
}

/* For the render server that is started next, and its layer. -1: none, and nobody is held back. */
static int make_gate(void)
{
	char number[16];
	int fd = gate_create();
	if (fd >= 0) {
		snprintf(number, sizeof(number), "%d", fd);
		if (fcntl(fd, F_SETFD, 0) < 0 || setenv(HESPER_GATE_ENV, number, 1) < 0) {
			fd_close(&fd);
		}
	}
	if (fd < 0) {
		log_warn("no gate: pictures may tear on a busy host");
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	static struct session session;
	enum log_level level = LOG_WARN;
	if (argc < 2 || !log_parse_level(argv[1], &level) || fcntl(HESPERD_FD, F_GETFD) < 0) {
		fputs("hesper-render is started by hesperd\n", stderr);
		return 2;
	}
	log_init("hesper-render", level);
	signal(SIGPIPE, SIG_IGN);
	/* Nothing that we start may hold it open. */
	fcntl(HESPERD_FD, F_SETFD, FD_CLOEXEC);
	struct render_wire_message ready = {.type = RENDER_WIRE_READY};
	int gate = make_gate();
	if (session_init(&session, HESPERD_FD, argc > 2 ? argv[2] : NULL, &ready.ready.capset) <
	    0) {
		return 1;
	}
	ready.ready.gate = gate >= 0;
	int error = render_wire_send(HESPERD_FD, &ready, NULL, 0, gate);
	fd_close(&gate);
	if (error == 0) {
		serve(&session);
	}
	/* No exit handlers: threads of the library still run. */
	_exit(0);
}
