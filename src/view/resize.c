/* SPDX-License-Identifier: MIT */
#include "view/resize.h"

#define CREDIT_MAX_NS (RESIZE_BURST * RESIZE_REFILL_NS)

void resize_init(struct resize *resize, uint64_t now_ns)
{
	*resize = (struct resize){.credit_ns = CREDIT_MAX_NS, .credited_ns = now_ns};
}

static bool same(const struct display_monitor *a, const struct display_monitor *b)
{
	return a->width == b->width && a->height == b->height && a->width_mm == b->width_mm &&
	       a->height_mm == b->height_mm && a->refresh_mhz == b->refresh_mhz;
}

void resize_want(struct resize *resize, const struct display_monitor *monitor, uint64_t now_ns)
{
	if (same(monitor, resize->pending ? &resize->wanted : &resize->told)) {
		return;
	}
	/* Back where the guest is: nothing to tell. */
	if (same(monitor, &resize->told)) {
		resize->pending = false;
		return;
	}
	uint64_t gap = now_ns - resize->changed_ns;
	if (resize->changed_ns == 0 || gap > RESIZE_PAUSE_NS) {
		resize->changes = 0;
		resize->gap_ns = 0;
		resize->began_ns = now_ns;
	} else {
		resize->gap_ns = resize->gap_ns == 0 ? gap : (3 * resize->gap_ns + gap) / 4;
	}
	resize->changes++;
	resize->wanted = *monitor;
	resize->pending = true;
	resize->changed_ns = now_ns;
}

static uint64_t rest_ns(const struct resize *resize)
{
	uint64_t rest = resize->changes < RESIZE_AGAIN ? 0 : 2 * resize->gap_ns;
	return rest < RESIZE_REST_MIN_NS   ? RESIZE_REST_MIN_NS
	       : rest > RESIZE_REST_MAX_NS ? RESIZE_REST_MAX_NS
					   : rest;
}

/* When there is credit for as many. */
static uint64_t credit_due_ns(const struct resize *resize, unsigned times)
{
	uint64_t needed = times * RESIZE_REFILL_NS;
	return resize->credit_ns >= needed ? resize->credited_ns
					   : resize->credited_ns + (needed - resize->credit_ns);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t resize_due_ns(const struct resize *resize)
{
	if (!resize->pending) {
		return UINT64_MAX;
	}
	uint64_t resting = later(resize->changed_ns + rest_ns(resize), credit_due_ns(resize, 1));
	/* On the way: one is kept for the end. */
	uint64_t step = later(later(resize->told_ns, resize->began_ns) + RESIZE_STEP_NS,
			      credit_due_ns(resize, 2));
	return step < resting ? step : resting;
}

bool resize_take(struct resize *resize, uint64_t now_ns, struct display_monitor *out)
{
	if (now_ns < resize_due_ns(resize)) {
		return false;
	}
	uint64_t credit = resize->credit_ns + (now_ns - resize->credited_ns);
	resize->credit_ns = (credit < CREDIT_MAX_NS ? credit : CREDIT_MAX_NS) - RESIZE_REFILL_NS;
	resize->credited_ns = now_ns;
	resize->told = resize->wanted;
	resize->told_ns = now_ns;
	resize->flying = true;
	resize->pending = false;
	*out = resize->told;
	return true;
}

void resize_accept(struct resize *resize, const struct display_monitor *monitor)
{
	resize->told = *monitor;
	resize->pending = false;
	resize->flying = false;
}

bool resize_guest(struct resize *resize, uint32_t width, uint32_t height, uint64_t now_ns)
{
	if (width == resize->told.width && height == resize->told.height) {
		resize->flying = false;
		return false;
	}
	if (resize->pending || (resize->flying && now_ns - resize->told_ns < RESIZE_FLIGHT_NS)) {
		return false;
	}
	return true;
}
