/* SPDX-License-Identifier: MIT */
#include "view/sdl.h"

#include <SDL3/SDL.h>
#include <X11/Xlib.h>
#include <dlfcn.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

/* Xlib makes a title of what the locale can say: "—" needs UTF-8. */
static void set_locale(void)
{
	if (setlocale(LC_CTYPE, "") == NULL || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
		setlocale(LC_CTYPE, "C.UTF-8");
	}
}

static int handle_x11_error(Display *display, XErrorEvent *event)
{
	log_limited(LOG_INFO, "X11: error %u of request %u.%u for %#lx", event->error_code,
		    event->request_code, event->minor_code, event->resourceid);
	return 0;
}

/*
 * Xlib ends the program at any error. Windows go while messages to them are on their way, a window
 * manager ends: none of that is the end of a viewer. The library is the one that SDL has loaded.
 */
static void survive_x11_errors(void)
{
	void *library = dlopen("libX11.so.6", RTLD_NOW | RTLD_NOLOAD);
	XErrorHandler (*set)(XErrorHandler) = NULL;
	if (library != NULL) {
		*(void **)&set = dlsym(library, "XSetErrorHandler");
	}
	if (set != NULL) {
		set(handle_x11_error);
	}
}

bool sdl_start(void)
{
	const char *wayland = getenv("WAYLAND_DISPLAY");
	const char *x11 = getenv("DISPLAY");
	set_locale();
	/* Ours to handle; and only window systems, no bare consoles. */
	SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
	SDL_SetHint(SDL_HINT_QUIT_ON_LAST_WINDOW_CLOSE, "0");
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
	survive_x11_errors();
	return true;
}
