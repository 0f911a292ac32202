/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_CONFORMANCE_BACKEND_H
#define HESPER_TESTS_WIRE_CONFORMANCE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The back end under test: a socket at which it waits and, when the suite starts it itself, its process.
 * One thread.
 */
struct backend {
	const char *path; /* of its socket */
	const char *command; /* with %s for the path; NULL: it is there already */
	int log; /* its output goes there; -1: nowhere */
	pid_t pid; /* 0: none */
	int pidfd;
	int crash_status; /* an exit status that stands for a crash, as sanitizers have it; 0: none */
	bool stays; /* it was seen to outlive a connection */
	bool ended; /* by itself; then how: */
	int status; /* as of waitpid */
	bool asked; /* to end, by SIGTERM */
};

/* Starts it if that is ours to do and it is not there. A connected socket; negative errno. */
int backend_connect(struct backend *backend);

/* True while its process is there, or when it is not ours. */
bool backend_lives(struct backend *backend);

/* After the connection was closed: waits for its end, or ends it, when it is ours. */
void backend_finish(struct backend *backend);

/* Words for an end by a signal that nobody sent, or see crash_status; false when it ended otherwise. */
bool backend_crashed(const struct backend *backend, char *words, size_t size);

#endif
