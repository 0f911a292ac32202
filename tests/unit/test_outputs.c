/* SPDX-License-Identifier: MIT */
/* --outputs, and what becomes of a viewer's wishes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hesperd/outputs.h"

static const struct gpu_mode usual = {1280, 800, 60000, 0, 0};
static struct outputs outputs;

static void check(unsigned head, const char *name, uint32_t width, uint32_t height,
		  uint32_t refresh_mhz, uint32_t width_mm, uint32_t height_mm)
{
	const struct gpu_mode *mode = &outputs.list[head].mode;
	assert_string_equal(outputs.list[head].name, name);
	assert_int_equal(mode->width, width);
	assert_int_equal(mode->height, height);
	assert_int_equal(mode->refresh_mhz, refresh_mhz);
	assert_int_equal(mode->width_mm, width_mm);
	assert_int_equal(mode->height_mm, height_mm);
}

static void test_a_number(void **state)
{
	assert_int_equal(outputs_parse("2", &usual, 0, &outputs), 0);
	assert_int_equal(outputs.count, 4);
	check(0, "hesper-1", 1280, 800, 60000, 0, 0);
	check(1, "hesper-2", 1280, 800, 60000, 0, 0);
	check(2, "hesper-3", 0, 0, 60000, 0, 0);
	check(3, "hesper-4", 0, 0, 60000, 0, 0);
	assert_int_equal(outputs_parse("7", &usual, 0, &outputs), 0);
	assert_int_equal(outputs.count, 7);
	assert_int_equal(outputs_parse("1", &usual, 1, &outputs), 0);
	assert_int_equal(outputs.count, 1);
	assert_int_equal(outputs_parse("16", &usual, 16, &outputs), 0);
	assert_int_equal(outputs.count, 16);
}

static void test_a_list(void **state)
{
	assert_int_equal(outputs_parse("left one:1920x1080@59.94/527x296mm,@75,b:off,off,"
				       "/300x200mm,x:,640x480",
				       &usual, 8, &outputs),
			 0);
	assert_int_equal(outputs.count, 8);
	check(0, "left one", 1920, 1080, 59940, 527, 296);
	check(1, "hesper-2", 1280, 800, 75000, 0, 0);
	check(2, "b", 0, 0, 60000, 0, 0);
	check(3, "hesper-4", 0, 0, 60000, 0, 0);
	check(4, "hesper-5", 1280, 800, 60000, 300, 200);
	check(5, "x", 1280, 800, 60000, 0, 0);
	check(6, "hesper-7", 640, 480, 60000, 0, 0);
	check(7, "hesper-8", 0, 0, 60000, 0, 0);
}

static void test_what_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"17",
		"-1",
		"4294967297",
		"left",
		"800x600,",
		",800x600",
		"63x600",
		"800x8193",
		"800x",
		"800x600@",
		"800x600@0.5",
		"800x600@1000.1",
		"800x600@59.9401",
		"800x600@60.",
		"800x600/0x10mm",
		"800x600/16x9mm",
		"800x600/300x200",
		"800x600/300x200cm",
		"800x600 ",
		"off@60",
		":800x600",
		"fourteen-chars:800x600",
		"tab\there:800x600",
		"a:b:800x600",
		"off,off,off,off,off,off,off,off,off,off,off,off,off,off,off,off,off",
		"99999999999999999999x600",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (outputs_parse(bad[i], &usual, 0, &outputs) != -EINVAL) {
			fail_msg("'%s' was taken", bad[i]);
		}
	}
	assert_int_equal(outputs_parse("3", &usual, 2, &outputs), -EINVAL);
}

static void test_a_viewers_wishes(void **state)
{
	const struct gpu_mode now = {1280, 800, 59940, 300, 200};
	struct display_monitor wish = {.width = 1, .height = UINT32_MAX, .refresh_mhz = 1};
	struct gpu_mode mode = outputs_mode(&wish, &now);
	assert_int_equal(mode.width, 64);
	assert_int_equal(mode.height, 8192);
	assert_int_equal(mode.refresh_mhz, 1000);
	assert_int_equal(mode.width_mm, 0);
	wish = (struct display_monitor){
		.width = 1000, .height = 700, .width_mm = UINT32_MAX, .height_mm = 100};
	mode = outputs_mode(&wish, &now);
	assert_int_equal(mode.refresh_mhz, 59940);
	assert_int_equal(mode.width_mm, 4095);
	assert_int_equal(mode.height_mm, 100);
	wish.height_mm = 9;
	wish.refresh_mhz = UINT32_MAX;
	mode = outputs_mode(&wish, &now);
	assert_int_equal(mode.refresh_mhz, 1000000);
	assert_int_equal(mode.width_mm, 0);
	assert_int_equal(mode.height_mm, 0);
	wish = (struct display_monitor){.width = 0, .height = 700, .width_mm = 300};
	mode = outputs_mode(&wish, &now);
	assert_int_equal(mode.width, 0);
	assert_int_equal(mode.height, 0);
	assert_int_equal(mode.width_mm, 0);
	assert_int_equal(mode.refresh_mhz, 59940);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_number),
		cmocka_unit_test(test_a_list),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_a_viewers_wishes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
