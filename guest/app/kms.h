/* SPDX-License-Identifier: MIT */
#ifndef GUEST_KMS_H
#define GUEST_KMS_H

#include <stdbool.h>
#include <stdint.h>
#include <xf86drmMode.h>

#include "options.h"
#include "report.h"

#define KMS_MAX_SCREENS 16

/* A connected screen, and what it shows of the framebuffer: mode's size, from x. */
struct kms_screen {
	uint32_t connector, crtc;
	drmModeModeInfo mode;
	uint32_t x;
};

/*
 * The screens of one KMS device that are drawn to, side by side in one framebuffer of width x
 * height. One thread.
 */
struct kms {
	int fd; /* -1 when closed */
	int uevents; /* tells of hot-plug; -1 unless followed */
	struct kms_screen screens[KMS_MAX_SCREENS];
	unsigned num_screens;
	uint32_t width, height;
	unsigned flips_pending;
	bool async; /* flip without waiting for the blank, where the driver can */
	const struct options *opts; /* borrowed */
	struct report *report; /* borrowed */
};

/* A framebuffer on somebody's dma-buf. */
struct kms_fb {
	uint32_t id, handle; /* 0: none */
};

/*
 * Opens opts->card, or the first KMS device with a connected screen, takes the first such screen,
 * opts->output, or all, and chooses modes by opts->width x height and refresh. With opts->follow it
 * waits for a screen when there is none. Returns 0, or a negative errno with words in the report
 * (-EINTR, a signal: without); *kms is then finished already.
 */
int kms_init(struct kms *kms, const struct options *opts, struct report *report);
void kms_finish(struct kms *kms);

/*
 * With opts->follow: true when screens came, went or want another mode since kms_init, which is then
 * to be done anew. Cheap while nothing happens.
 */
bool kms_changed(struct kms *kms);

double kms_refresh(const drmModeModeInfo *mode);

/*
 * The index of the mode to use: of the wanted size (0: any) preferring the flagged one, else the
 * nearest to refresh (0: none asked). -1: no mode of that size.
 */
int kms_choose_mode(const drmModeModeInfo *modes, int count, uint32_t width, uint32_t height,
		    double refresh);

/*
 * Makes an XRGB8888 framebuffer of the dma-buf. fd stays the caller's. Returns 0 or -errno
 * (reported), with *fb empty.
 */
int kms_fb_init(struct kms *kms, struct kms_fb *fb, int fd, uint32_t width, uint32_t height,
		uint32_t stride, uint32_t offset);
void kms_fb_finish(struct kms *kms, struct kms_fb *fb);

/* Sets modes and framebuffer; returns when they are in place. 0 or -errno (reported). */
int kms_set(struct kms *kms, const struct kms_fb *fb);

/*
 * Queues a flip of every screen; none may be pending. When a screen was reconfigured meanwhile it
 * sets its mode anew instead. 0 or -errno (reported).
 */
int kms_flip(struct kms *kms, const struct kms_fb *fb);

/*
 * Waits until no flip is pending, up to timeout_ms. 0, -EINTR (a signal came; silent), -ETIMEDOUT
 * or another -errno (reported).
 */
int kms_wait_flip(struct kms *kms, int timeout_ms);

#endif
