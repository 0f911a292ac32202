/* SPDX-License-Identifier: MIT */
#ifndef LAYER_HOOKS_H
#define LAYER_HOOKS_H

#include "layer.h"

/*
 * The Vulkan commands that the layer answers, by the file they are in. Each has the signature and
 * the contract of the Vulkan command of that name. Memory's are in memory.h.
 */

#define HOOK(result, name, ...) VKAPI_ATTR result VKAPI_CALL hm_##name(__VA_ARGS__)

/* instance.c, device.c */
HOOK(VkResult, CreateInstance, const VkInstanceCreateInfo *, const VkAllocationCallbacks *,
     VkInstance *);
HOOK(void, DestroyInstance, VkInstance, const VkAllocationCallbacks *);
HOOK(VkResult, CreateDevice, VkPhysicalDevice, const VkDeviceCreateInfo *,
     const VkAllocationCallbacks *, VkDevice *);
HOOK(void, DestroyDevice, VkDevice, const VkAllocationCallbacks *);

/* entry.c */
HOOK(PFN_vkVoidFunction, GetInstanceProcAddr, VkInstance, const char *);
HOOK(PFN_vkVoidFunction, GetDeviceProcAddr, VkDevice, const char *);

/* caps.c */
HOOK(VkResult, EnumerateDeviceExtensionProperties, VkPhysicalDevice, const char *, uint32_t *,
     VkExtensionProperties *);
HOOK(void, GetPhysicalDeviceMemoryProperties, VkPhysicalDevice, VkPhysicalDeviceMemoryProperties *);
HOOK(void, GetPhysicalDeviceMemoryProperties2, VkPhysicalDevice,
     VkPhysicalDeviceMemoryProperties2 *);
HOOK(void, GetPhysicalDeviceFormatProperties2, VkPhysicalDevice, VkFormat, VkFormatProperties2 *);
HOOK(void, GetPhysicalDeviceExternalSemaphoreProperties, VkPhysicalDevice,
     const VkPhysicalDeviceExternalSemaphoreInfo *, VkExternalSemaphoreProperties *);

/* caps_external.c */
HOOK(void, GetPhysicalDeviceExternalBufferProperties, VkPhysicalDevice,
     const VkPhysicalDeviceExternalBufferInfo *, VkExternalBufferProperties *);
HOOK(VkResult, GetPhysicalDeviceImageFormatProperties2, VkPhysicalDevice,
     const VkPhysicalDeviceImageFormatInfo2 *, VkImageFormatProperties2 *);

/* resource.c */
HOOK(VkResult, CreateBuffer, VkDevice, const VkBufferCreateInfo *, const VkAllocationCallbacks *,
     VkBuffer *);
HOOK(void, DestroyBuffer, VkDevice, VkBuffer, const VkAllocationCallbacks *);
HOOK(VkResult, CreateImage, VkDevice, const VkImageCreateInfo *, const VkAllocationCallbacks *,
     VkImage *);
HOOK(void, DestroyImage, VkDevice, VkImage, const VkAllocationCallbacks *);

/* requirements.c */
HOOK(void, GetBufferMemoryRequirements, VkDevice, VkBuffer, VkMemoryRequirements *);
HOOK(void, GetBufferMemoryRequirements2, VkDevice, const VkBufferMemoryRequirementsInfo2 *,
     VkMemoryRequirements2 *);
HOOK(void, GetDeviceBufferMemoryRequirements, VkDevice, const VkDeviceBufferMemoryRequirements *,
     VkMemoryRequirements2 *);
HOOK(void, GetImageMemoryRequirements, VkDevice, VkImage, VkMemoryRequirements *);
HOOK(void, GetImageMemoryRequirements2, VkDevice, const VkImageMemoryRequirementsInfo2 *,
     VkMemoryRequirements2 *);
HOOK(void, GetDeviceImageMemoryRequirements, VkDevice, const VkDeviceImageMemoryRequirements *,
     VkMemoryRequirements2 *);

/* modifier.c */
HOOK(void, GetImageSubresourceLayout, VkDevice, VkImage, const VkImageSubresource *,
     VkSubresourceLayout *);
HOOK(void, GetImageSubresourceLayout2, VkDevice, VkImage, const VkImageSubresource2 *,
     VkSubresourceLayout2 *);
HOOK(void, GetDeviceImageSubresourceLayout, VkDevice, const VkDeviceImageSubresourceInfo *,
     VkSubresourceLayout2 *);
HOOK(VkResult, GetImageDrmFormatModifierPropertiesEXT, VkDevice, VkImage,
     VkImageDrmFormatModifierPropertiesEXT *);

/* semaphore.c: only where SYNC_FD is emulated */
HOOK(VkResult, CreateSemaphore, VkDevice, const VkSemaphoreCreateInfo *,
     const VkAllocationCallbacks *, VkSemaphore *);
HOOK(VkResult, ImportSemaphoreFdKHR, VkDevice, const VkImportSemaphoreFdInfoKHR *);
HOOK(VkResult, GetSemaphoreFdKHR, VkDevice, const VkSemaphoreGetFdInfoKHR *, int *);

/* queue.c: only where SYNC_FD is emulated */
HOOK(VkResult, QueueSubmit, VkQueue, uint32_t, const VkSubmitInfo *, VkFence);
HOOK(VkResult, QueueSubmit2, VkQueue, uint32_t, const VkSubmitInfo2 *, VkFence);
HOOK(VkResult, QueueBindSparse, VkQueue, uint32_t, const VkBindSparseInfo *, VkFence);
HOOK(VkResult, QueuePresentKHR, VkQueue, const VkPresentInfoKHR *);
HOOK(VkResult, QueueWaitIdle, VkQueue);
HOOK(VkResult, DeviceWaitIdle, VkDevice);

#endif
