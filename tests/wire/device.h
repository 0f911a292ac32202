/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_DEVICE_H
#define HESPER_TESTS_WIRE_DEVICE_H

#include <pthread.h>
#include <uv.h>

#include "util/mailbox.h"
#include "vhost/vhost.h"

/*
 * A device in this process: a thread with a loop, a vhost on it, and callbacks that count. It
 * answers each chain by copying its readable bytes, inverted, into its writable ones; or holds it.
 */
#define DEVICE_MAX_HELD 256
#define DEVICE_MAX_DONE 64

struct test_device {
	pthread_t thread;
	uv_loop_t loop;
	struct mailbox inbox;
	struct vhost *vhost; /* device thread */
	bool hold; /* device thread: keep chains */
	unsigned one_at_a_time; /* device thread: take one chain a turn; counts the turns */
	bool ask_again; /* device thread: the next answer to a window request makes another */
	struct virtqueue_chain *held[DEVICE_MAX_HELD];
	unsigned held_queue[DEVICE_MAX_HELD];

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	unsigned started;
	unsigned resumed; /* of these, with resumed = true */
	unsigned stopped;
	unsigned kicked;
	unsigned served;
	unsigned held_count;
	unsigned writes; /* config */
	uint8_t written[VHOST_MAX_CONFIG];
	uint32_t written_size;
	unsigned disconnected;
	int error;
	unsigned done_count; /* window requests answered */
	int done[DEVICE_MAX_DONE];
	char order[256]; /* one letter per event: S start, R resume, T stop, D done, X */
};

#define DEVICE_WINDOW (1ull << 30)
#define DEVICE_FEATURES (1ull << 32 | 1ull << 29 | 1ull << 28)
#define DEVICE_CONFIG_SIZE 24

/* Starts it; the front end's socket. queue_count queues; window_size as in vhost_options. */
int device_open(struct test_device *device, unsigned queue_count, uint64_t window_size);
/* Destroys the vhost, ends the thread and frees what is left. */
void device_close(struct test_device *device);

/* Runs function(device, data) on the device thread and waits for its end. */
void device_run(struct test_device *device, void (*function)(struct test_device *, void *),
		void *data);
/* The same, not waiting. data must live until then. */
void device_post(struct test_device *device, void (*function)(struct test_device *, void *),
		 void *data);

/* Waits until *counter (one of the locked ones) is at least value; fails the test else. */
void device_wait(struct test_device *device, const unsigned *counter, unsigned value);
unsigned device_count(struct test_device *device, const unsigned *counter);
/* Waits until the events so far, see order, are these; fails the test else. */
void device_wait_order(struct test_device *device, const char *order);

/* Window requests, from any thread; their status goes to done[]. */
void device_window_done(void *data, int status);
void device_map(struct test_device *device, uint64_t offset, uint64_t size, int fd,
		uint64_t fd_offset);
void device_unmap(struct test_device *device, uint64_t offset, uint64_t size);
void device_set_config(struct test_device *device, uint32_t offset, uint32_t value, bool notify);
/* From now on chains are held. */
void device_hold(struct test_device *device, bool hold);
/* Pushes all held chains, answered. */
void device_release(struct test_device *device);

#endif
