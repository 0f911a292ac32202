/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FAULT_FAULT_H
#define HESPER_TESTS_FAULT_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Fails the n-th call of one kind that our code makes, for every n, on a main path. fault.c says
 * how calls are caught, and which cannot be.
 *
 * A test is a program with a scenario for each path: it makes all it needs, plays the path, and
 * unmakes everything. When a call failed it may see the path end early, cleanly; what may and what
 * may not happen then is the scenario's to check. Then it calls fault_stop and plays the path once
 * more, in whole: what failed must have left nothing behind.
 */
enum fault_kind {
	FAULT_MEMORY, /* malloc and its like, strdup, asprintf, fdopen; libuv's own: ENOMEM */
	FAULT_MMAP, /* ENOMEM */
	FAULT_MEMFD, /* memfd_create: EMFILE */
	FAULT_EVENTFD, /* EMFILE */
	FAULT_SOCKET, /* socket, socketpair, accept4, dup, pipe, open and their like: EMFILE */
	FAULT_SENDMSG, /* sendmsg, send, write: ENOBUFS; EPIPE; EAGAIN where it may be */
	FAULT_RECVMSG, /* recvmsg, recv, read: ECONNRESET; a part of a stream; EAGAIN */
	FAULT_UV, /* uv_loop_init, uv_poll_*, uv_timer_start, uv_async_init, …; epoll_*: ENOMEM */
	FAULT_THREAD, /* pthread_create: EAGAIN */
	FAULT_CALL, /* ftruncate, fstat, fcntl, ioctl, bind, prctl, fork, …: EPERM */
	FAULT_BUS, /* sd_bus_*: ENOMEM */
	FAULT_KINDS,
};

typedef void (*fault_scenario)(void *data);

/*
 * Runs the scenario without a fault, which also lets libraries make what they keep; then with the
 * first, second, … call failing, in each way of this kind, until a run made fewer calls. Calls
 * count in every thread of this process.
 *
 * After each run there must be the same open fds (numbers, files, flags) and as many threads as
 * before, and no allocation or mapping that our code made since. Closing what is not open, a
 * crash, or a run that takes a minute ends the test too, with kind, n and where the call was.
 */
void fault_try(enum fault_kind kind, fault_scenario scenario, void *data);
/* Every kind, one after the other. */
void fault_try_all(fault_scenario scenario, void *data);

/* A call failed in this run. */
bool fault_happened(void);
/*
 * A call failed, and what does not work now may not because of that. Never in a run whose faults
 * nobody may notice (EAGAIN, a part of what was asked for), nor after fault_stop.
 */
bool fault_excuses(void);
bool fault_is_harmless(void);
/* No (more) fault in this run, and no excuse from here on. */
void fault_stop(void);
/* The end of a lasting fault: memory is back. True when there was one. */
bool fault_relent(void);
/* None in calls of this thread, until the other: for what a test has libuv do. These nest. */
void fault_spare_begin(void);
void fault_spare_end(void);

/* Ends the test with words, and with what failed. */
#define FAULT_CHECK(condition, ...)                                                                \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fault_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                   \
		}                                                                                  \
	} while (0)
_Noreturn void fault_fail(const char *file, int line, const char *condition, const char *format,
			  ...) __attribute__((format(printf, 4, 5)));

/*
 * Faults are to happen in the programs that the scenario starts, in all of their processes, and not
 * here. Writes what their environment has to have. They are linked with program.c, and end with
 * FAULT_BROKEN where a test would fail; what is left in them is not counted.
 */
void fault_lend(char *variable, size_t size);
#define FAULT_BROKEN 99

/*
 * First in main: libuv's memory, signals, no logging unless FAULT_LOG is set. FAULT_KIND=memory
 * and FAULT_AT=n in the environment play one fault only, as the first way of the kind unless
 * FAULT_WAY says which; FAULT_STRIDE=s every s-th.
 */
void fault_init(const char *path);
/* Last in main: prints how many faults of each kind there were; the exit status. */
int fault_report(void);

#endif
