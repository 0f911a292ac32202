/* SPDX-License-Identifier: MIT */
#ifndef HESPER_INPUT_DEVICE_H
#define HESPER_INPUT_DEVICE_H

#include "input/input.h"
#include "input/steps.h"
#include "vhost/vhost.h"

/*
 * One virtio-input device: its session, its two queues, and what it has yet to say. Private to
 * src/input; the thread of the loop.
 */
struct input_device {
	enum input_kind kind;
	const struct input_options *options; /* of the input */
	struct vhost *vhost; /* NULL: not attached */
	bool running; /* the guest's driver takes events */
	struct steps steps;
	struct virtio_input_event frame[STEPS_MAX_FRAME]; /* on its way */
	size_t frame_count; /* events in it; 0: none */
	size_t frame_sent; /* of these; more than 0 only if the ring is smaller than the frame */
	/* Buffers of the guest's, at hand for a frame. */
	struct virtqueue_chain *buffers[STEPS_MAX_FRAME];
	size_t buffer_count;
	uint32_t leds; /* as last told */
};

void input_device_init(struct input_device *device, enum input_kind kind,
		       const struct input_options *options);

/* Takes fd on success only. Negative errno. */
int input_device_attach(struct input_device *device, uv_loop_t *loop, int fd);

/* Sends what there is, as far as the guest takes it. After each change of steps. */
void input_device_pump(struct input_device *device);

/* No callback comes after this; done(data) does, when the session is closed. */
void input_device_detach(struct input_device *device, void (*done)(void *data), void *data);

#endif
