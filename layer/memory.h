/* SPDX-License-Identifier: MIT */
#ifndef LAYER_MEMORY_H
#define LAYER_MEMORY_H

#include "layer.h"

/*
 * Memory that is a sealed memfd: made, mapped, and told apart from other fds. memory.c uses it
 * for allocations, physdev.c for its probe.
 */

struct backing {
	int fd; /* -1: empty */
	void *data; /* NULL: not mapped */
	size_t size; /* of the mapping: a multiple of the alignment asked for */
};

#define BACKING_EMPTY {.fd = -1}

/* Rounds up to a multiple of `alignment`, a power of two. False when that overflows size_t. */
bool backing_round(VkDeviceSize size, VkDeviceSize alignment, size_t *out);

/* A new memfd of at least `size` bytes, mapped, sealed against shrinking, growing and further
 * sealing. Returns 0 or a negative errno, and `backing` is then empty. */
int backing_create(struct backing *backing, VkDeviceSize size, VkDeviceSize alignment);

/* Maps `size` bytes, rounded up, of an fd for which backing_is_memfd. Takes the fd on success only.
 * -EINVAL: the file is smaller than that, or could shrink. */
int backing_adopt(struct backing *backing, int fd, VkDeviceSize size, VkDeviceSize alignment);

/* Unmaps and closes what there is; leaves it empty. */
void backing_finish(struct backing *backing);

/* True for a memfd, which can be sealed; a dma-buf cannot. */
bool backing_is_memfd(int fd);

/* The VkResult that says the same as a negative errno. */
VkResult backing_result(int error);

VKAPI_ATTR VkResult VKAPI_CALL hm_AllocateMemory(VkDevice, const VkMemoryAllocateInfo *,
						 const VkAllocationCallbacks *, VkDeviceMemory *);
VKAPI_ATTR void VKAPI_CALL hm_FreeMemory(VkDevice, VkDeviceMemory, const VkAllocationCallbacks *);
VKAPI_ATTR VkResult VKAPI_CALL hm_GetMemoryFdKHR(VkDevice, const VkMemoryGetFdInfoKHR *, int *);
VKAPI_ATTR VkResult VKAPI_CALL hm_GetMemoryFdPropertiesKHR(VkDevice,
							   VkExternalMemoryHandleTypeFlagBits, int,
							   VkMemoryFdPropertiesKHR *);

/* For the map of a device whose VkDevice is gone. */
void memory_release(void *memory);

#endif
