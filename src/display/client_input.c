/* SPDX-License-Identifier: MIT */
#include "display/client_impl.h"

#include <errno.h>
#include <string.h>

#include "util/log.h"

/*
 * What we tell the machine. No call wants a reply: the user sees what comes of it. While the server
 * does not read, only releases of what is down are queued: these are few.
 */

#define MAX_QUEUED 128

/* Sends the call, which is consumed, also when r says that it was not finished. */
static int send_call(struct client_console *console, sd_bus_message *call, int r)
{
	if (r >= 0) {
		r = sd_bus_message_set_expect_reply(call, 0);
	}
	if (r >= 0) {
		r = sd_bus_send(console->client->server.bus, call, NULL);
	}
	if (r < 0 && call != NULL) {
		log_debug("%s was not sent: %s", sd_bus_message_get_member(call), strerror(-r));
	}
	sd_bus_message_unref(call);
	return r;
}

static bool send_number(struct client_console *console, const char *interface, const char *member,
			uint32_t number)
{
	sd_bus_message *call = NULL;
	int r = client_call_new(console, interface, member, &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "u", number);
	}
	return send_call(console, call, r) >= 0;
}

static void send_pair(struct client_console *console, const char *interface, const char *member,
		      const char *types, int32_t x, int32_t y)
{
	sd_bus_message *call = NULL;
	int r = client_call_new(console, interface, member, &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, types, x, y);
	}
	send_call(console, call, r);
}

static bool send_touch(struct client_console *console, uint32_t kind, uint32_t slot, double x,
		       double y)
{
	sd_bus_message *call = NULL;
	int r = client_call_new(console, DISPLAY_TOUCH_SCREEN, "SendEvent", &call);
	if (r >= 0) {
		r = sd_bus_message_append(call, "utdd", kind, (uint64_t)slot, x, y);
	}
	return send_call(console, call, r) >= 0;
}

/* A key or a button: `held` follows what the server was told. */
static void press_or_release(struct client_console *console, const char *interface, bool *held,
			     uint32_t number, bool down)
{
	if (down && send_number(console, interface, "Press", number)) {
		*held = true;
	} else if (!down && *held) {
		*held = false;
		send_number(console, interface, "Release", number);
	}
}

static void click(struct client_console *console, enum display_button button, int32_t times)
{
	for (int32_t i = 0; i < times; i++) {
		send_number(console, DISPLAY_MOUSE, "Press", button);
		send_number(console, DISPLAY_MOUSE, "Release", button);
	}
}

/* Adds a motion to what is left of the ones before; returns whole clicks. */
static int32_t take_clicks(int32_t *rest, int32_t motion)
{
	const int32_t limit = DISPLAY_SCROLL_CLICK * 16; /* of one call */
	motion = motion > limit ? limit : motion < -limit ? -limit : motion;
	if ((motion < 0) != (*rest < 0)) {
		*rest = 0; /* the wheel was turned round */
	}
	int32_t sum = *rest + motion;
	*rest = sum % DISPLAY_SCROLL_CLICK;
	return sum / DISPLAY_SCROLL_CLICK;
}

static void scroll(struct client_console *console, int32_t dx, int32_t dy)
{
	if (console->info.has_monitor) {
		send_pair(console, DISPLAY_HESPER, "Scroll", "ii", dx, dy);
		return;
	}
	int32_t right = dx != 0 ? take_clicks(&console->scroll_x, dx) : 0;
	int32_t up = dy != 0 ? take_clicks(&console->scroll_y, dy) : 0;
	click(console, DISPLAY_BUTTON_WHEEL_UP, up);
	click(console, DISPLAY_BUTTON_WHEEL_DOWN, -up);
	click(console, DISPLAY_BUTTON_WHEEL_RIGHT, right);
	click(console, DISPLAY_BUTTON_WHEEL_LEFT, -right);
}

static void touch(struct client_console *console, const struct display_input *input)
{
	uint32_t slot = input->touch.slot;
	bool ends =
		input->touch.kind == DISPLAY_TOUCH_END || input->touch.kind == DISPLAY_TOUCH_CANCEL;
	if (slot >= DISPLAY_MAX_TOUCH_SLOTS ||
	    (input->touch.kind != DISPLAY_TOUCH_BEGIN && !console->touches[slot])) {
		return;
	}
	bool sent = send_touch(console, input->touch.kind, slot, input->touch.x, input->touch.y);
	if (input->touch.kind == DISPLAY_TOUCH_BEGIN) {
		console->touches[slot] = sent;
	} else if (ends) {
		console->touches[slot] = false;
	}
}

static void release_all(struct client_console *console)
{
	for (unsigned i = 0; i < DISPLAY_KEYS; i++) {
		press_or_release(console, DISPLAY_KEYBOARD, &console->keys[i], i, false);
	}
	for (unsigned i = 0; i < DISPLAY_BUTTONS; i++) {
		press_or_release(console, DISPLAY_MOUSE, &console->buttons[i], i, false);
	}
	for (unsigned i = 0; i < DISPLAY_MAX_TOUCH_SLOTS; i++) {
		const struct display_input cancel = {
			.kind = DISPLAY_TOUCH,
			.touch = {.kind = DISPLAY_TOUCH_CANCEL, .slot = i},
		};
		touch(console, &cancel);
	}
	console->scroll_x = 0;
	console->scroll_y = 0;
}

static bool is_release(const struct display_input *input)
{
	switch (input->kind) {
	case DISPLAY_KEY:
		return !input->key.down;
	case DISPLAY_BUTTON:
		return !input->button.down;
	case DISPLAY_TOUCH:
		return input->touch.kind == DISPLAY_TOUCH_END ||
		       input->touch.kind == DISPLAY_TOUCH_CANCEL;
	case DISPLAY_RELEASE_ALL:
		return true;
	default:
		return false;
	}
}

static bool server_reads(struct display_client *client)
{
	uint64_t queued = 0;
	return sd_bus_get_n_queued_write(client->server.bus, &queued) >= 0 && queued < MAX_QUEUED;
}

static void dispatch(struct client_console *console, const struct display_input *input)
{
	switch (input->kind) {
	case DISPLAY_KEY:
		if (input->key.qnum < DISPLAY_KEYS) {
			press_or_release(console, DISPLAY_KEYBOARD, &console->keys[input->key.qnum],
					 input->key.qnum, input->key.down);
		}
		break;
	case DISPLAY_BUTTON:
		if ((unsigned)input->button.button < DISPLAY_BUTTONS) {
			press_or_release(console, DISPLAY_MOUSE,
					 &console->buttons[input->button.button],
					 input->button.button, input->button.down);
		}
		break;
	case DISPLAY_MOVE_TO:
		send_pair(console, DISPLAY_MOUSE, "SetAbsPosition", "uu", (int32_t)input->to.x,
			  (int32_t)input->to.y);
		break;
	case DISPLAY_MOVE_BY:
		send_pair(console, console->info.has_monitor ? DISPLAY_HESPER : DISPLAY_MOUSE,
			  "RelMotion", "ii", input->by.dx, input->by.dy);
		break;
	case DISPLAY_SCROLL:
		scroll(console, input->by.dx, input->by.dy);
		break;
	case DISPLAY_TOUCH:
		touch(console, input);
		break;
	case DISPLAY_RELEASE_ALL:
		release_all(console);
		break;
	}
}

void display_client_input(struct display_client *client, unsigned console,
			  const struct display_input *input)
{
	struct client_console *found = client_console_find(client, console);
	if (found == NULL || !found->told || !client_alive(client)) {
		return;
	}
	if (!server_reads(client) && !is_release(input)) {
		log_limited(LOG_WARN, "the machine does not take input: some of it is lost");
		return;
	}
	dispatch(found, input);
}

static uint16_t to_u16(uint32_t value)
{
	return value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
}

void display_client_set_monitor(struct display_client *client, unsigned console,
				const struct display_monitor *monitor)
{
	struct client_console *found = client_console_find(client, console);
	if (found == NULL || !found->told || !client_alive(client) || !server_reads(client)) {
		return;
	}
	sd_bus_message *call = NULL;
	int r;
	if (found->info.has_monitor) {
		r = client_call_new(found, DISPLAY_HESPER, "SetMonitor", &call);
		if (r >= 0) {
			r = sd_bus_message_append(call, "uuuuu", monitor->width, monitor->height,
						  monitor->width_mm, monitor->height_mm,
						  monitor->refresh_mhz);
		}
	} else {
		r = client_call_new(found, DISPLAY_CONSOLE, "SetUIInfo", &call);
		if (r >= 0) {
			r = sd_bus_message_append(call, "qqiiuu", to_u16(monitor->width_mm),
						  to_u16(monitor->height_mm), 0, 0, monitor->width,
						  monitor->height);
		}
	}
	send_call(found, call, r);
}
