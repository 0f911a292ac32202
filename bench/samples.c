/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

void samples_init(struct samples *samples, uint64_t room)
{
	*samples = (struct samples){.ns = calloc(room, sizeof(uint64_t)), .room = room};
	if (samples->ns == NULL) {
		fprintf(stderr, "no memory for %llu samples\n", (unsigned long long)room);
		exit(1);
	}
}

void samples_finish(struct samples *samples)
{
	free(samples->ns);
	*samples = (struct samples){0};
}

void samples_add(struct samples *samples, uint64_t ns)
{
	if (samples->count < samples->room) {
		samples->ns[samples->count++] = ns;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The least time that so many thousandths of all do not exceed. */
static double at(const struct samples *samples, uint64_t thousandths)
{
	uint64_t rank = (samples->count * thousandths + 999) / 1000;
	return samples->count == 0 ? 0 : (double)samples->ns[rank > 0 ? rank - 1 : 0] / 1000;
}

json_t *samples_json(struct samples *samples)
{
	qsort(samples->ns, samples->count, sizeof(uint64_t), compare);
	return json_pack("{s:f, s:f, s:f, s:f, s:I}", "p50", at(samples, 500), "p90",
			 at(samples, 900), "p99", at(samples, 990), "max", at(samples, 1000), "n",
			 (json_int_t)samples->count);
}
