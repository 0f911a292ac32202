/* SPDX-License-Identifier: MIT */
#include "view/presenter.h"

#include <SDL3/SDL.h>
#include <SDL3/SDL_vulkan.h>
#include <langinfo.h>
#include <locale.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xcb/xcb.h>
#include <vulkan/vulkan_xcb.h>

#include "util/clock.h"
#include "util/log.h"
#include "view/placement.h"
#include "view/swapchain.h"

/*
 * THEORY OF OPERATION
 *
 * SDL makes the window and its events, Vulkan all the drawing; no renderer of SDL is made, so no
 * GL library is ever loaded. The window stays hidden until the first picture tells its size.
 *
 * When the picture is shown 1:1, its format is the swapchain's and nobody asks for screenshots,
 * the GPU copies the guest's buffer right into the swapchain's image: one copy. Otherwise it goes
 * through a picture of our own, from which it is scaled and converted by a blit, and which a
 * screenshot reads.
 */

struct window {
	struct presenter base;
	struct vk *vk;
	const struct view_options *options;
	SDL_Window *sdl;
	struct swapchain swapchain;
	struct converter converter;
	struct picture picture;
	bool picture_valid;
	bool visible;
	bool closed;
	bool redraw;
	SDL_Cursor *cursor;
	xcb_connection_t *x11; /* Vulkan's own; see create_surface */
	Uint32 wake_event;
	_Atomic bool woken; /* an event of ours is in SDL's queue */
};

static void clear(struct window *window, VkImage image)
{
	const VkClearColorValue black = {.float32 = {0, 0, 0, 1}};
	const VkImageSubresourceRange all = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
	vkCmdClearColorImage(window->vk->commands, image, vk_use_copied_to.layout, &black, 1, &all);
	vk_image_barrier(window->vk, image, vk_use_copied_to, vk_use_copied_to);
}

static void blit(struct window *window, const struct placement *placement, VkImage image)
{
	const struct rect *from = &placement->part;
	const struct rect *to = &placement->area;
	const VkImageSubresourceLayers colour = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
	const VkImageBlit region = {
		.srcSubresource = colour,
		.srcOffsets = {{(int32_t)from->x, (int32_t)from->y, 0},
			       {(int32_t)(from->x + from->width), (int32_t)(from->y + from->height),
				1}},
		.dstSubresource = colour,
		.dstOffsets = {{(int32_t)to->x, (int32_t)to->y, 0},
			       {(int32_t)(to->x + to->width), (int32_t)(to->y + to->height), 1}}};
	/* Whole multiples stay sharp. */
	bool sharp = to->width % from->width == 0 && to->height % from->height == 0;
	vkCmdBlitImage(window->vk->commands, window->picture.image, vk_use_copied_from.layout,
		       image, vk_use_copied_to.layout, 1, &region,
		       sharp ? VK_FILTER_NEAREST : VK_FILTER_LINEAR);
}

/* As large as the picture, or as large as the screen lets it be in its shape. */
static void fit_to(struct window *window, uint32_t width, uint32_t height)
{
	SDL_Rect room;
	if (SDL_GetDisplayUsableBounds(SDL_GetDisplayForWindow(window->sdl), &room) && room.w > 0 &&
	    room.h > 0 && (width > (uint32_t)room.w || height > (uint32_t)room.h)) {
		struct placement most = placement_of(width, height, (uint32_t)room.w,
						     (uint32_t)room.h, VIEW_SCALE_FIT);
		width = most.area.width;
		height = most.area.height;
	}
	SDL_SetWindowSize(window->sdl, (int)width, (int)height);
	SDL_SetWindowPosition(window->sdl, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED);
}

/* The first picture gives the window its size, unless --size did. */
static void appear(struct window *window, const struct frame *frame)
{
	if (window->visible) {
		return;
	}
	window->visible = true;
	if (window->options->size.width == 0) {
		fit_to(window, frame->width, frame->height);
	}
	SDL_ShowWindow(window->sdl);
	SDL_SyncWindow(window->sdl);
}

static enum presenter_result acquire(struct window *window, uint32_t *index)
{
	int width = 0;
	int height = 0;
	SDL_GetWindowSizeInPixels(window->sdl, &width, &height);
	switch (swapchain_acquire(&window->swapchain, (uint32_t)width, (uint32_t)height,
				  PRESENTER_PATIENCE_NS, index)) {
	case SWAPCHAIN_READY:
		return PRESENTER_SHOWN;
	case SWAPCHAIN_TIMEOUT:
		window->redraw = true;
		return PRESENTER_SKIPPED;
	case SWAPCHAIN_NO_AREA:
		return PRESENTER_SKIPPED; /* SDL tells when it has one again */
	case SWAPCHAIN_FAILED:
		break;
	}
	return PRESENTER_FAILED;
}

static bool covers(const struct rect *area, const VkExtent2D *extent)
{
	return area->width == extent->width && area->height == extent->height;
}

static bool record(struct window *window, struct source *source, const struct frame *frame,
		   VkImage image)
{
	struct vk *vk = window->vk;
	const struct swapchain *swapchain = &window->swapchain;
	struct placement placement =
		placement_of(frame->width, frame->height, swapchain->extent.width,
			     swapchain->extent.height, (enum view_scale)window->options->scale);
	bool direct = !placement.scaled && frame->format->identity &&
		      (VkFormat)frame->format->vulkan == swapchain->format &&
		      window->options->screenshot == NULL;
	window->picture_valid = false;
	if (!direct) {
		if (!picture_record(vk, &window->converter, &window->picture, source, frame)) {
			return false;
		}
		window->picture_valid = true;
	}
	vk_image_barrier(vk, image, vk_use_nothing, vk_use_copied_to);
	if (!covers(&placement.area, &swapchain->extent)) {
		clear(window, image);
	}
	if (direct) {
		source_record(vk, source, &placement.part, image, (int32_t)placement.area.x,
			      (int32_t)placement.area.y);
	} else {
		blit(window, &placement, image);
	}
	vk_image_barrier(vk, image, vk_use_copied_to, vk_use_presented);
	return true;
}

static enum presenter_result show(struct presenter *presenter, struct source *source,
				  const struct frame *frame)
{
	struct window *window = (struct window *)presenter;
	uint32_t index;
	appear(window, frame);
	enum presenter_result result = acquire(window, &index);
	if (result != PRESENTER_SHOWN) {
		return result;
	}
	if (!vk_begin(window->vk) ||
	    !record(window, source, frame, window->swapchain.images[index]) ||
	    !swapchain_present(&window->swapchain, index)) {
		return PRESENTER_FAILED;
	}
	return PRESENTER_SHOWN;
}

static void blank(struct presenter *presenter)
{
	struct window *window = (struct window *)presenter;
	uint32_t index;
	if (!window->visible || acquire(window, &index) != PRESENTER_SHOWN ||
	    !vk_begin(window->vk)) {
		return;
	}
	VkImage image = window->swapchain.images[index];
	vk_image_barrier(window->vk, image, vk_use_nothing, vk_use_copied_to);
	clear(window, image);
	vk_image_barrier(window->vk, image, vk_use_copied_to, vk_use_presented);
	swapchain_present(&window->swapchain, index);
}

static void on_event(struct window *window, const SDL_Event *event)
{
	switch (event->type) {
	case SDL_EVENT_QUIT:
	case SDL_EVENT_WINDOW_CLOSE_REQUESTED:
		window->closed = true;
		break;
	case SDL_EVENT_WINDOW_PIXEL_SIZE_CHANGED:
		window->swapchain.stale = true;
		window->redraw = true;
		break;
	case SDL_EVENT_WINDOW_EXPOSED:
	case SDL_EVENT_WINDOW_SHOWN:
	case SDL_EVENT_WINDOW_RESTORED:
		window->redraw = true;
		break;
	default:
		break;
	}
}

static bool wait_for_event(struct presenter *presenter, struct view_bus *bus, uint64_t until_ns)
{
	struct window *window = (struct window *)presenter;
	uint64_t now = clock_now_ns();
	uint64_t ns = until_ns > now && !window->redraw ? until_ns - now : 0;
	SDL_Event event;
	bool more = SDL_WaitEventTimeout(&event,
					 (Sint32)((ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS));
	while (more) {
		on_event(window, &event);
		more = SDL_PollEvent(&event);
	}
	/* Cleared before the bus is looked at: what comes from now on wakes the next wait. */
	atomic_store(&window->woken, false);
	return !window->closed;
}

static void wake(void *presenter)
{
	struct window *window = presenter;
	if (!atomic_exchange(&window->woken, true)) {
		SDL_Event event = {.type = window->wake_event};
		SDL_PushEvent(&event);
	}
}

static const struct picture *last_picture(struct presenter *presenter)
{
	struct window *window = (struct window *)presenter;
	return window->picture_valid ? &window->picture : NULL;
}

static bool take_redraw(struct presenter *presenter)
{
	struct window *window = (struct window *)presenter;
	bool redraw = window->redraw;
	window->redraw = false;
	return redraw && window->visible;
}

static void status(struct presenter *presenter, uint32_t width, uint32_t height, double fps)
{
	struct window *window = (struct window *)presenter;
	char title[256];
	SDL_snprintf(title, sizeof(title), "%s — %ux%u — %.1f fps", window->options->title, width,
		     height, fps);
	SDL_SetWindowTitle(window->sdl, title);
}

static void set_shape(struct window *window, const struct view_cursor *cursor)
{
	SDL_Surface *surface = SDL_CreateSurfaceFrom((int)cursor->width, (int)cursor->height,
						     SDL_PIXELFORMAT_ARGB8888, cursor->pixels,
						     (int)cursor->width * 4);
	int x = SDL_clamp(cursor->hot_x, 0, (int)cursor->width - 1);
	int y = SDL_clamp(cursor->hot_y, 0, (int)cursor->height - 1);
	SDL_Cursor *shape = surface != NULL ? SDL_CreateColorCursor(surface, x, y) : NULL;
	SDL_DestroySurface(surface);
	if (shape != NULL) {
		SDL_SetCursor(shape);
		SDL_DestroyCursor(window->cursor);
		window->cursor = shape;
	}
}

static void set_cursor(struct presenter *presenter, const struct view_cursor *cursor)
{
	struct window *window = (struct window *)presenter;
	if (cursor->pixels != NULL) {
		set_shape(window, cursor);
	}
	if (cursor->visible) {
		SDL_ShowCursor();
	} else {
		SDL_HideCursor();
	}
}

static void destroy(struct presenter *presenter)
{
	struct window *window = (struct window *)presenter;
	if (window->vk->device != VK_NULL_HANDLE) {
		swapchain_finish(&window->swapchain);
		picture_finish(window->vk, &window->picture);
		converter_finish(window->vk, &window->converter);
	}
	/* The surface before the window. */
	if (window->vk->surface != VK_NULL_HANDLE) {
		vkDestroySurfaceKHR(window->vk->instance, window->vk->surface, NULL);
		window->vk->surface = VK_NULL_HANDLE;
	}
	if (window->x11 != NULL) {
		xcb_disconnect(window->x11);
	}
	SDL_DestroyCursor(window->cursor);
	SDL_DestroyWindow(window->sdl);
	SDL_Quit();
	free(window);
}

static const struct presenter_ops ops = {
	.show = show,
	.blank = blank,
	.wait = wait_for_event,
	.wake = wake,
	.picture = last_picture,
	.redraw = take_redraw,
	.status = status,
	.cursor = set_cursor,
	.destroy = destroy,
};

/* Xlib makes a title of what the locale can say: "—" needs UTF-8. */
static void set_locale(void)
{
	if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
		setlocale(LC_CTYPE, "C.UTF-8");
	}
}

static bool open_window(struct window *window)
{
	set_locale();
	const char *wayland = getenv("WAYLAND_DISPLAY");
	const char *x11 = getenv("DISPLAY");
	/* Ours to handle; and only window systems, no bare consoles. */
	SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
	SDL_SetHintWithPriority(SDL_HINT_VIDEO_DRIVER, wayland != NULL ? "wayland,x11" : "x11",
				SDL_HINT_DEFAULT);
	SDL_SetHint(SDL_HINT_APP_ID, "hesper-view");
	if (!SDL_Init(SDL_INIT_VIDEO)) {
		if (wayland == NULL && x11 == NULL) {
			log_error("no display: neither WAYLAND_DISPLAY nor DISPLAY is set. Fix: "
				  "run it in a desktop session, or use --headless");
		} else {
			log_error("no display: %s (WAYLAND_DISPLAY=%s, DISPLAY=%s). Fix: check "
				  "that it runs and lets you in, or use --headless",
				  SDL_GetError(), wayland != NULL ? wayland : "",
				  x11 != NULL ? x11 : "");
		}
		return false;
	}
	const struct option_size *size = &window->options->size;
	window->sdl =
		SDL_CreateWindow(window->options->title, size->width != 0 ? (int)size->width : 1280,
				 size->height != 0 ? (int)size->height : 800,
				 SDL_WINDOW_VULKAN | SDL_WINDOW_RESIZABLE | SDL_WINDOW_HIDDEN);
	if (window->sdl == NULL) {
		log_error("no window: %s", SDL_GetError());
		return false;
	}
	window->wake_event = SDL_RegisterEvents(1);
	return true;
}

/*
 * On X11 SDL waits by polling its connection, and Vulkan drivers read presentation events from
 * the connection of their surface, with whatever else has arrived: an event that wakes SDL up can
 * end in that reader's queue while SDL sleeps on. So Vulkan gets a connection of its own.
 */
static bool create_x11_surface(struct window *window, xcb_window_t id)
{
	static const char *const extensions[] = {VK_KHR_SURFACE_EXTENSION_NAME,
						 VK_KHR_XCB_SURFACE_EXTENSION_NAME};
	struct vk *vk = window->vk;
	window->x11 = xcb_connect(NULL, NULL);
	if (xcb_connection_has_error(window->x11) != 0) {
		log_error("no second connection to the X server");
		return false;
	}
	if (!vk_init_instance(vk, extensions, 2)) {
		return false;
	}
	PFN_vkCreateXcbSurfaceKHR create = (PFN_vkCreateXcbSurfaceKHR)vkGetInstanceProcAddr(
		vk->instance, "vkCreateXcbSurfaceKHR");
	const VkXcbSurfaceCreateInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_XCB_SURFACE_CREATE_INFO_KHR,
		.connection = window->x11,
		.window = id};
	return vk_ok(create(vk->instance, &info, NULL, &vk->surface), "vkCreateXcbSurfaceKHR");
}

static bool create_surface(struct window *window)
{
	struct vk *vk = window->vk;
	Sint64 id = SDL_GetNumberProperty(SDL_GetWindowProperties(window->sdl),
					  SDL_PROP_WINDOW_X11_WINDOW_NUMBER, 0);
	if (id != 0) {
		return create_x11_surface(window, (xcb_window_t)id);
	}
	Uint32 count = 0;
	const char *const *extensions = SDL_Vulkan_GetInstanceExtensions(&count);
	if (!vk_init_instance(vk, extensions, count)) {
		return false;
	}
	if (!SDL_Vulkan_CreateSurface(window->sdl, vk->instance, NULL, &vk->surface)) {
		log_error("no Vulkan in a window here: %s", SDL_GetError());
		return false;
	}
	return true;
}

struct presenter *present_window_create(struct vk *vk, const struct view_options *options)
{
	struct window *window = calloc(1, sizeof(*window));
	if (window == NULL) {
		log_error("out of memory");
		return NULL;
	}
	window->base.ops = &ops;
	window->vk = vk;
	window->options = options;
	window->swapchain.vk = vk;
	if (!open_window(window) || !create_surface(window) ||
	    !vk_init_device(vk, options->device)) {
		destroy(&window->base);
		return NULL;
	}
	return &window->base;
}
