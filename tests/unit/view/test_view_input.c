/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <stdlib.h>

#include "view/cursor.h"
#include "view/input.h"

/* All parts together, on SDL's dummy driver: events are made by hand, windows and cursors are SDL's. */

struct rig {
	struct record record;
	struct view_input *input;
	SDL_Window *windows[2];
	struct view_window_info where[2];
	unsigned hints;
};

static struct rig rig;

static void on_action(void *data, unsigned console, enum view_action action)
{
	record_add(data, "%u!%d", console, (int)action);
}

static void on_hint(void *data, unsigned console)
{
	rig.hints++;
}

static void start(enum view_pointer pointer, enum view_cursor_mode cursor, bool grab)
{
	const struct view_input_options options = {.pointer = pointer,
						   .cursor = cursor,
						   .grab = grab,
						   .send = record_send,
						   .action = on_action,
						   .hint_changed = on_hint,
						   .data = &rig.record};
	rig = (struct rig){0};
	for (unsigned i = 0; i < 2; i++) {
		rig.windows[i] = SDL_CreateWindow("test", 640, 480, 0);
		assert_non_null(rig.windows[i]);
		rig.where[i] = (struct view_window_info){
			.console = i,
			.window = rig.windows[i],
			.placement = {.part = {0, 0, 640, 480}, .area = {0, 0, 640, 480}},
			.width = 640,
			.height = 480,
			.density = 1};
	}
	rig.input = view_input_create(&options);
	assert_non_null(rig.input);
}

static int set_up(void **state)
{
	SDL_SetModState(SDL_KMOD_NONE);
	start(VIEW_POINTER_AUTO, VIEW_CURSOR_HOST, false);
	return 0;
}

static int tear_down(void **state)
{
	view_input_destroy(rig.input);
	for (int i = 0; i < 2; i++) {
		SDL_DestroyWindow(rig.windows[i]);
	}
	return 0;
}

/* What SDL was asked for; the dummy driver has nothing to grab. */
static bool grabs_keyboard(unsigned window)
{
	return (SDL_GetWindowFlags(rig.windows[window]) & SDL_WINDOW_KEYBOARD_GRABBED) != 0;
}

static bool grabs_pointer(unsigned window)
{
	return (SDL_GetWindowFlags(rig.windows[window]) & SDL_WINDOW_MOUSE_GRABBED) != 0;
}

static bool event(unsigned window, const SDL_Event *event)
{
	return view_input_event(rig.input, &rig.where[window], event);
}

static void focus(unsigned window, bool gained)
{
	const SDL_Event e = {.type = gained ? SDL_EVENT_WINDOW_FOCUS_GAINED
					    : SDL_EVENT_WINDOW_FOCUS_LOST};
	if (gained) {
		SDL_RaiseWindow(rig.windows[window]);
	}
	assert_false(event(window, &e));
}

static void key(unsigned window, SDL_Scancode scancode, SDL_Keycode code, SDL_Keymod mod, bool down,
		bool repeat)
{
	const SDL_Event e = {.key = {.type = down ? SDL_EVENT_KEY_DOWN : SDL_EVENT_KEY_UP,
				     .scancode = scancode,
				     .key = code,
				     .mod = mod,
				     .down = down,
				     .repeat = repeat}};
	assert_true(event(window, &e));
}

static void hot_key(SDL_Scancode scancode, SDL_Keycode code)
{
	key(0, scancode, code, SDL_KMOD_LCTRL | SDL_KMOD_LALT, true, false);
	key(0, scancode, code, SDL_KMOD_LCTRL | SDL_KMOD_LALT, true, true);
	key(0, scancode, code, SDL_KMOD_LCTRL | SDL_KMOD_LALT, false, false);
}

static void motion(unsigned window, float x, float y, float dx, float dy)
{
	const SDL_Event e = {
		.motion = {.type = SDL_EVENT_MOUSE_MOTION, .x = x, .y = y, .xrel = dx, .yrel = dy}};
	event(window, &e);
}

static void button(unsigned window, bool down, SDL_MouseID which)
{
	const SDL_Event e = {
		.button = {.type = down ? SDL_EVENT_MOUSE_BUTTON_DOWN : SDL_EVENT_MOUSE_BUTTON_UP,
			   .which = which,
			   .button = SDL_BUTTON_LEFT,
			   .down = down,
			   .x = 5,
			   .y = 6}};
	event(window, &e);
}

static void show_cursor(unsigned console, bool visible, uint32_t *pixels)
{
	const struct view_cursor cursor = {.width = pixels != NULL ? 4 : 0,
					   .height = pixels != NULL ? 4 : 0,
					   .hot_x = 9, /* outside: clamped */
					   .hot_y = -1,
					   .visible = visible,
					   .pixels = pixels,
					   .x = -2,
					   .y = 7};
	view_input_cursor(rig.input, console, &cursor);
}

static void test_keys(void **state)
{
	focus(0, true);
	key(0, SDL_SCANCODE_A, SDLK_Q, SDL_KMOD_NONE, true, false); /* AZERTY: the place counts */
	key(0, SDL_SCANCODE_A, SDLK_Q, SDL_KMOD_NONE, true, true);
	focus(0, false);
	key(0, SDL_SCANCODE_A, SDLK_Q, SDL_KMOD_NONE, false, false);
	assert_sent(&rig.record, "+1e -1e");
}

/* A key whose window's focus was never told of. */
static void test_key_without_focus_event(void **state)
{
	key(1, SDL_SCANCODE_A, SDLK_A, SDL_KMOD_NONE, true, false);
	focus(1, false);
	assert_sent(&rig.record, "+1e -1e");
}

static void test_focus_loss_releases_all(void **state)
{
	const SDL_Event finger = {
		.tfinger = {.type = SDL_EVENT_FINGER_DOWN, .touchID = 1, .fingerID = 2}};
	focus(0, true);
	key(0, SDL_SCANCODE_LSHIFT, SDLK_LSHIFT, SDL_KMOD_LSHIFT, true, false);
	button(0, true, 0);
	event(0, &finger);
	assert_sent(&rig.record, "+2a 0@5,6 0:+b0 0:t0/0@0.0,0.0");
	focus(0, false);
	assert_sent(&rig.record, "-2a 0:-b0 0:t3/0@0.0,0.0");
}

static void test_touch_is_no_mouse(void **state)
{
	button(0, true, SDL_TOUCH_MOUSEID);
	assert_sent(&rig.record, "");
	assert_string_equal(SDL_GetHint(SDL_HINT_TOUCH_MOUSE_EVENTS), "0");
}

static void test_grab(void **state)
{
	focus(0, true);
	assert_string_equal(view_input_hint(rig.input, 0), "Ctrl+Alt+G grabs keyboard and pointer");
	assert_null(view_input_hint(rig.input, 1));
	unsigned hints = rig.hints;
	hot_key(SDL_SCANCODE_G, SDLK_G);
	assert_true(grabs_keyboard(0));
	assert_true(grabs_pointer(0));
	assert_string_equal(view_input_hint(rig.input, 0),
			    "Ctrl+Alt+G releases keyboard and pointer");
	assert_int_equal(rig.hints, hints + 1);
	hot_key(SDL_SCANCODE_G, SDLK_G);
	assert_false(grabs_keyboard(0));
	hot_key(SDL_SCANCODE_G, SDLK_G);
	focus(0, false);
	assert_false(grabs_keyboard(0));
	assert_false(grabs_pointer(0));
	focus(0, true);
	assert_false(grabs_keyboard(0));
	assert_sent(&rig.record, "");
}

static void test_grab_at_focus(void **state)
{
	tear_down(NULL);
	start(VIEW_POINTER_AUTO, VIEW_CURSOR_HOST, true);
	focus(0, true);
	assert_true(grabs_keyboard(0));
	hot_key(SDL_SCANCODE_G, SDLK_G);
	assert_false(grabs_keyboard(0));
	focus(0, false);
	focus(1, true);
	assert_true(grabs_keyboard(1));
	assert_false(grabs_keyboard(0));
}

static void test_actions(void **state)
{
	focus(0, true);
	hot_key(SDL_SCANCODE_A, SDLK_Q); /* AZERTY: what is printed counts */
	hot_key(SDL_SCANCODE_F, SDLK_F);
	assert_sent(&rig.record, "0!7 0!0");
}

static void test_relative(void **state)
{
	uint32_t pixels[16] = {0};
	focus(0, true);
	show_cursor(0, true, pixels);
	show_cursor(0, false, NULL);
	motion(0, 1, 2, 1, 2);
	assert_false(SDL_GetWindowRelativeMouseMode(rig.windows[0]));
	button(0, true, 0);
	button(0, false, 0);
	assert_true(SDL_GetWindowRelativeMouseMode(rig.windows[0]));
	assert_string_equal(view_input_hint(rig.input, 0), "Ctrl+Alt+G releases the pointer");
	motion(0, 1, 2, -3, 4);
	hot_key(SDL_SCANCODE_G, SDLK_G);
	assert_false(SDL_GetWindowRelativeMouseMode(rig.windows[0]));
	button(0, true, 0);
	assert_true(SDL_GetWindowRelativeMouseMode(rig.windows[0]));
	show_cursor(0, true, NULL);
	assert_false(SDL_GetWindowRelativeMouseMode(rig.windows[0]));
	button(0, false, 0);
	assert_sent(&rig.record, "0@1,2 0@5,6 0:+b0 0:-b0 0>-3,4 0@5,6 0:+b0 0:-b0");
}

static void test_no_tablet(void **state)
{
	focus(0, true);
	view_input_absolute(rig.input, false);
	button(0, true, 0);
	assert_true(SDL_GetWindowRelativeMouseMode(rig.windows[0]));
	view_input_absolute(rig.input, true);
	assert_false(SDL_GetWindowRelativeMouseMode(rig.windows[0]));
	button(0, false, 0);
	assert_sent(&rig.record, "");
}

/* A drag out of one window into the other one goes on there. */
static void test_drag_across(void **state)
{
	int x = 0;
	int y = 0;
	SDL_SetWindowPosition(rig.windows[0], 100, 100);
	SDL_SetWindowPosition(rig.windows[1], 740, 100);
	SDL_GetWindowPosition(rig.windows[1], &x, &y);
	assert_int_equal(x, 740);
	motion(1, 0, 0, 0, 0); /* makes the window known */
	motion(0, 10, 10, 0, 0);
	button(0, true, 0);
	motion(0, 650, 20, 0, 0);
	motion(0, 650, 900, 0, 0); /* in none: stays at the first one's edge */
	motion(0, 630, 20, 0, 0);
	button(0, false, 0);
	assert_sent(&rig.record, "1@0,0 0@10,10 0@5,6 0:+b0 1@10,20 0@639,479 0@630,20 0:-b0");
	/* Without a button the other window gets events of its own. */
	motion(0, 650, 20, 0, 0);
	assert_sent(&rig.record, "0@639,20");
}

static void test_window_gone(void **state)
{
	focus(0, true);
	hot_key(SDL_SCANCODE_G, SDLK_G);
	key(0, SDL_SCANCODE_A, SDLK_A, SDL_KMOD_NONE, true, false);
	view_input_window_gone(rig.input, &rig.where[0]);
	assert_sent(&rig.record, "+1e -1e");
	assert_false(grabs_keyboard(0));
	assert_null(view_input_hint(rig.input, 0));
}

static void test_locks(void **state)
{
	view_input_leds(rig.input, 0);
	SDL_SetModState(SDL_KMOD_NUM);
	focus(0, true);
	assert_sent(&rig.record, "+45 -45");
}

static void test_host_cursor(void **state)
{
	uint32_t pixels[16] = {0xffffffff};
	motion(0, 1, 1, 0, 0);
	assert_true(SDL_CursorVisible()); /* the guest has said nothing */
	assert_ptr_equal(SDL_GetCursor(), SDL_GetDefaultCursor());
	show_cursor(0, true, pixels);
	assert_true(SDL_CursorVisible());
	SDL_Cursor *shape = SDL_GetCursor();
	assert_ptr_not_equal(shape, SDL_GetDefaultCursor());
	show_cursor(1, false, NULL); /* another console's */
	assert_true(SDL_CursorVisible());
	show_cursor(0, false, NULL);
	assert_false(SDL_CursorVisible());
	show_cursor(0, true, NULL);
	assert_true(SDL_CursorVisible());
	assert_ptr_equal(SDL_GetCursor(), shape);
	rig.where[0].placement.area.x = 100;
	motion(0, 50, 1, 0, 0); /* beside the picture */
	assert_ptr_equal(SDL_GetCursor(), SDL_GetDefaultCursor());
	motion(0, 150, 1, 0, 0);
	assert_ptr_equal(SDL_GetCursor(), shape);
	motion(1, 1, 1, 0, 0); /* that console hides its own */
	assert_false(SDL_CursorVisible());
	const SDL_Event leave = {.type = SDL_EVENT_WINDOW_MOUSE_LEAVE};
	event(1, &leave);
	assert_true(SDL_CursorVisible());
	assert_null(view_input_drawn(rig.input, 0));
}

static void test_drawn_cursor(void **state)
{
	uint32_t pixels[16] = {0xff123456};
	tear_down(NULL);
	start(VIEW_POINTER_AUTO, VIEW_CURSOR_DRAW, false);
	assert_null(view_input_drawn(rig.input, 1));
	show_cursor(1, true, pixels);
	const struct view_drawn_cursor *drawn = view_input_drawn(rig.input, 1);
	assert_non_null(drawn);
	assert_int_equal(drawn->width, 4);
	assert_int_equal(drawn->x, -2);
	assert_int_equal(drawn->y, 7);
	assert_int_equal(drawn->pixels[0], 0xff123456);
	uint32_t generation = drawn->generation;
	show_cursor(1, true, NULL);
	assert_int_equal(view_input_drawn(rig.input, 1)->generation, generation);
	show_cursor(1, true, pixels);
	assert_int_not_equal(view_input_drawn(rig.input, 1)->generation, generation);
	motion(1, 1, 1, 0, 0);
	assert_false(SDL_CursorVisible()); /* not twice */
	show_cursor(1, false, NULL);
	assert_null(view_input_drawn(rig.input, 1));
}

static int start_sdl(void **state)
{
	SDL_SetHint(SDL_HINT_VIDEO_DRIVER, "dummy");
	return SDL_Init(SDL_INIT_VIDEO) ? 0 : -1;
}

static int stop_sdl(void **state)
{
	SDL_Quit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_key_without_focus_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_focus_loss_releases_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_touch_is_no_mouse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_grab, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_grab_at_focus, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_actions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_relative, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_tablet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drag_across, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_window_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_locks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_host_cursor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_drawn_cursor, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, start_sdl, stop_sdl);
}
