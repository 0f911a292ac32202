/* SPDX-License-Identifier: MIT */
#include "input_rig.h"

#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "session.h"
#include "util/clock.h"

/* The thread. */

struct errand {
	struct letter letter;
	struct rig *rig;
	void (*function)(struct rig *, void *);
	void *data;
	bool *done; /* NULL: nobody waits */
};

static void run_errand(struct letter *letter)
{
	struct errand *errand = container_of(letter, struct errand, letter);
	struct rig *rig = errand->rig;
	errand->function(rig, errand->data);
	pthread_mutex_lock(&rig->lock);
	if (errand->done != NULL) {
		*errand->done = true;
		pthread_cond_broadcast(&rig->changed);
	}
	pthread_mutex_unlock(&rig->lock);
	free(errand);
}

static void send_errand(struct rig *rig, void (*function)(struct rig *, void *), void *data,
			bool *done)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	assert_non_null(errand);
	errand->letter.deliver = run_errand;
	errand->rig = rig;
	errand->function = function;
	errand->data = data;
	errand->done = done;
	mailbox_post(&rig->inbox, &errand->letter);
}

void rig_post(struct rig *rig, void (*function)(struct rig *, void *), void *data)
{
	send_errand(rig, function, data, NULL);
}

static void wait_until(struct rig *rig, bool (*reached)(struct rig *, const void *),
		       const void *data, const char *what)
{
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WIRE_TIMEOUT_MS / 1000;
	int error = 0;
	pthread_mutex_lock(&rig->lock);
	while (!reached(rig, data) && error == 0) {
		error = pthread_cond_timedwait(&rig->changed, &rig->lock, &end);
	}
	pthread_mutex_unlock(&rig->lock);
	if (error != 0) {
		fail_msg("waited for nothing: %s", what);
	}
}

static bool is_true(struct rig *rig, const void *data)
{
	return *(const bool *)data;
}

void rig_run(struct rig *rig, void (*function)(struct rig *, void *), void *data)
{
	bool done = false;
	send_errand(rig, function, data, &done);
	wait_until(rig, is_true, &done, "the device thread");
}

static void nothing(struct rig *rig, void *data)
{
}

void rig_settle(struct rig *rig)
{
	/* To the front thread and back, then through the device thread: twice, for letters between. */
	for (int i = 0; i < 2; i++) {
		wire_get_u64(&rig->front, VHOST_USER_GET_FEATURES);
		rig_run(rig, nothing, NULL);
	}
}

static bool running_is(struct rig *rig, const void *data)
{
	return rig->running == *(const bool *)data;
}

void rig_wait_running(struct rig *rig, bool running)
{
	wait_until(rig, running_is, &running, running ? "running" : "not running");
}

static bool leds_are(struct rig *rig, const void *data)
{
	return rig->leds == *(const uint32_t *)data;
}

void rig_wait_leds(struct rig *rig, uint32_t leds)
{
	wait_until(rig, leds_are, &leds, "LEDs");
}

static void handle_leds(void *data, uint32_t leds)
{
	struct rig *rig = data;
	pthread_mutex_lock(&rig->lock);
	rig->leds = leds;
	rig->leds_told++;
	pthread_cond_broadcast(&rig->changed);
	pthread_mutex_unlock(&rig->lock);
}

static void handle_running(void *data, enum input_kind kind, bool running)
{
	struct rig *rig = data;
	pthread_mutex_lock(&rig->lock);
	rig->running = running;
	rig->starts += running;
	pthread_cond_broadcast(&rig->changed);
	pthread_mutex_unlock(&rig->lock);
}

static void handle_disconnected(void *data, enum input_kind kind, int error)
{
	struct rig *rig = data;
	pthread_mutex_lock(&rig->lock);
	rig->disconnects++;
	pthread_cond_broadcast(&rig->changed);
	pthread_mutex_unlock(&rig->lock);
}

static void *run_loop(void *data)
{
	struct rig *rig = data;
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void attach(struct rig *rig, void *data)
{
	const struct input_options options = {
		.leds = handle_leds,
		.running = handle_running,
		.disconnected = handle_disconnected,
		.window_files = rig->window_files,
		.data = rig,
	};
	assert_int_equal(input_create(&rig->loop, &options, &rig->input), 0);
	assert_int_equal(input_attach(rig->input, rig->kind, *(int *)data), 0);
	assert_int_equal(input_attach(rig->input, rig->kind, *(int *)data), -EBUSY);
}

static int setup(void **state, enum input_kind kind)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	*state = rig;
	rig->fds_before = session_count_fds();
	rig->kind = kind;
	pthread_mutex_init(&rig->lock, NULL);
	pthread_cond_init(&rig->changed, NULL);
	rig->window_files = window_files_create();
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	assert_int_equal(mailbox_init(&rig->inbox, &rig->loop), 0);
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pthread_create(&rig->thread, NULL, run_loop, rig), 0);
	rig_run(rig, attach, &pair[1]);
	wire_open(&rig->front, pair[0], 2, 4u << 20);
	rig->front_open = true;
	wire_hello(&rig->front);
	return 0;
}

int rig_setup_keyboard(void **state)
{
	return setup(state, INPUT_KEYBOARD);
}

int rig_setup_tablet(void **state)
{
	return setup(state, INPUT_TABLET);
}

int rig_setup_mouse(void **state)
{
	return setup(state, INPUT_MOUSE);
}

int rig_setup_touch(void **state)
{
	return setup(state, INPUT_TOUCH);
}

static void close_inbox(void *data)
{
	struct rig *rig = data;
	mailbox_close(&rig->inbox, NULL, NULL);
}

static void destroy(struct rig *rig, void *data)
{
	input_destroy(rig->input, close_inbox, rig);
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	rig_post(rig, destroy, NULL);
	pthread_join(rig->thread, NULL);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	if (rig->front_open) {
		wire_close(&rig->front);
	}
	window_files_destroy(rig->window_files);
	pthread_mutex_destroy(&rig->lock);
	pthread_cond_destroy(&rig->changed);
	unsigned before = rig->fds_before;
	free(rig);
	if (session_count_fds() != before) {
		print_error("%u fds before, %u after\n", before, session_count_fds());
		return -1;
	}
	return 0;
}

/* The driver. */

void rig_buffer(struct rig *rig, unsigned number)
{
	uint64_t gpa = rig->buffers + 8 * (uint64_t)number;
	const struct wire_buffer buffer = {gpa, sizeof(struct virtio_input_event), true};
	rig->buffer_of[wire_submit(&rig->front, 0, &buffer, 1, false)] = gpa;
}

void rig_start(struct rig *rig, unsigned buffers)
{
	wire_start(&rig->front, RIG_FEATURES);
	rig_wait_running(rig, true);
	rig->buffers = wire_alloc(&rig->front, 8 * RIG_BUFFERS);
	for (unsigned i = 0; i < buffers; i++) {
		rig_buffer(rig, i);
	}
	rig_settle(rig);
	rig_interrupts(rig);
}

uint64_t rig_interrupts(struct rig *rig)
{
	uint64_t count = 0;
	return read(rig->front.rings[0].call, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void add_event(struct rig *rig, const struct virtio_input_event *event)
{
	size_t length = strlen(rig->text);
	if (event->type == EV_SYN) {
		assert_int_equal(event->code, SYN_REPORT);
		assert_true(rig->in_frame);
		rig->in_frame = false;
		return;
	}
	snprintf(rig->text + length, sizeof(rig->text) - length, "%s%u.%u=%d",
		 rig->in_frame ? " "
		 : length > 0  ? " | "
			       : "",
		 event->type, event->code, (int32_t)event->value);
	rig->in_frame = true;
}

/* Adds what came to rig->text. */
static void collect(struct rig *rig, bool post_again)
{
	uint64_t gpas[WIRE_RING_SIZE];
	unsigned count = 0;
	uint16_t head;
	uint32_t written;
	while (count < WIRE_RING_SIZE && wire_next_used(&rig->front, 0, &head, &written)) {
		struct virtio_input_event event;
		assert_int_equal(written, sizeof(event));
		gpas[count] = rig->buffer_of[head];
		memcpy(&event, wire_at(&rig->front, gpas[count]), sizeof(event));
		add_event(rig, &event);
		count++;
	}
	/* Only now: a buffer that goes back may get the head of one that was not read yet. */
	for (unsigned i = 0; post_again && i < count; i++) {
		rig_buffer(rig, (unsigned)((gpas[i] - rig->buffers) /
					   sizeof(struct virtio_input_event)));
	}
}

const char *rig_events(struct rig *rig, bool post_again)
{
	static char text[sizeof(rig->text)];
	rig_settle(rig);
	collect(rig, post_again);
	strcpy(text, rig->text);
	if (!rig->in_frame) {
		rig->text[0] = '\0';
	}
	return text;
}

void rig_expect(struct rig *rig, const char *events)
{
	uint64_t end = clock_now_ns() + WIRE_TIMEOUT_MS * CLOCK_NS_PER_MS;
	do {
		rig_settle(rig);
		collect(rig, true);
	} while ((rig->in_frame || strlen(rig->text) < strlen(events)) && clock_now_ns() < end);
	rig_settle(rig);
	collect(rig, true);
	assert_string_equal(rig->text, events);
	assert_false(rig->in_frame);
	rig->text[0] = '\0';
}

/* Calls. */

struct call {
	uint32_t code;
	bool down;
	bool absolute;
	enum input_touch touch;
	uint32_t x;
	uint32_t y;
};

static void do_key(struct rig *rig, void *data)
{
	const struct call *call = data;
	input_key(rig->input, (uint16_t)call->code, call->down);
}

void rig_key(struct rig *rig, uint16_t key, bool down)
{
	rig_run(rig, do_key, &(struct call){.code = key, .down = down});
}

static void do_button(struct rig *rig, void *data)
{
	const struct call *call = data;
	input_button(rig->input, call->absolute, (uint16_t)call->code, call->down);
}

void rig_button(struct rig *rig, bool absolute, uint16_t button, bool down)
{
	rig_run(rig, do_button, &(struct call){.absolute = absolute, .code = button, .down = down});
}

static void do_move_to(struct rig *rig, void *data)
{
	const struct call *call = data;
	input_move_to(rig->input, call->x, call->y);
}

void rig_move_to(struct rig *rig, uint32_t x, uint32_t y)
{
	rig_run(rig, do_move_to, &(struct call){.x = x, .y = y});
}

static void do_move_by(struct rig *rig, void *data)
{
	const struct call *call = data;
	input_move_by(rig->input, (int32_t)call->x, (int32_t)call->y);
}

void rig_move_by(struct rig *rig, int32_t dx, int32_t dy)
{
	rig_run(rig, do_move_by, &(struct call){.x = (uint32_t)dx, .y = (uint32_t)dy});
}

static void do_scroll(struct rig *rig, void *data)
{
	const struct call *call = data;
	input_scroll(rig->input, false, (int32_t)call->x, (int32_t)call->y);
}

void rig_scroll(struct rig *rig, int32_t dx, int32_t dy)
{
	rig_run(rig, do_scroll, &(struct call){.x = (uint32_t)dx, .y = (uint32_t)dy});
}

static void do_touch(struct rig *rig, void *data)
{
	const struct call *call = data;
	input_touch(rig->input, call->touch, call->code, call->x, call->y);
}

void rig_touch(struct rig *rig, enum input_touch kind, unsigned slot, uint32_t x, uint32_t y)
{
	rig_run(rig, do_touch, &(struct call){.touch = kind, .code = slot, .x = x, .y = y});
}

static void do_release_all(struct rig *rig, void *data)
{
	input_release_all(rig->input);
}

void rig_release_all(struct rig *rig)
{
	rig_run(rig, do_release_all, NULL);
}
