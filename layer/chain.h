/* SPDX-License-Identifier: MIT */
#ifndef LAYER_CHAIN_H
#define LAYER_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include <vulkan/vulkan_core.h>

/*
 * pNext chains. The application's chains are const: they may lie in read-only memory or be used
 * by another thread at the same time, so nothing here writes to them.
 */

/* The struct of that type in the chain that starts at `next` (a pNext), or NULL. */
const void *chain_find(const void *next, VkStructureType type);

/* The same for a chain that Vulkan fills in. */
void *chain_find_out(void *next, VkStructureType type);

/* Room for the copies of one edited chain: the largest chain that Vulkan 1.4 allows on the
 * structs which the layer edits takes about half. */
struct chain_storage {
	_Alignas(max_align_t) unsigned char bytes[1024];
};

/*
 * A chain like `next` without the structs of the `count` types in `drop`. What follows the last
 * dropped struct is shared with the original; what precedes it is copied into `storage`, and the
 * result is valid as long as both are.
 *
 * False when a struct before a dropped one is not known to this build (its size is not known
 * either) or does not fit. `*out` is then unset.
 */
bool chain_without(const void *next, const VkStructureType *drop, size_t count,
		   struct chain_storage *storage, const void **out);

#endif
