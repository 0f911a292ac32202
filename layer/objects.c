/* SPDX-License-Identifier: MIT */
#include "objects.h"

#include <stdlib.h>

/* Open addressing with linear probing, at most half full, deletion by shifting back. */

static size_t map_home(const struct map *map, uint64_t key)
{
	/* Fibonacci hashing: handles are often pointers, whose low bits are all alike. */
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (map->capacity - 1);
}

/* The slot that holds `key`, or the empty one where it would go. The map has slots. */
static struct map_slot *map_find(const struct map *map, uint64_t key)
{
	size_t i = map_home(map, key);
	while (map->slots[i].key != 0 && map->slots[i].key != key) {
		i = (i + 1) & (map->capacity - 1);
	}
	return &map->slots[i];
}

static bool map_grow(struct map *map)
{
	struct map old = *map;
	size_t capacity = old.capacity ? old.capacity * 2 : 64;
	struct map_slot *slots = calloc(capacity, sizeof(*slots));
	if (!slots) {
		return false;
	}
	map->slots = slots;
	map->capacity = capacity;
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].key != 0) {
			*map_find(map, old.slots[i].key) = old.slots[i];
		}
	}
	free(old.slots);
	return true;
}

void map_init(struct map *map)
{
	*map = (struct map){0};
	pthread_mutex_init(&map->lock, NULL);
}

void map_finish(struct map *map, void (*release)(void *value))
{
	for (size_t i = 0; release && i < map->capacity; i++) {
		if (map->slots[i].key != 0) {
			release(map->slots[i].value);
		}
	}
	free(map->slots);
	pthread_mutex_destroy(&map->lock);
}

void *map_put_once(struct map *map, uint64_t key, void *value)
{
	pthread_mutex_lock(&map->lock);
	void *result = NULL;
	if (map->count * 2 < map->capacity || map_grow(map)) {
		struct map_slot *slot = map_find(map, key);
		if (slot->key == 0) {
			*slot = (struct map_slot){key, value};
			map->count++;
		}
		result = slot->value;
	}
	pthread_mutex_unlock(&map->lock);
	return result;
}

bool map_put(struct map *map, uint64_t key, void *value)
{
	return map_put_once(map, key, value) == value;
}

void *map_get(struct map *map, uint64_t key)
{
	pthread_mutex_lock(&map->lock);
	void *value = map->count ? map_find(map, key)->value : NULL;
	pthread_mutex_unlock(&map->lock);
	return value;
}

/* Closes the gap at `hole`: a slot further on may move into it if its home is not beyond. */
static void map_close_gap(struct map *map, size_t hole)
{
	size_t mask = map->capacity - 1;
	for (size_t i = (hole + 1) & mask; map->slots[i].key != 0; i = (i + 1) & mask) {
		size_t home = map_home(map, map->slots[i].key);
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = (struct map_slot){0};
}

void *map_take(struct map *map, uint64_t key)
{
	pthread_mutex_lock(&map->lock);
	void *value = NULL;
	if (map->count) {
		struct map_slot *slot = map_find(map, key);
		if (slot->key != 0) {
			value = slot->value;
			map_close_gap(map, (size_t)(slot - map->slots));
			map->count--;
		}
	}
	pthread_mutex_unlock(&map->lock);
	return value;
}
