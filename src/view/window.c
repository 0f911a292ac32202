/* SPDX-License-Identifier: MIT */
#include "view/window.h"

#include <stdlib.h>

#include "util/clock.h"
#include "util/log.h"

#define HIDDEN_WIDTH 1280
#define HIDDEN_HEIGHT 800

void window_title(struct window *window)
{
	char title[256];
	struct windows *windows = window->windows;
	bool several = windows->list.next != windows->list.prev;
	const char *hint = view_input_hint(windows->input, window->base.console);
	int length = SDL_snprintf(title, sizeof(title), "%s", windows->options->title);
	size_t at = (size_t)length;
	if (several && at < sizeof(title)) {
		at += (size_t)SDL_snprintf(title + at, sizeof(title) - at, " [%u]",
					   window->base.console);
	}
	if (window->width != 0 && at < sizeof(title)) {
		at += (size_t)SDL_snprintf(title + at, sizeof(title) - at, " — %ux%u — %.1f fps",
					   window->width, window->height, window->fps);
	}
	if (hint != NULL && at < sizeof(title)) {
		SDL_snprintf(title + at, sizeof(title) - at, " — %s", hint);
	}
	SDL_SetWindowTitle(window->sdl, title);
}

struct view_window_info window_info(const struct window *window)
{
	struct view_window_info info = {.console = window->base.console,
					.window = window->sdl,
					.width = window->width,
					.height = window->height,
					.density = window_density(window)};
	uint32_t width;
	uint32_t height;
	if (window->width != 0 && window_size(window, &width, &height)) {
		info.placement =
			placement_of(window->width, window->height, width, height, window->scale);
	}
	return info;
}

static const struct picture *last_picture(struct screen *screen)
{
	struct window *window = container_of(screen, struct window, base);
	return window->picture_valid ? &window->picture : NULL;
}

static bool take_redraw(struct screen *screen)
{
	struct window *window = container_of(screen, struct window, base);
	bool redraw = window->redraw;
	window->redraw = false;
	return redraw && window->visible;
}

static void appear(struct screen *screen, uint32_t width, uint32_t height)
{
	window_appear(container_of(screen, struct window, base), width, height);
}

static void status(struct screen *screen, double fps)
{
	struct window *window = container_of(screen, struct window, base);
	window->fps = fps;
	if (window->visible) {
		window_title(window);
	}
}

static void destroy(struct screen *screen)
{
	struct window *window = container_of(screen, struct window, base);
	struct view_window_info info = window_info(window);
	view_input_window_gone(window->windows->input, &info);
	list_remove(&window->link);
	window_destroy(window);
}

static const struct screen_ops ops = {
	.show = window_show,
	.blank = window_blank,
	.picture = last_picture,
	.redraw = take_redraw,
	.appear = appear,
	.status = status,
	.destroy = destroy,
};

struct window *window_create(struct windows *windows)
{
	const struct view_options *options = windows->options;
	struct window *window = calloc(1, sizeof(*window));
	if (window == NULL) {
		log_error("out of memory");
		return NULL;
	}
	window->base.ops = &ops;
	window->windows = windows;
	window->scale = (enum view_scale)options->scale;
	window->filter = (enum view_filter)options->filter;
	list_init(&window->link);
	resize_init(&window->resize, clock_now_ns());
	window->sdl = SDL_CreateWindow(options->title, HIDDEN_WIDTH, HIDDEN_HEIGHT,
				       SDL_WINDOW_VULKAN | SDL_WINDOW_RESIZABLE |
					       SDL_WINDOW_HIDDEN | SDL_WINDOW_HIGH_PIXEL_DENSITY);
	if (window->sdl == NULL) {
		log_error("no window: %s", SDL_GetError());
	}
	if (window->sdl == NULL ||
	    !surface_init(&window->surface, windows->vk, &windows->x11, window->sdl)) {
		window_destroy(window);
		return NULL;
	}
	window->swapchain.vk = windows->vk;
	window->swapchain.surface = window->surface.handle;
	window->swapchain.wanted = (enum view_present)options->present;
	return window;
}

void window_destroy(struct window *window)
{
	struct vk *vk = window->windows->vk;
	if (vk->device != VK_NULL_HANDLE) {
		swapchain_finish(&window->swapchain);
		picture_finish(vk, &window->picture);
		converter_finish(vk, &window->converter);
		overlay_finish(vk, &window->overlay);
	}
	/* The surface before the window. */
	surface_finish(&window->surface, vk);
	windows_hush(window->windows);
	/* Waits until the server has hidden it, and so has seen all messages to it. */
	SDL_HideWindow(window->sdl);
	SDL_DestroyWindow(window->sdl);
	free(window);
}
