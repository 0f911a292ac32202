/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_RESIZE_H
#define HESPER_VIEW_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "display/input.h"

/*
 * Between a window that is dragged and a guest that follows: decides when the guest is told, and
 * whether the window follows the guest. Logic only: the clock is the caller's (CLOCK_MONOTONIC,
 * ns). One per window, main thread.
 *
 * - The last size is always told, as soon as the window rests: after RESIZE_REST_MIN_NS, or, when
 *   it changes again and again, twice the usual time between that, up to RESIZE_REST_MAX_NS.
 * - While it does not rest, at most one in RESIZE_STEP_NS is told.
 * - Never more than RESIZE_BURST at once and then one in RESIZE_REFILL_NS, however it is dragged:
 *   in 10 s at most 12 times.
 */
#define RESIZE_REST_MIN_NS 100000000ull
#define RESIZE_REST_MAX_NS 250000000ull
#define RESIZE_AGAIN 4 /* changes without a pause of RESIZE_PAUSE_NS */
#define RESIZE_PAUSE_NS 500000000ull
#define RESIZE_STEP_NS 1000000000ull
#define RESIZE_BURST 4
#define RESIZE_REFILL_NS 1250000000ull

/* So long a guest may take to do as told; a size it shows meanwhile is on the way there. */
#define RESIZE_FLIGHT_NS 3000000000ull

struct resize {
	struct display_monitor told; /* what the guest was told, or has by itself */
	struct display_monitor wanted;
	bool pending;  /* wanted is to be told */
	uint64_t began_ns; /* this drag */
	uint64_t changed_ns; /* wanted changed last */
	unsigned changes; /* of this drag */
	uint64_t gap_ns; /* usual time between them; 0: not known */
	uint64_t told_ns; /* 0: never */
	bool flying;  /* told, and not seen yet */
	uint64_t credit_ns; /* RESIZE_REFILL_NS pay for telling once */
	uint64_t credited_ns;
};

void resize_init(struct resize *resize, uint64_t now_ns);

/* The window's monitor is so now. Nothing happens when that is what the guest has. */
void resize_want(struct resize *resize, const struct display_monitor *monitor, uint64_t now_ns);

/* Whether the guest is to be told now; if so, of what. */
bool resize_take(struct resize *resize, uint64_t now_ns, struct display_monitor *out);

/* When resize_take has to be asked; UINT64_MAX: not before the next resize_want. */
uint64_t resize_due_ns(const struct resize *resize);

/* The guest has this monitor already: it is not told. */
void resize_accept(struct resize *resize, const struct display_monitor *monitor);

/*
 * The guest shows pictures of this size from now on. True when it chose that itself: then the
 * window should take it on, and resize_accept what it is then.
 */
bool resize_guest(struct resize *resize, uint32_t width, uint32_t height, uint64_t now_ns);

#endif
