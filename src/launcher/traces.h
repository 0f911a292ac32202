/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_TRACES_H
#define HESPER_LAUNCHER_TRACES_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Traces (util/trace.h) of several programs, put together and counted. What is in the files may be
 * anything: what is no event is left out and counted. One thread.
 */
struct traces;

/* NULL when there is no memory. */
struct traces *traces_create(void);
void traces_destroy(struct traces *traces);

struct traces_file {
	size_t events;
	size_t bad; /* lines that are no event */
	int cut_off; /* 1: the last line is one of them, as when a disk is full */
};

/*
 * Adds a file's events. Processes of different files are told apart also when they have the same
 * number: the later one gets another. Negative errno when it cannot be read, and then nothing is added.
 */
int traces_add(struct traces *traces, const char *path, struct traces_file *file);

/* All events, by time, as one JSON array; whole, or not at all. Negative errno. */
int traces_write(const struct traces *traces, const char *path);

/*
 * The figures, as in docs/tracing.md: "stages", "frames" and "left_out". New reference; NULL when there
 * is no memory.
 */
json_t *traces_count(struct traces *traces);

/* The same as a table for people. */
void traces_print(const json_t *figures, FILE *out);

#endif
