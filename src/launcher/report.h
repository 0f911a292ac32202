/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_REPORT_H
#define HESPER_LAUNCHER_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/failure.h"

/* What each part knows about a run. All borrowed; a json_t may be NULL when its part said nothing. */
struct report_input {
	const char *app;
	uint32_t refresh; /* Hz, as asked for */
	const json_t *device; /* statistics of hesperd */
	const json_t *view; /* summary of hesper-view */
	const json_t *guest; /* summary of the program in the guest */
	const json_t *manifest; /* of the guest image */
	bool kvm;
	const char *qemu; /* version */
	const char *picture; /* path; NULL: there is none */
};

/*
 * The summary of the run (docs/summary.md has its keys), owned by the caller. NULL, with failure
 * filled, when one of the parts lacks a figure: a summary has all of them or is not written.
 */
json_t *report_build(const struct report_input *input, struct failure *failure);

/* "demo: cube 1280x800, 600 frames, 58.3 fps, host-memory path, 0 bytes copied by the CPU". */
void report_line(const json_t *summary, char *line, size_t size);

#endif
