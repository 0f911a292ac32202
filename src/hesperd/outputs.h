/* SPDX-License-Identifier: MIT */
#ifndef HESPER_HESPERD_OUTPUTS_H
#define HESPER_HESPERD_OUTPUTS_H

#include "display/input.h"
#include "gpu/edid.h"
#include "gpu/gpu.h"

/* The machine's outputs, as the options give them. */
struct outputs {
	unsigned count; /* possible ones: the guest learns it once */
	struct gpu_output list[GPU_MAX_HEADS];
	char names[GPU_MAX_HEADS][EDID_NAME_SIZE]; /* list's names point here */
};

/*
 * text is a number of monitors, or a list of them: OUTPUT[,OUTPUT…] with
 * OUTPUT = [NAME:][WIDTHxHEIGHT][@HZ][/WIDTHxHEIGHTmm], or [NAME:]off for an output without a monitor.
 * What one leaves out comes from `usual`; a missing name is "hesper-N", from 1. max is the number
 * of possible outputs, 0 for what is usual: 4, or as many as there are. outputs may not be moved
 * afterwards. Negative errno with a line on stderr.
 */
int outputs_parse(const char *text, const struct gpu_mode *usual, unsigned max,
		  struct outputs *outputs);

/*
 * The mode for a monitor that a viewer asks for, whatever its numbers: within the device's
 * limits, what it leaves open as in `now`.
 */
struct gpu_mode outputs_mode(const struct display_monitor *monitor, const struct gpu_mode *now);

#endif
