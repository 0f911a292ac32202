/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_PRESENTER_H
#define HESPER_VIEW_PRESENTER_H

#include <stdbool.h>

#include "view/bus.h"
#include "view/options.h"
#include "view/picture.h"

enum presenter_result {
	PRESENTER_SHOWN,
	/* The GPU did not read the picture: nothing can be shown now, a later frame may be. */
	PRESENTER_SKIPPED,
	PRESENTER_FAILED, /* said in the log; the viewer cannot go on */
};

struct presenter;

/* Where pictures go: a window or images that nobody sees. All on the main thread. */
struct presenter_ops {
	/*
	 * Shows the source's picture. Returns when the GPU has read it, so that the guest may
	 * draw into it again; blocks for that and for the display, but no longer than
	 * PRESENTER_PATIENCE_NS for the display.
	 */
	enum presenter_result (*show)(struct presenter *presenter, struct source *source,
				      const struct frame *frame);
	/* optional: the display is off. The picture stays there for reading. */
	void (*blank)(struct presenter *presenter);
	/* Waits for something to do until CLOCK_MONOTONIC is until_ns. False: the user is done. */
	bool (*wait)(struct presenter *presenter, struct view_bus *bus, uint64_t until_ns);
	/* optional: wakes wait up; any thread. Without it wait looks at the bus itself. */
	void (*wake)(void *presenter);
	/* The picture shown last, for reading; NULL when there is none. */
	const struct picture *(*picture)(struct presenter *presenter);
	/* optional: true once when what was shown must be shown again (resized, uncovered). */
	bool (*redraw)(struct presenter *presenter);
	/* optional: the live figure, for a title. */
	void (*status)(struct presenter *presenter, uint32_t width, uint32_t height, double fps);
	/* optional: the guest's pointer; pixels only when the shape changed. */
	void (*cursor)(struct presenter *presenter, const struct view_cursor *cursor);
	/* No GPU work is under way. The vk is still there, and goes next. */
	void (*destroy)(struct presenter *presenter);
};

struct presenter {
	const struct presenter_ops *ops;
};

#define PRESENTER_PATIENCE_NS 40000000ull

/*
 * Each makes the instance and the device in *vk as it needs them. NULL after words in the log;
 * *vk is then to be finished all the same.
 */
struct presenter *present_headless_create(struct vk *vk, const struct view_options *options);
struct presenter *present_window_create(struct vk *vk, const struct view_options *options);

#endif
