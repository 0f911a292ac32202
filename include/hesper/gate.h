/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GATE_H
#define HESPER_GATE_H

#include <stdint.h>

/*
 * How hesperd keeps a guest's context from drawing into a picture that a viewer still reads: a page
 * that hesperd writes and the Vulkan layer in the context's process looks at before each
 * submission. The page is a memfd, sealed against shrinking; its number is in HESPER_GATE_ENV of
 * that process.
 *
 * state is a futex (futex(2), not private). Who waits counts himself in waiters first, and looks
 * again; hesperd changes the state first, and wakes all when it then sees one. Both are sequentially
 * consistent, so one of them sees the other.
 */
#define HESPER_GATE_ENV "HESPER_GATE"
#define HESPER_GATE_BYTES 4096

enum hesper_gate_state {
	HESPER_GATE_OPEN,
	/* A picture of the context is read. It is the one that the guest shows, for all that is known. */
	HESPER_GATE_READ,
	/* One is, that the guest has flipped away from: it will draw into it. */
	HESPER_GATE_LEFT,
	HESPER_GATE_STATES,
};

/* Nobody waits for longer in that state. */
#define HESPER_GATE_READ_MS 8
#define HESPER_GATE_LEFT_MS 100

struct hesper_gate {
	_Atomic uint32_t state; /* enum hesper_gate_state */
	_Atomic uint32_t waiters;
};

#endif
