/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/demo_impl.h"
#include "launcher/report.h"
#include "launcher/traces.h"
#include "util/trace.h"

static bool choose_out(struct demo *demo, char *out, size_t size)
{
	const char *cache = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	int length;
	if (demo->options.out != NULL) {
		length = snprintf(out, size, "%s", demo->options.out);
	} else if (demo->paths.source[0] != '\0') {
		length = snprintf(out, size, "%s/build/demo", demo->paths.source);
	} else if (cache != NULL && cache[0] == '/') {
		length = snprintf(out, size, "%s/hesper/demo", cache);
	} else {
		length = snprintf(out, size, "%s/.cache/hesper/demo", home != NULL ? home : "");
	}
	return length < (int)size;
}

bool demo_choose_files(struct demo *demo)
{
	char out[PATH_MAX - 64];
	if (!choose_out(demo, out, sizeof(out))) {
		failure_set(&demo->failure, "the path of --out is too long");
		return false;
	}
	snprintf(demo->logs, sizeof(demo->logs), "%s/logs", out);
	snprintf(demo->picture, sizeof(demo->picture), "%s/%s.png", out, demo->options.app);
	snprintf(demo->summary, sizeof(demo->summary), "%s/summary.json", out);
	snprintf(demo->view_summary, sizeof(demo->view_summary), "%s/logs/view.json", out);
	snprintf(demo->view_log, sizeof(demo->view_log), "%s/logs/view.log", out);
	snprintf(demo->app_log_path, sizeof(demo->app_log_path), "%s/logs/guest-app.log", out);
	for (enum demo_trace i = 0; i < DEMO_TRACES; i++) {
		static const char *const names[] = {"hesper", "hesperd", "view"};
		snprintf(demo->traces[i], PATH_MAX, "%s/logs/trace-%s.json", out, names[i]);
	}
	int error = paths_make_dir(demo->logs);
	if (error < 0) {
		failure_set(&demo->failure, "cannot make %s: %s", demo->logs, strerror(-error));
		failure_fix(&demo->failure, "choose a directory you can write to with --out");
		return false;
	}
	remove(demo->picture);
	remove(demo->summary);
	remove(demo->view_summary);
	return true;
}

bool demo_begin_trace(struct demo *demo)
{
	if (demo->options.trace == NULL) {
		return true;
	}
	/* What can be known now is not told at the end. */
	FILE *merged = fopen(demo->options.trace, "ae");
	if (merged == NULL) {
		failure_set(&demo->failure, "cannot write the trace %s: %s", demo->options.trace,
			    strerror(errno));
		failure_fix(&demo->failure, "choose a file you can write to with --trace");
		return false;
	}
	fclose(merged);
	/* Of an earlier run. */
	for (enum demo_trace i = 0; i < DEMO_TRACES; i++) {
		remove(demo->traces[i]);
	}
	int error = trace_open(demo->traces[DEMO_TRACE_SELF], "hesper");
	if (error < 0) {
		failure_set(&demo->failure, "cannot write the trace %s: %s",
			    demo->traces[DEMO_TRACE_SELF], strerror(-error));
		return false;
	}
	trace_name(TRACE_LAUNCHER, "stages");
	return true;
}

void demo_merge_traces(struct demo *demo)
{
	struct traces *traces = NULL;
	int error = 0;
	if (demo->options.trace == NULL) {
		return;
	}
	trace_close();
	traces = traces_create();
	error = traces == NULL ? -ENOMEM : 0;
	for (enum demo_trace i = 0; i < DEMO_TRACES && error == 0; i++) {
		struct traces_file file;
		int result = traces_add(traces, demo->traces[i], &file);
		/* A program that was not started has none. */
		error = result == -ENOENT ? 0 : result;
	}
	if (error == 0) {
		error = traces_write(traces, demo->options.trace);
	}
	traces_destroy(traces);
	if (error < 0) {
		fprintf(stderr, "hesper: cannot write %s: %s; its parts are %s/trace-*.json\n",
			demo->options.trace, strerror(-error), demo->logs);
		return;
	}
	for (enum demo_trace i = 0; i < DEMO_TRACES; i++) {
		remove(demo->traces[i]);
	}
	fprintf(stderr, "hesper: wrote %s\n", demo->options.trace);
}

bool demo_report(struct demo *demo)
{
	char line[512];
	FILE *picture = fopen(demo->picture, "re");
	json_t *device = json_load_file(demo->stages.stats_path, 0, NULL);
	json_t *view = json_load_file(demo->view_summary, 0, NULL);
	if (demo->options.desktop) {
		/* A session does not count what it shows; the device does. */
		json_object_set(demo->app_summary, "frames",
				json_object_get(device, "scanout_blob_commands"));
	}
	const struct report_input input = {
		.app = demo->options.app,
		.refresh = demo->options.refresh,
		.device = device,
		.view = view,
		.guest = demo->app_summary,
		.manifest = demo->stages.manifest,
		.kvm = demo->stages.accel.kvm,
		.qemu = demo->stages.qemu_version,
		.picture = picture != NULL ? demo->picture : NULL,
	};
	json_t *summary = report_build(&input, &demo->failure);
	bool written =
		summary != NULL && json_dump_file(summary, demo->summary,
						  JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
	if (summary != NULL && !written) {
		failure_set(&demo->failure, "cannot write %s", demo->summary);
	} else if (summary != NULL && picture == NULL) {
		failure_set(&demo->failure, "no picture was taken");
		failure_log(&demo->failure, demo->view_log);
		written = false;
	}
	if (written) {
		report_line(summary, line, sizeof(line));
		fprintf(stderr, "hesper: wrote %s and %s\n", demo->picture, demo->summary);
		puts(line);
	}
	if (picture != NULL) {
		fclose(picture);
	}
	json_decref(summary);
	json_decref(device);
	json_decref(view);
	return written;
}
