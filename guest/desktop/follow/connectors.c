/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "screens.h"

/* Groups of NETLINK_KOBJECT_UEVENT: 1 is the kernel, 2 is udev. */
#define KERNEL_GROUP 1

/*
 * Only a read of the DRM master makes the kernel fill a connector's list of modes anew, and that is
 * the compositor. A write of "detect" to the connector's status does the same for us.
 */
static void probe(const char *card, const char *name)
{
	const char *file = strrchr(card, '/');
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/drm/%s-%s/status", file ? file + 1 : card, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "detect", strlen("detect")) < 0) {
		fprintf(stderr, "hesper-follow: %s: %s\n", path, strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
}

/* In millihertz, rounded as compositors do it. */
static int32_t refresh_of(const drmModeModeInfo *mode)
{
	int64_t total = (int64_t)mode->htotal * mode->vtotal;

	return total ? (int32_t)(((int64_t)mode->clock * 1000000 + total / 2) / total) : 0;
}

/* The preferred mode, else the first one. */
static bool choose_mode(const drmModeConnector *connector, struct screen_mode *mode)
{
	const drmModeModeInfo *best = connector->count_modes > 0 ? connector->modes : NULL;

	for (int i = 0; i < connector->count_modes; i++) {
		if (connector->modes[i].type & DRM_MODE_TYPE_PREFERRED) {
			best = &connector->modes[i];
			break;
		}
	}
	if (best) {
		*mode = (struct screen_mode){best->hdisplay, best->vdisplay, refresh_of(best)};
	}
	return best != NULL;
}

static void read_connector(const char *card, int fd, uint32_t id, struct screens *screens)
{
	struct screen *screen = &screens->all[screens->count];
	drmModeConnector *connector = drmModeGetConnectorCurrent(fd, id);

	if (!connector || screens->count == SCREENS_MAX) {
		drmModeFreeConnector(connector);
		return;
	}
	snprintf(screen->name, sizeof(screen->name), "%s-%u",
		 drmModeGetConnectorTypeName(connector->connector_type),
		 connector->connector_type_id);
	drmModeFreeConnector(connector);
	probe(card, screen->name);
	connector = drmModeGetConnectorCurrent(fd, id);
	if (connector && connector->connection == DRM_MODE_CONNECTED &&
	    choose_mode(connector, &screen->mode)) {
		screens->count++;
	}
	drmModeFreeConnector(connector);
}

int connectors_read(const char *card, struct screens *screens)
{
	int fd = open(card, O_RDWR | O_CLOEXEC);
	drmModeRes *resources;

	screens->count = 0;
	if (fd < 0) {
		return -errno;
	}
	resources = drmModeGetResources(fd);
	for (int i = 0; resources && i < resources->count_connectors; i++) {
		read_connector(card, fd, resources->connectors[i], screens);
	}
	close(fd);
	if (!resources) {
		return -ENODEV;
	}
	drmModeFreeResources(resources);
	return 0;
}

int connectors_watch(void)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0) {
		return -errno;
	}
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

/* "ACTION@PATH", then KEY=VALUE strings, each ended by a zero byte. */
static bool is_display(const char *event, size_t size)
{
	for (size_t at = 0; at < size; at += strlen(event + at) + 1) {
		if (strcmp(event + at, "SUBSYSTEM=drm") == 0) {
			return true;
		}
	}
	return false;
}

bool connectors_changed(int fd)
{
	char event[8192 + 1];
	bool changed = false;
	ssize_t count;

	while ((count = recv(fd, event, sizeof(event) - 1, 0)) > 0 || errno == ENOBUFS) {
		/* What was lost may have been about a display. */
		if (count < 0) {
			changed = true;
			continue;
		}
		event[count] = '\0';
		changed = is_display(event, (size_t)count) || changed;
	}
	return changed;
}
