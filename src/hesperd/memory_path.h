/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_MEMORY_PATH_H
#define HESPER_HESPERD_MEMORY_PATH_H

#include <stdbool.h>

#include "hesperd/options.h"

/* How the host's Vulkan driver shares memory, and what the render server needs for it. */
struct memory_path {
	bool host_memory; /* through hesper's layer; otherwise dma-bufs by the driver */
	char reason[320];
	char device[256];
	char driver[256];
	char *environment[8]; /* for the render server; NULL-terminated; owned */
};

/*
 * Runs hesper-probe (blocks: for start-up) and decides. Negative errno with a message written:
 * what is wrong, and the fix.
 */
int memory_path_choose(const struct hesperd_options *options, struct memory_path *path);
void memory_path_finish(struct memory_path *path);

/* hesperd --probe: passes on what hesper-probe prints. Exit status. */
int memory_path_print(void);

#endif
