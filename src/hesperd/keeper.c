/* SPDX-License-Identifier: MIT */
/*
 * A process cannot put itself into a pid namespace, and cannot remove a socket's name once it has
 * given the file system up. So hesperd is two processes. The device (the child) has all the stages of
 * the sandbox; the keeper knows nothing of guests, and does by number what is done by path
 * (sandbox/errands.h).
 *
 * Ends. When the device ends, the keeper carries out what it was still asked to do, removes what was
 * left, and ends the same way. When the keeper is killed, the kernel kills the device, and with it
 * its pid namespace: spawners, renderers and all; and the sweeper, a child of the keeper that waits for
 * nothing else, removes what was left.
 */
#include "hesperd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/filter.h"
#include "sandbox/sandbox.h"
#include "util/fd.h"
#include "util/log.h"

#define KEPT_FD 3 /* the first after the standard ones */

struct keeper {
	struct errands *errands;
	struct keeper_sweeper *sweeper;
	pid_t device;
	int socket;
	int signals;
};

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
}

void keeper_unblock(void)
{
	sigset_t set;
	fill_signals(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static _Noreturn void end(struct keeper *keeper, int status)
{
	while (errands_serve(keeper->errands, keeper->socket) != -EPIPE) {
	}
	errands_remove_all(keeper->errands);
	if (keeper->sweeper->pid > 0) {
		kill(keeper->sweeper->pid, SIGKILL);
		waitpid(keeper->sweeper->pid, NULL, 0);
	}
	if (WIFSIGNALED(status)) {
		int number = WTERMSIG(status);
		sigset_t set;
		log_error("the device was ended by signal %d", number);
		signal(number, SIG_DFL);
		sigfillset(&set);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		kill(getpid(), number);
		_exit(128 + number);
	}
	_exit(WEXITSTATUS(status));
}

static void handle_signals(struct keeper *keeper)
{
	struct signalfd_siginfo info;
	int status;
	if (keeper->sweeper->pid > 0 &&
	    waitpid(keeper->sweeper->pid, NULL, WNOHANG) == keeper->sweeper->pid) {
		keeper->sweeper->pid = 0;
	}
	while (read(keeper->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGCHLD) {
			kill(keeper->device, (int)info.ssi_signo);
		}
	}
	if (waitpid(keeper->device, &status, WNOHANG) == keeper->device) {
		end(keeper, status);
	}
}

/* Its own sandbox. Who runs hesperd as root may have named places in other users' directories. */
static void confine(void)
{
	struct sandbox_filter *filter;
	sandbox_hide();
	if (sandbox_drop_privileges(1ull << CAP_DAC_OVERRIDE, NULL) == 0 &&
	    sandbox_filter_create(SANDBOX_KEEPER, &filter) == 0) {
		sandbox_filter_enter(filter, NULL);
		sandbox_filter_destroy(filter);
	}
}

static _Noreturn void sweep(struct errands *errands, int alive)
{
	char nothing;
	sigset_t set;
	fill_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL); /* the keeper's end is what counts */
	dup2(alive, KEPT_FD);
	close_range(KEPT_FD + 1, ~0u, 0);
	prctl(PR_SET_NAME, "hesperd-sweeper");
	confine();
	while (read(KEPT_FD, &nothing, 1) < 0 && errno == EINTR) {
	}
	errands_remove_all(errands);
	_exit(0);
}

void keeper_start_sweeper(struct keeper_sweeper *sweeper, const struct errands *errands)
{
	int pair[2]; /* nothing is ever written: the kernel closes the other end */
	struct errands *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*sweeper = (struct keeper_sweeper){.alive = -1};
	if (shared == MAP_FAILED || pipe2(pair, O_CLOEXEC) < 0) {
		log_warn("no process to remove the sockets if this one is killed: %s",
			 strerror(errno));
		return;
	}
	*shared = *errands;
	pid_t pid = fork();
	if (pid == 0) {
		sweep(shared, pair[0]);
	}
	*sweeper = (struct keeper_sweeper){.errands = shared, .pid = pid, .alive = pair[1]};
	fd_close(&pair[0]);
}

static _Noreturn void run(struct keeper *keeper)
{
	sigset_t set;
	/* Nothing of the device's: not the machine's socket, not what somebody waits on. */
	int high[] = {fcntl(keeper->socket, F_DUPFD_CLOEXEC, KEPT_FD + 2),
		      fcntl(keeper->sweeper->alive, F_DUPFD_CLOEXEC, KEPT_FD + 2)};
	int low = dup2(high[0], KEPT_FD);
	int error = errno;
	if (dup2(high[1], KEPT_FD + 1) < 0) {
		close(KEPT_FD + 1);
	}
	close_range(KEPT_FD + 2, ~0u, 0);
	keeper->socket = low;
	fill_signals(&set);
	sigaddset(&set, SIGCHLD);
	keeper->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	error = keeper->signals < 0 ? errno : error;
	prctl(PR_SET_NAME, "hesperd-keeper");
	confine();
	/* The device waits for this before it makes anything that would have to be removed. */
	bool ready = low >= 0 && keeper->signals >= 0;
	if (ready && send(low, "", 1, MSG_NOSIGNAL) < 0) {
		error = errno;
		ready = false;
	}
	if (!ready) {
		log_error("there is nobody to keep the sockets' names: %s", strerror(error));
		kill(keeper->device, SIGKILL);
		waitpid(keeper->device, NULL, 0);
		end(keeper, W_EXITCODE(1, 0));
	}
	handle_signals(keeper);
	for (;;) {
		struct pollfd fds[] = {
			{.fd = keeper->signals, .events = POLLIN},
			{.fd = keeper->socket, .events = POLLIN},
		};
		if (poll(fds, 2, -1) < 0) {
			continue;
		}
		if (fds[1].revents != 0 &&
		    errands_serve(keeper->errands, keeper->socket) == -EPIPE) {
			/* Only its end is awaited now. */
			int status;
			while (waitpid(keeper->device, &status, 0) < 0 && errno == EINTR) {
			}
			end(keeper, status);
		}
		if (fds[0].revents != 0) {
			handle_signals(keeper);
		}
	}
}

int keeper_split(struct errands *errands, struct keeper_sweeper *sweeper)
{
	int pair[2];
	sigset_t set;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	fill_signals(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid_t pid = fork();
	if (pid < 0) {
		int error = -errno;
		fd_close_all(pair, 2);
		return error;
	}
	if (pid > 0) {
		struct keeper keeper = {
			.errands = sweeper->errands != NULL ? sweeper->errands : errands,
			.sweeper = sweeper,
			.device = pid,
			.socket = pair[1],
		};
		run(&keeper);
	}
	fd_close(&sweeper->alive);
	fd_close(&pair[1]);
	errands->socket = pair[0];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	char go;
	ssize_t got;
	do {
		got = recv(errands->socket, &go, 1, 0);
	} while (got < 0 && errno == EINTR);
	/* The keeper has said why, or been killed. */
	return got == 1 ? 0 : got < 0 ? -errno : -EPIPE;
}
