/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_VIEW_H
#define HESPER_VIEW_VIEW_H

#include "view/confine.h"
#include "view/console.h"
#include "view/options.h"
#include "view/stats.h"
#include "view/vk.h"

/* hesper-view: takes the newest pictures, shows them, answers that they were read, counts. */
struct view {
	struct view_options options;
	struct sandbox sandbox;
	struct errands errands; /* writes files */
	struct vk vk;
	struct source_cache sources;
	struct console_shared shared;
	struct console consoles[VIEW_MAX_CONSOLES];
	struct stats stats;
	uint64_t dropped_before; /* counts when the figures last began */
	uint64_t copied_before;
	bool seen;   /* some picture was shown: the machine is up */
	bool captured;  /* at --screenshot-at: no other one at the end */
	bool done;
	bool failed;
};

/* view.c: what the machine and the user make happen. */
extern const struct presenter_callbacks view_callbacks; /* its data is to be set to the view */
void view_on_event(struct view *view, struct view_event *event);

/* Draws what is to be drawn on all consoles. */
void view_draw(struct view *view);

/* Until when there is nothing to draw. */
uint64_t view_due_ns(struct view *view);

/* view_report.c: what is written to files and descriptors. */
void view_capture(struct view *view);
/* What SIGUSR1 asks for: the screenshot and the summary, those that have a name. */
void view_write_now(struct view *view);
void view_restart_figures(struct view *view);
void view_tick(struct view *view);
/* When that is due next; UINT64_MAX while nothing moves. */
uint64_t view_tick_due_ns(const struct view *view);
void view_finish_report(struct view *view);

#endif
