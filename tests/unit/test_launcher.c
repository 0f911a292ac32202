/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/accel.h"
#include "launcher/control.h"
#include "launcher/failure.h"
#include "launcher/lines.h"
#include "launcher/paths.h"
#include "launcher/qemu_args.h"
#include "launcher/qemu_log.h"
#include "launcher/qmp.h"
#include "launcher/report.h"
#include "launcher/runtime.h"
#include "util/fd.h"

/* ---- the plan of a machine, as QEMU's command line ---- */

static struct qemu_plan example_plan(void)
{
	return (struct qemu_plan){
		.binary = "/opt/qemu",
		.name = "a machine, small",
		.cpus = 2,
		.memory_mib = 2048,
		.gpu_socket = "/run/a,b/gpu.sock",
		.input_dir = "/run/a,b",
		.kernel = "/img/vm,linuz",
		.initrd = "/img/initrd.img",
		.append = "console=ttyS0,115200 quiet",
		.disks = {"/img/root.erofs", "/img/a,b.erofs"},
		.disk_count = 2,
		.console_log = "/log/console.log",
		.qmp_socket = "/run/qmp.sock",
		.qmp_fd = 4,
		.control_fd = 5,
	};
}

/* The value behind the n-th occurrence of an option, or NULL. */
static const char *value_of(char **argv, const char *option, int n)
{
	for (size_t i = 1; argv[i] != NULL; i++) {
		if (strcmp(argv[i], option) == 0 && n-- == 0) {
			return argv[i + 1];
		}
	}
	return NULL;
}

static void assert_value(char **argv, const char *option, int n, const char *expected)
{
	const char *value = value_of(argv, option, n);
	assert_non_null(value);
	assert_string_equal(value, expected);
}

static bool has_value(char **argv, const char *option, const char *value)
{
	const char *found;
	for (int n = 0; (found = value_of(argv, option, n)) != NULL; n++) {
		if (strcmp(found, value) == 0) {
			return true;
		}
	}
	return false;
}

static void test_qemu_args(void **state)
{
	struct qemu_plan plan = example_plan();
	char **argv = qemu_args_build(&plan);
	assert_string_equal(argv[0], "/opt/qemu");
	/* Everything that the device needs of QEMU. */
	assert_value(argv, "-machine", 0, "q35,memory-backend=mem");
	assert_true(has_value(argv, "-object", "memory-backend-memfd,id=mem,size=2048M,share=on"));
	assert_true(has_value(argv, "-device",
			      "vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,"
			      "config_size=24,vq_size=256,addr=4"));
	assert_value(argv, "-accel", 0, "tcg,thread=multi");
	assert_value(argv, "-cpu", 0, "max");
	assert_true(has_value(argv, "-chardev", "socket,id=qmp0,fd=4"));
	assert_true(has_value(argv, "-chardev", "socket,id=control,fd=5"));
	/* Commas are doubled in values of keys, and only there. */
	assert_true(has_value(argv, "-chardev", "socket,id=gpu,path=/run/a,,b/gpu.sock"));
	assert_value(argv, "-name", 0, "a machine,, small");
	assert_value(argv, "-kernel", 0, "/img/vm,linuz");
	assert_value(argv, "-append", 0, "console=ttyS0,115200 quiet");
	assert_value(argv, "-drive", 1,
		     "if=none,id=disk1,format=raw,readonly=on,file=/img/a,,b.erofs");
	/* QEMU cannot connect a vhost-user device a second time. */
	for (size_t i = 0; argv[i] != NULL; i++) {
		assert_null(strstr(argv[i], "reconnect"));
	}
	qemu_args_free(argv);
	qemu_args_free(NULL);
}

static void test_qemu_args_input(void **state)
{
	static const char *const names[] = {"keyboard", "tablet", "mouse", "touch"};
	struct qemu_plan plan = example_plan();
	char **argv = qemu_args_build(&plan);
	unsigned lines = 0;
	for (size_t i = 0; i < 4; i++) {
		char text[256];
		snprintf(text, sizeof(text), "socket,id=%s,path=/run/a,,b/%s.sock", names[i],
			 names[i]);
		assert_true(has_value(argv, "-chardev", text));
		unsigned slot = 0;
		for (unsigned at = 1; at < 31 && slot == 0; at++) {
			snprintf(text, sizeof(text),
				 "vhost-user-test-device-pci,chardev=%s,virtio-id=18,num_vqs=2,"
				 "config_size=136,vq_size=64,addr=%u",
				 names[i], at);
			slot = has_value(argv, "-device", text) ? at : 0;
		}
		assert_int_not_equal(slot, 0);
		lines |= 1u << slot % 4;
	}
	/* The GPU is in slot 4: none of them has its interrupt line. */
	assert_int_equal(lines & 1, 0);
	qemu_args_free(argv);
	plan.input_dir = NULL;
	argv = qemu_args_build(&plan);
	assert_false(has_value(argv, "-chardev", "socket,id=mouse,path=/run/a,,b/mouse.sock"));
	for (size_t i = 0; argv[i] != NULL; i++) {
		assert_null(strstr(argv[i], "virtio-id=18"));
	}
	qemu_args_free(argv);
}

static void test_qemu_args_variants(void **state)
{
	struct qemu_plan plan = example_plan();
	plan.kvm = true;
	plan.qmp_socket = NULL;
	plan.disk_count = 0;
	char **argv = qemu_args_build(&plan);
	assert_value(argv, "-accel", 0, "kvm");
	assert_value(argv, "-cpu", 0, "host");
	assert_null(value_of(argv, "-drive", 0));
	for (size_t i = 0; argv[i] != NULL; i++) {
		assert_null(strstr(argv[i], "qmp1"));
	}
	qemu_args_free(argv);
}

static void test_qemu_version(void **state)
{
	char version[32];
	assert_true(qemu_version_parse(
		"QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)\nCopyright", version,
		sizeof(version)));
	assert_string_equal(version, "11.1.3");
	assert_true(qemu_version_parse("QEMU emulator version 9.0", version, sizeof(version)));
	assert_false(qemu_version_parse("QEMU emulator", version, sizeof(version)));
	assert_false(qemu_version_parse("version next", version, sizeof(version)));
	assert_false(qemu_version_parse("version 11.1.3", version, 6));

	assert_true(qemu_version_is("11.1.0", 11, 1));
	assert_true(qemu_version_is("12.0", 11, 1));
	assert_true(qemu_version_is("11.10.1", 11, 9));
	assert_false(qemu_version_is("11.0.92", 11, 1));
	assert_false(qemu_version_is("9.2.4", 11, 1));
	assert_false(qemu_version_is("", 11, 1));
}

static void test_qemu_log(void **state)
{
	static const char full[] =
		"qemu-system-x86_64: vhost_set_mem_table failed: No buffer space "
		"available (105)";
	assert_true(qemu_log_is_harmless(
		"qemu-system-x86_64: Failed preparing vhost-user memory table msg"));
	assert_true(qemu_log_is_harmless(full));
	/* The same call with another cause, and everything else, is told. */
	assert_false(qemu_log_is_harmless(
		"qemu-system-x86_64: vhost_set_mem_table failed: Input/output error (5)"));
	assert_false(qemu_log_is_harmless(
		"qemu-system-x86_64: Failed preparing vhost-user memory table msg, and more"));
	assert_false(qemu_log_is_harmless("Failed preparing vhost-user memory table msg"));
	assert_false(
		qemu_log_is_harmless("a guest said: Failed preparing vhost-user memory table msg"));
	assert_false(qemu_log_is_harmless("qemu-system-x86_64: terminating on signal 15"));
	assert_false(qemu_log_is_harmless(""));
}

/* ---- lines and the two protocols of lines ---- */

struct heard {
	char text[8][64];
	size_t count;
	size_t longest;
};

static void hear(void *data, const char *line)
{
	struct heard *heard = data;
	size_t length = strlen(line);
	assert_true(heard->count < 8);
	snprintf(heard->text[heard->count++], sizeof(heard->text[0]), "%s", line);
	heard->longest = length > heard->longest ? length : heard->longest;
}

static void test_lines(void **state)
{
	struct heard heard = {0};
	struct lines lines;
	lines_init(&lines, hear, &heard);
	lines_feed(&lines, "one\nt", 5);
	lines_feed(&lines, "wo\r\n\nthree\rfo", 13);
	assert_int_equal(heard.count, 3);
	lines_feed(&lines, "ur", 2);
	lines_end(&lines);
	lines_end(&lines);
	assert_int_equal(heard.count, 4);
	assert_string_equal(heard.text[0], "one");
	assert_string_equal(heard.text[1], "two");
	assert_string_equal(heard.text[2], "three");
	assert_string_equal(heard.text[3], "four");
	lines_finish(&lines);
}

static void test_lines_are_cut(void **state)
{
	struct heard heard = {0};
	struct lines lines;
	lines_init(&lines, hear, &heard);
	for (int i = 0; i < LINES_MAX + 1000; i++) {
		lines_feed(&lines, "x", 1);
	}
	lines_feed(&lines, "\nnext\n", 6);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.longest, LINES_MAX);
	assert_string_equal(heard.text[1], "next");
	lines_finish(&lines);
}

static void test_control(void **state)
{
	struct control_message message;
	control_parse("hello {\"mesa\": \"26.1\"}", &message);
	assert_int_equal(message.kind, CONTROL_HELLO);
	assert_string_equal(message.text, "{\"mesa\": \"26.1\"}");
	control_parse("app = {\"exit\": 0}", &message);
	assert_int_equal(message.kind, CONTROL_APP);
	control_parse("demo > a line > with more", &message);
	assert_int_equal(message.kind, CONTROL_OUTPUT);
	assert_string_equal(message.id, "demo");
	assert_string_equal(message.text, "a line > with more");
	control_parse("demo > ", &message);
	assert_int_equal(message.kind, CONTROL_OUTPUT);
	assert_string_equal(message.text, "");
	control_parse("demo = 137", &message);
	assert_int_equal(message.kind, CONTROL_EXIT);
	assert_int_equal(message.status, 137);
	control_parse("demo ? too many commands", &message);
	assert_int_equal(message.kind, CONTROL_REFUSED);
	assert_string_equal(message.text, "too many commands");
}

static void test_control_noise(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"hello",
		"hello there",
		"demo",
		"demo ",
		"demo = ",
		"demo = x",
		"demo = 256",
		"demo = -1",
		"demo = 1 2",
		"demo == 1",
		"[    0.000000] Linux version",
		"an-id-of-more-than-thirty-two-bytes = 0",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct control_message message;
		control_parse(lines[i], &message);
		assert_int_equal(message.kind, CONTROL_NOISE);
	}
}

static void test_qmp(void **state)
{
	static const struct {
		const char *line;
		enum qmp_kind kind;
		const char *text;
	} cases[] = {
		{"{\"QMP\": {\"version\": {}, \"capabilities\": []}}", QMP_GREETING, NULL},
		{"{\"return\": {}}", QMP_RETURN, NULL},
		{"{\"return\": [], \"id\": 3}", QMP_RETURN, NULL},
		{"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}", QMP_ERROR, "no"},
		{"{\"timestamp\": {}, \"event\": \"SHUTDOWN\", \"data\": {}}", QMP_EVENT,
		 "SHUTDOWN"},
		{"{\"QMP\": 3}", QMP_INVALID, NULL},
		{"{\"event\": 3}", QMP_INVALID, NULL},
		{"[]", QMP_INVALID, NULL},
		{"{\"return\": ", QMP_INVALID, NULL},
		{"", QMP_INVALID, NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qmp_message message;
		qmp_parse(cases[i].line, &message);
		assert_int_equal(message.kind, cases[i].kind);
		if (cases[i].text != NULL) {
			assert_string_equal(message.text, cases[i].text);
		} else {
			assert_null(message.text);
		}
		qmp_message_finish(&message);
	}
}

/* ---- the summary ---- */

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	assert_non_null(json);
	return json;
}

struct parts {
	json_t *device;
	json_t *view;
	json_t *guest;
	json_t *manifest;
};

static struct parts example_parts(void)
{
	return (struct parts){
		.device = parse("{\"memory_path\": \"dma-buf\", \"host_device\": \"GPU\","
				"\"virglrenderer\": \"1.1.0\", \"frames_dropped\": 2,"
				"\"cpu_copied_bytes\": 4096, \"blob_path_cpu_copied_bytes\": 5,"
				"\"scanout_blob_commands\": 600, \"contexts\": 1}"),
		.view = parse(
			"{\"frames_presented\": 597, \"frames_dropped\": 1, \"seconds\": 10.25,"
			"\"fps\": 58.25, \"frame_ms\": {\"p50\": 16.5, \"p99\": 20},"
			"\"cpu_copied_bytes\": 7, \"width\": 1280, \"height\": 800,"
			"\"format\": \"B8G8R8X8\"}"),
		.guest = parse("{\"frames\": 600}"),
		.manifest = parse("{\"mesa\": \"26.1.6\"}"),
	};
}

static void free_parts(struct parts *parts)
{
	json_decref(parts->device);
	json_decref(parts->view);
	json_decref(parts->guest);
	json_decref(parts->manifest);
}

static struct report_input example_input(const struct parts *parts)
{
	return (struct report_input){
		.app = "cube",
		.refresh = 60,
		.device = parts->device,
		.view = parts->view,
		.guest = parts->guest,
		.manifest = parts->manifest,
		.kvm = true,
		.qemu = "11.1.3",
		.picture = "/out/cube.png",
	};
}

static void test_report(void **state)
{
	struct parts parts = example_parts();
	struct report_input input = example_input(&parts);
	struct failure failure = {0};
	json_t *summary = report_build(&input, &failure);
	json_t *expected = parse(
		"{\"app\": \"cube\", \"width\": 1280, \"height\": 800, \"format\": \"B8G8R8X8\","
		"\"refresh_hz\": 60, \"frames_flipped\": 600, \"frames_presented\": 597,"
		"\"frames_dropped\": 3, \"seconds\": 10.25, \"fps\": 58.25,"
		"\"frame_ms\": {\"p50\": 16.5, \"p99\": 20}, \"memory_path\": \"dma-buf\","
		"\"cpu_copied_bytes\": 12, \"scanout_blob_commands\": 600, \"contexts\": 1,"
		"\"host_device\": \"GPU\", \"accel\": \"kvm\", \"qemu\": \"11.1.3\","
		"\"guest_mesa\": \"26.1.6\", \"virglrenderer\": \"1.1.0\","
		"\"picture\": \"/out/cube.png\"}");
	char line[256];
	assert_non_null(summary);
	char *text = json_dumps(summary, JSON_COMPACT);
	char *expected_text = json_dumps(expected, JSON_COMPACT);
	/* As text: the order of the keys is part of it. */
	assert_string_equal(text, expected_text);
	report_line(summary, line, sizeof(line));
	assert_string_equal(line,
			    "demo: cube 1280x800, 597 frames, 58.2 fps, dma-buf path, 12 bytes "
			    "copied by the CPU");
	free(text);
	free(expected_text);
	json_decref(summary);
	json_decref(expected);
	free_parts(&parts);
}

/* A figure that a part did not tell is never made up. */
static void test_report_lacks(void **state)
{
	static const char *const keys[] = {"frames_presented", "frames_dropped", "fps",
					   "cpu_copied_bytes", "format"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct parts parts = example_parts();
		struct report_input input = example_input(&parts);
		struct failure failure = {0};
		json_object_del(parts.view, keys[i]);
		assert_null(report_build(&input, &failure));
		assert_non_null(strstr(failure.what, keys[i]));
		free_parts(&parts);
	}
	struct parts parts = example_parts();
	struct report_input input = example_input(&parts);
	struct failure failure = {0};
	input.device = NULL;
	assert_null(report_build(&input, &failure));
	assert_non_null(strstr(failure.what, "hesperd"));
	free_parts(&parts);
}

/* ---- files ---- */

static char *make_tree(void)
{
	char *tree = strdup("/tmp/hesper-test-XXXXXX");
	assert_non_null(mkdtemp(tree));
	return tree;
}

static void write_file(const char *tree, const char *name, const char *text, mode_t mode)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", tree, name);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(paths_make_dir(path), 0);
	*slash = '/';
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void assert_path(const char *path, const char *tree, const char *name)
{
	char expected[PATH_MAX];
	snprintf(expected, sizeof(expected), "%s/%s", tree, name);
	assert_string_equal(path, expected);
}

static void test_paths_of_build(void **state)
{
	char *tree = make_tree();
	char self[PATH_MAX];
	char mark[PATH_MAX];
	struct paths paths;
	snprintf(mark, sizeof(mark), "%s/source\n", tree);
	snprintf(self, sizeof(self), "%s/build/src/launcher/hesper", tree);
	write_file(tree, "build/src/launcher/hesper", "", 0755);
	write_file(tree, "build/src/launcher/hesper-source", mark, 0644);
	write_file(tree, "build/src/hesperd/hesperd", "", 0755);
	write_file(tree, "build/src/view/hesper-view", "", 0644);
	write_file(tree, "source/guest/build", "", 0755);
	assert_int_equal(paths_find(&paths, self), 0);
	assert_path(paths.hesperd, tree, "build/src/hesperd/hesperd");
	assert_path(paths.guest_build, tree, "source/guest/build");
	assert_path(paths.source, tree, "source");
	/* There, but not to be run. */
	assert_string_equal(paths.view, "");
	assert_string_equal(paths.layer_dir, "");
	paths_remove_tree(tree);
	assert_int_equal(access(tree, F_OK), -1);
	free(tree);
}

static void test_paths_installed(void **state)
{
	char *tree = make_tree();
	char self[PATH_MAX];
	struct paths paths;
	snprintf(self, sizeof(self), "%s/usr/bin/hesper", tree);
	write_file(tree, "usr/bin/hesper", "", 0755);
	write_file(tree, "usr/bin/hesper-view", "", 0755);
	assert_int_equal(paths_find(&paths, self), 0);
	assert_path(paths.view, tree, "usr/bin/hesper-view");
	assert_string_equal(paths.hesperd, "");
	assert_string_equal(paths.source, "");
	paths_remove_tree(tree);
	assert_true(paths_find(&paths, self) < 0);
	free(tree);
}

/* What a killed launcher left goes with the next start; what lives, or is not a launcher's, does not. */
static void test_runtime_directories(void **state)
{
	char *tree = make_tree();
	char lives[PATH_MAX];
	char killed[PATH_MAX];
	char next[PATH_MAX];
	char outside[PATH_MAX];
	char link[PATH_MAX];
	int locks[3];
	setenv("XDG_RUNTIME_DIR", tree, 1);
	assert_int_equal(runtime_make(lives, &locks[0]), 0);
	assert_int_equal(runtime_make(killed, &locks[1]), 0);
	write_file(killed, "gpu.sock", "", 0600);
	write_file(tree, "hesper-others/file", "", 0600);
	write_file(tree, "elsewhere/launcher.lock", "", 0600);
	write_file(tree, "other/launcher.lock", "", 0600);
	/* A link to a directory, and in a directory a link to a lock. */
	snprintf(outside, sizeof(outside), "%s/elsewhere", tree);
	snprintf(link, sizeof(link), "%s/hesper-linked", tree);
	assert_int_equal(symlink(outside, link), 0);
	snprintf(outside, sizeof(outside), "%s/other/launcher.lock", tree);
	snprintf(link, sizeof(link), "%s/hesper-others/launcher.lock", tree);
	assert_int_equal(symlink(outside, link), 0);
	/* As the kernel does it. */
	fd_close(&locks[1]);
	assert_int_equal(runtime_make(next, &locks[2]), 0);
	assert_int_equal(access(killed, F_OK), -1);
	assert_int_equal(access(lives, F_OK), 0);
	assert_int_equal(access(outside, F_OK), 0);
	snprintf(outside, sizeof(outside), "%s/elsewhere/launcher.lock", tree);
	assert_int_equal(access(outside, F_OK), 0);
	snprintf(outside, sizeof(outside), "%s/hesper-others/file", tree);
	assert_int_equal(access(outside, F_OK), 0);
	runtime_remove(lives, &locks[0]);
	runtime_remove(next, &locks[2]);
	assert_int_equal(access(lives, F_OK), -1);
	assert_int_equal(access(next, F_OK), -1);
	unsetenv("XDG_RUNTIME_DIR");
	paths_remove_tree(tree);
	free(tree);
}

static void test_accel(void **state)
{
	char *tree = make_tree();
	char cpu[PATH_MAX];
	struct accel accel;
	snprintf(cpu, sizeof(cpu), "%s/cpuinfo", tree);
	/* "svmx" is not svm, and a mention outside of the flags does not count. */
	write_file(tree, "cpuinfo", "model name\t: a svm\nflags\t\t: fpu svmx avx\n", 0644);
	accel_choose_from(&accel, cpu, "/dev/null");
	assert_false(accel.kvm);
	assert_non_null(strstr(accel.reason, "svm"));
	/* A node that is not KVM's, and one that is not there. */
	write_file(tree, "cpuinfo", "flags\t\t: fpu vmx avx\n", 0644);
	accel_choose_from(&accel, cpu, "/dev/null");
	assert_false(accel.kvm);
	assert_non_null(strstr(accel.reason, "/dev/null"));
	accel_choose_from(&accel, cpu, "/nonexistent");
	assert_false(accel.kvm);
	assert_non_null(strstr(accel.reason, "No such file"));
	paths_remove_tree(tree);
	free(tree);
}

static void test_failure(void **state)
{
	char *tree = make_tree();
	char log[PATH_MAX];
	char *text = NULL;
	size_t size = 0;
	struct failure failure;
	write_file(tree, "a.log", "first\nsecond\nthird\n\nerror. Fix: buy one\n\n  \n", 0644);
	snprintf(log, sizeof(log), "%s/a.log", tree);
	failure_set(&failure, "it did not %s", "work");
	failure_fix(&failure, "see the manual");
	failure_log(&failure, log);
	assert_string_equal(failure.words[0], "second");
	assert_string_equal(failure.words[1], "third");
	assert_string_equal(failure.words[2], "error. Fix: buy one");
	FILE *out = open_memstream(&text, &size);
	failure_print(&failure, out);
	fclose(out);
	assert_non_null(strstr(text, "hesper: it did not work\n"));
	assert_non_null(strstr(text, log));
	/* One fix is enough: the program's own. */
	assert_null(strstr(text, "manual"));
	free(text);
	paths_remove_tree(tree);
	free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu_args),
		cmocka_unit_test(test_qemu_args_input),
		cmocka_unit_test(test_qemu_args_variants),
		cmocka_unit_test(test_qemu_version),
		cmocka_unit_test(test_qemu_log),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_are_cut),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_control_noise),
		cmocka_unit_test(test_qmp),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_report_lacks),
		cmocka_unit_test(test_paths_of_build),
		cmocka_unit_test(test_paths_installed),
		cmocka_unit_test(test_runtime_directories),
		cmocka_unit_test(test_accel),
		cmocka_unit_test(test_failure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
