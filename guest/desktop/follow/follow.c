/* SPDX-License-Identifier: MIT */
/*
 * hesper-follow: gives every output of a wlroots compositor its monitor's preferred mode, whenever
 * the monitor changes, and puts the outputs side by side in the order of the connectors, which is
 * how the device places them (and maps an absolute pointer).
 *
 * wlroots takes the preferred mode when a monitor is plugged in, but does not look at the modes of a
 * monitor that stays: a window that is resized is such a monitor. So: what the connectors want
 * (connectors.c, on uevents) is compared with what the outputs have (outputs.c, as the compositor
 * tells), and where they differ, wlr-randr sets all outputs in one transaction. Whatever comes
 * meanwhile is looked at when it has ended. A layout is asked for once, a few times if the compositor
 * refuses because it changed something itself meanwhile, and then not again before a monitor changes:
 * what a person sets by hand stays.
 *
 * The names of the outputs, in that order, are printed on a line each time they are others.
 *
 * The names of the outputs, in that order, are printed on a line each time they are others.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "screens.h"

#define RANDR "wlr-randr"
#define ARGS_EACH 6
#define MAX_ATTEMPTS 3
#define TEXT_SIZE 48

struct follow {
	const char *card;
	struct outputs *outputs;
	int events; /* of the kernel */
	int signals;
	pid_t randr; /* 0: none runs */
	struct screens wanted;
	struct screens asked; /* by the last wlr-randr */
	struct screens told; /* on stdout; their names count */
	int attempts; /* that may still be made for that layout */
};

static const struct screen *find(const struct screens *screens, const char *name)
{
	for (size_t i = 0; i < screens->count; i++) {
		if (strcmp(screens->all[i].name, name) == 0) {
			return &screens->all[i];
		}
	}
	return NULL;
}

static bool same_mode(const struct screen_mode *a, const struct screen_mode *b)
{
	return a->width == b->width && a->height == b->height && a->refresh_mhz == b->refresh_mhz;
}

/* Whether both have the same screens in the same order, so that they also lie in the same places. */
static bool same_layout(const struct screens *a, const struct screens *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		if (strcmp(a->all[i].name, b->all[i].name) != 0 ||
		    !same_mode(&a->all[i].mode, &b->all[i].mode)) {
			return false;
		}
	}
	return a->count == b->count;
}

/* Child: becomes wlr-randr for that layout. A mode that is set already is left alone. */
static void run_randr(const struct screens *screens, const struct screens *have)
{
	static char texts[SCREENS_MAX][2][TEXT_SIZE];
	const char *argv[1 + ARGS_EACH * SCREENS_MAX + 1];
	size_t count = 0;
	sigset_t none;
	int x = 0;

	argv[count++] = RANDR;
	for (size_t i = 0; i < screens->count; i++) {
		const struct screen *screen = &screens->all[i];
		const struct screen_mode *mode = &screen->mode;

		snprintf(texts[i][0], TEXT_SIZE, "%dx%d@%d.%03d", mode->width, mode->height,
			 mode->refresh_mhz / 1000, mode->refresh_mhz % 1000);
		snprintf(texts[i][1], TEXT_SIZE, "%d,0", x);
		x += mode->width;
		argv[count++] = "--output";
		argv[count++] = screen->name;
		if (!same_mode(mode, &find(have, screen->name)->mode)) {
			argv[count++] = "--custom-mode";
			argv[count++] = texts[i][0];
		}
		argv[count++] = "--pos";
		argv[count++] = texts[i][1];
	}
	argv[count] = NULL;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(RANDR, (char *const *)argv);
	fprintf(stderr, "hesper-follow: " RANDR ": %s\n", strerror(errno));
	_exit(127);
}

/* The wanted screens that the compositor knows; an output that is yet to come wakes us then. */
static void choose_layout(const struct follow *follow, const struct screens *have,
			  struct screens *layout, bool *differs)
{
	layout->count = 0;
	*differs = false;
	for (size_t i = 0; i < follow->wanted.count; i++) {
		const struct screen *wanted = &follow->wanted.all[i];
		const struct screen *output = find(have, wanted->name);

		if (output) {
			layout->all[layout->count++] = *wanted;
			*differs = *differs || !same_mode(&output->mode, &wanted->mode);
		}
	}
}

static void tell(struct follow *follow, const struct screens *layout)
{
	bool same = layout->count == follow->told.count;

	for (size_t i = 0; same && i < layout->count; i++) {
		same = strcmp(layout->all[i].name, follow->told.all[i].name) == 0;
	}
	if (same) {
		return;
	}
	for (size_t i = 0; i < layout->count; i++) {
		printf("%s%s", i > 0 ? " " : "", layout->all[i].name);
	}
	printf("\n");
	fflush(stdout);
	follow->told = *layout;
}

static void act(struct follow *follow)
{
	struct screens have, layout;
	bool differs, is_new;

	outputs_get(follow->outputs, &have);
	choose_layout(follow, &have, &layout, &differs);
	tell(follow, &layout);
	/* Also new when only places are others, as when the first of two monitors has gone. */
	is_new = !same_layout(&layout, &follow->asked);
	if (follow->randr || layout.count == 0 || (!differs && !is_new) ||
	    (!is_new && follow->attempts == 0)) {
		return;
	}
	follow->attempts = is_new ? MAX_ATTEMPTS : follow->attempts;
	follow->attempts--;
	follow->asked = layout;
	follow->randr = fork();
	if (follow->randr == 0) {
		run_randr(&layout, &have);
	} else if (follow->randr < 0) {
		fprintf(stderr, "hesper-follow: fork: %s\n", strerror(errno));
		follow->randr = 0;
	}
}

static void read_wanted(struct follow *follow)
{
	int ret = connectors_read(follow->card, &follow->wanted);

	if (ret < 0) {
		fprintf(stderr, "hesper-follow: %s: %s\n", follow->card, strerror(-ret));
	}
	follow->attempts = MAX_ATTEMPTS;
}

static void reap(struct follow *follow)
{
	struct signalfd_siginfo info;
	int status;

	while (read(follow->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
	}
	if (follow->randr && waitpid(follow->randr, &status, WNOHANG) == follow->randr) {
		follow->randr = 0;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
			follow->attempts = 0;
		}
	}
}

static void loop(struct follow *follow)
{
	struct pollfd fds[] = {
		{.fd = outputs_fd(follow->outputs), .events = POLLIN},
		{.fd = follow->events, .events = POLLIN},
		{.fd = follow->signals, .events = POLLIN},
	};

	read_wanted(follow);
	while (outputs_dispatch(follow->outputs)) {
		act(follow);
		if (poll(fds, 3, -1) < 0 && errno != EINTR) {
			return;
		}
		if (fds[1].revents && connectors_changed(follow->events)) {
			read_wanted(follow);
		}
		if (fds[2].revents) {
			reap(follow);
		}
	}
}

int main(int argc, char **argv)
{
	struct follow follow = {.card = argc > 1 ? argv[1] : "/dev/dri/card0"};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	follow.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	follow.events = connectors_watch();
	follow.outputs = outputs_connect();
	if (follow.signals < 0 || follow.events < 0 || !follow.outputs) {
		fprintf(stderr, "hesper-follow: cannot start\n");
		return 1;
	}
	loop(&follow);
	return 0;
}
