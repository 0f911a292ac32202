/* SPDX-License-Identifier: MIT */
#ifndef GUEST_PICTURE_H
#define GUEST_PICTURE_H

#include <stdint.h>

/*
 * Writes pixels (memory bytes B G R X, rows of width * 4 bytes) as a PNG file.
 * Returns 0 or -EIO with errno's meaning lost: libpng's words go to stderr.
 */
int picture_write(const char *path, const uint8_t *bgrx, uint32_t width, uint32_t height);

#endif
