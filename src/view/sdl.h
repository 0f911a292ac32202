/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_SDL_H
#define HESPER_VIEW_SDL_H

#include <stdbool.h>

/*
 * SDL's video and events, on a window system: Wayland or X11. False after words in the log that say
 * what is missing. SDL_Quit ends it. Main thread.
 */
bool sdl_start(void);

#endif
