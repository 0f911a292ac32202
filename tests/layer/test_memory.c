/* SPDX-License-Identifier: MIT */
/* Export and import of buffers: the pages are the same for the GPU, the CPU, a second device. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gpu.h"

/* VkBuffers are filled by words, so these are multiples of 4. */
static const VkDeviceSize sizes[] = {100, 4096, 4100, 65536, 65540, 1 << 20, 33 << 20};

static void assert_all_words(const uint32_t *data, VkDeviceSize size, uint32_t word)
{
	for (VkDeviceSize i = 0; i < size / 4; i++) {
		if (data[i] != word) {
			fail_msg("word %zu of %zu is %#x, not %#x", (size_t)i, (size_t)size / 4,
				 data[i], word);
		}
	}
}

/* A pattern in which every word differs. */
static uint32_t pattern(VkDeviceSize i)
{
	return (uint32_t)(i * 2654435761u + 12345);
}

static void assert_pattern(const uint32_t *data, VkDeviceSize size)
{
	for (VkDeviceSize i = 0; i < size / 4; i++) {
		if (data[i] != pattern(i)) {
			fail_msg("word %zu is %#x, not %#x", (size_t)i, data[i], pattern(i));
		}
	}
}

static void check_file(int fd, VkDeviceSize size)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((VkDeviceSize)st.st_size >= size);
	assert_true(lseek(fd, 0, SEEK_END) >= (off_t)size);
	assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void gpu_writes_cpu_reads(struct gpu *gpu, struct exported_buffer *buffer, uint32_t *data)
{
	gpu_fill(gpu, buffer->buffer, 0xdeadbeef);
	assert_all_words(data, buffer->size, 0xdeadbeef);
}

static void cpu_writes_gpu_reads(struct gpu *gpu, struct exported_buffer *buffer, uint32_t *data)
{
	struct exported_buffer plain;
	gpu_make_buffer(gpu, buffer->size, false, false, -1, &plain);
	for (VkDeviceSize i = 0; i < buffer->size / 4; i++) {
		data[i] = pattern(i);
	}
	gpu_copy(gpu, buffer->buffer, plain.buffer, buffer->size);
	void *seen;
	assert_int_equal(vkMapMemory(gpu->device, plain.memory, 0, VK_WHOLE_SIZE, 0, &seen), 0);
	assert_pattern(seen, buffer->size);
	vkUnmapMemory(gpu->device, plain.memory);
	gpu_free_buffer(gpu, &plain);
}

/* vkMapMemory must show the same pages as the fd. */
static void mapped_memory_is_the_file(struct gpu *gpu, struct exported_buffer *buffer,
				      uint32_t *data)
{
	uint32_t *mapped;
	assert_int_equal(
		vkMapMemory(gpu->device, buffer->memory, 0, VK_WHOLE_SIZE, 0, (void **)&mapped), 0);
	assert_pattern(mapped, buffer->size);
	mapped[buffer->size / 4 - 1] = 77;
	assert_int_equal(data[buffer->size / 4 - 1], 77);
	vkUnmapMemory(gpu->device, buffer->memory);
}

static void second_device_shares(struct gpu *other, int fd, VkDeviceSize size, uint32_t *data)
{
	VkMemoryFdPropertiesKHR properties = {.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR};
	assert_int_equal(other->get_memory_fd_properties(other->device, DMA_BUF, fd, &properties),
			 VK_SUCCESS);
	assert_true(properties.memoryTypeBits != 0);
	struct exported_buffer imported;
	gpu_make_buffer(other, size, true, false, fcntl(fd, F_DUPFD_CLOEXEC, 0), &imported);
	for (VkDeviceSize i = 0; i < size / 4; i++) {
		data[i] = pattern(i);
	}
	struct exported_buffer plain;
	gpu_make_buffer(other, size, false, false, -1, &plain);
	gpu_copy(other, imported.buffer, plain.buffer, size);
	void *seen;
	assert_int_equal(vkMapMemory(other->device, plain.memory, 0, VK_WHOLE_SIZE, 0, &seen), 0);
	assert_pattern(seen, size);
	vkUnmapMemory(other->device, plain.memory);
	gpu_free_buffer(other, &plain);
	gpu_fill(other, imported.buffer, 0x01020304);
	assert_all_words(data, size, 0x01020304);
	gpu_free_buffer(other, &imported);
}

static void test_all_sizes(void **state)
{
	struct gpu gpu, other;
	gpu_open(&gpu);
	gpu_open(&other);
	const int fds = fd_count();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct exported_buffer buffer;
		gpu_make_buffer(&gpu, sizes[i], true, true, -1, &buffer);
		int fd = gpu_export(&gpu, buffer.memory);
		check_file(fd, sizes[i]);
		uint32_t *data = map_fd(fd, sizes[i]);
		gpu_writes_cpu_reads(&gpu, &buffer, data);
		cpu_writes_gpu_reads(&gpu, &buffer, data);
		mapped_memory_is_the_file(&gpu, &buffer, data);
		second_device_shares(&other, fd, sizes[i], data);
		/* The exporter sees what the importer wrote, and may go first. */
		assert_all_words(data, sizes[i], 0x01020304);
		gpu_free_buffer(&gpu, &buffer);
		assert_all_words(data, sizes[i], 0x01020304);
		munmap(data, sizes[i]);
		close(fd);
		assert_int_equal(fd_count(), fds);
	}
	gpu_close(&other);
	gpu_close(&gpu);
}

static void test_imported_memory_exports_again(void **state)
{
	struct gpu gpu;
	gpu_open(&gpu);
	const int fds = fd_count();
	struct exported_buffer first, second;
	gpu_make_buffer(&gpu, 8192, true, true, -1, &first);
	gpu_make_buffer(&gpu, 8192, true, true, gpu_export(&gpu, first.memory), &second);
	gpu_fill(&gpu, second.buffer, 5);
	struct stat a, b;
	int fd_a = gpu_export(&gpu, first.memory);
	int fd_b = gpu_export(&gpu, second.memory);
	assert_int_equal(fstat(fd_a, &a), 0);
	assert_int_equal(fstat(fd_b, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(fd_a);
	close(fd_b);
	gpu_free_buffer(&gpu, &second);
	gpu_free_buffer(&gpu, &first);
	assert_int_equal(fd_count(), fds);
	gpu_close(&gpu);
}

/* What Venus does: memory that is exportable, bound to a buffer that is not external. Below the
 * layer that is the one class of messages which is filtered. */
static void test_venus_binding(void **state)
{
	if (!config_is("below")) {
		skip(); /* not valid Vulkan */
	}
	struct gpu gpu;
	gpu_open(&gpu);
	struct exported_buffer buffer;
	gpu_make_buffer(&gpu, 4096, false, true, -1, &buffer);
	int fd = gpu_export(&gpu, buffer.memory);
	uint32_t *data = map_fd(fd, 4096);
	gpu_writes_cpu_reads(&gpu, &buffer, data);
	munmap(data, 4096);
	close(fd);
	gpu_free_buffer(&gpu, &buffer);
	assert_true(gpu.filtered > 0);
	gpu.filtered = 0; /* expected */
	gpu_close(&gpu);
}

/* What a process leaves behind goes with its device. */
static void test_device_takes_its_memory_along(void **state)
{
	if (!config_is("plain")) {
		skip(); /* the validation layer minds it */
	}
	struct gpu gpu;
	gpu_open(&gpu);
	const int fds = fd_count();
	for (int i = 0; i < 20; i++) {
		VkExportMemoryAllocateInfo export_info = {
			.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
			.handleTypes = DMA_BUF,
		};
		VkMemoryAllocateInfo info = {
			.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
			.pNext = &export_info,
			.allocationSize = 4096,
			.memoryTypeIndex =
				gpu_memory_type(&gpu, ~0u, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT),
		};
		VkDeviceMemory memory;
		assert_int_equal(vkAllocateMemory(gpu.device, &info, NULL, &memory), VK_SUCCESS);
	}
	assert_int_equal(fd_count(), fds + 20);
	vkDestroyCommandPool(gpu.device, gpu.pool, NULL);
	vkDestroyDevice(gpu.device, NULL);
	assert_true(fd_count() <= fds);
	gpu.pool = VK_NULL_HANDLE;
	gpu.device = VK_NULL_HANDLE;
	gpu_close(&gpu);
}

/* Vulkan lets any thread allocate and free; each must find its own pages. */
struct allocator {
	struct gpu *gpu;
	uint32_t id;
	int wrong;
};

static void *allocate_often(void *arg)
{
	struct allocator *allocator = arg;
	struct gpu *gpu = allocator->gpu;
	VkExportMemoryAllocateInfo export_info = {
		.sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		.handleTypes = DMA_BUF,
	};
	VkMemoryAllocateInfo info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
		.pNext = &export_info,
		.allocationSize = 4096,
		.memoryTypeIndex = gpu_memory_type(gpu, ~0u, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT),
	};
	for (uint32_t i = 0; i < 2000; i++) {
		VkDeviceMemory memory;
		uint32_t *mapped = NULL;
		const uint32_t word = allocator->id << 16 | i;
		if (vkAllocateMemory(gpu->device, &info, NULL, &memory) != VK_SUCCESS ||
		    vkMapMemory(gpu->device, memory, 0, VK_WHOLE_SIZE, 0, (void **)&mapped)) {
			allocator->wrong++;
			continue;
		}
		*mapped = word;
		VkMemoryGetFdInfoKHR get = {
			.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
			.memory = memory,
			.handleType = DMA_BUF,
		};
		int fd = -1;
		uint32_t seen = 0;
		if (gpu->get_memory_fd(gpu->device, &get, &fd) != VK_SUCCESS ||
		    pread(fd, &seen, sizeof(seen), 0) != sizeof(seen) || seen != word) {
			allocator->wrong++;
		}
		close(fd);
		vkFreeMemory(gpu->device, memory, NULL);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct gpu gpu;
	gpu_open(&gpu);
	const int fds = fd_count();
	struct allocator allocators[4];
	pthread_t threads[4];
	for (uint32_t i = 0; i < 4; i++) {
		allocators[i] = (struct allocator){.gpu = &gpu, .id = i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, allocate_often, &allocators[i]),
				 0);
	}
	for (uint32_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(allocators[i].wrong, 0);
	}
	assert_int_equal(fd_count(), fds);
	gpu_close(&gpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_sizes),
		cmocka_unit_test(test_imported_memory_exports_again),
		cmocka_unit_test(test_venus_binding),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_device_takes_its_memory_along),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
