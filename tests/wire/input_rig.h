/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_INPUT_RIG_H
#define HESPER_TESTS_WIRE_INPUT_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <pthread.h>

#include "front.h"
#include "input/input.h"
#include "util/mailbox.h"

/*
 * An input device in this process, on a thread with a loop, and a guest's driver for it as Linux's:
 * it posts buffers of one event, takes them in order, and posts them again.
 */
#define RIG_BUFFERS 64
#define RIG_FEATURES (1ull << 32 | 1ull << 29 | 1ull << 28)

struct rig {
	unsigned fds_before;
	pthread_t thread;
	uv_loop_t loop;
	struct mailbox inbox;
	struct input *input; /* device thread */
	struct window_files *window_files;
	enum input_kind kind;
	struct wire_front front;
	bool front_open;
	uint64_t buffers; /* gpa of the driver's events */
	uint64_t buffer_of[WIRE_RING_SIZE]; /* by head */
	char text[8192]; /* of what the driver got */
	bool in_frame; /* its last frame has no SYN_REPORT yet */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	bool running;
	unsigned starts;
	unsigned disconnects;
	uint32_t leds;
	unsigned leds_told;
};

/* cmocka setup of each kind, past QEMU's start, and teardown: fails on an fd that is left. */
int rig_setup_keyboard(void **state);
int rig_setup_tablet(void **state);
int rig_setup_mouse(void **state);
int rig_setup_touch(void **state);
int rig_teardown(void **state);

/* Runs function(rig, data) on the device thread; rig_run waits for its end. */
void rig_run(struct rig *rig, void (*function)(struct rig *, void *), void *data);
void rig_post(struct rig *rig, void (*function)(struct rig *, void *), void *data);
/* What was posted before, to or from the front thread, has been handled. */
void rig_settle(struct rig *rig);
/* Waits until it is told that the driver runs, or not. */
void rig_wait_running(struct rig *rig, bool running);
void rig_wait_leds(struct rig *rig, uint32_t leds);

/* The driver: starts with RIG_BUFFERS, or fewer, posted. */
void rig_start(struct rig *rig, unsigned buffers);
void rig_buffer(struct rig *rig, unsigned number);
/*
 * What came since, as "type.code=value type.code=value | …", a " | " between frames; of a frame that
 * is not complete what is there, again with the next call. post_again: the buffers go back.
 */
const char *rig_events(struct rig *rig, bool post_again);
/* Waits until what came since is this, and nothing else comes; posts buffers again. */
void rig_expect(struct rig *rig, const char *events);
/* How often the event queue's interrupt was raised since. */
uint64_t rig_interrupts(struct rig *rig);

/* Calls of src/input on the device thread. */
void rig_key(struct rig *rig, uint16_t key, bool down);
void rig_button(struct rig *rig, bool absolute, uint16_t button, bool down);
void rig_move_to(struct rig *rig, uint32_t x, uint32_t y);
void rig_move_by(struct rig *rig, int32_t dx, int32_t dy);
void rig_scroll(struct rig *rig, int32_t dx, int32_t dy);
void rig_touch(struct rig *rig, enum input_touch kind, unsigned slot, uint32_t x, uint32_t y);
void rig_release_all(struct rig *rig);

#endif
