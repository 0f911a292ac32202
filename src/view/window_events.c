/* SPDX-License-Identifier: MIT */
#include "util/clock.h"
#include "util/log.h"
#include "view/window.h"

static const char *const scale_names[VIEW_SCALES] = {"fit", "integer", "1:1"};
static const char *const filter_names[VIEW_FILTERS] = {"auto", "nearest", "linear"};

static bool is_full_screen(const struct window *window)
{
	return (SDL_GetWindowFlags(window->sdl) & SDL_WINDOW_FULLSCREEN) != 0;
}

static void one_to_one(struct window *window)
{
	if (window->width == 0) {
		return;
	}
	SDL_SetWindowFullscreen(window->sdl, false);
	SDL_RestoreWindow(window->sdl);
	SDL_SyncWindow(window->sdl);
	window_fit(window, window->width, window->height);
}

void window_action(struct window *window, enum view_action action)
{
	const struct presenter_callbacks *callbacks = window->windows->callbacks;
	switch (action) {
	case VIEW_ACTION_FULL_SCREEN:
		SDL_SetWindowFullscreen(window->sdl, !is_full_screen(window));
		break;
	case VIEW_ACTION_SCALE:
		window->scale = (window->scale + 1) % VIEW_SCALES;
		log_info("scale: %s", scale_names[window->scale]);
		window->redraw = true;
		break;
	case VIEW_ACTION_FILTER:
		window->filter = (window->filter + 1) % VIEW_FILTERS;
		log_info("filter: %s", filter_names[window->filter]);
		window->redraw = true;
		break;
	case VIEW_ACTION_ONE_TO_ONE:
		one_to_one(window);
		break;
	case VIEW_ACTION_ADD_OUTPUT:
		callbacks->add_output(callbacks->data);
		break;
	case VIEW_ACTION_REMOVE_OUTPUT:
		callbacks->close(callbacks->data, window->base.console);
		break;
	case VIEW_ACTION_SCREENSHOT:
		callbacks->capture(callbacks->data);
		break;
	case VIEW_ACTION_QUIT:
		callbacks->quit(callbacks->data);
		break;
	}
}

void window_event(struct window *window, const SDL_Event *event)
{
	const struct presenter_callbacks *callbacks = window->windows->callbacks;
	struct view_window_info info = window_info(window);
	switch (event->type) {
	case SDL_EVENT_WINDOW_PIXEL_SIZE_CHANGED:
		window->swapchain.stale = true;
		window->redraw = true;
		window_changed(window);
		break;
	case SDL_EVENT_WINDOW_DISPLAY_CHANGED:
	case SDL_EVENT_WINDOW_DISPLAY_SCALE_CHANGED:
		window_changed(window);
		break;
	case SDL_EVENT_WINDOW_EXPOSED:
	case SDL_EVENT_WINDOW_SHOWN:
	case SDL_EVENT_WINDOW_RESTORED:
		window->redraw = true;
		break;
	case SDL_EVENT_WINDOW_CLOSE_REQUESTED:
		callbacks->close(callbacks->data, window->base.console);
		return; /* it may be gone */
	default:
		break;
	}
	view_input_event(window->windows->input, &info, event);
}

void window_tick(struct window *window, uint64_t now_ns)
{
	const struct presenter_callbacks *callbacks = window->windows->callbacks;
	struct display_monitor monitor;
	if (resize_take(&window->resize, now_ns, &monitor)) {
		callbacks->monitor(callbacks->data, window->base.console, &monitor);
	}
}
