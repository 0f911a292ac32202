/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_RENDER_H
#define HESPER_RENDER_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <hesper/gate.h>

#include "frame/memory.h"

/*
 * The renderer of guest contexts. Nothing here waits: a renderer's own calls can block for as long
 * as a guest likes (protocols §5.3), so each context has a process of its own. Requests of one
 * context are carried out one after the other in the order they were made; each answers by its
 * done callback, and what happens to one context concerns no other. All functions and callbacks
 * here belong to the device thread: the one that runs the loop given to render_create.
 */
struct render;
struct spawner;

#define RENDER_CAPSET_VENUS 4 /* VIRTIO_GPU_CAPSET_VENUS */
#define RENDER_MAX_CAPSET 1024
#define RENDER_MAX_RINGS 64
/* Bytes that virglrenderer takes in one submission on every host (program/session.c). */
#define RENDER_MAX_COMMANDS (384u << 10)

struct render_capset {
	uint32_t id;  /* 0: the renderer has none */
	uint32_t version;
	uint32_t size;  /* bytes */
	uint8_t data[RENDER_MAX_CAPSET];
};

struct render_callbacks {
	/* The renderer works; capset is what guests are told. Or error is negative errno. */
	void (*ready)(void *data, int error, const struct render_capset *capset);
	/* Every fence of (context, ring) up to and including fence_id has signalled. */
	void (*fence)(void *data, uint32_t context, uint32_t ring, uint64_t fence_id);
	/*
	 * The context died, alone; its requests fail from now on, and no fence of it comes any
	 * more. Never from inside a call.
	 */
	void (*context_lost)(void *data, uint32_t context);
};

struct render_options {
	struct spawner *spawner; /* starts the contexts' processes; the renderer's from now on */
	/* A context that leaves a request unanswered for as long is cut off; 0: never. */
	uint64_t watchdog_ms;
	/*
	 * One of which no fence comes for as long, while some are under way, has a GPU that hangs
	 * and is cut off, too; 0: never.
	 */
	uint64_t gpu_watchdog_ms;
	const struct render_callbacks *callbacks;
	void *data;
};

struct render_impl;
extern const struct render_impl render_venus;
/*
 * Accepts everything and draws nothing: blobs are zeroed shared memory, fences signal at once. It
 * needs no spawner.
 */
extern const struct render_impl render_none;

/*
 * options (and what it points to) must outlive the renderer. ready follows, also if it cannot work.
 * Negative errno; then the spawner is still the caller's.
 */
int render_create(const struct render_impl *impl, const struct render_options *options,
		  uv_loop_t *loop, struct render **out);

/*
 * Requests under way are answered from inside this call; no callback comes after it but done(data),
 * when no process is left.
 */
void render_destroy(struct render *render, void (*done)(void *data), void *data);

/* status: 0 or negative errno. May come from inside the call that asked for it. */
typedef void (*render_done)(void *data, int status);

/*
 * context: > 0, not in use. name: at most 64 bytes, copied, need not be terminated. done: -ECANCELED when
 * it was destroyed before it was there.
 */
void render_context_create(struct render *render, uint32_t context, uint32_t capset,
			   const char *name, uint32_t name_length, render_done done, void *data);

/*
 * Pending fences of the context never signal after done: complete them yourself. Blobs that were asked
 * for before are still made, and answered later.
 */
void render_context_destroy(struct render *render, uint32_t context, render_done done, void *data);

struct render_blob {
	uint32_t resource;
	uint32_t context;
	uint32_t flags;  /* VIRTIO_GPU_BLOB_FLAG_USE_* as the guest gave them */
	uint64_t blob_id;
	uint64_t size;  /* bytes */
};

/*
 * On success memory carries one reference for the callee, or is NULL for memory that cannot be
 * mapped or shared (opaque), and map_info is VIRTIO_GPU_MAP_CACHE_*, or 0 if it is not mappable.
 */
typedef void (*render_blob_done)(void *data, int status, struct memory *memory, uint32_t map_info);
void render_blob_create(struct render *render, const struct render_blob *blob,
			render_blob_done done, void *data);
enum render_memory {
	RENDER_MEMORY_DMA_BUF, /* passes for one in the renderer's Vulkan */
	RENDER_MEMORY_SHM, /* which Vulkan answers with VK_ERROR_INVALID_EXTERNAL_HANDLE */
};

/*
 * Makes a resource of memory that is not the renderer's: contexts that it is attached to can import
 * it. fd: at least size bytes; owned. No answer: what fails shows when a context looks for it.
 */
void render_resource_import(struct render *render, uint32_t resource, enum render_memory kind,
			    int fd, uint64_t size);
void render_resource_unref(struct render *render, uint32_t resource);

/*
 * Another context than the one that made the resource may attach it when its memory can be shared:
 * it is imported there, as what it is. Detached or not, it lives until it is unreferenced. One that is not
 * there, or cannot be shared, is for that context memory that its Vulkan refuses: a context whose commands
 * name what it does not know at all is lost. One that another context is still making arrives when it is
 * there, and what this context is asked next waits for it, in order.
 */
void render_context_attach(struct render *render, uint32_t context, uint32_t resource);
void render_context_detach(struct render *render, uint32_t context, uint32_t resource);

struct render_submit {
	uint32_t context;
	void *commands;  /* malloc'ed, 8-byte aligned; freed by the renderer; may be NULL */
	uint32_t size;  /* bytes, multiple of 4 */
	bool fence;  /* make a fence behind it: `fence` callback with these two */
	uint32_t ring;
	uint64_t fence_id;
};

/*
 * status 0: the commands are on their way; if they fail there, the context is lost. If status is not
 * 0, no fence callback comes. The fence callback may come before done.
 */
void render_submit(struct render *render, const struct render_submit *submit, render_done done,
		   void *data);

/*
 * While it is not open, what the context submits to its GPU waits (hesper/gate.h). What it has
 * submitted goes on. A new context's is open.
 */
void render_context_gate(struct render *render, uint32_t context, enum hesper_gate_state state);

/* Drops every context and resource. */
void render_reset(struct render *render);

/* The machine stands still, or goes on: a paused guest may keep a GPU waiting. */
void render_pause(struct render *render, bool paused);

#endif
