/* SPDX-License-Identifier: MIT */
#include "bad_chains.h"

#include <string.h>

#define NUM BAD_CHAIN_RING
#define NEXT BAD_CHAIN_NEXT
#define WRITE BAD_CHAIN_WRITE
#define INDIRECT BAD_CHAIN_INDIRECT

#define DATA 0
#define TABLE 0x1000 /* of the data */
#define OUTSIDE (1ull << 50) /* no guest's RAM is there */

#define LOOP(i) [i] = {DATA, 4, NEXT, ((i) + 1) % NUM}

const struct bad_chain bad_chains[] = {
	{"more chains than the ring has entries", .available = NUM + 1, .ring = {{DATA, 4, 0, 0}}},
	{"a head outside of the table", .head = NUM, .ring = {[NUM] = {DATA, 4, 0, 0}}},
	{"a next outside of the table",
	 .ring = {[0] = {DATA, 4, NEXT, NUM}, [NUM] = {DATA, 4, 0, 0}}},
	{"a loop of the whole ring",
	 .ring = {LOOP(0), LOOP(1), LOOP(2), LOOP(3), LOOP(4), LOOP(5), LOOP(6), LOOP(7), LOOP(8),
		  LOOP(9), LOOP(10), LOOP(11), LOOP(12), LOOP(13), LOOP(14), LOOP(15)}},
	{"a loop of one", .head = 5, .ring = {[5] = {DATA, 4, NEXT, 5}}},
	{"a loop of one, writable", .head = 5, .ring = {[5] = {DATA, 4, NEXT | WRITE, 5}}},
	{"a descriptor of no bytes", .ring = {{DATA, 0, 0, 0}}},
	{"readable behind writable", .ring = {{DATA, 4, WRITE | NEXT, 1}, {DATA, 4, 0, 0}}},
	/* It fails for its address already. */
	{"readable behind writable outside of RAM",
	 .ring = {{OUTSIDE, 4, WRITE | NEXT, 1}, {DATA, 4, 0, 0}}},
	{"an indirect table of no bytes", .indirect = true, .ring = {{DATA, 0, INDIRECT, 0}}},
	{"an indirect table of one and a half", .indirect = true,
	 .ring = {{TABLE, 24, INDIRECT, 0}}, .table = {{DATA, 4, 0, 0}}},
	{"an indirect table with a next", .indirect = true,
	 .ring = {{TABLE, 16, INDIRECT | NEXT, 1}, {DATA, 4, 0, 0}}, .table = {{DATA, 4, 0, 0}}},
	{"an indirect table in an indirect table", .indirect = true,
	 .ring = {{TABLE, 16, INDIRECT, 0}},
	 .table = {{TABLE + 32, 16, INDIRECT, 0}, [2] = {DATA, 4, 0, 0}}},
	{"a next outside of the indirect table", .indirect = true,
	 .ring = {{TABLE, 16, INDIRECT, 0}}, .table = {{DATA, 4, NEXT, 1}, {DATA, 4, 0, 0}}},
	{"a loop in an indirect table", .indirect = true, .ring = {{TABLE, 32, INDIRECT, 0}},
	 .table = {{DATA, 4, NEXT, 1}, {DATA, 4, NEXT, 0}}},
	{"a buffer outside of RAM", .refused = true, .head = 2, .ring = {[2] = {OUTSIDE, 2, 0, 0}}},
	{"a second buffer outside of RAM", .refused = true, .head = 2,
	 .ring = {[2] = {DATA, 8, NEXT, 3}, [3] = {OUTSIDE, 8, WRITE, 0}}},
	{"an address that wraps", .refused = true, .head = 2,
	 .ring = {[2] = {UINT64_MAX - 1, 8, WRITE, 0}}},
	{"an indirect table outside of RAM", .refused = true, .indirect = true, .head = 2,
	 .ring = {[2] = {OUTSIDE, 16, INDIRECT, 0}}},
	/* 3 times 2 GiB: wraps 32 bits twice. */
	{"more than 2^32 bytes", .refused = true, .head = 2,
	 .ring = {[2] = {DATA, 0x80000000u, NEXT, 3},
		  [3] = {DATA, 0x80000000u, NEXT, 4},
		  [4] = {DATA, 0x80000000u, 0, 0}}},
};
const size_t bad_chain_count = sizeof(bad_chains) / sizeof(bad_chains[0]);

static void place(const struct bad_desc *from, size_t count, void *to, uint64_t data_gpa)
{
	for (size_t i = 0; i < count; i++) {
		struct bad_desc desc = from[i];
		desc.addr += desc.addr < BAD_CHAIN_DATA ? data_gpa : 0;
		memcpy((uint8_t *)to + i * sizeof(desc), &desc, sizeof(desc));
	}
}

void bad_chain_place(const struct bad_chain *chain, void *ring, void *data, uint64_t data_gpa)
{
	place(chain->ring, NUM + 1, ring, data_gpa);
	place(chain->table, sizeof(chain->table) / sizeof(chain->table[0]), (uint8_t *)data + TABLE,
	      data_gpa);
}
