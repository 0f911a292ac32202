/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GPU_LIMITS_H
#define HESPER_GPU_LIMITS_H

#include <stdint.h>

/*
 * How much of the host a guest can hold. One table, from which come hesperd's options, its statistics
 * and (by a test) the table in docs/security.md. What would go over a limit is answered by an error,
 * with a line in the log; what is there stays.
 */
enum gpu_limit {
	GPU_LIMIT_RESOURCES,
	GPU_LIMIT_CONTEXTS,
	GPU_LIMIT_MEMORY,
	GPU_LIMIT_CONTEXT_MEMORY,
	GPU_LIMIT_MAPPINGS,
	GPU_LIMIT_ENTRIES,
	GPU_LIMIT_COMMAND,
	GPU_LIMIT_FENCES,
	GPU_LIMIT_DESCRIPTORS,
	GPU_LIMITS,
};

/* In units of gpu_limit_table; 0: the default. */
struct gpu_limits {
	uint32_t values[GPU_LIMITS];
};

struct gpu_limit_info {
	const char *name; /* of hesperd's option, and in the statistics */
	uint32_t usual; /* default; 0: depends on the host, as `meaning` says */
	uint32_t max; /* 0: none */
	uint64_t unit; /* bytes; or 1, where things are counted */
	const char *argument; /* "N", "MIB", "KIB" */
	const char *meaning; /* one sentence, no full stop */
	uint32_t error; /* VIRTIO_GPU_RESP_ERR_* */
};

extern const struct gpu_limit_info gpu_limit_table[GPU_LIMITS];

/* What is 0 becomes the default on this host. RLIMIT_NOFILE is what it will be. */
void gpu_limits_complete(struct gpu_limits *limits);

/* In units of 1 or bytes. */
struct gpu_limit_usage {
	uint64_t allowed;
	uint64_t now; /* of a limit on one thing: 0 */
	uint64_t most; /* that there were at a time, or that one had */
	uint64_t refused; /* times */
};

#endif
