/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_BAD_CHAINS_H
#define HESPER_TESTS_WIRE_BAD_CHAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Descriptor chains that no driver may make (virtio 1.3, 2.7), for the test of hesper's virtqueue, which
 * knows what becomes of each, and for the conformance suite, for which a device has to survive
 * them. They are for a split ring of BAD_CHAIN_RING entries.
 */
#define BAD_CHAIN_RING 16u
#define BAD_CHAIN_DATA 0x2000u /* bytes of guest RAM that they use, beside the ring */

#define BAD_CHAIN_NEXT 1
#define BAD_CHAIN_WRITE 2
#define BAD_CHAIN_INDIRECT 4

struct bad_desc {
	uint64_t addr; /* below BAD_CHAIN_DATA: from the begin of the data; else as it is */
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct bad_chain {
	const char *what;
	bool refused; /* hesper: used at once, with length 0; else the queue is broken until reset */
	bool indirect; /* with VIRTIO_RING_F_INDIRECT_DESC only */
	uint16_t head;
	uint16_t available; /* 0: 1 */
	struct bad_desc ring[BAD_CHAIN_RING + 1]; /* one more than the ring has */
	struct bad_desc table[4];
};

extern const struct bad_chain bad_chains[];
extern const size_t bad_chain_count;

/* Writes the chain's descriptors into guest memory: ring entries at `ring`, all else from `data`. */
void bad_chain_place(const struct bad_chain *chain, void *ring, void *data, uint64_t data_gpa);

#endif
