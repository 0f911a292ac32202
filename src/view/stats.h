/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_STATS_H
#define HESPER_VIEW_STATS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Times of any number of frames in bounded memory: buckets of 1/64 of a power of two, so a
 * percentile is right to 1.6 %.
 */
#define STATS_SUB_BITS 6
#define STATS_BUCKETS ((64 - STATS_SUB_BITS + 1) << STATS_SUB_BITS)

struct stats_times {
	uint64_t count;
	uint32_t buckets[STATS_BUCKETS];
};

/* Main thread. All times are CLOCK_MONOTONIC ns. */
struct stats {
	uint64_t presented;
	uint64_t first_ns;  /* first present */
	uint64_t last_ns;  /* last present */
	struct stats_times intervals; /* from one present to the next of the same console */
	struct stats_times latencies; /* from an update's arrival until the GPU has read it */
	uint64_t window_start_ns; /* of the live figure */
	uint64_t window_presented;
	double live_fps;
};

void stats_times_add(struct stats_times *times, uint64_t ns);

/* In ms; percent from 0 to 100. 0 when nothing was added. */
double stats_times_percentile(const struct stats_times *times, double percent);

/* before_ns: the present before this one on the same console; 0: there was none. */
void stats_presented(struct stats *stats, uint64_t before_ns, uint64_t arrived_ns,
		     uint64_t done_ns);

/* Ends the live window when it is half a second old; true when live_fps is a new one. */
bool stats_tick(struct stats *stats, uint64_t now_ns);

/* When stats_tick is due next. */
uint64_t stats_next_tick(const struct stats *stats);

double stats_seconds(const struct stats *stats);
double stats_fps(const struct stats *stats);

#endif
