/* SPDX-License-Identifier: MIT */
#include "layer.h"

#include <unistd.h>

/*
 * The render server of virglrenderer 1.1 loads all Vulkan drivers before it forks its workers, by
 * one call of vkEnumerateInstanceExtensionProperties. NVIDIA's driver does not survive the fork: in
 * the worker vkCreateDevice fails. (1.3 no longer does this.)
 *
 * A layer may answer that call before there is an instance, but only as an *implicit* layer; hence
 * the second manifest, with pre_instance_functions. In the process that calls first, which is the
 * one that forks, the answer is "no extensions", and no driver is loaded. In its children, the
 * call goes down. Nothing in virglrenderer looks at the answer. With it 1.1.0 works on NVIDIA's
 * 580.159.04; without it, the probe's vkCreateDevice fails there already (probe.c).
 *
 * The loader unloads this library between such a call and vkCreateInstance; it is linked with
 * "nodelete", so that `preloader` is remembered.
 */
static pid_t preloader;

VKAPI_ATTR VkResult VKAPI_CALL hesper_pre_EnumerateInstanceExtensionProperties(
	const VkEnumerateInstanceExtensionPropertiesChain *chain, const char *layer,
	uint32_t *count, VkExtensionProperties *properties);

__attribute__((visibility("default"))) VKAPI_ATTR VkResult VKAPI_CALL
hesper_pre_EnumerateInstanceExtensionProperties(
	const VkEnumerateInstanceExtensionPropertiesChain *chain, const char *layer,
	uint32_t *count, VkExtensionProperties *properties)
{
	pid_t none = 0;
	const pid_t self = getpid();
	__atomic_compare_exchange_n(&preloader, &none, self, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&preloader, __ATOMIC_SEQ_CST) == self) {
		*count = 0;
		return VK_SUCCESS;
	}
	return chain->pfnNextLayer(chain->pNextLink, layer, count, properties);
}
