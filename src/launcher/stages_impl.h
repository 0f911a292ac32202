/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_STAGES_IMPL_H
#define HESPER_LAUNCHER_STAGES_IMPL_H

#include "launcher/stages.h"

/* What stages.c and stages_machine.c know of each other. */

/* A path inside log_dir; empty when it would be too long. */
void stages_log_path(const struct stages *stages, char path[PATH_MAX], const char *name);

/* The one place for failures: failure is filled, log is the name of a log, or NULL. */
void stages_fail(struct stages *stages, const char *log);

/* Whether what has just happened is still part of the plan. */
bool stages_going(const struct stages *stages);

/* Starts QEMU and waits for the guest. */
void stages_start_machine(struct stages *stages);

/* Ends QEMU; stages_machine_stopped follows, also when there is none. */
void stages_stop_machine(struct stages *stages);
void stages_machine_stopped(struct stages *stages);

#endif
