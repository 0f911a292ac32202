/* SPDX-License-Identifier: MIT */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"

#define START_MS 30000
#define END_MS 30000
#define LEAVE_MS 1000 /* that a back end has to end by itself behind its first connection */

extern char **environ;

/* Waits up to ms for the process's end. */
static bool wait_for_end(struct backend *backend, int ms)
{
	struct pollfd poll_fd = {.fd = backend->pidfd, .events = POLLIN};
	if (backend->pid == 0 || poll(&poll_fd, 1, ms) <= 0) {
		return backend->pid == 0;
	}
	waitpid(backend->pid, &backend->status, 0);
	backend->pid = 0;
	fd_close(&backend->pidfd);
	return true;
}

/* "exec COMMAND" with the path in it; the caller frees it. */
static char *command_line(const struct backend *backend)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);
	if (out == NULL) {
		return NULL;
	}
	fputs("exec ", out);
	for (const char *at = backend->command; *at != '\0'; at++) {
		if (at[0] == '%' && at[1] == 's') {
			fputs(backend->path, out);
			at++;
		} else {
			fputc(*at, out);
		}
	}
	fclose(out);
	return line;
}

static int start(struct backend *backend)
{
	char *line = command_line(backend);
	char *argv[] = {"sh", "-c", line, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (backend->log >= 0) {
		posix_spawn_file_actions_adddup2(&actions, backend->log, 1);
	} else {
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	}
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	unlink(backend->path);
	backend->ended = false;
	backend->asked = false;
	int error = line == NULL
			    ? ENOMEM
			    : posix_spawn(&backend->pid, "/bin/sh", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(line);
	if (error != 0) {
		backend->pid = 0;
		return -error;
	}
	backend->pidfd = pidfd_open(backend->pid, 0);
	return backend->pidfd < 0 ? -errno : 0;
}

bool backend_lives(struct backend *backend)
{
	if (backend->command != NULL && backend->pid != 0 && wait_for_end(backend, 0)) {
		backend->ended = true;
	}
	return backend->command == NULL || backend->pid != 0;
}

int backend_connect(struct backend *backend)
{
	if (backend->command != NULL && !(backend->pid != 0 && backend_lives(backend))) {
		int error = start(backend);
		if (error < 0) {
			return error;
		}
	}
	uint64_t end = clock_now_ns() + START_MS * CLOCK_NS_PER_MS;
	for (;;) {
		int socket = fd_connect(backend->path);
		if (socket >= 0 || clock_now_ns() > end || backend->command == NULL) {
			return socket;
		}
		/* It is on its way to listening, or to its end. */
		if (!backend_lives(backend)) {
			return -ECHILD;
		}
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	}
}

void backend_finish(struct backend *backend)
{
	if (backend->command == NULL || backend->pid == 0) {
		return;
	}
	backend->ended = wait_for_end(backend, backend->stays ? 0 : LEAVE_MS);
	if (backend->ended) {
		return;
	}
	backend->stays = true;
	backend->asked = true;
	kill(backend->pid, SIGTERM);
	if (!wait_for_end(backend, END_MS)) {
		kill(backend->pid, SIGKILL);
		wait_for_end(backend, -1);
	}
}

bool backend_crashed(const struct backend *backend, char *words, size_t size)
{
	if (backend->command == NULL || backend->pid != 0) {
		return false;
	}
	int status = backend->status;
	if (WIFEXITED(status)) {
		snprintf(words, size, "the back end ended with status %d", WEXITSTATUS(status));
		return WEXITSTATUS(status) != 0 && WEXITSTATUS(status) == backend->crash_status;
	}
	int number = WTERMSIG(status);
	snprintf(words, size, "the back end was ended by signal %d (%s)", number,
		 strsignal(number));
	return !(backend->asked && (number == SIGTERM || number == SIGKILL));
}
