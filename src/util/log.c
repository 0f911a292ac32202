/* SPDX-License-Identifier: MIT */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};
_Static_assert(sizeof(level_names) / sizeof(level_names[0]) == LOG_DEBUG + 1, "one name a level");

static const char *log_program = "hesper";
static enum log_level log_max = LOG_WARN;

void log_init(const char *program, enum log_level max)
{
	log_program = program;
	log_max = max;
}

bool log_parse_level(const char *text, enum log_level *out)
{
	if (strcmp(text, "warn") == 0) {
		text = "warning";
	}
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_enabled(enum log_level level)
{
	return level <= log_max;
}

/*
 * What a guest or a peer says is in some lines: it can neither begin a line of its own nor move the
 * cursor of a terminal. Control characters are C0, DEL, and C1 as UTF-8 has them.
 */
static void blot_out_controls(char *text, int size)
{
	for (int i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char next = i + 1 < size ? (unsigned char)text[i + 1] : 0;
		if (c < 0x20 || c == 0x7f) {
			text[i] = '?';
		} else if (c == 0xc2 && next >= 0x80 && next <= 0x9f) {
			text[i] = '?';
			text[i + 1] = '?';
		}
	}
}

static void write_line(enum log_level level, uint32_t suppressed, const char *format, va_list args)
{
	char line[1024];
	int used = snprintf(line, sizeof(line), "%s: %s: ", log_program, level_names[level]);
	int text = vsnprintf(line + used, sizeof(line) - (size_t)used - 64, format, args);
	int room = (int)sizeof(line) - used - 65;
	used += text < 0 ? 0 : (text > room ? room : text);
	if (suppressed > 0) {
		used += snprintf(line + used, sizeof(line) - (size_t)used - 1,
				 " (%u more like this were left out)", suppressed);
	}
	blot_out_controls(line, used);
	line[used++] = '\n';
	ssize_t written;
	do {
		written = write(STDERR_FILENO, line, (size_t)used);
	} while (written < 0 && errno == EINTR);
}

void log_write(enum log_level level, const char *format, ...)
{
	if (!log_enabled(level)) {
		return;
	}
	va_list args;
	va_start(args, format);
	write_line(level, 0, format, args);
	va_end(args);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t *suppressed)
{
	uint64_t start = atomic_load(&limit->window_ns);
	*suppressed = 0;
	if (start == 0 || now_ns - start >= CLOCK_NS_PER_S) {
		if (atomic_compare_exchange_strong(&limit->window_ns, &start, now_ns)) {
			atomic_store(&limit->count, 0);
			*suppressed = atomic_exchange(&limit->suppressed, 0);
		}
	}
	if (atomic_fetch_add(&limit->count, 1) >= LOG_LIMIT_BURST) {
		atomic_fetch_add(&limit->suppressed, *suppressed + 1);
		return false;
	}
	return true;
}

void log_write_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
	uint32_t suppressed;
	if (!log_enabled(level) || !log_limit_pass(limit, clock_now_ns(), &suppressed)) {
		return;
	}
	va_list args;
	va_start(args, format);
	write_line(level, suppressed, format, args);
	va_end(args);
}
