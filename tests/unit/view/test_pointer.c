/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "view/pointer.h"
#include "view/touch.h"

/* Mouse and fingers; no display needed. */

struct rig {
	struct record record;
	struct pointer pointer;
	struct touch touch;
	struct view_window_info window;
};

static struct rig rig;

static void start(enum view_pointer mode)
{
	rig = (struct rig){
		.window = {.console = 2,
			   .placement = {.part = {0, 0, 640, 480}, .area = {0, 0, 640, 480}},
			   .width = 640,
			   .height = 480,
			   .density = 1}};
	const struct sink sink = {record_send, &rig.record};
	pointer_init(&rig.pointer, mode, &sink);
	touch_init(&rig.touch, &sink);
}

static int set_up(void **state)
{
	start(VIEW_POINTER_AUTO);
	return 0;
}

static void place(uint32_t width, uint32_t height, uint32_t window_width, uint32_t window_height,
		  enum view_scale scale)
{
	rig.window.width = width;
	rig.window.height = height;
	rig.window.placement = placement_of(width, height, window_width, window_height, scale);
}

static void move(float x, float y)
{
	pointer_move_to(&rig.pointer, &rig.window, x, y);
}

static void button(int number, bool down)
{
	const SDL_MouseButtonEvent event = {
		.button = (Uint8)number, .down = down, .x = 10, .y = 20};
	pointer_button(&rig.pointer, &rig.window, &event);
}

static void wheel(float x, float y, SDL_MouseWheelDirection direction)
{
	const SDL_MouseWheelEvent event = {.x = x, .y = y, .direction = direction};
	pointer_wheel(&rig.pointer, rig.window.console, &event);
}

static void test_one_to_one(void **state)
{
	move(0, 0);
	move(639, 479);
	move(639.9f, 479.9f);
	move(12.5f, 7);
	assert_sent(&rig.record, "2@0,0 2@639,479 2@12,7");
}

/* Every window pixel of a picture shown n times as large is over the pixel that it shows. */
static void test_integer_is_exact(void **state)
{
	for (uint32_t times = 1; times <= 5; times++) {
		place(100, 37, 100 * times, 37 * times, VIEW_SCALE_FIT);
		for (uint32_t x = 0; x < 100 * times; x++) {
			uint32_t to_x;
			uint32_t to_y;
			uint32_t y = x % (37 * times);
			assert_true(pointer_place(&rig.window, (float)x, (float)y, &to_x, &to_y));
			assert_int_equal(to_x, x / times);
			assert_int_equal(to_y, y / times);
		}
	}
}

/* Whatever the sizes: corners are reached, order is kept, nothing is outside. */
static void test_corners(void **state)
{
	const uint32_t sizes[] = {1, 2, 3, 99, 640, 641, 1280, 4096};
	for (size_t i = 0; i < SDL_arraysize(sizes); i++) {
		for (size_t j = 0; j < SDL_arraysize(sizes); j++) {
			place(sizes[i], sizes[i], sizes[j], sizes[j], VIEW_SCALE_FIT);
			uint32_t last = 0;
			for (uint32_t at = 0; at < sizes[j]; at++) {
				uint32_t x;
				uint32_t y;
				assert_true(
					pointer_place(&rig.window, (float)at, (float)at, &x, &y));
				assert_true(x == y && x >= last && x < sizes[i]);
				assert_true(at != 0 || sizes[j] == 1 || x == 0);
				last = x;
			}
			assert_true(sizes[j] == 1 || last == sizes[i] - 1);
		}
	}
}

static void test_borders(void **state)
{
	uint32_t x;
	uint32_t y;
	place(640, 480, 840, 480, VIEW_SCALE_FIT); /* 100 black on each side */
	assert_false(pointer_place(&rig.window, 50, 240, &x, &y));
	assert_int_equal(x, 0);
	assert_true(pointer_place(&rig.window, 100, 240, &x, &y));
	assert_int_equal(x, 0);
	assert_int_equal(y, 240);
	assert_true(pointer_place(&rig.window, 739, 240, &x, &y));
	assert_int_equal(x, 639);
	assert_false(pointer_place(&rig.window, 740, -3, &x, &y));
	assert_int_equal(x, 639);
	assert_int_equal(y, 0);
}

/* 1:1 in a window that is too small: only the middle is seen. */
static void test_cut(void **state)
{
	place(640, 480, 320, 240, VIEW_SCALE_ONE);
	move(0, 0);
	move(319, 239);
	move(5000, -5000);
	assert_sent(&rig.record, "2@160,120 2@479,359 2@479,120");
}

/* SDL's units are half as many as pixels, and the window's pixels half as many as the guest's. */
static void test_density(void **state)
{
	rig.window.density = 2;
	place(640, 480, 640, 480, VIEW_SCALE_FIT);
	move(100, 50.5f);
	assert_sent(&rig.record, "2@200,101");
	place(1280, 960, 640, 480, VIEW_SCALE_FIT);
	move(319.5f, 239.5f);
	assert_sent(&rig.record, "2@1279,959");
}

static void test_no_picture(void **state)
{
	rig.window.width = 0;
	rig.window.placement = (struct placement){0};
	move(3, 4);
	assert_sent(&rig.record, "");
}

static void test_buttons(void **state)
{
	for (int i = SDL_BUTTON_LEFT; i <= SDL_BUTTON_X2; i++) {
		button(i, true);
		button(i, true);
		button(i, false);
		button(i, false);
	}
	button(0, true);
	button(6, true);
	assert_sent(&rig.record, "2@10,20 2:+b0 2:-b0 2:+b1 2:-b1 2:+b2 2:-b2 2:+b5 2:-b5 "
				 "2:+b6 2:-b6");
}

static void test_focus_lost(void **state)
{
	button(SDL_BUTTON_LEFT, true);
	button(SDL_BUTTON_X2, true);
	assert_true(pointer_dragging(&rig.pointer, 2));
	pointer_release(&rig.pointer, 1); /* another window */
	assert_sent(&rig.record, "2@10,20 2:+b0 2:+b6");
	pointer_release(&rig.pointer, 2);
	button(SDL_BUTTON_LEFT, false);
	assert_sent(&rig.record, "2:-b0 2:-b6");
	assert_false(pointer_dragging(&rig.pointer, 2));
}

static void test_wheel(void **state)
{
	wheel(0, 1, SDL_MOUSEWHEEL_NORMAL);
	wheel(-2, 0, SDL_MOUSEWHEEL_NORMAL);
	wheel(0.5f, 0.25f, SDL_MOUSEWHEEL_FLIPPED);
	assert_sent(&rig.record, "2~0,120 2~-240,0 2~-60,-30");
	/* 1000 steps of 1/1000 of a click are a click. */
	for (int i = 0; i < 1000; i++) {
		wheel(0, 0.001f, SDL_MOUSEWHEEL_NORMAL);
	}
	int sum = 0;
	for (const char *at = rig.record.text; (at = strstr(at, "2~0,")) != NULL; at += 4) {
		int step;
		assert_int_equal(sscanf(at, "2~0,%d", &step), 1);
		sum += step;
	}
	assert_in_range(sum, 119, 120);
}

static void test_remainders_of_moves(void **state)
{
	start(VIEW_POINTER_RELATIVE);
	rig.pointer.grabbed = true;
	assert_true(pointer_relative(&rig.pointer));
	for (int i = 0; i < 5; i++) {
		pointer_move_by(&rig.pointer, 2, 0.5f, -0.25f);
	}
	assert_sent(&rig.record, "2>1,0 2>1,-1");
	move(3, 4);
	assert_sent(&rig.record, "");
}

static void test_click_captures(void **state)
{
	start(VIEW_POINTER_RELATIVE);
	button(SDL_BUTTON_LEFT, true); /* takes the pointer, is no click for the guest */
	button(SDL_BUTTON_LEFT, false);
	assert_sent(&rig.record, "");
	assert_true(pointer_relative(&rig.pointer));
	button(SDL_BUTTON_LEFT, true);
	button(SDL_BUTTON_LEFT, false);
	assert_sent(&rig.record, "2:+b0 2:-b0");
	pointer_release(&rig.pointer, 2);
	assert_false(pointer_relative(&rig.pointer));
}

/* A guest that has only a PS/2 mouse. */
static void test_no_tablet(void **state)
{
	rig.pointer.tablet = false;
	move(3, 4);
	button(SDL_BUTTON_LEFT, true);
	button(SDL_BUTTON_LEFT, false);
	assert_sent(&rig.record, "");
	assert_true(pointer_relative(&rig.pointer));
	start(VIEW_POINTER_ABSOLUTE);
	rig.pointer.tablet = false;
	move(3, 4);
	assert_sent(&rig.record, "2@3,4");
}

static void test_hidden_pointer(void **state)
{
	pointer_show(&rig.pointer, 2, false); /* never shown: a console, say */
	button(SDL_BUTTON_LEFT, true);
	button(SDL_BUTTON_LEFT, false);
	assert_false(pointer_relative(&rig.pointer));
	assert_sent(&rig.record, "2@10,20 2:+b0 2:-b0");
	pointer_show(&rig.pointer, 2, true);
	pointer_show(&rig.pointer, 2, false);
	assert_false(pointer_relative(&rig.pointer)); /* not yet taken */
	button(SDL_BUTTON_LEFT, true);
	assert_true(pointer_relative(&rig.pointer));
	button(SDL_BUTTON_LEFT, false);
	assert_sent(&rig.record, "2:+b0 2:-b0");
	pointer_show(&rig.pointer, 2, true);
	assert_false(pointer_relative(&rig.pointer));
	pointer_show(&rig.pointer, 2, false);
	assert_false(pointer_relative(&rig.pointer));
	rig.pointer.grabbed = true;
	assert_true(pointer_relative(&rig.pointer));
}

/* It goes from one monitor to the other: not hidden. */
static void test_pointer_on_another_console(void **state)
{
	pointer_show(&rig.pointer, 1, true);
	pointer_show(&rig.pointer, 2, true);
	pointer_show(&rig.pointer, 1, false);
	rig.pointer.grabbed = true;
	assert_false(pointer_relative(&rig.pointer));
	pointer_show(&rig.pointer, 2, false);
	assert_true(pointer_relative(&rig.pointer));
}

/* At a point of the window, in SDL's units; the window has 640x480. */
static void finger(Uint32 type, SDL_FingerID id, float x, float y)
{
	const SDL_TouchFingerEvent event = {
		.type = type, .touchID = 7, .fingerID = id, .x = x / 639, .y = y / 479};
	touch_event(&rig.touch, &rig.window, 640, 480, &event);
}

static void test_fingers(void **state)
{
	finger(SDL_EVENT_FINGER_DOWN, 100, 320, 240);
	finger(SDL_EVENT_FINGER_DOWN, 101, 0, 0);
	finger(SDL_EVENT_FINGER_MOTION, 100, 160.5f, 240);
	finger(SDL_EVENT_FINGER_UP, 100, 160.5f, 240);
	finger(SDL_EVENT_FINGER_DOWN, 103, 639, 479);
	finger(SDL_EVENT_FINGER_MOTION, 103, 700, 360); /* slides over the edge */
	finger(SDL_EVENT_FINGER_CANCELED, 101, 0, 0);
	finger(SDL_EVENT_FINGER_MOTION, 999, 0, 0);
	assert_sent(&rig.record, "2:t0/0@320.0,240.0 2:t0/1@0.0,0.0 2:t1/0@160.5,240.0 "
				 "2:t2/0@160.5,240.0 2:t0/0@639.0,479.0 2:t1/0@639.0,360.0 "
				 "2:t3/1@0.0,0.0");
	touch_release(&rig.touch, 1);
	assert_sent(&rig.record, "");
	touch_release(&rig.touch, 2);
	finger(SDL_EVENT_FINGER_UP, 103, 1, 1);
	assert_sent(&rig.record, "2:t3/0@0.0,0.0");
}

static void test_finger_places(void **state)
{
	rig.window.density = 2; /* 640x480 units are 1280x960 pixels */
	place(320, 120, 1280, 960, VIEW_SCALE_FIT);
	assert_int_equal(rig.window.placement.area.y, 240);
	finger(SDL_EVENT_FINGER_DOWN, 1, 320, 119); /* black */
	finger(SDL_EVENT_FINGER_DOWN, 1, 320, 120);
	finger(SDL_EVENT_FINGER_MOTION, 1, 320, 121);
	assert_sent(&rig.record, "2:t0/0@160.0,0.0 2:t1/0@160.0,0.5");
}

static void test_eleven_fingers(void **state)
{
	for (SDL_FingerID i = 0; i < DISPLAY_MAX_TOUCH_SLOTS + 1; i++) {
		rig.record.text[0] = '\0';
		finger(SDL_EVENT_FINGER_DOWN, i, 0, 0);
	}
	assert_sent(&rig.record, "");
	finger(SDL_EVENT_FINGER_UP, 4, 0, 0);
	finger(SDL_EVENT_FINGER_MOTION, 10, 0, 0);
	finger(SDL_EVENT_FINGER_DOWN, 11, 0, 0);
	assert_sent(&rig.record, "2:t2/4@0.0,0.0 2:t0/4@0.0,0.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_one_to_one, set_up),
		cmocka_unit_test_setup(test_integer_is_exact, set_up),
		cmocka_unit_test_setup(test_corners, set_up),
		cmocka_unit_test_setup(test_borders, set_up),
		cmocka_unit_test_setup(test_cut, set_up),
		cmocka_unit_test_setup(test_density, set_up),
		cmocka_unit_test_setup(test_no_picture, set_up),
		cmocka_unit_test_setup(test_buttons, set_up),
		cmocka_unit_test_setup(test_focus_lost, set_up),
		cmocka_unit_test_setup(test_wheel, set_up),
		cmocka_unit_test_setup(test_remainders_of_moves, set_up),
		cmocka_unit_test_setup(test_click_captures, set_up),
		cmocka_unit_test_setup(test_no_tablet, set_up),
		cmocka_unit_test_setup(test_hidden_pointer, set_up),
		cmocka_unit_test_setup(test_pointer_on_another_console, set_up),
		cmocka_unit_test_setup(test_fingers, set_up),
		cmocka_unit_test_setup(test_finger_places, set_up),
		cmocka_unit_test_setup(test_eleven_fingers, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
