/* SPDX-License-Identifier: MIT */
#ifndef HESPER_INPUT_STEPS_H
#define HESPER_INPUT_STEPS_H

#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "input/input.h"

/*
 * What one device has yet to tell its guest, as a bounded queue. It knows nothing of rings; the
 * thread is its owner's. Theory at the top of steps.c.
 */
#define STEPS_MAX 256

/* A frame at its longest: ten moved fingers, the first one's position, SYN_REPORT. */
#define STEPS_MAX_FRAME (3 * INPUT_TOUCH_SLOTS + 2 + 1)

struct point {
	uint32_t x;
	uint32_t y;
};

/* Motion that is folded together until it is sent. */
struct motion {
	bool has_position;
	struct point position;
	int64_t dx;
	int64_t dy;
	int64_t wheel; /* 1/120 steps */
	int64_t hwheel;
	uint16_t moved; /* touch slots, as bits */
	struct point slots[INPUT_TOUCH_SLOTS];
};

enum change_kind {
	CHANGE_KEY,
	CHANGE_TOUCH,
};

/* A key, button or finger that goes down or up. */
struct change {
	enum change_kind kind;
	bool down;
	uint16_t code; /* key, or slot */
	struct point at; /* of a finger that goes down */
};

struct step {
	struct motion before; /* what happened up to the change */
	struct change change;
};

#define STEPS_KEY_WORDS 12 /* KEY_CNT (0x300) bits */

struct steps {
	/* Still to be sent, in this order: steps, then motion. */
	struct step ring[STEPS_MAX];
	unsigned first;
	unsigned count;
	struct motion motion;

	/* As the caller has told it. */
	uint64_t pressed[STEPS_KEY_WORDS];
	uint16_t touched; /* slots, as bits */
	unsigned held; /* bits in both */
	bool position_known;
	struct point position;

	/* As it was sent. */
	struct shown {
		int32_t wheel_rest; /* of a whole notch */
		int32_t hwheel_rest;
		uint16_t touched;
		uint32_t next_tracking_id;
		uint64_t begun[INPUT_TOUCH_SLOTS]; /* in which order; of touched ones */
		uint64_t touches;
	} shown;
};

/* Forgets everything: the guest has a fresh driver, for which nothing is pressed. */
void steps_reset(struct steps *steps);

/* False when nothing came of it: no change, or (press, begin) no room. */
bool steps_key(struct steps *steps, uint16_t code, bool down);
bool steps_touch(struct steps *steps, enum input_touch kind, unsigned slot, struct point at);
bool steps_move_to(struct steps *steps, struct point to);
void steps_move_by(struct steps *steps, int32_t dx, int32_t dy);
void steps_scroll(struct steps *steps, int32_t dx_120, int32_t dy_120);
/* Releases all that is held; false when nothing is. */
bool steps_release_all(struct steps *steps);

bool steps_is_pressed(const struct steps *steps, uint16_t code);

/*
 * The next frame, SYN_REPORT included: its length in events, 0 when there is none. It stays the next
 * one, and may still change, until it is taken.
 */
size_t steps_peek(const struct steps *steps, struct virtio_input_event frame[STEPS_MAX_FRAME]);
size_t steps_take(struct steps *steps, struct virtio_input_event frame[STEPS_MAX_FRAME]);

#endif
