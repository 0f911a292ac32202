/* SPDX-License-Identifier: MIT */
#include "input/steps.h"

#include <assert.h>
#include <endian.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include "util/log.h"

/*
 * Changes (a key, button or finger that goes down or up) are kept one by one and in order; motion
 * between two of them is one struct that later motion is folded into. So there is always a place for
 * motion, and a click stays where it was made:
 *
 *     ring: { motion, change } { motion, change } …   then: motion
 *
 * Each of the three is a frame of its own when it is sent.
 *
 * No release is lost because a press is taken only if the ring has room for it, its release, and the
 * releases of all that is held already. So a release always finds room, whatever the guest does.
 *
 * Frames are made when they are sent, from what is to be told and what the guest has been told
 * (struct shown): the legacy wheel counts whole notches of what was really sent, and the touch
 * screen's single-touch position follows the oldest finger that the guest knows.
 */

/* Sums of motion stay inside of this, so that an event's 32 bits hold them. */
#define MAX_SUM (1 << 30)

static_assert(STEPS_KEY_WORDS * 64 >= KEY_CNT, "a bit for every key and button");

void steps_reset(struct steps *steps)
{
	steps->first = 0;
	steps->count = 0;
	steps->motion = (struct motion){0};
	memset(steps->pressed, 0, sizeof(steps->pressed));
	steps->touched = 0;
	steps->held = 0;
	steps->position_known = false;
	steps->shown = (struct shown){0};
}

/* Taking in. */

static void push(struct steps *steps, const struct change *change)
{
	struct step *step = &steps->ring[(steps->first + steps->count) % STEPS_MAX];
	steps->count++;
	step->before = steps->motion;
	step->change = *change;
	steps->motion = (struct motion){0};
}

static bool press(struct steps *steps, const struct change *change)
{
	if (steps->count + 1 + steps->held + 1 > STEPS_MAX) {
		log_limited(LOG_WARN, "the guest takes no input: a press is lost");
		return false;
	}
	steps->held++;
	push(steps, change);
	return true;
}

static void release(struct steps *steps, const struct change *change)
{
	steps->held--;
	push(steps, change);
}

bool steps_is_pressed(const struct steps *steps, uint16_t code)
{
	return code < KEY_CNT && (steps->pressed[code / 64] >> code % 64 & 1) != 0;
}

bool steps_key(struct steps *steps, uint16_t code, bool down)
{
	const struct change change = {.kind = CHANGE_KEY, .down = down, .code = code};
	if (code >= KEY_CNT || steps_is_pressed(steps, code) == down) {
		return false;
	}
	if (!down) {
		release(steps, &change);
	} else if (!press(steps, &change)) {
		return false;
	}
	steps->pressed[code / 64] ^= 1ull << code % 64;
	return true;
}

bool steps_touch(struct steps *steps, enum input_touch kind, unsigned slot, struct point at)
{
	if (slot >= INPUT_TOUCH_SLOTS) {
		return false;
	}
	const uint16_t bit = (uint16_t)(1u << slot);
	const struct change change = {
		.kind = CHANGE_TOUCH,
		.down = kind == INPUT_TOUCH_BEGIN,
		.code = (uint16_t)slot,
		.at = at,
	};
	bool down = (steps->touched & bit) != 0;
	if (down && kind == INPUT_TOUCH_END) {
		release(steps, &change);
		steps->touched ^= bit;
		return true;
	}
	if (down) {
		steps->motion.moved |= bit;
		steps->motion.slots[slot] = at;
		return true;
	}
	if (kind == INPUT_TOUCH_BEGIN && press(steps, &change)) {
		steps->touched ^= bit;
		return true;
	}
	return false;
}

bool steps_move_to(struct steps *steps, struct point to)
{
	if (steps->position_known && steps->position.x == to.x && steps->position.y == to.y) {
		return false;
	}
	steps->position_known = true;
	steps->position = to;
	steps->motion.has_position = true;
	steps->motion.position = to;
	return true;
}

static void add(int64_t *sum, int32_t value)
{
	*sum += value;
	*sum = *sum > MAX_SUM ? MAX_SUM : *sum < -MAX_SUM ? -MAX_SUM : *sum;
}

void steps_move_by(struct steps *steps, int32_t dx, int32_t dy)
{
	add(&steps->motion.dx, dx);
	add(&steps->motion.dy, dy);
}

void steps_scroll(struct steps *steps, int32_t dx_120, int32_t dy_120)
{
	add(&steps->motion.hwheel, dx_120);
	add(&steps->motion.wheel, dy_120);
}

bool steps_release_all(struct steps *steps)
{
	bool any = steps->held > 0;
	for (uint16_t code = 0; code < KEY_CNT && steps->held > 0; code++) {
		steps_key(steps, code, false);
	}
	for (unsigned slot = 0; slot < INPUT_TOUCH_SLOTS; slot++) {
		steps_touch(steps, INPUT_TOUCH_END, slot, (struct point){0});
	}
	return any;
}

/* Making frames. */

struct frame_writer {
	struct virtio_input_event *events;
	size_t count;
};

static void put(struct frame_writer *frame, uint16_t type, uint16_t code, int64_t value)
{
	frame->events[frame->count++] = (struct virtio_input_event){
		.type = htole16(type),
		.code = htole16(code),
		.value = htole32((uint32_t)(int32_t)value),
	};
}

static void put_nonzero(struct frame_writer *frame, uint16_t type, uint16_t code, int64_t value)
{
	if (value != 0) {
		put(frame, type, code, value);
	}
}

/* A turn of the wheel, and the notches that are full with it. Turning back starts anew. */
static void put_wheel(struct frame_writer *frame, uint16_t fine, uint16_t notches, int64_t value,
		      int32_t *rest)
{
	if (value == 0) {
		return;
	}
	int64_t sum = (*rest < 0) == (value < 0) ? *rest + value : value;
	put(frame, EV_REL, fine, value);
	put_nonzero(frame, EV_REL, notches, sum / INPUT_WHEEL_STEP);
	*rest = (int32_t)(sum % INPUT_WHEEL_STEP);
}

/* The finger that old clients follow: the one that is down longest. -1: none. */
static int first_finger(const struct shown *shown)
{
	int first = -1;
	for (int slot = 0; slot < INPUT_TOUCH_SLOTS; slot++) {
		if ((shown->touched >> slot & 1) != 0 &&
		    (first < 0 || shown->begun[slot] < shown->begun[first])) {
			first = slot;
		}
	}
	return first;
}

static void put_touch_motion(struct frame_writer *frame, const struct motion *motion,
			     const struct shown *shown)
{
	int first = first_finger(shown);
	for (int slot = 0; slot < INPUT_TOUCH_SLOTS; slot++) {
		if ((motion->moved >> slot & 1) != 0) {
			put(frame, EV_ABS, ABS_MT_SLOT, slot);
			put(frame, EV_ABS, ABS_MT_POSITION_X, motion->slots[slot].x);
			put(frame, EV_ABS, ABS_MT_POSITION_Y, motion->slots[slot].y);
		}
	}
	if (first >= 0 && (motion->moved >> first & 1) != 0) {
		put(frame, EV_ABS, ABS_X, motion->slots[first].x);
		put(frame, EV_ABS, ABS_Y, motion->slots[first].y);
	}
}

static void put_motion(struct frame_writer *frame, const struct motion *motion, struct shown *shown)
{
	if (motion->has_position) {
		put(frame, EV_ABS, ABS_X, motion->position.x);
		put(frame, EV_ABS, ABS_Y, motion->position.y);
	}
	put_nonzero(frame, EV_REL, REL_X, motion->dx);
	put_nonzero(frame, EV_REL, REL_Y, motion->dy);
	put_wheel(frame, REL_WHEEL_HI_RES, REL_WHEEL, motion->wheel, &shown->wheel_rest);
	put_wheel(frame, REL_HWHEEL_HI_RES, REL_HWHEEL, motion->hwheel, &shown->hwheel_rest);
	put_touch_motion(frame, motion, shown);
}

static void put_touch(struct frame_writer *frame, const struct change *change, struct shown *shown)
{
	const uint16_t bit = (uint16_t)(1u << change->code);
	bool was_touched = shown->touched != 0;
	put(frame, EV_ABS, ABS_MT_SLOT, change->code);
	if (change->down) {
		shown->touched |= bit;
		shown->begun[change->code] = shown->touches++;
		put(frame, EV_ABS, ABS_MT_TRACKING_ID, shown->next_tracking_id);
		shown->next_tracking_id = (shown->next_tracking_id + 1) & INPUT_TRACKING_ID_MAX;
		put(frame, EV_ABS, ABS_MT_POSITION_X, change->at.x);
		put(frame, EV_ABS, ABS_MT_POSITION_Y, change->at.y);
	} else {
		shown->touched &= (uint16_t)~bit;
		put(frame, EV_ABS, ABS_MT_TRACKING_ID, -1);
	}
	if (was_touched != (shown->touched != 0)) {
		put(frame, EV_KEY, BTN_TOUCH, change->down);
	}
	if (change->down && first_finger(shown) == change->code) {
		put(frame, EV_ABS, ABS_X, change->at.x);
		put(frame, EV_ABS, ABS_Y, change->at.y);
	}
}

static void put_change(struct frame_writer *frame, const struct change *change, struct shown *shown)
{
	switch (change->kind) {
	case CHANGE_KEY:
		put(frame, EV_KEY, change->code, change->down);
		break;
	case CHANGE_TOUCH:
		put_touch(frame, change, shown);
		break;
	}
}

/* shown becomes what it is after this frame. *took_change: the frame is the first step's change. */
static size_t make_frame(const struct steps *steps, struct virtio_input_event *events,
			 struct shown *shown, bool *took_change)
{
	struct frame_writer frame = {.events = events};
	const struct step *step = steps->count > 0 ? &steps->ring[steps->first] : NULL;
	put_motion(&frame, step != NULL ? &step->before : &steps->motion, shown);
	*took_change = frame.count == 0 && step != NULL;
	if (*took_change) {
		put_change(&frame, &step->change, shown);
	}
	if (frame.count > 0) {
		put(&frame, EV_SYN, SYN_REPORT, 0);
	}
	return frame.count;
}

size_t steps_peek(const struct steps *steps, struct virtio_input_event frame[STEPS_MAX_FRAME])
{
	struct shown shown = steps->shown;
	bool took_change;
	return make_frame(steps, frame, &shown, &took_change);
}

size_t steps_take(struct steps *steps, struct virtio_input_event frame[STEPS_MAX_FRAME])
{
	bool took_change;
	size_t count = make_frame(steps, frame, &steps->shown, &took_change);
	if (took_change) {
		steps->first = (steps->first + 1) % STEPS_MAX;
		steps->count--;
	} else if (steps->count > 0) {
		steps->ring[steps->first].before = (struct motion){0};
	} else {
		steps->motion = (struct motion){0};
	}
	return count;
}
