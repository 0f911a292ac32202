/* SPDX-License-Identifier: MIT */
#include "view/summary.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

static json_t *percentiles(const struct stats_times *times)
{
	return json_pack("{s:f, s:f}", "p50", stats_times_percentile(times, 50), "p99",
			 stats_times_percentile(times, 99));
}

static json_t *build_consoles(const struct summary *summary)
{
	json_t *all = json_array();
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		const struct console *console = &summary->consoles[i];
		if (console->presented > 0) {
			json_array_append_new(all, json_pack("{s:i, s:s, s:I, s:i, s:i}", "console",
							     (int)i, "label", console->info.label,
							     "frames_presented",
							     (json_int_t)console->presented,
							     "width", (int)console->width, "height",
							     (int)console->height));
		}
	}
	return all;
}

static json_t *build(const struct summary *summary)
{
	const struct stats *stats = summary->stats;
	const struct vk *vk = summary->vk;
	const struct console *first = summary->first;
	json_t *validation =
		vk->validating ? json_integer(atomic_load(&vk->validation_messages)) : json_null();
	return json_pack("{s:I, s:I, s:f, s:f, s:o, s:o, s:s, s:I, s:s, s:s, s:i, s:i, s:s?, s:s?, "
			 "s:o, s:o}",
			 "frames_presented", (json_int_t)stats->presented, "frames_dropped",
			 (json_int_t)summary->dropped, "seconds", stats_seconds(stats), "fps",
			 stats_fps(stats), "frame_ms", percentiles(&stats->intervals), "present_ms",
			 percentiles(&stats->latencies), "memory_path",
			 source_path_name(summary->path), "cpu_copied_bytes",
			 (json_int_t)summary->copied, "device", vk->properties.deviceName, "driver",
			 vk->driver, "width", (int)first->width, "height", (int)first->height,
			 "format", first->format != NULL ? first->format->name : NULL,
			 "present_mode", summary->present_mode, "consoles", build_consoles(summary),
			 "validation_messages", validation);
}

bool summary_write(const struct summary *summary, struct errands *errands, bool wait)
{
	json_t *json = build(summary);
	FILE *file = errands_open();
	if (json == NULL || file == NULL ||
	    json_dumpf(json, file, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0) {
		log_error("the summary could not be made: %s", strerror(errno));
		json_decref(json);
		if (file != NULL) {
			fclose(file);
		}
		return false;
	}
	json_decref(json);
	/* Why it was not written stands in the log already. */
	return errands_write(errands, VIEW_SUMMARY, ERRANDS_NO_NUMBER, file, wait) == 0;
}

void summary_status(const struct summary *summary, int fd)
{
	char line[160];
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	int length =
		snprintf(line, sizeof(line),
			 "{\"fps\": %.1f, \"frames\": %llu, \"width\": %u, \"height\": %u}\n",
			 summary->stats->live_fps, (unsigned long long)summary->stats->presented,
			 summary->first->width, summary->first->height);
	if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 &&
	    write(fd, line, (size_t)length) < 0) {
		log_debug("status line: %s", strerror(errno));
	}
}
