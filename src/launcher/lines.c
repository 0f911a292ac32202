/* SPDX-License-Identifier: MIT */
#include "launcher/lines.h"

#include <errno.h>
#include <stdlib.h>

int lines_init(struct lines *lines, lines_callback callback, void *data)
{
	*lines = (struct lines){.callback = callback, .data = data, .text = malloc(LINES_MAX + 1)};
	return lines->text == NULL ? -ENOMEM : 0;
}

void lines_finish(struct lines *lines)
{
	free(lines->text);
	lines->text = NULL;
	lines->used = 0;
}

void lines_end(struct lines *lines)
{
	if (lines->used > 0) {
		lines->text[lines->used] = '\0';
		lines->used = 0;
		lines->callback(lines->data, lines->text);
	}
}

void lines_feed(struct lines *lines, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r') {
			lines_end(lines);
		} else if (bytes[i] != '\0' && lines->used < LINES_MAX) {
			/* A NUL would be an end that the line does not have. */
			lines->text[lines->used++] = bytes[i];
		}
	}
}
