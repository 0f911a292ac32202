/* SPDX-License-Identifier: MIT */
/* hesper trace: puts traces together and tells what they have to say. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/commands.h"
#include "launcher/failure.h"
#include "launcher/traces.h"
#include "util/options.h"

static const char *const notes[] = {
	"The files are those of --trace of hesperd, hesper-view and hesper. Prints for each stage "
	"how "
	"often it was there and what it took, and for whole frames what passed since the guest's "
	"flip "
	"was decoded. The merged file can be opened at https://ui.perfetto.dev, and by "
	"chrome://tracing.",
	NULL,
};

static bool add(struct traces *traces, const char *path, struct failure *failure)
{
	struct traces_file file;
	int error = traces_add(traces, path, &file);
	if (error < 0) {
		failure_set(failure, "cannot read %s: %s", path, strerror(-error));
		return false;
	}
	if (file.events == 0) {
		failure_set(failure, "%s is no trace: there is no event in it", path);
		failure_fix(failure, "name files that --trace has written");
		return false;
	}
	if (file.bad == 1 && file.cut_off) {
		fprintf(stderr, "hesper trace: %s: its last line is cut off\n", path);
	} else if (file.bad > 0) {
		fprintf(stderr, "hesper trace: %s: left out %zu lines that are no event\n", path,
			file.bad);
	}
	return true;
}

static bool tell(struct traces *traces, bool as_json, struct failure *failure)
{
	json_t *figures = traces_count(traces);
	if (figures == NULL) {
		failure_set(failure, "out of memory");
		return false;
	}
	if (as_json) {
		json_dumpf(figures, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
		putchar('\n');
	} else {
		traces_print(figures, stdout);
	}
	json_decref(figures);
	return true;
}

static bool work(struct traces *traces, char **paths, int count, const char *out, bool as_json,
		 struct failure *failure)
{
	if (traces == NULL) {
		failure_set(failure, "out of memory");
		return false;
	}
	for (int i = 0; i < count; i++) {
		if (!add(traces, paths[i], failure)) {
			return false;
		}
	}
	int error = out != NULL ? traces_write(traces, out) : 0;
	if (error < 0) {
		failure_set(failure, "cannot write %s: %s", out, strerror(-error));
		return false;
	}
	return tell(traces, as_json, failure);
}

int trace_main(int argc, char **argv)
{
	const char *out = NULL;
	bool as_json = false;
	const struct option_spec specs[] = {
		{"out", 'o', OPTION_STRING, &out, "OUT.json", "Write all events here, as one trace",
		 0, 0},
		{"json", 0, OPTION_FLAG, &as_json, NULL, "Print the figures as JSON", 0, 0},
	};
	const struct option_table table = {
		.program = "hesper trace",
		.operands = "FILE…",
		.summary = "Merges traces, and tells what each stage of a frame took",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
		.notes = notes,
	};
	int first = options_parse(&table, argc, argv);
	if (first < 0) {
		return first == -ECANCELED ? EXIT_SUCCESS : 2;
	}
	if (first == argc) {
		fprintf(stderr, "hesper trace: no file was named. Try 'hesper trace --help'\n");
		return 2;
	}
	struct failure failure = {0};
	struct traces *traces = traces_create();
	bool right = work(traces, argv + first, argc - first, out, as_json, &failure);
	traces_destroy(traces);
	if (!right) {
		failure_print(&failure, stderr);
	}
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
