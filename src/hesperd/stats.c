/* SPDX-License-Identifier: MIT */
#include "hesperd/stats.h"

#include <stdio.h>
#include <string.h>

#include "hesperd/keeper.h"
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

json_t *stats_describe(const struct memory_path *path)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "memory_path",
			 path->host_memory ? "host-memory" : "dma-buf", "memory_reason",
			 path->reason, "host_device", path->device, "host_driver", path->driver,
			 "virglrenderer", HESPER_VIRGL_VERSION, "hesper", HESPER_VERSION);
}

/* By the options' names, without "max-". */
static json_t *describe_limits(const struct gpu *gpu)
{
	json_t *limits = json_object();
	for (enum gpu_limit limit = 0; limit < GPU_LIMITS; limit++) {
		struct gpu_limit_usage usage;
		gpu_limit_usage(gpu, limit, &usage);
		json_object_set_new(limits, gpu_limit_table[limit].name + strlen("max-"),
				    json_pack("{s:I, s:I, s:I, s:I}", "allowed",
					      (json_int_t)usage.allowed, "now",
					      (json_int_t)usage.now, "most", (json_int_t)usage.most,
					      "refused", (json_int_t)usage.refused));
	}
	return limits;
}

void stats_write(struct errands *errands, const struct memory_path *memory, const struct gpu *gpu)
{
	json_t *stats = stats_describe(memory);
	for (int i = 0; i < COUNTER_COUNT; i++) {
		json_object_set_new(stats, counter_name(i),
				    json_integer((json_int_t)counter_read(i)));
	}
	json_object_set_new(stats, "time_ns", json_integer((json_int_t)clock_now_ns()));
	if (gpu != NULL) {
		json_object_set_new(stats, "blob_path_cpu_copied_bytes",
				    json_integer((json_int_t)gpu_copied_on_blob_path(gpu)));
	}
	if (gpu != NULL) {
		json_object_set_new(stats, "limits", describe_limits(gpu));
	}
	FILE *file = errands_open();
	if (file != NULL) {
		json_dumpf(stats, file, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	}
	int error = errands_write(errands, KEEPER_STATS, ERRANDS_NO_NUMBER, file, false);
	if (error < 0) {
		log_limited(LOG_ERROR, "the statistics could not be written: %s", strerror(-error));
	}
	json_decref(stats);
}
