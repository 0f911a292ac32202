/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_STAGES_H
#define HESPER_LAUNCHER_STAGES_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "launcher/accel.h"
#include "launcher/channel.h"
#include "launcher/control.h"
#include "launcher/failure.h"
#include "launcher/paths.h"
#include "launcher/progress.h"
#include "launcher/qmp.h"
#include "launcher/supervise.h"
#include "util/options.h"

/*
 * A running virtual machine, stage by stage: the guest image, hesperd, QEMU, the guest's boot. And
 * its end in the opposite order, from whatever stage it is in. On the thread of one loop.
 */
struct stages_options {
	const struct paths *paths;
	const char *qemu; /* program: a path, or a name for PATH */
	const char *name; /* of the machine */
	bool desktop; /* the guest image with a desktop, not the small one */
	const char *outputs; /* the guest's monitors, as hesperd takes them; NULL: one */
	struct option_size size; /* of a monitor for which outputs has none */
	uint32_t refresh; /* Hz */
	const char *memory; /* "auto", "dma-buf" or "host-memory" */
	const char *sandbox; /* "off", "on" or "strict" */
	const char *log_level; /* of hesperd */
	const char *trace; /* of hesperd; NULL: none */
	const char *log_dir; /* exists */
	const char *runtime_dir; /* for sockets; exists, and is not removed; NULL: a private one */
	const char *append; /* more for the kernel's command line; NULL: nothing */
	uint32_t guest_memory_mib;
	struct progress *progress;
	/* The guest answers: commands can be sent. */
	void (*up)(void *data);
	/* From the guest, from then on. */
	void (*message)(void *data, const struct control_message *message);
	/* Once, when a part failed or ended by itself; failure is filled. Call stages_stop. */
	void (*failed)(void *data);
	void *data;
};

struct stages {
	struct stages_options options;
	uv_loop_t *loop;
	struct failure failure; /* when has_failed; also set when hesperd does not end cleanly */
	struct accel accel;
	char qemu_version[32];
	char runtime[PATH_MAX];
	int runtime_lock; /* of a private one */
	char display[PATH_MAX]; /* socket of org.qemu.Display1, from hesperd's ready line on */
	char gpu_socket[PATH_MAX];
	char qmp_socket[PATH_MAX];
	char stats_path[PATH_MAX]; /* hesperd's statistics, once it has ended */
	char image[PATH_MAX]; /* directory of the guest image */
	json_t *manifest; /* of the guest image */
	json_t *device; /* what hesperd said when it was ready */
	json_t *guest; /* the guest's hello */
	uint64_t boot_started_ns;
	uint64_t harmless_lines; /* of QEMU's that were left out of its log */

	struct child image_child;
	struct child hesperd_child;
	struct child qemu_child;
	struct qmp qmp;
	struct channel control;
	FILE *image_log;
	FILE *qemu_log;
	uint64_t image_started_ns;
	bool image_worked; /* guest/build had something to do */
	uv_timer_t deadline; /* of the stage, or of QEMU's end */
	bool is_up;
	bool stopping;
	bool machine_stopped;
	bool has_failed;
	void (*stopped)(void *data);
};

/*
 * What can be found out before anything is started: QEMU's version and device, the accelerator,
 * the programs. False with failure filled. Blocks for a fraction of a second.
 */
bool stages_check(struct stages *stages, const struct stages_options *options);

/* After stages_check. up() or failed() follows. */
void stages_start(struct stages *stages, uv_loop_t *loop);

/* A line to the guest: "ID COMMAND". */
void stages_tell(struct stages *stages, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Ends everything in order; stopped(data) when no process is left. In any stage; once. */
void stages_stop(struct stages *stages, void (*stopped)(void *data));

/* Frees what is kept for the summary, and removes the sockets. After stopped(). */
void stages_finish(struct stages *stages);

#endif
