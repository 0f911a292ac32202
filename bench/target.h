/* SPDX-License-Identifier: MIT */
#ifndef HESPER_BENCH_TARGET_H
#define HESPER_BENCH_TARGET_H

#include <stdint.h>
#include <sys/types.h>

#include "front.h"

/*
 * A hesperd of its own, driven by a scripted front end in this process. What goes wrong ends the
 * program with words (wire_failed). One thread.
 */
#define TARGET_RAM_BYTES (128ull << 20)
#define TARGET_MAX_PROCESSES 16

/* Which processors the two may use. */
enum target_cpus {
	TARGET_CPUS_APART, /* one each, when there are two */
	TARGET_CPUS_ONE, /* the same one */
	TARGET_CPUS_FREE, /* the scheduler's choice */
};

struct target {
	pid_t pid;
	clockid_t clocks[TARGET_MAX_PROCESSES]; /* of hesperd and its children at the start */
	unsigned clock_count;
	uint64_t ready_ns; /* from fork until hesperd said that it is ready */
	struct wire_front front;
};

/*
 * Starts hesperd with these options (NULL-terminated; at most 24) beside those for the two sockets, and
 * the device.
 */
void target_open(struct target *target, const char *hesperd, char *const *options,
		 enum target_cpus cpus);

/* Ends the session; hesperd must end by itself, with status 0. */
void target_close(struct target *target);

/* CPU time that hesperd and its children have used so far, in ns. */
uint64_t target_cpu_ns(const struct target *target);

#endif
