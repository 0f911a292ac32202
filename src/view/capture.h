/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_CAPTURE_H
#define HESPER_VIEW_CAPTURE_H

#include "view/confine.h"
#include "view/picture.h"

/*
 * Reads the picture back from the GPU and writes it as a PNG, in RGB: a screen has no
 * alpha. VIEW_SCREENSHOT with that number appears whole or not at all. False after words in the log.
 */
bool capture_write(struct vk *vk, const struct picture *picture, struct errands *errands,
		   uint32_t number);

#endif
