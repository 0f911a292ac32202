/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_FOLLOW_SCREENS_H
#define HESPER_GUEST_FOLLOW_SCREENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREENS_MAX 16
#define SCREEN_NAME 32

struct screen_mode {
	int32_t width, height; /* pixels */
	int32_t refresh_mhz;
};

/* A connector, or the compositor's output of the same name. */
struct screen {
	char name[SCREEN_NAME]; /* "Virtual-1" */
	struct screen_mode mode;
};

struct screens {
	struct screen all[SCREENS_MAX];
	size_t count;
};

/* What the kernel's connectors want: those that are connected, each with its preferred mode, in the
 * order of the connectors. The kernel is made to look at the device again first. 0 or -errno. */
int connectors_read(const char *card, struct screens *screens);

/* A netlink socket that tells of every change of a device, non-blocking; or -errno. */
int connectors_watch(void);

/* Reads all that the socket has to tell. Whether a display was among it. */
bool connectors_changed(int fd);

struct outputs;

/* A connection to the compositor of WAYLAND_DISPLAY; NULL with words on stderr. */
struct outputs *outputs_connect(void);

/* For poll: readable when outputs_dispatch has something to do. */
int outputs_fd(const struct outputs *outputs);

/* Reads what the compositor has sent, without waiting. False when it is gone. */
bool outputs_dispatch(struct outputs *outputs);

/* The outputs that the compositor has announced completely. */
void outputs_get(const struct outputs *outputs, struct screens *screens);

#endif
