/* SPDX-License-Identifier: MIT */
#include "view/stats.h"

#include "util/clock.h"

#define WINDOW_NS (CLOCK_NS_PER_S / 2)

/* Values below 64 have a bucket each; above, 64 buckets share each power of two. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns < 1u << STATS_SUB_BITS) {
		return (unsigned)ns;
	}
	unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - STATS_SUB_BITS;
	return ((shift + 1) << STATS_SUB_BITS) + (unsigned)(ns >> shift) - (1u << STATS_SUB_BITS);
}

static uint64_t middle_of(unsigned bucket)
{
	unsigned row = bucket >> STATS_SUB_BITS;
	if (row == 0) {
		return bucket;
	}
	uint64_t low = (bucket & ((1u << STATS_SUB_BITS) - 1)) + (1ull << STATS_SUB_BITS);
	return (low << (row - 1)) + ((1ull << (row - 1)) >> 1);
}

void stats_times_add(struct stats_times *times, uint64_t ns)
{
	times->count++;
	times->buckets[bucket_of(ns)]++;
}

double stats_times_percentile(const struct stats_times *times, double percent)
{
	uint64_t seen = 0;
	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		seen += times->buckets[i];
		if (seen > 0 && (double)seen >= percent / 100.0 * (double)times->count) {
			return (double)middle_of(i) / (double)CLOCK_NS_PER_MS;
		}
	}
	return 0;
}

void stats_presented(struct stats *stats, uint64_t before_ns, uint64_t arrived_ns, uint64_t done_ns)
{
	if (stats->presented == 0) {
		stats->first_ns = done_ns;
	}
	if (before_ns != 0) {
		stats_times_add(&stats->intervals, done_ns - before_ns);
	}
	stats_times_add(&stats->latencies, done_ns - arrived_ns);
	stats->last_ns = done_ns;
	stats->presented++;
}

uint64_t stats_next_tick(const struct stats *stats)
{
	return stats->window_start_ns + WINDOW_NS;
}

bool stats_tick(struct stats *stats, uint64_t now_ns)
{
	if (stats->window_start_ns == 0) {
		stats->window_start_ns = now_ns;
	}
	uint64_t age = now_ns - stats->window_start_ns;
	if (age < WINDOW_NS) {
		return false;
	}
	stats->live_fps = (double)(stats->presented - stats->window_presented) *
			  (double)CLOCK_NS_PER_S / (double)age;
	stats->window_start_ns = now_ns;
	stats->window_presented = stats->presented;
	return true;
}

double stats_seconds(const struct stats *stats)
{
	return (double)(stats->last_ns - stats->first_ns) / (double)CLOCK_NS_PER_S;
}

double stats_fps(const struct stats *stats)
{
	double seconds = stats_seconds(stats);
	return stats->presented > 1 && seconds > 0 ? (double)(stats->presented - 1) / seconds : 0;
}
