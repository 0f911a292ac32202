/* SPDX-License-Identifier: MIT */
/* The EDID writer, read back by libdisplay-info: bytes we write, facts somebody else finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libdisplay-info/displayid.h>
#include <libdisplay-info/edid.h>
#include <libdisplay-info/info.h>

#include "gpu/edid.h"

static double refresh_of(const struct di_edid_detailed_timing_def *def)
{
	double total =
		(double)(def->horiz_video + def->horiz_blank) * (def->vert_video + def->vert_blank);
	return def->pixel_clock_hz / total;
}

/* Within half a millihertz, the unit that the rate was asked in. */
static void check_rate(double hz, uint32_t mhz)
{
	double error = hz * 1000 - mhz;
	assert_true(error < 0.5 && error > -0.5);
}

static struct di_info *parse(const struct edid_monitor *monitor)
{
	uint8_t bytes[EDID_MAX_BYTES];
	size_t size = edid_write(monitor, bytes);
	assert_true(size % 128 == 0 && size >= 128 && size <= EDID_MAX_BYTES);
	for (size_t block = 0; block < size; block += 128) {
		uint8_t sum = 0;
		for (size_t i = 0; i < 128; i++) {
			sum += bytes[block + i];
		}
		assert_int_equal(sum, 0);
	}
	assert_int_equal(bytes[126], size / 128 - 1);
	struct di_info *info = di_info_parse_edid(bytes, size);
	assert_non_null(info);
	return info;
}

static void test_common_modes(void **state)
{
	static const struct edid_monitor monitors[] = {
		{.width = 640, .height = 480, .refresh_mhz = 60000},
		{.width = 1024, .height = 768, .refresh_mhz = 75000},
		{.width = 1280, .height = 800, .refresh_mhz = 60000},
		{.width = 1280, .height = 800, .refresh_mhz = 240000},
		{.width = 1920, .height = 1080, .refresh_mhz = 144000},
		{.width = 2560, .height = 1440, .refresh_mhz = 120000},
		{.width = 3840, .height = 2160, .refresh_mhz = 60000},
		{.width = 1366, .height = 768, .refresh_mhz = 59000},
		/* As real monitors have it: NTSC's 60/1.001, and what scalers make of 144. */
		{.width = 1920, .height = 1080, .refresh_mhz = 59940},
		{.width = 1280, .height = 1024, .refresh_mhz = 75025},
		{.width = 2560, .height = 1440, .refresh_mhz = 143912},
		{.width = 1921, .height = 1079, .refresh_mhz = 23976},
		{.width = 640, .height = 480, .refresh_mhz = 119881},
	};
	for (size_t i = 0; i < sizeof(monitors) / sizeof(monitors[0]); i++) {
		struct di_info *info = parse(&monitors[i]);
		const struct di_edid *edid = di_info_get_edid(info);
		const struct di_edid_detailed_timing_def *const *timings =
			di_edid_get_detailed_timing_defs(edid);
		assert_non_null(timings[0]);
		assert_int_equal(timings[0]->horiz_video, monitors[i].width);
		assert_int_equal(timings[0]->vert_video, monitors[i].height);
		check_rate(refresh_of(timings[0]), monitors[i].refresh_mhz);
		assert_null(di_info_get_failure_msg(info));
		di_info_destroy(info);
	}
}

static void test_physical_size(void **state)
{
	const struct edid_monitor monitor = {.width = 1920,
					     .height = 1080,
					     .refresh_mhz = 60000,
					     .width_mm = 527,
					     .height_mm = 296};
	struct di_info *info = parse(&monitor);
	const struct di_edid *edid = di_info_get_edid(info);
	const struct di_edid_detailed_timing_def *timing =
		di_edid_get_detailed_timing_defs(edid)[0];
	assert_int_equal(timing->horiz_image_mm, 527);
	assert_int_equal(timing->vert_image_mm, 296);
	assert_int_equal(di_edid_get_screen_size(edid)->width_cm, 53);
	assert_int_equal(di_edid_get_screen_size(edid)->height_cm, 30);
	di_info_destroy(info);
}

static void test_made_up_size_is_96_dpi(void **state)
{
	const struct edid_monitor monitor = {.width = 960, .height = 960, .refresh_mhz = 60000};
	struct di_info *info = parse(&monitor);
	const struct di_edid_detailed_timing_def *timing =
		di_edid_get_detailed_timing_defs(di_info_get_edid(info))[0];
	assert_int_equal(timing->horiz_image_mm, 254);
	di_info_destroy(info);
}

static void test_name_and_serial(void **state)
{
	const struct edid_monitor monitor = {.width = 1024,
					     .height = 768,
					     .refresh_mhz = 60000,
					     .serial = 0x2a,
					     .name = "left of desk!"};
	struct di_info *info = parse(&monitor);
	const struct di_edid *edid = di_info_get_edid(info);
	char *model = di_info_get_model(info);
	char *serial = di_info_get_serial(info);
	assert_string_equal(model, "left of desk!");
	assert_string_equal(serial, "0000002a");
	assert_int_equal(di_edid_get_vendor_product(edid)->serial, 0x2a);
	assert_null(di_info_get_failure_msg(info));
	free(model);
	free(serial);
	di_info_destroy(info);
}

static void test_range_limits_cover_fast_monitors(void **state)
{
	const struct edid_monitor monitor = {.width = 1920, .height = 1080, .refresh_mhz = 359940};
	struct di_info *info = parse(&monitor);
	const struct di_edid_display_descriptor *const *descriptors =
		di_edid_get_display_descriptors(di_info_get_edid(info));
	const struct di_edid_display_range_limits *limits = NULL;
	for (; *descriptors != NULL && limits == NULL; descriptors++) {
		limits = di_edid_display_descriptor_get_range_limits(*descriptors);
	}
	assert_non_null(limits);
	assert_int_equal(limits->max_vert_rate_hz, 360);
	di_info_destroy(info);
}

static void test_serials_differ(void **state)
{
	uint8_t first[EDID_MAX_BYTES];
	uint8_t second[EDID_MAX_BYTES];
	struct edid_monitor monitor = {
		.width = 800, .height = 600, .refresh_mhz = 60000, .serial = 1};
	edid_write(&monitor, first);
	monitor.serial = 2;
	edid_write(&monitor, second);
	assert_memory_not_equal(first, second, 128);
	edid_write(&monitor, first);
	assert_memory_equal(first, second, EDID_MAX_BYTES);
}

static void check_displayid(uint32_t width, uint32_t height, uint32_t mhz)
{
	const struct edid_monitor monitor = {.width = width, .height = height, .refresh_mhz = mhz};
	struct di_info *info = parse(&monitor);
	const struct di_edid_ext *const *extensions =
		di_edid_get_extensions(di_info_get_edid(info));
	assert_non_null(extensions[0]);
	const struct di_displayid *displayid = di_edid_ext_get_displayid(extensions[0]);
	assert_non_null(displayid);
	const struct di_displayid_data_block *block = di_displayid_get_data_blocks(displayid)[0];
	assert_non_null(block);
	const struct di_displayid_type_i_ii_vii_timing *timing =
		di_displayid_data_block_get_type_i_timings(block)[0];
	assert_non_null(timing);
	assert_int_equal(timing->horiz_active, width);
	assert_int_equal(timing->vert_active, height);
	assert_true(timing->preferred);
	double total = (double)(timing->horiz_active + timing->horiz_blank) *
		       (timing->vert_active + timing->vert_blank);
	check_rate(timing->pixel_clock_mhz * 1e6 / total, mhz);
	di_info_destroy(info);
}

static void test_modes_beyond_a_detailed_timing(void **state)
{
	check_displayid(3840, 2160, 143856);
	check_displayid(5120, 1440, 119940);
	check_displayid(7680, 4320, 60000);
	check_displayid(8192, 8192, 30000);
}

static void test_every_size_is_well_formed(void **state)
{
	for (uint32_t width = 64; width <= 8192; width += 331) {
		for (uint32_t height = 64; height <= 8192; height += 457) {
			const struct edid_monitor monitor = {.width = width,
							     .height = height,
							     .refresh_mhz =
								     1000 + width * 7 % 360000};
			di_info_destroy(parse(&monitor));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_common_modes),
		cmocka_unit_test(test_physical_size),
		cmocka_unit_test(test_made_up_size_is_96_dpi),
		cmocka_unit_test(test_name_and_serial),
		cmocka_unit_test(test_range_limits_cover_fast_monitors),
		cmocka_unit_test(test_serials_differ),
		cmocka_unit_test(test_modes_beyond_a_detailed_timing),
		cmocka_unit_test(test_every_size_is_well_formed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
