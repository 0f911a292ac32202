/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_IDMAP_H
#define HESPER_UTIL_IDMAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * A map from non-zero 32-bit ids, chosen by a guest, to pointers. Open addressing with linear
 * probing and a mixed hash; grows by doubling. Not thread-safe.
 */
struct idmap_slot {
	uint32_t id; /* 0: empty */
	void *value;
};

struct idmap {
	struct idmap_slot *slots;
	size_t capacity; /* 0 or a power of two */
	size_t count;
};

void idmap_init(struct idmap *map);

/* Frees the table; the values are the caller's. */
void idmap_finish(struct idmap *map);

/* NULL when the id is not there. */
void *idmap_get(const struct idmap *map, uint32_t id);

/* Adds or replaces. id must not be 0, value not NULL. 0 or -ENOMEM. */
int idmap_set(struct idmap *map, uint32_t id, void *value);

/* The value that was there, or NULL. */
void *idmap_remove(struct idmap *map, uint32_t id);

/* Walks all entries: *cursor starts at 0; NULL at the end. No changes while walking. */
void *idmap_next(const struct idmap *map, size_t *cursor);

#endif
