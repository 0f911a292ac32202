/* SPDX-License-Identifier: MIT */
#ifndef HESPER_SANDBOX_ERRANDS_H
#define HESPER_SANDBOX_ERRANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * What is left to do with paths when a process has lost its view of files: another one, which was
 * there before, does it. It knows the paths from the start and is told numbers of them, so that
 * whoever takes the process over can name no other file.
 */
#define ERRANDS_MAX_PATHS 8
#define ERRANDS_NO_NUMBER UINT32_MAX

struct errands {
	int socket; /* to who runs them; -1: nobody, they are done at once */
	const char *paths[ERRANDS_MAX_PATHS]; /* NULL: none; outlive it */
	bool made[ERRANDS_MAX_PATHS]; /* of the side that does them */
	pid_t runner; /* a child that does them, or 0 */
};

void errands_init(struct errands *errands);

/* Forks a process that does nothing else until we end. Negative errno. */
int errands_start(struct errands *errands);

/* No more errands: waits for those that were sent, and for the child. */
void errands_finish(struct errands *errands);

/*
 * Writes what is in file, which is closed (NULL is an error), to the path: whole, or not at all.
 * number: appended to the name, before its ending. wait: for the outcome; else 0 when it was sent.
 * Negative errno.
 */
int errands_write(struct errands *errands, unsigned path, uint32_t number, FILE *file, bool wait);

/* A stream to write into for errands_write, in memory. */
FILE *errands_open(void);

/*
 * There is a file of ours at the path now; remove it, now, or when we are gone. Negative errno: nobody
 * will remove it.
 */
int errands_made(struct errands *errands, unsigned path);
void errands_remove(struct errands *errands, unsigned path);
/* All that were made and not removed. Either side. */
void errands_remove_all(struct errands *errands);

/* --- who does them ---------------------------------------------------------------------------- */

/* One errand from socket. 0: done; -EAGAIN: none is there; -EPIPE: there will be no more. */
int errands_serve(struct errands *errands, int socket);

#endif
