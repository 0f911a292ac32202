/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_FRONT_H
#define HESPER_TESTS_WIRE_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/message.h"
#include "vhost/protocol.h"

/*
 * A scripted vhost-user front end: what QEMU and a guest's driver do, without either. It talks to
 * a back end over a connected socket, in this process or another. One thread, blocking, every wait
 * with a time limit; anything unexpected ends the running test with words (wire_fail). So call it
 * from the test's own thread only.
 *
 * It acknowledges what a back end offers of WIRE_PROTOCOL and does without the rest: no waiting for
 * answers without REPLY_ACK, no channel without BACKEND_REQ, no SET_VRING_ENABLE without bit 30.
 *
 * The guest: RAM is a memfd of one region, from WIRE_RAM_GPA. Each queue has a split ring of up to
 * WIRE_RING_SIZE entries at a fixed place in it; the rest is for buffers (wire_alloc).
 *
 * The back-end channel is looked at whenever something is waited for that needs the device
 * (wire_wait_used, wire_pump), never while a reply on the socket is awaited: as in QEMU.
 */
#define WIRE_MAX_QUEUES 8
#define WIRE_RING_SIZE 256
#define WIRE_MAX_WINDOWS 4096
#define WIRE_RAM_GPA 0x40000000ull
#define WIRE_WINDOW_GPA 0x800000000ull
#define WIRE_USER_BASE 0x7e0000000000ull /* user address = this + gpa */
#define WIRE_TIMEOUT_MS 10000
#define WIRE_PROTOCOL                                                                              \
	(VHOST_USER_PROTOCOL_MQ | VHOST_USER_PROTOCOL_REPLY_ACK |                                  \
	 VHOST_USER_PROTOCOL_BACKEND_REQ | VHOST_USER_PROTOCOL_CONFIG |                            \
	 VHOST_USER_PROTOCOL_BACKEND_SEND_FD | VHOST_USER_PROTOCOL_SHARED_OBJECT |                 \
	 VHOST_USER_PROTOCOL_SHMEM)

/* What the front end does with SHMEM_MAP and SHMEM_UNMAP. */
enum wire_policy {
	WIRE_ANSWER, /* as QEMU: reply, then make it so, then send the new table */
	WIRE_REFUSE, /* reply 1 */
	WIRE_HOLD, /* read and count it, do not reply: see wire_release */
};

struct wire_ring {
	int kick;
	int call;
	uint16_t avail_idx;
	uint16_t used_seen;
	uint16_t base; /* for the next start */
	uint64_t desc_gpa;
	uint64_t avail_gpa;
	uint64_t used_gpa;
	uint16_t free[WIRE_RING_SIZE]; /* a stack of descriptors */
	unsigned free_count;
	uint16_t chain_length[WIRE_RING_SIZE]; /* of the chain at this head; 0: not in flight */
	bool done[WIRE_RING_SIZE]; /* its used entry was seen */
	uint32_t written[WIRE_RING_SIZE];
	uint16_t order[WIRE_RING_SIZE]; /* heads as they were used; used_seen counts them */
	uint16_t taken; /* of order, by wire_next_used */
};

struct wire_window {
	bool used;
	uint64_t offset;
	uint64_t size;
	uint64_t fd_offset;
	int fd;
	uint8_t *map; /* what the guest sees there */
};

struct wire_front {
	int socket;
	int channel; /* our end; -1 before wire_hello, and without VHOST_USER_PROTOCOL_BACKEND_REQ */
	int display; /* our end of wire_give_display's socket; -1 without */
	unsigned displayed; /* messages that came there */
	unsigned queue_count;
	uint16_t ring_size; /* of each queue: WIRE_RING_SIZE, or what wire_set_ring_size made it */
	uint64_t offered; /* by the back end, with bit 30 */
	uint64_t features; /* acknowledged, without bit 30 */
	uint64_t protocol_offered;
	uint64_t protocol_unwanted; /* never acknowledged; set it before wire_hello */
	uint64_t protocol_features; /* acknowledged */
	struct vhost_user_shmem_config shmem; /* zeroes without VHOST_USER_PROTOCOL_SHMEM */
	int ram_fd;
	uint8_t *ram;
	uint64_t ram_size;
	uint64_t allocated; /* bytes of RAM */
	struct wire_ring rings[WIRE_MAX_QUEUES];
	bool started;
	int call_delay_ms; /* between SET_VRING_KICK and _CALL at a start; below 0: _CALL first */
	bool quiet; /* wire_submit does not kick */
	bool tolerant; /* of flags and files in a reply that QEMU would not take */

	enum wire_policy policy;
	struct wire_window *windows; /* WIRE_MAX_WINDOWS */
	unsigned maps; /* requests seen */
	unsigned unmaps;
	unsigned barriers;
	unsigned revoked; /* requests that came as unknown ones */
	unsigned config_changes;
	bool hold_barriers; /* do not reply to barriers: see wire_release */
	bool held; /* a request waits for wire_release */
	struct vhost_user_header held_header;
	struct vhost_user_shmem_map held_map;
	int held_fd; /* also of a request that is being answered */
	struct message incoming; /* on the back-end channel */
	/* Every back-end request before start or after stop is an error: QEMU would crash. */
};

/*
 * Ends the running test; does not return. Not the front end's: front_cmocka.c has it for tests that
 * are cmocka's, another program has its own.
 */
_Noreturn void wire_failed(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define wire_fail(...) wire_failed(__FILE__, __LINE__, __VA_ARGS__)
#define wire_check(condition)                                                                      \
	((condition) ? (void)0 : wire_failed(__FILE__, __LINE__, "not true: %s", #condition))
#define wire_check_equal(a, b) wire_equal(__FILE__, __LINE__, #a, (uint64_t)(a), (uint64_t)(b))
void wire_equal(const char *file, int line, const char *what, uint64_t is, uint64_t wanted);

/* Life. The socket belongs to the front end from here on. ram_size: bytes, a page multiple. */
void wire_open(struct wire_front *front, int socket, unsigned queue_count, uint64_t ram_size);
void wire_close(struct wire_front *front);

/* Messages. Payload and fds stay the caller's. */
void wire_send(struct wire_front *front, uint32_t request, uint32_t flags, const void *payload,
	       uint32_t size, const int *fds, size_t fd_count);
/* Waits for a reply to request, which must be well-formed; its payload size, at most max. */
uint32_t wire_receive(struct wire_front *front, uint32_t request, void *payload, uint32_t max);
/*
 * Sends with NEED_REPLY; the answer: 0 is success. Without VHOST_USER_PROTOCOL_REPLY_ACK there is
 * none: 0, once the back end has answered another message behind this one.
 */
uint64_t wire_acked(struct wire_front *front, uint32_t request, const void *payload, uint32_t size,
		    const int *fds, size_t fd_count);
/* The same two for messages that may end the connection: false and -1 when it is closed. */
bool wire_try(struct wire_front *front, uint32_t request, uint32_t flags, const void *payload,
	      uint32_t size, const int *fds, size_t fd_count);
int64_t wire_answer(struct wire_front *front, uint32_t request, void *payload, uint32_t max);
uint64_t wire_get_u64(struct wire_front *front, uint32_t request);
/* True when the back end closes the socket within the time limit, with nothing before. */
bool wire_closed(struct wire_front *front);

/* Config. */
void wire_get_config(struct wire_front *front, uint32_t offset, void *bytes, uint32_t size);
void wire_set_config(struct wire_front *front, uint32_t offset, const void *bytes, uint32_t size);

/*
 * For back ends of QEMU's vhost-user-gpu device, which have no display of their own: gives them the
 * socket of VHOST_USER_GPU_SET_SOCKET (QEMU docs/interop/vhost-user-gpu.rst), and from then on
 * answers as one monitor of WIRE_DISPLAY_WIDTH x HEIGHT would. Behind wire_hello. The answer.
 */
#define WIRE_DISPLAY_WIDTH 1024
#define WIRE_DISPLAY_HEIGHT 768
uint64_t wire_give_display(struct wire_front *front);

/* QEMU's sequences (protocols §1.5), message for message. */
void wire_hello(struct wire_front *front); /* QEMU starts */
void wire_start(struct wire_front *front, uint64_t features); /* DRIVER_OK, or QMP cont */
void wire_stop(struct wire_front *front); /* QMP stop, or the first half of a reset */
/*
 * The other half: the guest's driver goes, comes back and makes fresh rings; windows are dropped.
 * wire_start is next.
 */
void wire_reset(struct wire_front *front);
/* SET_MEM_TABLE with RAM and as many windows as QEMU would send; the answer. */
uint64_t wire_send_memory(struct wire_front *front);
/* One step of wire_start. */
void wire_set_ring(struct wire_front *front, unsigned queue);
uint64_t wire_enable(struct wire_front *front, unsigned queue, bool enable);
/* Before wire_start: a power of two, at most WIRE_RING_SIZE. */
void wire_set_ring_size(struct wire_front *front, uint16_t size);

/* Guest memory: len bytes of RAM, 64-byte aligned, zeroed. Freed together. */
uint64_t wire_alloc(struct wire_front *front, uint64_t len);
void wire_free_all(struct wire_front *front);
void *wire_at(struct wire_front *front, uint64_t gpa);

struct wire_buffer {
	uint64_t gpa;
	uint32_t len;
	bool writable;
};

/* Makes a chain available and kicks if the device asks for it. Returns its head. */
uint16_t wire_submit(struct wire_front *front, unsigned queue, const struct wire_buffer *buffers,
		     size_t count, bool indirect);
/* Makes a chain available whose descriptors the caller wrote; kicks always. */
void wire_submit_head(struct wire_front *front, unsigned queue, uint16_t head);
void wire_kick(struct wire_front *front, unsigned queue);
/* True when the chain at head is used (its descriptors are free again then); written: bytes. */
bool wire_used(struct wire_front *front, unsigned queue, uint16_t head, uint32_t *written);
/* The next chain that the device used, in its order; false when there is none now. */
bool wire_next_used(struct wire_front *front, unsigned queue, uint16_t *head, uint32_t *written);
/* Waits for it, by interrupt, serving the channel. Returns the bytes written. */
uint32_t wire_wait_used(struct wire_front *front, unsigned queue, uint16_t head);
/*
 * A whole command: copies request into guest RAM, runs it as an indirect chain, copies the
 * response out. Returns the bytes that the device says it wrote.
 */
uint32_t wire_command(struct wire_front *front, unsigned queue, const void *request,
		      uint32_t request_size, void *response, uint32_t response_size);

/* The channel: handles what comes within ms; false when nothing came. */
bool wire_pump(struct wire_front *front, int ms);
/* Handles back-end requests until *counter is value. */
void wire_pump_until(struct wire_front *front, const unsigned *counter, unsigned value);
/* Replies to the held request (0: as QEMU does it). */
void wire_release(struct wire_front *front, uint64_t value);
/* The window as the guest sees it: len bytes at offset in one mapping; NULL when not mapped. */
uint8_t *wire_window_at(struct wire_front *front, uint64_t offset, uint64_t len);
unsigned wire_window_count(const struct wire_front *front);

#endif
