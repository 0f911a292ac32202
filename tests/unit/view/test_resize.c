/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/clock.h"
#include "view/monitor.h"
#include "view/resize.h"

/* A clock that runs in steps of 1 ms, and what the guest was told by it. */
struct rig {
	struct resize resize;
	uint64_t now_ns;
	unsigned told;
	struct display_monitor last;
	uint64_t last_ns;
};

static const struct monitor_density unknown;

static void start(struct rig *rig)
{
	*rig = (struct rig){.now_ns = 1000 * CLOCK_NS_PER_S};
	resize_init(&rig->resize, rig->now_ns);
}

static struct display_monitor of(uint32_t width, uint32_t height)
{
	return monitor_make(width, height, unknown, 1, 60000);
}

static void run_ms(struct rig *rig, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		bool due = resize_due_ns(&rig->resize) <= rig->now_ns;
		struct display_monitor out;
		assert_int_equal(due, resize_take(&rig->resize, rig->now_ns, &out));
		if (due) {
			rig->told++;
			rig->last = out;
			rig->last_ns = rig->now_ns;
		}
		rig->now_ns += CLOCK_NS_PER_MS;
	}
}

static void want(struct rig *rig, uint32_t width, uint32_t height)
{
	struct display_monitor monitor = of(width, height);
	resize_want(&rig->resize, &monitor, rig->now_ns);
}

static uint32_t next_random(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*state >> 33) % below;
}

static void assert_told(const struct rig *rig, uint32_t width, uint32_t height)
{
	assert_int_equal(rig->last.width, width);
	assert_int_equal(rig->last.height, height);
}

static void test_one_change_is_told_soon(void **state)
{
	struct rig rig;
	start(&rig);
	uint64_t from = rig.now_ns;
	want(&rig, 1280, 800);
	run_ms(&rig, 5000);
	assert_int_equal(rig.told, 1);
	assert_told(&rig, 1280, 800);
	assert_int_equal(rig.last.refresh_mhz, 60000);
	assert_true(rig.last_ns - from <= 150 * CLOCK_NS_PER_MS);
	/* The same again is nothing new. */
	want(&rig, 1280, 800);
	run_ms(&rig, 5000);
	assert_int_equal(rig.told, 1);
}

/* 60 changes a second, as a hand makes them: few on the way, the last one soon. */
static void test_a_drag(void **state)
{
	for (unsigned ms = 100; ms <= 6000; ms += 700) {
		struct rig rig;
		start(&rig);
		uint32_t width = 640;
		for (unsigned at = 0; at < ms; at += 16) {
			want(&rig, ++width, 480);
			run_ms(&rig, 16);
		}
		uint64_t end = rig.now_ns - 16 * CLOCK_NS_PER_MS;
		unsigned on_the_way = rig.told;
		assert_true(on_the_way <= ms / 1000 + 1);
		run_ms(&rig, 3000);
		assert_told(&rig, width, 480);
		assert_true(rig.told <= on_the_way + 1);
		/* The guest has the rest of the 300 ms. */
		assert_true(rig.last_ns - end <= 150 * CLOCK_NS_PER_MS);
	}
}

/* 50 sizes at random times in 10 s, however they fall: 15 at most, and the last one wins. */
static void test_a_storm(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct rig rig;
		uint64_t random = seed;
		uint32_t width = 0;
		uint32_t height = 0;
		start(&rig);
		uint64_t begin = rig.now_ns;
		for (int i = 0; i < 50; i++) {
			width = 200 + next_random(&random, 2000);
			height = 200 + next_random(&random, 1500);
			want(&rig, width, height);
			/* Even steps, random ones, or bursts and pauses. */
			run_ms(&rig, seed % 3 == 0   ? 200
				     : seed % 3 == 1 ? 1 + next_random(&random, 400)
				     : i % 5 == 4    ? 800
						     : 50);
		}
		run_ms(&rig, 3000);
		assert_told(&rig, width, height);
		assert_true(rig.told >= 3);
		assert_true(rig.told <= RESIZE_BURST + 1 + (rig.now_ns - begin) / RESIZE_REFILL_NS);
		assert_true(rig.told <= 15);
	}
}

/* Steps that are even are seen as one drag: also its end is told soon. */
static void test_even_steps_end_soon(void **state)
{
	struct rig rig;
	start(&rig);
	for (uint32_t i = 0; i < 50; i++) {
		want(&rig, 500 + i, 500);
		run_ms(&rig, 200);
	}
	uint64_t end = rig.now_ns - 200 * CLOCK_NS_PER_MS;
	run_ms(&rig, 3000);
	assert_told(&rig, 549, 500);
	assert_true(rig.last_ns - end <= 260 * CLOCK_NS_PER_MS);
}

static void test_there_and_back(void **state)
{
	struct rig rig;
	start(&rig);
	want(&rig, 800, 600);
	run_ms(&rig, 1000);
	assert_int_equal(rig.told, 1);
	want(&rig, 900, 600);
	run_ms(&rig, 20);
	want(&rig, 800, 600);
	run_ms(&rig, 3000);
	assert_int_equal(rig.told, 1);
}

/* Another host monitor: the same pixels, but other millimetres and another rate. */
static void test_another_monitor(void **state)
{
	struct rig rig;
	start(&rig);
	want(&rig, 800, 600);
	run_ms(&rig, 1000);
	struct display_monitor dense = monitor_make(800, 600, unknown, 2, 144000);
	resize_want(&rig.resize, &dense, rig.now_ns);
	run_ms(&rig, 1000);
	assert_int_equal(rig.told, 2);
	assert_int_equal(rig.last.refresh_mhz, 144000);
	assert_int_equal(rig.last.width_mm, 106);
}

static void test_who_chose_the_size(void **state)
{
	struct rig rig;
	start(&rig);
	struct display_monitor first = of(640, 480);
	resize_accept(&rig.resize, &first);
	assert_false(resize_guest(&rig.resize, 640, 480, rig.now_ns));
	/* Of its own. */
	assert_true(resize_guest(&rig.resize, 1024, 768, rig.now_ns));
	struct display_monitor own = of(1024, 768);
	resize_accept(&rig.resize, &own);
	/* The window has followed: an echo is not told. */
	want(&rig, 1024, 768);
	run_ms(&rig, 1000);
	assert_int_equal(rig.told, 0);
	/* As told; and what it shows on the way there is not its choice. */
	want(&rig, 1300, 900);
	assert_false(resize_guest(&rig.resize, 1024, 768, rig.now_ns));
	run_ms(&rig, 300);
	assert_int_equal(rig.told, 1);
	assert_false(resize_guest(&rig.resize, 800, 600, rig.now_ns));
	assert_false(resize_guest(&rig.resize, 1300, 900, rig.now_ns));
	/* Arrived; from here on it is. */
	assert_true(resize_guest(&rig.resize, 800, 600, rig.now_ns));
}

/* A guest that does not follow may change its size later on. */
static void test_a_guest_that_did_not_follow(void **state)
{
	struct rig rig;
	start(&rig);
	want(&rig, 1300, 900);
	run_ms(&rig, 300);
	assert_false(resize_guest(&rig.resize, 800, 600, rig.now_ns));
	run_ms(&rig, (unsigned)(RESIZE_FLIGHT_NS / CLOCK_NS_PER_MS));
	assert_true(resize_guest(&rig.resize, 640, 400, rig.now_ns));
}

static void test_monitor_keeps_the_dpi(void **state)
{
	/* 96 dpi: 25.4 mm are 96 pixels. */
	struct display_monitor monitor = monitor_make(1920, 1080, unknown, 1, 59940);
	assert_int_equal(monitor.width_mm, 508);
	assert_int_equal(monitor.height_mm, 286);
	assert_int_equal(monitor.refresh_mhz, 59940);
	monitor = monitor_make(3840, 2160, unknown, 2, 0);
	assert_int_equal(monitor.width_mm, 508);
	monitor = monitor_make(1200, 800, unknown, 1.25f, 0);
	assert_int_equal(monitor.width_mm, 254);
	/* An unknown scale is the usual one, and nothing is 0 mm wide. */
	assert_int_equal(monitor_make(1920, 1080, unknown, 0, 0).width_mm, 508);
	assert_int_equal(monitor_make(1, 1, unknown, 4, 0).width_mm, 1);
}

static void test_millimetres_of_the_host(void **state)
{
	/* 27 inches of 3840x2160; a desktop's scale says nothing new. */
	struct monitor_density density = monitor_density_of(3840, 2160, 597, 336);
	struct display_monitor monitor = monitor_make(1920, 1080, density, 2, 0);
	assert_int_equal(monitor.width_mm, 299);
	assert_int_equal(monitor.height_mm, 168);
	/* Nobody measured; an aspect ratio in place of a size (EDID allows it); a postage stamp. */
	assert_true(monitor_density_of(1920, 1080, 0, 0).x == 0);
	assert_true(monitor_density_of(1920, 1080, 1600, 0).x == 0);
	assert_true(monitor_density_of(1920, 1080, 16, 9).x == 0);
	assert_true(monitor_density_of(1920, 1080, 5000, 2800).x == 0);
	assert_true(monitor_density_of(1920, 1080, 509, 120).x == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_change_is_told_soon),
		cmocka_unit_test(test_a_drag),
		cmocka_unit_test(test_a_storm),
		cmocka_unit_test(test_even_steps_end_soon),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_another_monitor),
		cmocka_unit_test(test_who_chose_the_size),
		cmocka_unit_test(test_a_guest_that_did_not_follow),
		cmocka_unit_test(test_monitor_keeps_the_dpi),
		cmocka_unit_test(test_millimetres_of_the_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
