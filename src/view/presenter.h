/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VIEW_PRESENTER_H
#define HESPER_VIEW_PRESENTER_H

#include <stdbool.h>

#include "view/bus.h"
#include "view/options.h"
#include "view/picture.h"

enum screen_result {
	SCREEN_SHOWN,
	SCREEN_BUSY, /* not within the timeout: the display keeps all images. Later, perhaps */
	SCREEN_SKIPPED, /* nothing can be shown: the screen has no area */
	SCREEN_FAILED, /* said in the log; the viewer cannot go on */
};

struct screen;

/* Where the pictures of one console go: a window, or images that nobody sees. */
struct screen_ops {
	/*
	 * Shows the source's picture. SCREEN_SHOWN: the GPU has read it, so the guest may draw
	 * into it again; else it has not looked at it. Blocks for the GPU's work, and no longer
	 * than timeout_ns for the display.
	 */
	enum screen_result (*show)(struct screen *screen, struct source *source,
				   const struct frame *frame, uint64_t timeout_ns);
	/* optional: the display is off. The picture stays there for reading. */
	enum screen_result (*blank)(struct screen *screen, uint64_t timeout_ns);
	/* The picture shown last, for reading; NULL when there is none. */
	const struct picture *(*picture)(struct screen *screen);
	/* optional: true once when what was shown must be shown again (resized, uncovered). */
	bool (*redraw)(struct screen *screen);
	/* optional: becomes visible, also without a picture; of this size, 0: any. */
	void (*appear)(struct screen *screen, uint32_t width, uint32_t height);
	/* optional: the live figure, for a title. */
	void (*status)(struct screen *screen, double fps);
	/* No GPU work is under way. */
	void (*destroy)(struct screen *screen);
};

struct screen {
	const struct screen_ops *ops;
	unsigned console;
	uint64_t
		frame_id; /* of what is shown next, as in view_console_event; 0: what was shown before */
};

/* What the user wants. All on the main thread, while the presenter waits or is ticked. */
struct presenter_callbacks {
	/* The console's screen was closed. The callee may destroy it. */
	void (*close)(void *data, unsigned console);
	/* Its size, or the monitor it is on, is another. */
	void (*monitor)(void *data, unsigned console, const struct display_monitor *monitor);
	void (*input)(void *data, unsigned console, const struct display_input *input);
	void (*add_output)(void *data);
	void (*capture)(void *data);
	void (*quit)(void *data);
	void *data;
};

struct presenter;

/* All screens, and what they have in common. All on the main thread but wake. */
struct presenter_ops {
	/* A screen for one more console. NULL after words in the log. */
	struct screen *(*open)(struct presenter *presenter, unsigned console,
			       const struct view_console_info *info);
	/*
	 * Waits for something to do until CLOCK_MONOTONIC is until_ns, and tells the callbacks
	 * what the user did meanwhile.
	 */
	void (*wait)(struct presenter *presenter, struct view_bus *bus, uint64_t until_ns);
	/* optional: wakes wait up; any thread. Without it wait looks at the bus itself. */
	void (*wake)(void *presenter);
	/* optional: the guest's pointer, LEDs, and whether it takes places. */
	void (*cursor)(struct presenter *presenter, unsigned console,
		       const struct view_cursor *cursor);
	void (*leds)(struct presenter *presenter, uint32_t leds);
	void (*absolute)(struct presenter *presenter, bool absolute);
	/* All screens are destroyed. The vk is still there, and goes next. */
	void (*destroy)(struct presenter *presenter);
};

struct presenter {
	const struct presenter_ops *ops;
	const char *present_mode; /* of the screen shown to last, for the summary; NULL: none */
};

/*
 * Each makes the instance and the device in *vk as it needs them. NULL after words in the log;
 * *vk is then to be finished all the same. options and callbacks stay the caller's, and stay.
 */
struct presenter *present_headless_create(struct vk *vk, const struct view_options *options);
struct presenter *present_windows_create(struct vk *vk, const struct view_options *options,
					 const struct presenter_callbacks *callbacks);

#endif
