/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/qemu_args.h"
#include "launcher/qemu_log.h"
#include "launcher/stages_impl.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

#define GUEST_MAX_CPUS 4
#define BOOT_MS (180 * 1000)

/* How long QEMU may take to end by its monitor, and then by SIGTERM. */
#define QUIT_MS 3000
#define TERM_MS 3000

static void on_control_line(void *data, const char *line)
{
	struct stages *stages = data;
	struct control_message message;
	control_parse(line, &message);
	if (message.kind == CONTROL_HELLO && !stages->is_up && stages_going(stages)) {
		stages->is_up = true;
		stages->guest = json_loads(message.text, 0, NULL);
		uv_timer_stop(&stages->deadline);
		progress_done(stages->options.progress, "%.1f s",
			      (double)(clock_now_ns() - stages->boot_started_ns) / CLOCK_NS_PER_S);
		stages->options.up(stages->options.data);
	} else if (stages_going(stages)) {
		stages->options.message(stages->options.data, &message);
	}
}

void stages_tell(struct stages *stages, const char *format, ...)
{
	char text[4096];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	channel_send(&stages->control, text);
}

static void on_qemu_line(void *data, const char *line)
{
	struct stages *stages = data;
	if (qemu_log_is_harmless(line)) {
		stages->harmless_lines++;
	} else if (stages->qemu_log != NULL) {
		fprintf(stages->qemu_log, "%s\n", line);
		fflush(stages->qemu_log);
	}
}

static void close_qemu_log(struct stages *stages)
{
	if (stages->qemu_log == NULL) {
		return;
	}
	if (stages->harmless_lines > 0) {
		fprintf(stages->qemu_log,
			"hesper: left out %llu harmless lines about a full memory table\n",
			(unsigned long long)stages->harmless_lines);
	}
	fclose(stages->qemu_log);
	stages->qemu_log = NULL;
}

static void on_qemu_ended(void *data, int status)
{
	struct stages *stages = data;
	qmp_close(&stages->qmp);
	channel_close(&stages->control);
	if (stages_going(stages)) {
		if (status != 0) {
			failure_ended(&stages->failure, status, "QEMU");
		} else {
			failure_set(&stages->failure, "the guest switched itself off%s",
				    stages->is_up ? "" : " while it booted");
		}
		stages_fail(stages, status != 0 ? "qemu" : "guest-console");
	}
	close_qemu_log(stages);
	if (stages->stopping) {
		stages_machine_stopped(stages);
	}
}

static void on_qmp_event(void *data, const char *name, const json_t *message)
{
	struct stages *stages = data;
	log_debug("QEMU: %s", name);
	if (strcmp(name, "GUEST_PANICKED") == 0 && stages_going(stages)) {
		failure_set(&stages->failure, "the guest's kernel panicked");
		stages_fail(stages, "guest-console");
	}
}

static int open_channels(struct stages *stages, int fds[2])
{
	int qmp[2];
	int control[2];
	int error = channel_pair(qmp);
	if (error < 0) {
		return error;
	}
	error = channel_pair(control);
	if (error < 0) {
		fd_close_all(qmp, 2);
		return error;
	}
	fds[0] = qmp[1];
	fds[1] = control[1];
	stages->qmp.event = on_qmp_event;
	stages->qmp.data = stages;
	error = qmp_open(&stages->qmp, stages->loop, qmp[0]);
	int other = channel_open(&stages->control, stages->loop, control[0], on_control_line, NULL,
				 stages);
	error = error < 0 ? error : other;
	if (error < 0) {
		fd_close_all(fds, 2);
	}
	return error;
}

static void on_boot_timeout(uv_timer_t *timer)
{
	struct stages *stages = timer->data;
	failure_set(&stages->failure, "the guest did not boot in %d s", BOOT_MS / 1000);
	stages_fail(stages, "guest-console");
}

/*
 * One processor is left to the host: the renderer, QEMU's own loop and the viewer need it for every
 * frame. With both cores of a two-core host taken by emulated processors that wait for the GPU,
 * vkmark's cube fell from 1046 to 743 frames a second.
 */
static uint32_t guest_cpus(void)
{
	long host = sysconf(_SC_NPROCESSORS_ONLN);
	return host <= 2 ? 1 : host > GUEST_MAX_CPUS ? GUEST_MAX_CPUS : (uint32_t)host - 1;
}

void stages_start_machine(struct stages *stages)
{
	char kernel[PATH_MAX + 16];
	char initrd[PATH_MAX + 16];
	char root[PATH_MAX + 16];
	char console[PATH_MAX];
	char log[PATH_MAX];
	char append[1024];
	const struct stages_options *options = &stages->options;
	struct child_spec spec = {
		.err = on_qemu_line,
		.out = on_qemu_line,
		.ended = on_qemu_ended,
		.data = stages,
		.fd_count = 2,
	};
	snprintf(kernel, sizeof(kernel), "%s/vmlinuz", stages->image);
	snprintf(initrd, sizeof(initrd), "%s/initrd.img", stages->image);
	snprintf(root, sizeof(root), "%s/root.erofs", stages->image);
	snprintf(append, sizeof(append), "console=tty0 console=ttyS0 %s",
		 options->append != NULL ? options->append : "");
	stages_log_path(stages, console, "guest-console");
	stages_log_path(stages, log, "qemu");
	stages->qemu_log = fopen(log, "we");
	struct qemu_plan plan = {
		.binary = options->qemu,
		.name = options->name,
		.kvm = stages->accel.kvm,
		.cpus = guest_cpus(),
		.memory_mib = options->guest_memory_mib,
		.gpu_socket = stages->gpu_socket,
		.input_dir = stages->runtime,
		.kernel = kernel,
		.initrd = initrd,
		.append = append,
		.disks = {root},
		.disk_count = 1,
		.console_log = console,
		.qmp_socket = stages->qmp_socket,
		.qmp_fd = CHILD_FIRST_FD,
		.control_fd = CHILD_FIRST_FD + 1,
	};
	progress_begin(options->progress, "boot");
	stages->boot_started_ns = clock_now_ns();
	uv_timer_start(&stages->deadline, on_boot_timeout, BOOT_MS, 0);
	int error = open_channels(stages, spec.fds);
	if (error < 0) {
		failure_set(&stages->failure, "cannot make sockets: %s", strerror(-error));
		stages_fail(stages, NULL);
		return;
	}
	char **argv = qemu_args_build(&plan);
	if (argv == NULL) {
		fd_close_all(spec.fds, 2);
		failure_set(&stages->failure, "cannot start QEMU: out of memory");
		stages_fail(stages, NULL);
		return;
	}
	spec.argv = (const char *const *)argv;
	child_start(&stages->qemu_child, stages->loop, &spec);
	qemu_args_free(argv);
}

static void on_quit_timeout(uv_timer_t *timer)
{
	struct stages *stages = timer->data;
	log_warn("QEMU does not answer on its monitor");
	child_stop(&stages->qemu_child, TERM_MS);
}

void stages_stop_machine(struct stages *stages)
{
	if (!stages->qemu_child.active) {
		qmp_close(&stages->qmp);
		channel_close(&stages->control);
		close_qemu_log(stages);
		stages_machine_stopped(stages);
		return;
	}
	bool asked = qmp_quit(&stages->qmp) >= 0;
	uv_timer_start(&stages->deadline, on_quit_timeout, asked ? QUIT_MS : 0, 0);
}
