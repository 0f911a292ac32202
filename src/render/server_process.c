/* SPDX-License-Identifier: MIT */
#include "render/server_process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fd.h"

extern char **environ;

/* The fd that the server finds its socket on: the first after the standard ones. */
#define SERVER_FD 3

static const char *const usual_places[] = {
	"/usr/libexec/virgl_render_server",
	"/usr/local/libexec/virgl_render_server",
	"/usr/lib/virglrenderer/virgl_render_server",
	"/usr/lib/virgl_render_server",
};

const char *server_process_find(void)
{
	const char *chosen = getenv("RENDER_SERVER_EXEC_PATH");
	if (chosen != NULL) {
		return chosen;
	}
	for (size_t i = 0; i < sizeof(usual_places) / sizeof(usual_places[0]); i++) {
		if (access(usual_places[i], X_OK) == 0) {
			return usual_places[i];
		}
	}
	return NULL;
}

static bool same_name(const char *a, const char *b)
{
	size_t length = strcspn(a, "=");
	return strncmp(a, b, length + 1) == 0;
}

/* Our environment with extra's names replaced; only the array is allocated. */
static char **merge_environment(char *const *extra)
{
	size_t count = 0;
	size_t added = 0;
	while (environ[count] != NULL) {
		count++;
	}
	while (extra != NULL && extra[added] != NULL) {
		added++;
	}
	char **merged = calloc(count + added + 1, sizeof(*merged));
	if (merged == NULL) {
		return NULL;
	}
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		bool replaced = false;
		for (size_t j = 0; j < added; j++) {
			replaced = replaced || same_name(extra[j], environ[i]);
		}
		if (!replaced) {
			merged[used++] = environ[i];
		}
	}
	for (size_t j = 0; j < added; j++) {
		merged[used++] = extra[j];
	}
	return merged;
}

static int spawn(const char *path, char *const *environment, int fd, pid_t *pid)
{
	char *const argv[] = {(char *)path, "--socket-fd", "3", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	sigset_t defaults;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
	posix_spawn_file_actions_adddup2(&actions, 2, 1);
	posix_spawn_file_actions_adddup2(&actions, fd, SERVER_FD);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	int error = -posix_spawn(pid, path, &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

int server_process_start(const char *path, char *const *extra, pid_t *pid)
{
	char **environment = merge_environment(extra);
	if (environment == NULL) {
		return -ENOMEM;
	}
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		int error = -errno;
		free(environment);
		return error;
	}
	/* dup2 onto the same number would keep CLOEXEC: stay clear of it. */
	int theirs = pair[1];
	if (theirs == SERVER_FD) {
		theirs = fd_dup(pair[1]);
		fd_close(&pair[1]);
		if (theirs < 0) {
			fd_close(&pair[0]);
			free(environment);
			return theirs;
		}
	}
	int error = spawn(path, environment, theirs, pid);
	fd_close(&theirs);
	free(environment);
	if (error < 0) {
		fd_close(&pair[0]);
		return error;
	}
	return pair[0];
}
