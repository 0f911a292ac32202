/* SPDX-License-Identifier: MIT */
#ifndef LAYER_OBJECTS_H
#define LAYER_OBJECTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A hash map from a Vulkan handle to what the layer knows of it.
 *
 * Any thread may call any function at any time: the map has a mutex of its own, held for a few
 * instructions and never over a call into the driver. What a value points to is not protected by
 * it: Vulkan's own rule, that destroying an object is externally synchronised, does that.
 *
 * A handle can be reused by the driver as soon as it is destroyed. So take an object out of its
 * map before the driver destroys it, and put one in after the driver created it.
 */
struct map_slot {
	uint64_t key; /* 0: empty */
	void *value;
};

struct map {
	pthread_mutex_t lock;
	struct map_slot *slots; /* a power of two of them, or NULL */
	size_t capacity;
	size_t count;
};

#define MAP_INIT {.lock = PTHREAD_MUTEX_INITIALIZER}

void map_init(struct map *map);

/* The values are the caller's: calls `release` (may be NULL) on each that is still there. */
void map_finish(struct map *map, void (*release)(void *value));

/* False when out of memory. `key` is not 0 and not in the map; `value` is not NULL. */
bool map_put(struct map *map, uint64_t key, void *value);

/* Puts `value` unless the key is there already. Returns what is then in the map, or NULL when out
 * of memory; a value that is not `value` was there first, and `value` is still the caller's. */
void *map_put_once(struct map *map, uint64_t key, void *value);

/* NULL when the key is not there. */
void *map_get(struct map *map, uint64_t key);

/* Removes and returns it; NULL when the key is not there. */
void *map_take(struct map *map, uint64_t key);

#endif
