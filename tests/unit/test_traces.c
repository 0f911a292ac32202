/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launcher/paths.h"
#include "launcher/traces.h"
#include "util/trace.h"

static char folder[64];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/hesper-test-traces-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	paths_remove_tree(folder);
	return 0;
}

/* Two at a time. */
static const char *in_folder(const char *name)
{
	static char paths[2][128];
	static unsigned next;
	char *path = paths[next++ % 2];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void write_bytes(const char *name, const char *bytes, size_t size)
{
	FILE *out = fopen(in_folder(name), "we");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

static struct traces_file add_bytes(struct traces *traces, const char *bytes, size_t size)
{
	struct traces_file file;
	write_bytes("in.json", bytes, size);
	assert_int_equal(traces_add(traces, in_folder("in.json"), &file), 0);
	return file;
}

static struct traces_file add_text(struct traces *traces, const char *text)
{
	return add_bytes(traces, text, strlen(text));
}

static void expect(struct traces_file file, size_t events, size_t bad, int cut_off)
{
	assert_int_equal(file.events, events);
	assert_int_equal(file.bad, bad);
	assert_int_equal(file.cut_off, cut_off);
}

static json_t *merged(const struct traces *traces)
{
	json_error_t error;
	assert_int_equal(traces_write(traces, in_folder("out.json")), 0);
	assert_int_not_equal(access(in_folder("out.json.part"), F_OK), 0);
	json_t *events = json_load_file(in_folder("out.json"), 0, &error);
	if (events == NULL) {
		print_message("%s\n", error.text);
	}
	assert_true(json_is_array(events));
	return events;
}

static json_int_t integer(const json_t *event, const char *name)
{
	return json_integer_value(json_object_get(event, name));
}

static void test_processes_are_told_apart(void **state)
{
	struct traces *traces = traces_create();
	expect(add_text(traces,
			"[\n{\"pid\":7,\"tid\":1,\"ph\":\"i\",\"ts\":2.5,\"name\":\"first\"},\n"
			"{\"pid\":1,\"tid\":1,\"ph\":\"i\",\"ts\":4.125,\"name\":\"other\"}\n]\n"),
	       2, 0, 0);
	expect(add_text(traces, "[\n{\"pid\":7,\"ph\":\"M\",\"name\":\"process_name\","
				"\"args\":{\"name\":\"x\"}},\n"
				"{\"pid\":7,\"tid\":1,\"ph\":\"i\",\"ts\":54672346249.281,"
				"\"name\":\"late\"},\n"
				"{\"pid\":7,\"tid\":1,\"ph\":\"i\",\"ts\":3,\"name\":\"second\"}"),
	       3, 0, 0);
	json_t *events = merged(traces);
	static const char *const names[] = {"process_name", "first", "second", "other", "late"};
	assert_int_equal(json_array_size(events), 5);
	json_int_t second = integer(json_array_get(events, 0), "pid");
	assert_true(second != 7 && second != 1);
	for (size_t i = 0; i < 5; i++) {
		const json_t *event = json_array_get(events, i);
		assert_string_equal(json_string_value(json_object_get(event, "name")), names[i]);
		assert_int_equal(integer(event, "pid"), i == 1 ? 7 : i == 3 ? 1 : second);
	}
	/* To the ns, also of what was written anew. */
	assert_true(json_number_value(json_object_get(json_array_get(events, 4), "ts")) ==
		    54672346249.281);
	json_decref(events);
	traces_destroy(traces);
}

static void test_cut_off(void **state)
{
	struct traces *traces = traces_create();
	expect(add_text(traces, "[\n{\"pid\":7,\"ph\":\"i\",\"ts\":2,\"name\":\"a\"},\n"
				"{\"pid\":7,\"ph\":\"i\",\"ts\":2,\"na"),
	       1, 1, 1);
	/* In every place there is. */
	static const char line[] =
		"{\"pid\":7,\"ph\":\"X\",\"ts\":2.5,\"dur\":1,\"args\":{\"a\":[1]}}";
	for (size_t size = 0; size < sizeof(line); size++) {
		char text[256];
		int length = snprintf(text, sizeof(text), "[\n%s,\n%.*s", line, (int)size, line);
		struct traces_file file = add_bytes(traces, text, (size_t)length);
		assert_int_equal(file.events, size == sizeof(line) - 1 ? 2 : 1);
	}
	json_decref(merged(traces));
	traces_destroy(traces);
}

static void test_hostile(void **state)
{
	static const char *const bad[] = {
		"nonsense",
		"{}",
		"7",
		"\"text\"",
		"null",
		"{\"pid\":7}",
		"{\"pid\":7,\"ph\":\"i\"}",
		"{\"pid\":-1,\"ph\":\"i\",\"ts\":1}",
		"{\"pid\":\"7\",\"ph\":\"i\",\"ts\":1}",
		"{\"pid\":99999999999999999999,\"ph\":\"i\",\"ts\":1}",
		"{\"pid\":7,\"ph\":\"\",\"ts\":1}",
		"{\"pid\":7,\"ph\":\"ii\",\"ts\":1}",
		"{\"pid\":7,\"ph\":[\"i\"],\"ts\":1}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":\"1\"}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":-1}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":1e300}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":1e999}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":1,\"name\":\"\xff\"}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":1} {}",
	};
	/* Events, but not of ours. */
	static const char *const odd[] = {
		"{\"pid\":9007199254740993,\"ph\":\"i\",\"ts\":1,\"name\":7}",
		"{\"pid\":7,\"ph\":\"?\",\"ts\":1,\"name\":\"a\"}",
		"{\"pid\":7,\"ph\":\"M\",\"name\":\"process_name\",\"args\":7}",
		"{\"pid\":7,\"ph\":\"M\",\"name\":\"process_name\",\"args\":{\"name\":7}}",
		"{\"pid\":7,\"ph\":\"X\",\"ts\":1,\"name\":\"flip\"}",
		"{\"pid\":7,\"ph\":\"X\",\"ts\":1,\"dur\":-5,\"name\":\"flip\",\"args\":[]}",
		"{\"pid\":7,\"ph\":\"X\",\"ts\":1,\"dur\":1e300,\"name\":\"notify\",\"args\":{"
		"\"frame\":7}}",
		"{\"pid\":7,\"ph\":\"X\",\"ts\":1,\"dur\":1,\"name\":\"notify\",\"args\":{"
		"\"frame\":\"\",\"head\":\"x\",\"flush\":1e300}}",
		"{\"pid\":7,\"ph\":\"X\",\"ts\":1,\"dur\":1,\"name\":\"notify\",\"args\":{"
		"\"frame\":\"\"}}",
		"{\"pid\":7,\"ph\":\"X\",\"ts\":9e15,\"dur\":9e15,\"name\":\"gpu copy\",\"args\":{"
		"\"frame\":\"\",\"submit_us\":-1}}",
		"{\"pid\":7,\"ph\":\"b\",\"ts\":1,\"name\":\"a\",\"cat\":\"a\"}",
		"{\"pid\":7,\"ph\":\"b\",\"ts\":1,\"name\":\"a\",\"cat\":\"a\",\"id2\":{\"local\":"
		"\"1\"}}",
		"{\"pid\":7,\"ph\":\"b\",\"ts\":2,\"name\":\"a\",\"cat\":\"a\",\"id2\":{\"local\":"
		"\"1\"}}",
		"{\"pid\":7,\"ph\":\"e\",\"ts\":1,\"name\":\"a\",\"cat\":\"a\",\"id2\":{\"local\":"
		"\"1\"}}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":1,\"name\":\"a\\nb\",\"args\":{\"reason\":"
		"\"c\\nd\"}}",
		"{\"pid\":7,\"ph\":\"i\",\"ts\":1,\"name\":\"\\u0000\"}",
		"  ,, [{\"pid\":7,\"ph\":\"i\",\"ts\":1,\"name\":\"around\"} ] ,",
	};
	char deep[10000];
	char text[20000];
	size_t used = 0;
	size_t count = sizeof(bad) / sizeof(bad[0]);
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"pid\":", 7);
	for (size_t i = 0; i < count; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s,\n", bad[i]);
	}
	memcpy(text + used, deep, sizeof(deep));
	used += sizeof(deep);
	memcpy(text + used, "\n\0\0\n", 4);
	used += 4;
	static const char good[] = "{\"pid\":7,\"ph\":\"i\",\"ts\":1,\"name\":\"good\"}\n";
	memcpy(text + used, good, sizeof(good));
	used += sizeof(good) - 1;
	struct traces *traces = traces_create();
	/* U+0000 is nothing that jansson takes, which is fine, too. */
	expect(add_bytes(traces, text, used), 1, count + 2, 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct traces_file file = add_text(traces, odd[i]);
		assert_int_equal(file.events + file.bad, 1);
	}
	json_t *events = merged(traces);
	assert_int_equal(json_array_size(events), 1 + sizeof(odd) / sizeof(odd[0]) - 1);
	json_decref(events);
	json_t *figures = traces_count(traces);
	assert_non_null(figures);
	FILE *nowhere = fopen("/dev/null", "we");
	traces_print(figures, nowhere);
	fclose(nowhere);
	json_decref(figures);
	traces_destroy(traces);
}

static void test_other_shapes(void **state)
{
	struct traces *traces = traces_create();
	expect(add_text(traces,
			"[{\"pid\":1,\"ph\":\"i\",\"ts\":2},{\"pid\":1,\"ph\":\"i\",\"ts\":1}"
			",7]"),
	       2, 1, 0);
	expect(add_text(traces,
			"{\"traceEvents\":[\n  {\n    \"pid\":3,\n\"ph\":\"i\",\"ts\":2}\n]}"),
	       1, 0, 0);
	expect(add_text(traces, ""), 0, 0, 0);
	expect(add_text(traces, "[\n]\n"), 0, 0, 0);
	assert_int_equal(add_text(traces, "{\n\"fps\": 60,\n\"frames\": 7\n}\n").events, 0);
	json_t *events = merged(traces);
	assert_int_equal(json_array_size(events), 3);
	json_decref(events);
	traces_destroy(traces);
}

static void test_files_that_are_not_there(void **state)
{
	struct traces_file file;
	struct rlimit before;
	struct traces *traces = traces_create();
	assert_int_equal(traces_add(traces, in_folder("none"), &file), -ENOENT);
	assert_int_equal(traces_add(traces, folder, &file), -EINVAL);
	add_text(traces, "[\n{\"pid\":1,\"ph\":\"i\",\"ts\":2,\"name\":\"a\"}");
	assert_int_equal(traces_write(traces, "/no/such/folder/out.json"), -ENOENT);
	/* A full disk: what was there before stays. */
	write_bytes("out.json", "before", 6);
	getrlimit(RLIMIT_FSIZE, &before);
	signal(SIGXFSZ, SIG_IGN);
	const struct rlimit small = {10, before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &small);
	int error = traces_write(traces, in_folder("out.json"));
	setrlimit(RLIMIT_FSIZE, &before);
	assert_true(error < 0);
	assert_int_not_equal(access(in_folder("out.json.part"), F_OK), 0);
	char got[16] = "";
	FILE *in = fopen(in_folder("out.json"), "re");
	assert_int_equal(fread(got, 1, sizeof(got), in), 6);
	fclose(in);
	assert_memory_equal(got, "before", 6);
	traces_destroy(traces);
}

static const json_t *find_stage(const json_t *figures, const char *program, const char *stage)
{
	size_t i;
	const json_t *row;
	json_array_foreach(json_object_get(figures, "stages"), i, row)
	{
		if (strcmp(json_string_value(json_object_get(row, "program")), program) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "stage")), stage) == 0) {
			return row;
		}
	}
	return NULL;
}

static double us(const json_t *row, const char *name)
{
	const json_t *value = json_object_get(row, name);
	assert_true(json_is_number(value));
	return json_number_value(value);
}

static void expect_times(const json_t *row, double count, double p50, double p90, double p99,
			 double max)
{
	assert_non_null(row);
	assert_true(us(row, "count") == count);
	assert_true(us(row, "p50_us") == p50);
	assert_true(us(row, "p90_us") == p90);
	assert_true(us(row, "p99_us") == p99);
	assert_true(us(row, "max_us") == max);
}

static void test_stages(void **state)
{
	struct traces *traces = traces_create();
	const char *path = in_folder("own.json");
	struct traces_file file;
	assert_int_equal(trace_open(path, "prog"), 0);
	for (uint64_t i = 200; i > 0; i--) {
		trace_slice(1, "work", 1000, 1000 + i * 1000, NULL);
	}
	trace_end("pair", 1, 5000, NULL);
	trace_begin("pair", 1, 2000, NULL);
	trace_begin("pair", 1, 7000, NULL);
	trace_end("pair", 1, 8500, NULL);
	trace_begin("pair", 2, 9000, NULL);
	trace_mark(1, "plain", 1, NULL);
	trace_mark(1, "left out", 1, TRACE_ARGS(TRACE_TEXT("reason", "why")));
	trace_mark(1, "left out", 1, TRACE_ARGS(TRACE_TEXT("reason", "why")));
	trace_close();
	assert_int_equal(traces_add(traces, path, &file), 0);
	expect(file, 209, 0, 0);
	/* Another process of the same program, and of the same number. */
	assert_int_equal(trace_open(path, "prog"), 0);
	trace_slice(1, "alone", 1000, 3000, NULL);
	trace_slice(1, "work", 1000, 1001000, NULL);
	trace_end("pair", 2, 10000, NULL);
	trace_close();
	assert_int_equal(traces_add(traces, path, &file), 0);
	json_t *figures = traces_count(traces);
	expect_times(find_stage(figures, "prog", "work"), 201, 101, 181, 199, 1000);
	expect_times(find_stage(figures, "prog", "alone"), 1, 2, 2, 2, 2);
	expect_times(find_stage(figures, "prog", "pair"), 2, 1.5, 3, 3, 3);
	assert_true(us(find_stage(figures, "prog", "plain"), "count") == 1);
	assert_true(us(figures, "unfinished") == 2);
	const json_t *lost = json_array_get(json_object_get(figures, "left_out"), 0);
	assert_true(us(lost, "count") == 2);
	assert_string_equal(json_string_value(json_object_get(lost, "what")), "left out");
	assert_string_equal(json_string_value(json_object_get(lost, "reason")), "why");
	json_decref(figures);
	traces_destroy(traces);
}

#define FLIP_ARGS(number) TRACE_ARGS(TRACE_NUMBER("head", 1), TRACE_NUMBER("flush", number))

/* A whole frame, one without a flip, one that was never presented. */
static void test_frames(void **state)
{
	struct traces *traces = traces_create();
	struct traces_file file;
	const char *device = in_folder("device.json");
	const char *view = in_folder("view.json");
	assert_int_equal(trace_open(view, "view"), 0);
	trace_frame_slice(TRACE_FLOW_IN, 1, "present", 10, 50000, 52000, NULL);
	trace_frame_slice(TRACE_FLOW_THROUGH, 1, "gpu copy", 10, 20000, 45000,
			  TRACE_ARGS(TRACE_TIME("submit_us", 4000)));
	trace_frame_slice(TRACE_FLOW_THROUGH, 1, "arrive", 10, 10000, 11000, NULL);
	trace_frame_slice(TRACE_FLOW_IN, 1, "present", 11, 50000, 52000, NULL);
	trace_frame_slice(TRACE_FLOW_THROUGH, 1, "gpu copy", 11, 20000, 45000, NULL);
	trace_frame_slice(TRACE_FLOW_THROUGH, 1, "arrive", 11, 10000, 11000, NULL);
	trace_frame_slice(TRACE_FLOW_THROUGH, 1, "arrive", 12, 10000, 11000, NULL);
	trace_close();
	assert_int_equal(traces_add(traces, view, &file), 0);
	assert_int_equal(trace_open(device, "device"), 0);
	trace_slice(2, "flip", 1000, 9000, FLIP_ARGS(1));
	trace_slice(2, "flip", 2000, 9000, FLIP_ARGS(3));
	trace_frame_slice(TRACE_FLOW_THROUGH, 3, "notify", 10, 8000, 60000, FLIP_ARGS(1));
	trace_frame_slice(TRACE_FLOW_THROUGH, 3, "notify", 11, 8000, 60000, FLIP_ARGS(2));
	trace_frame_slice(TRACE_FLOW_THROUGH, 3, "notify", 12, 8000, 60000, FLIP_ARGS(3));
	trace_close();
	assert_int_equal(traces_add(traces, device, &file), 0);
	json_t *figures = traces_count(traces);
	const json_t *frames = json_object_get(figures, "frames");
	assert_true(us(frames, "presented") == 2);
	assert_true(us(frames, "complete") == 1);
	expect_times(json_object_get(frames, "decoded_to_notified"), 1, 7, 7, 7, 7);
	expect_times(json_object_get(frames, "decoded_to_arrived"), 1, 9, 9, 9, 9);
	expect_times(json_object_get(frames, "decoded_to_submitted"), 1, 23, 23, 23, 23);
	expect_times(json_object_get(frames, "decoded_to_copied"), 1, 44, 44, 44, 44);
	expect_times(json_object_get(frames, "decoded_to_presented"), 1, 51, 51, 51, 51);
	expect_times(json_object_get(frames, "decoded_to_answered"), 1, 59, 59, 59, 59);
	json_decref(figures);
	traces_destroy(traces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_processes_are_told_apart),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_other_shapes),
		cmocka_unit_test(test_files_that_are_not_there),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_frames),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
