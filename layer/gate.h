/* SPDX-License-Identifier: MIT */
#ifndef LAYER_GATE_H
#define LAYER_GATE_H

#include <stdbool.h>

/* Whether this process has a gate (hesper/gate.h). */
bool gate_exists(void);

/* Before anything is submitted, with no lock held: waits while the gate is closed, but for so long only. */
void gate_wait(void);

#endif
