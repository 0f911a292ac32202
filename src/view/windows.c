/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "util/clock.h"
#include "util/log.h"
#include "view/sdl.h"
#include "view/window.h"

/*
 * THEORY OF OPERATION
 *
 * SDL makes the windows and their events, Vulkan all the drawing; no renderer of SDL is made, so
 * no GL library is ever loaded. All windows share one Vulkan device, one queue and the imported
 * buffers; each has a surface and a swapchain. Nothing is put into the queue that would wait there
 * for a display (swapchain.c), so a window that nobody sees holds up no other.
 */

static struct window *find(struct windows *windows, const SDL_Window *sdl)
{
	struct list *item;
	list_for_each (item, &windows->list) {
		struct window *window = container_of(item, struct window, link);
		if (window->sdl == sdl) {
			return window;
		}
	}
	return NULL;
}

static struct window *find_console(struct windows *windows, unsigned console)
{
	struct list *item;
	list_for_each (item, &windows->list) {
		struct window *window = container_of(item, struct window, link);
		if (window->base.console == console) {
			return window;
		}
	}
	return NULL;
}

static struct screen *open_window(struct presenter *presenter, unsigned console,
				  const struct view_console_info *info)
{
	struct windows *windows = container_of(presenter, struct windows, base);
	struct window *window = windows->spare != NULL ? windows->spare : window_create(windows);
	windows->spare = NULL;
	if (window == NULL) {
		return NULL;
	}
	VkBool32 presents = VK_FALSE;
	vkGetPhysicalDeviceSurfaceSupportKHR(windows->vk->physical, windows->vk->family,
					     window->surface.handle, &presents);
	if (!presents) {
		log_error("%s cannot present to another window",
			  windows->vk->properties.deviceName);
		window_destroy(window);
		return NULL;
	}
	window->base.console = console;
	window->tells = info->has_monitor;
	list_append(&windows->list, &window->link);
	return &window->base;
}

static void on_event(struct windows *windows, const SDL_Event *event)
{
	if (event->type == SDL_EVENT_QUIT) {
		windows->callbacks->quit(windows->callbacks->data);
		return;
	}
	struct window *window = find(windows, SDL_GetWindowFromEvent(event));
	if (window != NULL) {
		window_event(window, event);
	}
	if (windows->hot_key.asked) {
		windows->hot_key.asked = false;
		window = find_console(windows, windows->hot_key.console);
		if (window != NULL) {
			window_action(window, windows->hot_key.action);
		}
	}
}

/* Until when there is nothing to do but to wait. */
static uint64_t deadline(const struct windows *windows, uint64_t until_ns)
{
	struct list *item;
	until_ns = windows->hushed ? 0 : until_ns;
	list_for_each (item, &windows->list) {
		const struct window *window = container_of(item, struct window, link);
		uint64_t due = resize_due_ns(&window->resize);
		until_ns = due < until_ns ? due : until_ns;
		until_ns = window->redraw ? 0 : until_ns;
	}
	return until_ns;
}

static void set_woken(struct windows *windows, bool woken)
{
	pthread_mutex_lock(&windows->wake_lock);
	windows->woken = woken;
	pthread_mutex_unlock(&windows->wake_lock);
}

void windows_hush(struct windows *windows)
{
	set_woken(windows, true);
	windows->hushed = true;
}

static void wait_for_event(struct presenter *presenter, struct view_bus *bus, uint64_t until_ns)
{
	struct windows *windows = container_of(presenter, struct windows, base);
	uint64_t now = clock_now_ns();
	until_ns = deadline(windows, until_ns);
	uint64_t ns = until_ns > now ? until_ns - now : 0;
	SDL_Event event;
	/* Below 0: without end. */
	bool more = SDL_WaitEventTimeout(
		&event, until_ns == UINT64_MAX
				? -1
				: (Sint32)((ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS));
	while (more) {
		on_event(windows, &event);
		more = SDL_PollEvent(&event);
	}
	/* Cleared before the bus is looked at: what comes from now on wakes the next wait. */
	set_woken(windows, false);
	windows->hushed = false;
	now = clock_now_ns();
	struct list *item;
	list_for_each (item, &windows->list) {
		window_tick(container_of(item, struct window, link), now);
	}
}

static void wake(void *presenter)
{
	struct windows *windows = container_of(presenter, struct windows, base);
	pthread_mutex_lock(&windows->wake_lock);
	if (!windows->woken) {
		SDL_Event event = {.type = windows->wake_event};
		SDL_PushEvent(&event);
		windows->woken = true;
	}
	pthread_mutex_unlock(&windows->wake_lock);
}

static void set_cursor(struct presenter *presenter, unsigned console,
		       const struct view_cursor *cursor)
{
	struct windows *windows = container_of(presenter, struct windows, base);
	struct window *window = find_console(windows, console);
	view_input_cursor(windows->input, console, cursor);
	if (window != NULL && windows->options->cursor == VIEW_CURSOR_DRAW) {
		window->redraw = true;
	}
}

static void set_leds(struct presenter *presenter, uint32_t leds)
{
	view_input_leds(container_of(presenter, struct windows, base)->input, leds);
}

static void set_absolute(struct presenter *presenter, bool absolute)
{
	view_input_absolute(container_of(presenter, struct windows, base)->input, absolute);
}

static void destroy(struct presenter *presenter)
{
	struct windows *windows = container_of(presenter, struct windows, base);
	view_input_destroy(windows->input);
	if (windows->spare != NULL) {
		window_destroy(windows->spare);
	}
	if (windows->x11 != NULL) {
		xcb_disconnect(windows->x11);
	}
	SDL_Quit();
	pthread_mutex_destroy(&windows->wake_lock);
	free(windows);
}

static const struct presenter_ops ops = {
	.open = open_window,
	.wait = wait_for_event,
	.wake = wake,
	.cursor = set_cursor,
	.leds = set_leds,
	.absolute = set_absolute,
	.destroy = destroy,
};

static void send_input(void *data, unsigned console, const struct display_input *input)
{
	struct windows *windows = data;
	windows->callbacks->input(windows->callbacks->data, console, input);
}

static void on_hot_key(void *data, unsigned console, enum view_action action)
{
	struct windows *windows = data;
	windows->hot_key.asked = true;
	windows->hot_key.console = console;
	windows->hot_key.action = action;
}

static void on_hint(void *data, unsigned console)
{
	struct window *window = find_console(data, console);
	if (window != NULL) {
		window_title(window);
	}
}

static bool start(struct windows *windows)
{
	const struct view_options *options = windows->options;
	const struct view_input_options input = {.pointer = (enum view_pointer)options->pointer,
						 .cursor = (enum view_cursor_mode)options->cursor,
						 .grab = options->grab,
						 .send = send_input,
						 .action = on_hot_key,
						 .hint_changed = on_hint,
						 .data = windows};
	if (!sdl_start()) {
		return false;
	}
	windows->wake_event = SDL_RegisterEvents(1);
	windows->input = view_input_create(&input);
	if (windows->input == NULL) {
		log_error("out of memory");
		return false;
	}
	windows->spare = window_create(windows);
	return windows->spare != NULL &&
	       vk_init_device(windows->vk, options->device, windows->spare->surface.handle);
}

struct presenter *present_windows_create(struct vk *vk, const struct view_options *options,
					 const struct presenter_callbacks *callbacks)
{
	struct windows *windows = calloc(1, sizeof(*windows));
	if (windows == NULL) {
		log_error("out of memory");
		return NULL;
	}
	windows->base.ops = &ops;
	windows->vk = vk;
	windows->options = options;
	windows->callbacks = callbacks;
	list_init(&windows->list);
	pthread_mutex_init(&windows->wake_lock, NULL);
	if (!start(windows)) {
		destroy(&windows->base);
		return NULL;
	}
	return &windows->base;
}
