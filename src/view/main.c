/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/trace.h"
#include "view/view.h"

static void run(struct view *view)
{
	struct presenter *presenter = view->shared.presenter;
	static struct view_event event;
	view_tick(view);
	while (!view->done) {
		presenter->ops->wait(presenter, view->shared.bus, view_due_ns(view));
		view_bus_take(view->shared.bus, &event);
		view_on_event(view, &event);
		view_tick(view);
	}
}

static void finish(struct view *view)
{
	struct presenter *presenter = view->shared.presenter;
	view_finish_report(view);
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		console_close(&view->consoles[i]);
	}
	view_bus_stop(view->shared.bus);
	source_cache_clear(&view->sources);
	presenter->ops->destroy(presenter);
	vk_finish(&view->vk);
}

static int list_devices(struct view *view)
{
	bool right = vk_init_instance(&view->vk, NULL, 0) && vk_list_devices(&view->vk);
	vk_finish(&view->vk);
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool start(struct view *view, const struct presenter_callbacks *callbacks)
{
	const struct view_options *options = &view->options;
	struct console_shared *shared = &view->shared;
	shared->presenter = options->headless
				    ? present_headless_create(&view->vk, options)
				    : present_windows_create(&view->vk, options, callbacks);
	if (shared->presenter == NULL) {
		vk_finish(&view->vk);
		return false;
	}
	source_cache_init(&view->sources, &view->vk);
	view->sources.never_import = options->import == VIEW_IMPORT_COPY;
	shared->sources = &view->sources;
	const struct view_bus_options bus = {.socket = options->socket,
					     .qmp = options->qmp,
					     .bus = options->bus,
					     .wait_s = options->wait_s,
					     .wake = shared->presenter->ops->wake,
					     .data = shared->presenter};
	int r = view_bus_start(&bus, &shared->bus);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		shared->presenter->ops->destroy(shared->presenter);
		vk_finish(&view->vk);
		return false;
	}
	for (unsigned i = 0; i < VIEW_MAX_CONSOLES; i++) {
		view->consoles[i].id = i;
		view->consoles[i].shared = shared;
		if ((options->consoles & (1u << i)) != 0) {
			/* So that one that is not there is told. */
			view_bus_listen(shared->bus, i, true);
		}
	}
	return true;
}

/* While files can be opened. */
static bool start_trace(const struct view_options *options)
{
	static const struct {
		enum trace_track track;
		const char *name;
	} tracks[] = {
		{TRACE_ARRIVE, "arrive"},   {TRACE_DISPLAY, "display"},   {TRACE_COPY, "gpu copy"},
		{TRACE_PRESENT, "present"}, {TRACE_ANSWERED, "answered"},
	};
	int error = options->trace != NULL ? trace_open(options->trace, "hesper-view") : 0;
	if (error < 0) {
		log_error("cannot write the trace %s: %s", options->trace, strerror(-error));
		return false;
	}
	for (size_t i = 0; trace_on() && i < sizeof(tracks) / sizeof(tracks[0]); i++) {
		trace_name(tracks[i].track, tracks[i].name);
	}
	trace_flush();
	return true;
}

/* The exit status. */
static int show(struct view *view)
{
	struct presenter_callbacks callbacks = view_callbacks;
	callbacks.data = view;
	bool right = start_trace(&view->options) &&
		     view_confine(&view->sandbox, &view->options, &view->errands) == 0 &&
		     start(view, &callbacks);
	if (right) {
		run(view);
		finish(view);
		right = !view->failed;
	}
	errands_finish(&view->errands);
	trace_close();
	return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct view view;
	enum log_level level = LOG_WARN;
	view = (struct view){0};
	int r = view_options_parse(&view.options, argc, argv);
	if (r < 0) {
		return r == -ECANCELED ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	log_parse_level(view.options.log, &level);
	log_init("hesper-view", level);
	signal(SIGPIPE, SIG_IGN);
	return view.options.list_devices ? list_devices(&view) : show(&view);
}
