/* SPDX-License-Identifier: MIT */
#include "view/view.h"

#include <string.h>

#include "util/clock.h"
#include "util/counters.h"
#include "util/log.h"

/*
 * Which consoles have a screen: those that were chosen, as long as the guest sees a monitor there
 * and the user has not closed them. The last screen stays, dark if need be: without any nobody
 * could end the viewer. Windows wait hidden until the machine shows a first picture anywhere.
 */

/* A display may hold up the drawing for so long: less, if others wait, too. */
#define ALONE_NS (4 * CLOCK_NS_PER_MS)
#define AMONG_OTHERS_NS CLOCK_NS_PER_MS

/* For an output that is connected without having had a size. */
#define OUTPUT_WIDTH 1280
#define OUTPUT_HEIGHT 800

static bool is_chosen(const struct view *view, const struct console *console)
{
	if (view->options.consoles != 0) {
		return (view->options.consoles & (1u << console->id)) != 0;
	}
	return console->info.graphic;
}

static bool is_wanted(const struct view *view, const struct console *console)
{
	return console->known && is_chosen(view, console) && console->info.enabled &&
	       !console->closed;
}

static unsigned count_screens(const struct view *view)
{
	unsigned count = 0;
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		count += view->consoles[i].screen != NULL;
	}
	return count;
}

static void appear(const struct view *view, const struct console *console)
{
	struct screen *screen = console->screen;
	if (view->seen && screen != NULL && screen->ops->appear != NULL) {
		screen->ops->appear(screen, console->info.width, console->info.height);
	}
}

static void fail(struct view *view)
{
	view->failed = true;
	view->done = true;
}

static void arrange(struct view *view)
{
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		struct console *console = &view->consoles[i];
		if (console->screen == NULL && is_wanted(view, console)) {
			if (!console_open(console)) {
				fail(view);
				return;
			}
			appear(view, console);
		}
	}
	unsigned count = count_screens(view);
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES && count > 1; i++) {
		struct console *console = &view->consoles[i];
		if (console->screen != NULL && !is_wanted(view, console)) {
			console_close(console);
			count--;
		}
	}
}

/* ---- the user ---- */

static void on_monitor(void *data, unsigned console, const struct display_monitor *monitor)
{
	struct view *view = data;
	log_debug("console %u: %ux%u, %ux%u mm, %u mHz", console, monitor->width, monitor->height,
		  monitor->width_mm, monitor->height_mm, monitor->refresh_mhz);
	view_bus_monitor(view->shared.bus, console, monitor);
}

static void on_close(void *data, unsigned console)
{
	struct view *view = data;
	if (count_screens(view) <= 1) {
		view->done = true;
		return;
	}
	const struct display_monitor none = {0};
	on_monitor(view, console, &none);
	view->consoles[console].closed = true;
	arrange(view);
}

static void on_input(void *data, unsigned console, const struct display_input *input)
{
	struct view *view = data;
	view_bus_input(view->shared.bus, console, input);
}

static void on_add_output(void *data)
{
	struct view *view = data;
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		struct console *console = &view->consoles[i];
		if (!console->known || !console->info.graphic || console->screen != NULL) {
			continue;
		}
		const struct option_size *size = &view->options.size;
		const struct display_monitor monitor = {
			.width = size->width != 0      ? size->width
				 : console->width != 0 ? console->width
						       : OUTPUT_WIDTH,
			.height = size->height != 0      ? size->height
				  : console->height != 0 ? console->height
							 : OUTPUT_HEIGHT};
		if (view->options.consoles != 0) {
			view->options.consoles |= 1u << i;
		}
		console->closed = false;
		on_monitor(view, i, &monitor);
		arrange(view);
		return;
	}
	log_warn("the machine has no output without a window");
}

static void on_capture(void *data)
{
	view_capture(data);
}

static void on_quit(void *data)
{
	struct view *view = data;
	view->done = true;
}

const struct presenter_callbacks view_callbacks = {
	.close = on_close,
	.monitor = on_monitor,
	.input = on_input,
	.add_output = on_add_output,
	.capture = on_capture,
	.quit = on_quit,
};

/* ---- the machine ---- */

static void on_gone(struct view *view, const struct view_event *event)
{
	const struct view_options *options = &view->options;
	const char *why = strerror(-event->gone);
	view->done = true;
	view->failed |= view->stats.presented == 0;
	if (!event->connected) {
		log_error("cannot connect to %s: %s. Fix: %s; --wait SECONDS waits for it",
			  options->socket != NULL ? options->socket
			  : options->qmp != NULL  ? options->qmp
						  : options->bus,
			  why,
			  options->socket != NULL ? "start hesperd, or name its display socket"
			  : options->qmp != NULL
				  ? "start QEMU with -qmp unix:SOCKET,server=on,wait=off and "
				    "-display dbus,p2p=yes"
				  : "start QEMU with -display dbus,addr=ADDRESS");
	} else if (view->stats.presented == 0) {
		log_error("the display went before it showed anything: %s", why);
	} else {
		log_info("the display went: %s", why);
	}
}

void view_on_event(struct view *view, struct view_event *event)
{
	struct presenter *presenter = view->shared.presenter;
	if (event->connected && view_confine_connected(&view->sandbox) < 0) {
		fail(view);
		return;
	}
	if (event->restarts > 0) {
		view_restart_figures(view);
	}
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		if ((event->consoles & (1u << i)) != 0) {
			console_event(&view->consoles[i], &event->console[i]);
		}
	}
	if (event->consoles != 0) {
		arrange(view);
		for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
			console_drop_unseen(&view->consoles[i]);
		}
	}
	if (event->has_leds && presenter->ops->leds != NULL) {
		presenter->ops->leds(presenter, event->leds);
	}
	if (event->has_absolute && presenter->ops->absolute != NULL) {
		presenter->ops->absolute(presenter, event->absolute);
	}
	view_draw(view);
	if (event->captures > 0) {
		view_write_now(view);
	}
	if (event->gone < 0) {
		on_gone(view, event);
	}
	view->done |= event->quit;
}

/* ---- drawing ---- */

static void count_presented(struct view *view, struct console *console, uint64_t arrived_ns)
{
	uint64_t now = clock_now_ns();
	stats_presented(&view->stats, console->presented_ns, arrived_ns, now);
	counter_add(COUNTER_FRAMES_PRESENTED, 1);
	console->presented_ns = now;
	console->presented++;
	uint64_t presented = view->stats.presented;
	if (view->options.screenshot != NULL && presented == view->options.screenshot_at) {
		view_capture(view);
		view->captured = true;
	}
	if (view->options.frames != 0 && presented >= view->options.frames) {
		view->done = true;
	}
	if (!view->seen) {
		view->seen = true;
		for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
			appear(view, &view->consoles[i]);
		}
	}
}

void view_draw(struct view *view)
{
	unsigned busy = 0;
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		busy += console_has_work(&view->consoles[i]);
	}
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES && !view->done; i++) {
		struct console *console = &view->consoles[i];
		uint64_t arrived_ns;
		switch (console_draw(console, busy > 1 ? AMONG_OTHERS_NS : ALONE_NS, &arrived_ns)) {
		case CONSOLE_PRESENTED:
			count_presented(view, console, arrived_ns);
			break;
		case CONSOLE_FAILED:
			fail(view);
			break;
		case CONSOLE_NOTHING:
		case CONSOLE_REDRAWN:
			break;
		}
	}
}

uint64_t view_due_ns(struct view *view)
{
	uint64_t due = view_tick_due_ns(view);
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		uint64_t own = console_due_ns(&view->consoles[i]);
		due = own < due ? own : due;
	}
	return due;
}
