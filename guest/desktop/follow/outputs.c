/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-client.h>

#include "screens.h"

/* wl_output tells its name from this version on. */
#define OUTPUT_VERSION 4

struct output {
	struct outputs *outputs;
	struct wl_output *proxy; /* NULL: the slot is free */
	uint32_t global;
	struct screen screen; /* what was told so far */
	struct screen done; /* what was told completely; its name is empty before */
};

struct outputs {
	struct wl_display *display;
	struct wl_registry *registry;
	struct output all[SCREENS_MAX];
};

static void on_geometry(void *data, struct wl_output *proxy, int32_t x, int32_t y, int32_t width_mm,
			int32_t height_mm, int32_t subpixel, const char *make, const char *model,
			int32_t transform)
{
}

static void on_mode(void *data, struct wl_output *proxy, uint32_t flags, int32_t width,
		    int32_t height, int32_t refresh)
{
	struct output *output = data;

	if (flags & WL_OUTPUT_MODE_CURRENT) {
		output->screen.mode = (struct screen_mode){width, height, refresh};
	}
}

static void on_done(void *data, struct wl_output *proxy)
{
	struct output *output = data;

	output->done = output->screen;
}

static void on_scale(void *data, struct wl_output *proxy, int32_t factor)
{
}

static void on_name(void *data, struct wl_output *proxy, const char *name)
{
	struct output *output = data;

	snprintf(output->screen.name, sizeof(output->screen.name), "%s", name);
}

static void on_description(void *data, struct wl_output *proxy, const char *description)
{
}

static const struct wl_output_listener output_listener = {
	.geometry = on_geometry,
	.mode = on_mode,
	.done = on_done,
	.scale = on_scale,
	.name = on_name,
	.description = on_description,
};

static void on_global(void *data, struct wl_registry *registry, uint32_t name,
		      const char *interface, uint32_t version)
{
	struct outputs *outputs = data;

	if (strcmp(interface, wl_output_interface.name) != 0 || version < OUTPUT_VERSION) {
		return;
	}
	for (size_t i = 0; i < SCREENS_MAX; i++) {
		struct output *output = &outputs->all[i];

		if (!output->proxy) {
			*output = (struct output){.outputs = outputs, .global = name};
			output->proxy = wl_registry_bind(registry, name, &wl_output_interface,
							 OUTPUT_VERSION);
			wl_output_add_listener(output->proxy, &output_listener, output);
			return;
		}
	}
}

static void on_global_remove(void *data, struct wl_registry *registry, uint32_t name)
{
	struct outputs *outputs = data;

	for (size_t i = 0; i < SCREENS_MAX; i++) {
		struct output *output = &outputs->all[i];

		if (output->proxy && output->global == name) {
			wl_output_release(output->proxy);
			output->proxy = NULL;
		}
	}
}

static const struct wl_registry_listener registry_listener = {
	.global = on_global,
	.global_remove = on_global_remove,
};

struct outputs *outputs_connect(void)
{
	struct outputs *outputs = calloc(1, sizeof(*outputs));

	if (!outputs) {
		return NULL;
	}
	outputs->display = wl_display_connect(NULL);
	if (!outputs->display) {
		fprintf(stderr, "hesper-follow: no compositor: %s\n", strerror(errno));
		free(outputs);
		return NULL;
	}
	outputs->registry = wl_display_get_registry(outputs->display);
	wl_registry_add_listener(outputs->registry, &registry_listener, outputs);
	/* The globals, and then what they say of themselves. */
	wl_display_roundtrip(outputs->display);
	wl_display_roundtrip(outputs->display);
	return outputs;
}

int outputs_fd(const struct outputs *outputs)
{
	return wl_display_get_fd(outputs->display);
}

bool outputs_dispatch(struct outputs *outputs)
{
	struct pollfd poll_fd = {.fd = outputs_fd(outputs), .events = POLLIN};

	while (wl_display_prepare_read(outputs->display) != 0) {
		wl_display_dispatch_pending(outputs->display);
	}
	wl_display_flush(outputs->display);
	if (poll(&poll_fd, 1, 0) > 0) {
		wl_display_read_events(outputs->display);
	} else {
		wl_display_cancel_read(outputs->display);
	}
	return wl_display_dispatch_pending(outputs->display) >= 0 &&
	       wl_display_flush(outputs->display) >= 0;
}

void outputs_get(const struct outputs *outputs, struct screens *screens)
{
	screens->count = 0;
	for (size_t i = 0; i < SCREENS_MAX; i++) {
		const struct output *output = &outputs->all[i];

		if (output->proxy && output->done.name[0]) {
			screens->all[screens->count++] = output->done;
		}
	}
}
