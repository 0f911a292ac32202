/* SPDX-License-Identifier: MIT */
/*
 * Guest pages as one fd: hesperd's writer against the layer's reader, and the reader against lists
 * that nobody should have made.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <hesper/guest_pages.h>

#include "gpu/pages.h"
#include "pages_reader.h"
#include "util/fd.h"

#define PAGE 4096u
#define GPA 0x100000ull

/* Two files of RAM; the second one follows the first in guest addresses. */
struct fixture {
	int files[2];
	struct guest_memory *memory;
};

static struct fixture fx;

static int setup(void **state)
{
	const struct guest_region regions[] = {
		{GPA, 64 * PAGE, 0x70000000, 16 * PAGE},
		{GPA + 64 * PAGE, 64 * PAGE, 0x80000000, 0},
	};
	int error = 0;
	fx.files[0] = fd_memfd("ram0", 80 * PAGE);
	fx.files[1] = fd_memfd("ram1", 64 * PAGE);
	fx.memory = guest_memory_create(regions, fx.files, 2, &error);
	return fx.memory != NULL ? 0 : error;
}

static int teardown(void **state)
{
	guest_memory_unref(fx.memory);
	fd_close_all(fx.files, 2);
	return 0;
}

static struct iovec guest_piece(uint64_t page, size_t length)
{
	return (struct iovec){guest_memory_at(fx.memory, GPA + page * PAGE, 1), length};
}

static int share(struct iovec *iov, size_t count, uint64_t size)
{
	const struct gpu_backing backing = {.memory = fx.memory, .iov = iov, .count = count};
	return pages_share(&backing, size, GPU_PAGES_LIST, -1);
}

static void test_pieces_lie_side_by_side(void **state)
{
	/* Backwards, with neighbours, over the border of the files, the last one not a whole page. */
	struct iovec iov[] = {
		guest_piece(100, PAGE), guest_piece(63, PAGE),    guest_piece(64, PAGE),
		guest_piece(7, PAGE),   guest_piece(8, 3 * PAGE), guest_piece(2, 100),
	};
	static const uint64_t order[] = {100, 63, 64, 7, 8, 9, 10, 2};
	const uint64_t size = 7 * PAGE + 100;
	int fd = share(iov, 6, size);
	assert_true(fd >= 0);
	assert_true(reader_is(fd));
	assert_true(reader_holds(fd));
	for (uint64_t i = 0; i < 8; i++) {
		memset(guest_memory_at(fx.memory, GPA + order[i] * PAGE, PAGE), (int)(i + 1), PAGE);
	}
	struct reader_mapping first;
	struct reader_mapping second;
	int again = fd_dup(fd);
	/* An fd tells its list any number of times. */
	assert_int_equal(reader_adopt(&first, fd, size, PAGE), 0);
	assert_int_equal(reader_adopt(&second, again, 3 * PAGE, PAGE), 0);
	assert_int_equal(first.size, 8 * PAGE);
	const uint8_t *seen = first.data;
	for (uint64_t i = 0; i < 8 * PAGE; i++) {
		assert_int_equal(seen[i], i / PAGE + 1);
	}
	/* And back. */
	second.data[2 * PAGE + 5] = 0xee;
	assert_int_equal(*(uint8_t *)guest_memory_at(fx.memory, GPA + 64 * PAGE + 5, 1), 0xee);
	reader_finish(&first);
	reader_finish(&second);
}

static void test_alignment_of_a_driver(void **state)
{
	struct iovec iov[] = {guest_piece(20, 3 * PAGE)};
	struct reader_mapping backing;
	int fd = share(iov, 1, 3 * PAGE);
	assert_int_equal(reader_adopt(&backing, fd, 3 * PAGE, 65536), 0);
	assert_int_equal(backing.size, 65536);
	/* Behind the pages is memory that is nobody else's. */
	memset(backing.data, 0x77, backing.size);
	assert_int_equal(*(uint8_t *)guest_memory_at(fx.memory, GPA + 22 * PAGE, 1), 0x77);
	assert_int_not_equal(*(uint8_t *)guest_memory_at(fx.memory, GPA + 23 * PAGE, 1), 0x77);
	assert_int_equal(reader_adopt(&(struct reader_mapping){0}, fd, 3 * PAGE + 1, PAGE),
			 -EINVAL);
	reader_finish(&backing);
}

static void test_what_cannot_be_shared(void **state)
{
	struct iovec odd[] = {{(uint8_t *)guest_memory_at(fx.memory, GPA, 1) + 16, PAGE}};
	struct iovec part[] = {guest_piece(0, 100), guest_piece(1, PAGE)};
	struct iovec few[] = {guest_piece(0, PAGE)};
	struct iovec foreign[] = {{&fx, PAGE}};
	const struct gpu_backing none = {0};
	assert_int_equal(share(odd, 1, PAGE), -EOPNOTSUPP);
	assert_int_equal(share(part, 2, PAGE), -EOPNOTSUPP);
	assert_int_equal(share(few, 1, PAGE + 1), -EOPNOTSUPP);
	assert_int_equal(share(foreign, 1, PAGE), -EOPNOTSUPP);
	assert_int_equal(share(few, 1, 0), -EOPNOTSUPP);
	assert_int_equal(pages_share(&none, PAGE, GPU_PAGES_LIST, -1), -EOPNOTSUPP);
	const struct gpu_backing backing = {.memory = fx.memory, .iov = few, .count = 1};
	assert_int_equal(pages_share(&backing, PAGE, GPU_PAGES_DMA_BUF, -1), -EOPNOTSUPP);
}

static void test_number_of_pieces(void **state)
{
	enum { MANY = HESPER_PAGES_MAX_PIECES + 1 };
	static struct iovec iov[MANY];
	for (size_t i = 0; i < MANY; i++) {
		iov[i] = guest_piece(i % 2 == 0 ? 5 : 9, PAGE);
	}
	assert_int_equal(share(iov, MANY, (uint64_t)MANY * PAGE), -E2BIG);
	int fd = share(iov, MANY - 1, (uint64_t)(MANY - 1) * PAGE);
	assert_true(reader_holds(fd));
	struct reader_mapping backing;
	*(uint8_t *)guest_memory_at(fx.memory, GPA + 9 * PAGE, 1) = 0x42;
	assert_int_equal(reader_adopt(&backing, fd, (uint64_t)(MANY - 1) * PAGE, PAGE), 0);
	assert_int_equal(backing.data[(MANY - 2) * PAGE], 0x42);
	reader_finish(&backing);
}

/* A list with the given head and pieces, and the first of fx.files. */
static int forge(const struct hesper_pages *head, const struct hesper_pages_piece *pieces,
		 size_t count, size_t fds_sent)
{
	int pair[2];
	int fds[3] = {memfd_create("forged", MFD_CLOEXEC), fx.files[0], fx.files[1]};
	assert_int_equal(write(fds[0], pieces, count * sizeof(*pieces)),
			 (ssize_t)(count * sizeof(*pieces)));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)head, .iov_len = sizeof(*head)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fds_sent > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fds_sent * sizeof(int));
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fds_sent * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, fds_sent * sizeof(int));
	}
	assert_int_equal(sendmsg(pair[0], &message, 0), sizeof(*head));
	close(pair[0]);
	close(fds[0]);
	return pair[1];
}

static void refused(int fd)
{
	struct reader_mapping backing;
	assert_false(reader_holds(fd));
	assert_true(reader_adopt(&backing, fd, PAGE, PAGE) < 0);
	assert_null(backing.data);
	close(fd);
}

static void test_forged_lists(void **state)
{
	const struct hesper_pages good = {
		.magic = HESPER_PAGES_MAGIC, .size = 2 * PAGE, .files = 1, .pieces = 2};
	const struct hesper_pages_piece pieces[] = {{PAGE, PAGE, 0, 0}, {0, PAGE, 0, 0}};
	struct reader_mapping backing;
	int fd = forge(&good, pieces, 2, 2);
	assert_true(reader_holds(fd));
	assert_int_equal(reader_adopt(&backing, fd, 2 * PAGE, PAGE), 0);
	reader_finish(&backing);

	struct hesper_pages head = good;
	head.magic++;
	fd = forge(&head, pieces, 2, 2);
	assert_false(reader_is(fd));
	refused(fd);
	head = good;
	head.files = 2;
	refused(forge(&head, pieces, 2, 2));
	head.files = UINT32_MAX;
	refused(forge(&head, pieces, 2, 2));
	head.files = 0;
	refused(forge(&head, pieces, 2, 1));
	refused(forge(&good, pieces, 2, 0));
	head = good;
	head.pieces = 0;
	refused(forge(&head, pieces, 2, 2));
	head.pieces = 3; /* more than there are */
	refused(forge(&head, pieces, 2, 2));
	head.pieces = UINT32_MAX;
	refused(forge(&head, pieces, 2, 2));
	head = good;
	head.size = 3 * PAGE;
	fd = forge(&head, pieces, 2, 2);
	assert_false(reader_holds(fd));
	assert_int_equal(reader_adopt(&backing, fd, 3 * PAGE, PAGE), -EINVAL);
	close(fd);
	static const struct hesper_pages_piece bad[] = {
		{80 * PAGE, PAGE, 0, 0}, /* behind the file's end */
		{79 * PAGE, 2 * PAGE, 0, 0}, /* over it */
		{UINT64_MAX - PAGE + 1, PAGE, 0, 0}, /* wraps */
		{0, UINT64_MAX, 0, 0},
		{0, 0, 0, 0},
		{0, PAGE, 1, 0}, /* no such file */
		{0, PAGE, UINT32_MAX, 0},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct hesper_pages one = {.magic = HESPER_PAGES_MAGIC,
						 .size = bad[i].length,
						 .files = 1,
						 .pieces = 1};
		refused(forge(&one, &bad[i], 1, 2));
	}
}

static void test_other_fds(void **state)
{
	int pair[2];
	struct reader_mapping backing;
	assert_false(reader_is(-1));
	assert_false(reader_is(fx.files[0]));
	/* Empty, and with its other end open: asking must not block. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_false(reader_is(pair[1]));
	assert_int_equal(reader_adopt(&backing, pair[1], PAGE, PAGE), -EINVAL);
	fd_close_all(pair, 2);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_false(reader_is(pair[1]));
	fd_close_all(pair, 2);
}

static unsigned open_fds(void)
{
	unsigned count = 0;
	for (int fd = 0; fd < 256; fd++) {
		count += fd_size(fd) != -EBADF;
	}
	return count;
}

static void test_no_fd_is_left(void **state)
{
	struct iovec iov[] = {guest_piece(1, PAGE), guest_piece(99, PAGE)};
	unsigned before = open_fds();
	for (int i = 0; i < 20; i++) {
		struct reader_mapping backing;
		int fd = share(iov, 2, 2 * PAGE);
		assert_true(reader_holds(fd));
		assert_int_equal(reader_adopt(&backing, fd, 3 * PAGE, PAGE), -EINVAL);
		assert_int_equal(reader_adopt(&backing, fd, 2 * PAGE, PAGE), 0);
		reader_finish(&backing);
	}
	assert_int_equal(open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pieces_lie_side_by_side, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alignment_of_a_driver, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_number_of_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_fds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_fd_is_left, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
