/* SPDX-License-Identifier: MIT */
#ifndef HESPER_INPUT_INPUT_H
#define HESPER_INPUT_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "vhost/window_files.h"

/*
 * A machine's keyboard, tablet, mouse and touch screen: four virtio-input devices (virtio 1.4, 5.8),
 * each with a vhost-user session of its own. Any of them may be missing. All functions and
 * callbacks are for the thread of `loop`; nothing blocks.
 *
 * What a slow guest has not taken yet is kept, in bounded memory: motion is folded together (the
 * last position, the sum of steps), keys and buttons stay in order, and a release is never lost.
 * Of a guest that takes nothing at all presses get lost, with a log line.
 *
 * Each device knows what it holds down. Pressing that again and releasing what is not pressed does
 * nothing, so the guest sees neither the host's autorepeat (it makes its own) nor a release that it
 * cannot place. While the guest's driver does not run, or the machine is paused, releases count and
 * all else is dropped; a guest that resets has all keys up.
 */
struct input;

enum input_kind {
	INPUT_KEYBOARD,
	INPUT_TABLET,
	INPUT_MOUSE,
	INPUT_TOUCH,
	INPUT_KINDS,
};

#define INPUT_TOUCH_SLOTS 10 /* fingers at a time */
#define INPUT_TRACKING_ID_MAX 0xffff
#define INPUT_WHEEL_STEP 120 /* of input_scroll: one notch of a wheel */

enum input_touch {
	INPUT_TOUCH_BEGIN,
	INPUT_TOUCH_UPDATE,
	INPUT_TOUCH_END,
};

struct input_options {
	/* The guest has set its keyboard's LEDs: bits 1 << LED_NUML, LED_CAPSL, LED_SCROLLL. */
	void (*leds)(void *data, uint32_t leds);
	/* The guest's driver for this device takes events from now on, or no more. */
	void (*running)(void *data, enum input_kind kind, bool running);
	/* The front end of this device is gone, for good. error as in struct vhost_callbacks. */
	void (*disconnected)(void *data, enum input_kind kind, int error);
	struct window_files *window_files; /* of the machine; outlives the input; may be NULL */
	void *data;
};

/* "keyboard", "tablet", "mouse", "touch". */
const char *input_kind_name(enum input_kind kind);

/* Negative errno. */
int input_create(uv_loop_t *loop, const struct input_options *options, struct input **out);

/*
 * Serves one device over a connected vhost-user socket; fd is owned on success only. -EBUSY: it has
 * been attached before. Negative errno.
 */
int input_attach(struct input *input, enum input_kind kind, int fd);

/* Ends all sessions and frees everything; done(data) follows in the loop. NULL: done at once. */
void input_destroy(struct input *input, void (*done)(void *data), void *data);

/* Whether events for this device reach a driver now. */
bool input_is_running(const struct input *input, enum input_kind kind);

/* Each call is one evdev frame. Linux codes (KEY_*, BTN_*); a code that the device lacks is ignored. */
void input_key(struct input *input, uint16_t key, bool down);

/*
 * absolute chooses the tablet, else the mouse, for a press; the other one if only that has a driver.
 * The release goes to where the press went.
 */
void input_button(struct input *input, bool absolute, uint16_t button, bool down);

/* The tablet; 0..INPUT_ABS_MAX (0x7fff) over all monitors together. Larger ones are cut. */
void input_move_to(struct input *input, uint32_t x, uint32_t y);

/* The mouse; right and down are positive. */
void input_move_by(struct input *input, int32_t dx, int32_t dy);

/* Right and up (away from the user) are positive. absolute as for input_button. */
void input_scroll(struct input *input, bool absolute, int32_t dx_120, int32_t dy_120);

/* The touch screen; positions as for input_move_to. A begin of a slot that is down is an update. */
void input_touch(struct input *input, enum input_touch kind, unsigned slot, uint32_t x, uint32_t y);

/* Releases all that is held down, on every device. */
void input_release_all(struct input *input);

#endif
