/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "util/clock.h"
#include "util/fd.h"
#include "util/idmap.h"
#include "util/log.h"
#include "util/mailbox.h"
#include "util/options.h"

static void test_idmap_against_an_array(void **state)
{
	enum { IDS = 4096, STEPS = 200000 };
	static void *model[IDS];
	static char values[IDS];
	struct idmap map;
	idmap_init(&map);
	uint64_t random = 1;
	size_t live = 0;
	for (int i = 0; i < STEPS; i++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		uint32_t slot = (uint32_t)(random >> 33) % IDS;
		/* Spread over 32 bits, with runs that collide. */
		uint32_t id = (slot + 1) * 0x10001u;
		if ((random >> 32) % 3 != 0) {
			assert_int_equal(idmap_set(&map, id, &values[slot]), 0);
			live += model[slot] == NULL;
			model[slot] = &values[slot];
		} else {
			assert_ptr_equal(idmap_remove(&map, id), model[slot]);
			live -= model[slot] != NULL;
			model[slot] = NULL;
		}
		assert_int_equal(map.count, live);
	}
	size_t cursor = 0;
	size_t seen = 0;
	for (uint32_t i = 0; i < IDS; i++) {
		assert_ptr_equal(idmap_get(&map, (i + 1) * 0x10001u), model[i]);
	}
	while (idmap_next(&map, &cursor) != NULL) {
		seen++;
	}
	assert_int_equal(seen, live);
	assert_null(idmap_get(&map, 0));
	assert_null(idmap_remove(&map, 0));
	idmap_finish(&map);
	assert_null(idmap_get(&map, 1));
}

/* Guests and peers have their words in it. */
static void test_log_lines_are_lines(void **state)
{
	char line[200];
	int pipes[2];
	assert_return_code(pipe(pipes), errno);
	int kept = dup(STDERR_FILENO);
	dup2(pipes[1], STDERR_FILENO);
	log_error("it said %s", "a\nhesper: error: b\x1b[2J\x7f\xc2\x9b"
				"1m\xc3\xa4");
	dup2(kept, STDERR_FILENO);
	ssize_t got = read(pipes[0], line, sizeof(line) - 1);
	close(kept);
	close(pipes[0]);
	close(pipes[1]);
	assert_true(got > 0);
	line[got] = '\0';
	assert_string_equal(line, "hesper: error: it said a?hesper: error: b?[2J???1m\xc3\xa4\n");
}

static void test_log_limit(void **state)
{
	struct log_limit limit = {0};
	uint32_t suppressed;
	uint64_t now = 5 * CLOCK_NS_PER_S;
	for (int i = 0; i < LOG_LIMIT_BURST; i++) {
		assert_true(log_limit_pass(&limit, now + (uint64_t)i, &suppressed));
		assert_int_equal(suppressed, 0);
	}
	for (int i = 0; i < 100; i++) {
		assert_false(log_limit_pass(&limit, now + 1000, &suppressed));
	}
	assert_true(log_limit_pass(&limit, now + CLOCK_NS_PER_S + 1, &suppressed));
	assert_int_equal(suppressed, 100);
}

struct post {
	struct letter letter;
	int *order;
	int *count;
	int number;
	bool discarded;
};

static void take(struct letter *letter)
{
	struct post *post = container_of(letter, struct post, letter);
	post->order[(*post->count)++] = post->number;
}

static void refuse(struct letter *letter)
{
	container_of(letter, struct post, letter)->discarded = true;
}

struct poster {
	struct mailbox *mailbox;
	struct post *posts;
	int count;
};

static void *post_all(void *data)
{
	struct poster *poster = data;
	for (int i = 0; i < poster->count; i++) {
		mailbox_post(poster->mailbox, &poster->posts[i].letter);
	}
	return NULL;
}

static void test_mailbox_keeps_the_order_of_a_thread(void **state)
{
	enum { COUNT = 2000 };
	static struct post posts[2][COUNT];
	static int order[2 * COUNT];
	int count = 0;
	uv_loop_t loop;
	struct mailbox mailbox;
	pthread_t threads[2];
	uv_loop_init(&loop);
	assert_int_equal(mailbox_init(&mailbox, &loop), 0);
	struct poster posters[2];
	for (int t = 0; t < 2; t++) {
		for (int i = 0; i < COUNT; i++) {
			posts[t][i] = (struct post){.letter = {.deliver = take, .discard = refuse},
						    .order = order,
						    .count = &count,
						    .number = t * COUNT + i};
		}
		posters[t] = (struct poster){&mailbox, posts[t], COUNT};
		assert_int_equal(pthread_create(&threads[t], NULL, post_all, &posters[t]), 0);
	}
	while (count < 2 * COUNT) {
		uv_run(&loop, UV_RUN_ONCE);
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	int next[2] = {0, COUNT};
	for (int i = 0; i < 2 * COUNT; i++) {
		int thread = order[i] / COUNT;
		assert_int_equal(order[i], next[thread]++);
	}
	mailbox_close(&mailbox, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	posts[0][0].discarded = false;
	mailbox_post(&mailbox, &posts[0][0].letter);
	assert_true(posts[0][0].discarded);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_listen_replaces_only_dead_sockets(void **state)
{
	char path[] = "/tmp/hesper-test-XXXXXX";
	assert_non_null(mkdtemp(path));
	char socket_path[64];
	snprintf(socket_path, sizeof(socket_path), "%s/s", path);
	int first = fd_listen(socket_path, 1);
	assert_true(first >= 0);
	assert_int_equal(fd_listen(socket_path, 1), -EADDRINUSE);
	int peer = fd_connect(socket_path);
	assert_true(peer >= 0);
	fd_close(&peer);
	fd_close(&first);
	int second = fd_listen(socket_path, 1);
	assert_true(second >= 0);
	fd_close(&second);
	unlink(socket_path);
	assert_int_equal(fd_connect(socket_path), -ENOENT);
	FILE *file = fopen(socket_path, "w");
	fclose(file);
	/* A file that is no socket is not ours to replace. */
	assert_int_equal(fd_listen(socket_path, 1), -EADDRINUSE);
	unlink(socket_path);
	rmdir(path);
	char long_path[256];
	memset(long_path, 'x', sizeof(long_path));
	long_path[255] = '\0';
	assert_int_equal(fd_listen(long_path, 1), -ENAMETOOLONG);
}

struct values {
	bool flag;
	const char *text;
	uint32_t number;
	uint32_t choice;
	struct option_size size;
};

static int parse(struct values *values, int argc, char **argv)
{
	const struct option_spec specs[] = {
		{"flag", 'f', OPTION_FLAG, &values->flag, "", "a flag"},
		{"text", 0, OPTION_STRING, &values->text, "TEXT", "a text"},
		{"number", 'n', OPTION_UINT, &values->number, "N", "a number", 1, 10},
		{"choice", 0, OPTION_CHOICE, &values->choice, "red|green|blue", "a colour"},
		{"size", 0, OPTION_SIZE, &values->size, "WxH", "a size", 1, 100},
	};
	const struct option_table table = {"test", "", "Tests", specs, 5, NULL};
	return options_parse(&table, argc, argv);
}

static void test_options(void **state)
{
	struct values values = {.number = 3};
	char *good[] = {"test",     "-f",   "--text=a b", "operand", "-n", "7",
			"--choice", "blue", "--size",     "20x30",   NULL};
	assert_int_equal(parse(&values, 10, good), 9);
	assert_string_equal(good[9], "operand");
	assert_true(values.flag);
	assert_string_equal(values.text, "a b");
	assert_int_equal(values.number, 7);
	assert_int_equal(values.choice, 2);
	assert_int_equal(values.size.width, 20);
	assert_int_equal(values.size.height, 30);
	static char *bad[][3] = {
		{"test", "--number=0", NULL},   {"test", "--number=11", NULL},
		{"test", "--number=7x", NULL},  {"test", "--number=-1", NULL},
		{"test", "--choice=gre", NULL}, {"test", "--choice=greens", NULL},
		{"test", "--size=20", NULL},    {"test", "--size=20x", NULL},
		{"test", "--size=0x5", NULL},   {"test", "--nope", NULL},
		{"test", "--text", NULL},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&values, 2, bad[i]), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idmap_against_an_array),
		cmocka_unit_test(test_log_lines_are_lines),
		cmocka_unit_test(test_log_limit),
		cmocka_unit_test(test_mailbox_keeps_the_order_of_a_thread),
		cmocka_unit_test(test_listen_replaces_only_dead_sockets),
		cmocka_unit_test(test_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
