/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_PROTOCOL_H
#define HESPER_VHOST_PROTOCOL_H

#include <assert.h>
#include <stdint.h>

#include "vhost/guest_memory.h"

/*
 * The vhost-user wire: numbers and layouts (QEMU docs/interop/vhost-user.rst, and what stock QEMU
 * 11.1 really does: protocols §1). Host byte order, packed, no padding after the header.
 */

#define VHOST_USER_VERSION 1u
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_REPLY (1u << 2)
#define VHOST_USER_NEED_REPLY (1u << 3)

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* payload bytes */
} __attribute__((packed));
static_assert(sizeof(struct vhost_user_header) == 12, "wire layout");

/* Largest payload read. QEMU's own cap is 2056 or a little more. */
#define VHOST_USER_MAX_PAYLOAD 4096
#define VHOST_USER_MAX_FDS 8
#define VHOST_USER_MAX_REGIONS 8
#define VHOST_USER_MAX_SHMEM_REGIONS 256
/* QEMU's VIRTQUEUE_MAX_SIZE. */
#define VHOST_USER_MAX_RING 1024

/* Front end to back end. */
enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GET_SHARED_OBJECT = 41,
	VHOST_USER_GET_SHMEM_CONFIG = 44,
	VHOST_USER_REQUEST_END,
};

/* Back end to front end, on the socket of SET_BACKEND_REQ_FD. */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_CONFIG_CHANGE = 2,
	VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE = 7,
	VHOST_USER_BACKEND_SHMEM_MAP = 9,
	VHOST_USER_BACKEND_SHMEM_UNMAP = 10,
	/* No specification has numbers up here. */
	VHOST_USER_BACKEND_UNKNOWN = 0x48455300,
};

/* Device feature bit: protocol features are understood. */
#define VHOST_USER_F_PROTOCOL_FEATURES (1ull << 30)

/* Protocol feature bits that are offered (protocols §1.4). Never 15: QEMU crashes (Q3). */
#define VHOST_USER_PROTOCOL_MQ (1ull << 0)
#define VHOST_USER_PROTOCOL_REPLY_ACK (1ull << 3)
#define VHOST_USER_PROTOCOL_BACKEND_REQ (1ull << 5)
#define VHOST_USER_PROTOCOL_CONFIG (1ull << 9)
#define VHOST_USER_PROTOCOL_BACKEND_SEND_FD (1ull << 10)
#define VHOST_USER_PROTOCOL_SHARED_OBJECT (1ull << 18)
#define VHOST_USER_PROTOCOL_SHMEM (1ull << 22)

struct vhost_user_memory_table {
	uint32_t count;
	uint32_t padding;
	struct guest_region regions[VHOST_USER_MAX_REGIONS];
} __attribute__((packed));
static_assert(sizeof(struct guest_region) == 32, "wire layout");
static_assert(sizeof(struct vhost_user_memory_table) == 8 + 8 * 32, "wire layout");

struct vhost_user_vring_state {
	uint32_t index;
	uint32_t num;
} __attribute__((packed));

struct vhost_user_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
} __attribute__((packed));
static_assert(sizeof(struct vhost_user_vring_addr) == 40, "wire layout");

/* SET_VRING_KICK, _CALL, _ERR: a u64. */
#define VHOST_USER_VRING_INDEX_MASK 0xffull
#define VHOST_USER_VRING_NO_FD (1ull << 8)

#define VHOST_USER_CONFIG_HEADER 12
#define VHOST_USER_CONFIG_BYTES 256 /* QEMU: VHOST_USER_MAX_CONFIG_SIZE */
struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VHOST_USER_CONFIG_BYTES];
} __attribute__((packed));
static_assert(sizeof(struct vhost_user_config) == 268, "wire layout");

struct vhost_user_shmem_config {
	uint32_t count; /* of sizes that are not 0 */
	uint32_t padding;
	uint64_t sizes[VHOST_USER_MAX_SHMEM_REGIONS]; /* indexed by id */
} __attribute__((packed));
static_assert(sizeof(struct vhost_user_shmem_config) == 2056, "wire layout");

#define VHOST_USER_SHMEM_WRITABLE (1ull << 0)
struct vhost_user_shmem_map {
	uint8_t id;
	uint8_t padding[7];
	uint64_t fd_offset;
	uint64_t offset; /* in the window */
	uint64_t size;
	uint64_t flags;
} __attribute__((packed));
static_assert(sizeof(struct vhost_user_shmem_map) == 40, "wire layout");

#define VHOST_USER_UUID_BYTES 16

union vhost_user_payload {
	uint64_t u64;
	struct vhost_user_memory_table memory;
	struct vhost_user_vring_state state;
	struct vhost_user_vring_addr addr;
	struct vhost_user_config config;
	struct vhost_user_shmem_config shmem;
	struct vhost_user_shmem_map map;
	uint8_t bytes[VHOST_USER_MAX_PAYLOAD];
} __attribute__((packed));

#endif
