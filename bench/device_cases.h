/* SPDX-License-Identifier: MIT */
#ifndef HESPER_BENCH_DEVICE_CASES_H
#define HESPER_BENCH_DEVICE_CASES_H

#include <stdint.h>

#include "fast_ring.h"
#include "target.h"

/* What there is in the device beside the command that is measured. */
struct population {
	uint32_t resources; /* guest blobs of a page */
	uint32_t touched; /* of these, by flush-hidden, spread evenly; 0: all */
	uint32_t contexts;
	uint32_t scanouts; /* that show a picture */
	uint32_t entries; /* pieces of guest memory of the resource that a command makes */
};

struct bench {
	struct target target;
	struct population population;
	uint64_t page_gpa; /* a page of guest RAM, for what has to be somewhere */
};

/* One kind of command. */
struct device_case {
	const char *name;
	const char *words;
	unsigned queue;
	uint32_t response_size; /* 0: it has no answer */
	uint32_t good; /* type of the answer */
	/* Writes the number-th command, counted from 0; its size. */
	uint32_t (*fill)(const struct bench *bench, void *request, uint64_t number);
};

/* Bytes that any command of the bench may have. */
uint32_t device_request_room(const struct population *population);

/* NULL when there is none of that name; name NULL: the index-th. */
const struct device_case *device_case_find(const char *name, unsigned index);

/* Makes the population. */
void bench_populate(struct bench *bench);

/* A picture on the first screen, of what a text console is made of: a 2D resource. Flushed once. */
void bench_show_still(struct bench *bench, uint32_t width, uint32_t height);

#endif
