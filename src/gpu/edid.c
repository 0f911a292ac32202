/* SPDX-License-Identifier: MIT */
/*
 * Linux takes the guest's refresh rate from clock / (htotal * vtotal), and the clock has a unit of
 * 10 kHz: so blanking is searched for totals that make the rate exact, or the nearest if none do.
 * KMS reports the size in cm of bytes 21 and 22, compositors the mm of the timing: both are kept
 * consistent. A mode beyond 4095 pixels or 655.35 MHz goes into a DisplayID type I timing, marked
 * preferred; the base block then carries a small mode that Linux drops (it only accepts preferred
 * modes near the size of DISPLAY_INFO).
 */
#include "gpu/edid.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 128
#define MIN_HBLANK 80
#define MAX_HBLANK 400
#define MIN_VBLANK_US 460 /* CVT 1.2, reduced blanking: RB_MIN_V_BLANK */
#define VBLANK_SEARCH 64

#define CLOCK_UNIT_MHZ 10000000u /* of a timing's clock: 10 kHz, in millihertz */
#define DTD_MAX_ACTIVE 4095
#define DTD_MAX_CLOCK_10KHZ 65535

void edid_timing(const struct edid_monitor *monitor, struct edid_timing *timing)
{
	uint64_t frame_us = 1000000000 / monitor->refresh_mhz;
	uint64_t least =
		(uint64_t)monitor->height * MIN_VBLANK_US /
			(frame_us > 2 * MIN_VBLANK_US ? frame_us - MIN_VBLANK_US : frame_us) +
		1;
	uint32_t min_vblank = least < 16 ? 16 : (uint32_t)least;
	uint32_t best_h = MIN_HBLANK;
	uint32_t best_v = min_vblank;
	uint64_t best_error = UINT64_MAX;
	for (uint32_t h = MIN_HBLANK; h <= MAX_HBLANK && best_error > 0; h += 8) {
		for (uint32_t v = min_vblank; v < min_vblank + VBLANK_SEARCH; v++) {
			uint64_t mhz = (uint64_t)(monitor->width + h) * (monitor->height + v) *
				       monitor->refresh_mhz;
			uint64_t error = mhz % CLOCK_UNIT_MHZ;
			error = error > CLOCK_UNIT_MHZ / 2 ? CLOCK_UNIT_MHZ - error : error;
			if (error < best_error) {
				best_error = error;
				best_h = h;
				best_v = v;
			}
			if (error == 0) {
				break;
			}
		}
	}
	uint64_t mhz = (uint64_t)(monitor->width + best_h) * (monitor->height + best_v) *
		       monitor->refresh_mhz;
	*timing = (struct edid_timing){
		.clock_khz = (uint32_t)((mhz + CLOCK_UNIT_MHZ / 2) / CLOCK_UNIT_MHZ * 10),
		.hactive = monitor->width,
		.hblank = best_h,
		.hfront = 8,
		.hsync = 32,
		.vactive = monitor->height,
		.vblank = best_v,
		.vfront = 1,
		.vsync = 8,
	};
}

static void write_checksum(uint8_t *block, size_t last)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < last; i++) {
		sum += block[i];
	}
	block[last] = (uint8_t)(0x100 - sum);
}

/* E-EDID 1.4, 3.10.2: detailed timing descriptor. */
static void write_dtd(uint8_t *at, const struct edid_timing *t, uint32_t width_mm,
		      uint32_t height_mm)
{
	uint32_t clock = t->clock_khz / 10;
	if (width_mm > 4095 || height_mm > 4095) {
		width_mm = 4095 * width_mm / (width_mm > height_mm ? width_mm : height_mm);
		height_mm = height_mm > 4095 ? 4095 : height_mm;
	}
	at[0] = (uint8_t)clock;
	at[1] = (uint8_t)(clock >> 8);
	at[2] = (uint8_t)t->hactive;
	at[3] = (uint8_t)t->hblank;
	at[4] = (uint8_t)((t->hactive >> 8) << 4 | (t->hblank >> 8));
	at[5] = (uint8_t)t->vactive;
	at[6] = (uint8_t)t->vblank;
	at[7] = (uint8_t)((t->vactive >> 8) << 4 | (t->vblank >> 8));
	at[8] = (uint8_t)t->hfront;
	at[9] = (uint8_t)t->hsync;
	at[10] = (uint8_t)((t->vfront & 0xf) << 4 | (t->vsync & 0xf));
	at[11] = (uint8_t)((t->hfront >> 8) << 6 | (t->hsync >> 8) << 4 | (t->vfront >> 4) << 2 |
			   (t->vsync >> 4));
	at[12] = (uint8_t)width_mm;
	at[13] = (uint8_t)height_mm;
	at[14] = (uint8_t)((width_mm >> 8) << 4 | (height_mm >> 8));
	at[15] = 0;
	at[16] = 0;
	at[17] = 0x1e; /* digital separate sync, both positive */
}

/* 3.10.3: display descriptors with text, padded as the standard says. */
static void write_text(uint8_t *at, uint8_t tag, const char *text)
{
	memset(at, 0, 5);
	at[3] = tag;
	size_t length = strlen(text);
	for (size_t i = 0; i < 13; i++) {
		at[5 + i] = i < length ? (uint8_t)text[i] : i == length ? 0x0a : 0x20;
	}
}

/* A largest rate of the range limits: one byte, or 255 more with its flag. */
static uint8_t range_max(uint32_t rate, uint8_t *flags, uint8_t flag)
{
	if (rate > 255) {
		*flags |= flag;
		rate -= 255;
	}
	return (uint8_t)(rate > 255 ? 255 : rate);
}

/* 3.10.3.3: range limits without a timing formula. */
static void write_range(uint8_t *at, const struct edid_timing *t, uint32_t refresh_mhz)
{
	uint32_t clock_10mhz = (t->clock_khz + 9999) / 10000;
	memset(at, 0, 5);
	at[3] = 0xfd;
	at[5] = 1;
	at[6] = range_max((refresh_mhz + 999) / 1000, &at[4], 0x02);
	at[7] = 1;
	at[8] = range_max(t->clock_khz / (t->hactive + t->hblank) + 1, &at[4], 0x08);
	at[9] = (uint8_t)(clock_10mhz > 255 ? 255 : clock_10mhz);
	at[10] = 1;
	at[11] = 0x0a;
	memset(at + 12, 0x20, 6);
}

static uint8_t clamp_cm(uint32_t mm)
{
	uint32_t cm = (mm + 5) / 10;
	return (uint8_t)(cm > 255 ? 255 : cm == 0 ? 1 : cm);
}

/* base: the timing of the block; timing: the monitor's own, which may not fit it. */
static void write_base(uint8_t *block, const struct edid_monitor *monitor,
		       const struct edid_timing *base, const struct edid_timing *timing,
		       uint32_t width_mm, uint32_t height_mm)
{
	static const uint8_t header[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	/* sRGB chromaticities, E-EDID 1.4, 3.7. */
	static const uint8_t srgb[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c,
					 0x99, 0x26, 0x0f, 0x50, 0x54};
	char serial[14];
	memcpy(block, header, sizeof(header));
	/* "HSP", five bits a letter, and a product number of our own. */
	uint32_t maker = ('H' - '@') << 10 | ('S' - '@') << 5 | ('P' - '@');
	block[8] = (uint8_t)(maker >> 8);
	block[9] = (uint8_t)maker;
	block[10] = 1;
	block[12] = (uint8_t)monitor->serial;
	block[13] = (uint8_t)(monitor->serial >> 8);
	block[14] = (uint8_t)(monitor->serial >> 16);
	block[15] = (uint8_t)(monitor->serial >> 24);
	block[17] = 2026 - 1990;
	block[18] = 1;
	block[19] = 4;
	block[20] = 0xa5; /* digital, 8 bits a channel, DisplayPort */
	block[21] = clamp_cm(width_mm);
	block[22] = clamp_cm(height_mm);
	block[23] = 120; /* gamma 2.2 */
	block[24] = 0x06; /* sRGB, preferred mode is native */
	memcpy(block + 25, srgb, sizeof(srgb));
	memset(block + 38, 0x01, 16); /* no standard timings */
	write_dtd(block + 54, base, width_mm, height_mm);
	write_text(block + 72, 0xfc, monitor->name);
	write_range(block + 90, timing, monitor->refresh_mhz);
	snprintf(serial, sizeof(serial), "%08x", monitor->serial);
	write_text(block + 108, 0xff, serial);
}

/* VESA DisplayID 1.3, 4.4: type I detailed timing, in an EDID extension block. */
static void write_displayid(uint8_t *block, const struct edid_timing *t)
{
	memset(block, 0, BLOCK);
	block[0] = 0x70;
	block[1] = 0x13; /* structure version 1.3 */
	block[2] = 121;  /* section bytes */
	block[3] = 0x03; /* standalone display device */
	block[5] = 0x03; /* type I timing */
	block[7] = 20;
	uint8_t *at = block + 8;
	uint32_t clock = t->clock_khz / 10 - 1;
	const uint32_t fields[] = {t->hactive, t->hblank, t->hfront, t->hsync,
				   t->vactive, t->vblank, t->vfront, t->vsync};
	at[0] = (uint8_t)clock;
	at[1] = (uint8_t)(clock >> 8);
	at[2] = (uint8_t)(clock >> 16);
	at[3] = 0x80 | 0x08; /* preferred; aspect ratio undefined */
	for (size_t i = 0; i < 8; i++) {
		uint32_t value = fields[i] - 1;
		at[4 + 2 * i] = (uint8_t)value;
		at[5 + 2 * i] = (uint8_t)(value >> 8);
	}
	/* Sync polarity: bit 15 of both front porches, positive. */
	at[9] |= 0x80;
	at[17] |= 0x80;
	/* The section's own checksum, over its five header bytes and its content. */
	write_checksum(block + 1, 5 + 121 - 1);
	write_checksum(block, BLOCK - 1);
}

size_t edid_write(const struct edid_monitor *monitor, uint8_t out[EDID_MAX_BYTES])
{
	struct edid_timing timing;
	edid_timing(monitor, &timing);
	uint32_t width_mm = monitor->width_mm;
	uint32_t height_mm = monitor->height_mm;
	if (width_mm == 0 || height_mm == 0) {
		width_mm = (monitor->width * 254 + 480) / 960;
		height_mm = (monitor->height * 254 + 480) / 960;
	}
	bool fits = timing.hactive <= DTD_MAX_ACTIVE && timing.vactive <= DTD_MAX_ACTIVE &&
		    timing.clock_khz / 10 <= DTD_MAX_CLOCK_10KHZ;
	struct edid_timing base = timing;
	if (!fits) {
		const struct edid_monitor small = {
			.width = 640, .height = 480, .refresh_mhz = 60000};
		edid_timing(&small, &base);
	}
	memset(out, 0, EDID_MAX_BYTES);
	write_base(out, monitor, &base, &timing, width_mm, height_mm);
	out[126] = fits ? 0 : 1;
	write_checksum(out, BLOCK - 1);
	if (!fits) {
		write_displayid(out + BLOCK, &timing);
	}
	return fits ? BLOCK : 2 * BLOCK;
}
