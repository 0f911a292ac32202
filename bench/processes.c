/* SPDX-License-Identifier: MIT */
#include "processes.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

/* hesper-view's own threads: the first, and the one that talks to the machine. A driver makes the others. */
static bool is_own(pid_t pid, int task)
{
	char path[64];
	char name[32] = "";
	if (task == pid) {
		return true;
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, task);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return false;
	}
	bool read = fgets(name, sizeof(name), file) != NULL;
	fclose(file);
	return read && strcmp(name, "bus\n") == 0;
}

/* The scheduler's own account, where the kernel keeps one: it has no ticks. */
static uint64_t task_ns(pid_t pid, int task)
{
	char path[64];
	unsigned long long ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, task);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return 0;
	}
	if (fscanf(file, "%llu", &ns) != 1) {
		ns = 0;
	}
	fclose(file);
	return ns;
}

void process_cpu_read(pid_t pid, struct process_cpu *cpu)
{
	char folder[64];
	clockid_t clock;
	struct timespec time;
	*cpu = (struct process_cpu){0};
	if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0) {
		cpu->total_ns = (uint64_t)time.tv_sec * CLOCK_NS_PER_S + (uint64_t)time.tv_nsec;
	}
	snprintf(folder, sizeof(folder), "/proc/%d/task", pid);
	DIR *tasks = opendir(folder);
	struct dirent *entry;
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		int task = atoi(entry->d_name);
		if (task > 0 && is_own(pid, task)) {
			cpu->own_ns += task_ns(pid, task);
		}
	}
	if (tasks != NULL) {
		closedir(tasks);
	}
}
