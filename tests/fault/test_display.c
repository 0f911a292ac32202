/* SPDX-License-Identifier: MIT */
/*
 * hesperd's display and its viewers, while the n-th call fails. The server goes on in every case: a
 * viewer that comes after the fault sees the picture and the pointer, and its keys arrive.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "show.h"
#include "util/fd.h"

/* --- what the machine does ------------------------------------------------------------------- */

static void tell_cursor(struct show *show)
{
	static const uint32_t pixels[8 * 8] = {0xff00ff00};
	display_server_cursor_define(show->server, 0, 8, 8, 1, 1, pixels);
	display_server_cursor_move(show->server, 0, 3, 4, true);
}

static void tell_state(struct show *show)
{
	static bool on;
	on = !on;
	display_server_set_leds(show->server, on ? DISPLAY_LED_CAPS : 0);
	display_server_set_absolute(show->server, on);
	display_server_set_enabled(show->server, 1, on);
	display_server_set_size(show->server, 1, on ? 640 : 800, 600);
}

/* --- what viewers do ------------------------------------------------------------------------- */

/* Down and up again: the release comes through once the press did. */
static void type(struct viewer *viewer)
{
	struct display_input key = {.kind = DISPLAY_KEY, .key = {.qnum = 0x1e, .down = true}};
	display_client_input(viewer->client, 0, &key);
	key.key.down = false;
	display_client_input(viewer->client, 0, &key);
}

static void point(struct viewer *viewer)
{
	static const struct display_input inputs[] = {
		{.kind = DISPLAY_MOVE_TO, .to = {2, 3}},
		{.kind = DISPLAY_MOVE_BY, .by = {5, 5}},
		{.kind = DISPLAY_SCROLL, .by = {0, 120}},
		{.kind = DISPLAY_BUTTON, .button = {DISPLAY_BUTTON_LEFT, true}},
		{.kind = DISPLAY_TOUCH, .touch = {DISPLAY_TOUCH_BEGIN, 0, 1, 1}},
		{.kind = DISPLAY_TOUCH, .touch = {DISPLAY_TOUCH_UPDATE, 0, 2, 2}},
		{.kind = DISPLAY_RELEASE_ALL},
	};
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		display_client_input(viewer->client, 0, &inputs[i]);
	}
}

static void want_monitor(struct viewer *viewer)
{
	const struct display_monitor monitor = {.width = 1024, .height = 768, .refresh_mhz = 60000};
	display_client_set_monitor(viewer->client, 1, &monitor);
}

static void watch(struct show *show, struct viewer *viewer, const struct frame *frame)
{
	display_client_listen(viewer->client, 0);
	show_until(show, viewer, viewer->consoles >= 2, );
	unsigned more = viewer->updates + 2;
	show_until(show, viewer, viewer->updates >= more, show_draw(show, 0, frame));
}

/* All else that there is for one. */
static void take_part(struct show *show, struct viewer *viewer)
{
	show_until(show, viewer, viewer->cursors > 0 && viewer->mouse_sets > 0, tell_cursor(show));
	unsigned inputs = show->inputs;
	show_until(show, viewer, show->inputs >= inputs + 2, type(viewer));
	inputs = show->inputs;
	show_until(show, viewer, show->inputs >= inputs + 6, point(viewer));
	unsigned monitors = show->monitors;
	show_until(show, viewer, show->monitors > monitors, want_monitor(viewer));
	unsigned leds = viewer->leds;
	show_until(show, viewer, viewer->leds > leds, tell_state(show));
}

/* One that comes now: to it nothing may happen when the fault is over. */
static void come_and_see(struct show *show, const struct frame *frame)
{
	struct viewer late = {.name = "a late viewer"};
	fault_stop();
	if (viewer_join(show, &late)) {
		watch(show, &late, frame);
	}
	FAULT_CHECK(late.gone == 0, "a late viewer suffers from what was before: %d", late.gone);
	viewer_leave(show, &late);
	unsigned turns = 0;
	while (show->listeners > 0) {
		show_turn(show);
		FAULT_CHECK(turns++ < 100000, "%u listeners are left", show->listeners);
	}
}

/* --- scenarios ------------------------------------------------------------------------------- */

struct pictures {
	enum memory_kind kind;
	uint64_t offset;
	bool take_part;
};

static void scenario_one_viewer(void *data)
{
	const struct pictures *pictures = data;
	struct show show;
	struct frame frame;
	struct viewer viewer = {.name = "the viewer", .maps = pictures->kind == MEMORY_SHM};
	if (!show_init(&show, true)) {
		return;
	}
	if (show_frame(&frame, pictures->kind, pictures->offset)) {
		if (viewer_join(&show, &viewer)) {
			watch(&show, &viewer, &frame);
			if (pictures->take_part) {
				take_part(&show, &viewer);
			}
		}
		viewer_leave(&show, &viewer);
		come_and_see(&show, &frame);
		memory_unref(frame.memory);
	}
	show_finish(&show);
}

/* Buffers that change, heads that go dark, one that is slow, one that leaves in the middle. */
static void scenario_two_viewers(void *data)
{
	struct show show;
	struct frame frames[2] = {0};
	struct viewer slow = {.name = "the slow viewer", .slow = true};
	struct viewer quick = {.name = "the quick viewer", .maps = true};
	if (!show_init(&show, true)) {
		return;
	}
	if (show_frame(&frames[0], MEMORY_SHM, 0) && show_frame(&frames[1], MEMORY_SHM, 0)) {
		bool first = viewer_join(&show, &slow);
		bool second = viewer_join(&show, &quick);
		if (first) {
			display_client_listen(slow.client, 0);
			display_client_listen(slow.client, 1);
			show_until(&show, &slow, slow.updates >= 3, {
				show_draw(&show, 0, &frames[show.updates % 2]);
				show_draw(&show, 1, &frames[1]);
			});
			show_until(&show, &slow, slow.disables > 0, {
				display_server_disable(show.server, 0);
				show_turn(&show);
				show_draw(&show, 0, &frames[0]);
				show_turn(&show);
			});
		}
		if (second) {
			display_client_listen(quick.client, 0);
			show_until(&show, &quick, quick.updates >= 3,
				   show_draw(&show, 0, &frames[show.updates % 2]));
			display_client_ignore(quick.client, 0);
			show_draw(&show, 0, &frames[0]);
			display_client_listen(quick.client, 0);
			unsigned before = quick.updates;
			show_until(&show, &quick, quick.updates > before,
				   show_draw(&show, 0, &frames[1]));
		}
		viewer_leave(&show, &slow);
		if (second) {
			unsigned before = quick.updates;
			show_until(&show, &quick, quick.updates > before,
				   show_draw(&show, 0, &frames[0]));
		}
		viewer_leave(&show, &quick);
		come_and_see(&show, &frames[1]);
	}
	memory_unref(frames[0].memory);
	memory_unref(frames[1].memory);
	show_finish(&show);
}

/* Over a socket that is listened to, as hesperd has it. */
static void scenario_socket(void *data)
{
	struct show show;
	struct frame frame;
	struct viewer viewer = {.name = "the viewer"};
	struct viewer next = {.name = "the next viewer"};
	char path[64];
	snprintf(path, sizeof(path), "/tmp/hesper-display-%d.sock", (int)getpid());
	if (!show_init(&show, true)) {
		return;
	}
	int fd = fd_listen(path, 4);
	if (fd >= 0 && display_server_listen(show.server, fd) < 0) {
		FAULT_CHECK(show_may_lose(), "cannot listen");
		fd_close(&fd);
	}
	if (fd >= 0 && show_frame(&frame, MEMORY_SHM, 0)) {
		int end = fd_connect(path);
		if (end >= 0 && viewer_connect(&show, &viewer, DISPLAY_PEER, end, NULL)) {
			watch(&show, &viewer, &frame);
		}
		viewer_leave(&show, &viewer);
		fault_stop();
		end = fd_connect(path);
		FAULT_CHECK(end >= 0, "nobody listens any more");
		if (viewer_connect(&show, &next, DISPLAY_PEER, end, NULL)) {
			watch(&show, &next, &frame);
		}
		FAULT_CHECK(next.gone == 0, "the next viewer is lost: %d", next.gone);
		viewer_leave(&show, &next);
		memory_unref(frame.memory);
	}
	unlink(path);
	show_finish(&show);
}

/* What differs is how things are made, not how they are sent. */
static void try_making(fault_scenario scenario, void *data)
{
	static const enum fault_kind kinds[] = {FAULT_MEMORY, FAULT_MMAP, FAULT_MEMFD, FAULT_SOCKET,
						FAULT_UV,     FAULT_CALL, FAULT_BUS};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fault_try(kinds[i], scenario, data);
	}
}

int main(void)
{
	static struct pictures shared = {MEMORY_SHM, 4096, true};
	static struct pictures buffer = {MEMORY_DMA_BUF, 0, false};
	static struct pictures buffer_with_offset = {MEMORY_DMA_BUF, 64, false};
	fault_init("fault_display");
	fault_try_all(scenario_one_viewer, &shared);
	try_making(scenario_one_viewer, &buffer);
	try_making(scenario_one_viewer, &buffer_with_offset);
	fault_try_all(scenario_two_viewers, NULL);
	try_making(scenario_socket, NULL);
	return fault_report();
}
