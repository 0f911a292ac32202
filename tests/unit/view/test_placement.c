/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "view/placement.h"

static void assert_rect(const struct rect *rect, uint32_t x, uint32_t y, uint32_t width,
			uint32_t height)
{
	assert_int_equal(rect->x, x);
	assert_int_equal(rect->y, y);
	assert_int_equal(rect->width, width);
	assert_int_equal(rect->height, height);
}

static void test_integer(void **state)
{
	/* 3.1 and 2.9 times: twice. */
	struct placement placement = placement_of(320, 200, 992, 580, VIEW_SCALE_INTEGER);
	assert_rect(&placement.part, 0, 0, 320, 200);
	assert_rect(&placement.area, 176, 90, 640, 400);
	assert_true(placement.scaled);
	placement = placement_of(320, 200, 960, 600, VIEW_SCALE_INTEGER);
	assert_rect(&placement.area, 0, 0, 960, 600);
	placement = placement_of(320, 200, 639, 900, VIEW_SCALE_INTEGER);
	assert_rect(&placement.area, 159, 350, 320, 200);
	assert_false(placement.scaled);
	/* No room for one: as with fit. */
	placement = placement_of(320, 200, 160, 900, VIEW_SCALE_INTEGER);
	assert_rect(&placement.part, 0, 0, 320, 200);
	assert_rect(&placement.area, 0, 400, 160, 100);
}

static void test_fit(void **state)
{
	struct placement placement = placement_of(320, 200, 700, 420, VIEW_SCALE_FIT);
	assert_rect(&placement.area, 14, 0, 672, 420);
	placement = placement_of(1, 5000, 100, 100, VIEW_SCALE_FIT);
	assert_rect(&placement.area, 49, 0, 1, 100);
}

static void test_one_to_one(void **state)
{
	struct placement placement = placement_of(320, 200, 400, 100, VIEW_SCALE_ONE);
	assert_rect(&placement.part, 0, 50, 320, 100);
	assert_rect(&placement.area, 40, 0, 320, 100);
	assert_false(placement.scaled);
}

/* Whatever the sizes, what is drawn lies in the window and in the picture. */
static void test_always_inside(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 64, 639, 640, 641, 1080, 8192};
	const size_t count = sizeof(sizes) / sizeof(sizes[0]);
	for (size_t i = 0; i < count * count * count * count; i++) {
		uint32_t width = sizes[i % count];
		uint32_t height = sizes[i / count % count];
		uint32_t wide = sizes[i / count / count % count];
		uint32_t high = sizes[i / count / count / count];
		for (int scale = 0; scale < VIEW_SCALES; scale++) {
			struct placement placement =
				placement_of(width, height, wide, high, (enum view_scale)scale);
			assert_true(rect_inside(&placement.part, width, height));
			assert_true(rect_inside(&placement.area, wide, high));
			assert_int_equal(placement.scaled,
					 placement.part.width != placement.area.width ||
						 placement.part.height != placement.area.height);
		}
	}
}

static void test_filter(void **state)
{
	struct placement twice = placement_of(320, 200, 640, 400, VIEW_SCALE_FIT);
	struct placement odd = placement_of(320, 200, 700, 420, VIEW_SCALE_FIT);
	struct placement half = placement_of(320, 200, 160, 100, VIEW_SCALE_FIT);
	assert_true(placement_sharp(&twice, VIEW_FILTER_AUTO));
	assert_false(placement_sharp(&odd, VIEW_FILTER_AUTO));
	assert_false(placement_sharp(&half, VIEW_FILTER_AUTO));
	assert_true(placement_sharp(&odd, VIEW_FILTER_NEAREST));
	assert_true(placement_sharp(&half, VIEW_FILTER_NEAREST));
	assert_false(placement_sharp(&twice, VIEW_FILTER_LINEAR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integer),    cmocka_unit_test(test_fit),
		cmocka_unit_test(test_one_to_one), cmocka_unit_test(test_always_inside),
		cmocka_unit_test(test_filter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
