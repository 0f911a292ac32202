/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into hesper's programs, tries from inside what their sandbox is to refuse, when a signal
 * comes (SIGRTMIN + 9), and writes a line to stderr for each: "attempt PROGRAM PID NAME: OUTCOME".
 * OUTCOME: "done", "refused" with an errno, or "killed" where the kernel ended the process for it.
 *
 * System calls are made raw, so that no library is in between. Where a process may fork, each attempt
 * is a child's: it may be the end of it. What is to be reached is made by the test:
 *
 *   HESPER_ATTEMPT_DIR   has a file "file", a socket "socket" that listens, a directory "mount"
 *   HESPER_ATTEMPT_NAME  an abstract socket that listens
 *   HESPER_ATTEMPT_PORT  on 127.0.0.1, listens
 *   HESPER_ATTEMPT_PID   a process that may be signalled
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char file[256];
static char new_file[256];
static char mount_point[256];
static struct sockaddr_un by_path = {.sun_family = AF_UNIX};
static struct sockaddr_un abstract = {.sun_family = AF_UNIX};
static socklen_t abstract_size;
static struct sockaddr_in internet = {.sin_family = AF_INET};
static pid_t victim;
static char program[32];

static long open_file(void)
{
	return syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
}

static long open_for_writing(void)
{
	return syscall(SYS_openat, AT_FDCWD, file, O_WRONLY);
}

static long create_file(void)
{
	return syscall(SYS_openat, AT_FDCWD, new_file, O_WRONLY | O_CREAT, 0600);
}

static long open_own_memory(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR);
}

static long reach(int family, const void *address, socklen_t size)
{
	long fd = syscall(SYS_socket, family, SOCK_STREAM, 0);
	return fd < 0 ? -1 : syscall(SYS_connect, fd, address, size);
}

static long connect_internet(void)
{
	return reach(AF_INET, &internet, sizeof(internet));
}

static long connect_abstract(void)
{
	return reach(AF_UNIX, &abstract, abstract_size);
}

static long connect_path(void)
{
	return reach(AF_UNIX, &by_path, sizeof(by_path));
}

static long execute(void)
{
	char *const argv[] = {(char *)"/bin/true", NULL};
	char *const none[] = {NULL};
	return syscall(SYS_execve, "/bin/true", argv, none);
}

static long trace(void)
{
	return syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long mount_something(void)
{
	return syscall(SYS_mount, "none", mount_point, "tmpfs", 0, "size=4096");
}

static long make_namespace(void)
{
	return syscall(SYS_unshare, CLONE_NEWNS);
}

static long read_memory(void)
{
	static char from[8];
	char to[8];
	struct iovec local = {to, sizeof(to)};
	struct iovec remote = {from, sizeof(from)};
	return syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
}

static long signal_other(void)
{
	return syscall(SYS_kill, victim, 0);
}

static long make_ring(void)
{
	struct io_uring_params params = {0};
	return syscall(SYS_io_uring_setup, 4, &params);
}

static long gain_root(void)
{
	return syscall(SYS_setuid, 0);
}

static long change_root(void)
{
	return syscall(SYS_chroot, mount_point);
}

static const struct attempt {
	const char *name;
	long (*make)(void);
} attempts[] = {
	{"open", open_file},
	{"write", open_for_writing},
	{"create", create_file},
	{"proc-mem", open_own_memory},
	{"connect-inet", connect_internet},
	{"connect-abstract", connect_abstract},
	{"connect-path", connect_path},
	{"ptrace", trace},
	{"mount", mount_something},
	{"unshare", make_namespace},
	{"process-vm-readv", read_memory},
	{"kill", signal_other},
	{"io-uring", make_ring},
	{"setuid", gain_root},
	{"chroot", change_root},
	{"exec", execute}, /* the last one: a process that may do it is another afterwards */
};

/* One write: lines of several processes do not mix. */
static void tell(const char *name, const char *outcome, int error)
{
	char line[160];
	int size = snprintf(line, sizeof(line), "attempt %s %d %s: %s %d\n", program, getpid(),
			    name, outcome, error);
	ssize_t wrote = write(STDERR_FILENO, line, (size_t)size);
	(void)wrote;
}

static void judge(const struct attempt *attempt)
{
	long result = attempt->make();
	tell(attempt->name, result < 0 ? "refused" : "done", result < 0 ? errno : 0);
}

static void handle(int number)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		int status = 0;
		long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
		if (child == 0) {
			judge(&attempts[i]);
			_exit(1);
		}
		if (i == 0) {
			tell("fork", child < 0 ? "refused" : "done", child < 0 ? errno : 0);
		}
		if (child < 0) {
			judge(&attempts[i]);
			continue;
		}
		while (waitpid((pid_t)child, &status, 0) < 0 && errno == EINTR) {
		}
		if (WIFSIGNALED(status)) {
			tell(attempts[i].name, "killed", WTERMSIG(status));
		} else if (attempts[i].make == execute && WEXITSTATUS(status) == 0) {
			tell(attempts[i].name, "done", 0);
		}
	}
	tell("end", "done", 0);
}

__attribute__((constructor)) static void prepare(void)
{
	const char *directory = getenv("HESPER_ATTEMPT_DIR");
	const char *name = getenv("HESPER_ATTEMPT_NAME");
	const char *port = getenv("HESPER_ATTEMPT_PORT");
	const char *pid = getenv("HESPER_ATTEMPT_PID");
	if (directory == NULL || name == NULL || port == NULL || pid == NULL) {
		return;
	}
	snprintf(program, sizeof(program), "%s", program_invocation_short_name);
	snprintf(file, sizeof(file), "%s/file", directory);
	snprintf(new_file, sizeof(new_file), "%s/new", directory);
	snprintf(mount_point, sizeof(mount_point), "%s/mount", directory);
	snprintf(by_path.sun_path, sizeof(by_path.sun_path), "%s/socket", directory);
	snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "%s", name);
	abstract_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	internet.sin_port = htons((uint16_t)atoi(port));
	internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	victim = atoi(pid);
	const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
	sigaction(SIGRTMIN + 9, &action, NULL);
}
