/* SPDX-License-Identifier: MIT */
#include "launcher/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/log.h"

void supervise_init(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN);
}

unsigned supervise_sweep(void)
{
	unsigned count = 0;
	for (;;) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
		FILE *file = fopen(path, "re");
		int pid = 0;
		bool found = file != NULL && fscanf(file, "%d", &pid) == 1;
		if (file != NULL) {
			fclose(file);
		}
		if (!found || pid <= 0) {
			return count;
		}
		log_debug("process %d was left over", pid);
		kill(pid, SIGKILL);
		if (waitpid(pid, NULL, 0) < 0 && errno != EINTR) {
			return count;
		}
		count++;
	}
}

int supervise_exec(int argc, char **argv)
{
	if (argc < 3) {
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, atoi(argv[1]));
	if (getppid() != atoi(argv[0])) {
		return 128 + SIGKILL;
	}
	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[2], &argv[2]);
	fprintf(stderr, "hesper: cannot start %s: %s\n", argv[2], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
