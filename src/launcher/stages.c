/* SPDX-License-Identifier: MIT */
/*
 * Each stage starts one process and names the sign that it worked: the guest image's directory on
 * stdout, hesperd's ready line, the guest's hello. The deadline of the stage is a timer. Whatever
 * ends when it should not is a failure, and there is one place for those: stages_fail(). It
 * tells the owner once, who then calls stages_stop; nothing is started any more from there on.
 *
 * The end: QEMU first (by its monitor, then by signals), because it aborts when hesperd is gone
 * before it; then hesperd, which leaves by itself when its machine has gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/stages_impl.h"
#include "util/clock.h"

/* How long each stage may take before it is called a failure. */
#define IMAGE_MS (30 * 60 * 1000)
#define HESPERD_MS (60 * 1000)

/* How long hesperd may take to end before it is killed. */
#define TERM_MS 5000

void stages_log_path(const struct stages *stages, char path[PATH_MAX], const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s.log", stages->options.log_dir, name) >= PATH_MAX) {
		path[0] = '\0';
	}
}

bool stages_going(const struct stages *stages)
{
	return !stages->has_failed && !stages->stopping;
}

void stages_fail(struct stages *stages, const char *log)
{
	char path[PATH_MAX];
	if (!stages_going(stages)) {
		return;
	}
	stages->has_failed = true;
	uv_timer_stop(&stages->deadline);
	if (log != NULL) {
		stages_log_path(stages, path, log);
		failure_log(&stages->failure, path);
	}
	stages->options.failed(stages->options.data);
}

static void finish_stop(struct stages *stages)
{
	uv_close((uv_handle_t *)&stages->deadline, NULL);
	stages->stopped(stages->options.data);
}

static void on_hesperd_ready(void *data, const char *line)
{
	struct stages *stages = data;
	static const char word[] = "ready ";
	if (!stages_going(stages) || stages->device != NULL ||
	    strncmp(line, word, strlen(word)) != 0) {
		return;
	}
	stages->device = json_loads(line + strlen(word), 0, NULL);
	if (stages->device == NULL) {
		failure_set(&stages->failure, "hesperd said something that is not understood: %s",
			    line);
		stages_fail(stages, "hesperd");
		return;
	}
	uv_timer_stop(&stages->deadline);
	progress_done(stages->options.progress, "%s on %s",
		      json_string_value(json_object_get(stages->device, "memory_path")),
		      json_string_value(json_object_get(stages->device, "host_device")));
	stages_start_machine(stages);
}

static void fail_hesperd(struct stages *stages)
{
	if (stages->device == NULL) {
		failure_set(&stages->failure, "the device (hesperd) did not start");
	} else {
		failure_ended(&stages->failure, stages->hesperd_child.status,
			      "the device (hesperd) of a running guest");
	}
	stages_fail(stages, "hesperd");
}

static void on_hesperd_gone(uv_timer_t *timer)
{
	fail_hesperd(timer->data);
}

static void on_hesperd_ended(void *data, int status)
{
	struct stages *stages = data;
	if (stages->machine_stopped) {
		if (status != 0 && !stages->has_failed) {
			char log[PATH_MAX];
			stages->has_failed = true;
			failure_ended(&stages->failure, status, "hesperd");
			stages_log_path(stages, log, "hesperd");
			failure_log(&stages->failure, log);
		}
		finish_stop(stages);
	} else if (stages_going(stages) && stages->qemu_child.active && status == 0) {
		/* It leaves when its machine has gone, so QEMU's end is the one to tell of. */
		uv_timer_start(&stages->deadline, on_hesperd_gone, TERM_MS, 0);
	} else if (stages_going(stages)) {
		fail_hesperd(stages);
	}
}

void stages_machine_stopped(struct stages *stages)
{
	stages->machine_stopped = true;
	if (stages->hesperd_child.active) {
		child_stop(&stages->hesperd_child, TERM_MS);
	} else {
		finish_stop(stages);
	}
}

static void on_hesperd_timeout(uv_timer_t *timer)
{
	struct stages *stages = timer->data;
	failure_set(&stages->failure, "the device (hesperd) was not ready in %d s",
		    HESPERD_MS / 1000);
	stages_fail(stages, "hesperd");
}

/* Behind what is there; there is room for it. */
static void add(const char *argv[], const char *option, const char *value)
{
	while (*argv != NULL) {
		argv++;
	}
	argv[0] = option;
	argv[1] = value;
}

static void start_hesperd(struct stages *stages)
{
	const struct stages_options *options = &stages->options;
	char size[32];
	char refresh[16];
	char log[PATH_MAX];
	snprintf(size, sizeof(size), "%ux%u", options->size.width, options->size.height);
	snprintf(refresh, sizeof(refresh), "%u", options->refresh);
	stages_log_path(stages, log, "hesperd");
	const char *argv[32] = {
		options->paths->hesperd,
		"--socket-path",
		stages->gpu_socket,
		"--display",
		stages->display,
		"--input",
		stages->runtime,
		"--name",
		options->name,
		"--outputs",
		options->outputs != NULL ? options->outputs : "1",
		"--size",
		size,
		"--refresh",
		refresh,
		"--memory",
		options->memory,
		"--sandbox",
		options->sandbox,
		"--stats",
		stages->stats_path,
		"--ready-fd",
		"3",
		"--log",
		options->log_level,
	};
	if (options->trace != NULL) {
		add(argv, "--trace", options->trace);
	}
	const struct child_spec spec = {
		.argv = argv,
		.log = log,
		.report = on_hesperd_ready,
		.death_signal = SIGTERM,
		.ended = on_hesperd_ended,
		.data = stages,
	};
	progress_begin(options->progress, "device");
	uv_timer_start(&stages->deadline, on_hesperd_timeout, HESPERD_MS, 0);
	child_start(&stages->hesperd_child, stages->loop, &spec);
}

/* guest/build: progress on stderr, the image's directory as the last line of stdout. */

static void on_image_progress(void *data, const char *line)
{
	struct stages *stages = data;
	static const char prefix[] = "guest: ";
	if (stages->image_log != NULL) {
		fprintf(stages->image_log, "%s\n", line);
		fflush(stages->image_log);
	}
	if (strncmp(line, prefix, strlen(prefix)) == 0) {
		line += strlen(prefix);
	}
	if (strncmp(line, "made in ", strlen("made in ")) == 0) {
		return;
	}
	stages->image_worked = true;
	progress_note(stages->options.progress, line);
}

static void on_image_line(void *data, const char *line)
{
	struct stages *stages = data;
	snprintf(stages->image, sizeof(stages->image), "%s", line);
}

static void fail_image(struct stages *stages)
{
	failure_set(&stages->failure, "the guest image could not be made");
	failure_fix(&stages->failure, "read the log; then run %s by hand",
		    stages->options.paths->guest_build);
	stages_fail(stages, "guest-image");
}

static void on_image_ended(void *data, int status)
{
	struct stages *stages = data;
	char path[PATH_MAX + 32];
	if (stages->image_log != NULL) {
		fclose(stages->image_log);
		stages->image_log = NULL;
	}
	if (stages->stopping) {
		stages_stop_machine(stages);
		return;
	}
	if (!stages_going(stages)) {
		return;
	}
	snprintf(path, sizeof(path), "%s/manifest.json", stages->image);
	stages->manifest = status == 0 ? json_load_file(path, 0, NULL) : NULL;
	if (stages->manifest == NULL) {
		fail_image(stages);
		return;
	}
	if (stages->image_worked) {
		progress_done(stages->options.progress, "made in %.0f s",
			      (double)(clock_now_ns() - stages->image_started_ns) / CLOCK_NS_PER_S);
	} else {
		progress_done(stages->options.progress, "ready (cached)");
	}
	start_hesperd(stages);
}

static void on_image_timeout(uv_timer_t *timer)
{
	struct stages *stages = timer->data;
	failure_set(&stages->failure, "making the guest image took more than %d minutes",
		    IMAGE_MS / 60000);
	stages_fail(stages, "guest-image");
}

void stages_start(struct stages *stages, uv_loop_t *loop)
{
	char log[PATH_MAX];
	const char *const argv[] = {stages->options.paths->guest_build,
				    stages->options.desktop ? "--desktop" : NULL, NULL};
	const struct child_spec spec = {
		.argv = argv,
		.out = on_image_line,
		.err = on_image_progress,
		.death_signal = SIGTERM,
		.ended = on_image_ended,
		.data = stages,
	};
	stages->loop = loop;
	uv_timer_init(loop, &stages->deadline);
	stages->deadline.data = stages;
	stages_log_path(stages, log, "guest-image");
	stages->image_log = fopen(log, "we");
	stages->image_started_ns = clock_now_ns();
	progress_begin(stages->options.progress, "guest image");
	uv_timer_start(&stages->deadline, on_image_timeout, IMAGE_MS, 0);
	child_start(&stages->image_child, loop, &spec);
}

void stages_stop(struct stages *stages, void (*stopped)(void *data))
{
	stages->stopping = true;
	stages->stopped = stopped;
	uv_timer_stop(&stages->deadline);
	if (stages->image_child.active) {
		child_stop(&stages->image_child, TERM_MS);
	} else {
		stages_stop_machine(stages);
	}
}
