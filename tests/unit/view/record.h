/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_VIEW_RECORD_H
#define TESTS_UNIT_VIEW_RECORD_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "view/sink.h"

/* What was sent, as words: "+1e" and "-1e" for keys, "0@3,4" for a place on console 0, … */
struct record {
	char text[8192];
};

static inline void record_add(struct record *record, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void record_add(struct record *record, const char *format, ...)
{
	size_t length = strlen(record->text);
	va_list arguments;
	va_start(arguments, format);
	if (length > 0) {
		record->text[length++] = ' ';
	}
	vsnprintf(record->text + length, sizeof(record->text) - length, format, arguments);
	va_end(arguments);
}

static inline void record_send(void *data, unsigned console, const struct display_input *input)
{
	struct record *record = data;
	switch (input->kind) {
	case DISPLAY_KEY:
		record_add(record, "%c%02x", input->key.down ? '+' : '-', input->key.qnum);
		break;
	case DISPLAY_BUTTON:
		record_add(record, "%u:%cb%d", console, input->button.down ? '+' : '-',
			   (int)input->button.button);
		break;
	case DISPLAY_MOVE_TO:
		record_add(record, "%u@%u,%u", console, input->to.x, input->to.y);
		break;
	case DISPLAY_MOVE_BY:
		record_add(record, "%u>%d,%d", console, input->by.dx, input->by.dy);
		break;
	case DISPLAY_SCROLL:
		record_add(record, "%u~%d,%d", console, input->by.dx, input->by.dy);
		break;
	case DISPLAY_TOUCH:
		record_add(record, "%u:t%d/%u@%.1f,%.1f", console, (int)input->touch.kind,
			   input->touch.slot, input->touch.x, input->touch.y);
		break;
	default:
		record_add(record, "?%d", (int)input->kind);
		break;
	}
}

/* What was sent since the last look. */
#define assert_sent(record, expected)                                                              \
	do {                                                                                       \
		assert_string_equal((record)->text, expected);                                     \
		(record)->text[0] = '\0';                                                          \
	} while (0)

#endif
