/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_MALFORMED_H
#define HESPER_TESTS_WIRE_MALFORMED_H

#include "front.h"

/*
 * Messages that a front end should not send, for hesper's own tests, which want a failure of each
 * (test_malformed.c), and for the conformance suite, which wants an answer or the end of the
 * connection. Each maker calls try for one message after the other; ram_fd is some guest's RAM of
 * ram_size bytes.
 */
struct malformed {
	const char *what;
	uint32_t request;
	bool replies; /* has a reply of its own */
	const void *payload;
	uint32_t size;
	const int *fds;
	size_t fd_count;
};

struct malformed_rig {
	unsigned queue_count;
	int ram_fd;
	uint64_t ram_size;
	void (*try)(void *data, const struct malformed *message);
	void *data;
};

void malformed_sizes(const struct malformed_rig *rig);
void malformed_queues(const struct malformed_rig *rig); /* that are not there */
void malformed_ring_values(const struct malformed_rig *rig);
void malformed_surplus_fds(const struct malformed_rig *rig);
void malformed_unwanted_fds(const struct malformed_rig *rig);
void malformed_missing_fds(const struct malformed_rig *rig);
void malformed_memory_tables(const struct malformed_rig *rig);
void malformed_configs(const struct malformed_rig *rig);
void malformed_requests(const struct malformed_rig *rig); /* that do not exist */

/* "SET_MEM_TABLE", …; "request" for others. */
const char *malformed_request_name(uint32_t request);

/* Each of the requests whose size is fixed and that have no reply. */
size_t malformed_silent(uint32_t *requests, size_t max);

#endif
