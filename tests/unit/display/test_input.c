/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <math.h>
#include <string.h>
#include <sys/socket.h>

/* Keyboard, mouse, touch and monitors: our client to our server, and strangers to our server. */

static void setup(struct rig *rig, struct viewer *viewer)
{
	rig_init(rig);
	display_server_set_size(rig->server, 0, 640, 480);
	display_server_set_size(rig->server, 1, 320, 200);
	viewer_join(rig, viewer, 0);
	rig_until(rig, viewer->console_calls >= 2);
}

static void teardown(struct rig *rig, struct viewer *viewer)
{
	viewer_leave(rig, viewer);
	rig_finish(rig);
}

static void enter(struct viewer *viewer, unsigned console, struct display_input input)
{
	display_client_input(viewer->client, console, &input);
}

#define KEY(number, is_down)                                                                       \
	(struct display_input)                                                                     \
	{                                                                                          \
		.kind = DISPLAY_KEY, .key = {.qnum = (number), .down = (is_down) }                 \
	}
#define BUTTON(number, is_down)                                                                    \
	(struct display_input)                                                                     \
	{                                                                                          \
		.kind = DISPLAY_BUTTON, .button = {.button = (number), .down = (is_down) }         \
	}
#define TOUCH(what, number, at_x, at_y)                                                            \
	(struct display_input)                                                                     \
	{                                                                                          \
		.kind = DISPLAY_TOUCH, .touch = {                                                  \
			.kind = (what),                                                            \
			.slot = (number),                                                          \
			.x = (at_x),                                                               \
			.y = (at_y)                                                                \
		}                                                                                  \
	}
#define MOTION(what, by_x, by_y)                                                                   \
	(struct display_input)                                                                     \
	{                                                                                          \
		.kind = (what), .by = {.dx = (by_x), .dy = (by_y) }                                \
	}

/* Whatever was sent has arrived once an answer to a later question has. */
static void settle(struct rig *rig, struct viewer *viewer)
{
	static uint32_t width = 100;
	const struct display_monitor monitor = {.width = ++width, .height = 1};
	display_client_set_monitor(viewer->client, 1, &monitor);
	rig_until(rig, rig->monitor.width == width);
}

static const struct display_input *last(const struct rig *rig)
{
	assert_in_range(rig->input_count, 1, RIG_MAX_INPUTS);
	return &rig->inputs[rig->input_count - 1];
}

static void test_console_is_told(void **state)
{
	struct rig rig;
	struct viewer viewer = {0};
	setup(&rig, &viewer);
	for (unsigned i = 0; i < 2; i++) {
		const struct display_console *console = &viewer.consoles[i];
		assert_int_equal(console->id, i);
		assert_true(console->graphic && console->enabled && console->has_touch &&
			    console->has_monitor);
	}
	assert_int_equal(viewer.consoles[1].width, 320);
	assert_int_equal(viewer.consoles[1].height, 200);
	assert_true(viewer.absolute);
	display_server_set_enabled(rig.server, 1, false);
	rig_until(&rig, !viewer.consoles[1].enabled);
	assert_true(viewer.consoles[0].enabled);
	display_server_set_leds(rig.server, DISPLAY_LED_CAPS | DISPLAY_LED_NUM);
	rig_until(&rig, viewer.leds == (DISPLAY_LED_CAPS | DISPLAY_LED_NUM));
	display_server_set_absolute(rig.server, false);
	rig_until(&rig, !viewer.absolute);
	display_server_set_size(rig.server, 0, 800, 600);
	rig_until(&rig, viewer.consoles[0].width == 800 && viewer.consoles[0].height == 600);
	/* A viewer that comes later hears all of that at once. */
	struct viewer later = {.absolute = true};
	viewer_join(&rig, &later, 1);
	rig_until(&rig, later.console_calls == 2);
	assert_false(later.consoles[1].enabled);
	assert_int_equal(later.leds, DISPLAY_LED_CAPS | DISPLAY_LED_NUM);
	assert_false(later.absolute);
	viewer_leave(&rig, &later);
	teardown(&rig, &viewer);
}

static void test_everything_arrives(void **state)
{
	struct rig rig;
	struct viewer viewer = {0};
	setup(&rig, &viewer);
	const struct display_input inputs[] = {
		KEY(0x1c, true),
		KEY(0x1c, false),
		KEY(0xff, true),
		KEY(0xff, false),
		BUTTON(DISPLAY_BUTTON_EXTRA, true),
		BUTTON(DISPLAY_BUTTON_EXTRA, false),
		{.kind = DISPLAY_MOVE_TO, .to = {319, 199}},
		MOTION(DISPLAY_MOVE_BY, -3, 4),
		MOTION(DISPLAY_SCROLL, 7, -15),
		TOUCH(DISPLAY_TOUCH_BEGIN, 9, 1.5, 2.25),
		TOUCH(DISPLAY_TOUCH_UPDATE, 9, 3, 4),
		TOUCH(DISPLAY_TOUCH_END, 9, 0, 0),
	};
	const unsigned count = sizeof(inputs) / sizeof(inputs[0]);
	for (unsigned i = 0; i < count; i++) {
		enter(&viewer, 1, inputs[i]);
	}
	rig_until(&rig, rig.input_count == count);
	for (unsigned i = 0; i < count; i++) {
		const struct display_input *came = &rig.inputs[i];
		assert_int_equal(rig.input_heads[i], 1);
		assert_int_equal(came->kind, inputs[i].kind);
		if (came->kind == DISPLAY_KEY) {
			assert_int_equal(came->key.qnum, inputs[i].key.qnum);
			assert_int_equal(came->key.down, inputs[i].key.down);
		} else if (came->kind == DISPLAY_BUTTON) {
			assert_int_equal(came->button.button, inputs[i].button.button);
			assert_int_equal(came->button.down, inputs[i].button.down);
		} else if (came->kind == DISPLAY_TOUCH) {
			assert_int_equal(came->touch.kind, inputs[i].touch.kind);
			assert_int_equal(came->touch.slot, inputs[i].touch.slot);
			assert_true(came->touch.x == inputs[i].touch.x &&
				    came->touch.y == inputs[i].touch.y);
		} else {
			assert_int_equal(came->by.dx, inputs[i].by.dx);
			assert_int_equal(came->by.dy, inputs[i].by.dy);
		}
	}
	teardown(&rig, &viewer);
}

static void test_monitors(void **state)
{
	struct rig rig;
	struct viewer viewer = {0};
	setup(&rig, &viewer);
	const struct display_monitor monitor = {2560, 1440, 597, 336, 143998};
	display_client_set_monitor(viewer.client, 0, &monitor);
	rig_until(&rig, rig.monitors == 1);
	assert_memory_equal(&rig.monitor, &monitor, sizeof(monitor));
	const struct display_monitor none = {0};
	display_client_set_monitor(viewer.client, 0, &none);
	rig_until(&rig, rig.monitors == 2);
	assert_memory_equal(&rig.monitor, &none, sizeof(none));
	teardown(&rig, &viewer);
}

static void test_release_all(void **state)
{
	struct rig rig;
	struct viewer viewer = {0};
	setup(&rig, &viewer);
	enter(&viewer, 0, KEY(0x2a, true));
	enter(&viewer, 0, KEY(0x1e, true));
	enter(&viewer, 0, KEY(0x1e, false));
	enter(&viewer, 0, BUTTON(DISPLAY_BUTTON_LEFT, true));
	enter(&viewer, 0, TOUCH(DISPLAY_TOUCH_BEGIN, 3, 1, 1));
	enter(&viewer, 0, (struct display_input){.kind = DISPLAY_RELEASE_ALL});
	settle(&rig, &viewer);
	assert_int_equal(rig.input_count, 8);
	assert_int_equal(rig.inputs[5].key.qnum, 0x2a);
	assert_false(rig.inputs[5].key.down);
	assert_int_equal(rig.inputs[6].kind, DISPLAY_BUTTON);
	assert_false(rig.inputs[6].button.down);
	assert_int_equal(rig.inputs[7].kind, DISPLAY_TOUCH);
	assert_int_equal(rig.inputs[7].touch.kind, DISPLAY_TOUCH_CANCEL);
	/* Nothing is down: nothing is released, not even what is said to be. */
	enter(&viewer, 0, (struct display_input){.kind = DISPLAY_RELEASE_ALL});
	enter(&viewer, 0, KEY(0x10, false));
	enter(&viewer, 0, BUTTON(DISPLAY_BUTTON_RIGHT, false));
	enter(&viewer, 0, TOUCH(DISPLAY_TOUCH_UPDATE, 3, 1, 1));
	enter(&viewer, 0, TOUCH(DISPLAY_TOUCH_END, 3, 1, 1));
	/* And what does not exist is not sent. */
	enter(&viewer, 0, KEY(256, true));
	enter(&viewer, 0, BUTTON((enum display_button)DISPLAY_BUTTONS, true));
	enter(&viewer, 0, TOUCH(DISPLAY_TOUCH_BEGIN, DISPLAY_MAX_TOUCH_SLOTS, 1, 1));
	settle(&rig, &viewer);
	assert_int_equal(rig.input_count, 8);
	teardown(&rig, &viewer);
}

static void test_leaving_releases(void **state)
{
	struct rig rig;
	struct viewer viewer = {0};
	struct viewer other = {0};
	setup(&rig, &viewer);
	viewer_join(&rig, &other, 0);
	rig_until(&rig, other.console_calls == 2);
	enter(&viewer, 0, KEY(0x1d, true));
	enter(&viewer, 0, KEY(0x1e, true));
	enter(&viewer, 1, BUTTON(DISPLAY_BUTTON_LEFT, true));
	enter(&viewer, 0, TOUCH(DISPLAY_TOUCH_BEGIN, 0, 5, 5));
	settle(&rig, &viewer);
	/* Both hold Ctrl: pressed once, and still down when one of them goes. */
	enter(&other, 0, KEY(0x1d, true));
	settle(&rig, &other);
	assert_int_equal(rig.input_count, 4);
	viewer_leave(&rig, &viewer);
	rig_until(&rig, rig.input_count == 7);
	assert_int_equal(rig.inputs[4].key.qnum, 0x1e);
	assert_false(rig.inputs[4].key.down);
	assert_false(rig.inputs[5].button.down);
	assert_int_equal(rig.inputs[6].touch.kind, DISPLAY_TOUCH_CANCEL);
	enter(&other, 0, KEY(0x1d, false));
	rig_until(&rig, rig.input_count == 8);
	assert_int_equal(last(&rig)->key.qnum, 0x1d);
	assert_false(last(&rig)->key.down);
	viewer_leave(&rig, &other);
	rig_finish(&rig);
	assert_int_equal(rig.input_count, 8);
}

/* A call of a stranger's; the answer is in stranger->error_name. */
static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct stranger *stranger = data;
	const sd_bus_error *refusal = sd_bus_message_get_error(reply);
	stranger->answers++;
	snprintf(stranger->error_name, sizeof(stranger->error_name), "%s",
		 refusal != NULL ? refusal->name : "");
	return 0;
}

#define CALL(rig, stranger, interface, member, ...)                                                \
	do {                                                                                       \
		unsigned before = (stranger)->answers;                                             \
		assert_true(sd_bus_call_method_async((stranger)->main.bus, NULL, NULL,             \
						     DISPLAY_CONSOLE_PATH "0", interface, member,  \
						     on_answer, stranger, __VA_ARGS__) >= 0);      \
		rig_until(rig, (stranger)->answers > before);                                      \
	} while (0)

static void hostile_rig(struct rig *rig, struct stranger *stranger)
{
	rig_init(rig);
	display_server_set_size(rig->server, 0, 640, 480);
	stranger_connect(rig, stranger);
}

#define REFUSED(stranger) assert_string_equal((stranger).error_name, DISPLAY_ERROR_INVALID)
#define TAKEN(stranger) assert_string_equal((stranger).error_name, "")

static void test_hostile_numbers(void **state)
{
	static const uint32_t numbers[] = {256, 0x1000, 0x80000000, UINT32_MAX};
	struct rig rig;
	struct stranger stranger = {0};
	hostile_rig(&rig, &stranger);
	for (unsigned i = 0; i < 4; i++) {
		CALL(&rig, &stranger, DISPLAY_KEYBOARD, "Press", "u", numbers[i]);
		REFUSED(stranger);
		CALL(&rig, &stranger, DISPLAY_KEYBOARD, "Release", "u", numbers[i]);
		REFUSED(stranger);
		CALL(&rig, &stranger, DISPLAY_MOUSE, "Press", "u", numbers[i]);
		REFUSED(stranger);
		CALL(&rig, &stranger, DISPLAY_MOUSE, "SetAbsPosition", "uu", numbers[i] | 640, 1);
		REFUSED(stranger);
		CALL(&rig, &stranger, DISPLAY_MOUSE, "SetAbsPosition", "uu", 1, numbers[i] | 512);
		REFUSED(stranger);
	}
	CALL(&rig, &stranger, DISPLAY_MOUSE, "Release", "u", DISPLAY_BUTTONS);
	REFUSED(stranger);
	CALL(&rig, &stranger, DISPLAY_MOUSE, "SetAbsPosition", "uu", 640, 479);
	REFUSED(stranger);
	assert_int_equal(rig.input_count, 0);
	CALL(&rig, &stranger, DISPLAY_MOUSE, "SetAbsPosition", "uu", 639, 479);
	TAKEN(stranger);
	assert_int_equal(last(&rig)->to.x, 639);
	/* QEMU's rule: motions only while not absolute, positions only while absolute. */
	CALL(&rig, &stranger, DISPLAY_MOUSE, "RelMotion", "ii", 1, 1);
	REFUSED(stranger);
	display_server_set_absolute(rig.server, false);
	CALL(&rig, &stranger, DISPLAY_MOUSE, "SetAbsPosition", "uu", 1, 1);
	REFUSED(stranger);
	assert_int_equal(rig.input_count, 1);
	CALL(&rig, &stranger, DISPLAY_MOUSE, "RelMotion", "ii", INT32_MIN, INT32_MAX);
	TAKEN(stranger);
	assert_int_equal(last(&rig)->by.dx, -last(&rig)->by.dy);
	assert_in_range(last(&rig)->by.dy, 1, 65535);
	CALL(&rig, &stranger, DISPLAY_HESPER, "Scroll", "ii", INT32_MAX, INT32_MIN);
	TAKEN(stranger);
	assert_int_equal(last(&rig)->by.dx, -last(&rig)->by.dy);
	assert_in_range(last(&rig)->by.dx, 120, 65535);
	/* Wrong types are no crash, either. */
	CALL(&rig, &stranger, DISPLAY_KEYBOARD, "Press", "s", "A");
	assert_string_equal(stranger.error_name, SD_BUS_ERROR_INVALID_ARGS);
	stranger_leave(&rig, &stranger);
	rig_finish(&rig);
}

static void test_hostile_fingers(void **state)
{
	static const double nowhere[] = {NAN, INFINITY, -INFINITY};
	struct rig rig;
	struct stranger stranger = {0};
	hostile_rig(&rig, &stranger);
	for (unsigned i = 0; i < 3; i++) {
		CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 0, 0ull,
		     nowhere[i], 1.0);
		REFUSED(stranger);
		CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 0, 0ull, 1.0,
		     nowhere[i]);
		REFUSED(stranger);
	}
	CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 4, 0ull, 1.0, 1.0);
	REFUSED(stranger);
	CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 0, 10ull, 1.0, 1.0);
	REFUSED(stranger);
	CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 0, 1ull << 32, 1.0, 1.0);
	REFUSED(stranger);
	/* As with QEMU, a finger that is not down moves and goes without an error or an effect. */
	CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 1, 0ull, 1.0, 1.0);
	TAKEN(stranger);
	CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 2, 0ull, 1.0, 1.0);
	TAKEN(stranger);
	assert_int_equal(rig.input_count, 0);
	/* Beyond the edge is the edge. */
	CALL(&rig, &stranger, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 0, 2ull, -1e300, 1e300);
	TAKEN(stranger);
	assert_true(last(&rig)->touch.x == 0 && last(&rig)->touch.y == 479);
	/* Two viewers do not share a finger. */
	struct stranger other = {0};
	stranger_connect(&rig, &other);
	CALL(&rig, &other, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 0, 2ull, 1.0, 1.0);
	REFUSED(other);
	CALL(&rig, &other, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 2, 2ull, 1.0, 1.0);
	TAKEN(other);
	assert_int_equal(rig.input_count, 1);
	stranger_leave(&rig, &stranger);
	rig_until(&rig, rig.input_count == 2);
	assert_int_equal(last(&rig)->touch.kind, DISPLAY_TOUCH_CANCEL);
	CALL(&rig, &other, DISPLAY_TOUCH_SCREEN, "SendEvent", "utdd", 0, 2ull, 1.0, 1.0);
	TAKEN(other);
	stranger_leave(&rig, &other);
	rig_finish(&rig);
}

static void test_repeats_and_wheels(void **state)
{
	struct rig rig;
	struct stranger stranger = {0};
	hostile_rig(&rig, &stranger);
	for (unsigned i = 0; i < 3; i++) {
		CALL(&rig, &stranger, DISPLAY_KEYBOARD, "Press", "u", 0x1e);
		TAKEN(stranger);
	}
	for (unsigned i = 0; i < 3; i++) {
		CALL(&rig, &stranger, DISPLAY_KEYBOARD, "Release", "u", 0x1e);
		TAKEN(stranger);
	}
	assert_int_equal(rig.input_count, 2);
	/* Each press of a wheel is a click, also without a release. */
	static const struct {
		enum display_button button;
		int32_t dx;
		int32_t dy;
	} wheels[] = {
		{DISPLAY_BUTTON_WHEEL_UP, 0, 120},    {DISPLAY_BUTTON_WHEEL_UP, 0, 120},
		{DISPLAY_BUTTON_WHEEL_DOWN, 0, -120}, {DISPLAY_BUTTON_WHEEL_LEFT, -120, 0},
		{DISPLAY_BUTTON_WHEEL_RIGHT, 120, 0},
	};
	for (unsigned i = 0; i < 5; i++) {
		CALL(&rig, &stranger, DISPLAY_MOUSE, "Press", "u", wheels[i].button);
		assert_int_equal(rig.input_count, 3 + i);
		assert_int_equal(last(&rig)->kind, DISPLAY_SCROLL);
		assert_int_equal(last(&rig)->by.dx, wheels[i].dx);
		assert_int_equal(last(&rig)->by.dy, wheels[i].dy);
	}
	CALL(&rig, &stranger, DISPLAY_MOUSE, "Release", "u", DISPLAY_BUTTON_WHEEL_UP);
	TAKEN(stranger);
	assert_int_equal(rig.input_count, 7);
	stranger_leave(&rig, &stranger);
	rig_finish(&rig);
	assert_int_equal(rig.input_count, 7);
}

struct counted_signals {
	unsigned all;
	uint32_t leds;
};

static int on_signal(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct counted_signals *seen = data;
	const char *interface;
	const char *name;
	if (!sd_bus_message_is_signal(message, NULL, "PropertiesChanged")) {
		return 0;
	}
	seen->all++;
	assert_true(sd_bus_message_read(message, "s", &interface) > 0);
	if (strcmp(interface, DISPLAY_KEYBOARD) == 0) {
		assert_true(sd_bus_message_enter_container(message, 'a', "{sv}") > 0);
		assert_true(sd_bus_message_enter_container(message, 'e', "sv") > 0);
		assert_true(sd_bus_message_read(message, "sv", &name, "u", &seen->leds) > 0);
	}
	return 0;
}

/* A peer that does not read for a while is told the state of now, not its history. */
static void test_slow_peer_hears_the_end(void **state)
{
	struct rig rig;
	struct stranger stranger = {.narrow = true};
	struct counted_signals seen = {0};
	hostile_rig(&rig, &stranger);
	assert_true(sd_bus_add_filter(stranger.main.bus, NULL, on_signal, &seen) >= 0);
	uv_poll_stop(&stranger.main.poll);
	uv_prepare_stop(&stranger.main.prepare);
	for (uint32_t i = 1; i <= 2000; i++) {
		display_server_set_leds(rig.server, i % 7 + 1);
		uv_run(&rig.loop, UV_RUN_NOWAIT);
	}
	display_server_set_leds(rig.server, 0x55);
	stranger.main.events = 0; /* so that the next prepare polls again */
	uv_prepare_start(&stranger.main.prepare, stranger.main.prepare.prepare_cb);
	rig_until(&rig, seen.leds == 0x55);
	assert_in_range(seen.all, 2, 1000);
	stranger_leave(&rig, &stranger);
	rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_console_is_told),
		cmocka_unit_test(test_everything_arrives),
		cmocka_unit_test(test_monitors),
		cmocka_unit_test(test_release_all),
		cmocka_unit_test(test_leaving_releases),
		cmocka_unit_test(test_hostile_numbers),
		cmocka_unit_test(test_hostile_fingers),
		cmocka_unit_test(test_repeats_and_wheels),
		cmocka_unit_test(test_slow_peer_hears_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
