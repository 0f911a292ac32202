/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FAULT_SAMPLE_H
#define HESPER_TESTS_FAULT_SAMPLE_H

/* Stands in for hesper's code where the catching itself is tested: some of it is wrong. */
enum sample_mistake {
	SAMPLE_NONE,
	SAMPLE_LEAKS, /* memory, when a call fails */
	SAMPLE_LEAKS_MAP,
	SAMPLE_LEAKS_FD,
	SAMPLE_CLOSES_TWICE,
	SAMPLE_CRASHES,
	SAMPLE_MISTAKES,
};

/* 0 or a negative errno; needs two allocations, a memfd, a mapping, a loop. */
int sample_run(enum sample_mistake mistake);

#endif
