/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_LINES_H
#define HESPER_LAUNCHER_LINES_H

#include <stddef.h>

/* Bytes as they come from a pipe, to whole lines. */
#define LINES_MAX 65536

typedef void (*lines_callback)(void *data, const char *line);

struct lines {
	lines_callback callback;
	void *data;
	char *text;
	size_t used;
};

/* 0 or -ENOMEM, and then nothing is there to finish. */
int lines_init(struct lines *lines, lines_callback callback, void *data);
void lines_finish(struct lines *lines);

/*
 * Calls back once for each line that ends in these bytes, without its "\n" or "\r\n". A carriage
 * return alone ends a line, too: that is how progress is drawn. A line longer than LINES_MAX is
 * cut there. Lines without text are left out.
 */
void lines_feed(struct lines *lines, const char *bytes, size_t count);

/* The stream ended: what is left is a line. */
void lines_end(struct lines *lines);

#endif
