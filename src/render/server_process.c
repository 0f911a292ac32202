/* SPDX-License-Identifier: MIT */
#include "render/server_process.h"

#include <errno.h>
#include <gnu/lib-names.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fd.h"

extern char **environ;

/*
 * Drivers that compile shaders for the CPU (lavapipe) find what the code calls, such as powf, among
 * the libraries that the program itself was linked with; the server was not with this one, and then
 * jumps to address 0.
 */
#define MATHS LIBM_SO

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

/* LD_PRELOAD=…, allocated, or NULL. */
static char *preload_maths(void)
{
	const char *old = getenv("LD_PRELOAD");
	char *text;
	int length = old != NULL && old[0] != '\0' ? asprintf(&text, "LD_PRELOAD=%s:" MATHS, old)
						   : asprintf(&text, "LD_PRELOAD=" MATHS);
	return length < 0 ? NULL : text;
}

/* Our environment with preload and extra's names replaced; only the array is allocated. */
static char **merge_environment(char *const *extra, char *preload)
{
	size_t count = 0;
	size_t added = 0;
	while (environ[count] != NULL) {
		count++;
	}
	while (extra != NULL && extra[added] != NULL) {
		added++;
	}
	char **merged = calloc(count + added + 2, sizeof(*merged));
	if (merged == NULL) {
		return NULL;
	}
	size_t used = 0;
	for (size_t i = 0; i < count; i++) {
		bool replaced = same_name(preload, environ[i]);
		for (size_t j = 0; j < added; j++) {
			replaced = replaced || same_name(extra[j], environ[i]);
		}
		if (!replaced) {
			merged[used++] = environ[i];
		}
	}
	merged[used++] = preload;
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

/* Returns our end of the socket, or negative errno. */
static int start_with(const char *path, char *const *environment, pid_t *pid)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	/* dup2 onto the same number would keep CLOEXEC: stay clear of it. */
	int theirs = pair[1];
	if (theirs == SERVER_FD) {
		theirs = fd_dup(pair[1]);
		fd_close(&pair[1]);
		if (theirs < 0) {
			fd_close(&pair[0]);
			return theirs;
		}
	}
	int error = spawn(path, environment, theirs, pid);
	fd_close(&theirs);
	if (error < 0) {
		fd_close(&pair[0]);
		return error;
	}
	return pair[0];
}

int server_process_start(const char *path, char *const *extra, pid_t *pid)
{
	char *preload = preload_maths();
	char **environment = preload != NULL ? merge_environment(extra, preload) : NULL;
	int ret = environment != NULL ? start_with(path, environment, pid) : -ENOMEM;
	free(environment);
	free(preload);
	return ret;
}
