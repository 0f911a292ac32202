/* SPDX-License-Identifier: MIT */
#ifndef LAYER_PAGES_H
#define LAYER_PAGES_H

#include "memory.h"

/* Guest RAM that came as a list of its pieces: <hesper/guest_pages.h>. */

/* True for the fd of such a list. */
bool pages_is(int fd);

/* True when all of it holds. An import that fails later than its properties kills a Venus context. */
bool pages_hold(int fd);

/*
 * Maps the first `size` bytes, rounded up to `alignment`, side by side. Takes the fd on success
 * only. -EINVAL: the list does not hold, or the pieces are fewer bytes than that.
 */
int pages_adopt(struct backing *backing, int fd, VkDeviceSize size, VkDeviceSize alignment);

#endif
