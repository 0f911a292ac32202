/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "front.h"

struct errand {
	struct letter letter;
	struct test_device *device;
	void (*function)(struct test_device *, void *);
	void *data;
	sem_t *done;
};

static void count(struct test_device *device, unsigned *counter, char event)
{
	pthread_mutex_lock(&device->lock);
	*counter += 1;
	size_t len = strlen(device->order);
	if (event != 0 && len + 1 < sizeof(device->order)) {
		device->order[len] = event;
	}
	pthread_cond_broadcast(&device->changed);
	pthread_mutex_unlock(&device->lock);
}

static void answer(struct test_device *device, unsigned index, struct virtqueue_chain *chain)
{
	size_t len = chain->readable_bytes < chain->writable_bytes ? chain->readable_bytes
								   : chain->writable_bytes;
	uint8_t *bytes = malloc(len + 1);
	if (!virtqueue_read(chain, 0, bytes, len)) {
		abort();
	}
	for (size_t i = 0; i < len; i++) {
		bytes[i] = (uint8_t)~bytes[i];
	}
	if (!virtqueue_write(chain, 0, bytes, len)) {
		abort();
	}
	free(bytes);
	virtqueue_push(vhost_queue(device->vhost, index), chain, (uint32_t)len);
	count(device, &device->served, 0);
}

static void keep(struct test_device *device, unsigned index, struct virtqueue_chain *chain)
{
	unsigned at = device->held_count;
	if (at == DEVICE_MAX_HELD) {
		abort();
	}
	device->held[at] = chain;
	device->held_queue[at] = index;
	count(device, &device->held_count, 0);
}

static void serve(struct test_device *device, unsigned index)
{
	struct virtqueue *queue = vhost_queue(device->vhost, index);
	do {
		struct virtqueue_chain *chain;
		if (device->one_at_a_time > 0 && (chain = virtqueue_pop(queue)) != NULL) {
			device->one_at_a_time++;
			answer(device, index, chain);
			virtqueue_notify(queue);
			vhost_kick_later(device->vhost, index);
			return;
		}
		while ((chain = virtqueue_pop(queue)) != NULL) {
			if (device->hold) {
				keep(device, index, chain);
			} else {
				answer(device, index, chain);
			}
		}
		virtqueue_notify(queue);
	} while (virtqueue_rearm(queue));
}

static void drop_held(struct test_device *device)
{
	for (unsigned i = 0; i < device->held_count; i++) {
		virtqueue_drop(device->held[i]);
	}
	pthread_mutex_lock(&device->lock);
	device->held_count = 0;
	pthread_mutex_unlock(&device->lock);
}

static void on_started(void *data, bool resumed)
{
	struct test_device *device = data;
	if (resumed) {
		count(device, &device->resumed, 0);
	} else {
		drop_held(device);
	}
	count(device, &device->started, resumed ? 'R' : 'S');
}

static void on_stopped(void *data)
{
	struct test_device *device = data;
	count(device, &device->stopped, 'T');
}

static void on_kicked(void *data, unsigned index)
{
	struct test_device *device = data;
	count(device, &device->kicked, 0);
	serve(device, index);
}

static void on_config_written(void *data, uint32_t offset, const uint8_t *bytes, uint32_t size)
{
	struct test_device *device = data;
	pthread_mutex_lock(&device->lock);
	memcpy(device->written, bytes, size);
	device->written_size = size;
	pthread_mutex_unlock(&device->lock);
	/* As a select register: what is written at 0 shows, inverted, at 8. */
	uint8_t echo = (uint8_t)~bytes[0];
	vhost_set_config(device->vhost, 8, &echo, 1, false);
	count(device, &device->writes, 0);
}

static void on_disconnected(void *data, int error)
{
	struct test_device *device = data;
	pthread_mutex_lock(&device->lock);
	device->error = error;
	pthread_mutex_unlock(&device->lock);
	count(device, &device->disconnected, 'X');
}

static const struct vhost_callbacks callbacks = {
	.started = on_started,
	.stopped = on_stopped,
	.kicked = on_kicked,
	.config_written = on_config_written,
	.disconnected = on_disconnected,
};

static void *run_loop(void *data)
{
	struct test_device *device = data;
	uv_run(&device->loop, UV_RUN_DEFAULT);
	return NULL;
}

int device_open(struct test_device *device, unsigned queue_count, uint64_t window_size)
{
	memset(device, 0, sizeof(*device));
	pthread_mutex_init(&device->lock, NULL);
	pthread_cond_init(&device->changed, NULL);
	assert_int_equal(uv_loop_init(&device->loop), 0);
	assert_int_equal(mailbox_init(&device->inbox, &device->loop), 0);
	struct vhost_options options = {
		.features = DEVICE_FEATURES,
		.queue_count = queue_count,
		.config_size = DEVICE_CONFIG_SIZE,
		.window_size = window_size,
		.window_id = 1,
		.callbacks = &callbacks,
		.data = device,
	};
	for (unsigned i = 0; i < DEVICE_CONFIG_SIZE; i++) {
		options.config[i] = (uint8_t)(i + 1);
	}
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vhost_create(&options, pair[0], &device->loop, &device->vhost), 0);
	assert_int_equal(pthread_create(&device->thread, NULL, run_loop, device), 0);
	return pair[1];
}

static void handle_destroyed(void *data)
{
	struct test_device *device = data;
	mailbox_close(&device->inbox, NULL, NULL);
}

static void destroy(struct test_device *device, void *data)
{
	drop_held(device);
	vhost_destroy(device->vhost, handle_destroyed, device);
}

void device_close(struct test_device *device)
{
	device_post(device, destroy, NULL);
	pthread_join(device->thread, NULL);
	assert_int_equal(uv_loop_close(&device->loop), 0);
	pthread_mutex_destroy(&device->lock);
	pthread_cond_destroy(&device->changed);
}

static void deliver(struct letter *letter)
{
	struct errand *errand = container_of(letter, struct errand, letter);
	errand->function(errand->device, errand->data);
	if (errand->done != NULL) {
		sem_post(errand->done);
	}
	free(errand);
}

static void post(struct test_device *device, void (*function)(struct test_device *, void *),
		 void *data, sem_t *done)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	errand->letter.deliver = deliver;
	errand->device = device;
	errand->function = function;
	errand->data = data;
	errand->done = done;
	mailbox_post(&device->inbox, &errand->letter);
}

void device_post(struct test_device *device, void (*function)(struct test_device *, void *),
		 void *data)
{
	post(device, function, data, NULL);
}

static void time_limit(struct timespec *end)
{
	clock_gettime(CLOCK_REALTIME, end);
	end->tv_sec += WIRE_TIMEOUT_MS / 1000;
}

void device_run(struct test_device *device, void (*function)(struct test_device *, void *),
		void *data)
{
	sem_t done;
	struct timespec end;
	sem_init(&done, 0, 0);
	time_limit(&end);
	post(device, function, data, &done);
	while (sem_timedwait(&done, &end) != 0) {
		if (errno != EINTR) {
			fail_msg("the device thread is stuck");
		}
	}
	sem_destroy(&done);
}

void device_wait(struct test_device *device, const unsigned *counter, unsigned value)
{
	struct timespec end;
	time_limit(&end);
	pthread_mutex_lock(&device->lock);
	int error = 0;
	while (*counter < value && error == 0) {
		error = pthread_cond_timedwait(&device->changed, &device->lock, &end);
	}
	unsigned seen = *counter;
	pthread_mutex_unlock(&device->lock);
	if (seen < value) {
		fail_msg("the device came to %u, not to %u", seen, value);
	}
}

void device_wait_order(struct test_device *device, const char *order)
{
	struct timespec end;
	char seen[sizeof(device->order)];
	time_limit(&end);
	pthread_mutex_lock(&device->lock);
	int error = 0;
	while (strcmp(device->order, order) != 0 && error == 0) {
		error = pthread_cond_timedwait(&device->changed, &device->lock, &end);
	}
	memcpy(seen, device->order, sizeof(seen));
	pthread_mutex_unlock(&device->lock);
	assert_string_equal(seen, order);
}

unsigned device_count(struct test_device *device, const unsigned *counter)
{
	pthread_mutex_lock(&device->lock);
	unsigned seen = *counter;
	pthread_mutex_unlock(&device->lock);
	return seen;
}

/* Window. */

struct window_errand {
	bool map;
	uint64_t offset;
	uint64_t size;
	int fd;
	uint64_t fd_offset;
};

void device_window_done(void *data, int status)
{
	struct test_device *device = data;
	pthread_mutex_lock(&device->lock);
	if (device->done_count < DEVICE_MAX_DONE) {
		device->done[device->done_count] = status;
	}
	pthread_mutex_unlock(&device->lock);
	count(device, &device->done_count, 'D');
	if (device->ask_again) {
		device->ask_again = false;
		vhost_window_unmap(device->vhost, 0, 4096, device_window_done, device);
	}
}

static void do_window(struct test_device *device, void *data)
{
	const struct window_errand *errand = data;
	if (errand->map) {
		vhost_window_map(device->vhost, errand->offset, errand->size, errand->fd,
				 errand->fd_offset, true, device_window_done, device);
	} else {
		vhost_window_unmap(device->vhost, errand->offset, errand->size, device_window_done,
				   device);
	}
}

void device_map(struct test_device *device, uint64_t offset, uint64_t size, int fd,
		uint64_t fd_offset)
{
	struct window_errand errand = {true, offset, size, fd, fd_offset};
	device_run(device, do_window, &errand);
}

void device_unmap(struct test_device *device, uint64_t offset, uint64_t size)
{
	struct window_errand errand = {false, offset, size, -1, 0};
	device_run(device, do_window, &errand);
}

struct config_errand {
	uint32_t offset;
	uint32_t value;
	bool notify;
};

static void do_config(struct test_device *device, void *data)
{
	const struct config_errand *errand = data;
	vhost_set_config(device->vhost, errand->offset, &errand->value, sizeof(errand->value),
			 errand->notify);
}

void device_set_config(struct test_device *device, uint32_t offset, uint32_t value, bool notify)
{
	struct config_errand errand = {offset, value, notify};
	device_run(device, do_config, &errand);
}

/* Held chains. */

static void do_hold(struct test_device *device, void *data)
{
	device->hold = *(const bool *)data;
}

void device_hold(struct test_device *device, bool hold)
{
	device_run(device, do_hold, &hold);
}

static void do_release(struct test_device *device, void *data)
{
	for (unsigned i = 0; i < device->held_count; i++) {
		answer(device, device->held_queue[i], device->held[i]);
	}
	pthread_mutex_lock(&device->lock);
	device->held_count = 0;
	pthread_mutex_unlock(&device->lock);
	for (unsigned i = 0; i < WIRE_MAX_QUEUES; i++) {
		virtqueue_notify(vhost_queue(device->vhost, i));
	}
}

void device_release(struct test_device *device)
{
	device_run(device, do_release, NULL);
}
