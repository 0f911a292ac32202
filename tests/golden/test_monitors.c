/* SPDX-License-Identifier: MIT */
/*
 * Monitors that come, go and change, between a viewer that asks for it and a guest that is told:
 * what the events are, how many, and what is on the screen meanwhile.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "colours.h"
#include "daemon.h"
#include "looker.h"
#include "util/clock.h"
#include "util/fd.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA

static struct {
	struct daemon daemon;
	struct looker looker;
} fx;

#define until(condition) looker_until(&fx.looker, &fx.daemon, condition)

static void for_ms(unsigned ms)
{
	looker_watch(&fx.looker, &fx.daemon, ms);
}

static int setup(void **state)
{
	memset(&fx, 0, sizeof(fx));
	daemon_open(&fx.daemon, 2);
	looker_open(&fx.looker, &fx.daemon);
	return 0;
}

static int teardown(void **state)
{
	looker_close(&fx.looker);
	daemon_close(&fx.daemon);
	return 0;
}

static void ask(unsigned head, uint32_t width, uint32_t height)
{
	const struct display_monitor monitor = {.width = width, .height = height};
	display_client_set_monitor(fx.looker.client, head, &monitor);
}

static void get_display_info(struct virtio_gpu_resp_display_info *info)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	assert_int_equal(daemon_command(&fx.daemon, &request, sizeof(request), info, sizeof(*info)),
			 VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

static uint32_t edid_bytes(uint32_t head)
{
	const struct virtio_gpu_cmd_get_edid request = {.hdr.type = VIRTIO_GPU_CMD_GET_EDID,
							.scanout = head};
	struct virtio_gpu_resp_edid response;
	assert_int_equal(
		daemon_command(&fx.daemon, &request, sizeof(request), &response, sizeof(response)),
		VIRTIO_GPU_RESP_OK_EDID);
	return response.size;
}

static uint32_t events(void)
{
	struct virtio_gpu_config config;
	wire_get_config(&fx.daemon.front, 0, &config, sizeof(config));
	return config.events_read;
}

static void clear_event(void)
{
	const struct virtio_gpu_config config = {.events_clear = VIRTIO_GPU_EVENT_DISPLAY};
	wire_set_config(&fx.daemon.front, 0, &config, sizeof(config));
}

static void test_a_change_is_told_once(void **state)
{
	struct virtio_gpu_resp_display_info info;
	ask(0, 800, 600);
	until(fx.daemon.front.config_changes == 1);
	assert_int_equal(events(), VIRTIO_GPU_EVENT_DISPLAY);
	get_display_info(&info);
	assert_int_equal(info.pmodes[0].r.width, 800);
	assert_int_equal(info.pmodes[0].r.height, 600);
	assert_int_equal(info.pmodes[1].r.x, 800);
	clear_event();
	until(events() == 0);
	/* The same once more is no change. */
	ask(0, 800, 600);
	for_ms(250);
	assert_int_equal(fx.daemon.front.config_changes, 1);
	assert_int_equal(daemon_counter(&fx.daemon, "hot_plug_events"), 1);
}

static void test_no_change_is_lost_and_none_storms(void **state)
{
	struct virtio_gpu_resp_display_info info;
	ask(0, 800, 600);
	until(fx.daemon.front.config_changes == 1);
	/* The guest has read head 0 and not cleared yet: what comes now it would miss. */
	get_display_info(&info);
	for (uint32_t i = 1; i <= 40; i++) {
		ask(0, 800 + i, 600);
	}
	ask(1, 640, 480);
	for_ms(250);
	assert_int_equal(fx.daemon.front.config_changes, 1);
	clear_event();
	until(fx.daemon.front.config_changes == 2);
	assert_int_equal(events(), VIRTIO_GPU_EVENT_DISPLAY);
	get_display_info(&info);
	assert_int_equal(info.pmodes[0].r.width, 840);
	assert_int_equal(info.pmodes[1].r.width, 640);
	clear_event();
	for_ms(250);
	assert_int_equal(events(), 0);
	assert_int_equal(fx.daemon.front.config_changes, 2);
}

/* A guest that answers at once does not make it a storm either. */
static void test_events_keep_a_distance(void **state)
{
	uint64_t start = clock_now_ns();
	for (uint32_t i = 0; i < 100; i++) {
		ask(0, 700 + i, 600);
		for_ms(5);
		if (events() != 0) {
			clear_event();
		}
	}
	uint64_t tenths = (clock_now_ns() - start) / (100 * CLOCK_NS_PER_MS);
	unsigned told = fx.daemon.front.config_changes;
	assert_true(told >= 2);
	assert_true(told <= tenths + 1);
	struct virtio_gpu_resp_display_info info;
	for_ms(150);
	get_display_info(&info);
	assert_int_equal(info.pmodes[0].r.width, 799);
}

static void show(uint32_t id)
{
	const uint64_t gpa = WIRE_RAM_GPA + (32ull << 20);
	assert_int_equal(daemon_create_2d(&fx.daemon, id, 2, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_attach(&fx.daemon, id, gpa, WIDTH * HEIGHT * 4), OK);
	assert_int_equal(daemon_set_scanout(&fx.daemon, 0, id, 0, 0, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_flush(&fx.daemon, id, WIDTH, HEIGHT), OK);
}

static void test_a_head_without_a_monitor_is_dark(void **state)
{
	struct virtio_gpu_resp_display_info info;
	show(1);
	until(fx.looker.updates == 1 && fx.looker.scanouts == 1);
	assert_true(fx.looker.enabled);
	assert_int_equal(edid_bytes(0), 128);
	ask(0, 0, 0);
	until(fx.looker.disables == 1 && !fx.looker.enabled);
	until(fx.daemon.front.config_changes == 1);
	get_display_info(&info);
	assert_int_equal(info.pmodes[0].enabled, 0);
	assert_int_equal(info.pmodes[0].r.width, 0);
	assert_int_equal(info.pmodes[1].enabled, 1);
	assert_int_equal(info.pmodes[1].r.x, 0);
	assert_int_equal(edid_bytes(0), 0);
	assert_int_equal(edid_bytes(1), 128);
	clear_event();
	/* A guest that goes on drawing is answered, and not shown. */
	assert_int_equal(daemon_flush(&fx.daemon, 1, WIDTH, HEIGHT), OK);
	assert_int_equal(daemon_set_scanout(&fx.daemon, 0, 1, 4, 4, 40, 32), OK);
	assert_int_equal(daemon_flush(&fx.daemon, 1, WIDTH, HEIGHT), OK);
	for_ms(150);
	assert_int_equal(fx.looker.updates, 1);
	assert_int_equal(fx.looker.scanouts, 1);
	/* With the monitor, what it shows comes back, whether the guest draws again or not. */
	ask(0, 640, 480);
	until(fx.looker.enabled && fx.looker.scanouts == 2 && fx.looker.updates == 2);
	assert_int_equal(fx.looker.width, 40);
	assert_int_equal(fx.looker.updated.width, 40);
	assert_int_equal(fx.looker.updated.height, 32);
	get_display_info(&info);
	assert_int_equal(info.pmodes[0].enabled, 1);
	assert_int_equal(info.pmodes[1].r.x, 640);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_change_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_change_is_lost_and_none_storms, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_events_keep_a_distance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_head_without_a_monitor_is_dark, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
