/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_CAPTURE_H
#define HESPER_VIEW_CAPTURE_H

#include "view/picture.h"

/*
 * Reads the picture back from the GPU and writes it as a PNG, in RGB: a screen has no
 * alpha. The file appears whole or not at all. False after words in the log.
 */
bool capture_write(struct vk *vk, const struct picture *picture, const char *path);

#endif
