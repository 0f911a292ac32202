/* SPDX-License-Identifier: MIT */
/* The layer's parts that need no Vulkan: the hash map, the chains, and the memfds, of which every
 * system call is made to fail once. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "chain.h"
#include "memory.h"
#include "objects.h"

/* The call that fails, counted down; 0: none. Linked with --wrap. */
static int fail_in;

static bool fails_now(void)
{
	return fail_in > 0 && --fail_in == 0;
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags)
{
	errno = EMFILE;
	return fails_now() ? -1 : __real_memfd_create(name, flags);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
	errno = ENOSPC;
	return fails_now() ? -1 : __real_ftruncate(fd, size);
}

int __real_fcntl(int fd, int command, int arg);
int __wrap_fcntl(int fd, int command, int arg);
int __wrap_fcntl(int fd, int command, int arg)
{
	errno = EPERM;
	return fails_now() ? -1 : __real_fcntl(fd, command, arg);
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	errno = ENOMEM;
	return fails_now() ? MAP_FAILED : __real_mmap(at, size, protection, flags, fd, offset);
}

static int fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	int count = 0;
	while (readdir(dir)) {
		count++;
	}
	closedir(dir);
	return count;
}

static void test_every_call_fails_once(void **state)
{
	const int fds = fd_count();
	int n = 1, error;
	do {
		struct backing backing;
		fail_in = n++;
		error = backing_create(&backing, 100, 4096);
		fail_in = 0;
		if (error < 0) {
			assert_int_equal(backing.fd, -1);
			assert_null(backing.data);
			assert_int_equal(fd_count(), fds);
			assert_true(backing_result(error) < 0);
		}
		backing_finish(&backing);
		assert_int_equal(fd_count(), fds);
	} while (error < 0);
	assert_int_equal(n, 6); /* four calls, and then none failed */
}

static void test_adopt_keeps_the_fd_on_failure(void **state)
{
	struct backing made, adopted;
	assert_int_equal(backing_create(&made, 4096, 4096), 0);
	const int fds = fd_count();
	for (int n = 1; n <= 2; n++) {
		fail_in = n;
		assert_true(backing_adopt(&adopted, made.fd, 4096, 4096) < 0);
		fail_in = 0;
		assert_int_equal(adopted.fd, -1);
		assert_int_equal(fd_count(), fds);
	}
	assert_int_equal(backing_adopt(&adopted, made.fd, 1 << 20, 4096), -EINVAL);
	assert_int_equal(backing_adopt(&adopted, made.fd, UINT64_MAX, 4096), -EINVAL);
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	assert_false(backing_is_memfd(pipes[0]));
	assert_true(backing_adopt(&adopted, pipes[0], 1, 4096) < 0);
	close(pipes[0]);
	close(pipes[1]);
	backing_finish(&made);
}

static void test_sizes(void **state)
{
	size_t rounded;
	assert_true(backing_round(1, 4096, &rounded));
	assert_int_equal(rounded, 4096);
	assert_true(backing_round(65536, 65536, &rounded));
	assert_int_equal(rounded, 65536);
	assert_false(backing_round(UINT64_MAX - 10, 4096, &rounded));
	struct backing backing;
	assert_int_equal(backing_create(&backing, UINT64_MAX - 5000, 4096), -EFBIG);
	/* Mapped is what was asked for; the file is larger, for guests with larger pages. */
	assert_int_equal(backing_create(&backing, 100, 4096), 0);
	assert_int_equal(backing.size, 4096);
	assert_int_equal(lseek(backing.fd, 0, SEEK_END), 65536);
	backing_finish(&backing);
}

/* Against a plain array, with keys that collide. */
static void test_map(void **state)
{
	enum { keys = 500 };
	static void *expected[keys];
	static int values[keys];
	struct map map;
	map_init(&map);
	srand(1);
	for (int i = 0; i < 200000; i++) {
		int k = rand() % keys;
		uint64_t key = (uint64_t)(k + 1) << 32; /* handles that differ high up */
		if (rand() % 2) {
			void *before = expected[k];
			void *now = map_put_once(&map, key, &values[k]);
			assert_ptr_equal(now, before ? before : &values[k]);
			expected[k] = &values[k];
		} else {
			assert_ptr_equal(map_take(&map, key), expected[k]);
			expected[k] = NULL;
		}
		int other = rand() % keys;
		assert_ptr_equal(map_get(&map, (uint64_t)(other + 1) << 32), expected[other]);
	}
	map_finish(&map, NULL);
}

static int released;

static void count_release(void *value)
{
	released += *(int *)value;
}

static void test_map_releases(void **state)
{
	static int one = 1;
	struct map map;
	map_init(&map);
	for (uint64_t key = 1; key <= 100; key++) {
		assert_true(map_put(&map, key, &one));
	}
	assert_false(map_put(&map, 1, &released));
	map_take(&map, 50);
	map_finish(&map, count_release);
	assert_int_equal(released, 99);
}

static void test_chain(void **state)
{
	const VkStructureType drop[] = {
		VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
		VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
	};
	const VkMemoryPriorityAllocateInfoEXT last = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_PRIORITY_ALLOCATE_INFO_EXT,
		.priority = 0.5f,
	};
	const VkMemoryDedicatedAllocateInfo dedicated = {.sType = drop[1], .pNext = &last};
	const VkMemoryAllocateFlagsInfo flags = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
		.pNext = &dedicated,
		.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
	};
	const VkExportMemoryAllocateInfo first = {.sType = drop[0], .pNext = &flags};
	struct chain_storage storage;
	const void *out;
	assert_true(chain_without(&first, drop, 2, &storage, &out));
	const VkMemoryAllocateFlagsInfo *copy = out;
	assert_ptr_not_equal(copy, &flags);
	assert_int_equal(copy->sType, flags.sType);
	assert_int_equal(copy->flags, flags.flags);
	assert_ptr_equal(copy->pNext, &last); /* shared, not copied */
	assert_ptr_equal(flags.pNext, &dedicated);
	/* Nothing to drop: nothing copied. Nothing but what is dropped: nothing left. */
	assert_true(chain_without(&last, drop, 2, &storage, &out));
	assert_ptr_equal(out, &last);
	const VkExportMemoryAllocateInfo alone = {.sType = drop[0]};
	assert_true(chain_without(&alone, drop, 2, &storage, &out));
	assert_null(out);
	assert_true(chain_without(NULL, drop, 2, &storage, &out));
	assert_null(out);
	/* A struct of unknown size cannot be copied; after the dropped one it need not be. */
	const VkBaseInStructure unknown_first = {.sType = (VkStructureType)0x7ffffff0,
						 .pNext = (const void *)&alone};
	assert_false(chain_without(&unknown_first, drop, 2, &storage, &out));
	const VkBaseInStructure unknown = {.sType = (VkStructureType)0x7ffffff0};
	const VkExportMemoryAllocateInfo before = {.sType = drop[0], .pNext = &unknown};
	assert_true(chain_without(&before, drop, 2, &storage, &out));
	assert_ptr_equal(out, &unknown);
}

/* A chain longer than the storage is refused, not written past it. */
static void test_chain_too_long(void **state)
{
	enum { count = 100 };
	static VkMemoryAllocateFlagsInfo flags[count];
	const VkStructureType drop = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO;
	const VkExportMemoryAllocateInfo end = {.sType = drop};
	for (int i = 0; i < count; i++) {
		flags[i].sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
		flags[i].pNext = i + 1 < count ? (const void *)&flags[i + 1] : &end;
	}
	struct chain_storage *storage = malloc(sizeof(*storage)); /* ASan watches its end */
	assert_non_null(storage);
	const void *out;
	assert_false(chain_without(&flags[0], &drop, 1, storage, &out));
	assert_true(chain_without(&flags[count - 10], &drop, 1, storage, &out));
	free(storage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_call_fails_once),
		cmocka_unit_test(test_adopt_keeps_the_fd_on_failure),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_map_releases),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_chain_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
