/* SPDX-License-Identifier: MIT */
#include "render/program/server.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/lib-names.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "render/server_places.h"
#include "util/fd.h"

/*
 * Drivers that compile shaders for the CPU (lavapipe) find what the code calls, such as powf, among
 * the libraries that the program itself was linked with; the server was not with this one, and then
 * jumps to address 0.
 */
#define MATHS LIBM_SO

/* The fd that the server finds its socket on: the first after the standard ones. */
#define SERVER_FD 3

const char *server_find(void)
{
	const char *chosen = getenv("RENDER_SERVER_EXEC_PATH");
	if (chosen != NULL) {
		return chosen;
	}
	for (size_t i = 0; i < RENDER_SERVER_PLACES; i++) {
		if (access(render_server_places[i], X_OK) == 0) {
			return render_server_places[i];
		}
	}
	return NULL;
}

/* For the server alone: nothing else is started from here. */
static int preload_maths(void)
{
	const char *old = getenv("LD_PRELOAD");
	char *text;
	int length = old != NULL && old[0] != '\0' ? asprintf(&text, "%s:" MATHS, old)
						   : asprintf(&text, MATHS);
	if (length < 0) {
		return -ENOMEM;
	}
	int error = setenv("LD_PRELOAD", text, 1) < 0 ? -errno : 0;
	free(text);
	return error;
}

static _Noreturn void run_server(const char *path, int fd, pid_t parent)
{
	char *const argv[] = {(char *)path, "--socket-fd", "3", NULL};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) {
		_exit(127);
	}
	signal(SIGPIPE, SIG_DFL);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	/* dup2 onto the same number would keep CLOEXEC. */
	if (fd == SERVER_FD) {
		fcntl(fd, F_SETFD, 0);
	} else {
		dup2(fd, SERVER_FD);
	}
	execv(path, argv);
	dprintf(STDERR_FILENO, "hesper-render: cannot start %s: %s\n", path, strerror(errno));
	_exit(127);
}

int server_start(const char *path, int *pidfd)
{
	int pair[2];
	int error = preload_maths();
	if (error < 0) {
		return error;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	pid_t self = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		run_server(path, pair[1], self);
	}
	error = pid < 0 ? -errno : 0;
	fd_close(&pair[1]);
	if (error == 0) {
		*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		error = *pidfd < 0 ? -errno : 0;
	}
	if (error < 0) {
		fd_close(&pair[0]);
		return error;
	}
	return pair[0];
}
