/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_SUPERVISE_H
#define HESPER_LAUNCHER_SUPERVISE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "launcher/lines.h"

/*
 * Child processes of the launcher. None outlives it: each is a process group of its own that is
 * signalled as a whole, and each gets a signal from the kernel when the launcher dies. All on the
 * thread of one libuv loop.
 */

/* The child's descriptor of its report pipe, and the first of the ones handed to it. */
#define CHILD_REPORT_FD 3
#define CHILD_FIRST_FD 4
#define CHILD_MAX_FDS 2

struct child;

struct child_spec {
	const char *const
		*argv; /* argv[0] is a path, or a name for PATH; read by child_start only */
	/* New file that stdout and stderr go to when they have no callback; NULL: /dev/null. */
	const char *log;
	lines_callback out; /* lines of stdout, stderr and the report pipe; NULL: no such pipe */
	lines_callback err;
	lines_callback report;
	int fds[CHILD_MAX_FDS]; /* become CHILD_FIRST_FD…; closed here by child_start */
	size_t fd_count;
	int death_signal; /* that the kernel sends when the launcher dies; 0: SIGKILL */
	/*
	 * The process ended and every line of it was delivered. status: exit status, or 128 +
	 * signal. The struct child may be started again or freed from here on.
	 */
	void (*ended)(void *data, int status);
	void *data;
};

struct child {
	struct child_spec spec;
	uv_loop_t *loop;
	uv_process_t process;
	uv_timer_t timer; /* of the stop, then of the drain */
	struct {
		uv_pipe_t pipe;
		struct lines lines;
		bool open;
	} streams[CHILD_REPORT_FD + 1];
	unsigned handles; /* not closed yet */
	bool running; /* the process has not ended */
	bool unheard; /* it was started, but some of its words are lost */
	bool active; /* from a successful child_start until ended() */
	int status;
};

/*
 * ended() is called exactly once for each start, never from inside it; also when nothing could be
 * started or heard (status 126, after an error in the log). fds are closed in either case.
 */
void child_start(struct child *child, uv_loop_t *loop, const struct child_spec *spec);

/*
 * Asks the process to end with SIGTERM, and kills its group after grace_ms. Does nothing when
 * the process ended already. ended() tells the rest.
 */
void child_stop(struct child *child, uint64_t grace_ms);

/* To the process alone. */
void child_signal(struct child *child, int number);

/* To the whole group. */
void child_kill(struct child *child);

/*
 * Makes orphans of our children ours (so that supervise_sweep sees them), ignores SIGPIPE. Once,
 * at the start of main.
 */
void supervise_init(void);

/* Kills and reaps every child process that is left. Returns how many there were. */
unsigned supervise_sweep(void);

/*
 * The child's side of child_start: "hesper internal-exec PARENT SIGNAL PROGRAM ARGS…". Does not
 * return but on failure, then the exit status.
 */
#define SUPERVISE_EXEC "internal-exec"
int supervise_exec(int argc, char **argv);

/* What a program that ran to its end said. */
struct capture {
	/* Exit status, 128 + signal, -ETIMEDOUT when it was killed for that, or -ENOMEM. */
	int status;
	char *out; /* never NULL */
	char *err;
};

/* Runs argv for at most timeout_ms, in a loop of its own: for use before or after the real one. */
void capture_run(struct capture *capture, const char *const *argv, uint64_t timeout_ms);
void capture_finish(struct capture *capture);

/* The last line of what it wrote to stderr, or to stdout, or "". Valid until capture_finish. */
const char *capture_last_words(struct capture *capture);

#endif
