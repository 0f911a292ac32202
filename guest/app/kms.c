/* SPDX-License-Identifier: MIT */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
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

/* A CRTC that the encoders can use and no screen of kms has; 0: none. */
static uint32_t find_crtc(const struct kms *kms, const drmModeRes *res,
			  const drmModeConnector *connector)
{
	for (int i = 0; i < connector->count_encoders; i++) {
		drmModeEncoder *encoder = drmModeGetEncoder(kms->fd, connector->encoders[i]);
		uint32_t possible = encoder ? encoder->possible_crtcs : 0;

		drmModeFreeEncoder(encoder);
		for (unsigned s = 0; s < kms->num_screens; s++) {
			for (int c = 0; c < res->count_crtcs; c++) {
				if (res->crtcs[c] == kms->screens[s].crtc) {
					possible &= ~(1u << c);
				}
			}
		}
		for (int c = 0; c < res->count_crtcs; c++) {
			if (possible & 1u << c) {
				return res->crtcs[c];
			}
		}
	}
	return 0;
}

static void add_screen(struct kms *kms, const drmModeRes *res, const drmModeConnector *connector)
{
	const struct options *opts = kms->opts;
	struct kms_screen *screen = &kms->screens[kms->num_screens];
	int mode = kms_choose_mode(connector->modes, connector->count_modes, opts->width,
				   opts->height, opts->refresh);

	if (mode < 0) {
		mode = kms_choose_mode(connector->modes, connector->count_modes, 0, 0,
				       opts->refresh);
		if (mode < 0) {
			return;
		}
		fprintf(stderr, "%s: the screen has no mode %ux%u, using %ux%u\n", kms->report->app,
			opts->width, opts->height, connector->modes[mode].hdisplay,
			connector->modes[mode].vdisplay);
	}
	*screen = (struct kms_screen){
		.connector = connector->connector_id,
		.mode = connector->modes[mode],
		.crtc = find_crtc(kms, res, connector),
		.x = kms->width,
	};
	if (screen->crtc) {
		kms->num_screens++;
		kms->width += screen->mode.hdisplay;
		if (screen->mode.vdisplay > kms->height) {
			kms->height = screen->mode.vdisplay;
		}
	}
}

/* As the kernel calls it in sysfs, such as Virtual-2. */
static bool is_wanted(const struct kms *kms, const drmModeConnector *connector)
{
	const char *wanted = kms->opts->output;
	char name[64];

	if (!wanted) {
		return kms->num_screens == 0;
	}
	snprintf(name, sizeof(name), "%s-%u",
		 drmModeGetConnectorTypeName(connector->connector_type),
		 connector->connector_type_id);
	return strcmp(wanted, "all") == 0 || strcmp(wanted, name) == 0;
}

/* The wanted screens of kms->fd that are connected. */
static int find_screens(struct kms *kms)
{
	drmModeRes *res = drmModeGetResources(kms->fd);

	if (!res) {
		return -errno;
	}
	kms->num_screens = 0;
	kms->width = 0;
	kms->height = 0;
	for (int i = 0; i < res->count_connectors && kms->num_screens < KMS_MAX_SCREENS; i++) {
		drmModeConnector *connector = drmModeGetConnector(kms->fd, res->connectors[i]);

		if (connector && connector->connection == DRM_MODE_CONNECTED &&
		    is_wanted(kms, connector)) {
			add_screen(kms, res, connector);
		}
		drmModeFreeConnector(connector);
	}
	drmModeFreeResources(res);
	return kms->num_screens > 0 ? 0 : -ENOENT;
}

/* keep: a device that has screens, if none at the moment. */
static int open_card(struct kms *kms, const char *path, bool keep)
{
	drmModeRes *res;
	int ret;

	kms->fd = open(path, O_RDWR | O_CLOEXEC);
	if (kms->fd < 0) {
		return -errno;
	}
	ret = find_screens(kms);
	if (ret == -ENOENT && keep && (res = drmModeGetResources(kms->fd))) {
		keep = res->count_connectors > 0;
		drmModeFreeResources(res);
		if (keep) {
			return ret;
		}
	}
	if (ret < 0) {
		close(kms->fd);
		kms->fd = -1;
	}
	return ret;
}

static int open_first_card(struct kms *kms, bool keep)
{
	drmDevicePtr devices[16];
	int count = drmGetDevices2(0, devices, 16);
	int ret = -ENOENT;

	for (int i = 0; i < count && ret < 0 && kms->fd < 0; i++) {
		if (devices[i]->available_nodes & 1 << DRM_NODE_PRIMARY) {
			ret = open_card(kms, devices[i]->nodes[DRM_NODE_PRIMARY], keep);
		}
	}
	if (count > 0) {
		drmFreeDevices(devices, count);
	}
	return ret;
}

/* The kernel's own messages, so that no udev is needed. */
static int open_uevents(void)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Whether one of the events that came is a hot-plug; takes them all. */
static bool take_uevents(int fd)
{
	bool plugged = false;
	char text[8192];
	ssize_t size;

	while ((size = recv(fd, text, sizeof(text) - 1, 0)) > 0 || errno == ENOBUFS) {
		if (size <= 0) { /* some were lost */
			plugged = true;
			continue;
		}
		text[size] = '\0';
		for (const char *line = text; line < text + size; line += strlen(line) + 1) {
			plugged = plugged || strcmp(line, "HOTPLUG=1") == 0;
		}
	}
	return plugged;
}

static int wait_for_screen(struct kms *kms)
{
	int ret = -ENOENT;

	while (ret == -ENOENT) {
		struct pollfd poll_fd = {.fd = kms->uevents, .events = POLLIN};

		if (poll(&poll_fd, 1, -1) < 0) {
			return -errno;
		}
		if (take_uevents(kms->uevents)) {
			ret = find_screens(kms);
		}
	}
	return ret;
}

bool kms_changed(struct kms *kms)
{
	struct kms now = *kms;

	if (kms->uevents < 0 || !take_uevents(kms->uevents)) {
		return false;
	}
	if (find_screens(&now) < 0 || now.num_screens != kms->num_screens) {
		return true;
	}
	for (unsigned i = 0; i < now.num_screens; i++) {
		if (now.screens[i].connector != kms->screens[i].connector ||
		    memcmp(&now.screens[i].mode, &kms->screens[i].mode,
			   sizeof(now.screens[i].mode))) {
			return true;
		}
	}
	return false;
}

int kms_init(struct kms *kms, const struct options *opts, struct report *report)
{
	uint64_t value;
	int ret;

	*kms = (struct kms){.fd = -1, .uevents = -1, .opts = opts, .report = report};
	/* Before the screens are looked at, so that no change falls in between. */
	if (opts->follow && (kms->uevents = open_uevents()) < 0) {
		ret = -errno;
		report_error(report, "cannot listen to the kernel's events: %s", strerror(-ret));
		return ret;
	}
	ret = opts->card ? open_card(kms, opts->card, opts->follow)
			 : open_first_card(kms, opts->follow);
	if (ret == -ENOENT && kms->fd >= 0) {
		ret = wait_for_screen(kms);
	}
	if (ret < 0) {
		if (ret != -EINTR) {
			report_error(report, "%s is not connected on %s: %s",
				     opts->output ? opts->output : "a screen",
				     opts->card ? opts->card : "any KMS device", strerror(-ret));
		}
		kms_finish(kms);
		return ret;
	}
	if (opts->no_throttle && drmGetCap(kms->fd, DRM_CAP_ASYNC_PAGE_FLIP, &value) == 0) {
		kms->async = value != 0;
	}
	report->refresh = kms_refresh(&kms->screens[0].mode);
	return 0;
}

void kms_finish(struct kms *kms)
{
	if (kms->fd >= 0) {
		close(kms->fd);
		kms->fd = -1;
	}
	if (kms->uevents >= 0) {
		close(kms->uevents);
		kms->uevents = -1;
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

static int set_screen(struct kms *kms, struct kms_screen *screen, const struct kms_fb *fb)
{
	/* Another program that looked at the card when we opened it has become its master. */
	if (!drmIsMaster(kms->fd)) {
		drmSetMaster(kms->fd);
	}
	if (drmModeSetCrtc(kms->fd, screen->crtc, fb->id, screen->x, 0, &screen->connector, 1,
			   &screen->mode) < 0) {
		int ret = -errno;

		report_error(kms->report, "cannot set the mode %ux%u: %s", screen->mode.hdisplay,
			     screen->mode.vdisplay, strerror(-ret));
		return ret;
	}
	return 0;
}

int kms_set(struct kms *kms, const struct kms_fb *fb)
{
	int ret = 0;

	for (unsigned i = 0; i < kms->num_screens && ret == 0; i++) {
		ret = set_screen(kms, &kms->screens[i], fb);
	}
	return ret;
}

static int flip_screen(struct kms *kms, struct kms_screen *screen, const struct kms_fb *fb)
{
	uint32_t flags = DRM_MODE_PAGE_FLIP_EVENT;
	int ret;

	if (kms->async) {
		flags |= DRM_MODE_PAGE_FLIP_ASYNC;
	}
	ret = drmModePageFlip(kms->fd, screen->crtc, fb->id, flags, kms);
	if (ret == -EINVAL && kms->async) {
		kms->async = false;
		ret = drmModePageFlip(kms->fd, screen->crtc, fb->id, DRM_MODE_PAGE_FLIP_EVENT, kms);
	}
	if (ret == 0) {
		kms->flips_pending++;
		return 0;
	}
	/* The CRTC was turned off or given another mode behind our back, as by a hot-plug. */
	if (ret == -EINVAL || ret == -ENOENT || ret == -EBUSY) {
		return set_screen(kms, screen, fb);
	}
	report_error(kms->report, "cannot flip: %s", strerror(-ret));
	return ret;
}

int kms_flip(struct kms *kms, const struct kms_fb *fb)
{
	int ret = 0;

	for (unsigned i = 0; i < kms->num_screens && ret == 0; i++) {
		ret = flip_screen(kms, &kms->screens[i], fb);
	}
	return ret;
}

static void flip_done(int fd, unsigned sequence, unsigned sec, unsigned usec, void *data)
{
	struct kms *kms = data;

	kms->flips_pending--;
}

int kms_wait_flip(struct kms *kms, int timeout_ms)
{
	drmEventContext events = {.version = 2, .page_flip_handler = flip_done};
	int64_t end = report_now_ns() + (int64_t)timeout_ms * 1000000;

	while (kms->flips_pending > 0) {
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
