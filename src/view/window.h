/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_WINDOW_H
#define HESPER_VIEW_WINDOW_H

#include <SDL3/SDL.h>
#include <pthread.h>

#include "util/list.h"
#include "view/input.h"
#include "view/overlay.h"
#include "view/placement.h"
#include "view/presenter.h"
#include "view/resize.h"
#include "view/surface.h"
#include "view/swapchain.h"

/* All windows: windows.c. */
struct windows {
	struct presenter base;
	struct vk *vk;
	const struct view_options *options;
	const struct presenter_callbacks *callbacks;
	struct list list;
	struct window *spare; /* hidden; by it the Vulkan device was chosen. Opened first */
	struct view_input *input;
	xcb_connection_t *x11; /* Vulkan's; NULL: not on X11 */
	struct { /* a hot-key, done when input has finished with its event */
		bool asked;
		unsigned console;
		enum view_action action;
	} hot_key;
	Uint32 wake_event;
	bool hushed; /* woken was set without an event: the next wait must not wait */
	pthread_mutex_t wake_lock; /* guards woken; held while an event is put into the queue */
	bool woken; /* an event of ours is in SDL's queue */
};

/*
 * windows.c: no thread touches a window from now on until the next wait. Before one is destroyed:
 * SDL wakes the waiting thread up by a message to one of the windows, from whatever thread pushes
 * an event, and on X11 it is the end of the process if that window is gone when it arrives.
 */
void windows_hush(struct windows *windows);

/*
 * One console's window. What it draws is in window_draw.c, sizes are in window_size.c, and what SDL
 * tells of it goes to window_events.c. Main thread.
 */
struct window {
	struct screen base;
	struct list link;
	struct windows *windows;
	SDL_Window *sdl;
	bool visible;
	bool redraw;
	enum view_scale scale;
	enum view_filter filter;

	struct surface surface;
	struct swapchain swapchain;
	struct converter converter;
	struct picture picture;
	bool picture_valid;
	struct overlay overlay;
	uint32_t width;  /* of the guest's picture; 0: none is shown */
	uint32_t height;
	double fps;

	struct resize resize;
	bool tells; /* the guest wants to know all about the monitor, not its size only */
	/* The size in window pixels that was set for a picture, and the picture's; 0: for none. */
	uint32_t fitted_width;
	uint32_t fitted_height;
	uint32_t fitted_to_width;
	uint32_t fitted_to_height;
};

/* window.c: hidden, without a console. NULL after words in the log. */
struct window *window_create(struct windows *windows);
void window_destroy(struct window *window);

/* window_size.c: window pixels to one unit of SDL's. */
float window_density(const struct window *window);

/* Its size in pixels; false while it has none. */
bool window_size(const struct window *window, uint32_t *width, uint32_t *height);

/* Becomes visible, for a picture of that size (0: none yet), if it is not. */
void window_appear(struct window *window, uint32_t width, uint32_t height);

/* The picture of the guest is another size, also 0. */
void window_picture_size(struct window *window, uint32_t width, uint32_t height);

/* As large as the picture, or as large as the screen lets it be in its shape. */
void window_fit(struct window *window, uint32_t width, uint32_t height);

/* Its size, or the monitor it is on, is another: the guest is told when that is due. */
void window_changed(struct window *window);

/* window.c */
void window_title(struct window *window);

/* What input has to know of it. */
struct view_window_info window_info(const struct window *window);

/* window_draw.c */
enum screen_result window_show(struct screen *screen, struct source *source,
			       const struct frame *frame, uint64_t timeout_ns);
enum screen_result window_blank(struct screen *screen, uint64_t timeout_ns);

/* window_events.c: an event of the window, which may be destroyed by it. */
void window_event(struct window *window, const SDL_Event *event);
void window_action(struct window *window, enum view_action action);

/* Tells the guest of what changed, if that is due. */
void window_tick(struct window *window, uint64_t now_ns);

#endif
