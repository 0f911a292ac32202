/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_DISPLAY_RIG_H
#define HESPER_TESTS_DISPLAY_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "display/bus_loop.h"
#include "display/client.h"
#include "display/names.h"
#include "display/server.h"
#include "util/counters.h"
#include "util/fd.h"

/* Both ends of the display in one loop, and peers that behave in ways of their own. */

#define RIG_MAX_INPUTS 512

struct rig {
	uv_loop_t loop;
	uv_timer_t guard;
	bool expired;
	struct display_server *server;
	unsigned listeners; /* as told by the server */
	unsigned monitors;
	struct display_monitor monitor; /* the last */
	struct display_input inputs[RIG_MAX_INPUTS];
	unsigned input_heads[RIG_MAX_INPUTS];
	unsigned input_count;
	bool destroyed;
	int fds;  /* open before the rig was made */
};

int open_fds(void);
void rig_init(struct rig *rig);
/* Ends the server and the loop; nothing may be left open. */
void rig_finish(struct rig *rig);

/* Runs the loop until *value is (at least) wanted; fails the test after five seconds. */
#define rig_until(rig, condition)                                                                  \
	do {                                                                                       \
		rig_arm((rig), 5000);                                                              \
		while (!(condition) && !(rig)->expired) {                                          \
			uv_run(&(rig)->loop, UV_RUN_ONCE);                                         \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)
void rig_arm(struct rig *rig, unsigned ms);
/* Timers of both ends take a thousand times as long: a busy machine is not late. Until the next rig. */
void rig_be_patient(bool patient);
/* Runs the loop for so long. */
void rig_run(struct rig *rig, unsigned ms);

/* A memfd with a frame of width x height in the first format, its bytes 0, 1, 2…; owned. */
struct frame frame_make(uint32_t width, uint32_t height, enum memory_kind kind, uint64_t offset);

/* Counts released() calls. */
void on_released(void *data);

/* A viewer as ours, over display_client. */
#define VIEWER_MAX_PENDING 16
#define VIEWER_CONSOLES 2
struct viewer {
	struct display_client *client;
	bool answer; /* at once */
	struct display_console consoles[VIEWER_CONSOLES]; /* as told last */
	unsigned console_calls;
	unsigned scanouts;
	unsigned updates;
	unsigned disables;
	unsigned cursors;
	unsigned mouse_sets;
	bool mouse_visible;
	struct frame frame; /* with a reference */
	struct rect rect;
	struct display_update *pending[VIEWER_MAX_PENDING];
	unsigned pending_count;
	uint32_t cursor_pixel;
	uint32_t leds;
	bool absolute;
	int gone;
	bool destroyed;
};
void viewer_join(struct rig *rig, struct viewer *viewer, unsigned head);
void viewer_answer(struct viewer *viewer);
void viewer_leave(struct rig *rig, struct viewer *viewer);
/* On any connected socket, with any server behind it. */
void viewer_connect(struct rig *rig, struct viewer *viewer, int fd, unsigned head);

/* A viewer of someone else: answers each call with nothing, and remembers it. */
#define STRANGER_MAX_CALLS 32
struct stranger {
	struct bus_loop main;
	struct bus_loop listener;
	const char *const *interfaces; /* NULL-terminated; NULL: has no such property */
	bool refuses_sources; /* answers Scanout* by fd with an error */
	bool narrow; /* little goes to it before it reads */
	bool silent; /* answers nothing but questions about properties */
	char calls[STRANGER_MAX_CALLS][24];
	unsigned count;
	uint8_t data[4096]; /* of the last Scanout or Update with bytes */
	size_t size;
	int error; /* errno of the answer to the last stranger_call, or 0 */
	unsigned answers;
	char error_name[64];
	unsigned gone;
	unsigned closed;
};
void stranger_join(struct rig *rig, struct stranger *stranger);
void stranger_leave(struct rig *rig, struct stranger *stranger);
/* Main connection only. */
void stranger_connect(struct rig *rig, struct stranger *stranger);
/* Registers fd, whatever it is. */
void stranger_register(struct rig *rig, struct stranger *stranger, int fd);

#endif
