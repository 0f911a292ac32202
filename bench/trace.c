/* SPDX-License-Identifier: MIT */
/*
 * bench_trace [FILE]: what an event of a trace costs, in ns: written to FILE (a temporary one without),
 * and while nothing is traced. The events are those of a frame. Medians of rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/trace.h"

#define ROUNDS 51
#define EVENTS 4000 /* some 15 buffers */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* As callers do it: asked first, and then two looks at the clock. */
static void make_slice(uint64_t i)
{
	if (trace_on()) {
		uint64_t begin = clock_now_ns();
		trace_slice(TRACE_FLIP, "flip", begin, clock_now_ns(),
			    TRACE_ARGS(TRACE_NUMBER("flush", i), TRACE_NUMBER("resource", 1234),
				       TRACE_NUMBER("width", 1920), TRACE_NUMBER("height", 1080),
				       TRACE_NUMBER("fenced", 0)));
	}
}

/* Two events: the slice and the arrow. */
static void make_frame_slice(uint64_t i)
{
	if (trace_on()) {
		uint64_t begin = clock_now_ns();
		trace_frame_slice(
			TRACE_FLOW_THROUGH, TRACE_COPY, "gpu copy", 0x123456789abcdef0 + i, begin,
			clock_now_ns(),
			TRACE_ARGS(TRACE_NUMBER("console", 0), TRACE_TIME("submit", 12345)));
	}
}

static void make_mark(uint64_t i)
{
	if (trace_on()) {
		trace_mark(TRACE_ANSWERED, "answered", clock_now_ns(),
			   TRACE_ARGS(TRACE_ID("frame", i)));
	}
}

static void make_pair(uint64_t i)
{
	if (trace_on()) {
		const struct trace_arg *args =
			TRACE_ARGS(TRACE_NUMBER("context", 1), TRACE_NUMBER("ring", 1));
		trace_begin("fence", i, clock_now_ns(), args);
		trace_end("fence", i, clock_now_ns(), NULL);
	}
}

static void measure(const char *what, unsigned events, void (*make)(uint64_t i))
{
	double rounds[ROUNDS];
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = clock_now_ns();
		for (uint64_t i = 0; i < EVENTS; i++) {
			make(i);
			/* So that what is off is not taken out of the loop. */
			__asm__ volatile("" ::: "memory");
		}
		rounds[round] = (double)(clock_now_ns() - start) / EVENTS / events;
	}
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	printf("%-36s %7.1f ns an event (%.1f to %.1f)\n", what, rounds[ROUNDS / 2], rounds[0],
	       rounds[ROUNDS - 1]);
}

static void measure_all(const char *how)
{
	char what[64];
	static const struct {
		const char *name;
		unsigned events;
		void (*make)(uint64_t i);
	} all[] = {
		{"slice with five figures", 1, make_slice},
		{"slice of a frame, and arrow", 2, make_frame_slice},
		{"mark", 1, make_mark},
		{"begin and end", 2, make_pair},
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(what, sizeof(what), "%s: %s", how, all[i].name);
		measure(what, all[i].events, all[i].make);
	}
}

int main(int argc, char **argv)
{
	char temporary[] = "/tmp/hesper-bench-trace-XXXXXX";
	const char *path = argc > 1 ? argv[1] : temporary;
	int fd = argc > 1 ? -1 : mkstemp(temporary);
	measure_all("off");
	int error = trace_open(path, "bench_trace");
	if (error == 0) {
		measure_all("on");
		trace_close();
	} else {
		fprintf(stderr, "bench_trace: %s: %s\n", path, strerror(-error));
	}
	if (fd >= 0) {
		close(fd);
		unlink(temporary);
	}
	return error == 0 ? 0 : 1;
}
