/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_OPTIONS_H
#define HESPER_VIEW_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/log.h"
#include "util/options.h"

/* In the order of the words of --scale, --filter, --pointer, --cursor. */
enum view_scale {
	VIEW_SCALE_FIT,  /* as large as the window allows, aspect ratio kept */
	VIEW_SCALE_INTEGER, /* the same, by whole numbers */
	VIEW_SCALE_ONE,  /* one guest pixel is one window pixel */
	VIEW_SCALES,
};

enum view_filter {
	VIEW_FILTER_AUTO,  /* nearest for whole multiples, else linear */
	VIEW_FILTER_NEAREST,
	VIEW_FILTER_LINEAR,
	VIEW_FILTERS,
};

enum view_pointer {
	VIEW_POINTER_AUTO, /* absolute where the guest has a tablet that it uses */
	VIEW_POINTER_ABSOLUTE,
	VIEW_POINTER_RELATIVE,
};

enum view_cursor_mode {
	VIEW_CURSOR_HOST, /* the guest's pointer is the host's */
	VIEW_CURSOR_DRAW, /* it is drawn into the picture */
};

/* In the order of the words of --present. */
enum view_present {
	VIEW_PRESENT_AUTO, /* the newest picture without tearing; else each in turn */
	VIEW_PRESENT_FIFO,
	VIEW_PRESENT_FIFO_RELAXED,
	VIEW_PRESENT_MAILBOX,
	VIEW_PRESENT_IMMEDIATE,
	VIEW_PRESENTS,
};

/* In the order of the words of --import. */
enum view_import {
	VIEW_IMPORT_AUTO, /* as the driver can */
	VIEW_IMPORT_COPY, /* not at all: the CPU copies */
};

#define VIEW_ANY_DEVICE UINT32_MAX

/* Consoles have the numbers 0 to VIEW_MAX_CONSOLES - 1; of others the viewer knows nothing. */
#define VIEW_MAX_CONSOLES 32

/* What the command line says; strings point into argv or the environment. */
struct view_options {
	const char *socket;  /* one of these three is set */
	const char *qmp;
	const char *bus;
	uint32_t consoles;  /* a bit for each that was named; 0: all graphic ones */
	bool headless;
	const char *screenshot;  /* NULL: none */
	uint32_t screenshot_at;  /* presented frame number, from 1; 0: the last one */
	uint32_t frames;  /* exit after as many; 0: no end */
	const char *summary;  /* NULL: none */
	const char *trace;  /* NULL: none */
	const char *title;
	const char *log;  /* a level's name */
	uint32_t wait_s;  /* for the socket to be there */
	struct option_size size; /* of each window; 0: that of the first picture */
	uint32_t refresh_mhz;  /* that the guest is told; 0: that of the host's monitor */
	bool full_screen;
	bool no_resize;  /* the guest is not told the window's size, nor the other way round */
	uint32_t scale;   /* enum view_scale */
	uint32_t filter;  /* enum view_filter */
	uint32_t pointer; /* enum view_pointer */
	uint32_t cursor;  /* enum view_cursor_mode */
	uint32_t import;  /* enum view_import */
	uint32_t present; /* enum view_present */
	bool grab;
	uint32_t status_fd;  /* 0: none */
	const char *device_text; /* as given, or NULL */
	uint32_t device;  /* index as listed, or VIEW_ANY_DEVICE */
	bool list_devices;
	uint32_t sandbox; /* enum sandbox_mode */
};

/* 0, -EINVAL after words on stderr, -ECANCELED when --help or --version answered it all. */
int view_options_parse(struct view_options *options, int argc, char **argv);

#endif
