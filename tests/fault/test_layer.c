/* SPDX-License-Identifier: MIT */
/*
 * The Vulkan layer on lavapipe, while the n-th call fails: the application gets an error that means
 * so, can go on with what it has, and once more all the way when the fault is over. The driver's
 * calls and the loader's do not fail; see layer_door.c.
 */
#include <hesper/guest_pages.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include "fault.h"
#include "lavapipe.h"

#define DMA_BUF VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT
#define SYNC_FD VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_SYNC_FD_BIT
#define BYTES 8192u

struct application {
	VkInstance instance;
	VkPhysicalDevice physical;
	VkDevice device;
	VkQueue queue;
	PFN_vkGetMemoryFdKHR get_memory_fd;
	PFN_vkGetMemoryFdPropertiesKHR get_memory_fd_properties;
	PFN_vkGetSemaphoreFdKHR get_semaphore_fd;
	PFN_vkImportSemaphoreFdKHR import_semaphore_fd;
};

static bool over; /* the fault */

/*
 * What Vulkan says when something has run out, or cannot be read. Guest pages that are not there
 * when they are looked at are none: so a fault excuses even where it is EAGAIN.
 */
static bool ok(VkResult result, const char *what)
{
	bool excused = fault_happened() && !over;
	FAULT_CHECK(result == VK_SUCCESS || excused, "%s: %d", what, result);
	switch (result) {
	case VK_SUCCESS:
	case VK_ERROR_OUT_OF_HOST_MEMORY:
	case VK_ERROR_OUT_OF_DEVICE_MEMORY:
	case VK_ERROR_TOO_MANY_OBJECTS:
	case VK_ERROR_INITIALIZATION_FAILED:
	case VK_ERROR_INVALID_EXTERNAL_HANDLE:
		return result == VK_SUCCESS;
	default:
		fault_fail(__FILE__, __LINE__, what, "says VkResult %d", result);
	}
}

/* --- instance and device --------------------------------------------------------------------- */

static bool open_instance(struct application *app)
{
	VkApplicationInfo application = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_3,
	};
	VkInstanceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &application,
	};
	uint32_t count = 1;
	if (!ok(vkCreateInstance(&info, NULL, &app->instance), "vkCreateInstance")) {
		app->instance = VK_NULL_HANDLE;
		return false;
	}
	VkResult result = vkEnumeratePhysicalDevices(app->instance, &count, &app->physical);
	return ok(result == VK_INCOMPLETE ? VK_SUCCESS : result, "vkEnumeratePhysicalDevices");
}

/* The layer works on it, or says that memory has run out. */
static bool has_dma_buf(struct application *app)
{
	VkExtensionProperties list[512];
	uint32_t count = 512;
	if (!ok(vkEnumerateDeviceExtensionProperties(app->physical, NULL, &count, list),
		"vkEnumerateDeviceExtensionProperties")) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(list[i].extensionName, "VK_EXT_external_memory_dma_buf") == 0) {
			return true;
		}
	}
	FAULT_CHECK(false, "the layer stays out, without a word");
	return false;
}

static bool open_device(struct application *app)
{
	static const char *const extensions[] = {
		VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
		VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
		VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
		VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
	};
	static const float priority = 1.0f;
	VkDeviceQueueCreateInfo queue = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkDeviceCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue,
		.enabledExtensionCount = sizeof(extensions) / sizeof(*extensions),
		.ppEnabledExtensionNames = extensions,
	};
	if (!ok(vkCreateDevice(app->physical, &info, NULL, &app->device), "vkCreateDevice")) {
		app->device = VK_NULL_HANDLE;
		return false;
	}
	vkGetDeviceQueue(app->device, 0, 0, &app->queue);
#define LOAD(member, name) app->member = (PFN_##name)vkGetDeviceProcAddr(app->device, #name)
	LOAD(get_memory_fd, vkGetMemoryFdKHR);
	LOAD(get_memory_fd_properties, vkGetMemoryFdPropertiesKHR);
	LOAD(get_semaphore_fd, vkGetSemaphoreFdKHR);
	LOAD(import_semaphore_fd, vkImportSemaphoreFdKHR);
#undef LOAD
	FAULT_CHECK(app->get_memory_fd != NULL && app->get_memory_fd_properties != NULL &&
			    app->get_semaphore_fd != NULL && app->import_semaphore_fd != NULL,
		    "a device without the layer");
	return true;
}

/* --- memory ---------------------------------------------------------------------------------- */

static uint32_t memory_type(struct application *app, uint32_t bits)
{
	VkPhysicalDeviceMemoryProperties memory;
	vkGetPhysicalDeviceMemoryProperties(app->physical, &memory);
	for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
		if ((bits & (1u << i)) != 0 && (memory.memoryTypes[i].propertyFlags &
						VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
			return i;
		}
	}
	FAULT_CHECK(false, "no memory type of %#x", bits);
	return 0;
}

/* Exportable, or imported from fd, which it takes when it works. */
static bool allocate(struct application *app, uint32_t bits, VkDeviceSize size, int fd,
		     VkDeviceMemory *out)
{
	VkExportMemoryAllocateInfo exported = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkImportMemoryFdInfoKHR import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.handleType = DMA_BUF,
		.fd = fd,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = fd >= 0 ? (void *)&import : (void *)&exported,
		.allocationSize = size,
		.memoryTypeIndex = memory_type(app, bits),
	};
	bool right = ok(vkAllocateMemory(app->device, &info, NULL, out), "vkAllocateMemory");
	if (!right) {
		*out = VK_NULL_HANDLE;
		if (fd >= 0) {
			close(fd); /* EBADF here: it was taken all the same */
		}
	}
	return right;
}

static VkBuffer make_buffer(struct application *app, VkMemoryRequirements *needs)
{
	VkExternalMemoryBufferCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkBufferCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.pNext = &external,
		.size = BYTES,
		.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
	};
	VkBuffer buffer;
	if (!ok(vkCreateBuffer(app->device, &info, NULL, &buffer), "vkCreateBuffer")) {
		return VK_NULL_HANDLE;
	}
	vkGetBufferMemoryRequirements(app->device, buffer, needs);
	return buffer;
}

/* A byte that goes in at one end comes out at the other. */
static void check_shared(struct application *app, VkDeviceMemory from, VkDeviceMemory to)
{
	uint8_t *a;
	uint8_t *b;
	if (ok(vkMapMemory(app->device, from, 0, VK_WHOLE_SIZE, 0, (void **)&a), "vkMapMemory") &&
	    ok(vkMapMemory(app->device, to, 0, VK_WHOLE_SIZE, 0, (void **)&b), "vkMapMemory")) {
		a[BYTES - 1] = 0;
		b[BYTES - 1] = 77;
		FAULT_CHECK(a[BYTES - 1] == 77, "not the same memory");
	}
}

/* Made, exported, imported again. */
static bool share_buffer(struct application *app)
{
	VkMemoryRequirements needs;
	VkDeviceMemory first = VK_NULL_HANDLE;
	VkDeviceMemory second = VK_NULL_HANDLE;
	VkMemoryFdPropertiesKHR properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR};
	VkMemoryGetFdInfoKHR get = {.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
				    .handleType = DMA_BUF};
	int fd = -1;
	VkBuffer buffer = make_buffer(app, &needs);
	bool right = buffer != VK_NULL_HANDLE &&
		     allocate(app, needs.memoryTypeBits, needs.size, -1, &first) &&
		     ok(vkBindBufferMemory(app->device, buffer, first, 0), "vkBindBufferMemory");
	get.memory = first;
	right = right && ok(app->get_memory_fd(app->device, &get, &fd), "vkGetMemoryFdKHR");
	if (right) {
		right = ok(app->get_memory_fd_properties(app->device, DMA_BUF, fd, &properties),
			   "vkGetMemoryFdPropertiesKHR");
		right = right && properties.memoryTypeBits != 0;
		if (!right) {
			close(fd);
		}
	}
	if (right) {
		right = allocate(app, properties.memoryTypeBits, needs.size, fd, &second);
	}
	if (right) {
		check_shared(app, first, second);
	}
	vkFreeMemory(app->device, second, NULL);
	vkDestroyBuffer(app->device, buffer, NULL);
	vkFreeMemory(app->device, first, NULL);
	return right;
}

/* --- guest pages ----------------------------------------------------------------------------- */

/* As hesperd hands them over (hesper/guest_pages.h): two files, three pieces. */
static int make_pages(void)
{
	static const struct hesper_pages_piece pieces[] = {
		{.file = 0, .offset = 4096, .length = 4096},
		{.file = 1, .offset = 0, .length = 8192},
		{.file = 0, .offset = 0, .length = 4096},
	};
	const struct hesper_pages head = {
		.magic = HESPER_PAGES_MAGIC, .files = 2, .pieces = 3, .size = 16384};
	int fds[3] = {memfd_create("list", MFD_CLOEXEC), memfd_create("one", MFD_CLOEXEC),
		      memfd_create("two", MFD_CLOEXEC)};
	int pair[2];
	FAULT_CHECK(fds[2] >= 0 && write(fds[0], pieces, sizeof(pieces)) == sizeof(pieces) &&
			    ftruncate(fds[1], 8192) == 0 && ftruncate(fds[2], 8192) == 0 &&
			    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0,
		    "no guest pages");
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {(void *)&head, sizeof(head)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fds)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	FAULT_CHECK(sendmsg(pair[1], &message, 0) == sizeof(head), "no guest pages");
	for (int i = 0; i < 3; i++) {
		close(fds[i]);
	}
	close(pair[1]);
	return pair[0];
}

static bool import_pages(struct application *app)
{
	VkMemoryFdPropertiesKHR properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR};
	VkDeviceMemory memory = VK_NULL_HANDLE;
	int fd = make_pages();
	bool right = ok(app->get_memory_fd_properties(app->device, DMA_BUF, fd, &properties),
			"vkGetMemoryFdPropertiesKHR") &&
		     properties.memoryTypeBits != 0;
	if (!right) {
		close(fd);
		return false;
	}
	right = allocate(app, properties.memoryTypeBits, 16384, fd, &memory);
	vkFreeMemory(app->device, memory, NULL);
	return right;
}

/* --- images, semaphores ---------------------------------------------------------------------- */

static bool make_image(struct application *app)
{
	static const uint64_t linear = 0;
	VkImageDrmFormatModifierListCreateInfoEXT modifiers = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
		.drmFormatModifierCount = 1,
		.pDrmFormatModifiers = &linear,
	};
	VkExternalMemoryImageCreateInfo external = {
		.sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
		.pNext = &modifiers,
		.handleTypes = DMA_BUF,
	};
	VkImageCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
		.pNext = &external,
		.imageType = VK_IMAGE_TYPE_2D,
		.format = VK_FORMAT_B8G8R8A8_UNORM,
		.extent = {16, 16, 1},
		.mipLevels = 1,
		.arrayLayers = 1,
		.samples = VK_SAMPLE_COUNT_1_BIT,
		.tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
		.usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT,
	};
	VkImage image;
	VkDeviceMemory memory = VK_NULL_HANDLE;
	VkMemoryRequirements needs;
	if (!ok(vkCreateImage(app->device, &info, NULL, &image), "vkCreateImage")) {
		return false;
	}
	vkGetImageMemoryRequirements(app->device, image, &needs);
	bool right = allocate(app, needs.memoryTypeBits, needs.size, -1, &memory) &&
		     ok(vkBindImageMemory(app->device, image, memory, 0), "vkBindImageMemory");
	vkDestroyImage(app->device, image, NULL);
	vkFreeMemory(app->device, memory, NULL);
	return right;
}

static bool pass_semaphore(struct application *app)
{
	VkExportSemaphoreCreateInfo exported = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
		.handleTypes = SYNC_FD,
	};
	VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
				      .pNext = &exported};
	VkSemaphore semaphore;
	if (!ok(vkCreateSemaphore(app->device, &info, NULL, &semaphore), "vkCreateSemaphore")) {
		return false;
	}
	VkImportSemaphoreFdInfoKHR import = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
		.semaphore = semaphore,
		.flags = VK_SEMAPHORE_IMPORT_TEMPORARY_BIT,
		.handleType = SYNC_FD,
		.fd = -1,
	};
	VkSemaphoreGetFdInfoKHR get = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
				       .semaphore = semaphore,
				       .handleType = SYNC_FD};
	int fd = -1;
	bool right = ok(app->import_semaphore_fd(app->device, &import), "vkImportSemaphoreFdKHR") &&
		     ok(app->get_semaphore_fd(app->device, &get, &fd), "vkGetSemaphoreFdKHR") &&
		     ok(vkQueueWaitIdle(app->queue), "vkQueueWaitIdle");
	if (fd >= 0) {
		close(fd);
	}
	vkDestroySemaphore(app->device, semaphore, NULL);
	return right;
}

/* --- scenario -------------------------------------------------------------------------------- */

/* Each part also after another has failed: the device lives on. */
static bool use(struct application *app)
{
	bool right = share_buffer(app);
	right = import_pages(app) && right;
	right = make_image(app) && right;
	return pass_semaphore(app) && right;
}

static void leave_open(struct application *app)
{
	VkMemoryRequirements needs;
	VkDeviceMemory memory;
	VkBuffer buffer = make_buffer(app, &needs);
	if (buffer != VK_NULL_HANDLE) {
		/* The device takes it along. */
		allocate(app, needs.memoryTypeBits, needs.size, -1, &memory);
		vkDestroyBuffer(app->device, buffer, NULL);
	}
}

static void end_faults(void)
{
	fault_stop();
	over = true;
}

static bool play(bool again)
{
	struct application app = {0};
	bool right = open_instance(&app) && has_dma_buf(&app) && open_device(&app);
	if (right) {
		right = use(&app);
		if (again) {
			end_faults();
			FAULT_CHECK(use(&app), "the device has suffered");
		}
		leave_open(&app);
	}
	if (app.device != VK_NULL_HANDLE) {
		vkDestroyDevice(app.device, NULL);
	}
	vkDestroyInstance(app.instance, NULL);
	return right;
}

static void scenario(void *data)
{
	over = false;
	play(true);
	end_faults();
	FAULT_CHECK(play(false), "the next instance suffers");
}

/* --- setup ----------------------------------------------------------------------------------- */

static void choose_layer(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	FAULT_CHECK(length > 0, "no /proc");
	path[length] = '\0';
	*strrchr(path, '/') = '\0';
	setenv("VK_ADD_LAYER_PATH", path, 1);
	setenv("VK_INSTANCE_LAYERS", "VK_LAYER_HESPER_host_memory", 1);
	/* With /dev/udmabuf, lavapipe exports dma-bufs and the layer would stay out. */
	setenv("HESPER_HOST_MEMORY", "always", 1);
}

int main(void)
{
	struct application keeps = {0}; /* the loader's libraries where they are */
	fault_init("fault_layer");
	if (!lavapipe_choose()) {
		printf("no lavapipe on this machine\n");
		return 77;
	}
	choose_layer();
	FAULT_CHECK(open_instance(&keeps), "no instance");
	fault_try_all(scenario, NULL);
	vkDestroyInstance(keeps.instance, NULL);
	return fault_report();
}
