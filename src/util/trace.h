/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_TRACE_H
#define HESPER_UTIL_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where the time goes, event by event, as a Chrome trace file (Trace Event Format, JSON array): what
 * Perfetto and chrome://tracing show, and what `hesper trace` merges and counts. docs/tracing.md has
 * the events. Times are those of clock_now_ns(), so files of several processes of a host fit together.
 *
 * An event costs well below 1 µs (bench/trace.c); while nothing is traced, the one branch of
 * trace_on(). Callers ask that first, also before they look at the clock.
 *
 * Events are kept in a buffer of the thread that makes them and written when it is full, or when an
 * event finds an older one in it that has waited for 250 ms: nothing wakes up for it. So a write of
 * 32 KiB can hold up a thread that traces: those that nothing may hold up, such as the front threads
 * of vhost, do not trace. A failed write is told once and ends the tracing, not the program.
 */

/* Tracks: one for each stage, or as many as can be under way at a time. Also their order on the screen. */
enum trace_track {
	TRACE_LAUNCHER = 10,
	/* hesperd */
	TRACE_FLIP = 100, /* + head */
	TRACE_NOTIFY = 200, /* + listener's place */
	/* hesper-view */
	TRACE_ARRIVE = 500,
	TRACE_DISPLAY,
	TRACE_COPY,
	TRACE_PRESENT,
	TRACE_ANSWERED,
};

extern atomic_bool trace_enabled;

static inline bool trace_on(void)
{
	return __builtin_expect(atomic_load_explicit(&trace_enabled, memory_order_relaxed), 0);
}

/* What is told of an event. */
struct trace_arg {
	const char *name; /* plain ASCII without quotes; NULL ends a list */
	enum {
		TRACE_KIND_NUMBER,
		TRACE_KIND_ID, /* all 64 bits: as text, since JSON's numbers have 53 */
		TRACE_KIND_TIME, /* a duration in ns, shown as µs */
		TRACE_KIND_TEXT, /* anything; what is not ASCII becomes '?', and no more than 200 bytes */
	} kind;
	uint64_t number;
	const char *text;
};

#define TRACE_NUMBER(name, value) {(name), TRACE_KIND_NUMBER, (uint64_t)(value), NULL}
#define TRACE_ID(name, value) {(name), TRACE_KIND_ID, (uint64_t)(value), NULL}
#define TRACE_TIME(name, ns) {(name), TRACE_KIND_TIME, (uint64_t)(ns), NULL}
#define TRACE_TEXT(name, value) {(name), TRACE_KIND_TEXT, 0, (value)}
/* At most TRACE_MAX_ARGS. */
#define TRACE_ARGS(...) ((const struct trace_arg[]){__VA_ARGS__, {NULL}})
#define TRACE_MAX_ARGS 8

/*
 * Makes the file anew (a regular file or a device, nothing that has a reader to wait for) and begins
 * tracing. program: as in the trace, plain ASCII. Negative errno; then nothing is traced. While there
 * is one thread; a process that is forked may trace instead of this one, under this one's number.
 * Ignores SIGXFSZ.
 */
int trace_open(const char *path, const char *program);

/* Writes what this thread has buffered, and frees it: at a thread's end. Nothing when it never traced. */
void trace_flush(void);

/* The last thread's end: trace_flush, and the file is complete. Nothing when nothing is open. */
void trace_close(void);

/* --- events: from any thread; names are plain ASCII without quotes ------------------------------ */

/* Names a track. Not for often. */
void trace_name(unsigned track, const char *name);

/* Something that took from begin_ns to end_ns. Those of a track do not overlap. */
void trace_slice(unsigned track, const char *name, uint64_t begin_ns, uint64_t end_ns,
		 const struct trace_arg *args);

/* Something that happened. */
void trace_mark(unsigned track, const char *name, uint64_t ns, const struct trace_arg *args);

/* The same as a slice, in two: for what overlaps, and what may never end. id: trace_next_id(). */
uint64_t trace_next_id(void);
void trace_begin(const char *name, uint64_t id, uint64_t ns, const struct trace_arg *args);
void trace_end(const char *name, uint64_t id, uint64_t ns, const struct trace_arg *args);

/* A frame's arrow: from, to or through the slice that is on the track at ns. id: trace_frame_id(). */
enum trace_flow {
	TRACE_FLOW_OUT,
	TRACE_FLOW_THROUGH,
	TRACE_FLOW_IN,
};
void trace_flow(enum trace_flow direction, unsigned track, uint64_t ns, uint64_t id);

/*
 * A slice of a frame with its arrow, which binds right behind the beginning of the slice; args are
 * preceded by the frame's id.
 */
void trace_frame_slice(enum trace_flow direction, unsigned track, const char *name, uint64_t id,
		       uint64_t begin_ns, uint64_t end_ns, const struct trace_arg *args);

/*
 * The frame that a message is about, for both ends of a connection: of what both know, the id that
 * the server has given the connection, and the message's cookie. Not 0.
 */
uint64_t trace_frame_id(const uint8_t connection[16], uint64_t cookie);

#endif
