/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FUZZ_HALF_H
#define HESPER_TESTS_FUZZ_HALF_H

#include <sys/uio.h>

#include "fuzz.h"
#include "vhost/front.h"

/*
 * The device thread's half of a vhost-user session without the other one: half.c stands in for
 * src/vhost/front.c, so that a device is played with in one thread, with no socket between. It
 * also is the guest's driver: RAM and split rings.
 *
 * RAM is two regions that touch, of two files: HALF_LOW bytes from HALF_GPA, then HALF_HIGH. The
 * low one begins with the rings; HALF_SLOTS slots follow, one for each chain that is on its way,
 * and the pages from HALF_PAGES on are the target's.
 */
#define HALF_GPA 0x40000000ull
#define HALF_USER 0x7f0000000000ull
#define HALF_LOW 0x40000ull
#define HALF_HIGH 0x10000ull
#define HALF_RING 64u
#define HALF_QUEUES 2u
#define HALF_SLOTS 64u
#define HALF_REQUEST 1024u /* bytes of a slot that the device reads */
#define HALF_RESPONSE 1216u /* that it writes */
#define HALF_PAGES 0x30000ull

/* A chain that was made available. */
struct half_chain {
	bool pending; /* not used yet */
	unsigned queue;
	uint16_t head;
	uint32_t request_size;
	uint32_t response_size; /* room for it */
	uint32_t written;
	uint64_t tag; /* the target's */
};

struct half {
	struct vhost *vhost;
	unsigned queue_count;
	struct guest_memory *memory;
	uint8_t *ram; /* the low region */
	uint8_t *high;
	int ram_fds[2];
	int call;
	uint64_t features;
	bool running;
	uint16_t avail[HALF_QUEUES];
	uint16_t used[HALF_QUEUES];
	uint16_t base[HALF_QUEUES];
	struct half_chain chains[HALF_SLOTS];
	unsigned pending;
	bool want_kick[HALF_QUEUES]; /* something is available that no kick told of */

	/* The window. */
	struct list requests; /* struct letter of a struct window_request, not answered */
	unsigned config_changes;
	uint8_t config[VHOST_MAX_CONFIG];
};

/* Once: RAM, which all runs share. */
void half_init(void);

/* Before the device makes its session (vhost_create), on fuzz_loop(). */
void half_begin(struct half *half, unsigned queue_count);
/* Right before it destroys it. */
void half_end(struct half *half);

/* The driver starts, with fresh rings; features as it acknowledges them. */
void half_start(struct half *half, uint64_t features);
/* All rings stop: the first half of a pause or a reset. */
void half_stop(struct half *half);
/* After half_stop: the guest goes on. */
void half_resume(struct half *half);
/* A table of the same RAM, mapped anew. */
void half_new_memory(struct half *half);
/* The front end closes. */
void half_disconnect(struct half *half, int error);

/*
 * Makes a chain available: request bytes to read and room for a response. pieces: into how many
 * descriptors the request is cut. NULL when all slots are taken.
 */
struct half_chain *half_submit(struct half *half, unsigned queue, const void *request,
			       uint32_t request_size, uint32_t response_size, unsigned pieces,
			       bool indirect);
void half_kick(struct half *half, unsigned queue);
uint8_t *half_response(struct half *half, const struct half_chain *chain);
uint8_t *half_request(struct half *half, const struct half_chain *chain);
uint64_t half_response_gpa(const struct half *half, const struct half_chain *chain);

/*
 * The next chain that the device has used, in its order; NULL: no more. A used element that is no
 * pending chain's, or says more bytes than there is room for, ends the run.
 */
struct half_chain *half_next_used(struct half *half);

/* Answers the oldest window request; false: there is none. */
bool half_answer_window(struct half *half, int status);
const struct window_request *half_oldest_window(const struct half *half);

/* Turns of the loop until no letter is on its way. */
void half_settle(struct half *half);

/* Guest-physical address of a byte at offset of RAM, both regions. */
static inline uint64_t half_gpa(uint64_t offset)
{
	return HALF_GPA + offset;
}
uint8_t *half_at(struct half *half, uint64_t offset);

#endif
