/* SPDX-License-Identifier: MIT */
/*
 * Every monitor that a viewer may ask for, written as EDID or DisplayID and read back by
 * libdisplay-info: the mode, rate, size, name and serial are what was asked for, to the unit that
 * the format has, and the reader finds nothing wrong with it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdisplay-info/displayid.h>
#include <libdisplay-info/edid.h>
#include <libdisplay-info/info.h>

#include "fuzz.h"
#include "gpu/edid.h"
#include "gpu/gpu.h"
#include "hesperd/outputs.h"

const size_t fuzz_record_size = 1;

void fuzz_init(void)
{
}

static void check_rate(double clock_hz, double total, const struct edid_monitor *monitor)
{
	double mhz = clock_hz / total * 1000;
	/* The clock has a unit of 10 kHz; edid.h promises a millihertz from 640x480 on. */
	double unit = 10000 / total * 1000;
	double most = monitor->width >= 640 && monitor->height >= 480 ? 1 : unit / 2 + 1;
	FUZZ_CHECK(fabs(mhz - monitor->refresh_mhz) <= most, "%ux%u at %f mHz, not %u",
		   monitor->width, monitor->height, mhz, monitor->refresh_mhz);
}

static void check_size(const struct di_edid *edid, const struct di_edid_detailed_timing_def *timing,
		       const struct edid_monitor *monitor)
{
	const struct di_edid_screen_size *size = di_edid_get_screen_size(edid);
	if (monitor->width_mm == 0 || monitor->height_mm == 0) {
		return;
	}
	FUZZ_CHECK(timing->horiz_image_mm == (int)monitor->width_mm &&
			   timing->vert_image_mm == (int)monitor->height_mm,
		   "%dx%d mm, not %ux%u", timing->horiz_image_mm, timing->vert_image_mm,
		   monitor->width_mm, monitor->height_mm);
	double width_cm = monitor->width_mm / 10.0;
	double height_cm = monitor->height_mm / 10.0;
	bool fits = width_cm <= 254 && height_cm <= 254 && width_cm >= 1 && height_cm >= 1;
	FUZZ_CHECK(!fits || (fabs(size->width_cm - width_cm) <= 1 &&
			     fabs(size->height_cm - height_cm) <= 1),
		   "%dx%d cm, not %fx%f", size->width_cm, size->height_cm, width_cm, height_cm);
}

static void check_texts(struct di_info *info, const struct edid_monitor *monitor)
{
	char serial[16];
	snprintf(serial, sizeof(serial), "%08x", monitor->serial);
	char *read = di_info_get_serial(info);
	FUZZ_CHECK(read != NULL && strcmp(read, serial) == 0, "serial %s, not %s", read, serial);
	free(read);
	read = di_info_get_model(info);
	/* Spaces at the end are how a name is filled up. */
	size_t length = strlen(monitor->name);
	while (length > 0 && monitor->name[length - 1] == ' ') {
		length--;
	}
	FUZZ_CHECK(length == 0 || (read != NULL && strlen(read) >= length &&
				   strncmp(read, monitor->name, length) == 0),
		   "name '%s', not '%s'", read, monitor->name);
	free(read);
}

static void check_displayid(const struct di_edid *edid, const struct edid_monitor *monitor)
{
	const struct di_edid_ext *const *extensions = di_edid_get_extensions(edid);
	FUZZ_CHECK(extensions[0] != NULL && extensions[1] == NULL, "extensions");
	const struct di_displayid *displayid = di_edid_ext_get_displayid(extensions[0]);
	FUZZ_CHECK(displayid != NULL, "no DisplayID");
	const struct di_displayid_data_block *const *blocks =
		di_displayid_get_data_blocks(displayid);
	FUZZ_CHECK(blocks[0] != NULL, "no block");
	const struct di_displayid_type_i_ii_vii_timing *const *timings =
		di_displayid_data_block_get_type_i_timings(blocks[0]);
	FUZZ_CHECK(timings != NULL && timings[0] != NULL && timings[0]->preferred, "no timing");
	const struct di_displayid_type_i_ii_vii_timing *timing = timings[0];
	FUZZ_CHECK(timing->horiz_active == (int)monitor->width &&
			   timing->vert_active == (int)monitor->height,
		   "%dx%d, not %ux%u", timing->horiz_active, timing->vert_active, monitor->width,
		   monitor->height);
	check_rate(timing->pixel_clock_mhz * 1e6,
		   (double)(timing->horiz_active + timing->horiz_blank) *
			   (timing->vert_active + timing->vert_blank),
		   monitor);
}

static void check(const struct edid_monitor *monitor)
{
	uint8_t bytes[EDID_MAX_BYTES];
	size_t size = edid_write(monitor, bytes);
	FUZZ_CHECK(size == 128 || size == 256, "%zu bytes", size);
	struct di_info *info = di_info_parse_edid(bytes, size);
	FUZZ_CHECK(info != NULL, "no EDID");
	const char *failure = di_info_get_failure_msg(info);
	FUZZ_CHECK(failure == NULL, "%ux%u@%u %ux%u mm '%s': %s", monitor->width, monitor->height,
		   monitor->refresh_mhz, monitor->width_mm, monitor->height_mm, monitor->name,
		   failure);
	const struct di_edid *edid = di_info_get_edid(info);
	const struct di_edid_detailed_timing_def *timing =
		di_edid_get_detailed_timing_defs(edid)[0];
	FUZZ_CHECK(timing != NULL, "no timing");
	if (size == 128) {
		FUZZ_CHECK(timing->horiz_video == (int)monitor->width &&
				   timing->vert_video == (int)monitor->height,
			   "%dx%d, not %ux%u", timing->horiz_video, timing->vert_video,
			   monitor->width, monitor->height);
		check_rate(timing->pixel_clock_hz,
			   (double)(timing->horiz_video + timing->horiz_blank) *
				   (timing->vert_video + timing->vert_blank),
			   monitor);
	} else {
		check_displayid(edid, monitor);
	}
	check_size(edid, timing, monitor);
	check_texts(info, monitor);
	di_info_destroy(info);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	struct display_monitor asked;
	const struct gpu_mode now = {.refresh_mhz = 60000};
	struct edid_monitor monitor;
	/* As a viewer asks, through hesperd's limits. */
	fuzz_take(&bytes, &asked, sizeof(asked));
	if (asked.width > 1u << 20) {
		asked.width %= 9000;
		asked.height %= 9000;
		asked.width_mm %= 5000;
		asked.height_mm %= 5000;
		asked.refresh_mhz %= 1100000;
	}
	const struct gpu_mode mode = outputs_mode(&asked, &now);
	if (mode.width == 0) {
		return;
	}
	monitor = (struct edid_monitor){
		.width = mode.width,
		.height = mode.height,
		.refresh_mhz = mode.refresh_mhz,
		.width_mm = mode.width_mm,
		.height_mm = mode.height_mm,
		.serial = fuzz_u32(&bytes),
	};
	for (unsigned i = 0; i + 1 < EDID_NAME_SIZE && bytes.left > 0; i++) {
		/* Printable ASCII, as outputs.c lets in. */
		monitor.name[i] = (char)(0x20 + fuzz_u8(&bytes) % 0x5f);
	}
	check(&monitor);
}
