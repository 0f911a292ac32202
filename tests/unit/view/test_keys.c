/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <linux/input-event-codes.h>

#include "input/qnum.h"
#include "view/keys.h"

/* The whole way of a key: SDL's scancode, QEMU's number, the code that hesperd gives the guest. */

struct pair {
	SDL_Scancode scancode;
	uint16_t key;
};

#define KEY(scancode, key) {SDL_SCANCODE_##scancode, KEY_##key}
#define SAME(name) KEY(name, name)

/* A board of 105 keys, ISO, row by row. */
static const struct pair board[] = {
	KEY(ESCAPE, ESC),
	SAME(F1),
	SAME(F2),
	SAME(F3),
	SAME(F4),
	SAME(F5),
	SAME(F6),
	SAME(F7),
	SAME(F8),
	SAME(F9),
	SAME(F10),
	SAME(F11),
	SAME(F12),
	KEY(PRINTSCREEN, SYSRQ),
	SAME(SCROLLLOCK),
	SAME(PAUSE),

	SAME(GRAVE),
	SAME(1),
	SAME(2),
	SAME(3),
	SAME(4),
	SAME(5),
	SAME(6),
	SAME(7),
	SAME(8),
	SAME(9),
	SAME(0),
	SAME(MINUS),
	KEY(EQUALS, EQUAL),
	SAME(BACKSPACE),
	SAME(INSERT),
	SAME(HOME),
	SAME(PAGEUP),
	KEY(NUMLOCKCLEAR, NUMLOCK),
	KEY(KP_DIVIDE, KPSLASH),
	KEY(KP_MULTIPLY, KPASTERISK),
	KEY(KP_MINUS, KPMINUS),

	SAME(TAB),
	SAME(Q),
	SAME(W),
	SAME(E),
	SAME(R),
	SAME(T),
	SAME(Y),
	SAME(U),
	SAME(I),
	SAME(O),
	SAME(P),
	KEY(LEFTBRACKET, LEFTBRACE),
	KEY(RIGHTBRACKET, RIGHTBRACE),
	SAME(DELETE),
	SAME(END),
	SAME(PAGEDOWN),
	KEY(KP_7, KP7),
	KEY(KP_8, KP8),
	KEY(KP_9, KP9),
	KEY(KP_PLUS, KPPLUS),

	SAME(CAPSLOCK),
	SAME(A),
	SAME(S),
	SAME(D),
	SAME(F),
	SAME(G),
	SAME(H),
	SAME(J),
	SAME(K),
	SAME(L),
	SAME(SEMICOLON),
	SAME(APOSTROPHE),
	SAME(BACKSLASH),
	KEY(RETURN, ENTER),
	KEY(KP_4, KP4),
	KEY(KP_5, KP5),
	KEY(KP_6, KP6),

	KEY(LSHIFT, LEFTSHIFT),
	KEY(NONUSBACKSLASH, 102ND),
	SAME(Z),
	SAME(X),
	SAME(C),
	SAME(V),
	SAME(B),
	SAME(N),
	SAME(M),
	SAME(COMMA),
	KEY(PERIOD, DOT),
	SAME(SLASH),
	KEY(RSHIFT, RIGHTSHIFT),
	SAME(UP),
	KEY(KP_1, KP1),
	KEY(KP_2, KP2),
	KEY(KP_3, KP3),
	KEY(KP_ENTER, KPENTER),

	KEY(LCTRL, LEFTCTRL),
	KEY(LGUI, LEFTMETA),
	KEY(LALT, LEFTALT),
	SAME(SPACE),
	KEY(RALT, RIGHTALT),
	KEY(RGUI, RIGHTMETA),
	KEY(APPLICATION, COMPOSE),
	KEY(RCTRL, RIGHTCTRL),
	SAME(LEFT),
	SAME(DOWN),
	SAME(RIGHT),
	KEY(KP_0, KP0),
	KEY(KP_PERIOD, KPDOT),
};

/* What other boards have. */
static const struct pair others[] = {
	/* Japanese, Korean, Brazilian (USB HID usage tables, page 7, notes 15 to 29) */
	KEY(INTERNATIONAL1, RO),
	KEY(INTERNATIONAL2, KATAKANAHIRAGANA),
	KEY(INTERNATIONAL3, YEN),
	KEY(INTERNATIONAL4, HENKAN),
	KEY(INTERNATIONAL5, MUHENKAN),
	KEY(INTERNATIONAL6, KPJPCOMMA),
	KEY(LANG1, HANGEUL),
	KEY(LANG2, HANJA),
	KEY(LANG3, KATAKANA),
	KEY(LANG4, HIRAGANA),
	KEY(LANG5, ZENKAKUHANKAKU),
	KEY(KP_COMMA, KPCOMMA),
	/* more function keys */
	SAME(F13),
	SAME(F14),
	SAME(F15),
	SAME(F16),
	SAME(F17),
	SAME(F18),
	SAME(F19),
	SAME(F20),
	SAME(F21),
	SAME(F22),
	SAME(F23),
	SAME(F24),
	/* editing and system keys */
	KEY(KP_EQUALS, KPEQUAL),
	SAME(POWER),
	SAME(SLEEP),
	KEY(WAKE, WAKEUP),
	SAME(HELP),
	SAME(MENU),
	SAME(STOP),
	SAME(AGAIN),
	SAME(UNDO),
	SAME(CUT),
	SAME(COPY),
	SAME(PASTE),
	SAME(FIND),
	SAME(CANCEL),
	/* media */
	SAME(MUTE),
	SAME(VOLUMEUP),
	SAME(VOLUMEDOWN),
	KEY(MEDIA_PLAY_PAUSE, PLAYPAUSE),
	KEY(MEDIA_STOP, STOPCD),
	KEY(MEDIA_NEXT_TRACK, NEXTSONG),
	KEY(MEDIA_PREVIOUS_TRACK, PREVIOUSSONG),
	KEY(MEDIA_PLAY, PLAY),
	KEY(MEDIA_PAUSE, PAUSECD),
	KEY(MEDIA_RECORD, RECORD),
	KEY(MEDIA_REWIND, REWIND),
	KEY(MEDIA_FAST_FORWARD, FASTFORWARD),
	KEY(MEDIA_EJECT, EJECTCD),
	KEY(MEDIA_SELECT, MEDIA),
	/* browsers' keys */
	KEY(AC_BACK, BACK),
	KEY(AC_FORWARD, FORWARD),
	KEY(AC_HOME, HOMEPAGE),
	KEY(AC_REFRESH, REFRESH),
	KEY(AC_SEARCH, SEARCH),
	KEY(AC_BOOKMARKS, BOOKMARKS),
	KEY(AC_NEW, NEW),
	KEY(AC_OPEN, OPEN),
	KEY(AC_CLOSE, CLOSE),
	KEY(AC_SAVE, SAVE),
	KEY(AC_PROPERTIES, PROPS),
	KEY(AC_PRINT, PRINT),
};

/* Two scancodes, one key: see keys.c. */
static const SDL_Scancode twins[][2] = {
	{SDL_SCANCODE_BACKSLASH, SDL_SCANCODE_NONUSHASH},
	{SDL_SCANCODE_PRINTSCREEN, SDL_SCANCODE_SYSREQ},
	{SDL_SCANCODE_EXECUTE, SDL_SCANCODE_AC_OPEN},
	{SDL_SCANCODE_STOP, SDL_SCANCODE_AC_STOP},
};

static void check(const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t qnum = keys_qnum(pairs[i].scancode);
		if (input_key_of_qnum(qnum) != pairs[i].key) {
			fail_msg("%s: number 0x%02x, key %u; not %u",
				 SDL_GetScancodeName(pairs[i].scancode), qnum,
				 input_key_of_qnum(qnum), pairs[i].key);
		}
	}
}

static void test_board(void **state)
{
	assert_int_equal(SDL_arraysize(board), 105);
	for (size_t i = 0; i < SDL_arraysize(board); i++) {
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(board[i].key, board[j].key);
		}
	}
	check(board, SDL_arraysize(board));
}

static void test_others(void **state)
{
	check(others, SDL_arraysize(others));
}

static bool are_twins(int a, int b)
{
	for (size_t i = 0; i < SDL_arraysize(twins); i++) {
		if ((int)twins[i][0] == a && (int)twins[i][1] == b) {
			return true;
		}
	}
	return false;
}

static void test_no_duplicates(void **state)
{
	int found = 0;
	for (int a = 0; a < SDL_SCANCODE_COUNT; a++) {
		for (int b = a + 1; b < SDL_SCANCODE_COUNT; b++) {
			uint8_t qnum = keys_qnum((SDL_Scancode)a);
			if (qnum != KEYS_NONE && qnum == keys_qnum((SDL_Scancode)b)) {
				assert_true(are_twins(a, b));
				found++;
			}
		}
	}
	assert_int_equal(found, SDL_arraysize(twins));
}

/* hesperd knows every number that the viewer sends. */
static void test_all_arrive(void **state)
{
	int keys = 0;
	for (int i = 0; i < SDL_SCANCODE_COUNT; i++) {
		uint8_t qnum = keys_qnum((SDL_Scancode)i);
		if (qnum != KEYS_NONE) {
			assert_int_not_equal(input_key_of_qnum(qnum), KEY_RESERVED);
			keys++;
		}
	}
	assert_int_equal(keys, 178);
}

static void test_no_key(void **state)
{
	assert_int_equal(keys_qnum(SDL_SCANCODE_UNKNOWN), KEYS_NONE);
	assert_int_equal(keys_qnum(SDL_SCANCODE_COUNT), KEYS_NONE);
	assert_int_equal(keys_qnum((SDL_Scancode)-1), KEYS_NONE);
	assert_int_equal(keys_qnum(SDL_SCANCODE_CALL), KEYS_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_board),         cmocka_unit_test(test_others),
		cmocka_unit_test(test_no_duplicates), cmocka_unit_test(test_all_arrive),
		cmocka_unit_test(test_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
