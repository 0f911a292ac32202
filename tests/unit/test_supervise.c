/* SPDX-License-Identifier: MIT */
/* Real children. The test program is also what starts them: see supervise_exec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/channel.h"
#include "launcher/supervise.h"

struct seen {
	struct child child;
	char out[512];
	char err[512];
	char report[512];
	int status;
	int ended;
};

static void append(char *text, size_t size, const char *line)
{
	size_t used = strlen(text);
	snprintf(text + used, size - used, "%s;", line);
}

static void on_out(void *data, const char *line)
{
	struct seen *seen = data;
	append(seen->out, sizeof(seen->out), line);
	if (strcmp(line, "stop me") == 0) {
		child_stop(&seen->child, 200);
	}
}

static void on_err(void *data, const char *line)
{
	struct seen *seen = data;
	append(seen->err, sizeof(seen->err), line);
}

static void on_report(void *data, const char *line)
{
	struct seen *seen = data;
	append(seen->report, sizeof(seen->report), line);
}

static void on_ended(void *data, int status)
{
	struct seen *seen = data;
	seen->status = status;
	seen->ended++;
}

static void run_script(struct seen *seen, const char *script)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	const struct child_spec spec = {
		.argv = argv,
		.out = on_out,
		.err = on_err,
		.report = on_report,
		.ended = on_ended,
		.data = seen,
	};
	uv_loop_t loop;
	*seen = (struct seen){0};
	uv_loop_init(&loop);
	child_start(&seen->child, &loop, &spec);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(seen->ended, 1);
}

static void test_lines_and_status(void **state)
{
	struct seen seen;
	run_script(&seen, "echo one; echo two >&2; echo three >&3; printf four; exit 7");
	assert_string_equal(seen.out, "one;four;");
	assert_string_equal(seen.err, "two;");
	assert_string_equal(seen.report, "three;");
	assert_int_equal(seen.status, 7);
}

static void test_signal_status(void **state)
{
	struct seen seen;
	run_script(&seen, "kill -SEGV $$");
	assert_int_equal(seen.status, 128 + SIGSEGV);
}

static void test_no_program(void **state)
{
	struct seen seen = {0};
	const char *const argv[] = {"/nonexistent/program", NULL};
	const struct child_spec spec = {
		.argv = argv, .err = on_err, .ended = on_ended, .data = &seen};
	uv_loop_t loop;
	uv_loop_init(&loop);
	child_start(&seen.child, &loop, &spec);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	assert_int_equal(seen.status, 127);
	assert_non_null(strstr(seen.err, "No such file"));
}

static void test_stop(void **state)
{
	struct seen seen;
	run_script(&seen, "trap 'echo asked; exit 3' TERM; echo 'stop me'; sleep 60 & wait");
	assert_string_equal(seen.out, "stop me;asked;");
	assert_int_equal(seen.status, 3);
}

static void test_stop_of_the_deaf(void **state)
{
	struct seen seen;
	run_script(&seen, "trap '' TERM; echo 'stop me'; while :; do sleep 1; done");
	assert_int_equal(seen.status, 128 + SIGKILL);
}

static bool is_alive(int pid)
{
	return kill(pid, 0) == 0;
}

/* True when the process is gone within five seconds. */
static bool goes(int pid)
{
	for (int i = 0; i < 500 && is_alive(pid); i++) {
		poll(NULL, 0, 10);
	}
	return !is_alive(pid);
}

/* What a child leaves running in its group goes with it, though it holds the pipes open. */
static void test_group_goes_too(void **state)
{
	struct seen seen;
	run_script(&seen, "sleep 60 & echo $!; exit 0");
	int pid = atoi(seen.out);
	assert_true(pid > 0);
	supervise_sweep();
	assert_true(goes(pid));
}

/* And so does what left the group: it becomes ours, and the sweep finds it. */
static void test_sweep(void **state)
{
	struct seen seen;
	run_script(&seen, "setsid sleep 60 >/dev/null 2>&1 3>&1 & echo $!; sleep 0.3");
	int pid = atoi(seen.out);
	assert_true(pid > 0);
	assert_true(is_alive(pid));
	assert_int_equal(supervise_sweep(), 1);
	assert_false(is_alive(pid));
}

/* A launcher that is killed takes its children along. */
static void test_death_of_launcher(void **state)
{
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	pid_t launcher = fork();
	if (launcher == 0) {
		struct seen *seen = calloc(1, sizeof(*seen));
		const char *const argv[] = {"sh", "-c", "echo $$; exec sleep 60", NULL};
		const struct child_spec spec = {
			.argv = argv, .out = on_out, .ended = on_ended, .data = seen};
		uv_loop_t loop;
		uv_loop_init(&loop);
		child_start(&seen->child, &loop, &spec);
		while (seen->out[0] == '\0') {
			uv_run(&loop, UV_RUN_ONCE);
		}
		dprintf(pipes[1], "%s", seen->out);
		pause();
		_exit(1);
	}
	char text[32] = "";
	close(pipes[1]);
	assert_true(read(pipes[0], text, sizeof(text) - 1) > 0);
	close(pipes[0]);
	int pid = atoi(text);
	assert_true(is_alive(pid));
	kill(launcher, SIGKILL);
	waitpid(launcher, NULL, 0);
	/* We are the subreaper: it stays a zombie until it is reaped here. */
	for (int i = 0; i < 500 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
		poll(NULL, 0, 10);
	}
	assert_true(goes(pid));
}

static void test_fds_are_handed_over(void **state)
{
	struct seen seen = {0};
	int fds[2];
	const char *const argv[] = {"sh", "-c", "echo hello >&4", NULL};
	assert_int_equal(channel_pair(fds), 0);
	const struct child_spec spec = {
		.argv = argv,
		.fds = {fds[1]},
		.fd_count = 1,
		.ended = on_ended,
		.data = &seen,
	};
	uv_loop_t loop;
	struct channel channel;
	uv_loop_init(&loop);
	assert_int_equal(channel_open(&channel, &loop, fds[0], on_out, NULL, &seen), 0);
	child_start(&seen.child, &loop, &spec);
	/* Ends only when the other end is closed in the child and here. */
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_string_equal(seen.out, "hello;");
	assert_int_equal(seen.status, 0);
}

static void test_capture(void **state)
{
	const char *const talks[] = {"sh", "-c", "echo a; echo b; echo c >&2; exit 4", NULL};
	const char *const hangs[] = {"sh", "-c", "echo begun; sleep 60", NULL};
	struct capture capture;
	capture_run(&capture, talks, 10000);
	assert_int_equal(capture.status, 4);
	assert_string_equal(capture.out, "a\nb\n");
	assert_string_equal(capture_last_words(&capture), "c");
	capture_finish(&capture);
	capture_run(&capture, hangs, 300);
	assert_int_equal(capture.status, -ETIMEDOUT);
	assert_string_equal(capture_last_words(&capture), "begun");
	capture_finish(&capture);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], SUPERVISE_EXEC) == 0) {
		return supervise_exec(argc - 2, argv + 2);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_and_status),
		cmocka_unit_test(test_signal_status),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_stop_of_the_deaf),
		cmocka_unit_test(test_group_goes_too),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_death_of_launcher),
		cmocka_unit_test(test_fds_are_handed_over),
		cmocka_unit_test(test_capture),
	};
	supervise_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
