/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_PROGRESS_H
#define HESPER_LAUNCHER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * What the user sees while something takes its time, on stderr: "hesper: guest image … ready". On
 * a terminal a line is rewritten in place; elsewhere each line is printed once. A stage is a slice of
 * the launcher's trace, too.
 */
struct progress {
	FILE *out;
	bool terminal;
	char stage[64]; /* empty between stages */
	uint64_t shown_ns; /* when something was last printed for what repeats */
	uint64_t begun_ns; /* the stage */
	bool dirty; /* a line on the terminal is not ended */
};

void progress_init(struct progress *progress, FILE *out);

/* A stage begins: "hesper: STAGE …". */
void progress_begin(struct progress *progress, const char *stage);

/* A word on how it goes; elsewhere than on a terminal at most one in five seconds. */
void progress_note(struct progress *progress, const char *text);

/* It ended: "hesper: STAGE … RESULT". */
void progress_done(struct progress *progress, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A figure that changes all the time, outside of stages; as rare as notes elsewhere. */
void progress_live(struct progress *progress, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Ends an open line, so that something else can be printed. */
void progress_break(struct progress *progress);

#endif
