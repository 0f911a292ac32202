/* SPDX-License-Identifier: MIT */
#ifndef LAYER_SEMAPHORE_H
#define LAYER_SEMAPHORE_H

#include "layer.h"

/*
 * SYNC_FD semaphores where the driver has none. Only for a device whose physical device
 * `emulates_sync_fd`; semaphore.c says how.
 */

/* Gets all queues of the device. `set_data` is the loader's, or NULL. */
VkResult semaphore_init(struct device *device, const VkDeviceCreateInfo *info,
			PFN_vkSetDeviceLoaderData set_data);

/* Harmless without semaphore_init. Destroys submit_lock, too. */
void semaphore_finish(struct device *device);

/* Submits to a queue and waits until that, and all submitted before, is done. Blocks; holds the
 * submit lock for the submission only. `info` may be NULL. */
VkResult queue_submit_and_wait(struct device *device, VkQueue queue, const VkSubmitInfo *info);

#endif
