/* SPDX-License-Identifier: MIT */
/*
 * A viewer's end of the display, while the n-th call fails: connected to a machine that shows
 * pictures in each way, directly, by QMP, over a message bus. It sees all of them or is told that
 * the connection has ended; and the next connection works.
 */
#include <string.h>

#include "machines.h"
#include "show.h"
#include "util/fd.h"

static struct machines machines;

struct target {
	const char *name;
	enum display_client_way way;
	const char *path; /* or the bus */
	bool leaves;
};

static bool reach(struct show *show, struct viewer *viewer, const struct target *target)
{
	bool bus = target->way == DISPLAY_BUS;
	int fd = bus ? -1 : fd_connect(target->path);
	if (fd < 0 && !bus) {
		FAULT_CHECK(show_may_lose(), "%s cannot be reached: %d", target->name, fd);
		viewer->gone = fd;
		return false;
	}
	return viewer_connect(show, viewer, target->way, fd, target->path);
}

static void send_input(struct viewer *viewer)
{
	static const struct display_input inputs[] = {
		{.kind = DISPLAY_KEY, .key = {0x1e, true}},
		{.kind = DISPLAY_MOVE_TO, .to = {2, 3}},
		{.kind = DISPLAY_MOVE_BY, .by = {5, 5}},
		{.kind = DISPLAY_SCROLL, .by = {120, -240}},
		{.kind = DISPLAY_BUTTON, .button = {DISPLAY_BUTTON_LEFT, true}},
		{.kind = DISPLAY_TOUCH, .touch = {DISPLAY_TOUCH_BEGIN, 0, 1, 1}},
		{.kind = DISPLAY_RELEASE_ALL},
	};
	static const struct display_monitor monitor = {.width = 640, .height = 480};
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		display_client_input(viewer->client, 0, &inputs[i]);
	}
	display_client_set_monitor(viewer->client, 0, &monitor);
}

static void look(struct show *show, struct viewer *viewer, const struct target *target)
{
	if (!reach(show, viewer, target)) {
		return;
	}
	display_client_listen(viewer->client, 0);
	if (target->leaves) {
		uint64_t since = uv_hrtime();
		while (viewer->gone == 0) {
			show_turn(show);
			FAULT_CHECK(show_is_patient(since), "nobody tells that %s has left",
				    target->name);
		}
		return;
	}
	show_until(show, viewer, viewer->consoles > 0, );
	send_input(viewer);
	show_until(show, viewer, viewer->scanouts >= 5 && viewer->updates >= 5, );
	show_until(show, viewer, viewer->cursors > 0 && viewer->mouse_sets > 0, );
	show_until(show, viewer, viewer->disables > 0, );
}

static void scenario(void *data)
{
	const struct target *target = data;
	struct show show;
	struct viewer viewer = {.name = target->name, .maps = true};
	struct viewer next = {.name = "the next one"};
	if (!show_init(&show, false)) {
		return;
	}
	look(&show, &viewer, target);
	viewer_leave(&show, &viewer);
	fault_stop();
	look(&show, &next, target);
	FAULT_CHECK(target->leaves || next.gone == 0, "the next one is lost: %d", next.gone);
	viewer_leave(&show, &next);
	show_finish(&show);
}

int main(void)
{
	static struct target targets[] = {
		{"a display", DISPLAY_PEER, machines.peer, false},
		{"a display that goes", DISPLAY_PEER, machines.quitter, true},
		{"a QEMU", DISPLAY_QMP, machines.qmp, false},
		{"a message bus", DISPLAY_BUS, machines.bus, false},
	};
	fault_init("fault_client");
	machines_start(&machines);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (targets[i].path[0] != '\0') {
			fault_try_all(scenario, &targets[i]);
		}
	}
	machines_stop(&machines);
	return fault_report();
}
