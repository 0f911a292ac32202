/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_COUNTERS_H
#define HESPER_UTIL_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * What a program has done since its start. Written by the thread that does it, read by any. One
 * table gives each counter its name, so that no output can miss one.
 */
enum counter {
	/* Bytes of pixels that a CPU copied in this program. 0 on the blob path. */
	COUNTER_CPU_COPIED_BYTES,
	/* Guest commands, as decoded. */
	COUNTER_COMMANDS,
	COUNTER_COMMAND_ERRORS,
	COUNTER_SET_SCANOUT,
	COUNTER_SET_SCANOUT_BLOB,
	COUNTER_FLUSHES,
	COUNTER_TRANSFERS_2D,
	COUNTER_SUBMITS,
	COUNTER_FENCES,
	COUNTER_CONTEXTS_CREATED,
	COUNTER_CONTEXTS_LOST,
	COUNTER_BLOBS_CREATED,
	COUNTER_MAPS,
	COUNTER_UNMAPS,
	COUNTER_MAP_FAILURES,
	/* Guest pages that the renderer's Vulkan can import, and such that it refuses. */
	COUNTER_PAGES_SHARED,
	COUNTER_PAGES_REFUSED,
	/* Pictures that a guest had flipped away from while a viewer still read them. */
	COUNTER_PACED,
	/* Times the guest was told that its monitors changed. */
	COUNTER_HOT_PLUG_EVENTS,
	/* Display. */
	COUNTER_FRAMES_SENT,
	COUNTER_FRAMES_DROPPED,
	COUNTER_FRAMES_PRESENTED,
	COUNTER_COUNT,
};

extern _Atomic uint64_t counter_values[COUNTER_COUNT];

const char *counter_name(enum counter counter);

static inline void counter_add(enum counter counter, uint64_t n)
{
	atomic_fetch_add_explicit(&counter_values[counter], n, memory_order_relaxed);
}

static inline uint64_t counter_read(enum counter counter)
{
	return atomic_load_explicit(&counter_values[counter], memory_order_relaxed);
}

/* memcpy for pixels: the only one allowed for them, so that none is missed. */
static inline void counter_copy_pixels(void *to, const void *from, size_t bytes)
{
	counter_add(COUNTER_CPU_COPIED_BYTES, bytes);
	memcpy(to, from, bytes);
}

#endif
