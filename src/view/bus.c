/* SPDX-License-Identifier: MIT */
#include "view/bus.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "display/client.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/mailbox.h"

/*
 * THEORY OF OPERATION
 *
 * Towards the main thread there is one place, `next`, for the newest picture. An update that
 * finds another one waiting there replaces it, and the older one is answered at once, since nobody
 * will read it. The rect is not kept: what is drawn is always the whole picture. Towards this thread there is the mailbox: an
 * answer is a letter, made together with the update so that answering cannot fail.
 *
 * The scanout call and the updates that follow are told apart by the server; here `source` keeps
 * the picture that updates are about, and each update takes a reference to its memory along.
 */

#define RETRY_MS 50
#define SIGNALS 4

struct view_update {
	struct letter letter;
	struct display_update *update;
};

struct view_bus {
	/* Constant while the thread runs. */
	struct view_bus_options options;
	pthread_t thread;

	/* Bus thread. */
	uv_loop_t loop;
	struct mailbox mailbox;
	uv_signal_t signals[SIGNALS];
	uv_timer_t retry;
	uint64_t give_up_ns;
	struct display_client *client;
	struct frame source;
	struct letter stop;

	pthread_mutex_t lock; /* guards what follows; never held over a call that can block */
	pthread_cond_t changed;
	bool pending;  /* something to take */
	struct view_event next;
	uint64_t dropped;
};

/* With the lock held: the main thread has something to take. Unlocks. */
static void unlock_and_wake(struct view_bus *bus)
{
	bus->pending = true;
	pthread_cond_signal(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	if (bus->options.wake != NULL) {
		bus->options.wake(bus->options.data);
	}
}

static void on_scanout(void *data, unsigned console, struct frame *frame)
{
	struct view_bus *bus = data;
	memory_unref(bus->source.memory);
	bus->source = *frame;
}

static void deliver_answer(struct letter *letter)
{
	struct view_update *update = container_of(letter, struct view_update, letter);
	display_update_done(update->update);
	free(update);
}

/* Replaces what waits; the older update is returned, to be answered without the lock. */
static struct view_update *replace(struct view_bus *bus, struct view_update *update)
{
	struct view_event *next = &bus->next;
	struct view_update *older = NULL;
	if (next->has_update) {
		older = next->update;
		memory_unref(next->frame.memory);
		bus->dropped++;
	}
	next->has_update = true;
	next->frame = bus->source;
	memory_ref(next->frame.memory);
	next->update = update;
	next->arrived_ns = clock_now_ns();
	return older;
}

static void on_update(void *data, unsigned console, const struct rect *rect,
		      struct display_update *update)
{
	struct view_bus *bus = data;
	struct view_update *own = calloc(1, sizeof(*own));
	if (own == NULL) {
		display_update_done(update);
		return;
	}
	own->letter.deliver = deliver_answer;
	own->letter.discard = deliver_answer;
	own->update = update;
	pthread_mutex_lock(&bus->lock);
	struct view_update *older = replace(bus, own);
	unlock_and_wake(bus);
	if (older != NULL) {
		deliver_answer(&older->letter);
	}
}

static void on_disable(void *data, unsigned console)
{
	struct view_bus *bus = data;
	memory_unref(bus->source.memory);
	bus->source = (struct frame){0};
	pthread_mutex_lock(&bus->lock);
	struct view_update *older = bus->next.update;
	memory_unref(bus->next.frame.memory);
	bus->next.has_update = false;
	bus->next.frame = (struct frame){0};
	bus->next.update = NULL;
	bus->next.disabled = true;
	unlock_and_wake(bus);
	if (older != NULL) {
		deliver_answer(&older->letter);
	}
}

static void tell_cursor(struct view_bus *bus, const struct view_cursor *cursor)
{
	pthread_mutex_lock(&bus->lock);
	if (cursor->pixels == NULL) {
		/* Only whether it is visible; a shape that waits stays. */
		bus->next.cursor.visible = cursor->visible;
	} else {
		free(bus->next.cursor.pixels);
		bus->next.cursor = *cursor;
	}
	bus->next.has_cursor = true;
	unlock_and_wake(bus);
}

static void on_cursor_define(void *data, unsigned console, uint32_t width, uint32_t height,
			     int32_t hot_x, int32_t hot_y, const uint32_t *pixels)
{
	size_t bytes = (size_t)width * height * sizeof(*pixels);
	struct view_cursor cursor = {width, height, hot_x, hot_y, true, malloc(bytes)};
	if (cursor.pixels != NULL) {
		memcpy(cursor.pixels, pixels, bytes);
		tell_cursor(data, &cursor);
	}
}

static void on_mouse_set(void *data, unsigned console, int32_t x, int32_t y, bool visible)
{
	struct view_cursor cursor = {.visible = visible};
	tell_cursor(data, &cursor);
}

static void tell_gone(struct view_bus *bus, int error)
{
	pthread_mutex_lock(&bus->lock);
	bus->next.gone = error;
	unlock_and_wake(bus);
}

static void on_disconnected(void *data, int error)
{
	tell_gone(data, error < 0 ? error : -ECONNRESET);
}

static const struct display_client_callbacks callbacks = {
	.scanout = on_scanout,
	.update = on_update,
	.disable = on_disable,
	.cursor_define = on_cursor_define,
	.mouse_set = on_mouse_set,
	.disconnected = on_disconnected,
};

static void on_retry(uv_timer_t *timer)
{
	struct view_bus *bus = timer->data;
	int fd = fd_connect(bus->options.socket);
	if ((fd == -ENOENT || fd == -ECONNREFUSED || fd == -EAGAIN) &&
	    clock_now_ns() < bus->give_up_ns) {
		uv_timer_start(timer, on_retry, RETRY_MS, 0);
		return;
	}
	int r = fd;
	if (fd >= 0) {
		const struct display_client_options client = {
			.way = DISPLAY_PEER, .fd = fd, .callbacks = &callbacks, .data = bus};
		r = display_client_create(&bus->loop, &client, &bus->client);
		if (r < 0) {
			fd_close(&fd);
		} else {
			display_client_listen(bus->client, bus->options.console);
		}
	}
	if (r < 0) {
		tell_gone(bus, r);
		return;
	}
	pthread_mutex_lock(&bus->lock);
	bus->next.connected = true;
	pthread_mutex_unlock(&bus->lock);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct view_bus *bus = handle->data;
	pthread_mutex_lock(&bus->lock);
	if (number == SIGUSR1) {
		bus->next.captures++;
	} else if (number == SIGUSR2) {
		bus->next.restarts++;
	} else {
		bus->next.quit = true;
	}
	unlock_and_wake(bus);
}

static void deliver_stop(struct letter *letter)
{
	struct view_bus *bus = container_of(letter, struct view_bus, stop);
	pthread_mutex_lock(&bus->lock);
	struct view_update *left = bus->next.update;
	memory_unref(bus->next.frame.memory);
	bus->next.frame.memory = NULL;
	bus->next.has_update = false;
	bus->next.update = NULL;
	pthread_mutex_unlock(&bus->lock);
	if (left != NULL) {
		deliver_answer(&left->letter);
	}
	memory_unref(bus->source.memory);
	bus->source.memory = NULL;
	for (int i = 0; i < SIGNALS; i++) {
		uv_close((uv_handle_t *)&bus->signals[i], NULL);
	}
	uv_close((uv_handle_t *)&bus->retry, NULL);
	if (bus->client != NULL) {
		display_client_destroy(bus->client, NULL, NULL);
	}
	mailbox_close(&bus->mailbox, NULL, NULL);
}

static void *run(void *data)
{
	struct view_bus *bus = data;
	pthread_setname_np(pthread_self(), "bus");
	uv_run(&bus->loop, UV_RUN_DEFAULT);
	return NULL;
}

static void init_lock(struct view_bus *bus)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&bus->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&bus->lock, NULL);
}

int view_bus_start(const struct view_bus_options *options, struct view_bus **out)
{
	struct view_bus *bus = calloc(1, sizeof(*bus));
	if (bus == NULL) {
		return -ENOMEM;
	}
	bus->options = *options;
	bus->stop.deliver = deliver_stop;
	bus->give_up_ns = clock_now_ns() + options->wait_s * CLOCK_NS_PER_S;
	init_lock(bus);
	int r = uv_loop_init(&bus->loop);
	if (r == 0) {
		r = mailbox_init(&bus->mailbox, &bus->loop);
	}
	if (r < 0) {
		return r; /* start-up: the process ends */
	}
	static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
	for (int i = 0; i < SIGNALS; i++) {
		uv_signal_init(&bus->loop, &bus->signals[i]);
		bus->signals[i].data = bus;
		uv_signal_start(&bus->signals[i], on_signal, numbers[i]);
	}
	uv_timer_init(&bus->loop, &bus->retry);
	bus->retry.data = bus;
	uv_timer_start(&bus->retry, on_retry, 0, 0);
	r = pthread_create(&bus->thread, NULL, run, bus);
	if (r != 0) {
		return -r;
	}
	*out = bus;
	return 0;
}

void view_bus_wait(struct view_bus *bus, uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / CLOCK_NS_PER_S),
				 .tv_nsec = (long)(until_ns % CLOCK_NS_PER_S)};
	int r = 0;
	pthread_mutex_lock(&bus->lock);
	while (!bus->pending && r == 0) {
		r = pthread_cond_timedwait(&bus->changed, &bus->lock, &until);
	}
	pthread_mutex_unlock(&bus->lock);
}

void view_bus_take(struct view_bus *bus, struct view_event *event)
{
	pthread_mutex_lock(&bus->lock);
	*event = bus->next;
	bus->next = (struct view_event){.quit = event->quit,
					.connected = event->connected,
					.gone = event->gone,
					.cursor = {.visible = event->cursor.visible}};
	bus->pending = false;
	pthread_mutex_unlock(&bus->lock);
}

void view_bus_answer(struct view_bus *bus, struct view_update *update)
{
	if (update != NULL) {
		mailbox_post(&bus->mailbox, &update->letter);
	}
}

uint64_t view_bus_dropped(struct view_bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	uint64_t dropped = bus->dropped;
	pthread_mutex_unlock(&bus->lock);
	return dropped;
}

void view_bus_stop(struct view_bus *bus)
{
	mailbox_post(&bus->mailbox, &bus->stop);
	pthread_join(bus->thread, NULL);
	uv_loop_close(&bus->loop);
	free(bus->next.cursor.pixels);
	pthread_cond_destroy(&bus->changed);
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}
