/* SPDX-License-Identifier: MIT */
#include "input/device.h"

#include <endian.h>
#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include "input/config.h"
#include "util/log.h"

/*
 * The guest posts buffers of one event each in the event queue and gets them back filled. A frame is
 * sent when there are buffers for all of it, SYN_REPORT included, with one interrupt; until then it
 * is not even made, so that motion folds into it. Buffers that came too early wait in `buffers`: a
 * paused machine keeps them, a reset one has forgotten them.
 *
 * Where the whole ring is smaller than the frame (QEMU's vhost-user-input-pci has 4 entries), it
 * goes in pieces as buffers come back. The guest acts on SYN_REPORT, which is in the last one.
 */
enum {
	QUEUE_EVENTS,
	QUEUE_STATUS,
	QUEUES,
};

/* Chains of the status queue in one turn of the loop. */
#define STATUS_PER_TURN 64

/* Buffers that cannot hold an event, in one call. */
#define MAX_BAD_BUFFERS 64

void input_device_init(struct input_device *device, enum input_kind kind,
		       const struct input_options *options)
{
	device->kind = kind;
	device->options = options;
	steps_reset(&device->steps);
}

static void drop_buffers(struct input_device *device)
{
	for (size_t i = 0; i < device->buffer_count; i++) {
		virtqueue_drop(device->buffers[i]);
	}
	device->buffer_count = 0;
}

/* Events. */

enum supply {
	SUPPLY_ENOUGH,
	SUPPLY_UNUSED, /* there is nothing to send */
	SUPPLY_SHORT, /* a kick tells when there is more */
	SUPPLY_BUSY, /* too much rubbish for one turn */
};

/* Gets at least count buffers to hand. */
static enum supply take_buffers(struct input_device *device, size_t count)
{
	struct virtqueue *queue = vhost_queue(device->vhost, QUEUE_EVENTS);
	unsigned bad = 0;
	while (device->buffer_count < count) {
		struct virtqueue_chain *chain = virtqueue_pop(queue);
		if (chain == NULL) {
			if (virtqueue_rearm(queue)) {
				continue;
			}
			return SUPPLY_SHORT;
		}
		if (chain->writable_bytes >= sizeof(struct virtio_input_event)) {
			device->buffers[device->buffer_count++] = chain;
			continue;
		}
		log_limited(LOG_WARN, "the guest's %s posts a buffer of %zu bytes for an event",
			    input_kind_name(device->kind), chain->writable_bytes);
		virtqueue_push(queue, chain, 0);
		if (++bad == MAX_BAD_BUFFERS) {
			virtqueue_notify(queue);
			return SUPPLY_BUSY;
		}
	}
	return SUPPLY_ENOUGH;
}

static void send_events(struct input_device *device, size_t count)
{
	struct virtqueue *queue = vhost_queue(device->vhost, QUEUE_EVENTS);
	for (size_t i = 0; i < count; i++) {
		const struct virtio_input_event *event = &device->frame[device->frame_sent + i];
		virtqueue_write(device->buffers[i], 0, event, sizeof(*event));
		virtqueue_push(queue, device->buffers[i], sizeof(*event));
	}
	device->buffer_count -= count;
	memmove(device->buffers, device->buffers + count,
		device->buffer_count * sizeof(device->buffers[0]));
	device->frame_sent += count;
	virtqueue_notify(queue);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* A frame for which the buffers are there, or the next piece of one. */
static enum supply send_some(struct input_device *device)
{
	size_t ring = virtqueue_size(vhost_queue(device->vhost, QUEUE_EVENTS));
	bool fresh = device->frame_sent == device->frame_count;
	size_t left = fresh ? steps_peek(&device->steps, device->frame)
			    : device->frame_count - device->frame_sent;
	if (left == 0) {
		return SUPPLY_UNUSED;
	}
	enum supply supply = take_buffers(device, smaller(left, ring));
	if (supply != SUPPLY_ENOUGH && (fresh || device->buffer_count == 0)) {
		return supply;
	}
	if (fresh) {
		device->frame_count = steps_take(&device->steps, device->frame);
		device->frame_sent = 0;
	}
	send_events(device, smaller(left, device->buffer_count));
	return SUPPLY_ENOUGH;
}

void input_device_pump(struct input_device *device)
{
	enum supply supply = SUPPLY_ENOUGH;
	while (device->running && supply == SUPPLY_ENOUGH) {
		supply = send_some(device);
	}
	if (supply == SUPPLY_BUSY) {
		vhost_kick_later(device->vhost, QUEUE_EVENTS);
	}
}

/* Status: what the guest tells its device. */

static void set_led(struct input_device *device, uint16_t code, bool on)
{
	uint32_t bit = 1u << code;
	uint32_t leds = on ? device->leds | bit : device->leds & ~bit;
	if (leds != device->leds) {
		device->leds = leds;
		device->options->leds(device->options->data, leds);
	}
}

static void handle_status(struct input_device *device, const struct virtio_input_event *event)
{
	uint16_t code = le16toh(event->code);
	/* EV_REP and EV_SYN come along; a device has no use for them. */
	if (device->kind == INPUT_KEYBOARD && le16toh(event->type) == EV_LED &&
	    code <= LED_SCROLLL) {
		set_led(device, code, event->value != 0);
	}
}

static void read_status(struct input_device *device)
{
	struct virtqueue *queue = vhost_queue(device->vhost, QUEUE_STATUS);
	unsigned taken = 0;
	do {
		struct virtqueue_chain *chain;
		while (taken < STATUS_PER_TURN && (chain = virtqueue_pop(queue)) != NULL) {
			struct virtio_input_event event;
			if (virtqueue_read(chain, 0, &event, sizeof(event))) {
				handle_status(device, &event);
			} else {
				log_limited(LOG_WARN, "the guest's %s sends a status of %zu bytes",
					    input_kind_name(device->kind), chain->readable_bytes);
			}
			virtqueue_push(queue, chain, 0);
			taken++;
		}
		if (taken == STATUS_PER_TURN) {
			vhost_kick_later(device->vhost, QUEUE_STATUS);
			break;
		}
	} while (virtqueue_rearm(queue));
	virtqueue_notify(queue);
}

/* The session's callbacks. */

static void handle_kicked(void *data, unsigned index)
{
	struct input_device *device = data;
	if (index == QUEUE_EVENTS) {
		input_device_pump(device);
	} else {
		read_status(device);
	}
}

static void set_running(struct input_device *device, bool running)
{
	if (device->running != running) {
		device->running = running;
		device->options->running(device->options->data, device->kind, running);
	}
}

static void forget(struct input_device *device)
{
	drop_buffers(device);
	steps_reset(&device->steps);
	device->frame_count = 0;
	device->frame_sent = 0;
	for (uint16_t code = 0; code <= LED_SCROLLL; code++) {
		set_led(device, code, false);
	}
}

static void handle_started(void *data, bool resumed)
{
	struct input_device *device = data;
	if (!resumed) {
		forget(device);
	}
	set_running(device, true);
	/* The queues are kicked next. */
}

static void handle_stopped(void *data)
{
	set_running(data, false);
}

static void handle_disconnected(void *data, int error)
{
	struct input_device *device = data;
	drop_buffers(device);
	device->options->disconnected(device->options->data, device->kind, error);
}

static const struct vhost_callbacks callbacks = {
	.started = handle_started,
	.stopped = handle_stopped,
	.kicked = handle_kicked,
	.disconnected = handle_disconnected,
};

int input_device_attach(struct input_device *device, uv_loop_t *loop, int fd)
{
	/* VERSION_1, EVENT_IDX, INDIRECT_DESC; there are no features of virtio-input itself. */
	struct vhost_options options = {
		.features = 1ull << 32 | 1ull << 29 | 1ull << 28,
		.queue_count = QUEUES,
		.config_size = INPUT_CONFIG_BYTES,
		.select_config = input_config_select,
		.select_data = &device->kind,
		.window_files = device->options->window_files,
		.callbacks = &callbacks,
		.data = device,
	};
	if (device->vhost != NULL) {
		return -EBUSY;
	}
	input_config_fill(device->kind, 0, 0, options.config);
	return vhost_create(&options, fd, loop, &device->vhost);
}

void input_device_detach(struct input_device *device, void (*done)(void *data), void *data)
{
	struct vhost *vhost = device->vhost;
	device->running = false;
	drop_buffers(device);
	device->vhost = NULL;
	vhost_destroy(vhost, done, data);
}
