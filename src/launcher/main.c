/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/commands.h"
#include "launcher/demo.h"
#include "launcher/supervise.h"
#include "util/log.h"
#include "util/options.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
	{"demo", demo_main, "show a guest's Vulkan picture on this host"},
	{"view", view_main, "open another window on a running machine"},
	{"trace", trace_main, "merge traces, and tell what each stage of a frame took"},
	{"bench", bench_main, "measure hesper on this host"},
	{"doctor", doctor_main, "say what works here, what does not, and the fix"},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* What "hesper --help" says after its options: a line for each command. */
static const char *const *describe_commands(void)
{
	static char text[1024];
	static const char *notes[3];
	size_t used = (size_t)snprintf(text, sizeof(text), "Commands:");
	for (size_t i = 0; i < COMMAND_COUNT && used < sizeof(text); i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "\n  %-8s %s",
					 commands[i].name, commands[i].summary);
	}
	notes[0] = text;
	notes[1] = "'hesper COMMAND --help' tells the options of one.";
	return notes;
}

static int run_without_command(int argc, char **argv)
{
	const struct option_table table = {
		.program = "hesper",
		.operands = "COMMAND",
		.summary =
			"Gives virtual machines Vulkan, and puts their frames on a screen without "
			"copying them",
		.notes = describe_commands(),
	};
	int first = options_parse(&table, argc, argv);
	if (first == -ECANCELED) {
		return EXIT_SUCCESS;
	}
	if (first >= 0 && first < argc) {
		fprintf(stderr, "hesper: there is no command '%s'. Try 'hesper --help'\n",
			argv[first]);
	} else if (first >= 0) {
		options_help(&table, stderr);
	}
	return 2;
}

int main(int argc, char **argv)
{
	log_init("hesper", LOG_WARN);
	if (argc > 1 && strcmp(argv[1], SUPERVISE_EXEC) == 0) {
		return supervise_exec(argc - 2, argv + 2);
	}
	for (size_t i = 0; argc > 1 && i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) == 0) {
			supervise_init();
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	return run_without_command(argc, argv);
}
