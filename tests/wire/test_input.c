/* SPDX-License-Identifier: MIT */
#include "input_rig.h"

#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "input/config.h"
#include "session.h"
#include "util/log.h"
#include "vhost/ring.h"

/* The input devices as QEMU and a guest's driver see them: config, events, status, and rubbish. */

/* Config. */

static void stick(struct rig *rig, void *data)
{
	char byte;
	if (read(*(int *)data, &byte, 1) < 0) {
		perror("read");
	}
}

/* As QEMU 11.1 does it: all of the config goes out, stale but for one byte, and comes back. */
static uint8_t read_byte(struct rig *rig, uint8_t *config, size_t at)
{
	wire_get_config(&rig->front, 0, config, INPUT_CONFIG_BYTES);
	return config[at];
}

static void write_byte(struct rig *rig, uint8_t *config, size_t at, uint8_t value)
{
	config[at] = value;
	wire_set_config(&rig->front, 0, config, INPUT_CONFIG_BYTES);
}

static void test_probe(void **state)
{
	struct rig *rig = *state;
	uint8_t config[INPUT_CONFIG_BYTES] = {0};
	static const char name[] = "hesper keyboard";
	/* The device thread has other things to do meanwhile; the machine does not wait for it. */
	int pipe_fds[2];
	assert_int_equal(pipe(pipe_fds), 0);
	rig_post(rig, stick, &pipe_fds[0]);
	for (unsigned round = 0; round < 50; round++) {
		write_byte(rig, config, 0, VIRTIO_INPUT_CFG_ID_NAME);
		write_byte(rig, config, 1, 0);
		assert_int_equal(read_byte(rig, config, 2), strlen(name));
		for (size_t i = 0; i < strlen(name); i++) {
			assert_int_equal(read_byte(rig, config, 8 + i), name[i]);
		}
		write_byte(rig, config, 0, VIRTIO_INPUT_CFG_EV_BITS);
		write_byte(rig, config, 1, EV_LED);
		assert_int_equal(read_byte(rig, config, 2), 1);
		assert_int_equal(read_byte(rig, config, 8), 7);
		write_byte(rig, config, 1, EV_ABS);
		assert_int_equal(read_byte(rig, config, 2), 0);
		assert_int_equal(read_byte(rig, config, 8), 0);
	}
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	rig_settle(rig);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* Every pair of selectors, and writes to where nothing can be written. */
static void test_config_junk(void **state)
{
	struct rig *rig = *state;
	uint8_t config[INPUT_CONFIG_BYTES] = {0};
	uint8_t expected[INPUT_CONFIG_BYTES];
	for (unsigned pair = 0; pair < 65536; pair += 7) {
		memset(config, (int)pair, sizeof(config));
		config[0] = (uint8_t)pair;
		config[1] = (uint8_t)(pair >> 8);
		wire_set_config(&rig->front, 0, config, sizeof(config));
		wire_get_config(&rig->front, 0, config, sizeof(config));
		input_config_fill(INPUT_TOUCH, (uint8_t)pair, (uint8_t)(pair >> 8), expected);
		assert_memory_equal(config, expected, sizeof(config));
	}
	memset(config, 0xff, sizeof(config));
	wire_set_config(&rig->front, 100, config, 100);
	wire_set_config(&rig->front, 2, config, sizeof(config) - 2);
	wire_set_config(&rig->front, 0, config, 0);
	wire_get_config(&rig->front, 0, config, sizeof(config));
	assert_memory_equal(config, expected, sizeof(config));
	/* Beyond any config: refused. */
	struct vhost_user_config bad = {.offset = 255, .size = 2};
	assert_int_equal(wire_acked(&rig->front, VHOST_USER_SET_CONFIG, &bad,
				    VHOST_USER_CONFIG_HEADER + 2, NULL, 0),
			 1);
}

static void test_offers(void **state)
{
	struct rig *rig = *state;
	uint64_t features = RIG_FEATURES | 1ull << 30;
	assert_true(wire_get_u64(&rig->front, VHOST_USER_GET_FEATURES) == features);
	/* Neither memory slots (protocols Q3, Q5) nor windows. */
	assert_true(wire_get_u64(&rig->front, VHOST_USER_GET_PROTOCOL_FEATURES) == 0x629);
	assert_int_equal(wire_get_u64(&rig->front, VHOST_USER_GET_QUEUE_NUM), 2);
}

/* Events. */

static void test_key(void **state)
{
	struct rig *rig = *state;
	/* Without a driver nobody hears it. */
	rig_key(rig, KEY_A, true);
	rig_start(rig, RIG_BUFFERS);
	rig_expect(rig, "");
	rig_key(rig, KEY_A, true);
	assert_int_equal(rig_interrupts(rig), 1);
	rig_expect(rig, "1.30=1");
	rig_key(rig, KEY_A, true);
	rig_key(rig, KEY_MAX, true);
	rig_key(rig, 0xffff, true);
	rig_key(rig, KEY_RESERVED, true);
	rig_key(rig, BTN_LEFT, true);
	assert_int_equal(rig_interrupts(rig), 0);
	rig_key(rig, KEY_A, false);
	rig_key(rig, KEY_A, false);
	rig_expect(rig, "1.30=0");
	rig_key(rig, KEY_B, true);
	rig_key(rig, KEY_C, true);
	rig_release_all(rig);
	rig_expect(rig, "1.48=1 | 1.46=1 | 1.46=0 | 1.48=0");
}

static void test_one_interrupt_a_frame(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, RIG_BUFFERS);
	for (unsigned slot = 0; slot < INPUT_TOUCH_SLOTS; slot++) {
		rig_touch(rig, INPUT_TOUCH_BEGIN, slot, slot, slot);
		assert_int_equal(rig_interrupts(rig), 1);
		rig_events(rig, true);
	}
	rig_move_to(rig, 1, 1);
	assert_int_equal(rig_interrupts(rig), 0);
}

static void test_no_half_frames(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, 1);
	rig_key(rig, KEY_A, true);
	assert_string_equal(rig_events(rig, false), "");
	rig_buffer(rig, 1);
	assert_string_equal(rig_events(rig, false), "1.30=1");
	rig_key(rig, KEY_A, false);
	rig_buffer(rig, 0);
	assert_string_equal(rig_events(rig, false), "");
	rig_buffer(rig, 1);
	rig_expect(rig, "1.30=0");
}

static void test_slow_guest(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, 0);
	for (int i = 0; i < 5000; i++) {
		rig_move_by(rig, 1, -1);
	}
	rig_button(rig, false, BTN_LEFT, true);
	for (int i = 0; i < 100; i++) {
		rig_move_by(rig, 0, 2);
		rig_scroll(rig, 0, 30);
	}
	rig_button(rig, false, BTN_LEFT, false);
	/* Clicked 1000 times, with nobody to see it: 256 changes are kept. */
	for (int i = 0; i < 1000; i++) {
		rig_button(rig, false, BTN_RIGHT, i % 2 == 0);
	}
	for (unsigned i = 0; i < 11; i++) {
		rig_buffer(rig, i);
	}
	assert_string_equal(rig_events(rig, false),
			    "2.0=5000 2.1=-5000 | 1.272=1 | 2.1=200 2.11=3000 2.8=25 | 1.272=0");
	unsigned right = 0;
	const char *text;
	for (unsigned i = 0; i < 12; i++) {
		rig_buffer(rig, i);
	}
	while ((text = rig_events(rig, true))[0] != '\0') {
		for (; (text = strstr(text, "1.273=")) != NULL; text++) {
			assert_int_equal(text[strlen("1.273=")] == '1', right % 2 == 0);
			right++;
		}
	}
	assert_true(right > 200 && right < 256);
	/* It ends with a release. */
	assert_int_equal(right % 2, 0);
	rig_button(rig, false, BTN_RIGHT, true);
	rig_expect(rig, "1.273=1");
}

static void test_motion(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, RIG_BUFFERS);
	rig_move_to(rig, 0, 0);
	rig_move_to(rig, 0x7fff, 0x8000);
	rig_move_to(rig, UINT32_MAX, 5);
	rig_button(rig, true, BTN_SIDE, true);
	/* There is no mouse, so the tablet has the wheel and all buttons. */
	rig_scroll(rig, 0, 120);
	rig_button(rig, false, BTN_EXTRA, true);
	rig_button(rig, false, BTN_SIDE, false);
	rig_expect(rig, "3.0=0 3.1=0 | 3.0=32767 3.1=32767 | 3.0=32767 3.1=5 | 1.275=1 | "
			"2.11=120 2.8=1 | 1.276=1 | 1.275=0");
}

/* QEMU's vhost-user-input-pci has rings of 4: longer frames come in pieces, in order. */
static void test_tiny_ring(void **state)
{
	struct rig *rig = *state;
	wire_set_ring_size(&rig->front, 4);
	rig_start(rig, 4);
	rig_touch(rig, INPUT_TOUCH_BEGIN, 2, 7, 8);
	assert_string_equal(rig_events(rig, false), "3.47=2 3.57=0 3.53=7 3.54=8");
	assert_int_equal(rig_interrupts(rig), 1);
	/* Nothing more before a buffer comes back; then as many events as there are buffers. */
	rig_buffer(rig, 0);
	assert_string_equal(rig_events(rig, false), "3.47=2 3.57=0 3.53=7 3.54=8 1.330=1");
	rig_touch(rig, INPUT_TOUCH_UPDATE, 2, 9, 9);
	rig_touch(rig, INPUT_TOUCH_UPDATE, 2, 10, 10);
	for (unsigned i = 0; i < 4; i++) {
		rig_buffer(rig, i);
	}
	rig_expect(rig, "3.47=2 3.57=0 3.53=7 3.54=8 1.330=1 3.0=7 3.1=8 | "
			"3.47=2 3.53=10 3.54=10 3.0=10 3.1=10");
	for (unsigned round = 0; round < 2000; round++) {
		rig_touch(rig, INPUT_TOUCH_END, 2, 0, 0);
		rig_touch(rig, INPUT_TOUCH_BEGIN, 2, 1, 1);
		char expected[200];
		snprintf(expected, sizeof(expected),
			 "3.47=2 3.57=-1 1.330=0 | 3.47=2 3.57=%u 3.53=1 3.54=1 1.330=1 3.0=1 "
			 "3.1=1",
			 round + 1);
		rig_expect(rig, expected);
	}
}

/* Past the wrap-around of the ring's index. */
static void test_many_events(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, RIG_BUFFERS);
	unsigned seen = 0;
	for (unsigned i = 0; i < 24000; i++) {
		rig_move_by(rig, 1, 1);
		if (i % 8 == 7) {
			const char *text = rig_events(rig, true);
			for (; (text = strstr(text, "2.0=")) != NULL; text++) {
				seen += (unsigned)atoi(text + strlen("2.0="));
			}
		}
	}
	assert_int_equal(seen, 24000);
}

/* Reset, pause, end. */

static void test_reset(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, RIG_BUFFERS);
	rig_key(rig, KEY_LEFTSHIFT, true);
	rig_expect(rig, "1.42=1");
	wire_stop(&rig->front);
	rig_wait_running(rig, false);
	rig_key(rig, KEY_X, true);
	wire_reset(&rig->front);
	rig_start(rig, RIG_BUFFERS);
	/* A fresh driver has no key down: there is nothing to release. */
	rig_key(rig, KEY_LEFTSHIFT, false);
	rig_key(rig, KEY_X, false);
	rig_expect(rig, "");
	rig_key(rig, KEY_LEFTSHIFT, true);
	rig_expect(rig, "1.42=1");
	/* With buffers in hand and a frame waiting for more. */
	wire_stop(&rig->front);
	wire_reset(&rig->front);
	rig_start(rig, 1);
	rig_key(rig, KEY_A, true);
	rig_settle(rig);
	wire_stop(&rig->front);
	wire_reset(&rig->front);
	rig_start(rig, RIG_BUFFERS);
	rig_key(rig, KEY_B, true);
	rig_expect(rig, "1.48=1");
}

static void test_pause(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, RIG_BUFFERS);
	rig_key(rig, KEY_LEFTSHIFT, true);
	rig_expect(rig, "1.42=1");
	wire_stop(&rig->front);
	rig_wait_running(rig, false);
	rig_key(rig, KEY_LEFTSHIFT, false);
	rig_key(rig, KEY_A, true);
	assert_string_equal(rig_events(rig, false), "");
	wire_start(&rig->front, RIG_FEATURES);
	rig_wait_running(rig, true);
	/* What was down goes up; what was typed at a paused machine is lost. */
	rig_expect(rig, "1.42=0");
	rig_key(rig, KEY_A, false);
	rig_key(rig, KEY_B, true);
	rig_expect(rig, "1.48=1");
	assert_int_equal(rig->starts, 2);
}

static void test_pause_inside_a_frame(void **state)
{
	struct rig *rig = *state;
	wire_set_ring_size(&rig->front, 4);
	rig_start(rig, 4);
	rig_touch(rig, INPUT_TOUCH_BEGIN, 0, 7, 8);
	assert_string_equal(rig_events(rig, false), "3.47=0 3.57=0 3.53=7 3.54=8");
	wire_stop(&rig->front);
	rig_wait_running(rig, false);
	wire_start(&rig->front, RIG_FEATURES);
	rig_wait_running(rig, true);
	for (unsigned i = 0; i < 4; i++) {
		rig_buffer(rig, i);
	}
	rig_expect(rig, "3.47=0 3.57=0 3.53=7 3.54=8 1.330=1 3.0=7 3.1=8");
	rig_touch(rig, INPUT_TOUCH_END, 0, 0, 0);
	rig_expect(rig, "3.47=0 3.57=-1 1.330=0");
}

static void test_pause_with_buffers_in_hand(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, 1);
	rig_key(rig, KEY_A, true);
	rig_settle(rig);
	wire_stop(&rig->front);
	/* It was taken, and is not used yet. */
	assert_int_equal(rig->front.rings[0].base, 1);
	wire_start(&rig->front, RIG_FEATURES);
	rig_wait_running(rig, true);
	assert_string_equal(rig_events(rig, false), "");
	rig_buffer(rig, 1);
	rig_expect(rig, "1.30=1");
}

static void test_front_end_goes(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, 1);
	rig_key(rig, KEY_A, true);
	wire_close(&rig->front);
	rig->front_open = false;
	rig_wait_running(rig, false);
	for (unsigned i = 0; i < 1000 && rig->disconnects == 0; i++) {
		rig_key(rig, KEY_A, i % 2 == 0);
		rig_release_all(rig);
	}
	assert_int_equal(rig->disconnects, 1);
}

/* Status. */

static uint32_t send_status(struct rig *rig, const void *bytes, uint32_t size, bool writable)
{
	struct wire_front *front = &rig->front;
	uint64_t gpa = wire_alloc(front, size);
	memcpy(wire_at(front, gpa), bytes, size);
	const struct wire_buffer buffer = {gpa, size, writable};
	return wire_wait_used(front, 1, wire_submit(front, 1, &buffer, 1, false));
}

static uint32_t send_event(struct rig *rig, uint16_t type, uint16_t code, uint32_t value)
{
	const struct virtio_input_event event = {type, code, value};
	return send_status(rig, &event, sizeof(event), false);
}

static void test_leds(void **state)
{
	struct rig *rig = *state;
	rig_start(rig, RIG_BUFFERS);
	assert_int_equal(send_event(rig, EV_LED, LED_CAPSL, 1), 0);
	assert_int_equal(send_event(rig, EV_LED, LED_NUML, 1), 0);
	rig_wait_leds(rig, 1 << LED_CAPSL | 1 << LED_NUML);
	assert_int_equal(send_event(rig, EV_LED, LED_NUML, 1), 0);
	assert_int_equal(send_event(rig, EV_LED, LED_CAPSL, 0), 0);
	rig_wait_leds(rig, 1 << LED_NUML);
	assert_int_equal(rig->leds_told, 3);
	/* A fresh driver's LEDs are dark. */
	wire_stop(&rig->front);
	wire_reset(&rig->front);
	rig_start(rig, RIG_BUFFERS);
	rig_wait_leds(rig, 0);
}

static void test_status_junk(void **state)
{
	struct rig *rig = *state;
	static const uint8_t bytes[64] = {EV_LED, 0, LED_CAPSL, 0, 1};
	rig_start(rig, RIG_BUFFERS);
	for (unsigned type = 0; type < 65536; type += 37) {
		assert_int_equal(send_event(rig, (uint16_t)type, (uint16_t)(type * 31), 1), 0);
		wire_free_all(&rig->front);
		wire_alloc(&rig->front, 8 * RIG_BUFFERS);
	}
	assert_int_equal(send_event(rig, EV_LED, LED_MAX, 1), 0);
	assert_int_equal(send_event(rig, EV_LED, UINT16_MAX, 1), 0);
	assert_int_equal(send_event(rig, EV_SND, SND_BELL, 1), 0);
	/* Too short, and nothing to read at all. */
	assert_int_equal(send_status(rig, bytes, 7, false), 0);
	assert_int_equal(send_status(rig, bytes, 8, true), 0);
	assert_int_equal(rig->leds_told, 0);
	/* Longer than an event: the rest means nothing. */
	assert_int_equal(send_status(rig, bytes, sizeof(bytes), false), 0);
	rig_wait_leds(rig, 1 << LED_CAPSL);
	/* A whole ring at once. */
	uint64_t gpa = wire_alloc(&rig->front, 8);
	const struct wire_buffer buffer = {gpa, 8, false};
	uint16_t last = 0;
	for (unsigned i = 0; i < WIRE_RING_SIZE; i++) {
		last = wire_submit(&rig->front, 1, &buffer, 1, false);
	}
	wire_wait_used(&rig->front, 1, last);
	rig_key(rig, KEY_A, true);
	rig_expect(rig, "1.30=1");
}

/* Buffers that no driver posts. */

static void test_bad_buffers(void **state)
{
	struct rig *rig = *state;
	struct wire_front *front = &rig->front;
	rig_start(rig, 0);
	uint64_t gpa = wire_alloc(front, 64);
	const struct wire_buffer small = {gpa, 7, true};
	const struct wire_buffer unwritable = {gpa, 8, false};
	const struct wire_buffer both[] = {{gpa, 8, false}, {gpa + 8, 7, true}};
	const struct wire_buffer halves[] = {{gpa + 16, 3, true}, {gpa + 32, 13, true}};
	uint16_t heads[3] = {
		wire_submit(front, 0, &small, 1, false),
		wire_submit(front, 0, &unwritable, 1, true),
		wire_submit(front, 0, both, 2, true),
	};
	/* In pieces is unusual, but allowed; so is a larger one. */
	uint16_t good = wire_submit(front, 0, halves, 2, true);
	rig_buffer(rig, 0);
	rig_key(rig, KEY_A, true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(wire_wait_used(front, 0, heads[i]), 0);
	}
	assert_int_equal(wire_wait_used(front, 0, good), 8);
	uint8_t event[8];
	memcpy(event, wire_at(front, gpa + 16), 3);
	memcpy(event + 3, wire_at(front, gpa + 32), 5);
	const uint8_t expected[8] = {EV_KEY, 0, KEY_A, 0, 1};
	assert_memory_equal(event, expected, sizeof(expected));
	assert_int_equal(((uint8_t *)wire_at(front, gpa + 32))[5], 0);
	/* A ring full of rubbish before two good ones. */
	rig_key(rig, KEY_A, false);
	rig_settle(rig);
	for (unsigned i = 0; i < WIRE_RING_SIZE - 2; i++) {
		wire_submit(front, 0, &small, 1, false);
	}
	uint64_t pair = wire_alloc(front, 16);
	const struct wire_buffer first = {pair, 8, true};
	const struct wire_buffer second = {pair + 8, 8, true};
	uint16_t release = wire_submit(front, 0, &first, 1, false);
	uint16_t report = wire_submit(front, 0, &second, 1, false);
	assert_int_equal(wire_wait_used(front, 0, release), 8);
	assert_int_equal(wire_wait_used(front, 0, report), 8);
	assert_int_equal(((uint16_t *)wire_at(front, pair))[1], KEY_A);
}

static void test_broken_ring(void **state)
{
	struct rig *rig = *state;
	struct wire_front *front = &rig->front;
	rig_start(rig, 0);
	/* Far more buffers than the ring has entries. */
	((uint16_t *)wire_at(front, front->rings[0].avail_gpa))[1] = 12345;
	wire_kick(front, 0);
	for (unsigned i = 0; i < 1000; i++) {
		rig_key(rig, KEY_A, i % 2 == 0);
	}
	wire_stop(front);
	wire_reset(front);
	rig_start(rig, RIG_BUFFERS);
	rig_key(rig, KEY_A, true);
	rig_expect(rig, "1.30=1");
}

/* What the GPU has mapped into its window QEMU tells every device. */
static void test_windows_of_another_session(void **state)
{
	struct rig *rig = *state;
	struct wire_front *front = &rig->front;
	rig_start(rig, RIG_BUFFERS);
	int fd = session_memfd(2 * 65536, 1);
	struct stat info;
	assert_int_equal(fstat(fd, &info), 0);
	const struct window_file file = {info.st_dev, info.st_ino, 0, 65536};
	front->windows[0] = (struct wire_window){.used = true, .size = 65536, .fd = fd};
	assert_int_equal(window_files_add(rig->window_files, &file), 0);
	assert_int_equal(wire_send_memory(front), 0);
	assert_int_equal(session_count_maps("memfd:window"), 0);
	/* Only because it is known as one. */
	window_files_remove(rig->window_files, &file);
	assert_int_equal(wire_send_memory(front), 0);
	assert_int_equal(session_count_maps("memfd:window"), 1);
	assert_int_equal(window_files_add(rig->window_files, &file), 0);
	assert_int_equal(wire_send_memory(front), 0);
	assert_int_equal(session_count_maps("memfd:window"), 0);
	/* Another part of that file is none. */
	front->windows[0].fd_offset = 4096;
	assert_int_equal(wire_send_memory(front), 0);
	assert_int_equal(session_count_maps("memfd:window"), 1);
	rig_key(rig, KEY_A, true);
	rig_expect(rig, "1.30=1");
}

#define input_test(name, kind) cmocka_unit_test_setup_teardown(name, rig_setup_##kind, rig_teardown)

int main(void)
{
	log_init("test_wire_input", LOG_ERROR);
	const struct CMUnitTest tests[] = {
		input_test(test_probe, keyboard),
		input_test(test_config_junk, touch),
		input_test(test_offers, keyboard),
		input_test(test_key, keyboard),
		input_test(test_one_interrupt_a_frame, touch),
		input_test(test_no_half_frames, keyboard),
		input_test(test_slow_guest, mouse),
		input_test(test_motion, tablet),
		input_test(test_tiny_ring, touch),
		input_test(test_many_events, mouse),
		input_test(test_reset, keyboard),
		input_test(test_pause, keyboard),
		input_test(test_pause_inside_a_frame, touch),
		input_test(test_pause_with_buffers_in_hand, keyboard),
		input_test(test_front_end_goes, keyboard),
		input_test(test_leds, keyboard),
		input_test(test_status_junk, keyboard),
		input_test(test_bad_buffers, keyboard),
		input_test(test_broken_ring, keyboard),
		input_test(test_windows_of_another_session, keyboard),
	};
	return cmocka_run_group_tests(tests, session_warm_up, NULL);
}
