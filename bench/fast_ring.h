/* SPDX-License-Identifier: MIT */
#ifndef HESPER_BENCH_FAST_RING_H
#define HESPER_BENCH_FAST_RING_H

#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <stdint.h>

#include "front.h"

/*
 * A guest's driver that is as quick as it can be, on a queue of a scripted front end whose device is
 * started: chains are made beforehand and used again. Nothing else may be in flight on the queue.
 * One thread.
 */
#define FAST_SLOTS WIRE_RING_SIZE

struct fast_slot {
	void *request;
	uint32_t request_room; /* bytes */
	uint32_t *request_size; /* in the descriptor: what the device sees */
	struct virtio_gpu_ctrl_hdr *response; /* NULL: the command has none */
};

struct fast_ring {
	struct wire_front *front;
	unsigned queue;
	bool spin; /* wait for answers by looking, not by sleeping until the interrupt */
	uint16_t *avail_idx;
	uint16_t *avail; /* entries */
	uint16_t *used_event;
	const uint16_t *used_idx;
	const uint16_t *avail_event;
	struct fast_slot slots[FAST_SLOTS];
};

/*
 * All slots with room for a request and an answer of these sizes, out of the front end's memory.
 * response_size 0: none.
 */
void fast_ring_init(struct fast_ring *ring, struct wire_front *front, unsigned queue,
		    uint32_t request_size, uint32_t response_size);

/*
 * The commands in slots 0 to count - 1, at once: one kick, if the device asks for one. Returns when all
 * are answered; the time from before they were made available until then, in ns.
 */
uint64_t fast_ring_run(struct fast_ring *ring, unsigned count);

#endif
