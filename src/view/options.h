/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_OPTIONS_H
#define HESPER_VIEW_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/log.h"
#include "util/options.h"

enum view_scale {
	VIEW_SCALE_FIT,  /* as large as the window allows, aspect ratio kept */
	VIEW_SCALE_ONE,  /* one guest pixel is one window pixel */
};

#define VIEW_ANY_DEVICE UINT32_MAX

/* What the command line says; strings point into argv or the environment. */
struct view_options {
	const char *socket;
	uint32_t console;
	bool headless;
	const char *screenshot;  /* NULL: none */
	uint32_t screenshot_at;  /* presented frame number, from 1; 0: the last one */
	uint32_t frames;  /* exit after as many; 0: no end */
	const char *summary;  /* NULL: none */
	const char *title;
	const char *log;  /* a level's name */
	uint32_t wait_s;  /* for the socket to be there */
	struct option_size size; /* of the window; 0: that of the first picture */
	uint32_t scale;   /* enum view_scale */
	uint32_t status_fd;  /* 0: none */
	const char *device_text; /* as given, or NULL */
	uint32_t device;  /* index as listed, or VIEW_ANY_DEVICE */
	bool list_devices;
};

/* 0, -EINVAL after words on stderr, -ECANCELED when --help or --version answered it all. */
int view_options_parse(struct view_options *options, int argc, char **argv);

#endif
