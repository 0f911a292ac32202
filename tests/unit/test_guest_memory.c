/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "util/fd.h"
#include "vhost/guest_memory.h"

#define MIB (1ull << 20)

/* Two files, three regions; b follows a in guest addresses, c stands alone. */
struct fixture {
	int file[2];
	struct guest_region regions[3];
	int fds[3];
	struct guest_memory *memory;
};

static struct fixture fx;

static int setup(void **state)
{
	fx.file[0] = fd_memfd("ram0", 4 * MIB);
	fx.file[1] = fd_memfd("ram1", 2 * MIB);
	fx.regions[0] = (struct guest_region){0x1000, MIB, 0x7000001000, 0};
	fx.regions[1] = (struct guest_region){0x1000 + MIB, MIB, 0x7100000000, 2 * MIB};
	fx.regions[2] = (struct guest_region){0x100000000, 2 * MIB, 0x7200000000, 0};
	fx.fds[0] = fx.file[0];
	fx.fds[1] = fx.file[0];
	fx.fds[2] = fx.file[1];
	int error = 0;
	fx.memory = guest_memory_create(fx.regions, fx.fds, 3, &error);
	return fx.memory != NULL ? 0 : error;
}

static int teardown(void **state)
{
	guest_memory_unref(fx.memory);
	fd_close_all(fx.file, 2);
	return 0;
}

static void put(int fd, off_t at, const char *text)
{
	assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
}

static void test_finds_the_file(void **state)
{
	int fd;
	uint64_t offset;
	char text[7] = "";
	put(fx.file[0], 2 * MIB + 70, "second");
	const char *at = guest_memory_at(fx.memory, 0x1000 + MIB + 70, 6);
	assert_true(guest_memory_file(fx.memory, at, &fd, &offset));
	assert_int_equal(offset, 2 * MIB + 70);
	assert_int_not_equal(fd, fx.fds[1]);
	assert_int_equal(pread(fd, text, 6, (off_t)offset), 6);
	assert_string_equal(text, "second");
	at = guest_memory_at(fx.memory, 0x100000000 + 2 * MIB - 1, 1);
	assert_true(guest_memory_file(fx.memory, at, &fd, &offset));
	assert_int_equal(offset, 2 * MIB - 1);
	assert_false(guest_memory_file(fx.memory, &fx, &fd, &offset));
}

static void test_finds_bytes(void **state)
{
	put(fx.file[0], 5, "first");
	put(fx.file[0], 2 * MIB + 5, "second");
	put(fx.file[1], 2 * MIB - 4, "last");
	assert_memory_equal(guest_memory_at(fx.memory, 0x1005, 5), "first", 5);
	assert_memory_equal(guest_memory_at(fx.memory, 0x1005 + MIB, 6), "second", 6);
	assert_memory_equal(guest_memory_at(fx.memory, 0x100000000 + 2 * MIB - 4, 4), "last", 4);
	assert_memory_equal(guest_memory_at_user(fx.memory, 0x7000001005, 5), "first", 5);
	assert_memory_equal(guest_memory_at_user(fx.memory, 0x7100000005, 6), "second", 6);
}

static void test_writes_reach_the_file(void **state)
{
	memcpy(guest_memory_at(fx.memory, 0x1000 + MIB, 3), "abc", 3);
	char seen[3];
	assert_int_equal(pread(fx.file[0], seen, 3, 2 * MIB), 3);
	assert_memory_equal(seen, "abc", 3);
}

static void test_bounds(void **state)
{
	assert_non_null(guest_memory_at(fx.memory, 0x1000, MIB));
	assert_null(guest_memory_at(fx.memory, 0xfff, 1));
	assert_null(guest_memory_at(fx.memory, 0xfff, 2));
	/* Neighbours in guest addresses are still two regions. */
	assert_null(guest_memory_at(fx.memory, 0x1000, MIB + 1));
	assert_non_null(guest_memory_at(fx.memory, 0xfff + MIB, 1));
	assert_null(guest_memory_at(fx.memory, 0xfff + MIB, 2));
	assert_null(guest_memory_at(fx.memory, 0x1000 + 2 * MIB, 1));
	assert_null(guest_memory_at(fx.memory, 0x1000, UINT64_MAX));
	assert_null(guest_memory_at(fx.memory, UINT64_MAX, 1));
	assert_null(guest_memory_at(fx.memory, UINT64_MAX, 2));
	assert_null(guest_memory_at_user(fx.memory, 0x7000000fff, 1));
	assert_non_null(guest_memory_at_user(fx.memory, 0x7000001000, MIB));
	assert_null(guest_memory_at_user(fx.memory, 0x7000001000, MIB + 1));
	assert_null(guest_memory_at_user(fx.memory, UINT64_MAX, 2));
}

static void test_iov_crosses_regions(void **state)
{
	struct iovec iov[4];
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000 + MIB - 3, 10, iov, 4), 2);
	assert_ptr_equal(iov[0].iov_base, guest_memory_at(fx.memory, 0x1000 + MIB - 3, 3));
	assert_int_equal(iov[0].iov_len, 3);
	assert_ptr_equal(iov[1].iov_base, guest_memory_at(fx.memory, 0x1000 + MIB, 7));
	assert_int_equal(iov[1].iov_len, 7);
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000, 2 * MIB, iov, 4), 2);
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000, 100, iov, 4), 1);
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000, 0, iov, 4), 0);
}

static void test_iov_errors(void **state)
{
	struct iovec iov[4];
	assert_int_equal(guest_memory_iov(fx.memory, 0, 1, iov, 4), -EFAULT);
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000, 2 * MIB + 1, iov, 4), -EFAULT);
	assert_int_equal(guest_memory_iov(fx.memory, UINT64_MAX - 1, 4, iov, 4), -EFAULT);
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000, UINT64_MAX, iov, 4), -EFAULT);
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000, 2 * MIB, iov, 1), -E2BIG);
	assert_int_equal(guest_memory_iov(fx.memory, 0x1000, 1, iov, 0), -E2BIG);
}

static void test_same(void **state)
{
	assert_true(guest_memory_same(fx.memory, fx.regions, fx.fds, 3));
	/* Another order, and duplicates of the fds, are the same. */
	const struct guest_region turned[3] = {fx.regions[2], fx.regions[0], fx.regions[1]};
	int fds[3] = {fd_dup(fx.fds[2]), fd_dup(fx.fds[0]), fd_dup(fx.fds[1])};
	assert_true(guest_memory_same(fx.memory, turned, fds, 3));
	fd_close_all(fds, 3);
	assert_false(guest_memory_same(fx.memory, fx.regions, fx.fds, 2));
}

static void test_not_same(void **state)
{
	for (unsigned field = 0; field < 4; field++) {
		struct guest_region changed[3];
		memcpy(changed, fx.regions, sizeof(changed));
		*(&changed[1].gpa + field) += 4096;
		assert_false(guest_memory_same(fx.memory, changed, fx.fds, 3));
	}
	const int fds[3] = {fx.fds[0], fx.file[1], fx.fds[2]};
	assert_false(guest_memory_same(fx.memory, fx.regions, fds, 3));
	/* Twice the same region instead of two. */
	const struct guest_region twice[3] = {fx.regions[0], fx.regions[0], fx.regions[2]};
	const int twice_fds[3] = {fx.fds[0], fx.fds[0], fx.fds[2]};
	assert_false(guest_memory_same(fx.memory, twice, twice_fds, 3));
}

static int create_error(struct guest_region region, int fd)
{
	int error = 0;
	struct guest_memory *memory = guest_memory_create(&region, &fd, 1, &error);
	guest_memory_unref(memory);
	return memory == NULL ? error : 0;
}

static void test_bad_regions(void **state)
{
	const int fd = fx.file[0];
	assert_int_equal(create_error((struct guest_region){0, MIB, 0, 0}, fd), 0);
	assert_int_equal(create_error((struct guest_region){0, 0, 0, 0}, fd), -EINVAL);
	assert_int_equal(create_error((struct guest_region){UINT64_MAX - 5, MIB, 0, 0}, fd),
			 -EINVAL);
	assert_int_equal(create_error((struct guest_region){0, MIB, UINT64_MAX - 5, 0}, fd),
			 -EINVAL);
	assert_int_equal(create_error((struct guest_region){0, MIB, 0, UINT64_MAX - 5}, fd),
			 -EINVAL);
	/* One byte more than the file has. */
	assert_int_equal(create_error((struct guest_region){0, 4 * MIB + 1, 0, 0}, fd), -EINVAL);
	assert_int_equal(create_error((struct guest_region){0, MIB + 1, 0, 3 * MIB}, fd), -EINVAL);
	assert_int_equal(create_error((struct guest_region){0, MIB, 0, 0}, -1), -EBADF);
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(create_error((struct guest_region){0, MIB, 0, 0}, pipe_fds[0]), -EACCES);
	fd_close_all(pipe_fds, 2);
}

static void test_overlap(void **state)
{
	const int fds[2] = {fx.file[0], fx.file[1]};
	struct guest_region regions[2] = {
		{0x10000, MIB, 0x1000, 0},
		{0x10000 + MIB - 4096, MIB, 0x10000000, 0},
	};
	int error = 0;
	assert_null(guest_memory_create(regions, fds, 2, &error));
	assert_int_equal(error, -EINVAL);
	/* Side by side is fine, and so is the same file seen at two guest addresses. */
	regions[1].gpa += 4096;
	struct guest_memory *memory = guest_memory_create(regions, fds, 2, &error);
	assert_non_null(memory);
	guest_memory_unref(memory);
}

static void test_unaligned_offset(void **state)
{
	put(fx.file[0], 12345, "odd");
	const struct guest_region region = {0x5000, 8192, 0x9000, 12345};
	int error = 0;
	struct guest_memory *memory = guest_memory_create(&region, &fx.file[0], 1, &error);
	assert_non_null(memory);
	assert_memory_equal(guest_memory_at(memory, 0x5000, 3), "odd", 3);
	guest_memory_unref(memory);
}

static unsigned count_maps(const char *word)
{
	unsigned count = 0;
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	while (fgets(line, sizeof(line), maps) != NULL) {
		count += strstr(line, word) != NULL;
	}
	fclose(maps);
	return count;
}

static void test_references(void **state)
{
	int fd = fd_memfd("counted", MIB);
	const struct guest_region region = {0, MIB, 0, 0};
	int error = 0;
	struct guest_memory *memory = guest_memory_create(&region, &fd, 1, &error);
	close(fd);
	assert_int_equal(count_maps("memfd:counted"), 1);
	assert_ptr_equal(guest_memory_ref(memory), memory);
	guest_memory_unref(memory);
	assert_int_equal(count_maps("memfd:counted"), 1);
	guest_memory_unref(memory);
	assert_int_equal(count_maps("memfd:counted"), 0);
	guest_memory_unref(NULL);
	assert_null(guest_memory_ref(NULL));
}

static void test_failed_create_leaves_nothing(void **state)
{
	int fds[2] = {fd_memfd("counted", MIB), -1};
	const struct guest_region regions[2] = {{0, MIB, 0, 0}, {2 * MIB, MIB, 2 * MIB, 0}};
	int error = 0;
	assert_null(guest_memory_create(regions, fds, 2, &error));
	assert_int_equal(error, -EBADF);
	assert_int_equal(count_maps("memfd:counted"), 0);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_finds_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_finds_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writes_reach_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iov_crosses_regions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_iov_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_regions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overlap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unaligned_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_references, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_create_leaves_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
