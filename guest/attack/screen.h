/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_ATTACK_SCREEN_H
#define HESPER_GUEST_ATTACK_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "card.h"

/* The first connected screen, of which the calling file is master. */
struct screen {
	int fd;
	uint32_t crtc;
	uint32_t connector;
	drmModeModeInfo mode;
	drmModeModeInfo small; /* another mode, or the same */
};

/* NULL, or what was wrong. screen_close also gives the screen back to the console. */
const char *screen_open(struct screen *screen);
void screen_close(struct screen *screen);

/* A framebuffer of XRGB8888; 0 or a negative errno. */
int screen_add(int fd, uint32_t handle, uint32_t width, uint32_t height, uint32_t pitch,
	       uint32_t offset, uint32_t *frame);
/* frame 0: the screen goes dark. 0 or a negative errno. */
int screen_show(const struct screen *screen, uint32_t frame);
int screen_flip(const struct screen *screen, uint32_t frame);
/* Waits until the last flip's event has come; -ETIMEDOUT. */
int screen_await_flip(const struct screen *screen);

/* A dumb buffer of the mode's size, filled with a colour, as a framebuffer. */
struct picture {
	struct dumb dumb;
	uint32_t frame;
};
const char *screen_draw(const struct screen *screen, uint32_t colour, struct picture *picture);
void screen_drop(const struct screen *screen, const struct picture *picture);

#endif
