/* SPDX-License-Identifier: MIT */
/*
 * The input devices of a machine, each with a guest that has posted buffers; in one thread, as in
 * tests/fuzz/fuzz_input.c. Whatever fails, what the guest believes to be held when it has read all
 * is what is held.
 */
#include <endian.h>
#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <string.h>

#include "../fuzz/half.h"
#include "fault.h"
#include "input/input.h"
#include "vhost/ring.h"

#define EVENTS 0u
#define STATUS 1u
#define MAX_POSTED 24u
#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_RING_F_EVENT_IDX | VIRTIO_RING_F_INDIRECT_DESC)

static struct {
	struct half half;
	struct input *input;
	enum input_kind kind;
	bool attached;
	bool closed;
	uint32_t leds;
	bool down[KEY_CNT];
	unsigned frame; /* events since the last SYN_REPORT */
	unsigned motions;
} fx;

static void on_leds(void *data, uint32_t leds)
{
	fx.leds = leds;
}

static void on_running(void *data, enum input_kind kind, bool running)
{
}

static void on_disconnected(void *data, enum input_kind kind, int error)
{
}

/* --- the guest ------------------------------------------------------------------------------- */

static void take_event(const struct virtio_input_event *event)
{
	uint16_t code = le16toh(event->code);
	bool down = event->value != 0;
	fx.frame++;
	switch (le16toh(event->type)) {
	case EV_SYN:
		FAULT_CHECK(fx.frame > 1, "an empty frame");
		fx.frame = 0;
		break;
	case EV_KEY:
		FAULT_CHECK(code < KEY_CNT && fx.down[code] != down, "key %u twice", code);
		fx.down[code] = down;
		break;
	default:
		fx.motions++;
	}
}

static void settle(void)
{
	const struct half_chain *chain;
	half_settle(&fx.half);
	/* Where memory is short the queue is tried again in a moment. */
	if (fuzz_timers() > 0) {
		fuzz_fire_timer(0);
		half_settle(&fx.half);
	}
	while ((chain = half_next_used(&fx.half)) != NULL) {
		if (chain->queue == EVENTS) {
			struct virtio_input_event event;
			FAULT_CHECK(chain->written == sizeof(event), "%u bytes", chain->written);
			memcpy(&event, half_response(&fx.half, chain), sizeof(event));
			take_event(&event);
		}
	}
}

static void post(unsigned count)
{
	for (unsigned i = 0; i < count && fx.half.pending < MAX_POSTED; i++) {
		half_submit(&fx.half, EVENTS, "", 0, sizeof(struct virtio_input_event), 0,
			    (i & 1) != 0);
	}
	half_kick(&fx.half, EVENTS);
	settle();
}

static void set_led(uint16_t code)
{
	const struct virtio_input_event event = {
		.type = htole16(EV_LED),
		.code = htole16(code),
		.value = htole32(1),
	};
	FAULT_CHECK(half_submit(&fx.half, STATUS, &event, sizeof(event), 0, 1, false) != NULL,
		    "the ring is full");
	half_kick(&fx.half, STATUS);
	settle();
}

/* --- the person ------------------------------------------------------------------------------ */

static void use_device(bool down)
{
	input_key(fx.input, KEY_A, down);
	input_button(fx.input, true, BTN_LEFT, down);
	input_button(fx.input, false, BTN_RIGHT, down);
	input_move_to(fx.input, down ? 100 : 200, 300);
	input_move_by(fx.input, 5, 6);
	input_scroll(fx.input, false, 0, INPUT_WHEEL_STEP);
	input_touch(fx.input, down ? INPUT_TOUCH_BEGIN : INPUT_TOUCH_END, 0, 10, 20);
	settle();
}

static bool held(void)
{
	unsigned count = 0;
	for (unsigned i = 0; i < KEY_CNT; i++) {
		count += fx.down[i];
	}
	return count > 0;
}

/* Until the guest has it all: also without memory, once there is some again. */
static void read_all(bool down)
{
	for (unsigned i = 0; i < 20; i++) {
		if (i == 10) {
			fault_relent();
		}
		post(8);
	}
	FAULT_CHECK(held() == down, "what is held: %d, should be: %d", held(), down);
	FAULT_CHECK(fx.frame == 0, "the last frame has %u events", fx.frame);
	FAULT_CHECK(fx.motions > 0 || fx.kind == INPUT_KEYBOARD, "nothing moves");
}

static void play(void)
{
	memset(fx.down, 0, sizeof(fx.down));
	fx.motions = 0;
	half_start(&fx.half, FEATURES);
	settle();
	use_device(true);
	read_all(true);
	if (fx.kind == INPUT_KEYBOARD) {
		set_led(LED_CAPSL);
		for (unsigned i = 0; i < 10 && fx.leds == 0; i++) {
			settle();
			fault_relent();
		}
		FAULT_CHECK(fx.leds == 1u << LED_CAPSL, "LEDs 0x%x", fx.leds);
	}
	/* A pause, in which all is let go of. */
	half_stop(&fx.half);
	use_device(false);
	half_resume(&fx.half);
	read_all(false);
	half_stop(&fx.half);
}

/* --- life ------------------------------------------------------------------------------------ */

static void on_destroyed(void *data)
{
	fx.closed = true;
}

static void scenario(void *data)
{
	static const struct input_options options = {
		.leds = on_leds, .running = on_running, .disconnected = on_disconnected};
	memset(&fx, 0, sizeof(fx));
	fx.kind = *(const enum input_kind *)data;
	int error = input_create(fuzz_loop(), &options, &fx.input);
	FAULT_CHECK(error == 0 || fault_excuses(), "no input: %d", error);
	if (error < 0) {
		return;
	}
	half_begin(&fx.half, 2);
	error = input_attach(fx.input, fx.kind, -1);
	FAULT_CHECK(error == 0 || fault_excuses(), "no session: %d", error);
	if (error < 0) {
		/* It is as if nothing had been tried. */
		fault_stop();
		error = input_attach(fx.input, fx.kind, -1);
		FAULT_CHECK(error == 0, "no second try: %d", error);
	}
	play();
	fault_stop();
	play();
	half_end(&fx.half);
	input_destroy(fx.input, on_destroyed, NULL);
	fuzz_until(&fx.closed);
	fuzz_turns(2);
}

/* tests/fuzz/fuzz.c */
int LLVMFuzzerInitialize(int *argc, char ***argv);

void fuzz_init(void)
{
	half_init();
}

void fuzz_one(const uint8_t *data, size_t size)
{
}

int main(void)
{
	fault_init("fault_input");
	LLVMFuzzerInitialize(NULL, NULL);
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		fault_try_all(scenario, &kind);
	}
	return fault_report();
}
