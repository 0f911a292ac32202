/* SPDX-License-Identifier: MIT */
/* hesper view: finds the machine and becomes hesper-view. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/commands.h"
#include "launcher/demo.h"
#include "launcher/failure.h"
#include "launcher/paths.h"
#include "util/fd.h"
#include "util/options.h"

struct view_choice {
	const char *socket;
	const char *title;
	const char *screenshot;
	const char *trace;
	uint32_t sandbox; /* index into sandbox_names */
	bool headless;
};

static const char *const sandbox_names[] = {"off", "on", "strict"};

/* The display sockets of machines that run: one whose hesperd is gone does not connect. */
static unsigned find_sockets(char path[PATH_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char patterns[2][PATH_MAX];
	unsigned found = 0;
	snprintf(patterns[0], PATH_MAX, "%s/hesper-*/display.sock",
		 runtime != NULL ? runtime : "/tmp");
	snprintf(patterns[1], PATH_MAX, "/tmp/hesper-*/display.sock");
	for (int i = 0; i < (strcmp(patterns[0], patterns[1]) == 0 ? 1 : 2); i++) {
		glob_t matches;
		if (glob(patterns[i], 0, NULL, &matches) != 0) {
			continue;
		}
		for (size_t j = 0; j < matches.gl_pathc; j++) {
			int fd = fd_connect(matches.gl_pathv[j]);
			if (fd >= 0) {
				fd_close(&fd);
				snprintf(path, PATH_MAX, "%s", matches.gl_pathv[j]);
				found++;
			}
		}
		globfree(&matches);
	}
	return found;
}

static bool choose_socket(struct view_choice *choice, char found[PATH_MAX], struct failure *failure)
{
	if (choice->socket != NULL) {
		return true;
	}
	unsigned count = find_sockets(found);
	choice->socket = found;
	if (count == 0) {
		failure_set(failure, "no machine of hesper runs here");
		failure_fix(failure, "start one (hesper demo --keep-running), or name its display "
				     "socket with --socket");
	} else if (count > 1) {
		failure_set(failure, "%u machines run here", count);
		failure_fix(failure, "name the display socket of one with --socket, such as %s",
			    found);
	}
	return count == 1;
}

static bool check(struct view_choice *choice, const struct paths *paths, char found[PATH_MAX],
		  struct failure *failure)
{
	if (!choice->headless && !demo_has_display()) {
		failure_set(failure, "no screen to open a window on: neither DISPLAY nor "
				     "WAYLAND_DISPLAY is set");
		failure_fix(failure, "run it in a desktop session, or with --headless --screenshot "
				     "FILE.png");
		return false;
	}
	if (paths->view[0] == '\0') {
		failure_set(failure, "a part of hesper is missing: hesper-view");
		failure_fix(failure, "build it (make), or install hesper completely");
		return false;
	}
	return choose_socket(choice, found, failure);
}

static int become_viewer(const struct view_choice *choice, const struct paths *paths)
{
	char *argv[16];
	size_t count = 0;
	argv[count++] = (char *)paths->view;
	argv[count++] = (char *)"--socket";
	argv[count++] = (char *)choice->socket;
	argv[count++] = (char *)"--title";
	argv[count++] = (char *)choice->title;
	argv[count++] = (char *)"--sandbox";
	argv[count++] = (char *)sandbox_names[choice->sandbox];
	if (choice->headless) {
		argv[count++] = (char *)"--headless";
	}
	if (choice->screenshot != NULL) {
		argv[count++] = (char *)"--screenshot";
		argv[count++] = (char *)choice->screenshot;
		argv[count++] = (char *)"--frames";
		argv[count++] = (char *)"1";
	}
	if (choice->trace != NULL) {
		argv[count++] = (char *)"--trace";
		argv[count++] = (char *)choice->trace;
	}
	argv[count] = NULL;
	execv(paths->view, argv);
	fprintf(stderr, "hesper: cannot start %s: %s\n", paths->view, strerror(errno));
	return EXIT_FAILURE;
}

int view_main(int argc, char **argv)
{
	struct view_choice choice = {.title = "hesper", .sandbox = 1};
	const struct option_spec specs[] = {
		{"socket", 's', OPTION_STRING, &choice.socket, "PATH",
		 "Display socket of the machine; else that of the only one that runs", 0, 0},
		{"title", 0, OPTION_STRING, &choice.title, "TEXT", "First words of the title", 0,
		 0},
		{"sandbox", 0, OPTION_CHOICE, &choice.sandbox, "off|on|strict",
		 "Give up what is not needed to show pictures; strict: or do not start", 0, 0},
		{"headless", 0, OPTION_FLAG, &choice.headless, NULL, "Open no window", 0, 0},
		{"screenshot", 0, OPTION_STRING, &choice.screenshot, "FILE.png",
		 "Write what the machine shows now, and exit", 0, 0},
		{"trace", 0, OPTION_STRING, &choice.trace, "FILE",
		 "Write here what takes how long, event by event, for Perfetto and 'hesper trace'",
		 0, 0},
	};
	const struct option_table table = {
		.program = "hesper view",
		.operands = "",
		.summary = "Opens another window on a running machine",
		.specs = specs,
		.count = sizeof(specs) / sizeof(specs[0]),
	};
	int first = options_parse(&table, argc, argv);
	if (first < 0) {
		return first == -ECANCELED ? EXIT_SUCCESS : 2;
	}
	if (first < argc) {
		fprintf(stderr, "hesper view: '%s' is not understood. Try 'hesper view --help'\n",
			argv[first]);
		return 2;
	}
	struct paths paths;
	struct failure failure;
	char found[PATH_MAX];
	paths_find(&paths, NULL);
	if (!check(&choice, &paths, found, &failure)) {
		failure_print(&failure, stderr);
		return EXIT_FAILURE;
	}
	return become_viewer(&choice, &paths);
}
