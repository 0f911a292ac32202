/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs.h"

static void run_shell(const char *command, int out)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	dprintf(2, "cannot run /bin/sh: %s\n", strerror(errno));
	_exit(127);
}

int jobs_start(struct jobs *jobs, const char *id, const char *command)
{
	struct job *job = jobs->slots;
	int pipe_fds[2];
	pid_t pid;

	if (jobs_find(jobs, id)) {
		return -EEXIST;
	}
	while (job->pid) {
		if (++job == jobs->slots + JOBS_MAX) {
			return -EMFILE;
		}
	}
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		return -errno;
	}
	pid = fork();
	if (pid == 0) {
		run_shell(command, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	if (pid < 0) {
		int ret = -errno;

		close(pipe_fds[0]);
		return ret;
	}
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	*job = (struct job){.pid = pid, .out = pipe_fds[0]};
	snprintf(job->id, sizeof(job->id), "%s", id);
	return 0;
}

struct job *jobs_find(struct jobs *jobs, const char *id)
{
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		if (jobs->slots[i].pid && strcmp(jobs->slots[i].id, id) == 0) {
			return &jobs->slots[i];
		}
	}
	return NULL;
}

bool jobs_any(const struct jobs *jobs)
{
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		if (jobs->slots[i].pid) {
			return true;
		}
	}
	return false;
}

void jobs_signal(const struct job *job, int number)
{
	/* The group exists only once the child has called setsid. */
	if (kill(-job->pid, number) < 0) {
		kill(job->pid, number);
	}
}

static void give_line(struct jobs *jobs, struct job *job)
{
	job->line[job->used] = '\0';
	if (job->used > 0 && job->line[job->used - 1] == '\r') {
		job->line[job->used - 1] = '\0';
	}
	jobs->on_line(jobs->data, job, job->line);
	job->used = 0;
}

static void take(struct jobs *jobs, struct job *job, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] == '\n') {
			give_line(jobs, job);
			continue;
		}
		/* A longer line is passed on in pieces. */
		if (job->used == JOBS_LINE_SIZE - 1) {
			give_line(jobs, job);
		}
		job->line[job->used++] = bytes[i] ? bytes[i] : '?';
	}
}

void jobs_read(struct jobs *jobs, struct job *job)
{
	char bytes[4096];

	/* A pipe holds 16 of these: what is written meanwhile waits for the next call. */
	for (unsigned i = 0; i < 16 && job->out >= 0; i++) {
		ssize_t count = read(job->out, bytes, sizeof(bytes));

		if (count < 0) {
			return;
		}
		if (count == 0) {
			close(job->out);
			job->out = -1;
			return;
		}
		take(jobs, job, bytes, (size_t)count);
	}
}

void jobs_end(struct jobs *jobs, struct job *job)
{
	jobs_read(jobs, job);
	if (job->used > 0) {
		give_line(jobs, job);
	}
	if (job->out >= 0) {
		close(job->out);
	}
	*job = (struct job){.out = -1};
}
