/* SPDX-License-Identifier: MIT */
/*
 * hesperd's start and end, with all of its processes: options, sockets, the keeper, the sandbox, the
 * device. Whatever fails, it comes up and serves, or it ends with words and a status; no process, no
 * socket and no file stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"

extern char **environ;

#define MACHINE_FD 10
#define READY_FD 11

static struct {
	char directory[64];
	char display[96];
	char stats[96];
	char input[96];
	pid_t pid;
	int machine; /* QEMU's end */
	int ready;
	int words; /* what it says */
} fx;

static void open_fds(posix_spawn_file_actions_t *actions, int *theirs)
{
	int pair[2];
	int ready[2];
	FAULT_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
	FAULT_CHECK(pipe2(ready, O_CLOEXEC) == 0, "no pipe");
	fx.words = memfd_create("words", MFD_CLOEXEC);
	fx.machine = pair[0];
	fx.ready = ready[0];
	theirs[0] = pair[1];
	theirs[1] = ready[1];
	posix_spawn_file_actions_init(actions);
	posix_spawn_file_actions_adddup2(actions, fx.words, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(actions, pair[1], MACHINE_FD);
	posix_spawn_file_actions_adddup2(actions, ready[1], READY_FD);
}

static void start(const char *sandbox)
{
	char lent[64];
	char options[4][128];
	int theirs[2];
	posix_spawn_file_actions_t actions;
	strcpy(fx.directory, "/tmp/hesper-fault-XXXXXX");
	FAULT_CHECK(mkdtemp(fx.directory) != NULL, "no directory");
	snprintf(fx.display, sizeof(fx.display), "%s/display", fx.directory);
	snprintf(fx.stats, sizeof(fx.stats), "%s/stats", fx.directory);
	snprintf(fx.input, sizeof(fx.input), "%s", fx.directory);
	snprintf(options[0], sizeof(options[0]), "--display=%s", fx.display);
	snprintf(options[1], sizeof(options[1]), "--stats=%s", fx.stats);
	snprintf(options[2], sizeof(options[2]), "--input=%s", fx.input);
	snprintf(options[3], sizeof(options[3]), "--sandbox=%s", sandbox);
	fault_lend(lent, sizeof(lent));
	putenv(lent);
	open_fds(&actions, theirs);
	char *const argv[] = {getenv("HESPERD_FAULT"),
			      "--fd=10",
			      "--ready-fd=11",
			      "--render=none",
			      "--window-size=64",
			      options[0],
			      options[1],
			      options[2],
			      options[3],
			      NULL};
	FAULT_CHECK(posix_spawn(&fx.pid, argv[0], &actions, NULL, argv, environ) == 0,
		    "cannot start %s", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	unsetenv("FAULT_LENT");
	close(theirs[0]);
	close(theirs[1]);
}

/* True when it came up. */
static bool wait_ready(void)
{
	char line[4096];
	ssize_t got = read(fx.ready, line, sizeof(line) - 1);
	close(fx.ready);
	if (got <= 0) {
		return false;
	}
	line[got] = '\0';
	FAULT_CHECK(strncmp(line, "ready ", 6) == 0, "it says %s", line);
	return true;
}

static const char *words(void)
{
	static char text[8192];
	ssize_t got = pread(fx.words, text, sizeof(text) - 1, 0);
	text[got < 0 ? 0 : got] = '\0';
	return text;
}

static void wait_end(bool came_up)
{
	int status;
	FAULT_CHECK(waitpid(fx.pid, &status, 0) == fx.pid, "it is not there");
	if (!WIFEXITED(status) || WEXITSTATUS(status) == FAULT_BROKEN) {
		FAULT_CHECK(false, "status 0x%x:\n%s", (unsigned)status, words());
	}
	FAULT_CHECK(came_up || WEXITSTATUS(status) != 0, "it did not come up, and is content");
	if (WEXITSTATUS(status) != 0) {
		FAULT_CHECK(fault_happened(), "status %d:\n%s", WEXITSTATUS(status), words());
		FAULT_CHECK(strstr(words(), "error") != NULL, "it fails without words:\n%s",
			    words());
	}
	/* The rest of its processes, which are ours now. */
	while (waitpid(-1, &status, 0) > 0) {
		FAULT_CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != FAULT_BROKEN,
			    "one of its processes is broken");
	}
	FAULT_CHECK(errno == ECHILD, "processes are left");
}

static void scenario(void *data)
{
	start(data);
	bool came_up = wait_ready();
	close(fx.machine);
	wait_end(came_up);
	close(fx.words);
	unlink(fx.stats);
	FAULT_CHECK(rmdir(fx.directory) == 0, "%s: %s", fx.directory, strerror(errno));
}

int main(void)
{
	fault_init("fault_hesperd");
	FAULT_CHECK(getenv("HESPERD_FAULT") != NULL, "HESPERD_FAULT is not set");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fault_try_all(scenario, "off");
	fault_try_all(scenario, "on");
	return fault_report();
}
