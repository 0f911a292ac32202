/* SPDX-License-Identifier: MIT */
#ifndef GUEST_OPTIONS_H
#define GUEST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum wsi {
	WSI_DIRECT,   /* own LINEAR images, flipped as KMS framebuffers */
	WSI_DISPLAY,  /* VK_KHR_display swapchain */
	WSI_HEADLESS, /* no screen at all */
};

struct options {
	enum wsi wsi;
	uint64_t frames; /* 0: until SIGTERM or SIGINT */
	uint32_t width, height; /* 0: the screen's preferred mode; headless 1280x800 */
	double refresh; /* Hz; 0: any */
	const char *json; /* summary file, "-" is standard output, NULL none */
	const char *png; /* the last frame as a picture, NULL none */
	const char *output; /* connector such as Virtual-2, or "all"; NULL: the first connected */
	bool follow; /* direct: change with the screens */
	const char *card; /* KMS device, NULL: the first that has a connected screen */
	uint32_t check_every; /* read back every Nth frame; 0: never */
	int64_t still; /* draw only this frame; -1: spin */
	uint32_t pattern; /* rows of the frame-number pattern; 0: the app's own scene */
	uint32_t samples; /* 0: 4 on a GPU, 1 on a CPU */
	bool copy; /* direct: never render to the LINEAR image itself */
	bool no_throttle;
	uint32_t buffers; /* direct: 2 to 4 */
};

/*
 * Fills *opts from the command line. Returns 1 to go on, 0 when the answer was printed (--help),
 * -EINVAL when the use is wrong (said on stderr).
 */
int options_parse(struct options *opts, const char *app, int argc, char **argv);

const char *options_wsi_name(enum wsi wsi);

#endif
