/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "view/hotkeys.h"
#include "view/keyboard.h"

/* The pressed set, modifiers and locks; key numbers as in keys.c: A 1e, C 2e, Ctrl 1d, Shift 2a. */

struct rig {
	struct record record;
	struct keyboard keyboard;
};

static struct rig rig;

static int set_up(void **state)
{
	rig = (struct rig){0};
	const struct sink sink = {record_send, &rig.record};
	keyboard_init(&rig.keyboard, &sink);
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_NONE);
	return 0;
}

static void down(SDL_Scancode scancode)
{
	keyboard_key(&rig.keyboard, scancode, true, SDL_KMOD_NONE);
}

static void up(SDL_Scancode scancode)
{
	keyboard_key(&rig.keyboard, scancode, false, SDL_KMOD_NONE);
}

static void tap_with(SDL_Scancode scancode, SDL_Keymod mod)
{
	keyboard_key(&rig.keyboard, scancode, true, mod);
	keyboard_key(&rig.keyboard, scancode, false, mod);
}

static void test_once_each_way(void **state)
{
	down(SDL_SCANCODE_A);
	down(SDL_SCANCODE_A);
	up(SDL_SCANCODE_A);
	up(SDL_SCANCODE_A);
	up(SDL_SCANCODE_B); /* was pressed elsewhere */
	down(SDL_SCANCODE_CALL); /* the guest has none */
	assert_sent(&rig.record, "+1e -1e");
}

static void test_focus_lost(void **state)
{
	down(SDL_SCANCODE_LCTRL);
	down(SDL_SCANCODE_A);
	down(SDL_SCANCODE_C);
	assert_sent(&rig.record, "+1d +1e +2e");
	keyboard_unfocus(&rig.keyboard);
	assert_sent(&rig.record, "-1e -2e -1d");
	/* SDL's own releases, and what goes on in other windows. */
	up(SDL_SCANCODE_A);
	down(SDL_SCANCODE_B);
	assert_sent(&rig.record, "");
	/* B is still down; SDL tells only of modifiers. */
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_LSHIFT);
	down(SDL_SCANCODE_LSHIFT);
	up(SDL_SCANCODE_B);
	down(SDL_SCANCODE_A);
	assert_sent(&rig.record, "+2a +1e");
}

static void test_other_window(void **state)
{
	down(SDL_SCANCODE_A);
	keyboard_focus(&rig.keyboard, 1, SDL_KMOD_NONE);
	assert_sent(&rig.record, "+1e -1e");
	assert_int_equal(rig.keyboard.console, 1);
}

static void test_hot_key(void **state)
{
	down(SDL_SCANCODE_LCTRL);
	down(SDL_SCANCODE_LALT);
	assert_sent(&rig.record, "+1d +38");
	keyboard_swallow(&rig.keyboard, SDL_SCANCODE_G);
	assert_sent(&rig.record, "-1d -38");
	up(SDL_SCANCODE_G);
	assert_sent(&rig.record, "");
	/* Ctrl and Alt are still held: the next key is to see them. */
	down(SDL_SCANCODE_T);
	assert_sent(&rig.record, "+1d +38 +14");
	up(SDL_SCANCODE_T);
	up(SDL_SCANCODE_LCTRL);
	up(SDL_SCANCODE_LALT);
	assert_sent(&rig.record, "-14 -1d -38");
	/* Released before another key: the guest does not hear of it again. */
	down(SDL_SCANCODE_LCTRL);
	keyboard_swallow(&rig.keyboard, SDL_SCANCODE_G);
	up(SDL_SCANCODE_LCTRL);
	up(SDL_SCANCODE_G);
	assert_sent(&rig.record, "+1d -1d");
}

static void test_which_hot_keys(void **state)
{
	const SDL_Keymod both = SDL_KMOD_LCTRL | SDL_KMOD_LALT;
	assert_true(hot_key_find(SDLK_G, both)->grab);
	assert_true(hot_key_find('G', both | SDL_KMOD_CAPS | SDL_KMOD_NUM)->grab);
	assert_int_equal(hot_key_find(SDLK_F, SDL_KMOD_RCTRL | SDL_KMOD_RALT)->action,
			 VIEW_ACTION_FULL_SCREEN);
	assert_int_equal(hot_key_find(SDLK_Q, both)->action, VIEW_ACTION_QUIT);
	assert_null(hot_key_find(SDLK_G, SDL_KMOD_LCTRL));
	assert_null(hot_key_find(SDLK_G, SDL_KMOD_LALT));
	assert_null(hot_key_find(SDLK_G, both | SDL_KMOD_LSHIFT));
	assert_null(hot_key_find(SDLK_Q, SDL_KMOD_LCTRL | SDL_KMOD_MODE)); /* @ on German boards */
	assert_null(hot_key_find(SDLK_DELETE, both));
	assert_null(hot_key_find(SDLK_F1, both));
}

static void test_locks_at_focus(void **state)
{
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_CAPS | SDL_KMOD_NUM);
	assert_sent(&rig.record, ""); /* nobody knows the guest's */
	keyboard_leds(&rig.keyboard, DISPLAY_LED_NUM);
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_CAPS | SDL_KMOD_NUM);
	assert_sent(&rig.record, "+3a -3a");
	keyboard_leds(&rig.keyboard, DISPLAY_LED_NUM | DISPLAY_LED_CAPS);
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_CAPS | SDL_KMOD_NUM);
	assert_sent(&rig.record, "");
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_NONE);
	assert_sent(&rig.record, "+3a -3a +45 -45");
}

static void test_locks_at_a_key(void **state)
{
	keyboard_leds(&rig.keyboard, 0);
	down(SDL_SCANCODE_LSHIFT);
	keyboard_key(&rig.keyboard, SDL_SCANCODE_A, true, SDL_KMOD_CAPS | SDL_KMOD_LSHIFT);
	assert_sent(&rig.record, "+2a +3a -3a +1e");
}

static void test_locks_do_not_fight(void **state)
{
	/* The guest uses Caps Lock for something else. */
	keyboard_leds(&rig.keyboard, 0);
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_CAPS);
	assert_sent(&rig.record, "+3a -3a");
	tap_with(SDL_SCANCODE_A, SDL_KMOD_CAPS);
	keyboard_leds(&rig.keyboard, DISPLAY_LED_NUM);
	tap_with(SDL_SCANCODE_A, SDL_KMOD_CAPS | SDL_KMOD_NUM);
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_CAPS | SDL_KMOD_NUM);
	assert_sent(&rig.record, "+1e -1e +1e -1e");
	/* It takes it after all: from then on it is believed again. */
	keyboard_leds(&rig.keyboard, DISPLAY_LED_NUM | DISPLAY_LED_CAPS);
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_NUM);
	assert_sent(&rig.record, "+3a -3a");
}

static void test_locks_by_hand(void **state)
{
	keyboard_leds(&rig.keyboard, 0);
	/* Pressed, and the LED's change is still on its way when the next key comes. */
	tap_with(SDL_SCANCODE_CAPSLOCK, SDL_KMOD_CAPS);
	tap_with(SDL_SCANCODE_A, SDL_KMOD_CAPS);
	assert_sent(&rig.record, "+3a -3a +1e -1e");
	/* The host has no state of Scroll Lock: the guest's stays as the person makes it. */
	tap_with(SDL_SCANCODE_SCROLLLOCK, SDL_KMOD_CAPS);
	keyboard_leds(&rig.keyboard, DISPLAY_LED_CAPS | DISPLAY_LED_SCROLL);
	keyboard_focus(&rig.keyboard, 0, SDL_KMOD_CAPS);
	tap_with(SDL_SCANCODE_A, SDL_KMOD_CAPS);
	assert_sent(&rig.record, "+46 -46 +1e -1e");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_once_each_way, set_up),
		cmocka_unit_test_setup(test_focus_lost, set_up),
		cmocka_unit_test_setup(test_other_window, set_up),
		cmocka_unit_test_setup(test_hot_key, set_up),
		cmocka_unit_test_setup(test_which_hot_keys, set_up),
		cmocka_unit_test_setup(test_locks_at_focus, set_up),
		cmocka_unit_test_setup(test_locks_at_a_key, set_up),
		cmocka_unit_test_setup(test_locks_do_not_fight, set_up),
		cmocka_unit_test_setup(test_locks_by_hand, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
