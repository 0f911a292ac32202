/* SPDX-License-Identifier: MIT */
#include "semaphore.h"

#include "chain.h"
#include "hooks.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Venus offers no swapchain to the guest without SYNC_FD semaphores on the host. It needs little
 * of them: virglrenderer imports -1, which means "signalled already", and exports to take the
 * payload away, and throws the fd away. Without sync files, then:
 *
 *   import   a submission that does nothing but signal the semaphore. A real fd is waited for
 *            first (the kernel makes it readable when it signals).
 *   export   a submission that does nothing but wait for the semaphore; its fence is waited for;
 *            -1 is returned. Vulkan demands that the signal was submitted before, so this ends.
 *
 * These submissions go to the device's first queue, which the application uses at the same time.
 * So all its submissions take the device's submit lock as well (queue.c), and its waits are done
 * with a fence, outside the lock.
 */

static uint32_t queue_total(const VkDeviceCreateInfo *info)
{
	uint32_t total = 0;
	for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
		total += info->pQueueCreateInfos[i].queueCount;
	}
	return total;
}

static VkQueue queue_get(const struct device *device, const VkDeviceQueueCreateInfo *info,
			 uint32_t index)
{
	VkQueue queue = VK_NULL_HANDLE;
	if (info->flags == 0) {
		device->next.GetDeviceQueue(device->handle, info->queueFamilyIndex, index, &queue);
		return queue;
	}
	VkDeviceQueueInfo2 wanted = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_INFO_2,
		.flags = info->flags,
		.queueFamilyIndex = info->queueFamilyIndex,
		.queueIndex = index,
	};
	device->next.GetDeviceQueue2(device->handle, &wanted, &queue);
	return queue;
}

VkResult semaphore_init(struct device *device, const VkDeviceCreateInfo *info,
			PFN_vkSetDeviceLoaderData set_data)
{
	uint32_t total = queue_total(info);
	device->queues = calloc(total ? total : 1, sizeof(*device->queues));
	if (!device->queues) {
		return VK_ERROR_OUT_OF_HOST_MEMORY;
	}
	for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
		const VkDeviceQueueCreateInfo *family = &info->pQueueCreateInfos[i];
		for (uint32_t j = 0; j < family->queueCount; j++) {
			VkQueue queue = queue_get(device, family, j);
			/* Layers below find their device by the queue's first word. */
			if (set_data && set_data(device->handle, queue) != VK_SUCCESS) {
				return VK_ERROR_INITIALIZATION_FAILED;
			}
			device->queues[device->queue_count++] = queue;
		}
	}
	return VK_SUCCESS;
}

void semaphore_finish(struct device *device)
{
	free(device->queues);
	pthread_mutex_destroy(&device->submit_lock);
}

VKAPI_ATTR VkResult VKAPI_CALL hm_CreateSemaphore(VkDevice handle,
						  const VkSemaphoreCreateInfo *info,
						  const VkAllocationCallbacks *allocator,
						  VkSemaphore *out)
{
	static const VkStructureType drop = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO;
	struct device *device = device_of(handle);
	const VkExportSemaphoreCreateInfo *export = chain_find(info->pNext, drop);
	if (!export || !(export->handleTypes & VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT)) {
		return device->next.CreateSemaphore(handle, info, allocator, out);
	}
	VkSemaphoreCreateInfo plain = *info;
	struct chain_storage storage;
	if (!chain_without(info->pNext, &drop, 1, &storage, &plain.pNext)) {
		return VK_ERROR_UNKNOWN;
	}
	VkExportSemaphoreCreateInfo rest = {
		.sType = drop,
		.pNext = plain.pNext,
		.handleTypes = export->handleTypes & ~VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT,
	};
	if (rest.handleTypes) {
		plain.pNext = &rest;
	}
	return device->next.CreateSemaphore(handle, &plain, allocator, out);
}

/* Returns when the sync file has signalled. */
static VkResult sync_file_wait(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int ready;
	do {
		ready = poll(&poll_fd, 1, -1);
	} while (ready < 0 && errno == EINTR);
	return ready == 1 && (poll_fd.revents & POLLIN) ? VK_SUCCESS
							: VK_ERROR_INVALID_EXTERNAL_HANDLE;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_ImportSemaphoreFdKHR(VkDevice handle,
						       const VkImportSemaphoreFdInfoKHR *info)
{
	struct device *device = device_of(handle);
	if (info->handleType != VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT) {
		return device->next.ImportSemaphoreFdKHR
			       ? device->next.ImportSemaphoreFdKHR(handle, info)
			       : VK_ERROR_INVALID_EXTERNAL_HANDLE;
	}
	if (device->queue_count == 0) {
		return VK_ERROR_UNKNOWN;
	}
	if (info->fd >= 0) {
		VkResult result = sync_file_wait(info->fd);
		if (result != VK_SUCCESS) {
			return result;
		}
	}
	VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.signalSemaphoreCount = 1,
		.pSignalSemaphores = &info->semaphore,
	};
	pthread_mutex_lock(&device->submit_lock);
	VkResult result = device->next.QueueSubmit(device->queues[0], 1, &submit, VK_NULL_HANDLE);
	pthread_mutex_unlock(&device->submit_lock);
	if (result == VK_SUCCESS && info->fd >= 0) {
		close(info->fd); /* a successful import owns it */
	}
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_GetSemaphoreFdKHR(VkDevice handle,
						    const VkSemaphoreGetFdInfoKHR *info, int *fd)
{
	struct device *device = device_of(handle);
	if (info->handleType != VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT) {
		return device->next.GetSemaphoreFdKHR
			       ? device->next.GetSemaphoreFdKHR(handle, info, fd)
			       : VK_ERROR_UNKNOWN;
	}
	if (device->queue_count == 0) {
		return VK_ERROR_UNKNOWN;
	}
	static const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
	VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.waitSemaphoreCount = 1,
		.pWaitSemaphores = &info->semaphore,
		.pWaitDstStageMask = &stage,
	};
	*fd = -1;
	return queue_submit_and_wait(device, device->queues[0], &submit);
}
