/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "launcher/qemu_probe.h"
#include "launcher/runtime.h"
#include "launcher/stages.h"

/* A socket's path holds 107 bytes; the longest name here must fit behind. */
#define RUNTIME_MAX 90

static bool check_programs(struct stages *stages)
{
	const struct paths *paths = stages->options.paths;
	const char *missing = paths->hesperd[0] == '\0'       ? "hesperd"
			      : paths->view[0] == '\0'        ? "hesper-view"
			      : paths->guest_build[0] == '\0' ? "guest/build"
							      : NULL;
	if (missing == NULL) {
		return true;
	}
	failure_set(&stages->failure, "a part of hesper is missing: %s", missing);
	failure_fix(&stages->failure, "build it (make), or install hesper completely");
	return false;
}

static bool make_sockets(struct stages *stages)
{
	const char *given = stages->options.runtime_dir;
	int error = 0;
	if (given == NULL) {
		error = runtime_make(stages->runtime, &stages->runtime_lock);
	} else {
		snprintf(stages->runtime, sizeof(stages->runtime), "%s", given);
	}
	if (error < 0) {
		stages->runtime[0] = '\0';
		failure_set(&stages->failure, "cannot make a directory for sockets: %s",
			    strerror(-error));
		failure_fix(&stages->failure, "see that /tmp or XDG_RUNTIME_DIR can be written to");
		return false;
	}
	if (strlen(stages->runtime) > RUNTIME_MAX) {
		failure_set(&stages->failure, "%s is too long a path for sockets", given);
		return false;
	}
	const struct {
		char *path;
		const char *name;
	} files[] = {
		{stages->gpu_socket, "gpu.sock"},
		{stages->display, "display.sock"},
		{stages->qmp_socket, "qmp.sock"},
	};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(files[i].path, PATH_MAX, "%.*s/%s", RUNTIME_MAX, stages->runtime,
			 files[i].name);
	}
	snprintf(stages->stats_path, sizeof(stages->stats_path), "%s/hesperd.json",
		 stages->options.log_dir);
	remove(stages->stats_path);
	return true;
}

bool stages_check(struct stages *stages, const struct stages_options *options)
{
	*stages = (struct stages){.options = *options, .runtime_lock = -1};
	accel_choose(&stages->accel);
	return check_programs(stages) &&
	       qemu_probe(options->qemu, stages->qemu_version, &stages->failure) &&
	       make_sockets(stages);
}

void stages_finish(struct stages *stages)
{
	json_decref(stages->manifest);
	json_decref(stages->device);
	json_decref(stages->guest);
	stages->manifest = stages->device = stages->guest = NULL;
	if (stages->runtime[0] != '\0' && stages->options.runtime_dir == NULL) {
		runtime_remove(stages->runtime, &stages->runtime_lock);
	}
}
