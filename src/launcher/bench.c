/* SPDX-License-Identifier: MIT */
/* hesper bench: finds the harness and what it measures, and becomes it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/commands.h"
#include "launcher/failure.h"
#include "launcher/paths.h"
#include "util/options.h"

#define MAX_PATTERNS 64

struct bench_choice {
	bool list;
	uint32_t samples; /* index into sample_names */
	uint32_t rounds; /* 0: as many as that means */
	const char *out;
	const char *report_of;
};

static const char *const sample_names[] = {"short", "full", "tiny"};

static int parse(struct bench_choice *choice, int argc, char **argv)
{
	const struct option_spec specs[] = {
		{"list", 'l', OPTION_FLAG, &choice->list, NULL, "List the scenarios and exit", 0,
		 0},
		{"samples", 0, OPTION_CHOICE, &choice->samples, "short|full|tiny",
		 "How often each thing is done; tiny only shows that it works", 0, 0},
		{"rounds", 0, OPTION_UINT, &choice->rounds, "N",
		 "Measure each thing in so many turns; 0: as --samples says", 0, 100},
		{"out", 'o', OPTION_STRING, &choice->out, "DIR",
		 "Write results.json, report.md and its plots here; else into build/bench, or "
		 "hesper-bench where there is no source tree",
		 0, 0},
		{"report-of", 0, OPTION_STRING, &choice->report_of, "FILE",
		 "Measure nothing: make the report of a results.json", 0, 0},
	};
	static const char *const notes[] = {
		"A scenario is named by one string, such as present/1080p/host-memory/headless. "
		"'present', 'present/4k' and 'device/*/batch-64' name all that match; without any, "
		"a set of about five minutes is measured.",
		"Figures are medians of rounds in turns, with the least and the most. They mean "
		"something on a host that does nothing else.",
		NULL,
	};
	const struct option_table table = {
		.program = "hesper bench",
		.operands = "[SCENARIO…]",
		.summary = "Measures hesper on this host",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
		.notes = notes,
	};
	return options_parse(&table, argc, argv);
}

static bool check(const struct paths *paths, struct failure *failure)
{
	if (paths->bench[0] == '\0' || paths->bench_programs[0] == '\0' ||
	    paths->hesperd[0] == '\0' || paths->view[0] == '\0') {
		failure_set(failure, "a part of hesper is missing: %s",
			    paths->hesperd[0] == '\0' ? "hesperd"
			    : paths->view[0] == '\0'  ? "hesper-view"
						      : "its benchmarks");
		failure_fix(failure, "build it (make), or install hesper completely");
		return false;
	}
	if (!paths_has_program("python3")) {
		failure_set(failure, "the benchmarks are run by python3, which is not there");
		failure_fix(failure, "install it (apt install python3), or run hesper in the "
				     "environment: ./dev hesper bench");
		return false;
	}
	return true;
}

/* What the harness measures with: bench/harness.py. */
static void tell_places(const struct paths *paths)
{
	setenv("HESPER", paths->self, 1);
	setenv("HESPERD", paths->hesperd, 1);
	setenv("HESPER_VIEW", paths->view, 1);
	setenv("HESPER_BENCH_PROGRAMS", paths->bench_programs, 1);
	if (paths->layer_dir[0] != '\0') {
		setenv("HESPER_BENCH_LAYER", paths->layer_dir, 1);
	}
	if (paths->guest_build[0] != '\0') {
		setenv("HESPER_GUEST_BUILD", paths->guest_build, 1);
	}
}

static int become_harness(const struct bench_choice *choice, const struct paths *paths,
			  char **patterns)
{
	char rounds[16];
	char *argv[MAX_PATTERNS + 16];
	size_t count = 0;
	argv[count++] = (char *)"python3";
	argv[count++] = (char *)paths->bench;
	argv[count++] = (char *)"--samples";
	argv[count++] = (char *)sample_names[choice->samples];
	argv[count++] = (char *)"--out";
	argv[count++] = (char *)(choice->out != NULL        ? choice->out
				 : paths->source[0] != '\0' ? "build/bench"
							    : "hesper-bench");
	if (choice->list) {
		argv[count++] = (char *)"--list";
	}
	if (choice->rounds != 0) {
		snprintf(rounds, sizeof(rounds), "%u", choice->rounds);
		argv[count++] = (char *)"--rounds";
		argv[count++] = rounds;
	}
	if (choice->report_of != NULL) {
		argv[count++] = (char *)"--report-of";
		argv[count++] = (char *)choice->report_of;
	}
	argv[count++] = (char *)"--";
	for (size_t i = 0; i < MAX_PATTERNS && patterns[i] != NULL; i++) {
		argv[count++] = patterns[i];
	}
	argv[count] = NULL;
	execvp(argv[0], argv);
	fprintf(stderr, "hesper: cannot start %s: %s\n", argv[0], strerror(errno));
	return EXIT_FAILURE;
}

int bench_main(int argc, char **argv)
{
	struct bench_choice choice = {0};
	struct paths paths;
	struct failure failure;
	int first = parse(&choice, argc, argv);
	if (first < 0) {
		return first == -ECANCELED ? EXIT_SUCCESS : 2;
	}
	if (argc - first > MAX_PATTERNS) {
		fprintf(stderr, "hesper bench: these are more than %d patterns\n", MAX_PATTERNS);
		return 2;
	}
	paths_find(&paths, NULL);
	if (!check(&paths, &failure)) {
		failure_print(&failure, stderr);
		return EXIT_FAILURE;
	}
	tell_places(&paths);
	return become_harness(&choice, &paths, argv + first);
}
