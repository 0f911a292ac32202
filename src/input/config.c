/* SPDX-License-Identifier: MIT */
#include "input/config.h"

#include <assert.h>
#include <endian.h>
#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <stddef.h>
#include <string.h>

#include "input/qnum.h"

static_assert(sizeof(struct virtio_input_config) == INPUT_CONFIG_BYTES, "virtio 1.4, 5.8.4");

#define BUS_VIRTUAL 0x06 /* linux/input.h */
#define VENDOR 0x1af4 /* of all virtio devices */

/* End of a list of codes: no code has this number. */
#define END 0xffff

struct axis {
	uint16_t code;
	uint32_t max;
};

struct abilities {
	const char *name; /* at most 63 bytes: Linux keeps so many */
	uint16_t product;
	const uint16_t *properties;
	const uint16_t *buttons; /* NULL: all the keys that have a QEMU key number */
	const uint16_t *relative;
	const struct axis *absolute;
	const uint16_t *leds;
	const uint16_t *repeat;
};

static const uint16_t none[] = {END};
static const struct axis no_axes[] = {{END, 0}};

static const uint16_t pointer_buttons[] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE,
					   BTN_SIDE, BTN_EXTRA, END};
static const uint16_t wheels[] = {REL_WHEEL, REL_HWHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES, END};
static const uint16_t motion_and_wheels[] = {
	REL_X, REL_Y, REL_WHEEL, REL_HWHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES, END};
static const struct axis position[] = {{ABS_X, INPUT_ABS_MAX}, {ABS_Y, INPUT_ABS_MAX}, {END, 0}};

/* Multitouch protocol B: linux Documentation/input/multi-touch-protocol.rst. */
static const uint16_t direct[] = {INPUT_PROP_DIRECT, END};
static const uint16_t touch_buttons[] = {BTN_TOUCH, END};
static const struct axis touch_axes[] = {
	{ABS_X, INPUT_ABS_MAX},
	{ABS_Y, INPUT_ABS_MAX},
	{ABS_MT_SLOT, INPUT_TOUCH_SLOTS - 1},
	{ABS_MT_TRACKING_ID, INPUT_TRACKING_ID_MAX},
	{ABS_MT_POSITION_X, INPUT_ABS_MAX},
	{ABS_MT_POSITION_Y, INPUT_ABS_MAX},
	{END, 0},
};

static const uint16_t leds[] = {LED_NUML, LED_CAPSL, LED_SCROLLL, END};
static const uint16_t repeat[] = {REP_DELAY, REP_PERIOD, END};

/*
 * The tablet has no BTN_TOUCH, no tool and no INPUT_PROP_DIRECT: with any of them user space takes
 * it for a pen or a touch screen, without them for the pointer of a virtual machine.
 */
static const struct abilities abilities[INPUT_KINDS] = {
	[INPUT_KEYBOARD] = {"hesper keyboard", 1, none, NULL, none, no_axes, leds, repeat},
	[INPUT_TABLET] = {"hesper tablet", 2, none, pointer_buttons, wheels, position, none, none},
	[INPUT_MOUSE] = {"hesper mouse", 3, none, pointer_buttons, motion_and_wheels, no_axes, none,
			 none},
	[INPUT_TOUCH] = {"hesper touch screen", 4, direct, touch_buttons, none, touch_axes, none,
			 none},
};

/* Bits, lowest first; size tells how many bytes they take. */
static void set_bit(struct virtio_input_config *config, unsigned bit)
{
	if (bit / 8 < sizeof(config->u.bitmap)) {
		config->u.bitmap[bit / 8] |= (uint8_t)(1u << bit % 8);
		if (config->size <= bit / 8) {
			config->size = (uint8_t)(bit / 8 + 1);
		}
	}
}

static void set_bits(struct virtio_input_config *config, const uint16_t *codes)
{
	for (; *codes != END; codes++) {
		set_bit(config, *codes);
	}
}

static void set_keys(struct virtio_input_config *config)
{
	for (unsigned qnum = 0; qnum < INPUT_QNUM_END; qnum++) {
		uint16_t key = input_key_of_qnum(qnum);
		if (key != KEY_RESERVED) {
			set_bit(config, key);
		}
	}
}

static void set_events(struct virtio_input_config *config, const struct abilities *able)
{
	switch (config->subsel) {
	case EV_KEY:
		if (able->buttons == NULL) {
			set_keys(config);
		} else {
			set_bits(config, able->buttons);
		}
		break;
	case EV_REL:
		set_bits(config, able->relative);
		break;
	case EV_ABS:
		for (const struct axis *axis = able->absolute; axis->code != END; axis++) {
			set_bit(config, axis->code);
		}
		break;
	case EV_LED:
		set_bits(config, able->leds);
		break;
	case EV_REP:
		set_bits(config, able->repeat);
		break;
	default:
		break;
	}
}

static void set_axis(struct virtio_input_config *config, const struct abilities *able)
{
	for (const struct axis *axis = able->absolute; axis->code != END; axis++) {
		if (axis->code == config->subsel) {
			config->size = sizeof(config->u.abs);
			config->u.abs.max = htole32(axis->max);
		}
	}
}

static void set_ids(struct virtio_input_config *config, const struct abilities *able)
{
	config->size = sizeof(config->u.ids);
	config->u.ids.bustype = htole16(BUS_VIRTUAL);
	config->u.ids.vendor = htole16(VENDOR);
	config->u.ids.product = htole16(able->product);
	config->u.ids.version = htole16(1);
}

void input_config_fill(enum input_kind kind, uint8_t select, uint8_t subsel, uint8_t *config)
{
	const struct abilities *able = &abilities[kind];
	struct virtio_input_config out = {.select = select, .subsel = subsel};
	/* Only bits and axes have a subsel; with another one than 0 the others do not exist. */
	if (subsel == 0 || select == VIRTIO_INPUT_CFG_EV_BITS ||
	    select == VIRTIO_INPUT_CFG_ABS_INFO) {
		switch (select) {
		case VIRTIO_INPUT_CFG_ID_NAME:
			out.size = (uint8_t)strlen(able->name);
			memcpy(out.u.string, able->name, out.size);
			break;
		case VIRTIO_INPUT_CFG_ID_DEVIDS:
			set_ids(&out, able);
			break;
		case VIRTIO_INPUT_CFG_PROP_BITS:
			set_bits(&out, able->properties);
			break;
		case VIRTIO_INPUT_CFG_EV_BITS:
			set_events(&out, able);
			break;
		case VIRTIO_INPUT_CFG_ABS_INFO:
			set_axis(&out, able);
			break;
		default:
			break;
		}
	}
	memcpy(config, &out, sizeof(out));
}

void input_config_select(const void *data, uint8_t *config, uint32_t offset, const uint8_t *bytes,
			 uint32_t size)
{
	const enum input_kind *kind = data;
	uint8_t selected[2] = {config[0], config[1]};
	for (uint32_t i = 0; i < size && offset + i < sizeof(selected); i++) {
		selected[offset + i] = bytes[i];
	}
	input_config_fill(*kind, selected[0], selected[1], config);
}

bool input_config_has_key(enum input_kind kind, uint16_t code)
{
	struct virtio_input_config config;
	input_config_fill(kind, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, (uint8_t *)&config);
	return code / 8 < config.size && (config.u.bitmap[code / 8] & (1u << code % 8)) != 0;
}
