/* SPDX-License-Identifier: MIT */
#include "malformed.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "util/fd.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

/* The payload size that is right for the request, or SEVERAL. */
#define SEVERAL 0xffff
static const struct {
	const char *name;
	uint32_t id;
	uint32_t size;
	bool replies;
} known[] = {
#define REQUEST(name, size, replies) {#name, VHOST_USER_##name, size, replies}
	REQUEST(GET_FEATURES, 0, true),
	REQUEST(SET_FEATURES, 8, false),
	REQUEST(SET_OWNER, 0, false),
	REQUEST(RESET_OWNER, 0, false),
	REQUEST(SET_MEM_TABLE, SEVERAL, false),
	REQUEST(SET_VRING_NUM, 8, false),
	REQUEST(SET_VRING_ADDR, 40, false),
	REQUEST(SET_VRING_BASE, 8, false),
	REQUEST(GET_VRING_BASE, 8, true),
	REQUEST(SET_VRING_KICK, 8, false),
	REQUEST(SET_VRING_CALL, 8, false),
	REQUEST(SET_VRING_ERR, 8, false),
	REQUEST(GET_PROTOCOL_FEATURES, 0, true),
	REQUEST(SET_PROTOCOL_FEATURES, 8, false),
	REQUEST(GET_QUEUE_NUM, 0, true),
	REQUEST(SET_VRING_ENABLE, 8, false),
	REQUEST(SET_BACKEND_REQ_FD, 0, false),
	REQUEST(GET_CONFIG, SEVERAL, true),
	REQUEST(SET_CONFIG, SEVERAL, false),
	REQUEST(GET_SHARED_OBJECT, 16, true),
	REQUEST(GET_SHMEM_CONFIG, 0, true),
};

static const uint8_t zeros[VHOST_USER_MAX_PAYLOAD];

const char *malformed_request_name(uint32_t request)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		if (known[i].id == request) {
			return known[i].name;
		}
	}
	return "request";
}

size_t malformed_silent(uint32_t *requests, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < COUNT(known) && count < max; i++) {
		if (!known[i].replies) {
			requests[count++] = known[i].id;
		}
	}
	return count;
}

static void try(const struct malformed_rig *rig, const char *what, uint32_t request,
		const void *payload, uint32_t size, const int *fds, size_t fd_count)
{
	bool replies = false;
	for (size_t i = 0; i < COUNT(known); i++) {
		replies = replies || (known[i].id == request && known[i].replies);
	}
	rig->try(rig->data,
		 &(struct malformed){what, request, replies, payload, size, fds, fd_count});
}

void malformed_sizes(const struct malformed_rig *rig)
{
	const uint32_t sizes[] = {
		0, 1, 4, 7, 8, 9, 12, 39, 40, 41, 300, 2056, VHOST_USER_MAX_PAYLOAD};
	for (size_t i = 0; i < COUNT(known); i++) {
		for (size_t k = 0; k < COUNT(sizes); k++) {
			/* 12 zeros are a right GET_CONFIG and SET_CONFIG of no bytes. */
			bool right = sizes[k] == known[i].size ||
				     (known[i].size == SEVERAL && sizes[k] == 12 &&
				      known[i].id != VHOST_USER_SET_MEM_TABLE);
			if (!right) {
				try(rig, "the wrong size", known[i].id, zeros, sizes[k], NULL, 0);
			}
		}
	}
}

void malformed_queues(const struct malformed_rig *rig)
{
	const uint32_t bad[] = {rig->queue_count, 8, 255, 0x7fffffff, UINT32_MAX};
	const uint32_t with_state[] = {VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
				       VHOST_USER_GET_VRING_BASE, VHOST_USER_SET_VRING_ENABLE};
	const uint32_t with_fd[] = {VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
				    VHOST_USER_SET_VRING_ERR};
	int fd = eventfd(0, EFD_CLOEXEC);
	for (size_t i = 0; i < COUNT(bad); i++) {
		const struct vhost_user_vring_state ring = {bad[i], 1};
		const struct vhost_user_vring_addr addr = {.index = bad[i]};
		const uint64_t value = bad[i] & VHOST_USER_VRING_INDEX_MASK;
		for (size_t k = 0; k < COUNT(with_state); k++) {
			try(rig, "no such queue", with_state[k], &ring, sizeof(ring), NULL, 0);
		}
		try(rig, "no such queue", VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
		for (size_t k = 0; k < COUNT(with_fd); k++) {
			try(rig, "no such queue", with_fd[k], &value, sizeof(value), &fd, 1);
		}
	}
	close(fd);
}

void malformed_ring_values(const struct malformed_rig *rig)
{
	const uint32_t sizes[] = {0, 3, 255, 2048, 65536, UINT32_MAX};
	for (size_t i = 0; i < COUNT(sizes); i++) {
		const struct vhost_user_vring_state num = {0, sizes[i]};
		try(rig, "no size of a ring", VHOST_USER_SET_VRING_NUM, &num, sizeof(num), NULL, 0);
	}
	const struct vhost_user_vring_state base = {0, 65536};
	try(rig, "more than 16 bits", VHOST_USER_SET_VRING_BASE, &base, sizeof(base), NULL, 0);
	const struct vhost_user_vring_state enable = {0, 2};
	try(rig, "neither on nor off", VHOST_USER_SET_VRING_ENABLE, &enable, sizeof(enable), NULL,
	    0);
}

void malformed_surplus_fds(const struct malformed_rig *rig)
{
	const size_t counts[] = {2, 8, 9, 16, 17, 40};
	int fds[40];
	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
	}
	for (size_t i = 0; i < COUNT(known); i++) {
		for (size_t k = 0; k < COUNT(counts); k++) {
			uint32_t size = known[i].size == SEVERAL ? 12 : known[i].size;
			try(rig, "too many files", known[i].id, zeros, size, fds, counts[k]);
		}
	}
	fd_close_all(fds, COUNT(fds));
}

void malformed_unwanted_fds(const struct malformed_rig *rig)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	try(rig, "a file", VHOST_USER_GET_FEATURES, zeros, 0, &fd, 1);
	try(rig, "a file", VHOST_USER_SET_VRING_NUM, zeros, 8, &fd, 1);
	try(rig, "a file", VHOST_USER_SET_OWNER, zeros, 0, &fd, 1);
	try(rig, "a file", VHOST_USER_GET_VRING_BASE, zeros, 8, &fd, 1);
	const uint64_t value = VHOST_USER_VRING_NO_FD;
	try(rig, "says that there is no file, and has one", VHOST_USER_SET_VRING_CALL, &value,
	    sizeof(value), &fd, 1);
	close(fd);
}

void malformed_missing_fds(const struct malformed_rig *rig)
{
	const uint64_t value = 0;
	const uint32_t ids[] = {VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
				VHOST_USER_SET_VRING_ERR};
	for (size_t i = 0; i < COUNT(ids); i++) {
		try(rig, "no file", ids[i], &value, sizeof(value), NULL, 0);
	}
	try(rig, "no file", VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, NULL, 0);
	const struct vhost_user_memory_table table = {
		.count = 2,
		.regions = {{0x1000, 0x1000, 0x1000, 0}, {0x2000, 0x1000, 0x2000, 0}},
	};
	try(rig, "one file of two", VHOST_USER_SET_MEM_TABLE, &table, 8 + 64, &rig->ram_fd, 1);
}

static void try_table(const struct malformed_rig *rig, const char *what,
		      const struct vhost_user_memory_table *table, uint32_t count)
{
	const int ram = rig->ram_fd;
	const int fds[] = {ram, ram, ram, ram, ram, ram, ram, ram, ram};
	uint32_t regions = count < VHOST_USER_MAX_REGIONS ? count : VHOST_USER_MAX_REGIONS;
	try(rig, what, VHOST_USER_SET_MEM_TABLE, table, 8 + 32 * regions, fds, count);
}

static void try_regions(const struct malformed_rig *rig, const char *what, struct guest_region a,
			struct guest_region b, uint32_t count)
{
	const struct vhost_user_memory_table table = {.count = count, .regions = {a, b}};
	try_table(rig, what, &table, count);
}

void malformed_memory_tables(const struct malformed_rig *rig)
{
	const uint64_t page = 0x1000;
	const struct guest_region none = {0};
	struct vhost_user_memory_table table = {.count = 0};
	try_table(rig, "no region", &table, 0);
	table.count = 9;
	try_table(rig, "more regions than a message has", &table, 8);
	table.count = UINT32_MAX;
	try_table(rig, "more regions than a message has", &table, 1);
	try_regions(rig, "an empty region", (struct guest_region){page, 0, page, 0}, none, 1);
	try_regions(rig, "an address that wraps",
		    (struct guest_region){UINT64_MAX - 0xfff, 2 * page, page, 0}, none, 1);
	try_regions(rig, "a user address that wraps",
		    (struct guest_region){page, page, UINT64_MAX - 0xfff, 0}, none, 1);
	try_regions(rig, "an offset that wraps",
		    (struct guest_region){page, page, page, UINT64_MAX - 0xfff}, none, 1);
	try_regions(rig, "past the end of the file",
		    (struct guest_region){page, 2 * page, page, rig->ram_size - page}, none, 1);
	try_regions(rig, "overlapping regions", (struct guest_region){page, 2 * page, page, 0},
		    (struct guest_region){2 * page, 2 * page, 8 * page, 0}, 2);
	/* One file more than regions, of which there cannot be more. */
	table.count = VHOST_USER_MAX_REGIONS;
	for (unsigned i = 0; i < VHOST_USER_MAX_REGIONS; i++) {
		table.regions[i] = (struct guest_region){page * i, page, page * i, 0};
	}
	try_table(rig, "a file too many", &table, 9);
}

static void try_config(const struct malformed_rig *rig, const char *what, uint32_t request,
		       uint32_t offset, uint32_t size, uint32_t bytes)
{
	const struct vhost_user_config config = {.offset = offset, .size = size};
	try(rig, what, request, &config, VHOST_USER_CONFIG_HEADER + bytes, NULL, 0);
}

void malformed_configs(const struct malformed_rig *rig)
{
	try_config(rig, "257 bytes", VHOST_USER_GET_CONFIG, 0, 257, 256);
	try_config(rig, "a byte too few", VHOST_USER_GET_CONFIG, 0, 24, 23);
	try_config(rig, "a byte too many", VHOST_USER_SET_CONFIG, 0, 24, 25);
	try_config(rig, "behind the end", VHOST_USER_GET_CONFIG, 256, 1, 1);
	try_config(rig, "behind the end", VHOST_USER_SET_CONFIG, 256, 1, 1);
	try_config(rig, "an offset that wraps", VHOST_USER_GET_CONFIG, UINT32_MAX, 1, 1);
	try_config(rig, "an offset that wraps", VHOST_USER_SET_CONFIG, UINT32_MAX, 1, 1);
}

void malformed_requests(const struct malformed_rig *rig)
{
	/* Real ones among them, for protocol features that the front end does not know. */
	const uint32_t ids[] = {0,  6,  7,  19, 20, 22, 23, 26, 31, 32,   34,        36,
				37, 38, 39, 40, 42, 43, 45, 46, 99, 1000, UINT32_MAX};
	int fd = eventfd(0, EFD_CLOEXEC);
	for (size_t i = 0; i < COUNT(ids); i++) {
		try(rig, "unknown", ids[i], zeros, 40, &fd, 1);
	}
	close(fd);
}
