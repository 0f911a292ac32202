/* SPDX-License-Identifier: MIT */
#include "view/bus_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"
#include "util/fd.h"
#include "util/trace.h"

/*
 * THEORY OF OPERATION
 *
 * Two ways between the threads. Towards the main thread: `next`, one place for the newest of each
 * kind of news (bus_news.c). Towards the bus thread: the mailbox. An answer is a letter that was
 * made together with its update, so that answering cannot fail; everything else is an order.
 */

#define RETRY_MS 50

/* A descriptor, or -1 where the client makes the connection itself; negative errno in *error. */
static int reach(const struct view_bus *bus, int *error)
{
	const char *path = bus->options.socket != NULL ? bus->options.socket : bus->options.qmp;
	int fd = path != NULL ? fd_connect(path) : -1;
	*error = path != NULL && fd < 0 ? fd : 0;
	return fd < 0 ? -1 : fd;
}

static int make_client(struct view_bus *bus, int fd)
{
	const struct display_client_options options = {
		.way = bus->options.socket != NULL ? DISPLAY_PEER
		       : bus->options.qmp != NULL  ? DISPLAY_QMP
						   : DISPLAY_BUS,
		.fd = fd,
		.address = bus->options.bus,
		.callbacks = &view_bus_callbacks,
		.data = bus};
	int r = display_client_create(&bus->loop, &options, &bus->client);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	for (unsigned console = 0; console < VIEW_MAX_CONSOLES; console++) {
		if ((bus->listening & (1u << console)) != 0) {
			display_client_listen(bus->client, console);
		}
	}
	return 0;
}

static void on_retry(uv_timer_t *timer)
{
	struct view_bus *bus = timer->data;
	int r;
	int fd = reach(bus, &r);
	if ((r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN) &&
	    clock_now_ns() < bus->give_up_ns) {
		uv_timer_start(timer, on_retry, RETRY_MS, 0);
		return;
	}
	if (r == 0) {
		r = make_client(bus, fd);
	}
	if (r < 0) {
		view_bus_tell_gone(bus, r);
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
	view_bus_unlock_and_wake(bus);
}

static void deliver_stop(struct letter *letter)
{
	struct view_bus *bus = container_of(letter, struct view_bus, stop);
	for (unsigned console = 0; console < VIEW_MAX_CONSOLES; console++) {
		view_bus_forget(bus, console);
	}
	for (int i = 0; i < bus->watched; i++) {
		uv_close((uv_handle_t *)&bus->signals[i], NULL);
	}
	uv_close((uv_handle_t *)&bus->retry, NULL);
	if (bus->client != NULL) {
		display_client_destroy(bus->client, NULL, NULL);
		bus->client = NULL;
	}
	mailbox_close(&bus->mailbox, NULL, NULL);
}

static void *run(void *data)
{
	struct view_bus *bus = data;
	pthread_setname_np(pthread_self(), "bus");
	uv_run(&bus->loop, UV_RUN_DEFAULT);
	trace_flush();
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

static void destroy(struct view_bus *bus)
{
	pthread_cond_destroy(&bus->changed);
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}

static int watch_signals(struct view_bus *bus)
{
	static const int numbers[VIEW_BUS_SIGNALS] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
	int r = 0;
	for (int i = 0; i < VIEW_BUS_SIGNALS && r == 0; i++) {
		r = uv_signal_init(&bus->loop, &bus->signals[i]);
		if (r == 0) {
			bus->signals[i].data = bus;
			bus->watched++;
			r = uv_signal_start(&bus->signals[i], on_signal, numbers[i]);
		}
	}
	return r;
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
	int r = uv_loop_init(&bus->loop);
	if (r < 0) {
		free(bus);
		return r;
	}
	init_lock(bus);
	r = mailbox_init(&bus->mailbox, &bus->loop);
	if (r < 0) {
		uv_loop_close(&bus->loop);
		destroy(bus);
		return r;
	}
	uv_timer_init(&bus->loop, &bus->retry);
	bus->retry.data = bus;
	uv_timer_start(&bus->retry, on_retry, 0, 0);
	r = watch_signals(bus);
	if (r == 0) {
		r = -pthread_create(&bus->thread, NULL, run, bus);
	}
	if (r < 0) {
		deliver_stop(&bus->stop);
		uv_run(&bus->loop, UV_RUN_DEFAULT);
		uv_loop_close(&bus->loop);
		destroy(bus);
		return r;
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

/* With the lock held. What stays true of a cursor goes on to the next event. */
static void take_console(struct view_console_event *next, struct view_console_event *out)
{
	*out = *next;
	*next = (struct view_console_event){
		.cursor = {.visible = out->cursor.visible, .x = out->cursor.x, .y = out->cursor.y}};
}

void view_bus_take(struct view_bus *bus, struct view_event *event)
{
	pthread_mutex_lock(&bus->lock);
	struct view_event *next = &bus->next;
	for (unsigned console = 0; console < VIEW_MAX_CONSOLES; console++) {
		if ((next->consoles & (1u << console)) != 0) {
			take_console(&next->console[console], &event->console[console]);
		}
	}
	event->consoles = next->consoles;
	event->has_leds = next->has_leds;
	event->leds = next->leds;
	event->has_absolute = next->has_absolute;
	event->absolute = next->absolute;
	event->quit = next->quit;
	event->captures = next->captures;
	event->restarts = next->restarts;
	event->connected = next->connected;
	event->gone = next->gone;
	next->consoles = 0;
	next->has_leds = false;
	next->has_absolute = false;
	next->captures = 0;
	next->restarts = 0;
	bus->pending = false;
	pthread_mutex_unlock(&bus->lock);
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
	destroy(bus);
}
