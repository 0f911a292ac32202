/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_FENCE_WATCH_H
#define HESPER_RENDER_FENCE_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "util/list.h"

/*
 * The fences of one context that are under way, and a watchdog over them. The thread of the loop.
 *
 * There are two kinds of timelines, and each is on its own: ring 0 is done when the renderer has
 * read so far, the others when the GPU has drawn so far. So a guest that asks the renderer to go on
 * reading does not say that its GPU goes on.
 */
enum fence_timelines {
	FENCE_TIMELINES_CPU, /* ring 0 */
	FENCE_TIMELINES_GPU, /* all others */
	FENCE_TIMELINES_COUNT,
};

struct fence_watch;

struct fence_watch_callbacks {
	/*
	 * No fence of a kind has come for the whole time while the one named here, the oldest, was
	 * under way. seconds: how long that was. At most once.
	 */
	void (*hung)(void *data, uint32_t ring, uint64_t fence_id, double seconds);
	/* After fence_watch_close: its storage is the caller's again. */
	void (*closed)(void *data);
};

struct fence_watch {
	const struct fence_watch_callbacks *callbacks;
	void *data;
	const bool *paused;
	uint64_t time_ms;
	uv_timer_t timer;
	uint64_t now; /* beats so far */
	unsigned beats[FENCE_TIMELINES_COUNT]; /* without a fence */
	struct list pending; /* oldest first */
};

/*
 * time_ms: 0: nothing is watched. *paused: the machine stands still, and no time passes; it must
 * outlive the watch.
 */
void fence_watch_init(struct fence_watch *watch, uv_loop_t *loop, uint64_t time_ms,
		      const bool *paused, const struct fence_watch_callbacks *callbacks,
		      void *data);

/* Nothing is watched any more. */
void fence_watch_stop(struct fence_watch *watch);

/* Once, last of all; closed follows. */
void fence_watch_close(struct fence_watch *watch);

/* A fence is made. 0, or -ENOMEM: it is not watched. */
int fence_watch_add(struct fence_watch *watch, uint32_t ring, uint64_t fence_id);

/* The oldest fence of a ring has come; false: there is none. */
bool fence_watch_take(struct fence_watch *watch, uint32_t ring);

#endif
