/* SPDX-License-Identifier: MIT */
#include "input/input.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>

#include "input/config.h"
#include "input/device.h"

/* The four devices, and which of them an event is for. */
struct input {
	struct input_options options;
	uv_loop_t *loop;
	struct input_device devices[INPUT_KINDS];
	unsigned closing; /* sessions that are not closed yet, once destroyed */
	void (*destroyed)(void *data);
	void *destroyed_data;
};

const char *input_kind_name(enum input_kind kind)
{
	static const char *const names[INPUT_KINDS] = {
		[INPUT_KEYBOARD] = "keyboard",
		[INPUT_TABLET] = "tablet",
		[INPUT_MOUSE] = "mouse",
		[INPUT_TOUCH] = "touch",
	};
	return names[kind];
}

int input_create(uv_loop_t *loop, const struct input_options *options, struct input **out)
{
	struct input *input = calloc(1, sizeof(*input));
	if (input == NULL) {
		return -ENOMEM;
	}
	input->options = *options;
	input->loop = loop;
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		input_device_init(&input->devices[kind], kind, &input->options);
	}
	*out = input;
	return 0;
}

int input_attach(struct input *input, enum input_kind kind, int fd)
{
	return input_device_attach(&input->devices[kind], input->loop, fd);
}

static void device_closed(void *data)
{
	struct input *input = data;
	if (--input->closing == 0) {
		void (*destroyed)(void *data) = input->destroyed;
		void *destroyed_data = input->destroyed_data;
		free(input);
		destroyed(destroyed_data);
	}
}

void input_destroy(struct input *input, void (*done)(void *data), void *data)
{
	if (input == NULL) {
		done(data);
		return;
	}
	input->destroyed = done;
	input->destroyed_data = data;
	input->closing = INPUT_KINDS;
	/* Those that were never attached are closed at once, the last of them perhaps with input. */
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		input_device_detach(&input->devices[kind], device_closed, input);
	}
}

bool input_is_running(const struct input *input, enum input_kind kind)
{
	return input->devices[kind].running;
}

void input_key(struct input *input, uint16_t key, bool down)
{
	struct input_device *device = &input->devices[INPUT_KEYBOARD];
	if ((device->running && input_config_has_key(INPUT_KEYBOARD, key)) || !down) {
		steps_key(&device->steps, key, down);
		input_device_pump(device);
	}
}

static struct input_device *pointer(struct input *input, bool absolute)
{
	struct input_device *tablet = &input->devices[INPUT_TABLET];
	struct input_device *mouse = &input->devices[INPUT_MOUSE];
	return absolute ? (tablet->running || !mouse->running ? tablet : mouse)
			: (mouse->running || !tablet->running ? mouse : tablet);
}

void input_button(struct input *input, bool absolute, uint16_t button, bool down)
{
	struct input_device *device = pointer(input, absolute);
	for (enum input_kind kind = INPUT_TABLET; kind <= INPUT_MOUSE; kind++) {
		/* Held already: a second press changes nothing there, a release goes there. */
		if (steps_is_pressed(&input->devices[kind].steps, button)) {
			device = &input->devices[kind];
		}
	}
	if ((device->running && input_config_has_key(device->kind, button)) || !down) {
		steps_key(&device->steps, button, down);
		input_device_pump(device);
	}
}

static struct point position(uint32_t x, uint32_t y)
{
	return (struct point){
		.x = x > INPUT_ABS_MAX ? INPUT_ABS_MAX : x,
		.y = y > INPUT_ABS_MAX ? INPUT_ABS_MAX : y,
	};
}

void input_move_to(struct input *input, uint32_t x, uint32_t y)
{
	struct input_device *device = &input->devices[INPUT_TABLET];
	if (device->running) {
		steps_move_to(&device->steps, position(x, y));
		input_device_pump(device);
	}
}

void input_move_by(struct input *input, int32_t dx, int32_t dy)
{
	struct input_device *device = &input->devices[INPUT_MOUSE];
	if (device->running) {
		steps_move_by(&device->steps, dx, dy);
		input_device_pump(device);
	}
}

void input_scroll(struct input *input, bool absolute, int32_t dx_120, int32_t dy_120)
{
	struct input_device *device = pointer(input, absolute);
	if (device->running) {
		steps_scroll(&device->steps, dx_120, dy_120);
		input_device_pump(device);
	}
}

void input_touch(struct input *input, enum input_touch kind, unsigned slot, uint32_t x, uint32_t y)
{
	struct input_device *device = &input->devices[INPUT_TOUCH];
	if (device->running || kind == INPUT_TOUCH_END) {
		steps_touch(&device->steps, kind, slot, position(x, y));
		input_device_pump(device);
	}
}

void input_release_all(struct input *input)
{
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		steps_release_all(&input->devices[kind].steps);
		input_device_pump(&input->devices[kind]);
	}
}
