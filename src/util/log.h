/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_LOG_H
#define HESPER_UTIL_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * One log for all programs: lines "program: level: text" on stderr. Any thread may log; a line is
 * written with one write(2), so lines of several threads never mix. Control characters in the text
 * become '?': some of it is from a guest or a peer.
 */
enum log_level {
	LOG_ERROR, /* something the user asked for does not work */
	LOG_WARN, /* it works, but not as well as it should: says why */
	LOG_INFO, /* milestones; default of the launcher */
	LOG_DEBUG, /* per command */
};

/* program: static string. Messages above max are dropped. */
void log_init(const char *program, enum log_level max);

/* "error", "warn", "info" or "debug" to a level; false when it is none of them. */
bool log_parse_level(const char *text, enum log_level *out);

bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_enabled(LOG_DEBUG)) {                                                      \
			log_write(LOG_DEBUG, __VA_ARGS__);                                         \
		}                                                                                  \
	} while (0)

/*
 * State of one rate-limited call site: LOG_LIMIT_BURST lines a second, then silence until the
 * second is over; the next line that passes says how many were left out.
 */
#define LOG_LIMIT_BURST 5
struct log_limit {
	_Atomic uint64_t window_ns;
	_Atomic uint32_t count;
	_Atomic uint32_t suppressed;
};

/* True when the line may be written; *suppressed is then the number of lines left out before. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t *suppressed);

void log_write_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* For everything a guest or a peer can cause at will. */
#define log_limited(level, ...)                                                                    \
	do {                                                                                       \
		static struct log_limit log_limit_here;                                            \
		log_write_limited(&log_limit_here, (level), __VA_ARGS__);                          \
	} while (0)

#endif
