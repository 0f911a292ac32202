/* SPDX-License-Identifier: MIT */
/* When things run out: a clean error, and nothing left behind. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gpu.h"

static VkResult allocate(struct gpu *gpu, VkDeviceSize size, int import_fd, VkDeviceMemory *out)
{
	VkExportMemoryAllocateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkImportMemoryFdInfoKHR import_info = {
		.sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
		.handleType = DMA_BUF,
		.fd = import_fd,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = import_fd >= 0 ? (void *)&import_info : (void *)&export_info,
		.allocationSize = size,
		.memoryTypeIndex = gpu_memory_type(gpu, ~0u, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT),
	};
	return vkAllocateMemory(gpu->device, &info, NULL, out);
}

static size_t mapping_count(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	assert_non_null(maps);
	char line[512];
	size_t count = 0;
	while (fgets(line, sizeof(line), maps)) {
		for (const char *at = line; *at; at++) {
			if (*at == 'h' && strncmp(at, "hesper-host-memory", 18) == 0) {
				count++;
				break;
			}
		}
	}
	fclose(maps);
	return count;
}

/* The highest fd in use: no fd above it may be made when the limit is just beyond. */
static rlim_t lowest_limit(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);
	assert_true(fd >= 0);
	close(fd);
	return (rlim_t)fd;
}

static void test_out_of_fds(void **state)
{
	struct gpu gpu;
	gpu_open(&gpu);
	VkDeviceMemory memory, refused = VK_NULL_HANDLE;
	assert_int_equal(allocate(&gpu, 4096, -1, &memory), VK_SUCCESS);
	const int fds = fd_count();
	const size_t mappings = mapping_count();
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit none = {lowest_limit(), limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);

	VkResult result = allocate(&gpu, 4096, -1, &refused);
	VkMemoryGetFdInfoKHR info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = memory,
		.handleType = DMA_BUF,
	};
	int fd = -1;
	VkResult export_result = gpu.get_memory_fd(gpu.device, &info, &fd);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(result, VK_ERROR_TOO_MANY_OBJECTS);
	assert_int_equal(export_result, VK_ERROR_TOO_MANY_OBJECTS);
	assert_int_equal(fd_count(), fds);
	assert_int_equal(mapping_count(), mappings);
	assert_int_equal(allocate(&gpu, 4096, -1, &refused), VK_SUCCESS);
	vkFreeMemory(gpu.device, refused, NULL);
	vkFreeMemory(gpu.device, memory, NULL);
	gpu_close(&gpu);
}

static void test_fd_limit_is_raised(void **state)
{
	struct rlimit limit, after;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit low = {256, limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	struct gpu gpu;
	gpu_open(&gpu);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
	assert_int_equal(after.rlim_cur, limit.rlim_max);
	gpu_close(&gpu);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A file that could shrink under the GPU, or that is too small, is refused, and stays ours. */
static void test_bad_imports(void **state)
{
	struct gpu gpu;
	gpu_open(&gpu);
	VkDeviceMemory memory;
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, 8192), 0);
	const int fds = fd_count();
	assert_int_equal(allocate(&gpu, 8192, fd, &memory), VK_ERROR_INVALID_EXTERNAL_HANDLE);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(allocate(&gpu, 12288, fd, &memory), VK_ERROR_INVALID_EXTERNAL_HANDLE);
	assert_int_equal(fd_count(), fds);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	/* The same fd, asked for what it has, is fine: then it is the driver's. */
	assert_int_equal(allocate(&gpu, 8192, fd, &memory), VK_SUCCESS);
	vkFreeMemory(gpu.device, memory, NULL);
	assert_int_equal(fd_count(), fds - 1);
	gpu_close(&gpu);
}

/* Five allocations, imports of `file` if that is an fd. One of them must fail in the driver, and
 * nothing may be left of it, nor of the others. */
static void allocate_with_one_failure(struct gpu *gpu, int file)
{
	const int fds = fd_count();
	const size_t mappings = mapping_count();
	int failed = 0;
	for (int i = 0; i < 5; i++) {
		VkDeviceMemory memory;
		int fd = file >= 0 ? fcntl(file, F_DUPFD_CLOEXEC, 0) : -1;
		VkResult result = allocate(gpu, 4096, fd, &memory);
		if (result == VK_SUCCESS) {
			vkFreeMemory(gpu->device, memory, NULL);
		} else {
			assert_int_equal(result, VK_ERROR_OUT_OF_DEVICE_MEMORY);
			failed++;
			/* A failed import leaves the fd to its owner. */
			assert_true(fd < 0 || close(fd) == 0);
		}
		assert_int_equal(fd_count(), fds);
		assert_int_equal(mapping_count(), mappings);
	}
	assert_int_equal(failed, 1);
}

/* The driver refuses a host pointer: the mask counts them. */
static void test_driver_refuses(void **state)
{
	if (!config_is_masked()) {
		skip();
	}
	setenv("HESPER_MASK_FAIL_ALLOCATION", "2", 1);
	struct gpu gpu;
	gpu_open(&gpu);
	allocate_with_one_failure(&gpu, -1);
	int file = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(file, 4096), 0);
	assert_int_equal(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	setenv("HESPER_MASK_FAIL_ALLOCATION", "8", 1); /* five were before */
	allocate_with_one_failure(&gpu, file);
	close(file);
	unsetenv("HESPER_MASK_FAIL_ALLOCATION");
	gpu_close(&gpu);
}

static void test_four_thousand_allocations(void **state)
{
	enum { count = 4000 };
	struct gpu gpu;
	gpu_open(&gpu);
	const int fds = fd_count();
	VkDeviceMemory *memories = calloc(count, sizeof(*memories));
	assert_non_null(memories);
	for (int i = 0; i < count; i++) {
		assert_int_equal(allocate(&gpu, 4096, -1, &memories[i]), VK_SUCCESS);
	}
	assert_int_equal(fd_count(), fds + count);
	for (int i = 0; i < count; i++) {
		vkFreeMemory(gpu.device, memories[i], NULL);
	}
	assert_int_equal(fd_count(), fds);
	free(memories);
	gpu_close(&gpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_refuses), /* counts from the start of the process */
		cmocka_unit_test(test_out_of_fds),
		cmocka_unit_test(test_fd_limit_is_raised),
		cmocka_unit_test(test_bad_imports),
		cmocka_unit_test(test_four_thousand_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
