/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input/config.h"
#include "input/qnum.h"
#include "input/steps.h"
#include "util/log.h"

/* The parts of the input devices that need no session: key numbers, config, and what is told how. */

/* Key numbers. */

/*
 * A PC keyboard with 105 keys (ISO, with the key beside the left shift), row by row, as its scan
 * codes (set 1; 0xe000: extended) are in Microsoft's "Keyboard Scan Code Specification", 1.3a. Media
 * keys follow.
 */
static const struct {
	uint16_t scan_code;
	uint16_t key;
} pc105[] = {
	{0x01, KEY_ESC},
	{0x3b, KEY_F1},
	{0x3c, KEY_F2},
	{0x3d, KEY_F3},
	{0x3e, KEY_F4},
	{0x3f, KEY_F5},
	{0x40, KEY_F6},
	{0x41, KEY_F7},
	{0x42, KEY_F8},
	{0x43, KEY_F9},
	{0x44, KEY_F10},
	{0x57, KEY_F11},
	{0x58, KEY_F12},
	{0xe037, KEY_SYSRQ},
	{0x46, KEY_SCROLLLOCK},
	{0xe046, KEY_PAUSE}, /* as sent with Ctrl; without it is 0xe11d45 */
	{0x29, KEY_GRAVE},
	{0x02, KEY_1},
	{0x03, KEY_2},
	{0x04, KEY_3},
	{0x05, KEY_4},
	{0x06, KEY_5},
	{0x07, KEY_6},
	{0x08, KEY_7},
	{0x09, KEY_8},
	{0x0a, KEY_9},
	{0x0b, KEY_0},
	{0x0c, KEY_MINUS},
	{0x0d, KEY_EQUAL},
	{0x0e, KEY_BACKSPACE},
	{0xe052, KEY_INSERT},
	{0xe047, KEY_HOME},
	{0xe049, KEY_PAGEUP},
	{0x45, KEY_NUMLOCK},
	{0xe035, KEY_KPSLASH},
	{0x37, KEY_KPASTERISK},
	{0x4a, KEY_KPMINUS},
	{0x0f, KEY_TAB},
	{0x10, KEY_Q},
	{0x11, KEY_W},
	{0x12, KEY_E},
	{0x13, KEY_R},
	{0x14, KEY_T},
	{0x15, KEY_Y},
	{0x16, KEY_U},
	{0x17, KEY_I},
	{0x18, KEY_O},
	{0x19, KEY_P},
	{0x1a, KEY_LEFTBRACE},
	{0x1b, KEY_RIGHTBRACE},
	{0x1c, KEY_ENTER},
	{0xe053, KEY_DELETE},
	{0xe04f, KEY_END},
	{0xe051, KEY_PAGEDOWN},
	{0x47, KEY_KP7},
	{0x48, KEY_KP8},
	{0x49, KEY_KP9},
	{0x4e, KEY_KPPLUS},
	{0x3a, KEY_CAPSLOCK},
	{0x1e, KEY_A},
	{0x1f, KEY_S},
	{0x20, KEY_D},
	{0x21, KEY_F},
	{0x22, KEY_G},
	{0x23, KEY_H},
	{0x24, KEY_J},
	{0x25, KEY_K},
	{0x26, KEY_L},
	{0x27, KEY_SEMICOLON},
	{0x28, KEY_APOSTROPHE},
	{0x2b, KEY_BACKSLASH},
	{0x4b, KEY_KP4},
	{0x4c, KEY_KP5},
	{0x4d, KEY_KP6},
	{0x2a, KEY_LEFTSHIFT},
	{0x56, KEY_102ND},
	{0x2c, KEY_Z},
	{0x2d, KEY_X},
	{0x2e, KEY_C},
	{0x2f, KEY_V},
	{0x30, KEY_B},
	{0x31, KEY_N},
	{0x32, KEY_M},
	{0x33, KEY_COMMA},
	{0x34, KEY_DOT},
	{0x35, KEY_SLASH},
	{0x36, KEY_RIGHTSHIFT},
	{0xe048, KEY_UP},
	{0x4f, KEY_KP1},
	{0x50, KEY_KP2},
	{0x51, KEY_KP3},
	{0xe01c, KEY_KPENTER},
	{0x1d, KEY_LEFTCTRL},
	{0xe05b, KEY_LEFTMETA},
	{0x38, KEY_LEFTALT},
	{0x39, KEY_SPACE},
	{0xe038, KEY_RIGHTALT},
	{0xe05c, KEY_RIGHTMETA},
	{0xe05d, KEY_COMPOSE},
	{0xe01d, KEY_RIGHTCTRL},
	{0xe04b, KEY_LEFT},
	{0xe050, KEY_DOWN},
	{0xe04d, KEY_RIGHT},
	{0x52, KEY_KP0},
	{0x53, KEY_KPDOT},
	/* Media and power keys of the same document. */
	{0xe019, KEY_NEXTSONG},
	{0xe010, KEY_PREVIOUSSONG},
	{0xe024, KEY_STOPCD},
	{0xe022, KEY_PLAYPAUSE},
	{0xe020, KEY_MUTE},
	{0xe030, KEY_VOLUMEUP},
	{0xe02e, KEY_VOLUMEDOWN},
	{0xe06c, KEY_MAIL},
	{0xe021, KEY_CALC},
	{0xe06b, KEY_COMPUTER},
	{0xe065, KEY_SEARCH},
	{0xe032, KEY_HOMEPAGE},
	{0xe06a, KEY_BACK},
	{0xe069, KEY_FORWARD},
	{0xe068, KEY_STOP},
	{0xe067, KEY_REFRESH},
	{0xe066, KEY_BOOKMARKS},
	{0xe05e, KEY_POWER},
	{0xe05f, KEY_SLEEP},
	{0xe063, KEY_WAKEUP},
};

static uint32_t qnum_of(uint16_t scan_code)
{
	return scan_code > 0x7f ? 0x80 | (scan_code & 0x7f) : scan_code;
}

static void test_pc105_keys(void **state)
{
	for (size_t i = 0; i < sizeof(pc105) / sizeof(pc105[0]); i++) {
		uint16_t key = input_key_of_qnum(qnum_of(pc105[i].scan_code));
		if (key != pc105[i].key) {
			fail_msg("scan code %#x is key %u, not %u", pc105[i].scan_code,
				 pc105[i].key, key);
		}
		assert_true(input_config_has_key(INPUT_KEYBOARD, key));
	}
	/* All of them: the last is the 105th. */
	assert_int_equal(pc105[104].key, KEY_KPDOT);
}

static void test_other_key_numbers(void **state)
{
	/* Linux's first 83 codes are the scan codes of the original PC keyboard. */
	for (uint16_t code = 1; code <= KEY_KPDOT; code++) {
		assert_int_equal(input_key_of_qnum(code), code);
	}
	/* Print has two numbers: alone, and with Alt. No other key has. */
	assert_int_equal(input_key_of_qnum(0x54), KEY_SYSRQ);
	for (uint32_t a = 0; a < INPUT_QNUM_END; a++) {
		for (uint32_t b = a + 1; b < INPUT_QNUM_END; b++) {
			uint16_t key = input_key_of_qnum(a);
			assert_true(key == KEY_RESERVED || key == KEY_SYSRQ ||
				    key != input_key_of_qnum(b));
		}
	}
	/* Those beyond the byte 0x80 that a release would have. */
	assert_int_equal(input_key_of_qnum(0x71), KEY_HANJA);
	assert_int_equal(input_key_of_qnum(0x72), KEY_HANGEUL);
	assert_int_equal(input_key_of_qnum(0), KEY_RESERVED);
	assert_int_equal(input_key_of_qnum(0xaa), KEY_RESERVED); /* a fake shift */
	assert_int_equal(input_key_of_qnum(0x100), KEY_RESERVED);
	assert_int_equal(input_key_of_qnum(UINT32_MAX), KEY_RESERVED);
}

/* Config. */

static struct virtio_input_config ask(enum input_kind kind, uint8_t select, uint8_t subsel)
{
	struct virtio_input_config config;
	memset(&config, 0xaa, sizeof(config));
	input_config_fill(kind, select, subsel, (uint8_t *)&config);
	assert_int_equal(config.select, select);
	assert_int_equal(config.subsel, subsel);
	for (size_t i = config.size; i < sizeof(config.u.bitmap); i++) {
		assert_int_equal(config.u.bitmap[i], 0);
	}
	return config;
}

static bool has(enum input_kind kind, uint8_t type, unsigned code)
{
	struct virtio_input_config config = ask(kind, VIRTIO_INPUT_CFG_EV_BITS, type);
	return code / 8 < config.size && (config.u.bitmap[code / 8] >> code % 8 & 1) != 0;
}

static unsigned bits(enum input_kind kind, uint8_t type)
{
	unsigned count = 0;
	for (unsigned code = 0; code < 1024; code++) {
		count += has(kind, type, code);
	}
	return count;
}

static void test_names_and_ids(void **state)
{
	static const char *const names[] = {"hesper keyboard", "hesper tablet", "hesper mouse",
					    "hesper touch screen"};
	for (enum input_kind kind = 0; kind < INPUT_KINDS; kind++) {
		struct virtio_input_config config = ask(kind, VIRTIO_INPUT_CFG_ID_NAME, 0);
		assert_int_equal(config.size, strlen(names[kind]));
		assert_memory_equal(config.u.string, names[kind], config.size);
		assert_int_equal(ask(kind, VIRTIO_INPUT_CFG_ID_NAME, 1).size, 0);
		assert_int_equal(ask(kind, VIRTIO_INPUT_CFG_ID_SERIAL, 0).size, 0);
		config = ask(kind, VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
		assert_int_equal(config.size, 8);
		assert_int_equal(config.u.ids.bustype, 6);
		assert_int_equal(config.u.ids.product, kind + 1);
		assert_int_equal(ask(kind, VIRTIO_INPUT_CFG_UNSET, 0).size, 0);
		assert_int_equal(ask(kind, 0xff, 0xff).size, 0);
		/* No type beyond those of the device, whatever a guest asks for. */
		for (unsigned type = EV_FF; type < 256; type++) {
			assert_int_equal(ask(kind, VIRTIO_INPUT_CFG_EV_BITS, (uint8_t)type).size,
					 0);
		}
	}
}

static void test_abilities(void **state)
{
	assert_true(has(INPUT_KEYBOARD, EV_REP, REP_DELAY));
	assert_int_equal(bits(INPUT_KEYBOARD, EV_LED), 3);
	assert_true(has(INPUT_KEYBOARD, EV_LED, LED_CAPSL));
	assert_int_equal(bits(INPUT_KEYBOARD, EV_REL) + bits(INPUT_KEYBOARD, EV_ABS), 0);
	assert_false(has(INPUT_KEYBOARD, EV_KEY, KEY_RESERVED));
	assert_false(has(INPUT_KEYBOARD, EV_KEY, BTN_LEFT));

	assert_int_equal(bits(INPUT_MOUSE, EV_KEY), 5);
	assert_true(has(INPUT_MOUSE, EV_KEY, BTN_EXTRA));
	assert_int_equal(bits(INPUT_MOUSE, EV_REL), 6);
	assert_true(has(INPUT_MOUSE, EV_REL, REL_WHEEL_HI_RES));
	assert_int_equal(bits(INPUT_MOUSE, EV_ABS), 0);

	/* The tablet is a pointer to user space, not a pen or a touch screen. */
	assert_int_equal(bits(INPUT_TABLET, EV_KEY), 5);
	assert_int_equal(bits(INPUT_TABLET, EV_ABS), 2);
	assert_int_equal(bits(INPUT_TABLET, EV_REL), 4);
	assert_int_equal(ask(INPUT_TABLET, VIRTIO_INPUT_CFG_PROP_BITS, 0).size, 0);

	struct virtio_input_config props = ask(INPUT_TOUCH, VIRTIO_INPUT_CFG_PROP_BITS, 0);
	assert_int_equal(props.size, 1);
	assert_int_equal(props.u.bitmap[0], 1 << INPUT_PROP_DIRECT);
	assert_int_equal(bits(INPUT_TOUCH, EV_KEY), 1);
	assert_true(has(INPUT_TOUCH, EV_KEY, BTN_TOUCH));
	assert_int_equal(bits(INPUT_TOUCH, EV_ABS), 6);
}

static void test_axes(void **state)
{
	struct virtio_input_config config = ask(INPUT_TABLET, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Y);
	assert_int_equal(config.size, 20);
	assert_int_equal(config.u.abs.min, 0);
	assert_int_equal(config.u.abs.max, 0x7fff);
	assert_int_equal(ask(INPUT_TABLET, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Z).size, 0);
	assert_int_equal(ask(INPUT_MOUSE, VIRTIO_INPUT_CFG_ABS_INFO, ABS_X).size, 0);
	config = ask(INPUT_TOUCH, VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_SLOT);
	assert_int_equal(config.u.abs.max, 9);
	config = ask(INPUT_TOUCH, VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_TRACKING_ID);
	assert_int_equal(config.u.abs.max, 0xffff);
}

static void test_select(void **state)
{
	const enum input_kind kind = INPUT_KEYBOARD;
	uint8_t config[256] = {0};
	uint8_t written[INPUT_CONFIG_BYTES];
	memset(written, 0x5a, sizeof(written));
	/* The whole config, as QEMU sends it: stale but for the byte that the guest wrote. */
	written[0] = VIRTIO_INPUT_CFG_EV_BITS;
	written[1] = EV_LED;
	input_config_select(&kind, config, 0, written, sizeof(written));
	assert_int_equal(config[0], VIRTIO_INPUT_CFG_EV_BITS);
	assert_int_equal(config[1], EV_LED);
	assert_int_equal(config[2], 1);
	assert_int_equal(config[8], 7);
	/* One byte at a time, as the specification allows. */
	const uint8_t name = VIRTIO_INPUT_CFG_ID_NAME;
	const uint8_t zero = 0;
	input_config_select(&kind, config, 0, &name, 1);
	assert_int_equal(config[2], 0);
	input_config_select(&kind, config, 1, &zero, 1);
	assert_int_equal(config[2], strlen("hesper keyboard"));
	/* Elsewhere nothing can be written. */
	uint8_t before[256];
	memcpy(before, config, sizeof(config));
	input_config_select(&kind, config, 2, written, sizeof(written) - 2);
	input_config_select(&kind, config, UINT32_MAX, written, 1);
	input_config_select(&kind, config, 0, written, 0);
	assert_memory_equal(before, config, sizeof(config));
}

/* Steps. */

static int setup(void **state)
{
	static struct steps steps;
	memset(&steps, 0xaa, sizeof(steps));
	steps_reset(&steps);
	*state = &steps;
	return 0;
}

/* The next frame, as text: "type.code=value …" without SYN_REPORT; "" when there is none. */
static const char *next(struct steps *steps)
{
	static char text[1024];
	struct virtio_input_event peeked[STEPS_MAX_FRAME];
	struct virtio_input_event frame[STEPS_MAX_FRAME];
	size_t expected = steps_peek(steps, peeked);
	size_t count = steps_take(steps, frame);
	assert_int_equal(count, expected);
	assert_memory_equal(frame, peeked, count * sizeof(frame[0]));
	text[0] = '\0';
	if (count == 0) {
		return text;
	}
	assert_int_equal(frame[count - 1].type, EV_SYN);
	assert_int_equal(frame[count - 1].code, SYN_REPORT);
	for (size_t i = 0; i + 1 < count; i++) {
		sprintf(text + strlen(text), "%s%u.%u=%d", i > 0 ? " " : "", frame[i].type,
			frame[i].code, (int32_t)frame[i].value);
	}
	return text;
}

static void test_keys_in_order(void **state)
{
	struct steps *steps = *state;
	assert_true(steps_key(steps, KEY_A, true));
	assert_true(steps_key(steps, KEY_B, true));
	assert_false(steps_key(steps, KEY_A, true)); /* the host's autorepeat */
	assert_true(steps_key(steps, KEY_A, false));
	assert_false(steps_key(steps, KEY_A, false));
	assert_false(steps_key(steps, KEY_C, false));
	assert_false(steps_key(steps, KEY_CNT, true));
	assert_true(steps_is_pressed(steps, KEY_B));
	assert_string_equal(next(steps), "1.30=1");
	assert_string_equal(next(steps), "1.48=1");
	assert_string_equal(next(steps), "1.30=0");
	assert_string_equal(next(steps), "");
	assert_true(steps_release_all(steps));
	assert_false(steps_release_all(steps));
	assert_string_equal(next(steps), "1.48=0");
	assert_string_equal(next(steps), "");
}

static void test_motion_is_folded(void **state)
{
	struct steps *steps = *state;
	for (int i = 0; i < 1000; i++) {
		steps_move_by(steps, 3, -1);
	}
	assert_string_equal(next(steps), "2.0=3000 2.1=-1000");
	assert_string_equal(next(steps), "");
	steps_move_by(steps, 5, 5);
	steps_move_by(steps, -5, -5);
	assert_string_equal(next(steps), "");
	for (uint32_t i = 0; i < 1000; i++) {
		steps_move_to(steps, (struct point){i, 2 * i});
	}
	assert_string_equal(next(steps), "3.0=999 3.1=1998");
	assert_false(steps_move_to(steps, (struct point){999, 1998}));
	assert_string_equal(next(steps), "");
	/* Sums do not wrap. */
	for (int i = 0; i < 10; i++) {
		steps_move_by(steps, INT32_MAX, INT32_MIN);
	}
	assert_string_equal(next(steps), "2.0=1073741824 2.1=-1073741824");
}

static void test_clicks_stay_where_they_were_made(void **state)
{
	struct steps *steps = *state;
	steps_move_to(steps, (struct point){1, 1});
	steps_move_to(steps, (struct point){2, 2});
	steps_key(steps, BTN_LEFT, true);
	steps_move_to(steps, (struct point){3, 3});
	steps_move_to(steps, (struct point){4, 4});
	steps_key(steps, BTN_LEFT, false);
	steps_move_to(steps, (struct point){5, 5});
	assert_string_equal(next(steps), "3.0=2 3.1=2");
	assert_string_equal(next(steps), "1.272=1");
	assert_string_equal(next(steps), "3.0=4 3.1=4");
	assert_string_equal(next(steps), "1.272=0");
	assert_string_equal(next(steps), "3.0=5 3.1=5");
	assert_string_equal(next(steps), "");
}

static void test_wheel(void **state)
{
	struct steps *steps = *state;
	/* A notched wheel. */
	steps_scroll(steps, 0, 120);
	assert_string_equal(next(steps), "2.11=120 2.8=1");
	/* A smooth one: whole notches beside the fine steps, when they are full. */
	steps_scroll(steps, 0, -50);
	assert_string_equal(next(steps), "2.11=-50");
	steps_scroll(steps, 0, -50);
	assert_string_equal(next(steps), "2.11=-50");
	steps_scroll(steps, 0, -50);
	assert_string_equal(next(steps), "2.11=-50 2.8=-1");
	/* 30 are left; turning back forgets them. */
	steps_scroll(steps, 0, 119);
	assert_string_equal(next(steps), "2.11=119");
	steps_scroll(steps, 0, 1);
	assert_string_equal(next(steps), "2.11=1 2.8=1");
	/* Sideways, both at once, and several notches folded into one frame. */
	steps_scroll(steps, 120, 0);
	steps_scroll(steps, 120, -120);
	steps_scroll(steps, 30, 0);
	assert_string_equal(next(steps), "2.11=-120 2.8=-1 2.12=270 2.6=2");
	assert_string_equal(next(steps), "");
}

static void test_touch(void **state)
{
	struct steps *steps = *state;
	const struct point a = {10, 11};
	const struct point b = {20, 21};
	const struct point c = {30, 31};
	assert_false(steps_touch(steps, INPUT_TOUCH_UPDATE, 0, a));
	assert_false(steps_touch(steps, INPUT_TOUCH_END, 0, a));
	assert_false(steps_touch(steps, INPUT_TOUCH_BEGIN, INPUT_TOUCH_SLOTS, a));
	assert_true(steps_touch(steps, INPUT_TOUCH_BEGIN, 3, a));
	assert_true(steps_touch(steps, INPUT_TOUCH_BEGIN, 0, b));
	assert_true(steps_touch(steps, INPUT_TOUCH_UPDATE, 0, c));
	assert_true(steps_touch(steps, INPUT_TOUCH_UPDATE, 3, b));
	assert_true(steps_touch(steps, INPUT_TOUCH_UPDATE, 3, c));
	assert_true(steps_touch(steps, INPUT_TOUCH_END, 3, c));
	assert_true(steps_touch(steps, INPUT_TOUCH_UPDATE, 0, a));
	assert_true(steps_touch(steps, INPUT_TOUCH_END, 0, a));
	assert_true(steps_touch(steps, INPUT_TOUCH_BEGIN, 3, a));
	/* Slot 3, id 0: the first finger, which old clients follow. */
	assert_string_equal(next(steps), "3.47=3 3.57=0 3.53=10 3.54=11 1.330=1 3.0=10 3.1=11");
	assert_string_equal(next(steps), "3.47=0 3.57=1 3.53=20 3.54=21");
	/* Both moved; the last position of each. */
	assert_string_equal(next(steps),
			    "3.47=0 3.53=30 3.54=31 3.47=3 3.53=30 3.54=31 3.0=30 3.1=31");
	assert_string_equal(next(steps), "3.47=3 3.57=-1");
	/* The other one is the first now. */
	assert_string_equal(next(steps), "3.47=0 3.53=10 3.54=11 3.0=10 3.1=11");
	assert_string_equal(next(steps), "3.47=0 3.57=-1 1.330=0");
	assert_string_equal(next(steps), "3.47=3 3.57=2 3.53=10 3.54=11 1.330=1 3.0=10 3.1=11");
	assert_true(steps_release_all(steps));
	assert_string_equal(next(steps), "3.47=3 3.57=-1 1.330=0");
}

static void test_longest_frame(void **state)
{
	struct steps *steps = *state;
	struct virtio_input_event frame[STEPS_MAX_FRAME];
	for (unsigned slot = 0; slot < INPUT_TOUCH_SLOTS; slot++) {
		assert_true(steps_touch(steps, INPUT_TOUCH_BEGIN, slot, (struct point){slot, 0}));
		assert_true(steps_take(steps, frame) > 0);
	}
	for (unsigned slot = 0; slot < INPUT_TOUCH_SLOTS; slot++) {
		steps_touch(steps, INPUT_TOUCH_UPDATE, slot, (struct point){slot, 1});
	}
	assert_int_equal(steps_take(steps, frame), STEPS_MAX_FRAME);
	assert_true(steps_release_all(steps));
}

/* Whatever is pressed and released while nothing is taken: what was pressed is released. */
static void test_releases_are_never_lost(void **state)
{
	struct steps *steps = *state;
	srand(1);
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 2000; i++) {
			uint16_t code = (uint16_t)(rand() % BTN_MISC);
			steps_key(steps, code, rand() % 2 == 0);
			steps_touch(steps, (enum input_touch)(rand() % 3), (unsigned)rand() % 10,
				    (struct point){1, 2});
			steps_move_by(steps, 1, 1);
			assert_true(steps->count <= STEPS_MAX);
		}
		/* It was full: a press was lost, and so was its release. */
		assert_true(steps->count + steps->held + 1 >= STEPS_MAX);
		steps_release_all(steps);
		assert_int_equal(steps->held, 0);
		assert_true(steps->count <= STEPS_MAX);
		bool pressed[KEY_CNT] = {false};
		bool fingers[INPUT_TOUCH_SLOTS] = {false};
		struct virtio_input_event frame[STEPS_MAX_FRAME];
		size_t count;
		unsigned slot = 0;
		while ((count = steps_take(steps, frame)) > 0) {
			for (size_t i = 0; i < count; i++) {
				uint16_t code = frame[i].code;
				bool down = (int32_t)frame[i].value > 0;
				if (frame[i].type == EV_KEY) {
					assert_true(pressed[code] != down);
					pressed[code] = down;
				} else if (frame[i].type == EV_ABS && code == ABS_MT_SLOT) {
					slot = frame[i].value;
				} else if (frame[i].type == EV_ABS && code == ABS_MT_TRACKING_ID) {
					bool finger = (int32_t)frame[i].value >= 0;
					assert_true(fingers[slot] != finger);
					fingers[slot] = finger;
				}
			}
		}
		for (unsigned code = 0; code < KEY_CNT; code++) {
			assert_false(pressed[code]);
		}
		for (unsigned i = 0; i < INPUT_TOUCH_SLOTS; i++) {
			assert_false(fingers[i]);
		}
	}
}

static void test_reset_forgets(void **state)
{
	struct steps *steps = *state;
	steps_key(steps, KEY_A, true);
	steps_scroll(steps, 0, 100);
	next(steps);
	steps_move_to(steps, (struct point){1, 1});
	steps_reset(steps);
	assert_string_equal(next(steps), "");
	assert_false(steps_key(steps, KEY_A, false));
	assert_true(steps_key(steps, KEY_A, true));
	assert_string_equal(next(steps), "1.30=1");
	assert_true(steps_move_to(steps, (struct point){1, 1}));
	steps_scroll(steps, 0, 20);
	assert_string_equal(next(steps), "3.0=1 3.1=1 2.11=20");
}

int main(void)
{
	log_init("test_input", LOG_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pc105_keys),
		cmocka_unit_test(test_other_key_numbers),
		cmocka_unit_test(test_names_and_ids),
		cmocka_unit_test(test_abilities),
		cmocka_unit_test(test_axes),
		cmocka_unit_test(test_select),
		cmocka_unit_test_setup(test_keys_in_order, setup),
		cmocka_unit_test_setup(test_motion_is_folded, setup),
		cmocka_unit_test_setup(test_clicks_stay_where_they_were_made, setup),
		cmocka_unit_test_setup(test_wheel, setup),
		cmocka_unit_test_setup(test_touch, setup),
		cmocka_unit_test_setup(test_longest_frame, setup),
		cmocka_unit_test_setup(test_releases_are_never_lost, setup),
		cmocka_unit_test_setup(test_reset_forgets, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
