/* SPDX-License-Identifier: MIT */
#ifndef HESPER_INPUT_CONFIG_H
#define HESPER_INPUT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "input/input.h"

/*
 * struct virtio_input_config (virtio 1.4, 5.8.4): the guest writes what it wants to know into select
 * and subsel and reads the answer behind them. Pure functions, any thread.
 */
#define INPUT_CONFIG_BYTES 136

/* Positions on the tablet and the touch screen: 0..INPUT_ABS_MAX over the whole layout. */
#define INPUT_ABS_MAX 0x7fff

/* Fills all INPUT_CONFIG_BYTES with the answer; what nobody knows has size 0. */
void input_config_fill(enum input_kind kind, uint8_t select, uint8_t subsel, uint8_t *config);

/* A vhost_select_config; data is an enum input_kind. Of what was written only select and subsel
 * count: QEMU sends the rest along as it last saw it. */
void input_config_select(const void *data, uint8_t *config, uint32_t offset, const uint8_t *bytes,
			 uint32_t size);

/* Whether the device says that it sends this key or button. */
bool input_config_has_key(enum input_kind kind, uint16_t code);

#endif
