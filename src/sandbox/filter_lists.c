/* SPDX-License-Identifier: MIT */
/*
 * What each kind of process may ask of the kernel. The lists come from tracing the suites (golden,
 * e2e, desktop), and from reading what the libraries could ask for in cases that no test meets; each
 * group says what for. What is not here was seen in no run after start-up, or only where its
 * refusal is part of a library's plan.
 *
 * mmap and its like appear in two forms: hesperd never needs memory that can be run after start-up;
 * Vulkan drivers compile shaders, and load libraries when they are first used.
 */
#include "sandbox/filter_lists.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <linux/udmabuf.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define CALL(name) {SCMP_SYS(name), 0, 0, 0}
#define WHEN(name, argument, value) {SCMP_SYS(name), argument, UINT64_MAX, value}
#define MASKED(name, argument, mask, value) {SCMP_SYS(name), argument, mask, value}
#define GROUP(calls) {calls, sizeof(calls) / sizeof((calls)[0])}
#define LAST {NULL, 0}

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID |                 \
	 CLONE_NEWCGROUP | CLONE_NEWUSER | CLONE_PARENT | CLONE_PTRACE)

/* --- everybody --------------------------------------------------------------------------------- */

/* Running and ending at all: libc, its locks, malloc, signals that were asked for. */
static const struct sandbox_call running[] = {
	CALL(brk),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(futex),
	CALL(set_robust_list),
	CALL(rseq),
	CALL(sched_yield),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(sigaltstack),
	CALL(restart_syscall),
	CALL(getpid),
	CALL(getppid),
	CALL(gettid),
	CALL(exit),
	CALL(exit_group),
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(clock_nanosleep),
	CALL(nanosleep),
	CALL(gettimeofday),
	CALL(getrandom),
	CALL(uname),
	/* malloc's arenas and libuv's threads ask how many processors there are. */
	CALL(sched_getaffinity),
	CALL(sysinfo),
	CALL(getcpu),
};

/* Descriptors that are there, and memory as one. Making one by a path is not among it. */
static const struct sandbox_call descriptors[] = {
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(pread64),
	CALL(pwrite64),
	CALL(close),
	CALL(lseek),
	CALL(fstat),
	CALL(fstatfs),
	CALL(ftruncate),
	CALL(fallocate),
	CALL(memfd_create),
	CALL(dup),
	CALL(dup3),
	WHEN(fcntl, 1, F_DUPFD_CLOEXEC),
	WHEN(fcntl, 1, F_GETFD),
	WHEN(fcntl, 1, F_SETFD),
	WHEN(fcntl, 1, F_GETFL),
	WHEN(fcntl, 1, F_SETFL),
	WHEN(fcntl, 1, F_ADD_SEALS),
	WHEN(fcntl, 1, F_GET_SEALS),
	WHEN(ioctl, 1, FIONBIO),
	WHEN(ioctl, 1, FIOCLEX),
	WHEN(ioctl, 1, FIONREAD),
	WHEN(ioctl, 1, TCGETS), /* stdio: whether a line is to be written at once */
};

/* Waiting: libuv's loops, one a session, made when the machine connects. */
static const struct sandbox_call waiting[] = {
	CALL(epoll_create1), CALL(epoll_ctl),      CALL(epoll_wait),      CALL(epoll_pwait),
	CALL(epoll_pwait2),  CALL(poll),           CALL(ppoll),           CALL(eventfd2),
	CALL(pipe2),         CALL(timerfd_create), CALL(timerfd_settime),
};

/* Sockets that are there, and pairs of them; a pair leads nowhere else. */
static const struct sandbox_call talking[] = {
	CALL(recvmsg),
	CALL(sendmsg),
	CALL(recvfrom),
	CALL(sendto),
	CALL(shutdown),
	CALL(getsockopt),
	CALL(getsockname),
	CALL(getpeername),
	WHEN(setsockopt, 1, SOL_SOCKET),
	WHEN(socketpair, 0, AF_UNIX),
};

/* Threads, which see what their process sees; no process. */
static const struct sandbox_call threads[] = {
	MASKED(clone, 0, CLONE_THREAD | NAMESPACES, CLONE_THREAD),
	WHEN(tgkill, 0, SANDBOX_SELF),
	WHEN(prctl, 0, PR_SET_NAME),
	WHEN(prctl, 0, PR_SET_VMA),
};

/* Who one is. sd-bus says and compares it. */
static const struct sandbox_call identity[] = {
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(getgroups),
	WHEN(prctl, 0, PR_CAPBSET_READ),
	/* Reading a limit. */
	WHEN(prlimit64, 2, 0),
	CALL(getrlimit),
};

#ifdef __SANITIZE_ADDRESS__
/* Reports and the search for leaks at the end: the tests' business. */
static const struct sandbox_call sanitizer[] = {
	CALL(mmap),
	CALL(mprotect),
	CALL(openat),
	CALL(newfstatat),
	CALL(readlink),
	CALL(clone),
	CALL(ptrace),
	CALL(wait4),
	CALL(kill),
	CALL(tgkill),
	CALL(prctl),
	CALL(getdents64),
	CALL(ioctl),
	CALL(execve),
	CALL(dup2),
	CALL(pipe),
	CALL(access),
	CALL(stat),
	CALL(open),
	CALL(rename),
	CALL(unlink),
	CALL(personality),
	CALL(process_vm_readv),
	CALL(setrlimit),
	CALL(prlimit64),
	CALL(arch_prctl),
	CALL(mincore),
};
#define SANITIZER GROUP(sanitizer),
#else
#define SANITIZER
#endif

/* --- hesperd ------------------------------------------------------------------------------------ */

/* Guest RAM, frames, threads' stacks: never to be run. */
static const struct sandbox_call plain_memory[] = {
	MASKED(mmap, 2, PROT_EXEC, 0),
	MASKED(mprotect, 2, PROT_EXEC, 0),
};

static const struct sandbox_call device[] = {
	CALL(accept4), /* the machine, its input devices, viewers */
	CALL(wait4), /* for the spawner, at the end */
	WHEN(ioctl, 1, UDMABUF_CREATE_LIST), /* of guest pages */
	WHEN(ioctl, 1, SIOCOUTQ), /* whether QEMU has begun to read a request */
};

static const struct sandbox_group hesperd_groups[] = {
	GROUP(running),  GROUP(descriptors), GROUP(waiting),      GROUP(talking), GROUP(threads),
	GROUP(identity), GROUP(device),      GROUP(plain_memory), SANITIZER LAST,
};

/* --- hesperd's other half -------------------------------------------------------------------------- */

/* Writes files beside their place and renames them, removes sockets. */
static const struct sandbox_call errands[] = {
	CALL(openat),    CALL(newfstatat), CALL(rename),   CALL(renameat),
	CALL(renameat2), CALL(unlink),     CALL(unlinkat),
};

/* hesperd's signals are passed on, its end is seen and repeated. */
static const struct sandbox_call parent[] = {
	CALL(kill),
	CALL(tgkill),
	CALL(wait4),
	CALL(waitid),
};

static const struct sandbox_group keeper_groups[] = {
	GROUP(running), GROUP(descriptors), GROUP(waiting),      GROUP(talking),
	GROUP(errands), GROUP(parent),      GROUP(plain_memory), SANITIZER LAST,
};

/* --- renderers --------------------------------------------------------------------------------- */

/* Shaders are compiled into memory, libraries are loaded late. */
static const struct sandbox_call any_memory[] = {
	CALL(mmap),          CALL(mprotect),   CALL(msync),     CALL(mincore),
	CALL(mlock),         CALL(mlock2),     CALL(munlock),   CALL(membarrier),
	CALL(get_mempolicy), CALL(pkey_alloc), CALL(pkey_free),
};

/* Landlock says which files. */
static const struct sandbox_call files[] = {
	CALL(open),
	CALL(openat),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(stat),
	CALL(lstat),
	CALL(newfstatat),
	CALL(statx),
	CALL(statfs),
	CALL(readlink),
	CALL(readlinkat),
	CALL(getdents64),
	CALL(getcwd),
	/* The shader cache. */
	CALL(mkdir),
	CALL(mkdirat),
	CALL(rename),
	CALL(renameat),
	CALL(renameat2),
	CALL(unlink),
	CALL(unlinkat),
	CALL(truncate),
	CALL(fsync),
	CALL(fdatasync),
	CALL(flock),
	CALL(umask),
	CALL(fadvise64),
	WHEN(fcntl, 1, F_DUPFD),
	WHEN(fcntl, 1, F_GETLK),
	WHEN(fcntl, 1, F_SETLK),
	WHEN(fcntl, 1, F_SETLKW),
	WHEN(fcntl, 1, F_OFD_SETLK),
	WHEN(fcntl, 1, F_OFD_SETLKW),
	CALL(pipe),
	CALL(dup2),
	CALL(eventfd),
	CALL(select),
	CALL(pselect6),
	CALL(epoll_create),
};

/* By the letter of the subsystem: no terminal is among them, which could be made to type. */
#define IOCTL(letter) MASKED(ioctl, 1, 0xff00, (letter) << 8)
static const struct sandbox_call gpus[] = {
	IOCTL('d'), /* DRM */
	IOCTL('F'), /* NVIDIA */
	IOCTL('m'), /* NVIDIA's modes */
	IOCTL(0x00), /* NVIDIA's unified memory, without a letter */
	IOCTL('K'), /* AMD's compute */
	IOCTL('G'), /* WSL */
	IOCTL(0x80), /* Mali */
	IOCTL('b'), /* dma-bufs */
	IOCTL('H'), /* dma-buf heaps */
	IOCTL('u'), /* udmabuf */
	IOCTL('>'), /* fences as files */
	/* Whether two descriptors are one device (Mesa). */
	CALL(kcmp),
};

/* Pools of threads, and what they are put to. */
static const struct sandbox_call scheduling[] = {
	CALL(sched_setaffinity),
	CALL(sched_setscheduler),
	CALL(sched_getscheduler),
	CALL(sched_getparam),
	CALL(sched_get_priority_max),
	CALL(sched_get_priority_min),
	CALL(sched_getattr),
	CALL(getpriority),
	CALL(setpriority),
	CALL(getrusage),
	CALL(times),
	CALL(time),
	CALL(futex_waitv),
	CALL(timer_create),
	CALL(timer_settime),
	CALL(timer_delete),
	CALL(pause),
	CALL(tgkill),
	CALL(getresuid),
	CALL(getresgid),
	CALL(getpgrp),
	CALL(getpgid),
	CALL(getsid),
	CALL(set_tid_address),
	CALL(arch_prctl),
	WHEN(prctl, 0, PR_GET_DUMPABLE),
	WHEN(prctl, 0, PR_GET_NAME),
	WHEN(prctl, 0, PR_SET_TIMERSLACK),
	WHEN(prctl, 0, PR_SET_PDEATHSIG),
	WHEN(prctl, 0, PR_SET_DUMPABLE),
	WHEN(prctl, 0, PR_SET_NO_NEW_PRIVS),
	WHEN(prctl, 0, PR_GET_NO_NEW_PRIVS),
};

/* hesper-render starts the render server, that forks a worker. Landlock says which programs. */
static const struct sandbox_call processes[] = {
	MASKED(clone, 0, NAMESPACES, 0),
	CALL(fork),
	CALL(vfork),
	CALL(execve),
	CALL(wait4),
	CALL(waitid),
	CALL(kill),
	CALL(close_range),
	CALL(pidfd_open),
	CALL(signalfd4), /* the server hears of its workers so */
	CALL(rt_sigtimedwait),
	CALL(rt_sigsuspend),
	CALL(setpgid),
};

/* Nobody asks for these by mistake. */
static const struct sandbox_call attacks[] = {
	CALL(ptrace),
	CALL(process_vm_readv),
	CALL(process_vm_writev),
	CALL(process_madvise),
	CALL(pidfd_getfd),
	CALL(unshare),
	CALL(setns),
	CALL(mount),
	CALL(umount2),
	CALL(pivot_root),
	CALL(chroot),
	CALL(fsopen),
	CALL(fsmount),
	CALL(move_mount),
	CALL(open_tree),
	CALL(mount_setattr),
	CALL(open_by_handle_at),
	CALL(bpf),
	CALL(userfaultfd),
	CALL(perf_event_open),
	CALL(keyctl),
	CALL(add_key),
	CALL(request_key),
	CALL(init_module),
	CALL(finit_module),
	CALL(delete_module),
	CALL(kexec_load),
	CALL(kexec_file_load),
	CALL(reboot),
	CALL(swapon),
	CALL(swapoff),
	CALL(setuid),
	CALL(setgid),
	CALL(setreuid),
	CALL(setregid),
	CALL(setresuid),
	CALL(setresgid),
	CALL(setgroups),
	CALL(iopl),
	CALL(ioperm),
	CALL(modify_ldt),
	CALL(bind),
	CALL(listen),
	CALL(accept),
	CALL(accept4),
	CALL(connect),
};

static const struct sandbox_group render_groups[] = {
	GROUP(running), GROUP(descriptors), GROUP(waiting),    GROUP(talking),
	GROUP(threads), GROUP(identity),    GROUP(any_memory), GROUP(files),
	GROUP(gpus),    GROUP(scheduling),  GROUP(processes),  SANITIZER LAST,
};
static const struct sandbox_group attack_groups[] = {GROUP(attacks), LAST};

/* --- the spawner ------------------------------------------------------------------------------- */

/* A child of its own pid namespace, and what is done in it before execve. */
static const struct sandbox_call spawning[] = {
	CALL(clone),
	CALL(capget),
	CALL(capset),
	CALL(prctl),
	CALL(prlimit64),
	CALL(setrlimit),
	CALL(landlock_create_ruleset),
	CALL(landlock_add_rule),
	CALL(landlock_restrict_self),
	CALL(seccomp),
};

static const struct sandbox_group spawner_groups[] = {
	GROUP(running),   GROUP(descriptors), GROUP(waiting), GROUP(talking), GROUP(threads),
	GROUP(identity),  GROUP(any_memory),  GROUP(files),   GROUP(gpus),    GROUP(scheduling),
	GROUP(processes), GROUP(spawning),    SANITIZER LAST,
};

/* --- hesper-view ------------------------------------------------------------------------------- */

/* The window system, D-Bus and hesperd: until they are connected. */
static const struct sandbox_call connecting[] = {
	CALL(socket),     CALL(connect),  CALL(bind), /* libc's resolver, for a display by name */
	CALL(setsockopt), CALL(sendmmsg), CALL(recvmmsg),
};

/* X11's pictures in memory, where a driver draws on the processor; SDL's watches. */
static const struct sandbox_call window_system[] = {
	CALL(shmget),           CALL(shmat),         CALL(shmdt),
	CALL(shmctl),           CALL(inotify_init1), CALL(inotify_add_watch),
	CALL(inotify_rm_watch), CALL(wait4), /* for who runs its errands */
	CALL(seccomp), /* the second filter; one can only take away */
};

static const struct sandbox_group view_groups[] = {
	GROUP(running),    GROUP(descriptors),   GROUP(waiting), GROUP(talking), GROUP(threads),
	GROUP(identity),   GROUP(any_memory),    GROUP(files),   GROUP(gpus),    GROUP(scheduling),
	GROUP(connecting), GROUP(window_system), SANITIZER LAST,
};

static const struct sandbox_call new_sockets[] = {
	CALL(socket), CALL(connect), CALL(bind), CALL(listen), CALL(accept), CALL(accept4),
};
static const struct sandbox_group new_socket_groups[] = {GROUP(new_sockets), LAST};

/* Asked for first, by who has other ways: not worth a line. Rings would pass every filter. */
static const struct sandbox_call rings[] = {
	CALL(io_uring_setup),
	CALL(io_uring_enter),
	CALL(io_uring_register),
};
static const struct sandbox_call too_new[] = {CALL(clone3), CALL(openat2)};
static const struct sandbox_group ring_groups[] = {GROUP(rings), LAST};
#ifndef __SANITIZE_ADDRESS__
/* libc looks into /proc for the most groups that sd-bus may be told of, and knows without. */
static const struct sandbox_call reading[] = {
	WHEN(openat, 2, O_RDONLY | O_CLOEXEC),
};
#endif
static const struct sandbox_group missing_groups[] = {GROUP(rings), GROUP(too_new), LAST};
static const struct sandbox_group hesperd_missing_groups[] = {
	GROUP(rings),
	GROUP(too_new),
#ifndef __SANITIZE_ADDRESS__
	GROUP(reading),
#endif
	LAST,
};

/* ------------------------------------------------------------------------------------------------ */

const struct sandbox_list *sandbox_list_of(enum sandbox_profile profile)
{
	static const struct sandbox_list lists[] = {
		[SANDBOX_NO_RINGS] = {.others = SANDBOX_DEFAULT_ALLOW, .missing = ring_groups},
		[SANDBOX_HESPERD] = {.others = SANDBOX_DEFAULT_TELL,
				     .allowed = hesperd_groups,
				     .missing = hesperd_missing_groups},
		[SANDBOX_KEEPER] = {.others = SANDBOX_DEFAULT_EPERM, .allowed = keeper_groups},
		[SANDBOX_SPAWNER] = {.others = SANDBOX_DEFAULT_ENOSYS, .allowed = spawner_groups},
		/* Drivers try what a kernel may not have: only what nobody tries by mistake kills. */
		[SANDBOX_RENDER] = {.others = SANDBOX_DEFAULT_ENOSYS,
				    .allowed = render_groups,
				    .killing = attack_groups},
		[SANDBOX_VIEW] = {.others = SANDBOX_DEFAULT_TELL,
				  .allowed = view_groups,
				  .missing = missing_groups},
		[SANDBOX_VIEW_CONNECTED] = {.others = SANDBOX_DEFAULT_ALLOW,
					    .telling = new_socket_groups},
	};
	return &lists[profile];
}
