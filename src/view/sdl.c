/* SPDX-License-Identifier: MIT */
#include "view/sdl.h"

#include <SDL3/SDL.h>
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
	return true;
}
