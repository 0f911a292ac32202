/* SPDX-License-Identifier: MIT */
/*
 * The demo: a machine (stages.c), a viewer on its screen, one program in its guest, and what they
 * all counted. The order matters for the figures: the viewer is there before the program starts,
 * and counts anew just before that (SIGUSR2), so that its first frame is the program's first one
 * and the guest's console is not part of the figures.
 *
 * Three ways out: the program ended (figures, status 0), something failed (words, status 1), a
 * signal came (status 128 + n). All of them are begin_end(), once: viewer, machine, loop.
 */
#include "launcher/demo_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/trace.h"

/* How long the viewer may take to say something, and the picture may stand still. */
#define VIEWER_MS 60000
#define STILL_MS 60000
/* How long the guest's program may take to end when asked to. */
#define APP_END_MS 10000
/* For the last frames to be presented. */
#define LAST_FRAME_MS 200
#define VIEWER_TERM_MS 5000

#define JOB "demo"
/* Keeps the device open, so that the guest's console does not come back when the program ends. */
#define HOLD "hold exec 9</dev/dri/renderD128; exec sleep 1000000"

static void begin_end(struct demo *demo);

static void fail(struct demo *demo)
{
	if (!demo->ending) {
		demo->failed = true;
		begin_end(demo);
	}
}

/* ---- the end ---- */

/* The stages that no progress is shown of. */
static void trace_stage(const char *stage, uint64_t begin_ns, uint64_t end_ns)
{
	if (trace_on()) {
		trace_slice(TRACE_LAUNCHER, stage, begin_ns, end_ns, NULL);
	}
}

static void on_stopped(void *data)
{
	struct demo *demo = data;
	trace_stage("end", demo->end_began_ns, clock_now_ns());
	for (size_t i = 0; i < sizeof(demo->signals) / sizeof(demo->signals[0]); i++) {
		uv_close((uv_handle_t *)&demo->signals[i], NULL);
	}
	uv_close((uv_handle_t *)&demo->timer, NULL);
}

static void begin_end(struct demo *demo)
{
	if (demo->ending) {
		return;
	}
	demo->ending = true;
	uv_timer_stop(&demo->timer);
	progress_break(&demo->progress);
	demo->end_began_ns = clock_now_ns();
	if (demo->app_asked) {
		trace_stage("program", demo->app_started_ns, demo->end_began_ns);
	}
	if (demo->viewer.active) {
		child_stop(&demo->viewer, VIEWER_TERM_MS);
	} else {
		stages_stop(&demo->stages, on_stopped);
	}
}

static void on_end_timer(uv_timer_t *timer)
{
	begin_end(timer->data);
}

static void end_soon(struct demo *demo, uint64_t ms)
{
	uv_timer_start(&demo->timer, on_end_timer, ms, 0);
}

/* With --keep-running this is how it ends well: the program is asked for its figures. */
static void ask_app_to_end(struct demo *demo)
{
	demo->app_told_to_end = true;
	stages_tell(&demo->stages, "!" JOB " %d", SIGTERM);
	end_soon(demo, APP_END_MS);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct demo *demo = handle->data;
	if (demo->signal != 0) {
		/* The second time: now. */
		child_kill(&demo->viewer);
		child_kill(&demo->stages.image_child);
		child_kill(&demo->stages.qemu_child);
		child_kill(&demo->stages.hesperd_child);
		return;
	}
	demo->signal = number;
	if (demo->options.keep_running && demo->app_begun && !demo->ending) {
		ask_app_to_end(demo);
	} else {
		begin_end(demo);
	}
}

/* ---- the viewer ---- */

static void on_viewer_timeout(uv_timer_t *timer)
{
	struct demo *demo = timer->data;
	failure_set(&demo->failure, "the viewer showed nothing in %d s", VIEWER_MS / 1000);
	failure_log(&demo->failure, demo->view_log);
	fail(demo);
}

static void on_still(uv_timer_t *timer)
{
	struct demo *demo = timer->data;
	failure_set(&demo->failure, "the picture stands still for %d s, at frame %lld",
		    STILL_MS / 1000, (long long)demo->frames);
	failure_log(&demo->failure, demo->app_log_path);
	fail(demo);
}

static void count_anew(struct demo *demo)
{
	demo->frames = 0;
	child_signal(&demo->viewer, SIGUSR2);
}

static void tell_app(struct demo *demo)
{
	const struct demo_options *options = &demo->options;
	char frames[32] = "";
	if (options->desktop) {
		stages_tell(&demo->stages, JOB " exec hesper-desktop");
		return;
	}
	if (!options->keep_running) {
		snprintf(frames, sizeof(frames), "--frames %u", options->frames);
	}
	stages_tell(&demo->stages,
		    JOB " exec hesper-%s --wsi %s --size %ux%u --refresh %u %s --json -",
		    options->app, demo_wsi_names[options->wsi], options->size.width,
		    options->size.height, options->refresh, frames);
}

static void start_app(struct demo *demo)
{
	demo->app_asked = true;
	count_anew(demo);
	demo->app_started_ns = clock_now_ns();
	trace_stage("viewer", demo->viewer_started_ns, demo->app_started_ns);
	progress_begin(&demo->progress, demo->options.desktop ? "desktop" : "first frame");
	uv_timer_start(&demo->timer, on_still, STILL_MS, 0);
	stages_tell(&demo->stages, HOLD);
	tell_app(demo);
}

static void show_live(struct demo *demo, double fps)
{
	if (!demo->first_shown) {
		demo->first_shown = true;
		progress_done(&demo->progress, "%.1f s after the program's start",
			      (double)(clock_now_ns() - demo->app_started_ns) / CLOCK_NS_PER_S);
	} else if (demo->options.keep_running) {
		progress_live(&demo->progress, "%.1f fps, %lld frames", fps,
			      (long long)demo->frames);
	} else {
		progress_live(&demo->progress, "%.1f fps, %lld of %u frames", fps,
			      (long long)demo->frames, demo->options.frames);
	}
}

/* A picture that stands still is a failure, but not on a desktop where nothing goes on. And there it
 * is the viewer that counts the frames: the session does not. */
static void watch_picture(struct demo *demo)
{
	const struct demo_options *options = &demo->options;
	if (options->desktop && options->keep_running) {
		uv_timer_stop(&demo->timer);
	} else if (options->desktop && demo->frames >= (json_int_t)options->frames) {
		ask_app_to_end(demo);
	} else {
		uv_timer_start(&demo->timer, on_still, STILL_MS, 0);
	}
}

static void on_viewer_status(void *data, const char *line)
{
	struct demo *demo = data;
	json_t *status = json_loads(line, 0, NULL);
	json_int_t frames = json_integer_value(json_object_get(status, "frames"));
	double fps = json_number_value(json_object_get(status, "fps"));
	json_decref(status);
	if (demo->ending) {
		return;
	}
	bool moved = frames != demo->frames;
	demo->frames = frames;
	if (!demo->app_asked && frames > 0) {
		start_app(demo);
	} else if (demo->app_begun && !demo->app_ended && !demo->app_told_to_end && moved &&
		   fps > 0) {
		watch_picture(demo);
		show_live(demo, fps);
	}
}

static void on_viewer_ended(void *data, int status)
{
	struct demo *demo = data;
	if (demo->ending) {
		if (status != 0 && !demo->failed) {
			demo->failed = true;
			failure_ended(&demo->failure, status, "the viewer");
			failure_log(&demo->failure, demo->view_log);
		}
		stages_stop(&demo->stages, on_stopped);
	} else if (status != 0) {
		failure_ended(&demo->failure, status, "the viewer");
		failure_log(&demo->failure, demo->view_log);
		fail(demo);
	} else if (demo->app_begun) {
		progress_break(&demo->progress);
		fprintf(stderr, "hesper: the window was closed\n");
		ask_app_to_end(demo);
	} else {
		failure_set(&demo->failure, "the window was closed before the first frame");
		fail(demo);
	}
}

static void start_viewer(struct demo *demo)
{
	char title[64];
	char at[16];
	char refresh[16];
	const char *argv[28];
	size_t count = 0;
	/* Early enough to be reached when frames are dropped, late enough to be in mid-spin. */
	snprintf(at, sizeof(at), "%u", demo->options.frames / 3 + 1);
	snprintf(title, sizeof(title), "hesper %s", demo->options.app);
	argv[count++] = demo->paths.view;
	argv[count++] = "--socket";
	argv[count++] = demo->stages.display;
	argv[count++] = "--screenshot";
	argv[count++] = demo->picture;
	argv[count++] = "--screenshot-at";
	argv[count++] = at;
	argv[count++] = "--summary";
	argv[count++] = demo->view_summary;
	/* Not the host monitor's: it was asked for. */
	snprintf(refresh, sizeof(refresh), "%u", demo->options.refresh);
	argv[count++] = "--refresh";
	argv[count++] = refresh;
	argv[count++] = "--status-fd";
	argv[count++] = "3";
	argv[count++] = "--title";
	argv[count++] = title;
	argv[count++] = "--sandbox";
	argv[count++] = demo_sandbox_names[demo->options.sandbox];
	argv[count++] = "--log";
	argv[count++] = demo_log_names[demo->options.log];
	if (demo->options.headless) {
		argv[count++] = "--headless";
	}
	if (demo->options.trace != NULL) {
		argv[count++] = "--trace";
		argv[count++] = demo->traces[DEMO_TRACE_VIEWER];
	}
	argv[count] = NULL;
	const struct child_spec spec = {
		.argv = argv,
		.log = demo->view_log,
		.report = on_viewer_status,
		.ended = on_viewer_ended,
		.data = demo,
	};
	uv_timer_start(&demo->timer, on_viewer_timeout, VIEWER_MS, 0);
	demo->viewer_started_ns = clock_now_ns();
	child_start(&demo->viewer, &demo->loop, &spec);
}

/* ---- the machine and the program in it ---- */

static void on_up(void *data)
{
	start_viewer(data);
}

static void on_app_line(struct demo *demo, const char *line)
{
	if (demo->app_log != NULL) {
		fprintf(demo->app_log, "%s\n", line);
		fflush(demo->app_log);
	}
	if (line[0] == '{') {
		json_decref(demo->app_summary);
		demo->app_summary = json_loads(line, 0, NULL);
	} else if (!demo->app_begun) {
		demo->app_begun = true;
		if (demo->options.desktop) {
			/* What it drew until its windows were there is not part of the figures. */
			count_anew(demo);
		}
	}
}

static void on_app_ended(struct demo *demo, int status)
{
	if (demo->ending) {
		return;
	}
	if (status == 0 && demo->app_summary != NULL) {
		demo->app_ended = true;
		end_soon(demo, LAST_FRAME_MS);
		return;
	}
	failure_ended(&demo->failure, status, "the guest's program hesper-%s", demo->options.app);
	failure_log(&demo->failure, demo->app_log_path);
	fail(demo);
}

static void on_message(void *data, const struct control_message *message)
{
	struct demo *demo = data;
	if (message->kind == CONTROL_NOISE || strcmp(message->id, JOB) != 0) {
		return;
	}
	if (message->kind == CONTROL_OUTPUT) {
		on_app_line(demo, message->text);
	} else if (message->kind == CONTROL_EXIT) {
		on_app_ended(demo, message->status);
	} else if (message->kind == CONTROL_REFUSED && !demo->ending) {
		failure_set(&demo->failure, "the guest did not start hesper-%s: %s",
			    demo->options.app, message->text);
		fail(demo);
	}
}

static void on_failed(void *data)
{
	struct demo *demo = data;
	if (!demo->ending) {
		demo->failure = demo->stages.failure;
		fail(demo);
	}
}

static bool prepare(struct demo *demo)
{
	int error = paths_find(&demo->paths, NULL);
	if (error < 0) {
		failure_set(&demo->failure, "cannot find out where hesper is: %s",
			    strerror(-error));
		return false;
	}
	if (!demo_choose_files(demo) || !demo_begin_trace(demo)) {
		return false;
	}
	if (!demo->options.headless && !demo_has_display()) {
		fprintf(stderr, "hesper: no screen to open a window on (neither DISPLAY nor "
				"WAYLAND_DISPLAY is set): going on without a window\n");
		demo->options.headless = true;
	}
	const struct stages_options options = {
		.paths = &demo->paths,
		.qemu = demo->options.qemu,
		.name = "hesper demo",
		.desktop = demo->options.desktop,
		.outputs = demo->options.outputs,
		.size = demo->options.size,
		.refresh = demo->options.refresh,
		.memory = demo_memory_names[demo->options.memory],
		.sandbox = demo_sandbox_names[demo->options.sandbox],
		.log_level = demo_log_names[demo->options.log],
		.trace = demo->options.trace != NULL ? demo->traces[DEMO_TRACE_DEVICE] : NULL,
		.log_dir = demo->logs,
		.runtime_dir = demo->options.runtime_dir,
		.guest_memory_mib = demo->options.guest_memory_mib,
		.progress = &demo->progress,
		.up = on_up,
		.message = on_message,
		.failed = on_failed,
		.data = demo,
	};
	if (!stages_check(&demo->stages, &options)) {
		demo->failure = demo->stages.failure;
		return false;
	}
	fprintf(stderr, "hesper: QEMU %s with %s (%s)\n", demo->stages.qemu_version,
		demo->stages.accel.kvm ? "KVM" : "TCG", demo->stages.accel.reason);
	return true;
}

static bool run(struct demo *demo)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	int error = uv_loop_init(&demo->loop);
	if (error < 0) {
		failure_set(&demo->failure, "cannot begin: %s", strerror(-error));
		return false;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uv_signal_init(&demo->loop, &demo->signals[i]);
		demo->signals[i].data = demo;
		uv_signal_start(&demo->signals[i], on_signal, numbers[i]);
	}
	uv_timer_init(&demo->loop, &demo->timer);
	demo->timer.data = demo;
	demo->app_log = fopen(demo->app_log_path, "we");
	stages_start(&demo->stages, &demo->loop);
	uv_run(&demo->loop, UV_RUN_DEFAULT);
	uv_loop_close(&demo->loop);
	if (demo->app_log != NULL) {
		fclose(demo->app_log);
	}
	return true;
}

static int conclude(struct demo *demo)
{
	if (demo->stages.has_failed && !demo->failed) {
		demo->failed = true;
		demo->failure = demo->stages.failure;
	}
	if (demo->app_ended && !demo->failed && demo_report(demo)) {
		return EXIT_SUCCESS;
	}
	if (demo->signal != 0 && !demo->app_ended) {
		fprintf(stderr, "hesper: stopped by a signal\n");
		return 128 + demo->signal;
	}
	if (demo->failure.what[0] == '\0') {
		failure_set(&demo->failure, "the guest's program did not end when asked to");
		failure_log(&demo->failure, demo->app_log_path);
	}
	failure_print(&demo->failure, stderr);
	return EXIT_FAILURE;
}

int demo_main(int argc, char **argv)
{
	static struct demo demo;
	int error = demo_parse(argc, argv, &demo.options);
	if (error < 0) {
		return error == -ECANCELED ? EXIT_SUCCESS : 2;
	}
	log_init("hesper", (enum log_level)demo.options.log);
	progress_init(&demo.progress, stderr);
	int status;
	if (prepare(&demo) && run(&demo)) {
		supervise_sweep();
		status = conclude(&demo);
	} else {
		failure_print(&demo.failure, stderr);
		status = EXIT_FAILURE;
	}
	stages_finish(&demo.stages);
	demo_merge_traces(&demo);
	json_decref(demo.app_summary);
	return status;
}
