/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_GATE_H
#define HESPER_RENDER_GATE_H

#include <hesper/gate.h>

/*
 * A context's gate (hesper/gate.h): what its guest submits waits while it is not open. Made by the
 * context's process, moved by hesperd.
 */
/* The fd of a new one, open; the caller's. Negative errno. */
int gate_create(void);

/*
 * The gate behind a descriptor that somebody else made: NULL when it is none, or could shrink under
 * us. fd stays the caller's.
 */
struct hesper_gate *gate_map(int fd);

/* NULL is accepted by both. Never blocks. */
void gate_set(struct hesper_gate *gate, enum hesper_gate_state state);
void gate_unmap(struct hesper_gate *gate);

#endif
