/* SPDX-License-Identifier: MIT */
#ifndef GUEST_REPORT_H
#define GUEST_REPORT_H

#include <stdint.h>
#include <stdio.h>

#define REPORT_MAX_ERRORS 16

/* What a run did: errors in words, the times between shown frames, the summary's facts. */
struct report {
	const char *app;
	const char *wsi;
	const char *path; /* how pixels get into what is shown, "" if that is not ours to know */
	uint32_t width, height;
	uint32_t stride; /* bytes; 0 if not ours to know */
	double refresh; /* Hz of the mode; 0 headless */
	char device[256], driver[256], mesa[256];

	uint64_t screen_changes; /* that --follow went along with */
	uint64_t frames; /* shown */
	uint64_t checked, mismatches;
	int64_t first_ns, last_ns; /* CLOCK_MONOTONIC of the first and last shown frame */

	float *intervals_ms;
	size_t num_intervals, max_intervals;

	char *errors[REPORT_MAX_ERRORS];
	unsigned num_errors; /* may exceed what is kept */
};

/* Strings given here are borrowed. */
void report_init(struct report *report, const char *app, const char *wsi);
void report_finish(struct report *report);

/* Says it on stderr and keeps it for the summary. */
void report_error(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One more frame was shown, just now. */
void report_frame(struct report *report);

/* Writes the summary to path ("-": standard output). Returns 0 or -errno (said on stderr). */
int report_write(const struct report *report, const char *path);

int64_t report_now_ns(void);

#endif
