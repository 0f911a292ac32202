/* SPDX-License-Identifier: MIT */
#include "gate.h"
#include "hooks.h"
#include "semaphore.h"

/*
 * The application's own use of queues, while SYNC_FD is emulated: every submission under the
 * device's submit lock, because semaphore.c submits, too. Vulkan lets nobody submit to a queue
 * while vkQueueWaitIdle runs on it; holding the lock that long would stop all other threads of
 * the process, so a wait is a fence.
 *
 * Drawing is held back before the lock is taken: by then nothing else needs to wait.
 */

VkResult queue_submit_and_wait(struct device *device, VkQueue queue, const VkSubmitInfo *info)
{
	VkFenceCreateInfo fence_info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
	VkFence fence;
	VkResult result = device->next.CreateFence(device->handle, &fence_info, NULL, &fence);
	if (result != VK_SUCCESS) {
		return result;
	}
	pthread_mutex_lock(&device->submit_lock);
	result = device->next.QueueSubmit(queue, info ? 1 : 0, info, fence);
	pthread_mutex_unlock(&device->submit_lock);
	if (result == VK_SUCCESS) {
		result = device->next.WaitForFences(device->handle, 1, &fence, VK_TRUE, UINT64_MAX);
	}
	device->next.DestroyFence(device->handle, fence, NULL);
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_QueueSubmit(VkQueue queue, uint32_t count,
					      const VkSubmitInfo *infos, VkFence fence)
{
	struct device *device = device_of(queue);
	gate_wait();
	pthread_mutex_lock(&device->submit_lock);
	VkResult result = device->next.QueueSubmit(queue, count, infos, fence);
	pthread_mutex_unlock(&device->submit_lock);
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_QueueSubmit2(VkQueue queue, uint32_t count,
					       const VkSubmitInfo2 *infos, VkFence fence)
{
	struct device *device = device_of(queue);
	gate_wait();
	pthread_mutex_lock(&device->submit_lock);
	VkResult result = device->next.QueueSubmit2(queue, count, infos, fence);
	pthread_mutex_unlock(&device->submit_lock);
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_QueueBindSparse(VkQueue queue, uint32_t count,
						  const VkBindSparseInfo *infos, VkFence fence)
{
	struct device *device = device_of(queue);
	pthread_mutex_lock(&device->submit_lock);
	VkResult result = device->next.QueueBindSparse(queue, count, infos, fence);
	pthread_mutex_unlock(&device->submit_lock);
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_QueuePresentKHR(VkQueue queue, const VkPresentInfoKHR *info)
{
	struct device *device = device_of(queue);
	pthread_mutex_lock(&device->submit_lock);
	VkResult result = device->next.QueuePresentKHR(queue, info);
	pthread_mutex_unlock(&device->submit_lock);
	return result;
}

VKAPI_ATTR VkResult VKAPI_CALL hm_QueueWaitIdle(VkQueue queue)
{
	return queue_submit_and_wait(device_of(queue), queue, NULL);
}

VKAPI_ATTR VkResult VKAPI_CALL hm_DeviceWaitIdle(VkDevice handle)
{
	struct device *device = device_of(handle);
	VkResult result = VK_SUCCESS;
	for (uint32_t i = 0; result == VK_SUCCESS && i < device->queue_count; i++) {
		result = queue_submit_and_wait(device, device->queues[i], NULL);
	}
	return result;
}
