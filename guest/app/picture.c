/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>

#include "picture.h"

int picture_write(const char *path, const uint8_t *bgrx, uint32_t width, uint32_t height)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = width,
		.height = height,
		.format = PNG_FORMAT_RGB,
	};
	uint8_t *rgb = malloc((size_t)width * height * 3);
	int ret = 0;

	if (!rgb) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < (size_t)width * height; i++) {
		rgb[i * 3 + 0] = bgrx[i * 4 + 2];
		rgb[i * 3 + 1] = bgrx[i * 4 + 1];
		rgb[i * 3 + 2] = bgrx[i * 4 + 0];
	}
	if (!png_image_write_to_file(&image, path, 0, rgb, 0, NULL)) {
		fprintf(stderr, "cannot write %s: %s\n", path, image.message);
		ret = -EIO;
	}
	free(rgb);
	return ret;
}
