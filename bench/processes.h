/* SPDX-License-Identifier: MIT */
#ifndef HESPER_BENCH_PROCESSES_H
#define HESPER_BENCH_PROCESSES_H

#include <stdint.h>
#include <sys/types.h>

/* CPU time of a process and all its threads so far. */
struct process_cpu {
	uint64_t total_ns;
	uint64_t
		own_ns; /* of hesper-view's own threads: not those of a software driver, "the GPU" */
};

/* Zeroes for what cannot be read. */
void process_cpu_read(pid_t pid, struct process_cpu *cpu);

#endif
