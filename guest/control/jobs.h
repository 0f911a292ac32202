/* SPDX-License-Identifier: MIT */
#ifndef GUEST_JOBS_H
#define GUEST_JOBS_H

#include <stdbool.h>
#include <sys/types.h>

#define JOBS_MAX 32
#define JOBS_ID_SIZE 33
#define JOBS_LINE_SIZE 4096

/* A shell command that runs, and its output, which is cut into lines. */
struct job {
	char id[JOBS_ID_SIZE];
	pid_t pid; /* also its process group; 0: this slot is free */
	int out; /* read end of its stdout and stderr */
	size_t used;
	char line[JOBS_LINE_SIZE]; /* what came since the last newline */
};

/* Gets each line of output, without its newline; valid during the call. */
typedef void (*jobs_line_handler)(void *data, const struct job *job, const char *line);

struct jobs {
	struct job slots[JOBS_MAX];
	jobs_line_handler on_line;
	void *data;
};

/*
 * Starts sh -c command in a process group of its own, stdin empty. Returns 0, -EEXIST (a job of
 * that id runs), -EMFILE (too many jobs) or another -errno.
 */
int jobs_start(struct jobs *jobs, const char *id, const char *command);

struct job *jobs_find(struct jobs *jobs, const char *id);
bool jobs_any(const struct jobs *jobs);

/* Sends the signal to every process of the job. */
void jobs_signal(const struct job *job, int number);

/* Takes what output there is, without waiting. */
void jobs_read(struct jobs *jobs, struct job *job);

/*
 * The process ended: takes the rest of the output and frees the slot. What the command left behind
 * in the background loses its output.
 */
void jobs_end(struct jobs *jobs, struct job *job);

#endif
