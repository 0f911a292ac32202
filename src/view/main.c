/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/counters.h"
#include "view/bus.h"
#include "view/capture.h"
#include "view/options.h"
#include "view/presenter.h"
#include "view/stats.h"
#include "view/summary.h"

/* hesper-view: takes the newest picture, shows it, answers that it was read, counts. */

struct view {
	struct view_options options;
	struct vk vk;
	struct presenter *presenter;
	struct view_bus *bus;
	struct source_cache sources;
	struct stats stats;
	struct frame shown; /* with a reference; memory NULL while nothing is shown */
	uint32_t width;  /* of the last picture, also when nothing is shown any more */
	uint32_t height;
	const struct format *format;
	uint64_t dropped_before; /* counts when the figures last began, see restart() */
	uint64_t copied_before;
	bool captured;  /* at --screenshot-at: no other one at the end */
	bool done;
	bool failed;
};

static void capture(struct view *view)
{
	const struct picture *picture = view->presenter->ops->picture(view->presenter);
	if (view->options.screenshot == NULL || picture == NULL) {
		log_warn("no screenshot: %s", picture == NULL
						      ? "nothing was shown"
						      : "--screenshot FILE.png was not given");
		return;
	}
	view->failed |= !capture_write(&view->vk, picture, view->options.screenshot);
}

static enum presenter_result show(struct view *view, const struct frame *frame)
{
	struct source *source = source_cache_get(&view->sources, frame);
	if (source == NULL) {
		return PRESENTER_SKIPPED;
	}
	source_refresh(source, frame);
	enum presenter_result result = view->presenter->ops->show(view->presenter, source, frame);
	if (result == PRESENTER_FAILED) {
		view->failed = true;
		view->done = true;
	}
	return result;
}

static void remember(struct view *view, const struct frame *frame)
{
	memory_unref(view->shown.memory);
	view->shown = *frame;
	if (frame->memory != NULL) {
		view->width = frame->width;
		view->height = frame->height;
		view->format = frame->format;
	}
}

static void count_shown(struct view *view, uint64_t arrived_ns)
{
	stats_presented(&view->stats, arrived_ns, clock_now_ns());
	counter_add(COUNTER_FRAMES_PRESENTED, 1);
	uint64_t presented = view->stats.presented;
	if (view->options.screenshot != NULL && presented == view->options.screenshot_at) {
		capture(view);
		view->captured = true;
	}
	if (view->options.frames != 0 && presented >= view->options.frames) {
		view->done = true;
	}
}

static void on_update(struct view *view, struct view_event *event)
{
	enum presenter_result result = show(view, &event->frame);
	view_bus_answer(view->bus, event->update);
	remember(view, &event->frame);
	if (result == PRESENTER_SHOWN) {
		count_shown(view, event->arrived_ns);
	}
}

static void on_gone(struct view *view, const struct view_event *event)
{
	const char *why = strerror(-event->gone);
	view->done = true;
	view->failed |= view->stats.presented == 0;
	if (!event->connected) {
		log_error("cannot connect to the display %s: %s. Fix: start hesperd, or name its "
			  "display socket; --wait SECONDS waits for it",
			  view->options.socket, why);
	} else if (view->stats.presented == 0) {
		log_error("the display went before it showed anything: %s", why);
	} else {
		log_info("the display went: %s", why);
	}
}

/* The figures begin now: what was shown before is not what is to be measured. */
static void restart(struct view *view)
{
	view->stats = (struct stats){0};
	view->dropped_before = view_bus_dropped(view->bus);
	view->copied_before = counter_read(COUNTER_CPU_COPIED_BYTES);
}

static void on_event(struct view *view, struct view_event *event)
{
	const struct presenter_ops *ops = view->presenter->ops;
	if (event->restarts > 0) {
		restart(view);
	}
	if (event->has_cursor) {
		if (ops->cursor != NULL) {
			ops->cursor(view->presenter, &event->cursor);
		}
		free(event->cursor.pixels);
	}
	if (event->disabled) {
		remember(view, &(struct frame){0});
		source_cache_clear(&view->sources);
		if (ops->blank != NULL) {
			ops->blank(view->presenter);
		}
	}
	if (event->has_update) {
		on_update(view, event);
	}
	if (event->captures > 0) {
		capture(view);
	}
	if (event->gone < 0) {
		on_gone(view, event);
	}
	view->done |= event->quit;
}

/* The window changed: what it shows must be drawn again, unless a new picture just was. */
static void redraw(struct view *view, bool drawn)
{
	const struct presenter_ops *ops = view->presenter->ops;
	if (ops->redraw == NULL || !ops->redraw(view->presenter) || drawn) {
		return;
	}
	if (view->shown.memory != NULL) {
		show(view, &view->shown);
	} else if (ops->blank != NULL) {
		ops->blank(view->presenter);
	}
}

static struct summary summarize(struct view *view)
{
	return (struct summary){.stats = &view->stats,
				.vk = &view->vk,
				.dropped = view_bus_dropped(view->bus) - view->dropped_before,
				.copied = counter_read(COUNTER_CPU_COPIED_BYTES) -
					  view->copied_before,
				.path = view->sources.worst,
				.width = view->width,
				.height = view->height,
				.format = view->format};
}

static void tick(struct view *view)
{
	const struct presenter_ops *ops = view->presenter->ops;
	if (!stats_tick(&view->stats, clock_now_ns())) {
		return;
	}
	if (view->options.status_fd != 0) {
		struct summary summary = summarize(view);
		summary_status(&summary, (int)view->options.status_fd);
	}
	if (ops->status != NULL && view->width > 0) {
		ops->status(view->presenter, view->width, view->height, view->stats.live_fps);
	}
}

static void run(struct view *view)
{
	const struct presenter_ops *ops = view->presenter->ops;
	tick(view);
	while (!view->done) {
		struct view_event event;
		if (!ops->wait(view->presenter, view->bus, stats_next_tick(&view->stats))) {
			view->done = true;
		}
		view_bus_take(view->bus, &event);
		on_event(view, &event);
		redraw(view, event.has_update);
		tick(view);
	}
}

static void finish(struct view *view)
{
	if (view->options.screenshot != NULL && !view->captured) {
		capture(view);
	}
	if (view->options.summary != NULL) {
		struct summary summary = summarize(view);
		view->failed |= !summary_write(&summary, view->options.summary);
	}
	view_bus_stop(view->bus);
	memory_unref(view->shown.memory);
	source_cache_clear(&view->sources);
	view->presenter->ops->destroy(view->presenter);
	vk_finish(&view->vk);
}

static int list_devices(struct view *view)
{
	bool right = vk_init_instance(&view->vk, NULL, 0) && vk_list_devices(&view->vk);
	vk_finish(&view->vk);
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct view view;
	enum log_level level = LOG_WARN;
	int r = view_options_parse(&view.options, argc, argv);
	if (r < 0) {
		return r == -ECANCELED ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	log_parse_level(view.options.log, &level);
	log_init("hesper-view", level);
	signal(SIGPIPE, SIG_IGN);
	if (view.options.list_devices) {
		return list_devices(&view);
	}
	view.presenter = view.options.headless ? present_headless_create(&view.vk, &view.options)
					       : present_window_create(&view.vk, &view.options);
	if (view.presenter == NULL) {
		vk_finish(&view.vk);
		return EXIT_FAILURE;
	}
	source_cache_init(&view.sources, &view.vk);
	const struct view_bus_options bus = {.socket = view.options.socket,
					     .console = view.options.consoles == 0
							    ? 0
							    : (unsigned)__builtin_ctz(
								      view.options.consoles),
					     .wait_s = view.options.wait_s,
					     .wake = view.presenter->ops->wake,
					     .data = view.presenter};
	r = view_bus_start(&bus, &view.bus);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	run(&view);
	finish(&view);
	return view.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
