/* SPDX-License-Identifier: MIT */
/*
 * hesperd: start-up, shut-down, and nothing else. The only place that knows which renderer and
 * which sockets the device is made of.
 *
 * Start: options, the memory path (a child asks the Vulkan driver), the process is split (keeper.c),
 * the process that will start all others, the sockets, the display, the device, the input devices, the
 * renderer; then the sandbox closes (confine.c), and when the renderer is ready, the machine is let
 * in. End: when the machine is gone or a signal comes, in the opposite order, each
 * step waiting for the one before in the loop.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "display/server.h"
#include "gpu/gpu.h"
#include "hesperd/confine.h"
#include "hesperd/keeper.h"
#include "hesperd/memory_path.h"
#include "hesperd/options.h"
#include "hesperd/places.h"
#include "hesperd/seat.h"
#include "hesperd/socket.h"
#include "hesperd/stats.h"
#include "render/spawner.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/trace.h"
#include "vhost/vhost.h"

struct hesperd {
	struct hesperd_options options;
	struct memory_path memory;
	struct errands errands; /* what is done by path */
	struct confine confine;
	char renderer[3 * PATH_MAX]; /* hesper-render */
	struct spawner *spawner; /* until the renderer has it */
	struct render_options render_options;
	uv_loop_t loop;
	uv_signal_t signals[3];
	uv_poll_t accept_poll;
	bool accept_open;
	int listen_fd;
	int display_fd;
	struct display_server *display;
	struct gpu *gpu;
	struct render *render;
	struct window_files *window_files;
	struct vhost *vhost;
	bool connected; /* the GPU's session goes on */
	struct seat seat;
	bool stopping;
	int status;
};

static int fail(const char *what, int error)
{
	log_error("%s: %s", what, strerror(-error));
	return error;
}

static void stop(struct hesperd *d, int status);

static void close_signals(void *data)
{
	struct hesperd *d = data;
	for (size_t i = 0; i < sizeof(d->signals) / sizeof(d->signals[0]); i++) {
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	}
}

static void stop_display(void *data)
{
	struct hesperd *d = data;
	if (d->options.stats != NULL) {
		stats_write(&d->errands, &d->memory, d->gpu);
	}
	d->gpu = NULL;
	display_server_destroy(d->display, close_signals, d);
}

static void stop_gpu(void *data)
{
	struct hesperd *d = data;
	gpu_destroy(d->gpu, stop_display, d);
}

static void stop_render(void *data)
{
	struct hesperd *d = data;
	if (d->render != NULL) {
		render_destroy(d->render, stop_gpu, d);
	} else {
		stop_gpu(d);
	}
}

static void stop_session(void *data)
{
	struct hesperd *d = data;
	gpu_detach(d->gpu);
	vhost_destroy(d->vhost, stop_render, d);
}

static void stop(struct hesperd *d, int status)
{
	if (d->stopping) {
		return;
	}
	d->stopping = true;
	d->status = status;
	if (d->accept_open) {
		uv_close((uv_handle_t *)&d->accept_poll, NULL);
		d->accept_open = false;
	}
	if (d->listen_fd >= 0) {
		fd_close(&d->listen_fd);
		errands_remove(&d->errands, KEEPER_MACHINE);
	}
	errands_remove(&d->errands, KEEPER_DISPLAY);
	seat_close(&d->seat, stop_session, d);
}

/*
 * The machine is gone when all of its sessions are: QEMU aborts if a device of a living one
 * disappears (protocols Q6), and one of several may end before (unplugged, or broken).
 */
static void handle_sessions(void *data)
{
	struct hesperd *d = data;
	if (!d->connected && d->seat.sessions == 0) {
		log_info("the machine has ended");
		stop(d, d->status);
	}
}

static void handle_disconnected(void *data, int error)
{
	struct hesperd *d = data;
	d->connected = false;
	if (error < 0) {
		log_error("the machine's connection broke: %s", strerror(-error));
		d->status = 1;
	}
	handle_sessions(d);
}

static int attach(struct hesperd *d, int fd)
{
	struct vhost_options options;
	gpu_vhost_options(d->gpu, &options);
	options.window_files = d->window_files;
	int error = vhost_create(&options, fd, &d->loop, &d->vhost);
	if (error < 0) {
		fd_close(&fd);
		log_error("cannot serve the machine: %s", strerror(-error));
		return error;
	}
	d->connected = true;
	gpu_attach(d->gpu, d->vhost);
	return 0;
}

/* One machine, once: QEMU cannot reconnect, and a second one would share the first one's screen. */
static void handle_accept(uv_poll_t *poll, int status, int events)
{
	struct hesperd *d = poll->data;
	int fd = accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0) {
		return;
	}
	log_info("the machine has connected");
	uv_close((uv_handle_t *)&d->accept_poll, NULL);
	d->accept_open = false;
	fd_close(&d->listen_fd);
	errands_remove(&d->errands, KEEPER_MACHINE);
	if (attach(d, fd) < 0) {
		stop(d, 1);
	}
}

static void say_ready(struct hesperd *d)
{
	if (d->options.ready_fd == UINT32_MAX) {
		return;
	}
	json_t *description = stats_describe(&d->memory);
	char *text = json_dumps(description, JSON_COMPACT | JSON_PRESERVE_ORDER);
	dprintf((int)d->options.ready_fd, "ready %s\n", text);
	free(text);
	json_decref(description);
	if (d->options.ready_fd > 2) {
		close((int)d->options.ready_fd);
	}
}

static int let_in(struct hesperd *d)
{
	int error = seat_serve(&d->seat);
	if (error < 0) {
		return fail("the input devices", error);
	}
	if (d->options.socket_path == NULL) {
		return attach(d, (int)d->options.fd);
	}
	error = uv_poll_init(&d->loop, &d->accept_poll, d->listen_fd);
	if (error == 0) {
		d->accept_poll.data = d;
		d->accept_open = true;
		error = uv_poll_start(&d->accept_poll, UV_READABLE, handle_accept);
	}
	return error < 0 ? fail("the machine's socket", error) : 0;
}

static void handle_render_ready(void *data, int error)
{
	struct hesperd *d = data;
	if (d->stopping) {
		return;
	}
	if (error < 0) {
		log_error("the renderer did not start: %s", strerror(-error));
	} else {
		error = let_in(d);
	}
	if (error < 0) {
		stop(d, 1);
		return;
	}
	say_ready(d);
}

static void handle_monitor(void *data, unsigned head, const struct display_monitor *monitor)
{
	struct hesperd *d = data;
	if (!d->stopping) {
		const struct gpu_mode mode = outputs_mode(monitor, gpu_mode(d->gpu, head));
		gpu_set_mode(d->gpu, head, &mode);
	}
}

static void handle_input(void *data, unsigned head, const struct display_input *input)
{
	struct hesperd *d = data;
	if (!d->stopping) {
		seat_input(&d->seat, head, input);
	}
}

static void handle_listeners(void *data, unsigned count)
{
	log_info("%u viewer%s", count, count == 1 ? "" : "s");
}

static const struct display_server_callbacks display_callbacks = {
	.monitor = handle_monitor,
	.input = handle_input,
	.listeners = handle_listeners,
};

static void handle_signal(uv_signal_t *handle, int number)
{
	struct hesperd *d = handle->data;
	if (number == SIGUSR1) {
		if (d->options.stats != NULL) {
			stats_write(&d->errands, &d->memory, d->gpu);
		}
		return;
	}
	stop(d, 0);
}

/* While /proc/self/exe is a path: in another mount namespace it may be none. */
static int find_renderer(struct hesperd *d)
{
	const struct hesperd_options *o = &d->options;
	if (o->render_process != NULL) {
		snprintf(d->renderer, sizeof(d->renderer), "%s", o->render_process);
	} else if (o->render != HESPERD_RENDER_NONE &&
		   !places_find(d->renderer, sizeof(d->renderer), "../render/program",
				HESPER_LIBEXEC_DIR, "hesper-render")) {
		log_error("hesper-render is missing. Fix: install hesper completely");
		return -ENOENT;
	}
	return 0;
}

/* Nobody is asked to start a process but this one from here on. */
static int start_spawner(struct hesperd *d)
{
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	const struct hesperd_options *o = &d->options;
	if (o->render == HESPERD_RENDER_NONE) {
		return 0;
	}
	if (confine_renderers(&d->confine, o, d->renderer, &d->memory) < 0) {
		return -EIO;
	}
	char *const argv[] = {d->renderer, (char *)levels[o->log_level], (char *)o->render_server,
			      NULL};
	int error = spawner_create(argv, d->memory.environment, &d->confine.hooks, &d->spawner);
	if (error < 0) {
		log_error("cannot start a process: %s", strerror(-error));
	}
	return error;
}

static int listen_to_signals(struct hesperd *d)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int error = uv_signal_init(&d->loop, &d->signals[i]);
		if (error == 0) {
			d->signals[i].data = d;
			error = uv_signal_start(&d->signals[i], handle_signal, numbers[i]);
		}
		if (error < 0) {
			return error;
		}
	}
	return 0;
}

static int start(struct hesperd *d)
{
	const struct hesperd_options *o = &d->options;
	if (o->socket_path != NULL && socket_open(&d->errands, KEEPER_MACHINE, &d->listen_fd) < 0) {
		return -1;
	}
	if (o->display != NULL && socket_open(&d->errands, KEEPER_DISPLAY, &d->display_fd) < 0) {
		return -1;
	}
	d->window_files = window_files_create();
	if (d->window_files == NULL) {
		return fail("the machine's windows", -ENOMEM);
	}
	int error = uv_loop_init(&d->loop);
	if (error == 0) {
		error = listen_to_signals(d);
	}
	if (error < 0) {
		return fail("the main loop", error);
	}
	keeper_unblock();
	struct display_server_options display = {
		.vm_name = o->name,
		.heads = o->outputs.count,
		/* 0 is the server's own default: */
		.hold_ms = o->hold_ms != 0 ? o->hold_ms : 1,
		.callbacks = &display_callbacks,
		.data = d,
	};
	struct gpu_options gpu = {
		.heads = o->outputs.count,
		.window_size = (uint64_t)o->window_mib << 20,
		.limits = o->limits,
		.ready = handle_render_ready,
		.disconnected = handle_disconnected,
		.data = d,
	};
	gpu.pages = o->guest_pages == HESPERD_GUEST_PAGES_REFUSE ? GPU_PAGES_REFUSE
		    : d->memory.host_memory                      ? GPU_PAGES_LIST
								 : GPU_PAGES_DMA_BUF;
	gpu.pace = o->pacing == HESPERD_PACING_RELEASE;
	memcpy(gpu.outputs, o->outputs.list, sizeof(gpu.outputs));
	for (unsigned i = 0; i < o->outputs.count; i++) {
		display.output_names[i] = o->outputs.list[i].name;
	}
	error = display_server_create(&d->loop, &display, &d->display);
	if (error == 0 && d->display_fd >= 0) {
		error = display_server_listen(d->display, d->display_fd);
	}
	if (error < 0) {
		return fail("the display", error);
	}
	gpu.display = d->display;
	error = gpu_create(&gpu, &d->loop, &d->gpu);
	if (error < 0) {
		return fail("the device", error);
	}
	d->seat.gpu = d->gpu;
	d->seat.display = d->display;
	d->seat.ended = handle_sessions;
	d->seat.data = d;
	error = seat_open(&d->seat, &d->loop, d->window_files);
	if (error < 0) {
		return fail("the input devices", error);
	}
	d->render_options = (struct render_options){
		.spawner = d->spawner,
		.watchdog_ms = o->watchdog_ms,
		.gpu_watchdog_ms = o->gpu_watchdog_ms,
		.callbacks = &gpu_render_callbacks,
		.data = d->gpu,
	};
	error = render_create(o->render == HESPERD_RENDER_NONE ? &render_none : &render_venus,
			      &d->render_options, &d->loop, &d->render);
	if (error < 0) {
		return fail("the renderer", error);
	}
	d->spawner = NULL;
	gpu_set_render(d->gpu, d->render);
	return confine_self(&d->confine);
}

/* While files can be opened, and under the number that people know: the device's own is another. */
static int start_trace(struct hesperd *d)
{
	int error = d->options.trace != NULL ? trace_open(d->options.trace, "hesperd") : 0;
	if (error < 0) {
		log_error("cannot write the trace %s: %s", d->options.trace, strerror(-error));
	}
	return error;
}

static int print_capabilities(void)
{
	printf("{\n  \"type\": \"gpu\",\n  \"features\": [\n    \"render-node\",\n    \"virgl\"\n  "
	       "]\n}\n");
	return 0;
}

int main(int argc, char **argv)
{
	static struct hesperd d = {.listen_fd = -1, .display_fd = -1};
	int error = hesperd_parse(argc, argv, &d.options);
	if (error < 0) {
		return error == -ECANCELED ? 0 : 2;
	}
	log_init("hesperd", (enum log_level)d.options.log_level);
	if (d.options.print_capabilities) {
		return print_capabilities();
	}
	if (d.options.probe) {
		return memory_path_print();
	}
	if (d.options.check_sandbox) {
		return confine_print();
	}
	signal(SIGPIPE, SIG_IGN);
	fd_raise_limit();
	/* While it can still open what it seeds itself from. */
	json_object_seed(0);
	if (memory_path_choose(&d.options, &d.memory) < 0) {
		return 1;
	}
	log_info("frames are shared by %s: %s", d.memory.host_memory ? "host memory" : "dma-bufs",
		 d.memory.reason);
	errands_init(&d.errands);
	d.errands.paths[KEEPER_MACHINE] = d.options.socket_path;
	d.errands.paths[KEEPER_DISPLAY] = d.options.display;
	d.errands.paths[KEEPER_STATS] = d.options.stats;
	seat_name(&d.seat, d.options.input, &d.errands);
	if (start_trace(&d) < 0) {
		return 1;
	}
	if (find_renderer(&d) < 0 || confine_begin(&d.confine, &d.options, &d.errands) < 0) {
		return 1;
	}
	if (start_spawner(&d) < 0 || start(&d) < 0) {
		errands_remove_all(&d.errands);
		return 1;
	}
	uv_run(&d.loop, UV_RUN_DEFAULT);
	uv_loop_close(&d.loop);
	window_files_destroy(d.window_files);
	memory_path_finish(&d.memory);
	confine_finish(&d.confine);
	trace_close();
	return d.status;
}
