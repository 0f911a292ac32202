/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

extern char **environ;

#define SESSION_FD 10
#define READY_FD 11
#define MAX_OPTIONS 24
/* VERSION_1, EVENT_IDX, INDIRECT_DESC, and all of virtio-gpu's but UUIDs. */
#define FEATURES (1ull << 32 | 1ull << 29 | 1ull << 28 | 0x3b)

_Noreturn void wire_failed(const char *file, int line, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* The index-th processor that this process may use; false when there are not so many. */
static bool nth_cpu(const cpu_set_t *all, int index, cpu_set_t *out)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, all) && index-- == 0) {
			CPU_ZERO(out);
			CPU_SET(cpu, out);
			return true;
		}
	}
	return false;
}

/* What the child inherits first, and then our own. */
static void choose_cpus(enum target_cpus cpus, cpu_set_t *theirs, cpu_set_t *ours)
{
	cpu_set_t all;
	wire_check(sched_getaffinity(0, sizeof(all), &all) == 0);
	*theirs = all;
	*ours = all;
	if (cpus == TARGET_CPUS_ONE) {
		nth_cpu(&all, 0, theirs);
		nth_cpu(&all, 0, ours);
	} else if (cpus == TARGET_CPUS_APART && nth_cpu(&all, 1, theirs)) {
		nth_cpu(&all, 0, ours);
	}
}

static void spawn(struct target *target, char *const *argv, int session, int ready)
{
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, session, SESSION_FD);
	posix_spawn_file_actions_adddup2(&actions, ready, READY_FD);
	int error = posix_spawn(&target->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0) {
		wire_fail("%s: %s", argv[0], strerror(error));
	}
}

static void wait_ready(int fd)
{
	char line[4096];
	size_t used = 0;
	while (used < sizeof(line) - 1) {
		ssize_t got = read(fd, line + used, sizeof(line) - 1 - used);
		if (got <= 0) {
			wire_fail("hesperd ended before it was ready");
		}
		used += (size_t)got;
		line[used] = '\0';
		if (strchr(line, '\n') != NULL) {
			wire_check(strncmp(line, "ready {", 7) == 0);
			return;
		}
	}
}

static void add_clock(struct target *target, pid_t pid)
{
	clockid_t clock;
	if (target->clock_count < TARGET_MAX_PROCESSES && clock_getcpuclockid(pid, &clock) == 0) {
		target->clocks[target->clock_count++] = clock;
	}
}

/* The device is a child of the process that was started (hesperd/keeper.c). */
static void find_processes(struct target *target)
{
	char path[64];
	int pid;
	add_clock(target, target->pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", target->pid, target->pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && fscanf(file, "%d", &pid) == 1) {
		add_clock(target, pid);
	}
	if (file != NULL) {
		fclose(file);
	}
}

void target_open(struct target *target, const char *hesperd, char *const *options,
		 enum target_cpus cpus)
{
	int session[2];
	int ready[2];
	cpu_set_t theirs;
	cpu_set_t ours;
	char *argv[MAX_OPTIONS + 4] = {(char *)hesperd, (char *)"--fd=10", (char *)"--ready-fd=11"};
	for (size_t i = 3; *options != NULL; i++) {
		wire_check(i < MAX_OPTIONS + 3);
		argv[i] = *options++;
	}
	target->pid = -1;
	target->clock_count = 0;
	wire_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session) == 0);
	wire_check(pipe2(ready, O_CLOEXEC) == 0);
	choose_cpus(cpus, &theirs, &ours);
	sched_setaffinity(0, sizeof(theirs), &theirs);
	uint64_t start = clock_now_ns();
	spawn(target, argv, session[1], ready[1]);
	close(session[1]);
	close(ready[1]);
	wait_ready(ready[0]);
	target->ready_ns = clock_now_ns() - start;
	close(ready[0]);
	sched_setaffinity(0, sizeof(ours), &ours);
	find_processes(target);
	wire_open(&target->front, session[0], 2, TARGET_RAM_BYTES);
	wire_hello(&target->front);
	wire_start(&target->front, FEATURES);
}

void target_close(struct target *target)
{
	int status;
	wire_close(&target->front);
	wire_check(waitpid(target->pid, &status, 0) == target->pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		wire_fail("hesperd ended with status 0x%x", status);
	}
}

uint64_t target_cpu_ns(const struct target *target)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < target->clock_count; i++) {
		struct timespec time;
		if (clock_gettime(target->clocks[i], &time) == 0) {
			sum += (uint64_t)time.tv_sec * CLOCK_NS_PER_S + (uint64_t)time.tv_nsec;
		}
	}
	return sum;
}
