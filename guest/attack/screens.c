/* SPDX-License-Identifier: MIT */
/* What is on the screen, taken away, moved, or never right. Each needs the screen for itself. */
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"
#include "child.h"
#include "screen.h"
#include "venus.h"

static struct stream stream;

/* A screen that shows a picture of one colour. */
static const char *open_shown(struct screen *screen, struct picture *picture)
{
	TRY(screen_open(screen));
	TRY(screen_draw(screen, 0x204060, picture));
	return expect("SETCRTC", screen_show(screen, picture->frame), 0);
}

/* A host blob of the mode's size that is on the screen. Its maker's context is left in *fd. */
static const char *open_blob(struct screen *screen, int *fd, uint32_t *frame)
{
	struct blob blob;
	uint32_t handle;
	TRY(screen_open(screen));
	uint32_t pitch = screen->mode.hdisplay * 4;
	uint64_t size =
		((uint64_t)pitch * screen->mode.vdisplay + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	*fd = card_context();
	TRY(expect("a blob", card_shm(*fd, size, &blob), 0));
	int dma_buf = card_export(*fd, blob.handle);
	TRY(expect("the import", card_import(screen->fd, dma_buf, &handle), 0));
	close(dma_buf);
	card_close(*fd, blob.handle);
	TRY(expect("a framebuffer",
		   screen_add(screen->fd, handle, screen->mode.hdisplay, screen->mode.vdisplay,
			      pitch, 0, frame),
		   0));
	return expect("SETCRTC", screen_show(screen, *frame), 0);
}

static const char *run_frame_removed(void)
{
	struct screen screen;
	struct picture picture;
	TRY(open_shown(&screen, &picture));
	TRY(expect("RMFB", drmModeRmFB(screen.fd, picture.frame), 0));
	TRY(expect("a flip to it", screen_flip(&screen, picture.frame), -EBUSY));
	screen_close(&screen);
	return NULL;
}

static const char *run_buffer_closed(void)
{
	struct screen screen;
	struct picture picture;
	TRY(open_shown(&screen, &picture));
	TRY(expect("GEM_CLOSE", card_close(screen.fd, picture.dumb.handle), 0));
	TRY(expect("a flip to it", screen_flip(&screen, picture.frame), 0));
	TRY(expect("its event", screen_await_flip(&screen), 0));
	screen_close(&screen);
	return NULL;
}

static const char *run_context_closed(void)
{
	struct screen screen;
	uint32_t frame;
	int fd;
	TRY(open_blob(&screen, &fd, &frame));
	close(fd);
	for (int i = 0; i < 3; i++) {
		TRY(expect("a flip", screen_flip(&screen, frame), 0));
		TRY(expect("its event", screen_await_flip(&screen), 0));
	}
	screen_close(&screen);
	return NULL;
}

static const char *run_context_lost(void)
{
	struct screen screen;
	uint32_t frame;
	int fd;
	TRY(open_blob(&screen, &fd, &frame));
	stream.size = 0;
	put32(&stream, 0xdeadbeef);
	TRY(expect("garbage", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, false));
	for (int i = 0; i < 3; i++) {
		TRY(expect("a flip", screen_flip(&screen, frame), 0));
		TRY(expect("its event", screen_await_flip(&screen), 0));
	}
	close(fd);
	screen_close(&screen);
	return NULL;
}

static const char *run_file_closed(void)
{
	struct screen screen;
	struct picture picture;
	for (int i = 0; i < 3; i++) {
		TRY(open_shown(&screen, &picture));
		screen_close(&screen);
	}
	return NULL;
}

static const char *show_for_ever(void *data)
{
	struct screen screen;
	struct picture pictures[2];
	TRY(open_shown(&screen, &pictures[0]));
	TRY(screen_draw(&screen, 0x602040, &pictures[1]));
	for (int i = 1;; i++) {
		TRY(expect("a flip", screen_flip(&screen, pictures[i % 2].frame), 0));
		TRY(expect("its event", screen_await_flip(&screen), 0));
	}
}

static const char *run_killed(void)
{
	for (int i = 0; i < 3; i++) {
		TRY(child_kill(show_for_ever, NULL, (int)(100 + chance() % 200)));
	}
	return NULL;
}

/* One framebuffer of a blob that the device cannot show, though the kernel thinks so. */
static const char *show_wrong(uint32_t pitch, uint32_t offset)
{
	struct screen screen;
	uint32_t frame;
	struct blob blob;
	uint32_t handle;
	TRY(screen_open(&screen));
	int fd = card_context();
	uint32_t right = screen.mode.hdisplay * 4;
	uint64_t size = ((uint64_t)right * screen.mode.vdisplay + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	TRY(expect("a blob", card_shm(fd, size, &blob), 0));
	int dma_buf = card_export(fd, blob.handle);
	TRY(expect("the import", card_import(screen.fd, dma_buf, &handle), 0));
	int error = screen_add(screen.fd, handle, screen.mode.hdisplay, screen.mode.vdisplay,
			       pitch == 0 ? right : pitch, offset, &frame);
	if (error == 0) {
		TRY(expect("SETCRTC", screen_show(&screen, frame), 0));
	}
	close(dma_buf);
	close(fd);
	screen_close(&screen);
	return error == 0 ? NULL
			  : wrong("the kernel refuses the framebuffer: %s", strerror(-error));
}

static const char *run_offset_beyond(void)
{
	return show_wrong(0, 64 << 20);
}

/* The kernel sees that one. */
static const char *run_offset_wraps(void)
{
	struct screen screen;
	struct picture picture;
	uint32_t frame;
	TRY(open_shown(&screen, &picture));
	TRY(expect("2^32 - 4096",
		   screen_add(screen.fd, picture.dumb.handle, screen.mode.hdisplay,
			      screen.mode.vdisplay, picture.dumb.pitch, 0xfffff000, &frame),
		   -ERANGE));
	screen_close(&screen);
	return NULL;
}

static const char *run_pitch_beyond(void)
{
	return show_wrong(1 << 20, 0);
}

/* A blob that was never made: refused when it was to be, and again when it is to be shown. */
static const char *run_never_made(void)
{
	struct screen screen;
	struct blob blob;
	uint32_t handle;
	uint32_t frame;
	TRY(screen_open(&screen));
	int fd = card_context();
	TRY(expect("a blob",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_SHAREABLE, 0x4711,
			     16 << 20, &blob),
		   0));
	int dma_buf = card_export(fd, blob.handle);
	TRY(expect("the import", card_import(screen.fd, dma_buf, &handle), 0));
	TRY(expect("a framebuffer",
		   screen_add(screen.fd, handle, screen.mode.hdisplay, screen.mode.vdisplay,
			      screen.mode.hdisplay * 4, 0, &frame),
		   0));
	TRY(expect("SETCRTC", screen_show(&screen, frame), 0));
	TRY(expect("a flip", screen_flip(&screen, frame), 0));
	TRY(expect("its event", screen_await_flip(&screen), 0));
	close(dma_buf);
	close(fd);
	screen_close(&screen);
	return NULL;
}

static const char *run_guest_pages(void)
{
	struct screen screen;
	struct blob blob;
	uint32_t handle;
	uint32_t frame;
	TRY(screen_open(&screen));
	int fd = card_context();
	TRY(expect("a blob",
		   card_blob(fd, VIRTGPU_BLOB_MEM_GUEST,
			     VIRTGPU_BLOB_FLAG_USE_MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE, 0,
			     16 << 20, &blob),
		   0));
	int dma_buf = card_export(fd, blob.handle);
	TRY(expect("the import", card_import(screen.fd, dma_buf, &handle), 0));
	TRY(expect("a framebuffer",
		   screen_add(screen.fd, handle, screen.mode.hdisplay, screen.mode.vdisplay,
			      screen.mode.hdisplay * 4, 4096, &frame),
		   0));
	TRY(expect("SETCRTC", screen_show(&screen, frame), 0));
	card_close(fd, blob.handle);
	card_close(screen.fd, handle);
	close(dma_buf);
	close(fd);
	TRY(expect("a flip", screen_flip(&screen, frame), 0));
	TRY(expect("its event", screen_await_flip(&screen), 0));
	screen_close(&screen);
	return NULL;
}

static const char *run_flip_storm(void)
{
	struct screen screen;
	struct picture pictures[2];
	int taken = 0;
	TRY(open_shown(&screen, &pictures[0]));
	TRY(screen_draw(&screen, 0x802010, &pictures[1]));
	for (int i = 0; i < 1000; i++) {
		int error = screen_flip(&screen, pictures[i % 2].frame);
		if (error != 0 && error != -EBUSY) {
			return expect("a flip", error, 0);
		}
		taken += error == 0;
	}
	TRY(expect("an event", screen_await_flip(&screen), 0));
	screen_close(&screen);
	return taken > 0 ? NULL : "no flip was taken";
}

static const char *run_flip_and_remove(void)
{
	struct screen screen;
	struct picture picture;
	struct picture next;
	TRY(open_shown(&screen, &picture));
	for (int i = 0; i < 8; i++) {
		TRY(screen_draw(&screen, 0x101010 * (uint32_t)i, &next));
		TRY(expect("a flip", screen_flip(&screen, next.frame), 0));
		/* The old one is on the screen still. */
		screen_drop(&screen, &picture);
		TRY(expect("its event", screen_await_flip(&screen), 0));
		picture = next;
	}
	screen_close(&screen);
	return NULL;
}

static const char *run_mode_storm(void)
{
	struct screen screen;
	struct picture picture;
	TRY(open_shown(&screen, &picture));
	drmModeModeInfo large = screen.mode;
	for (int i = 0; i < 20; i++) {
		screen.mode = i % 2 == 0 ? screen.small : large;
		TRY(expect("SETCRTC", screen_show(&screen, i % 4 == 3 ? 0 : picture.frame), 0));
	}
	screen_close(&screen);
	return NULL;
}

static const char *run_bad_modes(void)
{
	struct screen screen;
	struct picture picture;
	TRY(open_shown(&screen, &picture));
	const drmModeModeInfo right = screen.mode;
	screen.mode.hdisplay = 60000;
	TRY(expect("60000 wide", screen_show(&screen, picture.frame), -EINVAL));
	screen.mode = right;
	screen.mode.htotal = 0;
	TRY(expect("no total", screen_show(&screen, picture.frame), -EINVAL));
	screen.mode = right;
	screen.mode.clock = 0;
	TRY(expect("no clock", screen_show(&screen, picture.frame), -EINVAL));
	screen.mode = right;
	screen.connector = 0x7fffffff;
	TRY(expect("no connector", screen_show(&screen, picture.frame), -ENOENT));
	screen_close(&screen);
	return NULL;
}

static const char *run_cursor_storm(void)
{
	struct screen screen;
	struct picture picture;
	struct dumb cursor;
	static const int places[] = {0, -1, -64, 63, 1 << 20, INT_MAX, INT_MIN};
	TRY(open_shown(&screen, &picture));
	TRY(expect("a cursor", card_dumb(screen.fd, 64, 64, 32, &cursor), 0));
	for (int i = 0; i < 60; i++) {
		/* Where it cannot be, it is not shown either. */
		int shown = drmModeSetCursor(screen.fd, screen.crtc, i % 3 == 2 ? 0 : cursor.handle,
					     64, 64);
		if (shown != 0 && shown != -ERANGE) {
			return expect("CURSOR", shown, 0);
		}
		for (int k = 0; k < 7; k++) {
			int error = drmModeMoveCursor(screen.fd, screen.crtc, places[k],
						      places[(k + i) % 7]);
			if (error != 0 && error != -ERANGE && error != -EINVAL) {
				return expect("a move", error, 0);
			}
		}
	}
	/* The next program finds it where it was left. */
	TRY(expect("the last move", drmModeMoveCursor(screen.fd, screen.crtc, 0, 0), 0));
	screen_close(&screen);
	return NULL;
}

static const char *run_cursor_closed(void)
{
	struct screen screen;
	struct picture picture;
	struct dumb cursor;
	TRY(open_shown(&screen, &picture));
	for (int i = 0; i < 10; i++) {
		TRY(expect("a cursor", card_dumb(screen.fd, 64, 64, 32, &cursor), 0));
		TRY(expect("CURSOR",
			   drmModeSetCursor(screen.fd, screen.crtc, cursor.handle, 64, 64), 0));
		TRY(expect("GEM_CLOSE", card_close(screen.fd, cursor.handle), 0));
		drmModeMoveCursor(screen.fd, screen.crtc, i, i);
	}
	TRY(expect("a closed cursor",
		   drmModeSetCursor(screen.fd, screen.crtc, cursor.handle, 64, 64), -EINVAL));
	screen_close(&screen);
	return NULL;
}

static const char *run_cursor_sizes(void)
{
	struct screen screen;
	struct picture picture;
	TRY(open_shown(&screen, &picture));
	uint32_t handle = picture.dumb.handle;
	TRY(expect("65536x65536", drmModeSetCursor(screen.fd, screen.crtc, handle, 65536, 65536),
		   -EINVAL));
	TRY(expect("4 GiB x 1", drmModeSetCursor(screen.fd, screen.crtc, handle, UINT32_MAX, 1),
		   -EINVAL));
	/* Larger than its buffer, which the kernel does not look at. */
	TRY(expect("4096x4096", drmModeSetCursor(screen.fd, screen.crtc, handle, 4096, 4096), 0));
	TRY(expect("none", drmModeSetCursor(screen.fd, screen.crtc, 0, 0, 0), 0));
	screen_close(&screen);
	return NULL;
}

static const char *run_damage(void)
{
	struct screen screen;
	struct picture picture;
	drmModeClip clips[257];
	TRY(open_shown(&screen, &picture));
	for (int i = 0; i < 257; i++) {
		clips[i] = (drmModeClip){(uint16_t)chance(), (uint16_t)chance(), (uint16_t)chance(),
					 (uint16_t)chance()};
	}
	/* More than 256 are refused by the kernel; those outside are cut, or refused by the device. */
	TRY(expect("257", drmModeDirtyFB(screen.fd, picture.frame, clips, 257), -EINVAL));
	for (uint32_t count = 1; count <= 64; count *= 2) {
		int error = drmModeDirtyFB(screen.fd, picture.frame, clips, count);
		if (error != 0 && error != -EINVAL && error != -ERANGE) {
			return expect("DIRTYFB", error, 0);
		}
	}
	TRY(expect("no framebuffer", drmModeDirtyFB(screen.fd, 4711, clips, 1), -ENOENT));
	screen_close(&screen);
	return NULL;
}

static const char *run_atomic(void)
{
	struct screen screen;
	struct picture picture;
	TRY(open_shown(&screen, &picture));
	drmModePlaneRes *planes = drmModeGetPlaneResources(screen.fd);
	if (planes == NULL || planes->count_planes == 0) {
		return "no planes";
	}
	drmModeObjectProperties *known =
		drmModeObjectGetProperties(screen.fd, planes->planes[0], DRM_MODE_OBJECT_PLANE);
	for (int i = 0; i < 200; i++) {
		drmModeAtomicReq *request = drmModeAtomicAlloc();
		for (uint32_t k = 0; k <= chance() % 4; k++) {
			uint64_t value = chance64() >> (chance() % 64);
			drmModeAtomicAddProperty(request,
						 chance() % 4 == 0 ? chance() : planes->planes[0],
						 known->props[chance() % known->count_props],
						 chance() % 3 == 0 ? picture.frame : value);
		}
		/* What may be is tried, most of it is refused; nothing is left. */
		drmModeAtomicCommit(screen.fd, request, chance() % 2 == 0 ? 0 : 0x100, NULL);
		drmModeAtomicFree(request);
	}
	drmModeFreeObjectProperties(known);
	drmModeFreePlaneResources(planes);
	TRY(expect("SETCRTC", screen_show(&screen, picture.frame), 0));
	screen_close(&screen);
	return NULL;
}

#define SCREEN(name, words, run, lost, refused) {name, words, run, lost, refused, true, NULL}

const struct attack attacks_on_screens[] = {
	SCREEN("frame-removed", "RMFB of what is shown: goes dark, a flip to it is EBUSY",
	       run_frame_removed, 0, 0),
	SCREEN("buffer-closed", "GEM_CLOSE of what is shown: flips go on", run_buffer_closed, 0, 0),
	SCREEN("shown-context-closed", "the context whose blob is shown ends: flips go on",
	       run_context_closed, 0, 0),
	SCREEN("shown-context-lost", "the context whose blob is shown is lost: flips go on",
	       run_context_lost, 1, 0),
	SCREEN("shown-file-closed", "the file is closed with all that is shown, thrice: clean",
	       run_file_closed, 0, 0),
	SCREEN("shown-killed", "killed at 3 moments while it flips: clean", run_killed, 0, 0),
	SCREEN("offset-beyond", "a framebuffer 64 MiB behind a blob's end: refused",
	       run_offset_beyond, 0, 1),
	SCREEN("offset-wraps", "a framebuffer at 2^32 - 4096: ERANGE", run_offset_wraps, 0, 0),
	SCREEN("pitch-beyond", "rows 1 MiB apart: refused", run_pitch_beyond, 0, 1),
	SCREEN("never-made", "a blob that the device refused is shown: refused, flips go on",
	       run_never_made, 0, 2),
	SCREEN("guest-pages", "guest pages shown, closed, and flipped to: works", run_guest_pages,
	       0, 0),
	SCREEN("flip-storm", "1000 flips without waiting: EBUSY, or taken", run_flip_storm, 0, 0),
	SCREEN("flip-and-remove", "what is shown goes away in each flip: works",
	       run_flip_and_remove, 0, 0),
	SCREEN("mode-storm", "20 modes, each fourth is off: works", run_mode_storm, 0, 0),
	SCREEN("bad-modes", "modes without total or clock, no connector: EINVAL, ENOENT",
	       run_bad_modes, 0, 0),
	SCREEN("cursor-storm", "60 cursors, 420 moves to -2^31 and beyond: works", run_cursor_storm,
	       0, 0),
	SCREEN("cursor-closed", "cursors closed while they are shown: works, then EINVAL",
	       run_cursor_closed, 0, 0),
	SCREEN("cursor-sizes",
	       "cursors of 65536 to 2^32 - 1: EINVAL; larger than their buffer: refused",
	       run_cursor_sizes, 0, 1),
	SCREEN("damage", "random and too many clips, no framebuffer: EINVAL, ENOENT", run_damage, 0,
	       0),
	SCREEN("atomic", "200 atomic commits of random values: the next mode set works", run_atomic,
	       0, 0),
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
