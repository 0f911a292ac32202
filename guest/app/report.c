/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"

int64_t report_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void report_init(struct report *report, const char *app, const char *wsi)
{
	*report = (struct report){.app = app, .wsi = wsi, .path = ""};
}

void report_finish(struct report *report)
{
	for (unsigned i = 0; i < REPORT_MAX_ERRORS; i++) {
		free(report->errors[i]);
	}
	free(report->intervals_ms);
}

void report_error(struct report *report, const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
	}
	va_end(args);
	fprintf(stderr, "%s: %s\n", report->app, text ? text : "out of memory");
	if (text && report->num_errors < REPORT_MAX_ERRORS) {
		report->errors[report->num_errors] = text;
	} else {
		free(text);
	}
	report->num_errors++;
}

static void add_interval(struct report *report, float ms)
{
	if (report->num_intervals == report->max_intervals) {
		size_t max = report->max_intervals ? report->max_intervals * 2 : 1024;
		float *grown = realloc(report->intervals_ms, max * sizeof(*grown));

		if (!grown) {
			return;
		}
		report->intervals_ms = grown;
		report->max_intervals = max;
	}
	report->intervals_ms[report->num_intervals++] = ms;
}

void report_frame(struct report *report)
{
	int64_t now = report_now_ns();

	if (report->frames == 0) {
		report->first_ns = now;
	} else {
		add_interval(report, (float)(now - report->last_ns) / 1e6f);
	}
	report->last_ns = now;
	report->frames++;
}

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Rounded for reading: JSON with 17 digits helps nobody. */
static json_t *json_rounded(double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%.3f", value);
	return json_real(strtod(text, NULL));
}

static json_t *percentiles(const struct report *report)
{
	size_t n = report->num_intervals;
	float *sorted = malloc(n * sizeof(*sorted) + 1);
	json_t *json = json_object();

	if (sorted && n > 0) {
		memcpy(sorted, report->intervals_ms, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), compare_floats);
		json_object_set_new(json, "p50", json_rounded(sorted[(n - 1) / 2]));
		json_object_set_new(json, "p99", json_rounded(sorted[(size_t)((n - 1) * 0.99)]));
	} else {
		json_object_set_new(json, "p50", json_null());
		json_object_set_new(json, "p99", json_null());
	}
	free(sorted);
	return json;
}

static json_t *summary(const struct report *report)
{
	double seconds = (double)(report->last_ns - report->first_ns) / 1e9;
	double fps = seconds > 0 ? (double)(report->frames - 1) / seconds : 0;
	json_t *json = json_object(), *errors = json_array();

	json_object_set_new(json, "app", json_string(report->app));
	json_object_set_new(json, "wsi", json_string(report->wsi));
	json_object_set_new(json, "path", json_string(report->path));
	json_object_set_new(json, "width", json_integer(report->width));
	json_object_set_new(json, "height", json_integer(report->height));
	json_object_set_new(json, "stride", json_integer(report->stride));
	json_object_set_new(json, "refresh_hz", json_rounded(report->refresh));
	json_object_set_new(json, "screen_changes",
			    json_integer((json_int_t)report->screen_changes));
	json_object_set_new(json, "frames", json_integer((json_int_t)report->frames));
	json_object_set_new(json, "seconds", json_rounded(seconds));
	json_object_set_new(json, "fps", json_rounded(fps));
	json_object_set_new(json, "flip_ms", percentiles(report));
	json_object_set_new(json, "checked", json_integer((json_int_t)report->checked));
	json_object_set_new(json, "mismatches", json_integer((json_int_t)report->mismatches));
	json_object_set_new(json, "device", json_string(report->device));
	json_object_set_new(json, "driver", json_string(report->driver));
	json_object_set_new(json, "mesa", json_string(report->mesa));
	for (unsigned i = 0; i < report->num_errors && i < REPORT_MAX_ERRORS; i++) {
		json_array_append_new(errors, json_string(report->errors[i]));
	}
	json_object_set_new(json, "errors", errors);
	return json;
}

int report_write(const struct report *report, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	json_t *json;
	int ret = 0;

	if (!file) {
		ret = -errno;
		fprintf(stderr, "%s: cannot write %s: %s\n", report->app, path, strerror(-ret));
		return ret;
	}
	json = summary(report);
	if (json_dumpf(json, file, JSON_REAL_PRECISION(9)) < 0 || fputc('\n', file) == EOF ||
	    fflush(file) != 0) {
		ret = -EIO;
		fprintf(stderr, "%s: cannot write %s\n", report->app, path);
	}
	json_decref(json);
	if (file != stdout) {
		fclose(file);
	}
	return ret;
}
