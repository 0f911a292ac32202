/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_VHOST_H
#define HESPER_VHOST_VHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "vhost/guest_memory.h"
#include "vhost/virtqueue.h"
#include "vhost/window_files.h"

/*
 * A vhost-user back end for one device: the protocol, its queues, and the shared-memory window.
 *
 * Two threads. The *front* thread is made here: it owns the vhost-user socket and the back-end
 * channel, answers what it knows at once, and never waits: what concerns rings is handed to the
 * device thread as a letter, and the front end's reply is sent when the letter comes back. The
 * *device* thread is the caller's: the one that runs `loop`. All functions and callbacks below
 * are for the device thread.
 */
struct vhost;

#define VHOST_MAX_QUEUES 8
#define VHOST_MAX_CONFIG 256 /* QEMU: VHOST_USER_MAX_CONFIG_SIZE */

/*
 * Front thread: the guest wrote size bytes at offset; makes config (VHOST_MAX_CONFIG bytes) what it
 * reads from now on. For a device whose config is a function of what was written: no round trip to
 * a device thread that may be busy, for hundreds of accesses in which the machine stands still. data
 * does not change while the session lives.
 */
typedef void (*vhost_select_config)(const void *data, uint8_t *config, uint32_t offset,
				    const uint8_t *bytes, uint32_t size);

struct vhost_callbacks {
	/*
	 * The guest's driver runs: first ring enabled. resumed: the VM was only paused, and
	 * every resource and mapping is still there. Otherwise the device starts from reset: the
	 * device drops all state (mappings are already gone).
	 */
	void (*started)(void *data, bool resumed);
	/* Rings are stopped: pause, reset or unplug; which one is told by the next started. */
	void (*stopped)(void *data);
	/* Chains may be available in queue `index`. */
	void (*kicked)(void *data, unsigned index);
	/*
	 * The guest wrote config: size bytes at offset, as sent by the front end. Not called with
	 * select_config.
	 */
	void (*config_written)(void *data, uint32_t offset, const uint8_t *bytes, uint32_t size);
	/*
	 * The front end is gone, for good (QEMU cannot reconnect: protocols §1.0 Q7). Last
	 * callback; error is 0 for an orderly end of file or negative errno.
	 */
	void (*disconnected)(void *data, int error);
};

struct vhost_options {
	/* Virtio feature bits offered to the guest, device and ring bits; bit 30 is added. */
	uint64_t features;
	unsigned queue_count;
	uint32_t config_size;
	uint8_t config[VHOST_MAX_CONFIG]; /* initial content */
	vhost_select_config select_config; /* NULL: config_written is called */
	const void *select_data;
	/* Size in bytes of the window with window_id, a power of two; 0 = none. */
	uint64_t window_size;
	uint8_t window_id;
	struct window_files
		*window_files; /* of all sessions of the machine; NULL: this is the only one */
	const struct vhost_callbacks *callbacks;
	void *data;
};

/*
 * Takes a connected vhost-user socket (fd is owned by the vhost on success only) and starts the
 * front thread. loop is the device thread's, and must be running or about to run. Negative errno.
 */
int vhost_create(const struct vhost_options *options, int fd, uv_loop_t *loop, struct vhost **out);

/*
 * Stops the front thread, closes the session, and frees it. done(data) runs on the device loop
 * when all its handles are closed; no callback comes after this call, inside of which window
 * requests are answered (-ECANCELED). NULL is accepted (done still runs, at once).
 */
void vhost_destroy(struct vhost *vhost, void (*done)(void *data), void *data);

/*
 * Calls kicked(index) again in a later turn of the loop. For a device that leaves chains in a queue
 * so that others get their turn: a guest that is fast enough could keep it there for ever, and
 * the front end waits for this thread.
 */
void vhost_kick_later(struct vhost *vhost, unsigned index);

struct virtqueue *vhost_queue(struct vhost *vhost, unsigned index);

/* RAM as the device thread sees it now; NULL before the first table. Borrowed: ref to keep. */
struct guest_memory *vhost_memory(struct vhost *vhost);

/* Feature bits that the guest has acknowledged. */
uint64_t vhost_features(const struct vhost *vhost);

/*
 * Replaces config bytes, and, when notify is set, tells the guest (CONFIG_CHANGE); kept until the
 * device is started if it is not.
 */
void vhost_set_config(struct vhost *vhost, uint32_t offset, const void *bytes, uint32_t size,
		      bool notify);

/*
 * The shared-memory window. A request is answered by done(data, status) on the device thread,
 * never inside the call: 0 when the guest can use the mapping (it really is there: barrier), or
 * negative errno: -EREMOTEIO the front end refused, -ECANCELED the device was reset before,
 * -ENOTCONN no channel, -EINVAL outside the window, no page multiple, or (unmap) no mapping of
 * exactly this range. One request is outstanding at a time, the others queue in order; nothing is
 * sent before the device is started or after it stopped. What a pause interrupts is done after
 * it: no answer comes while the VM is paused (but one that was on its way). A reset answers all
 * requests before started is called.
 * offset and size: bytes in the window, page multiples. fd: borrowed for the call (duplicated).
 * Generation of mappings: all are gone after a reset (started with resumed = false).
 */
typedef void (*vhost_window_done)(void *data, int status);
void vhost_window_map(struct vhost *vhost, uint64_t offset, uint64_t size, int fd,
		      uint64_t fd_offset, bool writable, vhost_window_done done, void *data);
void vhost_window_unmap(struct vhost *vhost, uint64_t offset, uint64_t size, vhost_window_done done,
			void *data);

#endif
