/* SPDX-License-Identifier: MIT */
/*
 * The spawner's own process. It is a copy of hesperd as it was when it had just started; it holds
 * nothing but its socket and knows nothing of guests.
 *
 * Forks are _Fork: handlers that libraries have for forks (libuv closes fds of its own in one) are
 * meant for hesperd, whose fds we have not.
 *
 * Ends. A child is left unreaped until its process group has been killed: its number cannot be
 * another's meanwhile. What its group left behind becomes our child (we are a subreaper), so
 * that "no child is left" means that nothing is left. A child also gets a signal from the kernel
 * when we are killed; the rest of its group ends by the sockets between them, or with its pid
 * namespace, where it has one.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "render/spawner.h"
#include "render/spawner_impl.h"
#include "util/fd.h"
#include "util/list.h"

/* A process that waits in its driver takes its signal late. */
#define LAST_WAIT_MS 2000

struct child {
	struct list link;
	uint32_t id;
	pid_t pid;
};

struct spawner_process {
	int socket;
	int signals;
	char *const *argv;
	char *const *environment;
	const struct spawner_hooks *hooks;
	int self; /* pidfd */
	struct list children;
};

int spawner_send(int socket, const struct spawner_message *message, int fd, int flags)
{
	struct iovec iov = {(void *)message, sizeof(*message)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd >= 0) {
		header.msg_control = control.space;
		header.msg_controllen = sizeof(control.space);
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	for (;;) {
		if (sendmsg(socket, &header, MSG_NOSIGNAL | flags) >= 0) {
			return 0;
		}
		if (errno != EINTR) {
			return -errno;
		}
	}
}

int spawner_receive(int socket, struct spawner_message *message, int *fd, int flags)
{
	struct iovec iov = {message, sizeof(*message)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t size;
	*fd = -1;
	do {
		size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | flags);
	} while (size < 0 && errno == EINTR);
	if (size < 0) {
		return errno == ECONNRESET ? 0 : -errno;
	}
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	}
	return size == sizeof(*message);
}

static struct child *find_child(struct spawner_process *process, uint32_t id, pid_t pid)
{
	struct list *item;
	list_for_each (item, &process->children) {
		struct child *child = container_of(item, struct child, link);
		if (child->id == id || child->pid == pid) {
			return child;
		}
	}
	return NULL;
}

static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Not by getppid: from inside of a pid namespace it is always 0. */
static bool has_ended(int pidfd)
{
	struct pollfd fd = {.fd = pidfd, .events = POLLIN};
	return poll(&fd, 1, 0) != 0;
}

static _Noreturn void run_program(const struct spawner_process *process, int socket)
{
	const struct spawner_hooks *hooks = process->hooks;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Asked first, looked then: no death goes unseen. */
	if (!has_ended(process->self) && dup2(socket, SPAWNER_CHILD_FD) >= 0) {
		int error = hooks->program != NULL ? hooks->program(hooks->data) : 0;
		close_range(SPAWNER_CHILD_FD + 1, ~0u, 0);
		if (error < 0) {
			dprintf(STDERR_FILENO, "hesperd: cannot confine %s: %s\n", process->argv[0],
				strerror(-error));
			_exit(126);
		}
		execve(process->argv[0], process->argv, process->environment);
		dprintf(STDERR_FILENO, "hesperd: cannot start %s: %s\n", process->argv[0],
			strerror(errno));
	}
	_exit(127);
}

static pid_t fork_into(unsigned namespaces)
{
	return namespaces == 0
		       ? _Fork()
		       : (pid_t)syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, NULL);
}

static void start(struct spawner_process *process, uint32_t id, int *socket)
{
	struct child *child = malloc(sizeof(*child));
	/* dup2 onto the same number would keep CLOEXEC: stay clear of it. */
	int above = *socket == SPAWNER_CHILD_FD ? fd_dup(*socket) : *socket;
	pid_t pid = child == NULL || above < 0 ? -1 : fork_into(process->hooks->namespaces);
	if (pid == 0) {
		run_program(process, above);
	}
	if (above != *socket) {
		fd_close(&above);
	}
	fd_close(socket);
	if (pid < 0) {
		free(child);
		return;
	}
	/* Here too: it may have to be killed before it gets that far. */
	setpgid(pid, pid);
	*child = (struct child){.id = id, .pid = pid};
	list_append(&process->children, &child->link);
}

/*
 * Another one like this, with a socket of its own and no children. It is our sibling: hesperd's
 * child as we are, so that our end does not make an orphan of it.
 */
static void stand_by(struct spawner_process *process)
{
	int pair[2];
	pid_t hesperd = getppid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return;
	}
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != hesperd) {
			_exit(0);
		}
		fd_close(&pair[0]);
		fd_close(&process->socket);
		fd_close(&process->signals);
		fd_close(&process->self);
		spawner_main(pair[1], process->argv, process->environment, process->hooks);
	}
	fd_close(&pair[1]);
	if (pid > 0) {
		spawner_send(
			process->socket,
			&(struct spawner_message){.op = SPAWNER_STANDS_BY, .id = (uint32_t)pid},
			pair[0], 0);
	}
	fd_close(&pair[0]);
}

static void reap(struct spawner_process *process)
{
	for (;;) {
		siginfo_t info = {0};
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) {
			return;
		}
		struct child *child = find_child(process, 0, info.si_pid);
		if (child != NULL) {
			kill(-child->pid, SIGKILL);
		}
		int status = 0;
		waitpid(info.si_pid, &status, 0);
		if (child != NULL) {
			/* For its log: it need not wait for it. */
			spawner_send(process->socket,
				     &(struct spawner_message){.op = SPAWNER_ENDED,
							       .id = child->id,
							       .status = status},
				     -1, MSG_DONTWAIT);
			list_remove(&child->link);
			free(child);
		}
	}
}

static _Noreturn void end(struct spawner_process *process)
{
	struct list *item;
	list_for_each (item, &process->children) {
		kill(-container_of(item, struct child, link)->pid, SIGKILL);
	}
	for (;;) {
		struct signalfd_siginfo ignored;
		struct pollfd fd = {.fd = process->signals, .events = POLLIN};
		reap(process);
		if (waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    poll(&fd, 1, LAST_WAIT_MS) <= 0) {
			_exit(0);
		}
		while (read(process->signals, &ignored, sizeof(ignored)) > 0) {
		}
	}
}

static void handle_message(struct spawner_process *process)
{
	struct spawner_message message;
	int fd;
	if (spawner_receive(process->socket, &message, &fd, 0) <= 0) {
		end(process);
	}
	struct child *child = find_child(process, message.id, -1);
	if (message.op == SPAWNER_START && fd >= 0 && message.id != 0 && child == NULL) {
		start(process, message.id, &fd);
	} else if (message.op == SPAWNER_KILL && child != NULL) {
		kill(-child->pid, SIGKILL);
	} else if (message.op == SPAWNER_STAND_BY) {
		stand_by(process);
	}
	fd_close(&fd);
}

static void handle_signals(struct spawner_process *process)
{
	struct signalfd_siginfo info;
	while (read(process->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM) {
			end(process);
		}
	}
	reap(process);
}

void spawner_main(int socket, char *const *argv, char *const *environment,
		  const struct spawner_hooks *hooks)
{
	struct spawner_process process = {
		.socket = socket,
		.signals = open_signals(),
		.argv = argv,
		.environment = environment,
		.hooks = hooks,
		.self = (int)syscall(SYS_pidfd_open, getpid(), 0),
	};
	list_init(&process.children);
	prctl(PR_SET_NAME, "hesper-spawner");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Not in hesperd's group: who kills that would leave our children to themselves. */
	setpgid(0, 0);
	if (process.signals < 0 || process.self < 0) {
		_exit(1);
	}
	for (;;) {
		struct pollfd fds[] = {
			{.fd = process.signals, .events = POLLIN},
			{.fd = process.socket, .events = POLLIN},
		};
		if (poll(fds, 2, -1) < 0) {
			continue;
		}
		if (fds[0].revents != 0) {
			handle_signals(&process);
		}
		if (fds[1].revents != 0) {
			handle_message(&process);
		}
	}
}
