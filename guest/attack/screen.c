/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"

static bool take_connector(struct screen *screen, const drmModeConnector *connector)
{
	if (connector == NULL || connector->connection != DRM_MODE_CONNECTED ||
	    connector->count_modes == 0) {
		return false;
	}
	screen->connector = connector->connector_id;
	screen->mode = connector->modes[0];
	screen->small = connector->modes[0];
	for (int i = 0; i < connector->count_modes; i++) {
		if (connector->modes[i].hdisplay < screen->small.hdisplay) {
			screen->small = connector->modes[i];
		}
	}
	return true;
}

const char *screen_open(struct screen *screen)
{
	bool found = false;
	*screen = (struct screen){.fd = card_open_screen()};
	TRY(expect("card0", screen->fd < 0 ? screen->fd : 0, 0));
	if (!drmIsMaster(screen->fd) && drmSetMaster(screen->fd) < 0) {
		return "another program has the screen";
	}
	drmSetClientCap(screen->fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1);
	drmSetClientCap(screen->fd, DRM_CLIENT_CAP_ATOMIC, 1);
	drmModeRes *resources = drmModeGetResources(screen->fd);
	if (resources == NULL || resources->count_crtcs == 0) {
		return "there is no screen";
	}
	screen->crtc = resources->crtcs[0];
	for (int i = 0; i < resources->count_connectors && !found; i++) {
		drmModeConnector *connector =
			drmModeGetConnector(screen->fd, resources->connectors[i]);
		found = take_connector(screen, connector);
		drmModeFreeConnector(connector);
	}
	drmModeFreeResources(resources);
	return found ? NULL : "no screen is connected";
}

void screen_close(struct screen *screen)
{
	close(screen->fd);
	screen->fd = -1;
}

int screen_add(int fd, uint32_t handle, uint32_t width, uint32_t height, uint32_t pitch,
	       uint32_t offset, uint32_t *frame)
{
	const uint32_t handles[4] = {handle};
	const uint32_t pitches[4] = {pitch};
	const uint32_t offsets[4] = {offset};
	return drmModeAddFB2(fd, width, height, DRM_FORMAT_XRGB8888, handles, pitches, offsets,
			     frame, 0) < 0
		       ? -errno
		       : 0;
}

int screen_show(const struct screen *screen, uint32_t frame)
{
	uint32_t connector = screen->connector;
	drmModeModeInfo mode = screen->mode;
	int error = frame == 0 ? drmModeSetCrtc(screen->fd, screen->crtc, 0, 0, 0, NULL, 0, NULL)
			       : drmModeSetCrtc(screen->fd, screen->crtc, frame, 0, 0, &connector,
						1, &mode);
	return error < 0 ? -errno : 0;
}

int screen_flip(const struct screen *screen, uint32_t frame)
{
	return drmModePageFlip(screen->fd, screen->crtc, frame, DRM_MODE_PAGE_FLIP_EVENT, NULL) < 0
		       ? -errno
		       : 0;
}

static void flipped(int fd, unsigned sequence, unsigned sec, unsigned usec, void *data)
{
}

int screen_await_flip(const struct screen *screen)
{
	drmEventContext events = {.version = 2, .page_flip_handler = flipped};
	struct pollfd poll_fd = {.fd = screen->fd, .events = POLLIN};
	if (poll(&poll_fd, 1, 30000) <= 0) {
		return -ETIMEDOUT;
	}
	return drmHandleEvent(screen->fd, &events) < 0 ? -EIO : 0;
}

const char *screen_draw(const struct screen *screen, uint32_t colour, struct picture *picture)
{
	void *address;
	uint32_t width = screen->mode.hdisplay;
	uint32_t height = screen->mode.vdisplay;
	TRY(expect("a dumb buffer", card_dumb(screen->fd, width, height, 32, &picture->dumb), 0));
	TRY(expect("its map", card_map_dumb(screen->fd, &picture->dumb, &address), 0));
	for (size_t i = 0; i < picture->dumb.size / 4; i++) {
		((uint32_t *)address)[i] = colour;
	}
	munmap(address, picture->dumb.size);
	return expect("a framebuffer",
		      screen_add(screen->fd, picture->dumb.handle, width, height,
				 picture->dumb.pitch, 0, &picture->frame),
		      0);
}

void screen_drop(const struct screen *screen, const struct picture *picture)
{
	drmModeRmFB(screen->fd, picture->frame);
	card_close(screen->fd, picture->dumb.handle);
}
