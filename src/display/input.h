/* SPDX-License-Identifier: MIT */
#ifndef HESPER_DISPLAY_INPUT_H
#define HESPER_DISPLAY_INPUT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What a person does with keyboard, mouse and fingers, on its way from a viewer to a machine: the
 * calls of org.qemu.Display1.Keyboard, .Mouse and .MultiTouch as one struct, and what hesper adds.
 */

/* InputButton of QEMU's qapi/ui.json. */
enum display_button {
	DISPLAY_BUTTON_LEFT,
	DISPLAY_BUTTON_MIDDLE,
	DISPLAY_BUTTON_RIGHT,
	DISPLAY_BUTTON_WHEEL_UP,
	DISPLAY_BUTTON_WHEEL_DOWN,
	DISPLAY_BUTTON_SIDE,
	DISPLAY_BUTTON_EXTRA,
	DISPLAY_BUTTON_WHEEL_LEFT,
	DISPLAY_BUTTON_WHEEL_RIGHT,
	DISPLAY_BUTTONS,
};

/* "Kind values" of org.qemu.Display1.MultiTouch.SendEvent. */
enum display_touch_kind {
	DISPLAY_TOUCH_BEGIN,
	DISPLAY_TOUCH_UPDATE,
	DISPLAY_TOUCH_END,
	DISPLAY_TOUCH_CANCEL,
};

/* INPUT_EVENT_SLOTS_MAX of QEMU. */
#define DISPLAY_MAX_TOUCH_SLOTS 10

/* QEMU key numbers have 8 bits. */
#define DISPLAY_KEYS 256

/* Scroll steps of one click of a wheel, as in REL_WHEEL_HI_RES. */
#define DISPLAY_SCROLL_CLICK 120

enum display_input_kind {
	DISPLAY_KEY,   /* key */
	DISPLAY_BUTTON,   /* button */
	DISPLAY_MOVE_TO,  /* to; QEMU takes it only while its pointer is absolute */
	DISPLAY_MOVE_BY,  /* by, pixels; QEMU takes it only while its pointer is not absolute */
	/*
	 * by, in 1/120 of a click: y > 0 away from the user (up), x > 0 to the right. A server
	 * without org.hesper.Display1.Console gets clicks of the wheel buttons; what does not make
	 * a whole one is kept for the next.
	 */
	DISPLAY_SCROLL,
	DISPLAY_TOUCH,   /* touch */
	DISPLAY_RELEASE_ALL, /* every key, button and finger that this viewer holds down */
};

struct display_input {
	enum display_input_kind kind;
	union {
		struct {
			uint32_t qnum; /* QEMU key number: XT set 1, 0xe0 xx as 0x80 | xx */
			bool down;
		} key;
		struct {
			enum display_button button;
			bool down;
		} button;
		struct {
			uint32_t x; /* pixels of the console */
			uint32_t y;
		} to;
		struct {
			int32_t dx;
			int32_t dy;
		} by;
		struct {
			enum display_touch_kind kind;
			uint32_t slot; /* below DISPLAY_MAX_TOUCH_SLOTS */
			double x; /* pixels of the console; not used by END and CANCEL */
			double y;
		} touch;
	};
};

/* Bits of org.qemu.Display1.Keyboard.Modifiers. */
#define DISPLAY_LED_SCROLL 1u
#define DISPLAY_LED_NUM 2u
#define DISPLAY_LED_CAPS 4u

/* A monitor, as a viewer wants it to be. */
struct display_monitor {
	uint32_t width;  /* pixels; 0: none is connected to this output */
	uint32_t height;
	uint32_t width_mm; /* 0: unknown */
	uint32_t height_mm;
	uint32_t refresh_mhz; /* millihertz; 0: as it is (SetUIInfo cannot tell) */
};

#endif
