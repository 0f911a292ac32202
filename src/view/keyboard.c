/* SPDX-License-Identifier: MIT */
#include "view/keyboard.h"

#include "view/keys.h"

/*
 * THEORY OF OPERATION
 *
 * `held` is what the person does, `sent` what the guest was told. They differ after a hot-key and
 * after the grab was released: the guest saw Ctrl and Alt go up while fingers are still on them.
 * Before the next key goes down, modifiers that are held and not sent are sent.
 *
 * Locks are states, not keys: they change while another window has the focus, and each side has
 * its own. When the host's state is another than the guest's LED says, the key is pressed and
 * released for the guest, at focus and before a key. Three things keep that from becoming a
 * fight. A guest that does not change its LED after it was asked to (it uses the key for something
 * else) is not asked again until it does. A lock whose key the person has pressed since the focus
 * is left alone until the next focus: the LED's change is still on its way, or the host uses the
 * key for something else. And the state of Scroll Lock counts only once it has been seen on: most
 * X servers have none.
 */

static const SDL_Scancode modifiers[] = {
	SDL_SCANCODE_LCTRL, SDL_SCANCODE_LSHIFT, SDL_SCANCODE_LALT, SDL_SCANCODE_LGUI,
	SDL_SCANCODE_RCTRL, SDL_SCANCODE_RSHIFT, SDL_SCANCODE_RALT, SDL_SCANCODE_RGUI,
};

static const struct lock {
	SDL_Scancode scancode;
	SDL_Keymod mod;
	uint32_t led;
} locks[] = {
	{SDL_SCANCODE_CAPSLOCK, SDL_KMOD_CAPS, DISPLAY_LED_CAPS},
	{SDL_SCANCODE_NUMLOCKCLEAR, SDL_KMOD_NUM, DISPLAY_LED_NUM},
	{SDL_SCANCODE_SCROLLLOCK, SDL_KMOD_SCROLL, DISPLAY_LED_SCROLL},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void keyboard_init(struct keyboard *keyboard, const struct sink *sink)
{
	*keyboard = (struct keyboard){.sink = *sink};
}

static void send(const struct keyboard *keyboard, SDL_Scancode scancode, bool down)
{
	const struct display_input input = {.kind = DISPLAY_KEY,
					    .key = {.qnum = keys_qnum(scancode), .down = down}};
	if (input.key.qnum != KEYS_NONE) {
		sink_send(&keyboard->sink, keyboard->console, &input);
	}
}

static void press(struct keyboard *keyboard, SDL_Scancode scancode)
{
	keyboard->sent[scancode] = true;
	send(keyboard, scancode, true);
}

static void release(struct keyboard *keyboard, SDL_Scancode scancode)
{
	if (keyboard->sent[scancode]) {
		keyboard->sent[scancode] = false;
		send(keyboard, scancode, false);
	}
}

static bool is_modifier(SDL_Scancode scancode)
{
	for (size_t i = 0; i < COUNT(modifiers); i++) {
		if (modifiers[i] == scancode) {
			return true;
		}
	}
	return false;
}

/* What is held before a key that is not a modifier goes down. */
static void press_modifiers(struct keyboard *keyboard)
{
	for (size_t i = 0; i < COUNT(modifiers); i++) {
		SDL_Scancode scancode = modifiers[i];
		if (keyboard->held[scancode] && !keyboard->sent[scancode]) {
			press(keyboard, scancode);
		}
	}
}

static uint32_t lock_of(SDL_Scancode scancode)
{
	for (size_t i = 0; i < COUNT(locks); i++) {
		if (locks[i].scancode == scancode) {
			return locks[i].led;
		}
	}
	return 0;
}

static void match_locks(struct keyboard *keyboard, SDL_Keymod mod)
{
	keyboard->scroll_seen |= (mod & SDL_KMOD_SCROLL) != 0;
	uint32_t left_alone = keyboard->awaited | keyboard->by_hand |
			      (keyboard->scroll_seen ? 0 : DISPLAY_LED_SCROLL);
	for (size_t i = 0; i < COUNT(locks) && keyboard->leds_known; i++) {
		const struct lock *lock = &locks[i];
		bool host = (mod & lock->mod) != 0;
		bool guest = (keyboard->leds & lock->led) != 0;
		if (host != guest && (left_alone & lock->led) == 0) {
			send(keyboard, lock->scancode, true);
			send(keyboard, lock->scancode, false);
			keyboard->awaited |= lock->led;
		}
	}
}

void keyboard_focus(struct keyboard *keyboard, unsigned console, SDL_Keymod mod)
{
	if (keyboard->focused) {
		keyboard_unfocus(keyboard);
	}
	keyboard->focused = true;
	keyboard->console = console;
	keyboard->by_hand = 0;
	match_locks(keyboard, mod);
}

void keyboard_unfocus(struct keyboard *keyboard)
{
	keyboard_release(keyboard);
	SDL_zeroa(keyboard->held);
	keyboard->focused = false;
}

void keyboard_key(struct keyboard *keyboard, SDL_Scancode scancode, bool down, SDL_Keymod mod)
{
	if (!keyboard->focused || keys_qnum(scancode) == KEYS_NONE ||
	    keyboard->held[scancode] == down) {
		return;
	}
	keyboard->held[scancode] = down;
	if (!down) {
		release(keyboard, scancode);
		return;
	}
	uint32_t lock = lock_of(scancode);
	keyboard->by_hand |= lock;
	if (lock == 0 && !is_modifier(scancode)) {
		match_locks(keyboard, mod);
		press_modifiers(keyboard);
	}
	press(keyboard, scancode);
}

void keyboard_release(struct keyboard *keyboard)
{
	/* Other keys before modifiers: a modifier that goes up alone means something to some. */
	for (int i = 0; i < SDL_SCANCODE_COUNT; i++) {
		if (!is_modifier((SDL_Scancode)i)) {
			release(keyboard, (SDL_Scancode)i);
		}
	}
	for (size_t i = 0; i < COUNT(modifiers); i++) {
		release(keyboard, modifiers[i]);
	}
}

void keyboard_swallow(struct keyboard *keyboard, SDL_Scancode scancode)
{
	keyboard_release(keyboard);
	if ((unsigned)scancode < SDL_SCANCODE_COUNT) {
		keyboard->held[scancode] = true;
	}
}

void keyboard_leds(struct keyboard *keyboard, uint32_t leds)
{
	/* A change answers what was asked for; the first word only tells how things are. */
	keyboard->awaited &= ~(keyboard->leds_known ? keyboard->leds ^ leds : 0);
	keyboard->leds = leds;
	keyboard->leds_known = true;
}
