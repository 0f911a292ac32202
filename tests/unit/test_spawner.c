/* SPDX-License-Identifier: MIT */
/* Real processes: what the spawner starts, kills, and leaves behind (nothing). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "render/spawner.h"
#include "util/fd.h"

static struct spawner *spawner;
static uv_loop_t loop;
static uint32_t last_id;

/*
 * The program tells of itself and of a child that shares its group but not its socket, and then does
 * nothing, ever.
 */
static void open_spawner(const char *script)
{
	char *const argv[] = {"/bin/sh", "-c", (char *)script, NULL};
	char *const extra[] = {"HESPER_TEST=seen", NULL};
	uv_loop_init(&loop);
	assert_int_equal(spawner_create(argv, extra, NULL, &spawner), 0);
	assert_int_equal(spawner_attach(spawner, &loop), 0);
}

static bool all_done;

static void handle_done(void *data)
{
	all_done = true;
}

static void close_spawner(void)
{
	all_done = false;
	spawner_destroy(spawner, handle_done, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(all_done);
	assert_int_equal(uv_loop_close(&loop), 0);
	/* Not even a zombie. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Lets the spawner's messages in for a while. */
static void handle_timer(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	uv_stop(timer->loop);
}

static void run_loop(uint64_t ms)
{
	uv_timer_t timer;
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, handle_timer, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static uint32_t start(int *socket)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	*socket = pair[0];
	assert_int_equal(spawner_start(spawner, ++last_id, pair[1]), 0);
	return last_id;
}

/* Children may end meanwhile. */
static void wait_readable(int socket)
{
	struct pollfd fd = {.fd = socket, .events = POLLIN};
	int r;
	while ((r = poll(&fd, 1, 10000)) < 0 && errno == EINTR) {
	}
	assert_int_equal(r, 1);
}

static void read_line(int socket, char *line, size_t size)
{
	wait_readable(socket);
	ssize_t got = read(socket, line, size - 1);
	assert_true(got >= 0);
	line[got] = '\0';
}

/* The socket says so when its last holder ends. */
static void wait_end(int *socket)
{
	wait_readable(*socket);
	char byte;
	assert_int_equal(read(*socket, &byte, 1), 0);
	fd_close(socket);
}

static bool is_there(int pid)
{
	char path[64];
	char state = 'Z';
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return false;
	}
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
		state = 'Z';
	}
	fclose(file);
	return state != 'Z' && state != 'X';
}

static void wait_gone(int pid)
{
	for (int i = 0; i < 500 && is_there(pid); i++) {
		poll(NULL, 0, 10);
	}
	assert_false(is_there(pid));
}

#define FAMILY "sleep 1000 3>&- & echo \"$$ $! $HESPER_TEST\" >&3; wait"

static void start_family(int *socket, int *leader, int *child)
{
	char line[128];
	char word[32];
	start(socket);
	/* The order may have to wait until the loop can send it. */
	struct pollfd fd = {.fd = *socket, .events = POLLIN};
	for (int i = 0; i < 3000 && poll(&fd, 1, 10) <= 0; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	read_line(*socket, line, sizeof(line));
	assert_int_equal(sscanf(line, "%d %d %31s", leader, child, word), 3);
	assert_string_equal(word, "seen");
	assert_true(is_there(*leader));
	assert_true(is_there(*child));
	assert_int_equal(getpgid(*leader), *leader);
	assert_int_equal(getpgid(*child), *leader);
}

static void test_kill_takes_the_group(void **state)
{
	int socket;
	int leader;
	int child;
	open_spawner(FAMILY);
	start_family(&socket, &leader, &child);
	spawner_kill(spawner, last_id);
	wait_end(&socket);
	wait_gone(leader);
	wait_gone(child);
	/* It is gone: nothing happens. */
	spawner_kill(spawner, last_id);
	spawner_kill(spawner, 12345);
	close_spawner();
}

static void test_the_group_ends_with_its_leader(void **state)
{
	int socket;
	int leader;
	int child;
	open_spawner(FAMILY);
	start_family(&socket, &leader, &child);
	/* Even one that takes no signal but this. */
	kill(child, SIGSTOP);
	kill(leader, SIGKILL);
	wait_end(&socket);
	wait_gone(child);
	close_spawner();
}

static void test_all_end_at_the_end(void **state)
{
	int sockets[20];
	int leaders[20];
	int children[20];
	open_spawner(FAMILY);
	for (int i = 0; i < 20; i++) {
		start_family(&sockets[i], &leaders[i], &children[i]);
	}
	kill(children[3], SIGSTOP);
	kill(leaders[4], SIGSTOP);
	close_spawner();
	for (int i = 0; i < 20; i++) {
		assert_false(is_there(leaders[i]));
		assert_false(is_there(children[i]));
		wait_end(&sockets[i]);
	}
}

static void test_program_that_is_not_there(void **state)
{
	char *const argv[] = {"/nonexistent/program", NULL};
	int socket;
	uv_loop_init(&loop);
	assert_int_equal(spawner_create(argv, NULL, NULL, &spawner), 0);
	assert_int_equal(spawner_attach(spawner, &loop), 0);
	start(&socket);
	wait_end(&socket);
	close_spawner();
}

/* Direct children of this process: the spawners, and nothing else. */
static int spawner_pids(int *pids)
{
	char path[64];
	int count = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	while (count < 8 && fscanf(file, "%d", &pids[count]) == 1) {
		count += is_there(pids[count]);
	}
	fclose(file);
	return count;
}

static void test_another_takes_over(void **state)
{
	int pids[8];
	int socket;
	int leader;
	int child;
	open_spawner(FAMILY);
	for (int i = 0; i < 5; i++) {
		run_loop(100);
		assert_int_equal(spawner_pids(pids), 2);
		start_family(&socket, &leader, &child);
		/* The one that stands by, and then the one that works. */
		kill(pids[i % 2 == 0 ? 1 : 0], SIGKILL);
		if (i % 2 == 0) {
			run_loop(100);
			assert_true(is_there(leader));
			spawner_kill(spawner, last_id);
		}
		wait_end(&socket);
		wait_gone(leader);
		/* The rest of the group is killed by its spawner, or nobody. */
		if (i % 2 != 0) {
			kill(child, SIGKILL);
		}
		wait_gone(child);
	}
	run_loop(100);
	/* Killed, and at once asked for something: the other does it. */
	assert_int_equal(spawner_pids(pids), 2);
	kill(pids[0], SIGKILL);
	wait_gone(pids[0]);
	start_family(&socket, &leader, &child);
	fd_close(&socket);
	close_spawner();
	wait_gone(leader);
}

static unsigned count_files(void)
{
	unsigned count = 0;
	for (int fd = 0; fd < 65536; fd++) {
		count += fcntl(fd, F_GETFD) >= 0;
	}
	return count;
}

/* A guest makes and ends contexts faster than processes start: what was ended is not waited for. */
static void test_started_and_killed_in_a_flood(void **state)
{
	int pids[8];
	int socket;
	int leader;
	int child;
	open_spawner(FAMILY);
	run_loop(100);
	assert_int_equal(spawner_pids(pids), 2);
	unsigned files = count_files();
	kill(pids[0], SIGSTOP);
	for (int i = 0; i < 5000; i++) {
		start(&socket);
		spawner_kill(spawner, last_id);
		fd_close(&socket);
	}
	assert_in_range(count_files(), files, files + 8);
	kill(pids[0], SIGCONT);
	start_family(&socket, &leader, &child);
	fd_close(&socket);
	close_spawner();
	wait_gone(leader);
}

/* Whoever has it dies without a word, as hesperd may. */
static void test_nothing_outlives_its_owner(void **state)
{
	int tell[2];
	int pids[2];
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe(tell), 0);
	pid_t owner = fork();
	if (owner == 0) {
		int socket;
		open_spawner(FAMILY);
		start_family(&socket, &pids[0], &pids[1]);
		kill(pids[1], SIGSTOP);
		if (write(tell[1], pids, sizeof(pids)) == sizeof(pids)) {
			pause();
		}
		_exit(1);
	}
	assert_int_equal(read(tell[0], pids, sizeof(pids)), sizeof(pids));
	kill(owner, SIGKILL);
	for (int i = 0; i < 2; i++) {
		wait_gone(pids[i]);
	}
	/* The spawners were its children, and are ours now: they end, too. */
	while (waitpid(-1, NULL, 0) > 0) {
	}
	assert_int_equal(errno, ECHILD);
	fd_close_all(tell, 2);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_takes_the_group),
		cmocka_unit_test(test_the_group_ends_with_its_leader),
		cmocka_unit_test(test_all_end_at_the_end),
		cmocka_unit_test(test_program_that_is_not_there),
		cmocka_unit_test(test_another_takes_over),
		cmocka_unit_test(test_started_and_killed_in_a_flood),
		cmocka_unit_test(test_nothing_outlives_its_owner),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
