/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/trace.h"

static char path[64];

static int make_file(void **state)
{
	strcpy(path, "/tmp/hesper-test-trace-XXXXXX");
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	trace_close();
	return unlink(path);
}

static char *read_file(void)
{
	FILE *in = fopen(path, "re");
	char *text = calloc(1, 4 << 20);
	assert_non_null(in);
	assert_non_null(text);
	size_t got = fread(text, 1, (4 << 20) - 1, in);
	assert_true(got < (4 << 20) - 1);
	fclose(in);
	return text;
}

/* The whole file has to be right, to the byte. pid: as %d in expected. */
static void expect_file(const char *expected)
{
	char text[2048];
	char *got = read_file();
	const char *from = expected;
	size_t used = 0;
	for (; *from != '\0' && used < sizeof(text) - 16; from++) {
		if (*from == '@') {
			used += (size_t)snprintf(text + used, 16, "%d", (int)getpid());
		} else {
			text[used++] = *from;
		}
	}
	text[used] = '\0';
	assert_string_equal(got, text);
	free(got);
}

static json_t *load(void)
{
	json_error_t error;
	char *text = read_file();
	json_t *events = json_loads(text, 0, &error);
	if (events == NULL) {
		print_message("%s\n", error.text);
	}
	free(text);
	assert_non_null(events);
	return events;
}

#define HEAD                                                                                       \
	"[\n{\"pid\":@,\"tid\":0,\"ph\":\"M\",\"name\":\"process_name\",\"args\":{\"name\":"       \
	"\"prog\"}}"

static void test_nothing_is_traced_unasked(void **state)
{
	assert_false(trace_on());
	trace_mark(TRACE_FLIP, "a", 1, NULL);
	trace_slice(TRACE_FLIP, "a", 1, 2, NULL);
	trace_flush();
	trace_close();
	assert_false(trace_on());
}

static void test_lines(void **state)
{
	assert_int_equal(trace_open(path, "prog"), 0);
	assert_true(trace_on());
	trace_slice(101, "flip", 1234567, 2000000,
		    TRACE_ARGS(TRACE_NUMBER("n", UINT64_MAX), TRACE_ID("id", UINT64_MAX),
			       TRACE_ID("none", 0), TRACE_TIME("took", 1001)));
	trace_mark(102, "left out", 5, NULL);
	trace_begin("fence", 26, 1000, TRACE_ARGS(TRACE_NUMBER("ring", 0)));
	trace_end("fence", 26, 1000999, NULL);
	trace_flow(TRACE_FLOW_OUT, 101, 1234568, 0xabc);
	trace_frame_slice(TRACE_FLOW_IN, 103, "present", 0x10, 7000, 6000,
			  TRACE_ARGS(TRACE_NUMBER("a", 1)));
	trace_close();
	expect_file(HEAD
		    ",\n{\"pid\":@,\"tid\":101,\"ph\":\"X\",\"ts\":1234.567,\"dur\":765.433,"
		    "\"name\":\"flip\",\"args\":{\"n\":18446744073709551615,"
		    "\"id\":\"0xffffffffffffffff\",\"none\":\"0x0\",\"took\":1.001}}"
		    ",\n{\"pid\":@,\"tid\":102,\"ph\":\"i\",\"ts\":0.005,\"name\":\"left out\","
		    "\"s\":\"t\",\"args\":{}}"
		    ",\n{\"pid\":@,\"tid\":0,\"ph\":\"b\",\"ts\":1.000,\"name\":\"fence\","
		    "\"cat\":\"fence\",\"id2\":{\"local\":\"0x1a\"},\"args\":{\"ring\":0}}"
		    ",\n{\"pid\":@,\"tid\":0,\"ph\":\"e\",\"ts\":1000.999,\"name\":\"fence\","
		    "\"cat\":\"fence\",\"id2\":{\"local\":\"0x1a\"},\"args\":{}}"
		    ",\n{\"pid\":@,\"tid\":101,\"ph\":\"s\",\"ts\":1234.568,\"name\":\"frame\","
		    "\"cat\":\"frame\",\"bp\":\"e\",\"id\":\"0xabc\"}"
		    ",\n{\"pid\":@,\"tid\":103,\"ph\":\"X\",\"ts\":7.000,\"dur\":0.002,"
		    "\"name\":\"present\",\"args\":{\"frame\":\"0x10\",\"a\":1}}"
		    ",\n{\"pid\":@,\"tid\":103,\"ph\":\"f\",\"ts\":7.001,\"name\":\"frame\","
		    "\"cat\":\"frame\",\"bp\":\"e\",\"id\":\"0x10\"}\n]\n");
}

static void test_texts_are_escaped(void **state)
{
	char all[260];
	char most[4096];
	for (int i = 0; i < 255; i++) {
		all[i] = (char)(i + 1);
	}
	all[255] = '\0';
	memset(most, 1, sizeof(most));
	most[sizeof(most) - 1] = '\0';
	assert_int_equal(trace_open(path, "prog"), 0);
	trace_mark(1, "all", 1, TRACE_ARGS(TRACE_TEXT("text", all), TRACE_TEXT("none", NULL)));
	for (int i = 0; i < 100; i++) {
		/* The longest that there can be: must not leave the buffer. */
		trace_mark(1, "most", 1,
			   TRACE_ARGS(TRACE_TEXT("1", most), TRACE_TEXT("2", most),
				      TRACE_TEXT("3", most), TRACE_TEXT("4", most),
				      TRACE_TEXT("5", most), TRACE_TEXT("6", most),
				      TRACE_TEXT("7", most), TRACE_TEXT("8", most),
				      TRACE_TEXT("9", "one too many")));
	}
	trace_close();
	json_t *events = load();
	const json_t *args = json_object_get(json_array_get(events, 1), "args");
	const char *text = json_string_value(json_object_get(args, "text"));
	assert_int_equal(strlen(text), 200);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(text[i], i + 1 < 0x7f ? i + 1 : '?');
	}
	assert_string_equal(json_string_value(json_object_get(args, "none")), "");
	assert_int_equal(json_array_size(events), 102);
	args = json_object_get(json_array_get(events, 101), "args");
	assert_int_equal(json_object_size(args), TRACE_MAX_ARGS);
	assert_int_equal(json_string_length(json_object_get(args, "8")), 200);
	json_decref(events);
}

static off_t file_size(void)
{
	struct stat info;
	assert_int_equal(stat(path, &info), 0);
	return info.st_size;
}

static void test_written_when_old(void **state)
{
	assert_int_equal(trace_open(path, "prog"), 0);
	off_t at_first = file_size();
	uint64_t ns = CLOCK_NS_PER_S;
	trace_mark(1, "a", ns, NULL);
	trace_mark(1, "b", ns + 249 * CLOCK_NS_PER_MS, NULL);
	assert_int_equal(file_size(), at_first);
	trace_mark(1, "c", ns + 250 * CLOCK_NS_PER_MS, NULL);
	off_t then = file_size();
	assert_true(then > at_first);
	trace_mark(1, "d", ns + 260 * CLOCK_NS_PER_MS, NULL);
	assert_int_equal(file_size(), then);
	trace_flush();
	assert_true(file_size() > then);
}

static void test_written_when_full(void **state)
{
	assert_int_equal(trace_open(path, "prog"), 0);
	off_t size = file_size();
	for (int i = 0; i < 10000; i++) {
		trace_mark(1, "a", 1, NULL);
		off_t now = file_size();
		/* Whole events only, and many of them at a time. */
		assert_true(now == size || now > size + 8192);
		size = now;
	}
	trace_close();
	json_t *events = load();
	assert_int_equal(json_array_size(events), 10001);
	json_decref(events);
}

/* Whatever ends the program: only the bracket is missing. */
static void test_readable_without_an_end(void **state)
{
	assert_int_equal(trace_open(path, "prog"), 0);
	trace_mark(1, "a", 1, NULL);
	trace_flush();
	char *text = read_file();
	assert_int_equal(text[strlen(text) - 1], '}');
	strcat(text, "]");
	json_t *events = json_loads(text, 0, NULL);
	assert_int_equal(json_array_size(events), 2);
	json_decref(events);
	free(text);
}

#define THREADS 4
#define EVENTS_EACH 5000

static void *trace_many(void *data)
{
	uint64_t thread = (uint64_t)(uintptr_t)data;
	for (uint64_t i = 0; i < EVENTS_EACH; i++) {
		uint64_t now = clock_now_ns();
		trace_mark((unsigned)thread, "many", now, TRACE_ARGS(TRACE_NUMBER("n", i)));
	}
	trace_flush();
	return NULL;
}

static void test_threads_do_not_mix(void **state)
{
	pthread_t threads[THREADS];
	uint64_t next[THREADS] = {0};
	double last[THREADS] = {0};
	size_t index;
	const json_t *event;
	assert_int_equal(trace_open(path, "prog"), 0);
	for (uintptr_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, trace_many, (void *)i), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	trace_close();
	json_t *events = load();
	assert_int_equal(json_array_size(events), 1 + THREADS * EVENTS_EACH);
	json_array_foreach(events, index, event)
	{
		if (index == 0) {
			continue;
		}
		json_int_t thread = json_integer_value(json_object_get(event, "tid"));
		double ts = json_number_value(json_object_get(event, "ts"));
		const json_t *args = json_object_get(event, "args");
		assert_in_range(thread, 0, THREADS - 1);
		/* Each thread's own, in their order, as the clock has it. */
		assert_int_equal(json_integer_value(json_object_get(args, "n")), next[thread]++);
		assert_true(ts >= last[thread]);
		last[thread] = ts;
	}
	json_decref(events);
}

/* What is logged while todo runs. */
static void listen(char *words, size_t size, void (*todo)(void))
{
	int pipes[2];
	assert_return_code(pipe(pipes), errno);
	int kept = dup(STDERR_FILENO);
	dup2(pipes[1], STDERR_FILENO);
	close(pipes[1]);
	todo();
	dup2(kept, STDERR_FILENO);
	close(kept);
	ssize_t got = read(pipes[0], words, size - 1);
	close(pipes[0]);
	words[got > 0 ? got : 0] = '\0';
}

static void fill_disk(void)
{
	for (int i = 0; i < 10000; i++) {
		trace_mark(1, "a", 1, NULL);
	}
	trace_flush();
}

static void test_full_disk_ends_it_quietly(void **state)
{
	struct rlimit before;
	char words[512];
	getrlimit(RLIMIT_FSIZE, &before);
	const struct rlimit small = {100000, before.rlim_max};
	assert_int_equal(trace_open(path, "prog"), 0);
	setrlimit(RLIMIT_FSIZE, &small);
	listen(words, sizeof(words), fill_disk);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_false(trace_on());
	assert_int_equal(file_size(), 100000);
	assert_string_equal(words, "hesper: error: the trace ends here, it cannot be written: File "
				   "too large\n");
	trace_close();
	/* Not even a bracket. */
	assert_int_equal(file_size(), 100000);
}

static int full_device;

static void open_full_device(void)
{
	full_device = trace_open("/dev/full", "prog");
}

static void test_files_that_cannot_be(void **state)
{
	char words[512];
	char fifo[80];
	listen(words, sizeof(words), open_full_device);
	assert_int_equal(full_device, -EIO);
	assert_false(trace_on());
	assert_int_equal(trace_open("/no/such/folder/trace", "prog"), -ENOENT);
	/* Nobody waits for its reader. */
	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(trace_open(fifo, "prog"), -ENXIO);
	int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(trace_open(fifo, "prog"), -ESPIPE);
	close(reader);
	unlink(fifo);
	assert_false(trace_on());
}

static void test_frame_ids(void **state)
{
	uint8_t connection[16] = {1, 2, 3};
	uint64_t id = trace_frame_id(connection, 7);
	assert_true(id != 0);
	assert_true(id == trace_frame_id(connection, 7));
	assert_true(id != trace_frame_id(connection, 8));
	connection[15] ^= 1;
	assert_true(id != trace_frame_id(connection, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_traced_unasked),
		cmocka_unit_test_setup_teardown(test_lines, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_texts_are_escaped, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_written_when_old, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_written_when_full, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_readable_without_an_end, make_file,
						remove_file),
		cmocka_unit_test_setup_teardown(test_threads_do_not_mix, make_file, remove_file),
		cmocka_unit_test_setup_teardown(test_full_disk_ends_it_quietly, make_file,
						remove_file),
		cmocka_unit_test_setup_teardown(test_files_that_cannot_be, make_file, remove_file),
		cmocka_unit_test(test_frame_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
