/* SPDX-License-Identifier: MIT */
/*
 * The launcher, while the n-th call fails: it ends with words, no process of it is left, and the
 * next time it works. What it starts are scripts that speak as the programs do (tests/fake/launched).
 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "launcher/qemu_args.h"
#include "launcher/qemu_probe.h"
#include "launcher/stages.h"
#include "launcher/supervise.h"
#include "util/fd.h"

/* Jansson's memory is the launcher's. */
void *__wrap_malloc(size_t size);
void __wrap_free(void *at);

static char folder[] = "/tmp/hesper-launched-XXXXXX";
static char qemu[PATH_MAX];
static FILE *nowhere;

static void check_no_child(void)
{
	FAULT_CHECK(waitpid(-1, NULL, WNOHANG) < 0, "a process is left");
}

/* --- parts ----------------------------------------------------------------------------------- */

static bool build_arguments(void)
{
	const struct qemu_plan plan = {
		.binary = "qemu",
		.name = "a, name",
		.cpus = 1,
		.memory_mib = 512,
		.gpu_socket = "/run/gpu,1",
		.input_dir = "/run",
		.kernel = "kernel",
		.initrd = "initrd",
		.append = "quiet",
		.disks = {"disk"},
		.disk_count = 1,
		.console_log = "log",
		.qmp_socket = "/run/qmp",
		.qmp_fd = 4,
		.control_fd = 5,
	};
	char **argv = qemu_args_build(&plan);
	if (argv == NULL) {
		return false;
	}
	unsigned count = 0;
	while (argv[count] != NULL) {
		count++;
	}
	FAULT_CHECK(count > 50 && strcmp(argv[0], "qemu") == 0, "%u arguments", count);
	qemu_args_free(argv);
	return true;
}

static void scenario_arguments(void *data)
{
	bool right = build_arguments();
	FAULT_CHECK(right || fault_excuses(), "no arguments");
	fault_stop();
	FAULT_CHECK(build_arguments(), "no arguments any more");
}

static bool capture(void)
{
	const char *const argv[] = {"sh", "-c", "echo one; echo two; echo three >&2; exit 7", NULL};
	struct capture said;
	capture_run(&said, argv, 30000);
	bool whole = said.status == 7;
	FAULT_CHECK(
		!whole || (strcmp(said.out, "one\ntwo\n") == 0 && strcmp(said.err, "three\n") == 0),
		"it said '%s', '%s'", said.out, said.err);
	capture_last_words(&said);
	capture_finish(&said);
	check_no_child();
	return whole;
}

static void scenario_capture(void *data)
{
	bool right = capture();
	FAULT_CHECK(right || fault_excuses(), "it did not say all");
	fault_stop();
	FAULT_CHECK(capture(), "it does not say all any more");
}

static bool probe(void)
{
	struct failure failure = {0};
	char version[32];
	bool right = qemu_probe(qemu, version, &failure);
	FAULT_CHECK(right || failure.what[0] != '\0', "it fails without words");
	FAULT_CHECK(!right || strcmp(version, "11.1.0") == 0, "version %s", version);
	check_no_child();
	return right;
}

static void scenario_probe(void *data)
{
	bool right = probe();
	FAULT_CHECK(right || fault_excuses(), "no QEMU");
	fault_stop();
	FAULT_CHECK(probe(), "no QEMU any more");
}

/* --- a machine ------------------------------------------------------------------------------- */

struct launch {
	struct stages stages;
	uv_loop_t loop;
	uv_timer_t patience;
	unsigned waited;
	bool up;
	bool failed;
	bool stopping;
	bool stopped;
};

static struct paths paths;
static struct progress progress;
static struct stages checked; /* as stages_check left it */

static void on_stopped(void *data)
{
	struct launch *launch = data;
	launch->stopped = true;
	uv_close((uv_handle_t *)&launch->patience, NULL);
}

static void stop(struct launch *launch)
{
	if (!launch->stopping) {
		launch->stopping = true;
		stages_stop(&launch->stages, on_stopped);
	}
}

static void on_up(void *data)
{
	struct launch *launch = data;
	launch->up = true;
	stages_tell(&launch->stages, "job %s", "true");
	stop(launch);
}

static void on_failed(void *data)
{
	struct launch *launch = data;
	launch->failed = true;
	FAULT_CHECK(launch->stages.failure.what[0] != '\0', "it fails without words");
	stop(launch);
}

static void on_message(void *data, const struct control_message *message)
{
}

/* A person who sees that nothing happens. */
static void on_patience(uv_timer_t *timer)
{
	struct launch *launch = timer->data;
	if (fault_excuses()) {
		stop(launch);
	}
	FAULT_CHECK(++launch->waited < 80, "nothing happens");
}

static void check_options(void)
{
	static const struct option_size size = {640, 480};
	const struct stages_options options = {
		.paths = &paths,
		.qemu = qemu,
		.name = "fault",
		.size = size,
		.refresh = 60,
		.memory = "auto",
		.sandbox = "off",
		.log_level = "error",
		.log_dir = folder,
		.runtime_dir = folder,
		.guest_memory_mib = 512,
		.progress = &progress,
		.up = on_up,
		.message = on_message,
		.failed = on_failed,
	};
	FAULT_CHECK(stages_check(&checked, &options), "%s", checked.failure.what);
}

static bool launch(void)
{
	struct launch launch = {.stages = checked};
	launch.stages.options.data = &launch;
	fault_spare_begin();
	FAULT_CHECK(uv_loop_init(&launch.loop) == 0, "no loop");
	fault_spare_end();
	uv_timer_init(&launch.loop, &launch.patience);
	launch.patience.data = &launch;
	uv_timer_start(&launch.patience, on_patience, 500, 500);
	stages_start(&launch.stages, &launch.loop);
	uv_run(&launch.loop, UV_RUN_DEFAULT);
	FAULT_CHECK(launch.stopped, "the loop ends before the machine");
	FAULT_CHECK(uv_loop_close(&launch.loop) == 0, "the loop is not empty");
	stages_finish(&launch.stages);
	check_no_child();
	return launch.up && !launch.failed && !launch.stages.has_failed;
}

static void scenario_machine(void *data)
{
	bool right = launch();
	FAULT_CHECK(right || fault_excuses(), "no machine");
	fault_stop();
	FAULT_CHECK(launch(), "no machine any more");
}

/* --- setup ----------------------------------------------------------------------------------- */

static void link_fake(char path[PATH_MAX], const char *script, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", folder, name);
	FAULT_CHECK(symlink(script, path) == 0, "no link");
}

static void write_file(const char *name, const char *text)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	FAULT_CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "no file");
}

static void set_up(const char *script)
{
	char path[PATH_MAX];
	char view[PATH_MAX];
	FAULT_CHECK(mkdtemp(folder) != NULL, "no folder");
	link_fake(paths.guest_build, script, "guest-build");
	link_fake(paths.hesperd, script, "hesperd");
	link_fake(qemu, script, "qemu");
	link_fake(view, script, "view");
	snprintf(paths.view, sizeof(paths.view), "%s", view);
	write_file("manifest.json", "{}");
	snprintf(path, sizeof(path), "%s/never", folder);
	FAULT_CHECK(mkfifo(path, 0600) == 0, "no pipe");
	setenv("HESPER_FAKE_IMAGE", folder, 1);
	nowhere = fopen("/dev/null", "we");
	progress_init(&progress, nowhere);
	check_options();
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], SUPERVISE_EXEC) == 0) {
		return supervise_exec(argc - 2, argv + 2);
	}
	fault_init("fault_launcher");
	if (argc != 2) {
		fprintf(stderr, "usage: fault_launcher SCRIPT\n");
		return 2;
	}
	json_set_alloc_funcs(__wrap_malloc, __wrap_free);
	supervise_init();
	set_up(argv[1]);
	fault_try(FAULT_MEMORY, scenario_arguments, NULL);
	fault_try_all(scenario_capture, NULL);
	fault_try_all(scenario_probe, NULL);
	fault_try_all(scenario_machine, NULL);
	paths_remove_tree(folder);
	fclose(nowhere);
	return fault_report();
}
