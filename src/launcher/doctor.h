/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_DOCTOR_H
#define HESPER_LAUNCHER_DOCTOR_H

#include <stddef.h>

#include "launcher/paths.h"

#define DOCTOR_MAX_FINDINGS 16

enum health {
	HEALTH_OK,
	HEALTH_WARNING, /* it works, but not as well as it could */
	HEALTH_BROKEN,
	HEALTH_COUNT,
};

struct finding {
	const char *subject;
	enum health health;
	char text[512]; /* how it is, and what that means */
	char fix[512]; /* may be empty */
};

struct doctor {
	struct paths paths;
	const char *qemu;
	struct finding findings[DOCTOR_MAX_FINDINGS];
	size_t count;
};

/* Adds a finding for each thing that hesper rests on. Asks programs; blocks for some seconds. */
void doctor_examine(struct doctor *doctor);

#endif
