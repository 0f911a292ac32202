/* SPDX-License-Identifier: MIT */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "kms.h"

double kms_refresh(const drmModeModeInfo *mode)
{
	double total = (double)mode->htotal * mode->vtotal;

	return total > 0 ? mode->clock * 1000.0 / total : mode->vrefresh;
}

int kms_choose_mode(const drmModeModeInfo *modes, int count, uint32_t width, uint32_t height,
		    double refresh)
{
	int best = -1;
	double best_score = 0;

	/* Asked for a rate but no size: stay at the preferred mode's size. */
	if (!width && refresh > 0) {
		int preferred = kms_choose_mode(modes, count, 0, 0, 0);

		if (preferred < 0) {
			return -1;
		}
		width = modes[preferred].hdisplay;
		height = modes[preferred].vdisplay;
	}
	for (int i = 0; i < count; i++) {
		double score = modes[i].type & DRM_MODE_TYPE_PREFERRED ? 1 : 0;

		if (width && (modes[i].hdisplay != width || modes[i].vdisplay != height)) {
			continue;
		}
		if (modes[i].flags & DRM_MODE_FLAG_INTERLACE) {
			score -= 1000;
		}
		if (refresh > 0) {
			score -= 10 * fabs(kms_refresh(&modes[i]) - refresh);
		}
		if (best < 0 || score > best_score) {
			best = i;
			best_score = score;
		}
	}
	return best;
}

static uint32_t find_crtc(int fd, const drmModeRes *res, const drmModeConnector *connector)
{
	for (int i = 0; i < connector->count_encoders; i++) {
		drmModeEncoder *encoder = drmModeGetEncoder(fd, connector->encoders[i]);
		uint32_t possible = encoder ? encoder->possible_crtcs : 0;

		drmModeFreeEncoder(encoder);
		for (int c = 0; c < res->count_crtcs; c++) {
			if (possible & 1u << c) {
				return res->crtcs[c];
			}
		}
	}
	return 0;
}

static int use_connector(struct kms *kms, const drmModeRes *res, const drmModeConnector *connector,
			 const struct options *opts)
{
	int mode = kms_choose_mode(connector->modes, connector->count_modes, opts->width,
				   opts->height, opts->refresh);

	if (mode < 0) {
		mode = kms_choose_mode(connector->modes, connector->count_modes, 0, 0,
				       opts->refresh);
		if (mode < 0) {
			return -ENOENT;
		}
		fprintf(stderr, "%s: the screen has no mode %ux%u, using %ux%u\n", kms->report->app,
			opts->width, opts->height, connector->modes[mode].hdisplay,
			connector->modes[mode].vdisplay);
	}
	kms->connector = connector->connector_id;
	kms->mode = connector->modes[mode];
	kms->crtc = find_crtc(kms->fd, res, connector);
	return kms->crtc ? 0 : -ENOENT;
}

/* The first connected screen of kms->fd. */
static int find_screen(struct kms *kms, const struct options *opts)
{
	drmModeRes *res = drmModeGetResources(kms->fd);
	int ret = -ENOENT;

	if (!res) {
		return -errno;
	}
	for (int i = 0; i < res->count_connectors && ret < 0; i++) {
		drmModeConnector *connector = drmModeGetConnector(kms->fd, res->connectors[i]);

		if (connector && connector->connection == DRM_MODE_CONNECTED) {
			ret = use_connector(kms, res, connector, opts);
		}
		drmModeFreeConnector(connector);
	}
	drmModeFreeResources(res);
	return ret;
}

static int open_card(struct kms *kms, const char *path, const struct options *opts)
{
	int ret;

	kms->fd = open(path, O_RDWR | O_CLOEXEC);
	if (kms->fd < 0) {
		return -errno;
	}
	ret = find_screen(kms, opts);
	if (ret < 0) {
		close(kms->fd);
		kms->fd = -1;
	}
	return ret;
}

static int open_first_card(struct kms *kms, const struct options *opts)
{
	drmDevicePtr devices[16];
	int count = drmGetDevices2(0, devices, 16);
	int ret = -ENOENT;

	for (int i = 0; i < count && ret < 0; i++) {
		if (devices[i]->available_nodes & 1 << DRM_NODE_PRIMARY) {
			ret = open_card(kms, devices[i]->nodes[DRM_NODE_PRIMARY], opts);
		}
	}
	if (count > 0) {
		drmFreeDevices(devices, count);
	}
	return ret;
}

int kms_init(struct kms *kms, const struct options *opts, struct report *report)
{
	uint64_t value;
	int ret;

	*kms = (struct kms){.fd = -1, .report = report};
	ret = opts->card ? open_card(kms, opts->card, opts) : open_first_card(kms, opts);
	if (ret < 0) {
		report_error(report, "no connected screen on %s: %s",
			     opts->card ? opts->card : "any KMS device", strerror(-ret));
		return ret;
	}
	if (opts->no_throttle && drmGetCap(kms->fd, DRM_CAP_ASYNC_PAGE_FLIP, &value) == 0) {
		kms->async = value != 0;
	}
	report->refresh = kms_refresh(&kms->mode);
	return 0;
}

void kms_finish(struct kms *kms)
{
	if (kms->fd >= 0) {
		close(kms->fd);
		kms->fd = -1;
	}
}

int kms_fb_init(struct kms *kms, struct kms_fb *fb, int fd, uint32_t width, uint32_t height,
		uint32_t stride, uint32_t offset)
{
	*fb = (struct kms_fb){0};
	if (drmPrimeFDToHandle(kms->fd, fd, &fb->handle) < 0) {
		int ret = -errno;

		report_error(kms->report, "KMS does not take the dma-buf: %s", strerror(-ret));
		return ret;
	}
	if (drmModeAddFB2(kms->fd, width, height, DRM_FORMAT_XRGB8888, (uint32_t[4]){fb->handle},
			  (uint32_t[4]){stride}, (uint32_t[4]){offset}, &fb->id, 0) < 0) {
		int ret = -errno;

		report_error(kms->report, "no framebuffer of %ux%u, stride %u, offset %u: %s",
			     width, height, stride, offset, strerror(-ret));
		fb->id = 0;
		kms_fb_finish(kms, fb);
		return ret;
	}
	return 0;
}

void kms_fb_finish(struct kms *kms, struct kms_fb *fb)
{
	if (fb->id) {
		drmModeRmFB(kms->fd, fb->id);
	}
	if (fb->handle) {
		drmCloseBufferHandle(kms->fd, fb->handle);
	}
	*fb = (struct kms_fb){0};
}

int kms_set(struct kms *kms, const struct kms_fb *fb)
{
	if (drmModeSetCrtc(kms->fd, kms->crtc, fb->id, 0, 0, &kms->connector, 1, &kms->mode) < 0) {
		int ret = -errno;

		report_error(kms->report, "cannot set the mode %ux%u: %s", kms->mode.hdisplay,
			     kms->mode.vdisplay, strerror(-ret));
		return ret;
	}
	return 0;
}

int kms_flip(struct kms *kms, const struct kms_fb *fb)
{
	uint32_t flags = DRM_MODE_PAGE_FLIP_EVENT;
	int ret;

	if (kms->async) {
		flags |= DRM_MODE_PAGE_FLIP_ASYNC;
	}
	ret = drmModePageFlip(kms->fd, kms->crtc, fb->id, flags, kms);
	if (ret == -EINVAL && kms->async) {
		kms->async = false;
		ret = drmModePageFlip(kms->fd, kms->crtc, fb->id, DRM_MODE_PAGE_FLIP_EVENT, kms);
	}
	if (ret == 0) {
		kms->flip_pending = true;
		return 0;
	}
	/* The CRTC was turned off or given another mode behind our back, as by a hot-plug. */
	if (ret == -EINVAL || ret == -ENOENT || ret == -EBUSY) {
		return kms_set(kms, fb);
	}
	report_error(kms->report, "cannot flip: %s", strerror(-ret));
	return ret;
}

static void flip_done(int fd, unsigned sequence, unsigned sec, unsigned usec, void *data)
{
	struct kms *kms = data;

	kms->flip_pending = false;
}

int kms_wait_flip(struct kms *kms, int timeout_ms)
{
	drmEventContext events = {.version = 2, .page_flip_handler = flip_done};
	int64_t end = report_now_ns() + (int64_t)timeout_ms * 1000000;

	while (kms->flip_pending) {
		struct pollfd poll_fd = {.fd = kms->fd, .events = POLLIN};
		int64_t left = (end - report_now_ns()) / 1000000;
		int ret = poll(&poll_fd, 1, left > 0 ? (int)left : 0);

		if (ret < 0 && errno == EINTR) {
			return -EINTR;
		}
		if (ret == 0) {
			report_error(kms->report, "no page-flip event in %d ms", timeout_ms);
			return -ETIMEDOUT;
		}
		if (ret < 0 || !(poll_fd.revents & POLLIN)) {
			report_error(kms->report, "the screen went away");
			return -ENODEV;
		}
		if (drmHandleEvent(kms->fd, &events) < 0) {
			report_error(kms->report, "cannot read the page-flip event");
			return -EIO;
		}
	}
	return 0;
}
