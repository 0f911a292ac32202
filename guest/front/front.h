/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_FRONT_FRONT_H
#define HESPER_GUEST_FRONT_FRONT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pci.h"

/*
 * A virtio-gpu driver in user space, without the kernel's: what tests/wire/front.h is on a socket,
 * this is on the real device. It takes the PCI device from its driver, maps its BARs, and writes
 * rings byte by byte into pinned huge pages. Polled, no interrupts. One thread.
 *
 * Whatever goes wrong ends the running attack with words (front_fail). Waits have a time limit.
 */
#define FRONT_QUEUES 2
#define FRONT_RING_SIZE 256
#define FRONT_MAX_RING 1024
#define FRONT_PAGE (2u << 20)
#define FRONT_PAGES 12
#define FRONT_TIMEOUT_MS 60000

/* Ring features and the device's: all that hesperd offers. */
#define FRONT_INDIRECT (1ull << 28)
#define FRONT_EVENT_IDX (1ull << 29)
#define FRONT_VERSION_1 (1ull << 32)
#define FRONT_FEATURES (FRONT_INDIRECT | FRONT_EVENT_IDX | FRONT_VERSION_1 | 0x3b)

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct front_ring {
	uint16_t size;
	uint16_t avail_idx;
	uint16_t used_seen;
	uint64_t desc_gpa;
	uint64_t avail_gpa;
	uint64_t used_gpa;
	uint16_t free[FRONT_MAX_RING]; /* a stack of descriptors */
	unsigned free_count;
	uint16_t chain_length[FRONT_MAX_RING]; /* of the chain at this head; 0: not in flight */
	bool done[FRONT_MAX_RING]; /* its used entry was seen */
	uint32_t written[FRONT_MAX_RING];
};

/* Physically contiguous, 2 MiB, and stays where it is. */
struct front_page {
	uint8_t *at;
	uint64_t gpa;
};

struct front {
	struct pci pci;
	uint8_t *window; /* the host-visible one, NULL when there is none */
	uint64_t window_gpa;
	uint64_t window_size;
	struct front_page pages[FRONT_PAGES]; /* the first is for rings */
	unsigned page; /* that front_alloc takes from */
	uint32_t page_used;
	uint64_t features; /* acknowledged; without FRONT_INDIRECT all chains are direct */
	struct front_ring rings[FRONT_QUEUES];
	uint64_t random;
	jmp_buf failed;
	char reason[512];
};

/* Life: takes the device; gives it back to the kernel's driver. False with words in reason. */
bool front_open(struct front *front);
bool front_close(struct front *front);

/* Ends the attack. */
void front_fail(struct front *front, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* A number of the generator that --seed started. */
uint32_t front_random(struct front *front);
void front_sleep_us(unsigned us);
uint64_t front_now_us(void);

/* What drivers do (virtio 1.4, 3.1.1), in steps that attacks can leave out or do wrong. */
void front_reset(struct front *front);
void front_set_status(struct front *front, uint8_t bits); /* or'ed to what is set */
uint8_t front_status(struct front *front);
void front_negotiate(struct front *front, uint64_t features);
/* A ring in the first page: all of it zero, everything free. */
void front_fresh_ring(struct front *front, unsigned queue, uint16_t size);
void front_place_ring(struct front *front, unsigned queue, uint16_t size, uint64_t desc,
		      uint64_t avail, uint64_t used);
/* Tells the device where the ring is, and enables it. */
void front_set_ring(struct front *front, unsigned queue);
/* All of that, DRIVER_OK included, with memory that is free again. */
void front_start(struct front *front);
void front_start_with(struct front *front, uint64_t features, uint16_t ring_size);

/* Memory: len bytes, at most a huge page, 64-byte aligned, zeroed. Freed together. */
uint64_t front_alloc(struct front *front, uint32_t len);
void front_free_all(struct front *front);
void *front_at(struct front *front, uint64_t gpa);

struct front_buffer {
	uint64_t gpa;
	uint32_t len;
	bool writable;
};

/* Makes a chain available and kicks. Returns its head. */
uint16_t front_submit(struct front *front, unsigned queue, const struct front_buffer *buffers,
		      size_t count, bool indirect);
/* The same without the kick. */
uint16_t front_post(struct front *front, unsigned queue, const struct front_buffer *buffers,
		    size_t count, bool indirect);
/* Makes available what the caller wrote into the table; kicks. */
void front_submit_head(struct front *front, unsigned queue, uint16_t head);
void front_kick(struct front *front, unsigned queue);
struct desc *front_desc(struct front *front, unsigned queue, unsigned index);
/* Writes avail.idx: front_submit goes on from there. */
void front_set_avail_idx(struct front *front, unsigned queue, uint16_t idx);
uint16_t front_used_idx(struct front *front, unsigned queue);
bool front_used(struct front *front, unsigned queue, uint16_t head, uint32_t *written);
/* Waits for it; bytes written. */
uint32_t front_wait_used(struct front *front, unsigned queue, uint16_t head);
/* Waits until the device has used that many more than were seen. */
void front_wait_count(struct front *front, unsigned queue, unsigned count);
/* Fails if the device uses anything within ms: it is broken, and must be silent. */
void front_expect_silence(struct front *front, unsigned queue, unsigned ms);

/* A whole command, as an indirect chain. Bytes that the device says it wrote. */
uint32_t front_command(struct front *front, unsigned queue, const void *request,
		       uint32_t request_size, void *response, uint32_t response_size);

#endif
