/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_RINGS_H
#define HESPER_RENDER_RINGS_H

#include <stdint.h>

#include "frame/memory.h"

/*
 * Where a context's Venus rings have their status words, and how the guest's driver is told there
 * that nobody reads them any more. Private to the renderer; the device thread's.
 */
#define RINGS_MAX 64 /* one for each thread of a program that makes pipelines, at most */

struct ring {
	uint32_t resource;
	uint64_t status; /* byte of the resource's memory, a multiple of 4 */
};

struct rings {
	unsigned count;
	struct ring list[RINGS_MAX];
};

/* Looks whether commands, as a guest submits them, make a ring. Beyond RINGS_MAX it is not noted. */
void rings_note(struct rings *rings, const void *commands, uint32_t size);

/* Says in a ring's status that it is dead. memory is that of its resource. 0, or negative errno. */
int ring_condemn(const struct ring *ring, const struct memory *memory);

#endif
