/* SPDX-License-Identifier: MIT */
#include "view/surface.h"

#include <SDL3/SDL_vulkan.h>
#include <vulkan/vulkan_xcb.h>

#include "util/log.h"

/*
 * On X11 SDL waits by polling its connection, and Vulkan drivers read presentation events from
 * the connection of their surface, with whatever else has arrived: an event that wakes SDL up can
 * end in that reader's queue while SDL sleeps on. So Vulkan gets a connection of its own; one for all
 * windows, because no further one can be made when a window opens later (confine.h).
 */
static bool init_x11(struct surface *surface, struct vk *vk, xcb_connection_t **x11,
		     xcb_window_t window)
{
	static const char *const extensions[] = {VK_KHR_SURFACE_EXTENSION_NAME,
						 VK_KHR_XCB_SURFACE_EXTENSION_NAME};
	if (*x11 == NULL) {
		*x11 = xcb_connect(NULL, NULL);
	}
	if (xcb_connection_has_error(*x11) != 0) {
		log_error("no second connection to the X server");
		return false;
	}
	if (vk->instance == VK_NULL_HANDLE && !vk_init_instance(vk, extensions, 2)) {
		return false;
	}
	PFN_vkCreateXcbSurfaceKHR create = (PFN_vkCreateXcbSurfaceKHR)vkGetInstanceProcAddr(
		vk->instance, "vkCreateXcbSurfaceKHR");
	const VkXcbSurfaceCreateInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_XCB_SURFACE_CREATE_INFO_KHR,
		.connection = *x11,
		.window = window};
	return vk_ok(create(vk->instance, &info, NULL, &surface->handle), "vkCreateXcbSurfaceKHR");
}

bool surface_init(struct surface *surface, struct vk *vk, xcb_connection_t **x11,
		  SDL_Window *window)
{
	*surface = (struct surface){0};
	Sint64 id = SDL_GetNumberProperty(SDL_GetWindowProperties(window),
					  SDL_PROP_WINDOW_X11_WINDOW_NUMBER, 0);
	if (id != 0) {
		return init_x11(surface, vk, x11, (xcb_window_t)id);
	}
	Uint32 count = 0;
	const char *const *extensions = SDL_Vulkan_GetInstanceExtensions(&count);
	if (vk->instance == VK_NULL_HANDLE && !vk_init_instance(vk, extensions, count)) {
		return false;
	}
	if (!SDL_Vulkan_CreateSurface(window, vk->instance, NULL, &surface->handle)) {
		log_error("no Vulkan in a window here: %s", SDL_GetError());
		return false;
	}
	return true;
}

void surface_finish(struct surface *surface, struct vk *vk)
{
	if (surface->handle != VK_NULL_HANDLE) {
		vkDestroySurfaceKHR(vk->instance, surface->handle, NULL);
	}
	*surface = (struct surface){0};
}
