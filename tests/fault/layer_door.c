/* SPDX-License-Identifier: MIT */
/*
 * What Vulkan's loader loads as the layer: a door to the one in fault_layer itself, whose calls are
 * made to fail. The loader takes only libraries, and --wrap needs the objects.
 */
#include <vulkan/vulkan_core.h>
#include <vulkan/vk_layer.h>

/* The program's. */
VKAPI_ATTR VkResult VKAPI_CALL
vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version);

__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
hesper_fault_negotiate(VkNegotiateLayerInterface *version);

__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
hesper_fault_negotiate(VkNegotiateLayerInterface *version)
{
	return vkNegotiateLoaderLayerInterfaceVersion(version);
}
