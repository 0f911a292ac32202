/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/clock.h"
#include "view/console.h"

/* A console between a server and a display that are both the test's: its clock, too. */

struct view_update {
	unsigned answers;
};

struct fake_screen {
	struct screen base;
	bool busy;
	unsigned shown;
	unsigned blanked;
	uint64_t timeout_ns; /* of the last call */
	uint32_t width; /* of the last picture */
};

static uint64_t now_ns;
static uint32_t listening;
static struct fake_screen screens[2];
static struct source_cache sources;
static struct source source;

uint64_t clock_now_ns(void)
{
	return now_ns;
}

void view_bus_answer(struct view_bus *bus, struct view_update *update)
{
	if (update != NULL) {
		update->answers++;
	}
}

void view_bus_listen(struct view_bus *bus, unsigned console, bool on)
{
	listening = on ? listening | 1u << console : listening & ~(1u << console);
}

struct source *source_cache_get(struct source_cache *cache, const struct frame *frame)
{
	assert_non_null(frame->memory);
	return &source;
}

bool source_refresh(struct source *refreshed, const struct frame *frame)
{
	return true;
}

/* A display that is busy takes all the time that it is given. */
static enum screen_result take(struct fake_screen *screen, uint64_t timeout_ns)
{
	screen->timeout_ns = timeout_ns;
	now_ns += screen->busy ? timeout_ns : 0;
	return screen->busy ? SCREEN_BUSY : SCREEN_SHOWN;
}

static enum screen_result show(struct screen *base, struct source *shown, const struct frame *frame,
			       uint64_t timeout_ns)
{
	struct fake_screen *screen = container_of(base, struct fake_screen, base);
	enum screen_result result = take(screen, timeout_ns);
	screen->shown += result == SCREEN_SHOWN;
	screen->width = result == SCREEN_SHOWN ? frame->width : screen->width;
	return result;
}

static enum screen_result blank(struct screen *base, uint64_t timeout_ns)
{
	struct fake_screen *screen = container_of(base, struct fake_screen, base);
	enum screen_result result = take(screen, timeout_ns);
	screen->blanked += result == SCREEN_SHOWN;
	return result;
}

static void destroy(struct screen *base)
{
	container_of(base, struct fake_screen, base)->base.ops = NULL;
}

static const struct screen_ops screen_ops = {.show = show, .blank = blank, .destroy = destroy};

static struct screen *open_screen(struct presenter *presenter, unsigned console,
				  const struct view_console_info *info)
{
	screens[console] = (struct fake_screen){.base = {&screen_ops, console}};
	return &screens[console].base;
}

static const struct presenter_ops presenter_ops = {.open = open_screen};
static struct presenter presenter = {&presenter_ops};

static struct console_shared shared;
static struct console consoles[2];
static struct view_update updates[1000];
static unsigned next_update;
static struct memory *memory;

static int setup(void **state)
{
	now_ns = 1000 * CLOCK_NS_PER_S;
	next_update = 0;
	memory = memory_create_shm("test-console", 4096);
	shared = (struct console_shared){.presenter = &presenter, .sources = &sources};
	for (unsigned i = 0; i < 2; i++) {
		consoles[i] = (struct console){.shared = &shared, .id = i};
		assert_true(console_open(&consoles[i]));
	}
	for (unsigned i = 0; i < 1000; i++) {
		updates[i].answers = 0;
	}
	return memory == NULL ? -1 : 0;
}

/* Each update is answered exactly once, whatever became of its picture. */
static int finish(void **state)
{
	console_close(&consoles[0]);
	console_close(&consoles[1]);
	for (unsigned i = 0; i < next_update; i++) {
		assert_int_equal(updates[i].answers, 1);
	}
	assert_int_equal(listening, 0);
	memory_unref(memory);
	return 0;
}

static struct view_update *picture(unsigned console, uint32_t width)
{
	struct view_update *update = &updates[next_update++];
	struct view_console_event event = {.has_update = true,
					   .frame = {.memory = memory, .width = width, .height = 8},
					   .update = update,
					   .arrived_ns = now_ns};
	memory_ref(memory);
	console_event(&consoles[console], &event);
	return update;
}

static enum console_drawn draw(unsigned console)
{
	uint64_t arrived;
	return console_draw(&consoles[console], CLOCK_NS_PER_MS, &arrived);
}

static void test_shown_and_answered(void **state)
{
	struct view_update *update = picture(0, 16);
	assert_int_equal(update->answers, 0);
	assert_int_equal(draw(0), CONSOLE_PRESENTED);
	assert_int_equal(update->answers, 1);
	assert_int_equal(screens[0].width, 16);
	assert_int_equal(draw(0), CONSOLE_NOTHING);
	assert_int_equal(console_due_ns(&consoles[0]), UINT64_MAX);
}

static void test_only_the_newest(void **state)
{
	struct view_update *first = picture(0, 16);
	struct view_update *second = picture(0, 32);
	assert_int_equal(first->answers, 1);
	assert_int_equal(second->answers, 0);
	assert_int_equal(draw(0), CONSOLE_PRESENTED);
	assert_int_equal(screens[0].shown, 1);
	assert_int_equal(screens[0].width, 32);
	assert_int_equal(shared.dropped, 1);
}

static void test_a_busy_display_is_given_time(void **state)
{
	screens[0].busy = true;
	struct view_update *update = picture(0, 16);
	uint64_t began = now_ns;
	while (now_ns - began < CONSOLE_PATIENCE_NS / 2) {
		assert_int_equal(draw(0), CONSOLE_NOTHING);
		assert_int_equal(update->answers, 0);
		now_ns = console_due_ns(&consoles[0]);
	}
	screens[0].busy = false;
	assert_int_equal(draw(0), CONSOLE_PRESENTED);
	assert_int_equal(update->answers, 1);
	assert_int_equal(shared.dropped, 0);
}

/* A display that takes nothing costs the others next to nothing, and the guest a bounded time. */
static void test_a_stalled_display_stalls_no_other(void **state)
{
	screens[0].busy = true;
	uint64_t lost = 0;
	for (unsigned i = 0; i < 200; i++) {
		struct view_update *stuck = picture(0, 16);
		struct view_update *other = picture(1, 24);
		uint64_t before = now_ns;
		draw(0);
		lost += now_ns - before;
		assert_int_equal(draw(1), CONSOLE_PRESENTED);
		assert_int_equal(other->answers, 1);
		now_ns += 16 * CLOCK_NS_PER_MS;
		if (i > 10) {
			assert_int_equal(screens[0].timeout_ns, 0);
			/* Of its pictures none waits longer than until the next one. */
			assert_true(stuck->answers <= 1 && updates[next_update - 4].answers == 1);
		}
	}
	assert_int_equal(screens[1].shown, 200);
	/* Of 3.2 s. */
	assert_true(lost <= 10 * CLOCK_NS_PER_MS);
	/* No more pictures come: also the last one is answered. */
	for (int i = 0; i < 4; i++) {
		now_ns += CONSOLE_PATIENCE_NS;
		draw(0);
	}
	assert_int_equal(updates[next_update - 2].answers, 1);
	/* It takes pictures again: what was left out last is drawn. */
	screens[0].busy = false;
	now_ns += CONSOLE_PATIENCE_NS;
	assert_int_equal(draw(0), CONSOLE_REDRAWN);
	assert_int_equal(screens[0].width, 16);
	picture(0, 40);
	assert_int_equal(draw(0), CONSOLE_PRESENTED);
}

static void test_disabled_is_blank(void **state)
{
	struct view_console_event off = {.disabled = true};
	picture(0, 16);
	draw(0);
	struct view_update *waiting = picture(0, 32);
	console_event(&consoles[0], &off);
	assert_int_equal(waiting->answers, 1);
	assert_int_equal(draw(0), CONSOLE_REDRAWN);
	assert_int_equal(screens[0].blanked, 1);
	assert_int_equal(screens[0].shown, 1);
}

static void test_closed_while_a_picture_waits(void **state)
{
	assert_int_equal(listening, 3);
	struct view_update *waiting = picture(0, 16);
	console_close(&consoles[0]);
	assert_int_equal(listening, 2);
	assert_int_equal(waiting->answers, 1);
	/* One was on its way. */
	struct view_update *late = picture(0, 16);
	console_drop_unseen(&consoles[0]);
	assert_int_equal(late->answers, 1);
	assert_null(consoles[0].shown.memory);
	assert_int_equal(draw(0), CONSOLE_NOTHING);
	/* It may open again. */
	assert_true(console_open(&consoles[0]));
	picture(0, 16);
	assert_int_equal(draw(0), CONSOLE_PRESENTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shown_and_answered, setup, finish),
		cmocka_unit_test_setup_teardown(test_only_the_newest, setup, finish),
		cmocka_unit_test_setup_teardown(test_a_busy_display_is_given_time, setup, finish),
		cmocka_unit_test_setup_teardown(test_a_stalled_display_stalls_no_other, setup,
						finish),
		cmocka_unit_test_setup_teardown(test_disabled_is_blank, setup, finish),
		cmocka_unit_test_setup_teardown(test_closed_while_a_picture_waits, setup, finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
