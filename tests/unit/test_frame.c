/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <pixman.h>

#include "frame/frame.h"
#include "util/fd.h"

/*
 * The pixman name of a format and its virtio name must describe the same bytes: pixman itself
 * converts one pixel, and the byte of each channel is where the name says.
 */
static void test_pixman_agrees_with_the_name(void **state)
{
	for (unsigned i = 0; format_at(i) != NULL; i++) {
		const struct format *format = format_at(i);
		uint32_t from = 0x40a1b2c3; /* a r g b */
		uint32_t to = 0;
		pixman_image_t *source = pixman_image_create_bits(PIXMAN_a8r8g8b8, 1, 1, &from, 4);
		pixman_image_t *target = pixman_image_create_bits(
			(pixman_format_code_t)format->pixman, 1, 1, &to, 4);
		assert_non_null(target);
		/* Unpremultiplied bytes: SRC converts channel by channel. */
		pixman_image_composite32(PIXMAN_OP_SRC, source, NULL, target, 0, 0, 0, 0, 0, 0, 1,
					 1);
		const uint8_t *bytes = (const uint8_t *)&to;
		for (unsigned b = 0; b < 4; b++) {
			switch (format->name[2 * b]) {
			case 'R':
				assert_int_equal(bytes[b], 0xa1);
				break;
			case 'G':
				assert_int_equal(bytes[b], 0xb2);
				break;
			case 'B':
				assert_int_equal(bytes[b], 0xc3);
				break;
			case 'A':
				assert_int_equal(bytes[b], 0x40);
				break;
			default:
				assert_true(format->opaque);
			}
		}
		pixman_image_unref(source);
		pixman_image_unref(target);
	}
}

/* The swizzle, applied to the bytes as the VkFormat names them, gives r, g, b of the name. */
static void test_swizzle_agrees_with_the_name(void **state)
{
	for (unsigned i = 0; format_at(i) != NULL; i++) {
		const struct format *format = format_at(i);
		/* 44 = VK_FORMAT_B8G8R8A8_UNORM, 37 = VK_FORMAT_R8G8B8A8_UNORM */
		const char *memory = format->vulkan == 44 ? "BGRA" : "RGBA";
		assert_true(format->vulkan == 44 || format->vulkan == 37);
		static const char channels[] = "RGBA";
		for (unsigned c = 0; c < 4; c++) {
			if (format->swizzle[c] == FORMAT_ONE) {
				assert_int_equal(c, 3);
				assert_true(format->opaque);
				continue;
			}
			char source = channels[format->swizzle[c]];
			size_t byte = (size_t)(strchr(memory, source) - memory);
			assert_int_equal(format->name[2 * byte], channels[c]);
		}
		assert_int_equal(format->identity, format->swizzle[0] == FORMAT_FROM_R &&
							   format->swizzle[1] == FORMAT_FROM_G &&
							   format->swizzle[2] == FORMAT_FROM_B);
	}
}

static void test_lookups(void **state)
{
	unsigned count = 0;
	for (; format_at(count) != NULL; count++) {
		const struct format *format = format_at(count);
		assert_ptr_equal(format_from_virtio(format->virtio), format);
		assert_ptr_equal(format_from_fourcc(format->fourcc), format);
		assert_ptr_equal(format_from_pixman(format->pixman), format);
	}
	assert_int_equal(count, 8);
	assert_null(format_from_virtio(0));
	assert_null(format_from_virtio(UINT32_MAX));
	/* XR24, as Linux names the format of its planes. */
	assert_int_equal(format_from_fourcc(0x34325258)->virtio, 2);
}

static void test_rects(void **state)
{
	struct rect rect = {0, 0, 10, 10};
	assert_true(rect_inside(&rect, 10, 10));
	assert_false(rect_inside(&rect, 9, 10));
	rect = (struct rect){UINT32_MAX, 0, 2, 1};
	assert_false(rect_inside(&rect, UINT32_MAX, 1));
	rect = (struct rect){3, 3, 0, 1};
	assert_false(rect_inside(&rect, 10, 10));
	struct rect out;
	const struct rect a = {0, 0, 10, 10};
	const struct rect b = {5, 6, UINT32_MAX, UINT32_MAX};
	assert_true(rect_intersect(&a, &b, &out));
	assert_int_equal(out.x, 5);
	assert_int_equal(out.y, 6);
	assert_int_equal(out.width, 5);
	assert_int_equal(out.height, 4);
	const struct rect c = {10, 0, 5, 5};
	assert_false(rect_intersect(&a, &c, &out));
}

static void test_fits(void **state)
{
	assert_true(frame_fits(4, 4, 16, 0, 64));
	assert_false(frame_fits(4, 4, 16, 4, 64));
	assert_true(frame_fits(4, 4, 32, 0, 3 * 32 + 16));
	assert_false(frame_fits(4, 4, 32, 0, 3 * 32 + 15));
	assert_false(frame_fits(4, 4, 12, 0, 64));
	assert_false(frame_fits(4, 4, 18, 0, 128));
	assert_false(frame_fits(4, 4, 16, 2, 128));
	assert_false(frame_fits(0, 4, 16, 0, 64));
	assert_false(frame_fits(UINT32_MAX, UINT32_MAX, 0xfffffffc, 0, UINT64_MAX));
	assert_false(frame_fits(1, 1, 4, UINT64_MAX - 3, UINT64_MAX - 4));
}

static void test_crop(void **state)
{
	const struct frame whole = {.width = 100, .height = 50, .stride = 512, .offset = 4096};
	const struct rect rect = {3, 7, 20, 10};
	struct frame part = frame_crop(&whole, &rect);
	assert_int_equal(part.offset, 4096 + 7 * 512 + 3 * 4);
	assert_int_equal(part.width, 20);
	assert_int_equal(part.height, 10);
	assert_int_equal(part.stride, 512);
}

/* What another process allocated may become shorter at any time. */
static void test_memory_read(void **state)
{
	char bytes[64] = {0};
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 128), 0);
	assert_int_equal(pwrite(fd, "pointer", 7, 0), 7);
	struct memory *memory = memory_create(MEMORY_SHM, fd, 128);
	assert_non_null(memory);
	assert_int_equal(memory_read(memory, bytes, sizeof(bytes)), 0);
	assert_string_equal(bytes, "pointer");
	assert_null(memory->mapping);
	assert_int_equal(memory_read(memory, bytes, 129), -EINVAL);
	assert_int_equal(ftruncate(fd, 16), 0);
	assert_int_equal(memory_read(memory, bytes, sizeof(bytes)), -EIO);
	memory_unref(memory);
}

static void test_memory(void **state)
{
	struct memory *memory = memory_create_shm("test", 8192);
	assert_non_null(memory);
	assert_int_equal(memory->kind, MEMORY_SHM);
	assert_int_equal(memory_kind_of_fd(memory->fd), MEMORY_SHM);
	((char *)memory->mapping)[8191] = 7;
	char byte;
	assert_int_equal(pread(memory->fd, &byte, 1, 8191), 1);
	assert_int_equal(byte, 7);
	/* Sealed: nobody can pull the pages from under a reader. */
	assert_int_not_equal(ftruncate(memory->fd, 0), 0);
	int fd = memory->fd;
	memory_ref(memory);
	memory_unref(memory);
	assert_true(fd_size(fd) == 8192);
	memory_unref(memory);
	assert_true(fd_size(fd) < 0);
	memory_unref(NULL);
}

static void test_memory_shorter_than_told(void **state)
{
	int fd = fd_memfd("short", 4096);
	assert_true(fd >= 0);
	assert_null(memory_create(MEMORY_SHM, fd, 4097));
	assert_null(memory_create(MEMORY_SHM, fd, 0));
	assert_true(fd_size(fd) == 4096);
	fd_close(&fd);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pixman_agrees_with_the_name),
		cmocka_unit_test(test_swizzle_agrees_with_the_name),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_rects),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_crop),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_read),
		cmocka_unit_test(test_memory_shorter_than_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
