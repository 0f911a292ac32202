/* SPDX-License-Identifier: MIT */
/* Framebuffers that cannot be, and the screen for those who do not have it. */
#include <drm_fourcc.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "attack.h"
#include "screen.h"

static const char *open_dumb(int *fd, struct dumb *dumb)
{
	*fd = card_open_screen();
	TRY(expect("card0", *fd < 0 ? *fd : 0, 0));
	return expect("a dumb buffer", card_dumb(*fd, 256, 256, 32, dumb), 0);
}

static const char *refuse(int fd, const char *what, int result, uint32_t frame)
{
	if (result == 0) {
		drmModeRmFB(fd, frame);
		return wrong("%s: a framebuffer was made of it", what);
	}
	return NULL;
}

static const char *run_sizes(void)
{
	static const uint32_t sizes[][3] = {
		/* width, height, pitch */
		{0, 256, 1024},
		{256, 0, 1024},
		{256, 256, 0},
		{256, 256, 512},
		{9000, 1, 36000},
		{1, 9000, 4},
		{UINT32_MAX, 1, UINT32_MAX},
		{0x40000001, 1, 4},
		{8192, 8192, 0xffffff00},
	};
	struct dumb dumb;
	uint32_t frame;
	int fd;
	TRY(open_dumb(&fd, &dumb));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int result = screen_add(fd, dumb.handle, sizes[i][0], sizes[i][1], sizes[i][2], 0,
					&frame);
		TRY(refuse(fd, "a size", result, frame));
	}
	close(fd);
	return NULL;
}

static const char *run_formats(void)
{
	static const uint32_t formats[] = {
		DRM_FORMAT_RGB565, DRM_FORMAT_NV12, DRM_FORMAT_ABGR16161616F, DRM_FORMAT_C8,
		DRM_FORMAT_BGR888, DRM_FORMAT_YUYV, DRM_FORMAT_XRGB2101010,   0,
		UINT32_MAX,
	};
	struct dumb dumb;
	int fd;
	TRY(open_dumb(&fd, &dumb));
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		const uint32_t handles[4] = {dumb.handle};
		const uint32_t pitches[4] = {2048};
		const uint32_t offsets[4] = {0};
		uint32_t frame = 0;
		int result =
			drmModeAddFB2(fd, 64, 64, formats[i], handles, pitches, offsets, &frame, 0);
		TRY(refuse(fd, "a format", result, frame));
	}
	close(fd);
	return NULL;
}

static const char *run_handles(void)
{
	struct blob blob;
	uint32_t frame;
	int render = card_context();
	int fd = card_open_screen();
	TRY(expect("a blob", card_shm(render, 1 << 20, &blob), 0));
	TRY(refuse(fd, "no handle", screen_add(fd, 4711, 64, 64, 256, 0, &frame), frame));
	TRY(refuse(fd, "another file's handle",
		   screen_add(fd, blob.handle + 4096, 64, 64, 256, 0, &frame), frame));
	TRY(expect("RMFB of nothing", drmModeRmFB(fd, 4711) < 0 ? -errno : 0, -ENOENT));
	close(fd);
	close(render);
	return NULL;
}

static const char *run_dropped(void)
{
	struct dumb dumb;
	uint32_t frames[100];
	int fd;
	TRY(open_dumb(&fd, &dumb));
	for (int i = 0; i < 100; i++) {
		TRY(expect("a framebuffer",
			   screen_add(fd, dumb.handle, 256, 256, 1024, 0, &frames[i]), 0));
	}
	TRY(expect("the buffer", card_close(fd, dumb.handle), 0));
	for (int i = 0; i < 100; i += 2) {
		TRY(expect("RMFB", drmModeRmFB(fd, frames[i]) < 0 ? -errno : 0, 0));
	}
	close(fd);
	return NULL;
}

/* All that needs the screen, from one that has not got it: the cube has. */
static const char *run_not_master(void)
{
	struct dumb dumb;
	uint32_t frame;
	int fd;
	TRY(open_dumb(&fd, &dumb));
	drmDropMaster(fd);
	drmModeRes *resources = drmModeGetResources(fd);
	if (resources == NULL || resources->count_crtcs == 0) {
		return "no screen";
	}
	uint32_t crtc = resources->crtcs[0];
	drmModeFreeResources(resources);
	TRY(expect("a framebuffer", screen_add(fd, dumb.handle, 256, 256, 1024, 0, &frame), 0));
	drmModeClip clip = {0, 0, 256, 256};
	TRY(expect("SETCRTC", drmModeSetCrtc(fd, crtc, 0, 0, 0, NULL, 0, NULL), -EACCES));
	TRY(expect("PAGE_FLIP", drmModePageFlip(fd, crtc, frame, 0, NULL), -EACCES));
	TRY(expect("CURSOR", drmModeSetCursor(fd, crtc, dumb.handle, 64, 64), -EACCES));
	TRY(expect("CURSOR move", drmModeMoveCursor(fd, crtc, 1, 1), -EACCES));
	TRY(expect("DIRTYFB", drmModeDirtyFB(fd, frame, &clip, 1), -EACCES));
	TRY(expect("SET_MASTER", drmSetMaster(fd) < 0 ? -errno : 0, -EBUSY));
	close(fd);
	return NULL;
}

static const char *run_properties(void)
{
	int fd = card_open_screen();
	for (int i = 0; i < 100; i++) {
		drmModeFreeProperty(drmModeGetProperty(fd, chance()));
		drmModeFreePropertyBlob(drmModeGetPropertyBlob(fd, chance()));
		drmModeFreeCrtc(drmModeGetCrtc(fd, chance()));
		drmModeFreeConnector(drmModeGetConnectorCurrent(fd, chance()));
		drmModeFreeFB(drmModeGetFB(fd, chance()));
	}
	close(fd);
	return NULL;
}

const struct attack attacks_on_frames[] = {
	{"frame-sizes", "framebuffers of no size, too large, with pitches that wrap: refused",
	 run_sizes, 0, 0, false, NULL},
	{"frame-formats", "framebuffers in nine formats that are not offered: refused", run_formats,
	 0, 0, false, NULL},
	{"frame-handles", "framebuffers of no buffer and of another file's: refused", run_handles,
	 0, 0, false, NULL},
	{"frame-dropped", "100 framebuffers of a buffer that is closed: clean", run_dropped, 0, 0,
	 false, NULL},
	{"not-master", "modes, flips and cursors while another has the screen: EACCES",
	 run_not_master, 0, 0, false, NULL},
	{"kms-ids", "500 objects of random numbers: none", run_properties, 0, 0, false, NULL},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
