/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_FAILURE_H
#define HESPER_LAUNCHER_FAILURE_H

#include <limits.h>
#include <stdio.h>

#define FAILURE_LINES 3

/* What went wrong, in words for the one who has to mend it. */
struct failure {
	char what[1024];
	char words[FAILURE_LINES]
		  [512]; /* the program's own last words, oldest first; may be empty */
	char fix[512]; /* may be empty */
	char log[PATH_MAX]; /* may be empty */
};

void failure_set(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void failure_fix(struct failure *failure, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * "WHO ended with status N", or by which signal: status as struct child_spec's ended() gives it.
 * WHO is a format.
 */
void failure_ended(struct failure *failure, int status, const char *who, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds a line to the last words; the oldest one goes when there are too many. */
void failure_say(struct failure *failure, const char *line);

/* Names the log and takes the last words from it. */
void failure_log(struct failure *failure, const char *path);

/*
 * "hesper: WHAT", then lines for the rest. A fix that the program's own last words tell is left
 * to them.
 */
void failure_print(const struct failure *failure, FILE *out);

#endif
