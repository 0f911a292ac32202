/* SPDX-License-Identifier: MIT */
#include "util/idmap.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 64

void idmap_init(struct idmap *map)
{
	*map = (struct idmap){0};
}

void idmap_finish(struct idmap *map)
{
	free(map->slots);
	idmap_init(map);
}

static size_t home_of(const struct idmap *map, uint32_t id)
{
	/* Fibonacci hashing: guests count up, and could choose ids that collide in their low bits. */
	return (size_t)((id * 0x9e3779b97f4a7c15ull) >> 32) & (map->capacity - 1);
}

/* The slot of id, or the empty one where it belongs. */
static size_t find(const struct idmap *map, uint32_t id)
{
	size_t at = home_of(map, id);
	while (map->slots[at].id != 0 && map->slots[at].id != id) {
		at = (at + 1) & (map->capacity - 1);
	}
	return at;
}

void *idmap_get(const struct idmap *map, uint32_t id)
{
	if (map->capacity == 0 || id == 0) {
		return NULL;
	}
	const struct idmap_slot *slot = &map->slots[find(map, id)];
	return slot->id == id ? slot->value : NULL;
}

static int grow(struct idmap *map)
{
	struct idmap old = *map;
	map->capacity = old.capacity == 0 ? FIRST_CAPACITY : 2 * old.capacity;
	map->slots = calloc(map->capacity, sizeof(*map->slots));
	if (map->slots == NULL) {
		*map = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].id != 0) {
			map->slots[find(map, old.slots[i].id)] = old.slots[i];
		}
	}
	free(old.slots);
	return 0;
}

int idmap_set(struct idmap *map, uint32_t id, void *value)
{
	/* At most two thirds full. */
	if (3 * (map->count + 1) > 2 * map->capacity) {
		int error = grow(map);
		if (error < 0) {
			return error;
		}
	}
	struct idmap_slot *slot = &map->slots[find(map, id)];
	if (slot->id == 0) {
		slot->id = id;
		map->count++;
	}
	slot->value = value;
	return 0;
}

void *idmap_remove(struct idmap *map, uint32_t id)
{
	if (map->capacity == 0 || id == 0) {
		return NULL;
	}
	size_t hole = find(map, id);
	if (map->slots[hole].id != id) {
		return NULL;
	}
	void *value = map->slots[hole].value;
	map->count--;
	/* Close the gap: move up every later entry of the run whose home is not behind the hole. */
	size_t at = hole;
	for (;;) {
		at = (at + 1) & (map->capacity - 1);
		if (map->slots[at].id == 0) {
			break;
		}
		size_t home = home_of(map, map->slots[at].id);
		size_t distance_home = (at - home) & (map->capacity - 1);
		size_t distance_hole = (at - hole) & (map->capacity - 1);
		if (distance_home >= distance_hole) {
			map->slots[hole] = map->slots[at];
			hole = at;
		}
	}
	map->slots[hole] = (struct idmap_slot){0};
	return value;
}

void *idmap_next(const struct idmap *map, size_t *cursor)
{
	while (*cursor < map->capacity) {
		const struct idmap_slot *slot = &map->slots[(*cursor)++];
		if (slot->id != 0) {
			return slot->value;
		}
	}
	return NULL;
}
