/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_SURFACE_H
#define HESPER_VIEW_SURFACE_H

#include <SDL3/SDL.h>
#include <stdbool.h>
#include <xcb/xcb.h>

#include "view/vk.h"

/* What Vulkan draws a window's pictures onto. Main thread. */
struct surface {
	VkSurfaceKHR handle;
};

/*
 * Of a window that stays until surface_finish. Makes vk's instance if there is none, and *x11, which
 * all surfaces share, on X11; who has it disconnects it after the last surface. False after words in
 * the log; *surface is then to be finished all the same.
 */
bool surface_init(struct surface *surface, struct vk *vk, xcb_connection_t **x11,
		  SDL_Window *window);

/* No swapchain uses it any more. */
void surface_finish(struct surface *surface, struct vk *vk);

#endif
