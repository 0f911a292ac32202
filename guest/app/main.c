/* SPDX-License-Identifier: MIT */
/*
 * The frame loop of every hesper-* program: take a canvas that nobody reads, let the GPU draw, and
 * when it is done show it. The GPU is given the next frame before the loop waits for the one at
 * hand, so that it never idles while a flip is on its way.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "draw.h"
#include "picture.h"

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = 1;
}

/* Without SA_RESTART, so that waiting for a flip ends. */
static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* Sleeps until *next, unless it has passed, and moves it on by one frame. */
static void keep_pace(int64_t *next, double rate)
{
	int64_t now = report_now_ns();
	struct timespec until = {*next / 1000000000, *next % 1000000000};

	if (now < *next) {
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		now = *next;
	}
	*next = now + (int64_t)(1e9 / rate);
}

/* A frame between its submission and its showing. */
struct flight {
	bool active, check;
	uint64_t frame;
	struct canvas canvas;
	struct draw_slot *slot;
};

static int start_frame(struct draw *draw, struct present *present, const struct options *opts,
		       uint64_t n, struct flight *flight)
{
	bool last = opts->frames && n + 1 == opts->frames;
	int ret = present->ops->acquire(present, &flight->canvas);

	if (ret < 0) {
		return ret;
	}
	flight->frame = opts->still >= 0 ? (uint64_t)opts->still : n;
	flight->check = opts->check_every && (n % opts->check_every == 0 || last);
	flight->slot = &draw->slots[n % DRAW_SLOTS];
	/* Which frame is the last is not known in advance if a signal ends the program. */
	ret = draw_submit(draw, flight->slot, present, &flight->canvas, flight->frame,
			  flight->check || (opts->png && (last || !opts->frames)));
	flight->active = ret == 0;
	if (ret == 0 && present->ops->show_early) {
		ret = present->ops->show(present, &flight->canvas);
	}
	return ret;
}

static int finish_frame(struct draw *draw, struct present *present, struct flight *flight)
{
	int ret;

	if (!flight->active) {
		return 0;
	}
	flight->active = false;
	ret = draw_wait(draw, flight->slot);
	if (ret == 0 && flight->check) {
		draw_check(draw, flight->slot, flight->frame);
	}
	if (ret == 0 && !present->ops->show_early) {
		ret = present->ops->show(present, &flight->canvas);
	}
	return ret;
}

/* Draws frames from *frame on; *frame is then the next one. -ESTALE: the screens changed. */
static int run(struct draw *draw, struct present *present, const struct options *opts,
	       uint64_t *frame)
{
	struct flight flights[2] = {{.active = false}};
	int64_t next = report_now_ns();
	struct draw_slot *last = NULL;
	int ret = 0;

	for (; !stopped && ret == 0 && (!opts->frames || *frame < opts->frames); ++*frame) {
		uint64_t n = *frame;

		if (present->pace > 0) {
			keep_pace(&next, present->pace);
		}
		ret = start_frame(draw, present, opts, n, &flights[n % 2]);
		if (ret == 0) {
			last = flights[n % 2].slot;
			ret = finish_frame(draw, present, &flights[(n + !present->one_by_one) % 2]);
		}
	}
	if (ret == -ESTALE) {
		/* That one was not drawn; what is on its way is for a screen of the past. */
		--*frame;
		return stopped ? 0 : ret;
	}
	for (unsigned i = 0; i < 2 && ret == 0; i++) {
		ret = finish_frame(draw, present, &flights[i]);
	}
	if (ret == 0 && present->ops->drain) {
		ret = present->ops->drain(present);
	}
	if (ret == -EINTR) {
		ret = 0;
	}
	if (ret == 0 && opts->png && last) {
		ret = picture_write(opts->png, last->pixels.map, draw->width, draw->height);
	}
	return ret;
}

static struct present *create_present(struct vk *vk, const struct options *opts,
				      struct report *report)
{
	switch (opts->wsi) {
	case WSI_DIRECT:
		return present_direct_create(vk, opts, report);
	case WSI_DISPLAY:
		return present_display_create(vk, opts, report);
	case WSI_HEADLESS:
		return present_headless_create(vk, opts, report);
	}
	return NULL;
}

static void say_start(const struct report *report, const struct draw *draw)
{
	fprintf(stderr, "%s: %ux%u", report->app, report->width, report->height);
	if (report->refresh > 0) {
		fprintf(stderr, " at %.2f Hz", report->refresh);
	}
	fprintf(stderr, ", %s: %s", report->wsi, report->path);
	if (report->stride) {
		fprintf(stderr, ", stride %u", report->stride);
	}
	fprintf(stderr, ", %u sample%s, %s\n", draw->samples, draw->samples > 1 ? "s" : "",
		report->device);
}

static int draw_frames(struct vk *vk, const struct options *opts, struct report *report,
		       uint64_t *frame)
{
	const struct scene_ops *ops = opts->pattern ? &pattern_scene : &app_scene;
	struct present *present = create_present(vk, opts, report);
	struct draw draw = {0};
	int ret;

	if (!present) {
		return stopped ? 0 : -EIO;
	}
	ret = draw_init(&draw, vk, ops, present->width, present->height, opts);
	if (ret == 0) {
		say_start(report, &draw);
		ret = run(&draw, present, opts, frame);
	}
	draw_finish(&draw);
	present->ops->destroy(present);
	return ret;
}

int main(int argc, char **argv)
{
	struct options opts;
	struct report report;
	struct vk vk;
	uint64_t frame = 0;
	int ret = options_parse(&opts, app_name, argc, argv);

	if (ret <= 0) {
		return ret < 0 ? 2 : 0;
	}
	catch_signals();
	report_init(&report, app_name, options_wsi_name(opts.wsi));
	ret = vk_init(&vk, opts.wsi, &report);
	if (ret == 0) {
		ret = draw_frames(&vk, &opts, &report, &frame);
		while (ret == -ESTALE) {
			report.screen_changes++;
			ret = draw_frames(&vk, &opts, &report, &frame);
		}
		vk_finish(&vk);
	}
	if (opts.json && report_write(&report, opts.json) < 0) {
		ret = -EIO;
	}
	ret = ret < 0 || report.mismatches > 0 ? 1 : 0;
	report_finish(&report);
	return ret;
}
