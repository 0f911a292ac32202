/* SPDX-License-Identifier: MIT */
#include "display/peer.h"

#include <math.h>
#include <string.h>

#include "display/names.h"

/*
 * Keyboard, Mouse, MultiTouch and hesper's own interface of each console. The numbers are a peer's:
 * what QEMU answers with an error gets the same one here; what QEMU lets through to its devices
 * unchecked (unknown keys and buttons, positions that are no numbers) is refused as well.
 *
 * The machine has one keyboard and any number of viewers. Each peer's own state is followed, and
 * the device sees the sum: pressed from the first press to the last release. So a viewer that goes,
 * or repeats itself, leaves nothing down and releases nothing of another's.
 */

/* Beyond these nothing is meant: a motion in pixels, a scroll in 1/120 clicks. */
#define MAX_MOTION 32767
#define MAX_SCROLL (DISPLAY_SCROLL_CLICK * 256)

static int invalid(sd_bus_error *error, const char *why)
{
	return sd_bus_error_set(error, DISPLAY_ERROR_INVALID, why);
}

static int32_t clamp(int32_t value, int32_t limit)
{
	return value > limit ? limit : value < -limit ? -limit : value;
}

/* True when the device has to be told. */
static bool hold(bool *own, uint8_t *holders, bool down)
{
	if (*own == down) {
		return false;
	}
	*own = down;
	*holders = (uint8_t)(down ? *holders + 1 : *holders - 1);
	return *holders == (down ? 1 : 0);
}

static void key(struct peer_console *console, uint32_t qnum, bool down)
{
	struct peer *peer = console->peer;
	const struct display_input input = {.kind = DISPLAY_KEY, .key = {qnum, down}};
	if (hold(&peer->keys[qnum], &peer->server->held.keys[qnum], down)) {
		head_tell_input(console->head, &input);
	}
}

static void scroll(struct peer_console *console, int32_t dx, int32_t dy)
{
	const struct display_input input = {.kind = DISPLAY_SCROLL, .by = {dx, dy}};
	head_tell_input(console->head, &input);
}

/* A wheel has no buttons: the press is the click. True when it was one of those. */
static bool wheel(struct peer_console *console, uint32_t button, bool down)
{
	static const int8_t clicks[DISPLAY_BUTTONS][2] = {
		[DISPLAY_BUTTON_WHEEL_UP] = {0, 1},
		[DISPLAY_BUTTON_WHEEL_DOWN] = {0, -1},
		[DISPLAY_BUTTON_WHEEL_LEFT] = {-1, 0},
		[DISPLAY_BUTTON_WHEEL_RIGHT] = {1, 0},
	};
	const int8_t *by = clicks[button];
	if (by[0] == 0 && by[1] == 0) {
		return false;
	}
	if (down) {
		scroll(console, by[0] * DISPLAY_SCROLL_CLICK, by[1] * DISPLAY_SCROLL_CLICK);
	}
	return true;
}

static void button(struct peer_console *console, uint32_t number, bool down)
{
	struct peer *peer = console->peer;
	const struct display_input input = {
		.kind = DISPLAY_BUTTON,
		.button = {(enum display_button)number, down},
	};
	if (!wheel(console, number, down) &&
	    hold(&peer->buttons[number], &peer->server->held.buttons[number], down)) {
		head_tell_input(console->head, &input);
	}
}

static void touch_end(struct peer *peer, unsigned slot, enum display_touch_kind kind)
{
	struct peer_console *console = peer->touches[slot];
	const struct display_input input = {.kind = DISPLAY_TOUCH,
					    .touch = {.kind = kind, .slot = slot}};
	if (console != NULL) {
		peer->touches[slot] = NULL;
		peer->server->held.touches[slot] = 0;
		head_tell_input(console->head, &input);
	}
}

void console_release_all(struct peer *peer)
{
	struct peer_console *any = &peer->consoles[0];
	for (unsigned i = 0; i < DISPLAY_KEYS && any->head != NULL; i++) {
		key(any, i, false);
	}
	for (unsigned i = 0; i < DISPLAY_BUTTONS && any->head != NULL; i++) {
		button(any, i, false);
	}
	for (unsigned i = 0; i < DISPLAY_MAX_TOUCH_SLOTS; i++) {
		touch_end(peer, i, DISPLAY_TOUCH_CANCEL);
	}
}

static bool is_press(sd_bus_message *call)
{
	return strcmp(sd_bus_message_get_member(call), "Press") == 0;
}

static int on_key(sd_bus_message *call, void *data, sd_bus_error *error)
{
	uint32_t qnum;
	int r = sd_bus_message_read(call, "u", &qnum);
	if (r < 0) {
		return r;
	}
	if (qnum >= DISPLAY_KEYS) {
		return invalid(error, "Invalid key number");
	}
	key(data, qnum, is_press(call));
	return sd_bus_reply_method_return(call, "");
}

static int on_button(sd_bus_message *call, void *data, sd_bus_error *error)
{
	uint32_t number;
	int r = sd_bus_message_read(call, "u", &number);
	if (r < 0) {
		return r;
	}
	if (number >= DISPLAY_BUTTONS) {
		return invalid(error, "Invalid mouse button");
	}
	button(data, number, is_press(call));
	return sd_bus_reply_method_return(call, "");
}

static int on_set_position(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct head *head = ((struct peer_console *)data)->head;
	struct display_input input = {.kind = DISPLAY_MOVE_TO};
	int r = sd_bus_message_read(call, "uu", &input.to.x, &input.to.y);
	if (r < 0) {
		return r;
	}
	if (!head->server->absolute) {
		return invalid(error, "Mouse is not absolute");
	}
	if (input.to.x >= head->width || input.to.y >= head->height) {
		return invalid(error, "Invalid mouse position");
	}
	head_tell_input(head, &input);
	return sd_bus_reply_method_return(call, "");
}

static int move_by(struct peer_console *console, sd_bus_message *call)
{
	struct display_input input = {.kind = DISPLAY_MOVE_BY};
	int r = sd_bus_message_read(call, "ii", &input.by.dx, &input.by.dy);
	if (r < 0) {
		return r;
	}
	input.by.dx = clamp(input.by.dx, MAX_MOTION);
	input.by.dy = clamp(input.by.dy, MAX_MOTION);
	head_tell_input(console->head, &input);
	return sd_bus_reply_method_return(call, "");
}

static int on_motion(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct peer_console *console = data;
	if (console->head->server->absolute) {
		return invalid(error, "Mouse is not relative");
	}
	return move_by(console, call);
}

static int on_hesper_motion(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return move_by(data, call);
}

static int on_scroll(sd_bus_message *call, void *data, sd_bus_error *error)
{
	int32_t dx;
	int32_t dy;
	int r = sd_bus_message_read(call, "ii", &dx, &dy);
	if (r < 0) {
		return r;
	}
	scroll(data, clamp(dx, MAX_SCROLL), clamp(dy, MAX_SCROLL));
	return sd_bus_reply_method_return(call, "");
}

/* A finger that leaves the screen stays at its edge. */
static double to_edge(double value, uint32_t size)
{
	double last = size > 0 ? size - 1 : 0;
	return value < 0 ? 0 : value > last ? last : value;
}

static int begin(struct peer_console *console, struct display_input *input, sd_bus_error *error)
{
	struct peer *peer = console->peer;
	uint32_t slot = input->touch.slot;
	if (peer->touches[slot] == NULL && peer->server->held.touches[slot] != 0) {
		return invalid(error, "Another viewer uses the touch slot");
	}
	if (peer->touches[slot] != NULL) {
		input->touch.kind = DISPLAY_TOUCH_UPDATE; /* said twice */
	}
	peer->touches[slot] = console;
	peer->server->held.touches[slot] = 1;
	return 0;
}

static int on_touch(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct peer_console *console = data;
	struct head *head = console->head;
	uint32_t kind;
	uint64_t slot;
	double x;
	double y;
	int r = sd_bus_message_read(call, "utdd", &kind, &slot, &x, &y);
	if (r < 0) {
		return r;
	}
	if (kind > DISPLAY_TOUCH_CANCEL) {
		return invalid(error, "Invalid touch event kind");
	}
	if (slot >= DISPLAY_MAX_TOUCH_SLOTS) {
		return invalid(error, "Unexpected touch slot number");
	}
	if (!isfinite(x) || !isfinite(y)) {
		return invalid(error, "Invalid touch position");
	}
	struct display_input input = {
		.kind = DISPLAY_TOUCH,
		.touch = {(enum display_touch_kind)kind, (uint32_t)slot, to_edge(x, head->width),
			  to_edge(y, head->height)},
	};
	if (kind == DISPLAY_TOUCH_END || kind == DISPLAY_TOUCH_CANCEL) {
		touch_end(console->peer, (unsigned)slot, input.touch.kind);
		return sd_bus_reply_method_return(call, "");
	}
	r = kind == DISPLAY_TOUCH_BEGIN ? begin(console, &input, error) : 0;
	if (r >= 0 && console->peer->touches[slot] != NULL) {
		head_tell_input(head, &input);
	}
	return r < 0 ? r : sd_bus_reply_method_return(call, "");
}

static int on_set_monitor(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct peer_console *console = data;
	struct display_monitor monitor;
	int r = sd_bus_message_read(call, "uuuuu", &monitor.width, &monitor.height,
				    &monitor.width_mm, &monitor.height_mm, &monitor.refresh_mhz);
	if (r < 0) {
		return r;
	}
	head_tell_monitor(console->head, &monitor);
	return sd_bus_reply_method_return(call, "");
}

static int get_modifiers(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "u", ((struct peer_console *)data)->peer->server->leds);
}

static int get_absolute(sd_bus *bus, const char *path, const char *interface, const char *property,
			sd_bus_message *reply, void *data, sd_bus_error *error)
{
	int absolute = ((struct peer_console *)data)->peer->server->absolute;
	return sd_bus_message_append(reply, "b", absolute);
}

static int get_slots(sd_bus *bus, const char *path, const char *interface, const char *property,
		     sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "i", DISPLAY_MAX_TOUCH_SLOTS);
}

static int get_enabled(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	int enabled = ((struct peer_console *)data)->head->enabled;
	return sd_bus_message_append(reply, "b", enabled);
}

static int get_name(sd_bus *bus, const char *path, const char *interface, const char *property,
		    sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return sd_bus_message_append(reply, "s", ((struct peer_console *)data)->head->name);
}

#define METHOD(name, handler, ...)                                                                 \
	SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS(__VA_ARGS__), SD_BUS_NO_RESULT, handler,         \
				SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable keyboard_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("Press", on_key, "u", keycode),
	METHOD("Release", on_key, "u", keycode),
	SD_BUS_PROPERTY("Modifiers", "u", get_modifiers, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable mouse_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("Press", on_button, "u", button),
	METHOD("Release", on_button, "u", button),
	METHOD("SetAbsPosition", on_set_position, "u", x, "u", y),
	METHOD("RelMotion", on_motion, "i", dx, "i", dy),
	SD_BUS_PROPERTY("IsAbsolute", "b", get_absolute, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable touch_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("SendEvent", on_touch, "u", kind, "t", num_slot, "d", x, "d", y),
	SD_BUS_PROPERTY("MaxSlots", "i", get_slots, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable hesper_vtable[] = {
	SD_BUS_VTABLE_START(0),
	METHOD("SetMonitor", on_set_monitor, "u", width, "u", height, "u", width_mm, "u", height_mm,
	       "u", refresh_mhz),
	METHOD("RelMotion", on_hesper_motion, "i", dx, "i", dy),
	METHOD("Scroll", on_scroll, "i", dx, "i", dy),
	SD_BUS_PROPERTY("Enabled", "b", get_enabled, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_VTABLE_END,
};

int console_add_input(struct peer_console *console, const char *path)
{
	static const struct {
		const char *interface;
		const sd_bus_vtable *vtable;
	} objects[] = {
		{DISPLAY_KEYBOARD, keyboard_vtable},
		{DISPLAY_MOUSE, mouse_vtable},
		{DISPLAY_TOUCH_SCREEN, touch_vtable},
		{DISPLAY_HESPER, hesper_vtable},
	};
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(objects) / sizeof(objects[0]); i++) {
		r = sd_bus_add_object_vtable(console->peer->bus.bus, NULL, path,
					     objects[i].interface, objects[i].vtable, console);
	}
	return r;
}
