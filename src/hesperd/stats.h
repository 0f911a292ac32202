/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_STATS_H
#define HESPER_HESPERD_STATS_H

#include <jansson.h>

#include "gpu/gpu.h"
#include "hesperd/memory_path.h"
#include "sandbox/errands.h"

/* What is known at start: memory path and why, device, versions. New reference. */
json_t *stats_describe(const struct memory_path *path);

/* Has all counters written to KEEPER_STATS, atomically. gpu may be NULL. Logs a failure. */
void stats_write(struct errands *errands, const struct memory_path *memory, const struct gpu *gpu);

#endif
