/* SPDX-License-Identifier: MIT */
/*
 * hesper-control: runs commands for the host, over a virtio-serial port.
 *
 * The protocol is lines of text. The host sends
 *   ID COMMAND...      run COMMAND with sh -c; ID is 1 to 32 of A-Z a-z 0-9 _ . -
 *   !ID [SIGNAL]       send a signal (number; 15) to the processes of a running command
 * and the guest sends
 *   hello {JSON}       each time the host connects: ready, and what this guest is
 *   ID > TEXT          a line of output (stdout and stderr)
 *   ID = CODE          the command ended; 128 + n if a signal ended it
 *   ID ? WORDS         it was not started: why
 *   app = {JSON}       the command of --run ended: its summary, if it wrote one to $HESPER_JSON,
 *                      and "exit", its code
 * Commands run side by side. The command of --run has the ID "app".
 *
 * Everything is one poll loop. While no host is connected the port reports POLLHUP for ever, so it
 * is left out of the poll and SIGIO, which the port sends when the host comes, wakes the loop
 * (signals arrive through a signalfd). Output meant for a host that is not there is dropped, so no
 * command ever waits for the host; output of --run's end is kept for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jobs.h"

#define MAX_QUEUED (1 << 20) /* bytes; beyond, commands wait until the host reads */
#define MAX_REQUEST 8192
#define FLUSH_MS 3000
#define RUN_ID "app"
#define MANIFEST "/etc/hesper-guest.json"

struct control {
	int port; /* -1: there is none */
	int signals;
	bool connected;
	bool ending; /* SIGTERM came, or --run ended and that is all there is to do */
	bool end_after_run;
	char *summary; /* file that --run's command may write its JSON to */
	char *last_words; /* "app = …", for a host that connects later */
	struct jobs jobs;

	char *queue; /* to the host */
	size_t queued, queue_size;
	char request[MAX_REQUEST]; /* from the host, up to its newline */
	size_t request_used;
};

static void send_line(struct control *control, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void send_line(struct control *control, const char *format, ...)
{
	char *line, *grown;
	int length;
	va_list args;

	if (!control->connected) {
		return;
	}
	va_start(args, format);
	length = vasprintf(&line, format, args);
	va_end(args);
	if (length < 0) {
		return;
	}
	if (control->queued + (size_t)length + 1 > control->queue_size) {
		control->queue_size = (control->queued + (size_t)length + 1) * 2;
		grown = realloc(control->queue, control->queue_size);
		if (!grown) {
			abort();
		}
		control->queue = grown;
	}
	memcpy(control->queue + control->queued, line, (size_t)length);
	control->queued += (size_t)length;
	control->queue[control->queued++] = '\n';
	free(line);
}

static void send_queued(struct control *control)
{
	ssize_t count = write(control->port, control->queue, control->queued);

	if (count > 0) {
		control->queued -= (size_t)count;
		memmove(control->queue, control->queue + count, control->queued);
	}
}

static void on_line(void *data, const struct job *job, const char *line)
{
	struct control *control = data;

	if (control->port < 0) {
		puts(line);
	}
	send_line(control, "%s > %s", job->id, line);
}

static double uptime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double)(now.tv_sec * 100 + now.tv_nsec / 10000000) / 100;
}

static void send_hello(struct control *control)
{
	json_t *hello = json_load_file(MANIFEST, 0, NULL);
	struct utsname name;
	char *text;

	if (!hello) {
		hello = json_object();
	}
	uname(&name);
	json_object_set_new(hello, "kernel", json_string(name.release));
	json_object_set_new(hello, "uptime", json_real(uptime()));
	text = json_dumps(hello, JSON_COMPACT | JSON_REAL_PRECISION(6));
	send_line(control, "hello %s", text ? text : "{}");
	free(text);
	json_decref(hello);
	if (control->last_words) {
		send_line(control, "%s", control->last_words);
	}
}

static void run_ended(struct control *control, int code)
{
	json_t *json = control->summary ? json_load_file(control->summary, 0, NULL) : NULL;
	char *text;

	if (!json_is_object(json)) {
		json_decref(json);
		json = json_object();
	}
	json_object_set_new(json, "exit", json_integer(code));
	text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
	if (!text || asprintf(&control->last_words, RUN_ID " = %s", text) < 0) {
		control->last_words = NULL;
	}
	free(text);
	json_decref(json);
	if (control->last_words) {
		send_line(control, "%s", control->last_words);
	}
	control->ending = control->ending || control->end_after_run;
}

static void job_ended(struct control *control, struct job *job, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	char id[JOBS_ID_SIZE];

	snprintf(id, sizeof(id), "%s", job->id);
	jobs_end(&control->jobs, job);
	if (strcmp(id, RUN_ID) == 0) {
		run_ended(control, code);
	} else {
		send_line(control, "%s = %d", id, code);
	}
}

static void reap(struct control *control)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < JOBS_MAX; i++) {
			if (control->jobs.slots[i].pid == pid) {
				job_ended(control, &control->jobs.slots[i], status);
			}
		}
	}
}

static void signal_job(struct control *control, const char *request)
{
	char id[JOBS_ID_SIZE];
	int number = SIGTERM;
	struct job *job;

	if (sscanf(request, "!%32s %d", id, &number) < 1) {
		return;
	}
	job = jobs_find(&control->jobs, id);
	if (job) {
		jobs_signal(job, number);
	} else {
		send_line(control, "%s ? no such command is running", id);
	}
}

static void start_job(struct control *control, const char *request)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";
	size_t length = strspn(request, allowed);
	char id[JOBS_ID_SIZE];
	int ret;

	if (length == 0 || length >= JOBS_ID_SIZE || request[length] != ' ') {
		send_line(control, "- ? not understood; say: ID COMMAND");
		return;
	}
	snprintf(id, sizeof(id), "%.*s", (int)length, request);
	if (control->ending) {
		send_line(control, "%s ? the guest is ending", id);
		return;
	}
	ret = jobs_start(&control->jobs, id, request + length + 1);
	if (ret < 0) {
		send_line(control, "%s ? %s", id, strerror(-ret));
	}
}

static void take_requests(struct control *control)
{
	char bytes[1024];
	ssize_t count = read(control->port, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < count; i++) {
		if (bytes[i] != '\n') {
			if (control->request_used < MAX_REQUEST - 1) {
				control->request[control->request_used++] = bytes[i];
			}
			continue;
		}
		control->request[control->request_used] = '\0';
		control->request_used = 0;
		if (control->request[0] == '!') {
			signal_job(control, control->request);
		} else if (control->request[0] != '\0') {
			start_job(control, control->request);
		}
	}
}

static void take_signals(struct control *control)
{
	struct signalfd_siginfo info;

	while (read(control->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGTERM) {
			continue;
		}
		control->ending = true;
		for (unsigned i = 0; i < JOBS_MAX; i++) {
			if (control->jobs.slots[i].pid) {
				jobs_signal(&control->jobs.slots[i], SIGTERM);
			}
		}
	}
	reap(control);
}

/* Sees whether the host is there, and greets it when it has come. */
static void look_for_host(struct control *control)
{
	struct pollfd poll_fd = {.fd = control->port, .events = POLLOUT};
	bool connected = poll(&poll_fd, 1, 0) >= 0 && !(poll_fd.revents & (POLLHUP | POLLERR));

	if (control->port < 0 || connected == control->connected) {
		return;
	}
	control->connected = connected;
	control->queued = 0;
	control->request_used = 0;
	if (connected) {
		send_hello(control);
	}
}

static void loop_once(struct control *control, int timeout_ms)
{
	struct pollfd fds[2 + JOBS_MAX];
	bool full = control->queued >= MAX_QUEUED;

	fds[0] = (struct pollfd){.fd = control->signals, .events = POLLIN};
	fds[1] = (struct pollfd){
		.fd = control->connected ? control->port : -1,
		.events = (short)(POLLIN | (control->queued ? POLLOUT : 0)),
	};
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		struct job *job = &control->jobs.slots[i];

		fds[2 + i] = (struct pollfd){
			.fd = job->pid && !full ? job->out : -1,
			.events = POLLIN,
		};
	}
	if (poll(fds, 2 + JOBS_MAX, timeout_ms) < 0) {
		return;
	}
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		if (fds[2 + i].revents) {
			jobs_read(&control->jobs, &control->jobs.slots[i]);
		}
	}
	if (fds[1].revents & POLLIN) {
		take_requests(control);
	}
	if (fds[1].revents & POLLOUT) {
		send_queued(control);
	}
	if (fds[0].revents & POLLIN) {
		take_signals(control);
	}
	look_for_host(control);
}

static int open_port(const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "hesper-control: %s: %s\n", path, strerror(errno));
		return -1;
	}
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
	return fd;
}

static void init_signals(struct control *control)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	control->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Until all is done, and then until the host has read it, but not for ever. */
static void serve(struct control *control)
{
	struct timespec now;
	int64_t end = 0, now_ms;

	look_for_host(control);
	for (;;) {
		if (!control->ending || jobs_any(&control->jobs)) {
			loop_once(control, -1);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
		end = end ? end : now_ms + FLUSH_MS;
		if (!control->connected || control->queued == 0 || now_ms >= end) {
			return;
		}
		loop_once(control, (int)(end - now_ms));
	}
}

static const struct option options[] = {
	{"port", required_argument, NULL, 'p'},
	{"run", required_argument, NULL, 'r'},
	{"end-after-run", no_argument, NULL, 'e'},
	{0},
};

int main(int argc, char **argv)
{
	static struct control control = {.port = -1};
	const char *run = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			control.port = open_port(optarg);
			break;
		case 'r':
			run = optarg;
			break;
		case 'e':
			control.end_after_run = true;
			break;
		default:
			fprintf(stderr, "usage: hesper-control [--port DEVICE] [--run COMMAND] "
					"[--end-after-run]\n");
			return 2;
		}
	}
	setlinebuf(stdout);
	init_signals(&control);
	control.jobs.on_line = on_line;
	control.jobs.data = &control;
	control.summary = getenv("HESPER_JSON") ? strdup(getenv("HESPER_JSON")) : NULL;
	if (run) {
		int ret = jobs_start(&control.jobs, RUN_ID, run);

		if (ret < 0) {
			fprintf(stderr, "hesper-control: cannot run: %s\n", strerror(-ret));
			return 1;
		}
	}
	unsetenv("HESPER_JSON"); /* that one is --run's alone */
	serve(&control);
	return 0;
}
