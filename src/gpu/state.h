/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GPU_STATE_H
#define HESPER_GPU_STATE_H

#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "frame/frame.h"
#include "gpu/edid.h"
#include "gpu/gpu.h"
#include "util/idmap.h"
#include "util/list.h"

/*
 * Inside of the device. All of it belongs to the device thread.
 *
 * Who refers to what: resources and contexts are in one table each, by guest id, and nowhere else
 * by pointer across a callback, except from the command that works on them; a reset empties the
 * tables and orphans the commands, so a callback of an orphan touches neither.
 */

/* Limits that hold before any allocation is made on a guest's word, beside those of limits.h. */
#define GPU_MAX_2D_BYTES (512ull << 20)  /* one 2D resource */
#define GPU_MAX_SIZE 16384   /* pixels, each way */

struct gpu_command;

/* Fenced commands of one timeline, in the order they came; completed from its head only. */
struct gpu_timeline {
	struct list commands;
};

struct gpu_context {
	uint32_t id;
	uint64_t serial; /* another one with the same id has another */
	uint64_t bytes; /* of its blobs (GPU_LIMIT_CONTEXT_MEMORY) */
	bool lost;
	unsigned pictures_read; /* by viewers now (pacing.c) */
	unsigned pictures_left; /* of these, that the guest has flipped away from */
	enum hesper_gate_state gate;
	struct idmap attached; /* resource id → struct gpu_resource */
	struct gpu_timeline rings[RENDER_MAX_RINGS];
	struct list dying_link;
};

/*
 * busy: an answer of the renderer or the front end is awaited that decides about the resource;
 * commands for it wait in `waiters` meanwhile, in order.
 */
enum gpu_resource_kind {
	GPU_RESOURCE_2D, /* memory: a shared-memory picture; backing: guest pages */
	GPU_RESOURCE_GUEST, /* backing: guest pages, or none yet; memory: a copy, once scanned out */
	GPU_RESOURCE_HOST3D, /* memory: the renderer's, or NULL when it cannot be shared */
};

/* Guest pages, resolved to host pointers. */
struct gpu_backing {
	struct guest_memory *memory; /* keeps the pointers valid; NULL: no backing */
	struct iovec *iov;
	size_t count;
	uint64_t bytes;
	uint64_t held; /* bytes of the list itself, of GPU_LIMIT_MEMORY */
};

struct gpu_resource {
	uint32_t id;
	enum gpu_resource_kind kind;
	bool busy;
	bool leaving; /* an unref waits */
	bool imported; /* guest pages that the renderer has as a resource, too */
	uint64_t held; /* bytes, of GPU_LIMIT_MEMORY */
	uint32_t files; /* of GPU_LIMIT_DESCRIPTORS */
	uint64_t context_serial; /* whose bytes are counted; 0: no context's */
	struct list waiters; /* struct gpu_command.wait_link */
	struct memory *memory;
	struct gpu_backing backing;
	/* 2D */
	const struct format *format;
	uint32_t width;
	uint32_t height;
	/* blobs */
	uint64_t size;
	uint32_t blob_flags;
	uint32_t context; /* that made it */
	uint32_t map_info;
	bool mapped;
	bool mapping; /* is asked for */
	uint64_t map_offset;
};

struct gpu_scanout {
	struct gpu_mode mode; /* of its monitor */
	uint32_t resource; /* 0: disabled */
	bool blob;
	struct frame frame; /* memory: one reference, or NULL */
	struct rect rect; /* shown part, resource coordinates */
	struct gpu *gpu;
	uv_timer_t disable_timer; /* a disable waits here, in case an enable follows */
	uint32_t cursor_resource;
	uint64_t
		flip_ns; /* for traces: when the picture that the next flush shows was named; 0: before */
	uint64_t flipped_ns; /* and when the last flush ended */
};

struct gpu {
	uv_loop_t *loop;
	struct gpu_options options;
	struct vhost *vhost;
	struct render *render;
	struct render_capset capset;
	struct virtio_gpu_config config;
	bool mode_changed; /* since the guest was last told of an event */
	uv_timer_t hot_plug_timer; /* runs while the next event has to keep its distance */
	int udmabuf; /* /dev/udmabuf, or -1 */
	struct idmap resources;
	struct idmap contexts;
	struct list dying; /* contexts whose destruction is under way */
	struct list commands; /* all that are not completed */
	struct list flushed; /* struct gpu_reading (pacing.c): viewers are not told yet */
	struct list readings; /* struct gpu_reading: they are */
	struct gpu_command *spare_command; /* the next one; or NULL */
	struct gpu_timeline global;
	struct gpu_scanout scanouts[GPU_MAX_HEADS];
	unsigned blob_scanouts; /* heads that show a blob */
	uint64_t copied_mark; /* counter when the first of them came on */
	uint64_t copied_on_blob_path;
	uint64_t last_serial; /* of a context */
	struct gpu_limit_usage usage[GPU_LIMITS];
	bool notify[2]; /* queues with something pushed since the last interrupt */
	uv_prepare_t prepare;
	unsigned closing;
	void (*destroy_done)(void *data);
	void *destroy_data;
};

/* --- command.c ------------------------------------------------------------------------------ */

union gpu_request {
	struct virtio_gpu_ctrl_hdr hdr;
	struct virtio_gpu_resource_create_2d create_2d;
	struct virtio_gpu_resource_unref unref;
	struct virtio_gpu_set_scanout set_scanout;
	struct virtio_gpu_resource_flush flush;
	struct virtio_gpu_transfer_to_host_2d transfer_2d;
	struct virtio_gpu_resource_attach_backing attach_backing;
	struct virtio_gpu_resource_detach_backing detach_backing;
	struct virtio_gpu_get_capset_info capset_info;
	struct virtio_gpu_get_capset capset;
	struct virtio_gpu_cmd_get_edid edid;
	struct virtio_gpu_resource_create_blob create_blob;
	struct virtio_gpu_set_scanout_blob set_scanout_blob;
	struct virtio_gpu_ctx_create ctx_create;
	struct virtio_gpu_ctx_resource ctx_resource;
	struct virtio_gpu_cmd_submit submit;
	struct virtio_gpu_resource_map_blob map_blob;
	struct virtio_gpu_resource_unmap_blob unmap_blob;
	struct virtio_gpu_update_cursor cursor;
};

/*
 * One command from the moment its chain is popped until its completion is pushed. The request was
 * copied out of guest memory once; the scatter entries and command buffers behind it are read
 * from the chain by the handler, once.
 */
struct gpu_command {
	struct gpu *gpu;
	struct list link; /* gpu.commands */
	struct list timeline_link;
	struct list wait_link;
	unsigned queue;
	struct virtqueue_chain *chain; /* NULL: orphaned by a reset */
	union gpu_request request;
	size_t request_size; /* bytes of the fixed part */
	const struct gpu_handler *handler;
	struct gpu_timeline *timeline; /* NULL: not fenced */
	struct gpu_context *dying; /* CTX_DESTROY's */
	bool ring_fence; /* the timeline is a context's */
	bool fence_requested;
	bool fence_counted; /* of GPU_LIMIT_FENCES */
	bool executed;
	bool signalled;
	uint32_t written;
	unsigned pending; /* callbacks that will still come */
	/* While it is traced, else 0. */
	uint64_t decoded_ns;
	uint64_t traced_work; /* trace_begin's id */
	uint64_t traced_fence;
};

struct gpu_handler {
	const char *name;
	size_t size; /* of the fixed request */
	/* Answers with one of the command_ functions, now or later. */
	void (*run)(struct gpu_command *command);
	/* Offset in the request of the id of a resource to wait for while it is busy; 0: none. */
	size_t resource_at;
	bool needs_resource; /* without it, INVALID_RESOURCE_ID */
};

/* Before a chain is taken: makes sure of the next command_create, or starves the queue. */
bool command_reserve(struct gpu *gpu, struct virtqueue *queue);

/* Takes over the chain. */
struct gpu_command *command_create(struct gpu *gpu, unsigned queue, struct virtqueue_chain *chain);

/* Answers. The command may be freed by the call: do not use it afterwards. */
void command_finish(struct gpu_command *command, uint32_t type);
void command_finish_with(struct gpu_command *command, void *response, size_t size, uint32_t type);
/* An error response; why stands in the log already. */
void command_refuse(struct gpu_command *command, uint32_t type);
/* An error response and one rate-limited line. */
void command_fail(struct gpu_command *command, uint32_t type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Bracket a callback that will come for the command. command_resume is true when the command
 * still lives; otherwise (reset meanwhile) it has been freed, and so has what it worked on.
 */
void command_suspend(struct gpu_command *command);
bool command_resume(struct gpu_command *command);

/* Marks commands up to fence_id signalled and completes what is complete. */
void timeline_signal(struct gpu *gpu, struct gpu_timeline *timeline, uint64_t fence_id);
void timeline_init(struct gpu_timeline *timeline);
/* What is left (commands that still wait for a resource) goes on as if fenced globally. */
void timeline_move(struct gpu_timeline *from, struct gpu_timeline *to);

/* Orphans every command. */
void command_drop_all(struct gpu *gpu);

/* --- tracing.c: to be called while trace_on() ------------------------------------------------- */

/* Its work begins: a "blob", "map" or "submit" of so many bytes; resource 0: of none. */
void tracing_work(struct gpu_command *command, uint64_t bytes, uint32_t resource);
/* And has ended, well if status is 0. */
void tracing_worked(struct gpu_command *command, int status);
/* The renderer is asked for its fence. */
void tracing_fence(struct gpu_command *command);
/* The command goes: with it all that was begun. */
void tracing_end(struct gpu_command *command);
/* A head's track gets its name. */
void tracing_name(unsigned head);
/* A scanout shows another picture with the next flush; that came; and the display was told. */
void tracing_scanout(struct gpu_scanout *scanout, const struct gpu_command *command);
struct tracing_flip {
	uint64_t begin_ns;
	uint32_t resource;
	bool fenced;
};
void tracing_flush(struct gpu_scanout *scanout, const struct gpu_command *command,
		   struct tracing_flip *flip);
void tracing_flipped(struct gpu_scanout *scanout, const struct tracing_flip *flip);

/* --- limits.c ------------------------------------------------------------------------------- */

void limits_init(struct gpu *gpu, const struct gpu_limits *limits);
/* Nothing is in use: all is dropped, and what is under way gives nothing back. */
void limits_reset(struct gpu *gpu);

/*
 * Takes amount of what the limit allows, in its unit of 1 or bytes. False when that would go over it:
 * the command is answered, and a line is in the log.
 */
bool limit_take(struct gpu_command *command, enum gpu_limit limit, uint64_t amount);
void limit_give(struct gpu *gpu, enum gpu_limit limit, uint64_t amount);

/* The same for what is counted elsewhere (now), or is of one thing (now 0). */
bool limit_allows(struct gpu_command *command, enum gpu_limit limit, uint64_t now, uint64_t amount);

/* --- dispatch.c ----------------------------------------------------------------------------- */

void dispatch_queue(struct gpu *gpu, unsigned queue);

/* Runs commands that waited (by wait_link) for a resource that is gone; the list is emptied. */
void dispatch_again(struct list *commands);

/* The resource's awaited answer has come: lets the waiting commands go on. */
void dispatch_resource_idle(struct gpu *gpu, uint32_t resource_id);

/* --- handlers, by file ---------------------------------------------------------------------- */

void resource_create_2d(struct gpu_command *command);
void resource_unref(struct gpu_command *command);
void resource_attach_backing(struct gpu_command *command);
void resource_detach_backing(struct gpu_command *command);
struct gpu_resource *resource_find(struct gpu *gpu, uint32_t id);
/* NULL (and an answered command) when the id is bad or there is no memory. */
struct gpu_resource *resource_add(struct gpu_command *command, uint32_t id);
/* Commands that wait for it are answered: there is no such resource. */
void resource_drop(struct gpu *gpu, struct gpu_resource *resource);
void resource_drop_all(struct gpu *gpu);
/*
 * Takes bytes of memory and a number of files for the resource, given back when it goes. False when a
 * limit does not allow it: the command is answered, and nothing was taken.
 */
bool resource_hold(struct gpu_command *command, struct gpu_resource *resource, uint64_t bytes,
		   uint32_t files);
/*
 * Reads entries behind the fixed request; a blob's have to be enough for it. On failure answers the
 * command; false.
 */
bool backing_read(struct gpu_command *command, struct gpu_resource *resource, uint32_t entries);
void backing_finish(struct gpu *gpu, struct gpu_resource *resource);

void transfer_to_host_2d(struct gpu_command *command);
/*
 * Copies (counted) len bytes from offset of the backing; false when they are not all there. place
 * remembers where the last copy began, so that the rows of a picture cost one walk over the pieces,
 * not one each: a guest chooses the number of both. Starts zeroed.
 */
struct gpu_place {
	size_t piece;
	uint64_t start; /* bytes before that piece */
};
bool backing_copy(const struct gpu_backing *backing, struct gpu_place *place, uint64_t offset,
		  void *to, uint64_t len);

void blob_create(struct gpu_command *command);
void blob_map(struct gpu_command *command);
void blob_unmap(struct gpu_command *command);
/* Removes a mapping without an answer to anyone: for unref. */
void blob_release_mapping(struct gpu *gpu, struct gpu_resource *resource);

void context_create(struct gpu_command *command);
void context_destroy(struct gpu_command *command);
void context_attach_resource(struct gpu_command *command);
void context_detach_resource(struct gpu_command *command);
void context_submit(struct gpu_command *command);
/* Of a command that fails because the resource is not there: what concerns the context all the same. */
void context_name_missing(struct gpu_command *command, uint32_t resource);
struct gpu_context *context_find(struct gpu *gpu, uint32_t id);
/* That very one: NULL when it has gone, also if another has its id. serial 0: nobody. */
struct gpu_context *context_find_same(struct gpu *gpu, uint32_t id, uint64_t serial);
/* detach: the renderer is told, too. */
void context_forget_resource(struct gpu *gpu, uint32_t resource, bool detach);
void context_signal_all(struct gpu *gpu, struct gpu_context *context);
void context_drop_all(struct gpu *gpu);

void monitor_get_display_info(struct gpu_command *command);
void monitor_get_edid(struct gpu_command *command);
/* The guest has read what the last event told of. */
void monitor_event_cleared(struct gpu *gpu);
void monitor_hot_plug_rested(uv_timer_t *timer);

void scanout_set(struct gpu_command *command);
void scanout_set_blob(struct gpu_command *command);
void scanout_flush(struct gpu_command *command);
void scanout_init(struct gpu *gpu, unsigned head);
/* Its number. */
unsigned scanout_head(const struct gpu_scanout *scanout);
/* The id means nothing any more; a head that shows the resource goes on showing its memory. */
void scanout_forget_resource(struct gpu *gpu, uint32_t resource);
/*
 * bytes were copied that the blob path has no part in, unless a head shows that resource as a blob:
 * Linux fills its text console before it comes back on, or shows it on one head beside a blob on
 * another.
 */
void scanout_excuse_copy(struct gpu *gpu, uint32_t resource, uint64_t bytes);
/* The head's monitor came or went: mode already says so. */
void scanout_set_connected(struct gpu *gpu, unsigned head, bool connected);
/* Blank, now: the device was reset. */
void scanout_reset(struct gpu *gpu, unsigned head);

/* --- pacing.c ------------------------------------------------------------------------------- */

/*
 * Viewers will be told of the part of what the scanout shows, with the next pacing_send; then the context that
 * drew it draws no more until they have read it, and released(flush) comes. May be NULL.
 */
void pacing_update(struct gpu_scanout *scanout, const struct rect *part, struct gpu_command *flush,
		   void (*released)(void *data));
/* True: somebody is held back who was not before, and may have said something meanwhile. */
bool pacing_hold(struct gpu *gpu);
/* Tells viewers. */
void pacing_send(struct gpu *gpu);
/* The scanout's frame is another one now, or none. */
void pacing_flip(struct gpu_scanout *scanout);
/* Nobody is held back any more. */
void pacing_finish(struct gpu *gpu);

void cursor_update(struct gpu_command *command);
void cursor_move(struct gpu_command *command);

#endif
