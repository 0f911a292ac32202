/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user session, between the scripted front end (tests/wire/front.h) and a device that
 * answers each chain with its bytes inverted. The front end is not to fail: this thread is spared,
 * but for vhost_create. The session's own threads are as in hesperd.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "../wire/front.h"
#include "fault.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/mailbox.h"
#include "vhost/ring.h"
#include "vhost/vhost.h"

#define QUEUES 2
#define RAM (1u << 20)
#define WINDOW (1ull << 30)
#define PAGE 4096u
#define FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_RING_F_INDIRECT_DESC | VIRTIO_RING_F_EVENT_IDX)

static struct {
	struct wire_front front;
	bool front_open;
	sigjmp_buf gone; /* the front end saw what it did not expect */
	uint64_t start;

	uv_loop_t loop;
	struct mailbox inbox;
	pthread_t thread;
	struct vhost *vhost;
	struct virtqueue_chain *held; /* device thread */
	bool hold;
	int window_fd;
	atomic_uint asked; /* requests for the window */
	atomic_uint answered;
	atomic_uint refused;
	atomic_uint disconnected;
	atomic_uint resumed;
} fx;

/* --- the front end's words ------------------------------------------------------------------- */

static bool closed(int fd, int ms)
{
	char byte;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	poll(&poll_fd, 1, ms);
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/*
 * With one message outstanding the channel has room, so where it says that it has none it is given
 * up (channel.c). The session goes on, and the guest is told that nothing can be mapped; maybe before the
 * loop has closed the socket.
 */
static bool channel_lost(void)
{
	return fault_happened() && closed(fx.front.channel, 1000) && !closed(fx.front.socket, 0);
}

void wire_failed(const char *file, int line, const char *format, ...)
{
	char words[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	/* It ends, or says no; it does not go silent. */
	bool silent = clock_now_ns() - fx.start > (WIRE_TIMEOUT_MS - 1000) * CLOCK_NS_PER_MS;
	if ((!fault_excuses() && !channel_lost()) || silent) {
		fault_fail(file, line, silent ? "no answer" : "the front end", "%s", words);
	}
	siglongjmp(fx.gone, 1);
}

/* --- the device ------------------------------------------------------------------------------ */

static void answer(unsigned index, struct virtqueue_chain *chain)
{
	uint8_t bytes[64];
	size_t size = chain->readable_bytes < sizeof(bytes) ? chain->readable_bytes : sizeof(bytes);
	virtqueue_read(chain, 0, bytes, size);
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)~bytes[i];
	}
	virtqueue_write(chain, 0, bytes, size);
	virtqueue_push(vhost_queue(fx.vhost, index), chain, (uint32_t)size);
}

static void handle_kicked(void *data, unsigned index)
{
	struct virtqueue *queue = vhost_queue(fx.vhost, index);
	do {
		struct virtqueue_chain *chain;
		while ((chain = virtqueue_pop(queue)) != NULL) {
			if (fx.hold) {
				fx.hold = false;
				fx.held = chain;
			} else {
				answer(index, chain);
			}
		}
		virtqueue_notify(queue);
	} while (virtqueue_rearm(queue));
}

static void drop_held(void)
{
	virtqueue_drop(fx.held);
	fx.held = NULL;
}

static void handle_started(void *data, bool resumed)
{
	if (!resumed) {
		drop_held();
		return;
	}
	fx.resumed++;
	if (fx.held != NULL) {
		answer(0, fx.held);
		fx.held = NULL;
		virtqueue_notify(vhost_queue(fx.vhost, 0));
	}
}

static void handle_stopped(void *data)
{
}

static void handle_config_written(void *data, uint32_t offset, const uint8_t *bytes, uint32_t size)
{
	const uint8_t echo = (uint8_t)~bytes[0];
	vhost_set_config(fx.vhost, 8, &echo, 1, true);
}

static void handle_disconnected(void *data, int error)
{
	fx.disconnected++;
}

static const struct vhost_callbacks callbacks = {
	.started = handle_started,
	.stopped = handle_stopped,
	.kicked = handle_kicked,
	.config_written = handle_config_written,
	.disconnected = handle_disconnected,
};

struct errand {
	struct letter letter;
	void (*run)(void);
	sem_t done;
};

static void deliver(struct letter *letter)
{
	struct errand *errand = container_of(letter, struct errand, letter);
	errand->run();
	sem_post(&errand->done);
}

static void on_device(void (*run)(void))
{
	struct errand errand = {.letter = {.deliver = deliver}, .run = run};
	sem_init(&errand.done, 0, 0);
	mailbox_post(&fx.inbox, &errand.letter);
	while (sem_wait(&errand.done) != 0) {
	}
	sem_destroy(&errand.done);
}

static void *run_loop(void *data)
{
	uv_run(&fx.loop, UV_RUN_DEFAULT);
	return NULL;
}

/* --- the window ------------------------------------------------------------------------------ */

static void window_done(void *data, int status)
{
	fx.refused += status < 0;
	fx.answered++;
}

static void count_request(int error)
{
	fx.asked++;
	if (error < 0) {
		window_done(NULL, error);
	}
}

static void map_window(void)
{
	count_request(vhost_window_map(fx.vhost, 4 * PAGE, 2 * PAGE, fx.window_fd, 0, true,
				       window_done, NULL));
}

static void unmap_window(void)
{
	count_request(vhost_window_unmap(fx.vhost, 4 * PAGE, 2 * PAGE, window_done, NULL));
}

static void wait_for_window(void)
{
	const unsigned refused = fx.refused;
	while (fx.answered < fx.asked) {
		wire_pump(&fx.front, 1);
		if (clock_now_ns() - fx.start > WIRE_TIMEOUT_MS * CLOCK_NS_PER_MS) {
			wire_fail("a request for the window is not answered");
		}
	}
	wire_check(fx.refused == refused);
}

/* --- the session ----------------------------------------------------------------------------- */

static void check_answer(const uint8_t *request, const uint8_t *response, uint32_t written)
{
	wire_check_equal(written, 16);
	for (unsigned i = 0; i < 16; i++) {
		wire_check_equal(response[i] ^ request[i], 0xff);
	}
}

/* Without memory the device waits, and so does the guest, until there is some again. */
static uint32_t wait_used(unsigned queue, uint16_t head)
{
	for (unsigned i = 0; !wire_used(&fx.front, queue, head, NULL); i++) {
		wire_pump(&fx.front, 1);
		if (i == 50) {
			fault_relent();
			break;
		}
	}
	return wire_wait_used(&fx.front, queue, head);
}

static void command(unsigned queue, bool indirect)
{
	uint8_t request[16] = "what is written";
	struct wire_front *front = &fx.front;
	uint64_t in = wire_alloc(front, sizeof(request));
	uint64_t out = wire_alloc(front, sizeof(request));
	const struct wire_buffer buffers[] = {
		{in, sizeof(request), false},
		{out, sizeof(request), true},
	};
	memcpy(wire_at(front, in), request, sizeof(request));
	uint16_t head = wire_submit(front, queue, buffers, 2, indirect);
	uint32_t written = wait_used(queue, head);
	check_answer(request, wire_at(front, out), written);
}

static void use_window(void)
{
	on_device(map_window);
	wait_for_window();
	wire_check(wire_window_at(&fx.front, 4 * PAGE, 2 * PAGE) != NULL);
	command(0, true);
	on_device(unmap_window);
	wait_for_window();
	wire_check(wire_window_count(&fx.front) == 0);
}

static void hold_next(void)
{
	fx.hold = true;
}

/* A command that is under way while the machine is paused. */
static void pause_machine(void)
{
	const struct wire_buffer buffer = {wire_alloc(&fx.front, 16), 16, false};
	on_device(hold_next);
	uint16_t head = wire_submit(&fx.front, 0, &buffer, 1, false);
	/* Behind it. */
	command(0, true);
	wire_stop(&fx.front);
	wire_start(&fx.front, FEATURES);
	wait_used(0, head);
	wire_check(fx.resumed == 1);
}

static void play(void)
{
	struct wire_front *front = &fx.front;
	uint8_t config[24];
	const uint8_t byte = 0x5a;
	wire_hello(front);
	wire_get_config(front, 0, config, sizeof(config));
	wire_start(front, FEATURES);
	command(0, true);
	command(0, false);
	command(1, true);
	wire_set_config(front, 0, &byte, 1);
	wire_get_config(front, 0, config, sizeof(config));
	wire_check(fault_excuses() || config[8] == 0xa5);
	use_window();
	pause_machine();
	on_device(map_window);
	wait_for_window();
	wire_stop(front);
	wire_reset(front);
	wire_start(front, FEATURES);
	command(1, false);
	wire_check(fx.disconnected == 0);
}

/* --- life ------------------------------------------------------------------------------------ */

static int open_session(void)
{
	struct vhost_options options = {
		.features = FEATURES,
		.queue_count = QUEUES,
		.config_size = 24,
		.window_size = WINDOW,
		.window_id = 1,
		.callbacks = &callbacks,
	};
	int pair[2];
	memset(&fx, 0, sizeof(fx));
	fx.start = clock_now_ns();
	FAULT_CHECK(uv_loop_init(&fx.loop) == 0 && mailbox_init(&fx.inbox, &fx.loop) == 0,
		    "no loop");
	FAULT_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
	fx.window_fd = fd_memfd("window", 2 * PAGE);
	fault_spare_end();
	int error = vhost_create(&options, pair[0], &fx.loop, &fx.vhost);
	fault_spare_begin();
	if (error < 0) {
		/* They are still ours. */
		close(pair[0]);
		close(pair[1]);
		fx.vhost = NULL;
		return error;
	}
	wire_open(&fx.front, pair[1], QUEUES, RAM);
	fx.front_open = true;
	return 0;
}

static void handle_destroyed(void *data)
{
	mailbox_close(&fx.inbox, NULL, NULL);
}

static void destroy(void)
{
	drop_held();
	vhost_destroy(fx.vhost, handle_destroyed, NULL);
}

static void close_inbox(void)
{
	mailbox_close(&fx.inbox, NULL, NULL);
}

static void close_session(bool started)
{
	if (fx.front_open) {
		wire_close(&fx.front);
	}
	while (started && fx.disconnected == 0) {
		FAULT_CHECK(clock_now_ns() - fx.start < 2 * WIRE_TIMEOUT_MS * CLOCK_NS_PER_MS,
			    "it is not noticed that the front end is gone");
	}
	on_device(started ? destroy : close_inbox);
	pthread_join(fx.thread, NULL);
	FAULT_CHECK(uv_loop_close(&fx.loop) == 0, "something is open in the loop");
	FAULT_CHECK(fx.asked == fx.answered, "%u requests for the window, %u answers", fx.asked,
		    fx.answered);
	FAULT_CHECK(fx.disconnected <= 1, "disconnected %u times", fx.disconnected);
	fd_close(&fx.window_fd);
}

static void session(void)
{
	int error = open_session();
	FAULT_CHECK(error == 0 || fault_excuses(), "no session: %d", error);
	FAULT_CHECK(pthread_create(&fx.thread, NULL, run_loop, NULL) == 0, "no thread");
	if (error == 0 && sigsetjmp(fx.gone, 0) == 0) {
		play();
	}
	close_session(error == 0);
}

static void scenario(void *data)
{
	fault_spare_begin();
	session();
	fault_stop();
	session();
	fault_spare_end();
}

int main(void)
{
	fault_init("fault_vhost");
	fault_try_all(scenario, NULL);
	return fault_report();
}
