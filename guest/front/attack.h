/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_FRONT_ATTACK_H
#define HESPER_GUEST_FRONT_ATTACK_H

#include "gpu.h"

/* How the device is after an attack, if hesperd is right. */
enum attack_end {
	ANSWERS, /* as if nothing had been: commands are answered */
	BROKEN, /* the control queue is silent until the device is reset */
	RESET, /* the attack leaves it anywhere; a reset brings it back */
	LEFT_OUT, /* not run: QEMU itself does not stand it; expects says what it does */
};

/*
 * run() starts from a device that was just started with all features, and fails (front_fail) when the
 * device does not do what expects says.
 */
struct attack {
	const char *name;
	const char *expects;
	void (*run)(struct front *front);
	enum attack_end end;
};

struct attack_group {
	const char *name;
	const struct attack *attacks;
	unsigned count;
};

#define ATTACK_GROUP(name, table)                                                                  \
	const struct attack_group attacks_##name = {#name, table, sizeof(table) / sizeof(table[0])}

extern const struct attack_group attacks_commands, attacks_rings, attacks_device, attacks_pictures,
	attacks_blobs, attacks_screen, attacks_contexts, attacks_fences;

#endif
