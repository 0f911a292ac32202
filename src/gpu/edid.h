/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GPU_EDID_H
#define HESPER_GPU_EDID_H

#include <stddef.h>
#include <stdint.h>

/* Room that virtio-gpu gives an EDID: struct virtio_gpu_resp_edid. */
#define EDID_MAX_BYTES 1024
/* Room for a monitor's name: 13 characters (E-EDID 1.4, 3.10.3.4) and a NUL. */
#define EDID_NAME_SIZE 14

/* A guest's monitor. */
struct edid_monitor {
	uint32_t width;  /* pixels, 64..8192 */
	uint32_t height; /* pixels, 64..8192 */
	uint32_t refresh_mhz; /* millihertz, 1 to 1000 Hz; the guest's vblank timer runs at it */
	uint32_t width_mm; /* 10..4095; either 0: made up for 96 dpi */
	uint32_t height_mm;
	uint32_t serial; /* stable for a scanout, so that guests remember layouts */
	char name[EDID_NAME_SIZE]; /* the model; printable ASCII */
};

/*
 * Writes an EDID (VESA E-EDID 1.4; with a DisplayID 1.3 extension when the mode does not fit an
 * 18-byte timing) whose preferred mode is exactly width x height, at refresh_mhz to
 * within a millihertz (from 640x480 on). KMS tells the size that bytes 21 and 22 have, whole
 * centimetres; the timing has it in millimetres. Returns its size in bytes, a multiple of 128.
 */
size_t edid_write(const struct edid_monitor *monitor, uint8_t out[EDID_MAX_BYTES]);

/* Timings chosen for a mode, for tests: blanking is short, as no real monitor is driven. */
struct edid_timing {
	uint32_t clock_khz;
	uint32_t hactive, hblank, hfront, hsync; /* pixels */
	uint32_t vactive, vblank, vfront, vsync; /* lines */
};
void edid_timing(const struct edid_monitor *monitor, struct edid_timing *timing);

#endif
