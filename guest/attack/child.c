/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"

static void be_child(const char *(*run)(void *data), void *data, int ready)
{
	const char *why = run(data);
	const char *text = why == NULL ? "" : why;
	if (write(ready, text, strlen(text) + 1) < 0) {
		_exit(1);
	}
	for (;;) {
		pause();
	}
}

const char *child_kill(const char *(*run)(void *data), void *data, int after_ms)
{
	static char text[256];
	int pipe_fds[2];
	if (pipe(pipe_fds) < 0) {
		return wrong("pipe: %s", strerror(errno));
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(pipe_fds[0]);
		be_child(run, data, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	if (pid < 0) {
		close(pipe_fds[0]);
		return wrong("fork: %s", strerror(errno));
	}
	struct pollfd poll_fd = {.fd = pipe_fds[0], .events = POLLIN};
	ssize_t size = 0;
	if (poll(&poll_fd, 1, after_ms) > 0) {
		size = read(pipe_fds[0], text, sizeof(text) - 1);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pipe_fds[0]);
	text[size > 0 ? size : 0] = '\0';
	if (size == 0 && after_ms < 0) {
		return "the child ended before it was killed";
	}
	return text[0] == '\0' ? NULL : text;
}
