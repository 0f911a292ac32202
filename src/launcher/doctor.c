/* SPDX-License-Identifier: MIT */
#include "launcher/doctor.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/commands.h"
#include "launcher/qemu_probe.h"
#include "util/options.h"

static const char *const health_names[] = {
	[HEALTH_OK] = "ok",
	[HEALTH_WARNING] = "warning",
	[HEALTH_BROKEN] = "broken",
};
_Static_assert(sizeof(health_names) / sizeof(health_names[0]) == HEALTH_COUNT, "one name each");

static void print_text(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->count; i++) {
		const struct finding *finding = &doctor->findings[i];
		printf("%-8s %-14s %s\n", health_names[finding->health], finding->subject,
		       finding->text);
		if (finding->fix[0] != '\0') {
			printf("%-8s %-14s %s: %s\n", "", "",
			       finding->health == HEALTH_BROKEN ? "fix" : "hint", finding->fix);
		}
	}
}

static void print_json(const struct doctor *doctor)
{
	json_t *list = json_array();
	for (size_t i = 0; i < doctor->count; i++) {
		const struct finding *finding = &doctor->findings[i];
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "subject", finding->subject,
						"health", health_names[finding->health], "text",
						finding->text, "fix", finding->fix));
	}
	json_dumpf(list, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(list);
}

int doctor_main(int argc, char **argv)
{
	static struct doctor doctor;
	bool as_json = false;
	const struct option_spec specs[] = {
		{"json", 0, OPTION_FLAG, &as_json, NULL, "Print the findings as JSON", 0, 0},
		{"qemu", 0, OPTION_STRING, &doctor.qemu, "PROGRAM",
		 "The QEMU to examine; else $HESPER_QEMU, else qemu-system-x86_64", 0, 0},
	};
	static const char *const notes[] = {
		"Exit status 0 when nothing is broken (warnings may be), else 1.",
		NULL,
	};
	const struct option_table table = {
		.program = "hesper doctor",
		.operands = "",
		.summary = "Says what works on this host, what does not, and the fix",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
		.notes = notes,
	};
	int first = options_parse(&table, argc, argv);
	if (first < 0) {
		return first == -ECANCELED ? EXIT_SUCCESS : 2;
	}
	if (first < argc) {
		fprintf(stderr,
			"hesper doctor: '%s' is not understood. Try 'hesper doctor --help'\n",
			argv[first]);
		return 2;
	}
	doctor.qemu = qemu_binary(doctor.qemu);
	paths_find(&doctor.paths, NULL);
	doctor_examine(&doctor);
	if (as_json) {
		print_json(&doctor);
	} else {
		print_text(&doctor);
	}
	for (size_t i = 0; i < doctor.count; i++) {
		if (doctor.findings[i].health == HEALTH_BROKEN) {
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}
