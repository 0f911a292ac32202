/* SPDX-License-Identifier: MIT */
/*
 * THEORY OF OPERATION
 *
 * Bytes of a guest end up in four kinds of processes, and bytes of a display server's peer in two.
 * Each does one job, and needs next to nothing of the host once it has started; so once it has, it
 * gets next to nothing. Whoever takes one over finds the following, from the outside in. Each stage
 * is there because the one before may be missing on a host, or have a hole:
 *
 * privileges   no_new_privs, no capabilities, not dumpable: no setuid program helps, root is
 *              nobody, and a process of the same user cannot look in.
 * namespaces   user, mount, net, ipc, pid, uts, cgroup: no network interface, no process to signal
 *              or to trace, no System V memory of others.
 * empty root   hesperd only: the root directory is an empty file system. What it needs of files it
 *              has as descriptors; what is left to do with paths (the statistics, the sockets' names)
 *              another process does, which hears one kind of message (hesperd/keeper.c).
 * Landlock     files by list. hesperd: none. Renderers: the Vulkan driver, GPU nodes, a shader cache
 *              of their own; of programs, those that they consist of. No TCP, no signals to
 *              others, no abstract sockets.
 * system calls a list of what the program's work needs (filter_*.c). In hesperd and hesper-view, all
 *              others fail with EPERM and leave a line in the log: a guest must not be able to kill
 *              its machine by an unexpected path through a library. A renderer is killed: a context
 *              is lost, and nothing else.
 *
 * Who may do what (docs/security.md has it as a table):
 *
 *   hesperd         asks hesper-probe, splits itself in two (keeper.c), forks the spawner, opens its
 *                   sockets; then the stages, all of them; then it lets the machine in.
 *   hesper-spawner  has to start programs and give each its own pid namespace: no empty root, and
 *                   one capability. It reads twelve bytes at a time from hesperd, and no guest's.
 *   hesper-render, virgl_render_server and its worker
 *                   each context a pid namespace; the stages are entered by the spawner's child
 *                   before execve, so that they need not take part.
 *   hesper-view     needs a window system, which has to be connected to, and drivers that open what
 *                   they like when a window opens: no namespaces. Before anything else: privileges,
 *                   Landlock and a filter without execve. When it is connected: no more sockets.
 *
 * Some hosts do not let a user make namespaces (containers, a sysctl of a distribution), others have
 * no Landlock. What works is found out by trying it in a child (sandbox_examine), so that it is known
 * before the first process is started, and nothing is half entered.
 *
 * AddressSanitizer needs what the sandbox takes away (it reads /proc, traces itself for leaks,
 * re-executes): builds with it leave out what would break it, and say so.
 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "util/fd.h"
#include "util/log.h"

/* A build for tests is not to be told every time what it cannot have. */
#ifdef __SANITIZE_ADDRESS__
#define MISSING_LEVEL LOG_INFO
#else
#define MISSING_LEVEL LOG_WARN
#endif

static const struct {
	const char *name;
	const char *loss;
} stages[SANDBOX_STAGES] = {
	[SANDBOX_PRIVILEGES] = {"privileges", "the processes keep those of their user"},
	[SANDBOX_NAMESPACES] = {"namespaces",
				"the processes see the host's others and its network"},
	[SANDBOX_EMPTY_ROOT] = {"empty root", "hesperd sees the names of files"},
	[SANDBOX_LANDLOCK] = {"Landlock", "renderers and the viewer can open the user's files"},
	[SANDBOX_SYSTEM_CALLS] = {"system calls", "the processes can make all of them"},
};

const char *sandbox_stage_name(enum sandbox_stage stage)
{
	return stages[stage].name;
}

const char *sandbox_stage_loss(enum sandbox_stage stage)
{
	return stages[stage].loss;
}

static void note(struct sandbox *sandbox, enum sandbox_stage stage, int error, const char *step)
{
	struct sandbox_ability *ability = &sandbox->abilities[stage];
	ability->works = error == 0;
	ability->error = -error;
	snprintf(ability->step, sizeof(ability->step), "%s", error == 0 ? "" : step);
}

/* A pid namespace takes effect with the next fork; a second one in it is what renderers get. */
static int try_pid_namespace(const char **step)
{
	int status = 0;
	*step = "fork";
	pid_t pid = fork();
	if (pid == 0) {
		_exit(getpid() == 1 ? 0 : 1);
	}
	if (pid < 0) {
		return -errno;
	}
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		return -ECHILD;
	}
	return 0;
}

static _Noreturn void try_all(struct sandbox *sandbox, int report)
{
	const char *step = "";
	int error = sandbox_unshare(NULL, &step);
	if (error == 0) {
		error = try_pid_namespace(&step);
	}
	note(sandbox, SANDBOX_NAMESPACES, error, step);
	error = sandbox_empty_root(&step);
	note(sandbox, SANDBOX_EMPTY_ROOT, error, step);
	error = sandbox_drop_privileges(0, &step);
	note(sandbox, SANDBOX_PRIVILEGES, error, step);
	struct sandbox_files *files = NULL;
	error = sandbox_files_create(&files, &step);
	if (error == 0) {
		error = sandbox_files_enter(files, &step);
	}
	note(sandbox, SANDBOX_LANDLOCK, error, step);
	error = sandbox_filter_try(&step);
	note(sandbox, SANDBOX_SYSTEM_CALLS, error, step);
	ssize_t wrote = write(report, sandbox->abilities, sizeof(sandbox->abilities));
	_exit(wrote == sizeof(sandbox->abilities) ? 0 : 1);
}

int sandbox_examine(struct sandbox *sandbox)
{
	int ends[2];
	int status = 0;
	if (pipe(ends) < 0) {
		return -errno;
	}
	pid_t pid = fork();
	if (pid == 0) {
		try_all(sandbox, ends[1]);
	}
	int error = pid < 0 ? -errno : 0;
	fd_close(&ends[1]);
	if (pid > 0 && read(ends[0], sandbox->abilities, sizeof(sandbox->abilities)) !=
			       sizeof(sandbox->abilities)) {
		error = -EIO;
	}
	fd_close(&ends[0]);
	if (pid > 0) {
		waitpid(pid, &status, 0);
	}
	return error;
}

int sandbox_begin(struct sandbox *sandbox, enum sandbox_mode mode, unsigned wanted)
{
	sandbox->mode = mode;
	if (mode == SANDBOX_OFF) {
		return 0;
	}
	int error = sandbox_examine(sandbox);
	if (error < 0) {
		log_error("sandbox: it could not be tried: %s", strerror(-error));
		return mode == SANDBOX_STRICT ? error : 0;
	}
	for (enum sandbox_stage stage = 0; stage < SANDBOX_STAGES; stage++) {
		const struct sandbox_ability *ability = &sandbox->abilities[stage];
		if ((wanted >> stage & 1) == 0 || ability->works) {
			continue;
		}
		log_write(mode == SANDBOX_STRICT ? LOG_ERROR : MISSING_LEVEL,
			  "sandbox: no %s here (%s: %s): %s%s", stages[stage].name, ability->step,
			  strerror(ability->error), stages[stage].loss,
			  mode == SANDBOX_STRICT ? ". Fix: allow it, or --sandbox=on" : "");
		error = -ENOTSUP;
	}
	return mode == SANDBOX_STRICT ? error : 0;
}

bool sandbox_has(const struct sandbox *sandbox, enum sandbox_stage stage)
{
	return sandbox->mode != SANDBOX_OFF && sandbox->abilities[stage].works;
}

void sandbox_hide(void)
{
#ifndef __SANITIZE_ADDRESS__
	prctl(PR_SET_DUMPABLE, 0);
#endif
}
