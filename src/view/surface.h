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
	xcb_connection_t *x11; /* Vulkan's own; see surface.c. NULL elsewhere */
};

/*
 * Of a window that stays until surface_finish. Makes vk's instance if there is none. False after
 * words in the log; *surface is then to be finished all the same.
 */
bool surface_init(struct surface *surface, struct vk *vk, SDL_Window *window);

/* No swapchain uses it any more. */
void surface_finish(struct surface *surface, struct vk *vk);

#endif
