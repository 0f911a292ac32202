/* SPDX-License-Identifier: MIT */
#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"
#include "view/capture.h"
#include "view/summary.h"
#include "view/view.h"

/* The lowest console with a screen, or whose picture was last there. */
static struct console *first(struct view *view)
{
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		if (view->consoles[i].screen != NULL) {
			return &view->consoles[i];
		}
	}
	return &view->consoles[0];
}

void view_capture(struct view *view)
{
	struct console *main_console = first(view);
	if (view->options.screenshot == NULL) {
		log_warn("no screenshot: --screenshot FILE.png was not given");
		return;
	}
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		struct console *console = &view->consoles[i];
		struct screen *screen = console->screen;
		const struct picture *picture =
			screen != NULL ? screen->ops->picture(screen) : NULL;
		if (picture != NULL) {
			/* The name that was given, for the first one; for others with a number. */
			uint32_t number = console == main_console ? ERRANDS_NO_NUMBER : console->id;
			view->failed |= !capture_write(&view->vk, picture, &view->errands, number);
		} else if (console == main_console) {
			log_warn("no screenshot: nothing was shown");
		}
	}
}

/* The figures begin now: what was shown before is not what is to be measured. */
void view_restart_figures(struct view *view)
{
	view->stats = (struct stats){0};
	view->dropped_before = view_bus_dropped(view->shared.bus) + view->shared.dropped;
	view->copied_before = counter_read(COUNTER_CPU_COPIED_BYTES);
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		view->consoles[i].presented = 0;
		view->consoles[i].presented_ns = 0;
		view->consoles[i].live_presented = 0;
	}
}

static struct summary summarize(struct view *view)
{
	return (struct summary){.stats = &view->stats,
				.vk = &view->vk,
				.dropped = view_bus_dropped(view->shared.bus) +
					   view->shared.dropped - view->dropped_before,
				.copied = counter_read(COUNTER_CPU_COPIED_BYTES) -
					  view->copied_before,
				.path = view->sources.worst,
				.present_mode = view->shared.presenter->present_mode,
				.consoles = view->consoles,
				.first = first(view)};
}

void view_write_now(struct view *view)
{
	if (view->options.screenshot != NULL || view->options.summary == NULL) {
		view_capture(view);
	}
	if (view->options.summary != NULL) {
		struct summary summary = summarize(view);
		summary_write(&summary, &view->errands, false);
	}
}

static void tell_screens(struct view *view, uint64_t since_ns)
{
	double seconds = (double)(clock_now_ns() - since_ns) / (double)CLOCK_NS_PER_S;
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		struct console *console = &view->consoles[i];
		struct screen *screen = console->screen;
		if (screen != NULL && screen->ops->status != NULL && seconds > 0) {
			screen->ops->status(screen,
					    (double)(console->presented - console->live_presented) /
						    seconds);
		}
		console->live_presented = console->presented;
	}
}

void view_tick(struct view *view)
{
	uint64_t since = view->stats.window_start_ns;
	uint64_t now = clock_now_ns();
	if (!stats_tick(&view->stats, now)) {
		return;
	}
	if (view->options.status_fd != 0) {
		struct summary summary = summarize(view);
		summary_status(&summary, (int)view->options.status_fd);
	}
	tell_screens(view, since);
	source_cache_prune(&view->sources, now);
}

uint64_t view_tick_due_ns(const struct view *view)
{
	const struct stats *stats = &view->stats;
	uint64_t tick = stats_next_tick(stats);
	uint64_t prune = source_cache_due_ns(&view->sources);
	bool moves = stats->presented != stats->window_presented || stats->live_fps > 0;
	if (moves || view->options.status_fd != 0) {
		return tick;
	}
	return prune < tick ? tick : prune;
}

void view_finish_report(struct view *view)
{
	if (view->options.screenshot != NULL && !view->captured) {
		view_capture(view);
	}
	if (view->options.summary != NULL) {
		struct summary summary = summarize(view);
		view->failed |= !summary_write(&summary, &view->errands, true);
	}
}
