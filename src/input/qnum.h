/* SPDX-License-Identifier: MIT */
#ifndef HESPER_INPUT_QNUM_H
#define HESPER_INPUT_QNUM_H

#include <stdint.h>

/*
 * QEMU key numbers, as org.qemu.Display1.Keyboard has them: the scan code (set 1) of the key's
 * position on a PC keyboard, an extended one (0xe0 xx) as 0x80 | xx.
 */
#define INPUT_QNUM_END 0x100

/* Linux's code of that key (KEY_*), or KEY_RESERVED (0) when no key has that number. */
uint16_t input_key_of_qnum(uint32_t qnum);

#endif
