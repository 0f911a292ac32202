/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_CONFINE_H
#define HESPER_VIEW_CONFINE_H

#include "sandbox/errands.h"
#include "sandbox/sandbox.h"
#include "view/options.h"

/* The paths that the viewer writes to. */
enum view_path {
	VIEW_SCREENSHOT,
	VIEW_SUMMARY,
};

/*
 * hesper-view's way through the stages of src/sandbox. The main thread, in this order: before any
 * other thread is there; then, when the display and the window system are connected, as often as one
 * likes. Negative errno after a line in the log.
 */
int view_confine(struct sandbox *sandbox, const struct view_options *options,
		 struct errands *errands);
int view_confine_connected(struct sandbox *sandbox);

#endif
