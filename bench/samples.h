/* SPDX-License-Identifier: MIT */
#ifndef HESPER_BENCH_SAMPLES_H
#define HESPER_BENCH_SAMPLES_H

#include <jansson.h>
#include <stdint.h>

/* Times in ns, as many as there is room for; later ones are left out. One thread. */
struct samples {
	uint64_t *ns;
	uint64_t count;
	uint64_t room;
};

/* Ends the program when there is no memory. */
void samples_init(struct samples *samples, uint64_t room);
void samples_finish(struct samples *samples);
void samples_add(struct samples *samples, uint64_t ns);

/* {"p50", "p90", "p99", "max", "n"} in µs, exact; sorts them. A new object. */
json_t *samples_json(struct samples *samples);

#endif
