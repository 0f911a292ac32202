/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_DEMO_H
#define HESPER_LAUNCHER_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "util/options.h"

/* What "hesper demo" was asked for. Strings point into argv, the environment or out_buffer. */
struct demo_options {
	const char *app; /* "cube", "triangle" or "desktop" */
	bool desktop;
	uint32_t frames; /* after which it ends, unless keep_running */
	struct option_size size;
	uint32_t refresh; /* Hz */
	const char *outputs; /* for hesperd; NULL: one */
	bool headless;
	const char *out; /* directory; NULL: demo chooses */
	uint32_t memory; /* index into "auto|dma-buf|host-memory" */
	uint32_t wsi; /* index into "direct|display" */
	bool keep_running;
	uint32_t guest_memory_mib;
	uint32_t sandbox; /* index into "off|on|strict" */
	const char *qemu;
	const char *runtime_dir;
	const char *trace; /* NULL: none */
	uint32_t log; /* enum log_level */
};

extern const char *const demo_memory_names[];
extern const char *const demo_wsi_names[];
extern const char *const demo_sandbox_names[];
extern const char *const demo_log_names[];

/* 0 to go on, -ECANCELED to exit 0, or -EINVAL after words on stderr. */
int demo_parse(int argc, char **argv, struct demo_options *options);

/* The sub-command. Exit status. */
int demo_main(int argc, char **argv);

/* Whether there is a screen to open a window on. */
bool demo_has_display(void);

#endif
