/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_OPTIONS_H
#define HESPER_HESPERD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "gpu/limits.h"
#include "hesperd/outputs.h"

enum hesperd_memory {
	HESPERD_MEMORY_AUTO,
	HESPERD_MEMORY_DMA_BUF,
	HESPERD_MEMORY_HOST,
};

enum hesperd_render {
	HESPERD_RENDER_VENUS,
	HESPERD_RENDER_NONE,
};

enum hesperd_pacing {
	HESPERD_PACING_RELEASE,
	HESPERD_PACING_NONE,
};

enum hesperd_guest_pages {
	HESPERD_GUEST_PAGES_SHARE,
	HESPERD_GUEST_PAGES_REFUSE,
};

struct hesperd_options {
	const char *socket_path;
	uint32_t fd;
	const char *display;
	const char *input;
	const char *name;
	struct outputs outputs;
	uint32_t memory; /* enum hesperd_memory */
	uint32_t guest_pages; /* enum hesperd_guest_pages */
	uint32_t pacing; /* enum hesperd_pacing */
	uint32_t hold_ms;
	uint32_t render; /* enum hesperd_render */
	uint32_t window_mib;
	const char *layer_dir;
	const char *render_server;
	const char *render_process;
	const char *render_read;
	struct gpu_limits limits;
	uint32_t watchdog_ms;
	uint32_t gpu_watchdog_ms; /* 0: never */
	uint32_t sandbox; /* enum sandbox_mode */
	const char *stats;
	const char *trace;
	uint32_t ready_fd;
	uint32_t log_level; /* enum log_level */
	bool probe;
	bool check_sandbox;
	bool print_capabilities;
	bool virgl;
	const char *render_node;
};

/* 0 to go on, -ECANCELED to exit 0, or negative errno with a message written. */
int hesperd_parse(int argc, char **argv, struct hesperd_options *options);

#endif
