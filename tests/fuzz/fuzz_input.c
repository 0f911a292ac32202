/* SPDX-License-Identifier: MIT */
/*
 * A virtio-input device with a guest that posts buffers too few, too small or never, sends statuses
 * of any bytes, pauses and resets, while a person types faster than it reads. What the guest gets is
 * played into a model of evdev: frames are whole, nothing goes down twice or up unpressed, and when
 * the guest has read all of it, it believes what the person holds.
 */
#include <endian.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include "half.h"
#include "input/config.h"
#include "input/device.h"
#include "input/input.h"
#include "input/qnum.h"

const size_t fuzz_record_size = 12;

#define MAX_OPS 400
#define EVENTS 0u
#define STATUS 1u
#define EVENT_BYTES 8u

enum action {
	POST,
	POST_ODD,
	STATUS_EVENT,
	KICK,
	KEY,
	BUTTON,
	MOVE_TO,
	MOVE_BY,
	SCROLL,
	TOUCH,
	RELEASE_ALL,
	FLOOD,
	PAUSE,
	RESET,
	SELECT,
	ACTIONS,
};

struct op {
	uint8_t kind;
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint32_t d;
};
_Static_assert(sizeof(struct op) == 12, "a record");

static struct {
	struct half half;
	struct input *input;
	enum input_kind kind;
	bool closed;
	bool running;
	uint32_t leds;
	uint8_t config[VHOST_MAX_CONFIG];
	/* What the guest believes. */
	bool down[KEY_CNT];
	bool tracked[INPUT_TOUCH_SLOTS];
	unsigned slot;
	unsigned frame; /* events since the last SYN_REPORT */
	uint64_t got; /* events at all */
} fx;

/* Asking the device for one makes the whole bitmap. */
static bool has_key[INPUT_KINDS][KEY_CNT];

/* --- what the device tells ------------------------------------------------------------------- */

static void on_leds(void *data, uint32_t leds)
{
	FUZZ_CHECK(fx.kind == INPUT_KEYBOARD && leds < 8, "LEDs 0x%x", leds);
	fx.leds = leds;
}

static void on_running(void *data, enum input_kind kind, bool running)
{
	FUZZ_CHECK(kind == fx.kind && fx.running != running, "running");
	fx.running = running;
}

static void on_disconnected(void *data, enum input_kind kind, int error)
{
}

/* --- the guest ------------------------------------------------------------------------------- */

static void take_touch(uint16_t code, int32_t value)
{
	if (code == ABS_MT_SLOT) {
		FUZZ_CHECK(value >= 0 && value < INPUT_TOUCH_SLOTS, "slot %d", value);
		fx.slot = (unsigned)value;
	} else if (code == ABS_MT_TRACKING_ID) {
		FUZZ_CHECK(value >= -1 && value <= INPUT_TRACKING_ID_MAX, "id %d", value);
		FUZZ_CHECK(fx.tracked[fx.slot] == (value == -1), "finger %u", fx.slot);
		fx.tracked[fx.slot] = value != -1;
	} else if (code == ABS_MT_POSITION_X || code == ABS_MT_POSITION_Y) {
		FUZZ_CHECK(fx.tracked[fx.slot], "finger %u moves in the air", fx.slot);
	}
}

static void take_event(const struct virtio_input_event *event)
{
	uint16_t type = le16toh(event->type);
	uint16_t code = le16toh(event->code);
	int32_t value = (int32_t)le32toh(event->value);
	fx.got++;
	fx.frame++;
	FUZZ_CHECK(fx.frame <= STEPS_MAX_FRAME, "a frame of %u events", fx.frame);
	switch (type) {
	case EV_SYN:
		FUZZ_CHECK(code == SYN_REPORT && fx.frame > 1, "an empty frame");
		fx.frame = 0;
		break;
	case EV_KEY:
		FUZZ_CHECK(code < KEY_CNT && (value == 0 || value == 1), "key %u", code);
		FUZZ_CHECK(has_key[fx.kind][code], "key %u", code);
		FUZZ_CHECK(fx.down[code] != (value == 1), "key %u goes to %d twice", code, value);
		fx.down[code] = value == 1;
		break;
	case EV_REL:
		FUZZ_CHECK(value != 0, "a motion of nothing");
		break;
	case EV_ABS:
		FUZZ_CHECK(code == ABS_MT_TRACKING_ID || (value >= 0 && value <= INPUT_ABS_MAX),
			   "axis %u at %d", code, value);
		take_touch(code, value);
		break;
	default:
		FUZZ_CHECK(false, "an event of type %u", type);
	}
}

static void take_used(void)
{
	const struct half_chain *chain;
	while ((chain = half_next_used(&fx.half)) != NULL) {
		if (chain->queue == STATUS || chain->written == 0) {
			continue;
		}
		struct virtio_input_event event;
		FUZZ_CHECK(chain->written == sizeof(event), "%u bytes", chain->written);
		memcpy(&event, half_response(&fx.half, chain), sizeof(event));
		take_event(&event);
	}
}

static void settle(void)
{
	half_settle(&fx.half);
	take_used();
}

static void post(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		half_submit(&fx.half, EVENTS, "", 0, EVENT_BYTES, 0, (i & 1) != 0);
	}
	half_kick(&fx.half, EVENTS);
	settle();
}

static void forget_guest(void)
{
	memset(fx.down, 0, sizeof(fx.down));
	memset(fx.tracked, 0, sizeof(fx.tracked));
	fx.slot = 0;
	fx.frame = 0;
}

static void start(void)
{
	forget_guest();
	half_start(&fx.half,
		   VIRTIO_F_VERSION_1 | VIRTIO_RING_F_EVENT_IDX | VIRTIO_RING_F_INDIRECT_DESC);
	settle();
}

/* --- what happens ---------------------------------------------------------------------------- */

static uint16_t key_of(const struct op *op)
{
	return op->b < 0x8000 ? input_key_of_qnum(op->b & 0xff) : op->b & 0x7fff;
}

static uint16_t button_of(const struct op *op)
{
	static const uint16_t buttons[] = {BTN_LEFT,  BTN_MIDDLE,   BTN_RIGHT, BTN_SIDE,
					   BTN_EXTRA, KEY_RESERVED, BTN_TOUCH, KEY_A};
	return op->b < 0x8000 ? buttons[op->b & 7] : op->b & 0x7fff;
}

static void flood(const struct op *op)
{
	for (unsigned i = 0; i < 20u + op->a; i++) {
		uint16_t code = input_key_of_qnum((op->b + i) & 0xff);
		input_key(fx.input, code, (i / (1 + (op->c & 15)) & 1) == 0);
		input_button(fx.input, (op->d & 1) != 0, (uint16_t)(BTN_LEFT + i % 5),
			     (i & 1) != 0);
		input_move_to(fx.input, op->c + i, op->d);
		input_move_by(fx.input, (int32_t)op->c, (int32_t)op->d);
		input_touch(fx.input, (enum input_touch)((op->a + i) % 3), i % 11, i, op->b);
	}
}

static void select_config(const struct op *op)
{
	const struct vhost_options *options = &fx.half.vhost->options;
	uint8_t bytes[VHOST_MAX_CONFIG] = {(uint8_t)op->b, (uint8_t)(op->b >> 8)};
	uint32_t offset = op->c % VHOST_MAX_CONFIG;
	uint32_t size = op->d % (VHOST_MAX_CONFIG - offset + 1);
	offset = op->a < 0xc0 ? 0 : offset;
	options->select_config(options->select_data, fx.config, offset, bytes, size);
	FUZZ_CHECK(fx.config[2] <= 128, "%u bytes of config", fx.config[2]);
}

static void send_status(const struct op *op)
{
	static const uint8_t sizes[8] = {8, 8, 8, 8, 7, 9, 1, 64};
	uint8_t bytes[64] = {0};
	const struct virtio_input_event event = {
		.type = htole16((op->a & 0x80) != 0 ? op->a : EV_LED),
		.code = htole16(op->b),
		.value = htole32(op->c),
	};
	memcpy(bytes, &event, sizeof(event));
	half_submit(&fx.half, STATUS, bytes, sizes[op->a & 7], (op->a & 8) != 0 ? 8 : 0, 1, false);
	if ((op->a & 16) == 0) {
		half_kick(&fx.half, STATUS);
	}
	settle();
}

static void act(const struct op *op)
{
	bool down = (op->a & 1) != 0;
	switch ((enum action)(op->kind % ACTIONS)) {
	case POST:
		post(op->a % 64u);
		break;
	case POST_ODD:
		half_submit(&fx.half, EVENTS, "1234567", op->a & 7, op->b % 24, 1, down);
		half_kick(&fx.half, EVENTS);
		break;
	case STATUS_EVENT:
		send_status(op);
		break;
	case KICK:
		half_kick(&fx.half, op->a & 1);
		break;
	case KEY:
		input_key(fx.input, key_of(op), down);
		break;
	case BUTTON:
		input_button(fx.input, (op->a & 2) != 0, button_of(op), down);
		break;
	case MOVE_TO:
		input_move_to(fx.input, op->c, op->d);
		break;
	case MOVE_BY:
		input_move_by(fx.input, (int32_t)op->c, (int32_t)op->d);
		break;
	case SCROLL:
		input_scroll(fx.input, down, (int32_t)op->c, (int32_t)op->d);
		break;
	case TOUCH:
		input_touch(fx.input, (enum input_touch)(op->a % 3), op->b % 12, op->c, op->d);
		break;
	case RELEASE_ALL:
		input_release_all(fx.input);
		break;
	case FLOOD:
		flood(op);
		break;
	case PAUSE:
		half_stop(&fx.half);
		settle();
		input_key(fx.input, key_of(op), down);
		input_release_all(fx.input);
		half_resume(&fx.half);
		break;
	case RESET:
		half_stop(&fx.half);
		settle();
		start();
		break;
	case SELECT:
		select_config(op);
		break;
	case ACTIONS:
		break;
	}
	settle();
}

/* --- a run ----------------------------------------------------------------------------------- */

static void on_destroyed(void *data)
{
	fx.closed = true;
}

void fuzz_init(void)
{
	half_init();
	for (unsigned kind = 0; kind < INPUT_KINDS; kind++) {
		for (unsigned code = 0; code < KEY_CNT; code++) {
			has_key[kind][code] =
				input_config_has_key((enum input_kind)kind, (uint16_t)code);
		}
	}
}

/* The guest reads all there is. */
static void read_all(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t before = fx.got;
		post(HALF_SLOTS);
		if (fx.got == before) {
			return;
		}
	}
	FUZZ_CHECK(false, "events without end");
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct op header;
	const struct input_options options = {
		.leds = on_leds, .running = on_running, .disconnected = on_disconnected};
	memset(&fx, 0, sizeof(fx));
	fuzz_take(&bytes, &header, sizeof(header));
	fx.kind = (enum input_kind)(header.a % INPUT_KINDS);
	FUZZ_CHECK(input_create(fuzz_loop(), &options, &fx.input) == 0, "no input");
	half_begin(&fx.half, 2);
	FUZZ_CHECK(input_attach(fx.input, fx.kind, -1) == 0, "no session");
	if ((header.a & 0x80) == 0) {
		start();
	} else {
		half_start(&fx.half, VIRTIO_F_VERSION_1);
	}
	for (unsigned i = 0; i < MAX_OPS && bytes.left > 0; i++) {
		struct op op;
		fuzz_take(&bytes, &op, sizeof(op));
		act(&op);
	}
	input_release_all(fx.input);
	/* What was posted without a kick takes the room of what follows. */
	half_kick(&fx.half, STATUS);
	settle();
	read_all();
	FUZZ_CHECK(fx.frame == 0, "half a frame");
	for (unsigned i = 0; i < KEY_CNT; i++) {
		FUZZ_CHECK(!fx.down[i], "key %u stays down", i);
	}
	for (unsigned i = 0; i < INPUT_TOUCH_SLOTS; i++) {
		FUZZ_CHECK(!fx.tracked[i], "finger %u stays down", i);
	}
	if ((header.a & 0x40) != 0) {
		half_disconnect(&fx.half, 0);
	}
	half_end(&fx.half);
	input_destroy(fx.input, on_destroyed, NULL);
	fuzz_until(&fx.closed);
}
