/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_DEMO_IMPL_H
#define HESPER_LAUNCHER_DEMO_IMPL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

#include "launcher/demo.h"
#include "launcher/stages.h"

/* What demo.c (its course) and demo_files.c (what it leaves behind) know of each other. */

/* Who writes one. */
enum demo_trace {
	DEMO_TRACE_SELF,
	DEMO_TRACE_DEVICE,
	DEMO_TRACE_VIEWER,
	DEMO_TRACES,
};

struct demo {
	struct demo_options options;
	struct paths paths;
	struct progress progress;
	struct stages stages;
	struct failure failure;
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_timer_t timer; /* of whatever is waited for now */
	struct child viewer;
	char logs[PATH_MAX];
	char picture[PATH_MAX];
	char summary[PATH_MAX];
	char view_summary[PATH_MAX];
	char view_log[PATH_MAX];
	char traces[DEMO_TRACES][PATH_MAX]; /* with --trace, until they are merged */
	FILE *app_log;
	char app_log_path[PATH_MAX];
	json_t *app_summary;
	uint64_t viewer_started_ns;
	uint64_t app_started_ns;
	uint64_t end_began_ns;
	json_int_t frames; /* that the viewer last told */
	bool app_asked; /* to start */
	bool app_begun; /* it said so */
	bool app_told_to_end;
	bool app_ended; /* and all went well */
	bool first_shown;
	bool failed;
	bool ending;
	int signal;
};

/* Chooses and makes the directory of --out, and removes what an earlier run left there. */
bool demo_choose_files(struct demo *demo);

/* After demo_choose_files. */
bool demo_begin_trace(struct demo *demo);

/* Ends ours, and merges what there is into the file of --trace. Nothing without it. */
void demo_merge_traces(struct demo *demo);

/* Writes the summary and prints the last line. False with failure filled. */
bool demo_report(struct demo *demo);

#endif
