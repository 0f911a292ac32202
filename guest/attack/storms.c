/* SPDX-License-Identifier: MIT */
/* Too many of everything. */
#include <drm/drm.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "venus.h"

static struct stream stream;

static const char *run_fences(void)
{
	enum { FENCES = 10000 };
	int last;
	int fd = card_context();
	for (int i = 0; i < FENCES - 1; i++) {
		TRY(expect("a fence", card_submit_fenced(fd, 0, NULL, 0, &last), 0));
		close(last);
	}
	TRY(expect("the last", card_submit_fenced(fd, 0, NULL, 0, &last), 0));
	TRY(expect("its end", card_await(last), 0));
	close(last);
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_fence_files(void)
{
	enum { FENCES = 800 };
	static int fences[FENCES];
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	for (int i = 0; i < FENCES; i++) {
		TRY(expect("a fence", card_submit_fenced(fd, (uint32_t)i % 2, NULL, 0, &fences[i]),
			   0));
	}
	for (int i = FENCES - 1; i >= 0; i--) {
		TRY(expect("its end", card_await(fences[i]), 0));
		close(fences[i]);
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* No queue is on 63 of the rings: a protocol violation, but every fence ends. */
static const char *run_64_rings(void)
{
	int fences[256];
	int fd = card_context();
	for (int i = 0; i < 256; i++) {
		TRY(expect("a fence", card_submit_fenced(fd, (uint32_t)i % 64, NULL, 0, &fences[i]),
			   0));
	}
	for (int i = 0; i < 256; i++) {
		TRY(expect("its end", card_await(fences[i]), 0));
		close(fences[i]);
	}
	TRY(card_expect(fd, false));
	close(fd);
	return NULL;
}

static const char *run_fence_chain(void)
{
	int previous;
	int fd = card_context();
	TRY(expect("a fence", card_submit_fenced(fd, 0, NULL, 0, &previous), 0));
	for (int i = 0; i < 300; i++) {
		struct drm_virtgpu_execbuffer execute = {
			.flags = VIRTGPU_EXECBUF_RING_IDX | VIRTGPU_EXECBUF_FENCE_FD_IN |
				 VIRTGPU_EXECBUF_FENCE_FD_OUT,
			.fence_fd = previous,
		};
		TRY(expect("a fence after a fence",
			   card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute), 0));
		close(previous);
		previous = execute.fence_fd;
	}
	TRY(expect("the last", card_await(previous), 0));
	close(previous);
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_context_churn(void)
{
	for (int i = 0; i < 500; i++) {
		int fd = card_context();
		TRY(expect("a context", fd < 0 ? fd : 0, 0));
		close(fd);
	}
	int fd = card_context();
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* At its limit the device refuses more: those are without a renderer, the others have theirs. */
static const char *run_contexts(void)
{
	enum { CONTEXTS = 160 };
	static int files[CONTEXTS];
	int working = 0;
	for (int i = 0; i < CONTEXTS; i++) {
		files[i] = card_context();
		TRY(expect("a context", files[i] < 0 ? files[i] : 0, 0));
	}
	for (int i = 0; i < CONTEXTS; i++) {
		working += card_works(files[i]);
	}
	if (working == 0 || working == CONTEXTS) {
		return wrong("%d of %d contexts work", working, CONTEXTS);
	}
	close(files[0]);
	int again = card_context();
	TRY(card_expect(again, true));
	close(again);
	for (int i = 1; i < CONTEXTS; i++) {
		close(files[i]);
	}
	return NULL;
}

/* The device maps so many; the rest are blobs that cannot be mapped. */
static const char *run_maps(void)
{
	enum { BLOBS = 10000 };
	static struct blob blobs[BLOBS];
	void *address;
	int mapped = 0;
	int fd = card_context();
	for (int i = 0; i < BLOBS; i++) {
		TRY(expect("a blob", card_shm(fd, PAGE, &blobs[i]), 0));
	}
	for (int i = 0; i < BLOBS; i += 50) {
		int error = card_map(fd, blobs[i].handle, PAGE, &address);
		if (error == 0) {
			memset(address, 0x42, PAGE);
			munmap(address, PAGE);
			mapped++;
		} else {
			TRY(expect("mmap over the limit", error, -EINVAL));
		}
	}
	if (mapped == 0 || mapped == BLOBS / 50) {
		return wrong("%d of %d blobs could be mapped", mapped, BLOBS / 50);
	}
	for (int i = 0; i < BLOBS; i++) {
		TRY(expect("GEM_CLOSE", card_close(fd, blobs[i].handle), 0));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_window_full(void)
{
	enum { BLOBS = 64, SIZE = 64 << 20 };
	static struct blob blobs[BLOBS];
	int count = 0;
	int error = 0;
	int fd = card_context();
	while (count < BLOBS && (error = card_shm(fd, SIZE, &blobs[count])) == 0) {
		count++;
	}
	TRY(expect("the blob that does not fit", error, -ENOSPC));
	TRY(expect("GEM_CLOSE", card_close(fd, blobs[count / 2].handle), 0));
	/* Its place is free once the device has answered, which nothing tells. */
	int64_t end = now_ms() + 30000;
	while (!card_works(fd) && now_ms() < end) {
		TRY(expect("a fence", card_settle(fd), 0));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_handles(void)
{
	enum { HANDLES = 512 };
	static uint32_t handles[HANDLES];
	struct drm_virtgpu_execbuffer execute = {
		.bo_handles = (uintptr_t)handles,
		.num_bo_handles = HANDLES,
		.fence_fd = -1,
	};
	int fd = card_context();
	for (int i = 0; i < HANDLES; i++) {
		struct blob blob;
		TRY(expect("a blob",
			   card_blob(fd, VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, 0,
				     PAGE, &blob),
			   0));
		handles[i] = blob.handle;
		/* The context knows each by a file, of which only so many may wait for it. */
		if (i % 50 == 0) {
			TRY(expect("the last fence", card_settle(fd), 0));
		}
	}
	for (int i = 0; i < 20; i++) {
		TRY(expect("512 handles", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute),
			   0));
	}
	/* One handle twice: refused, or it would wait for itself. */
	handles[1] = handles[0];
	int error = card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute);
	if (error != 0 && error != -EALREADY) {
		return expect("a handle twice", error, -EALREADY);
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* A context is made by its first use only: these have none. */
static const char *run_files(void)
{
	static int files[4096];
	int count = 0;
	int error = 0;
	while (count < 4096 && error == 0) {
		files[count] = card_open();
		error = files[count] < 0 ? files[count] : 0;
		count += error == 0;
	}
	if (error != 0 && error != -EMFILE) {
		return expect("open", error, -EMFILE);
	}
	for (int i = 0; i < count; i++) {
		close(files[i]);
	}
	int fd = card_context();
	TRY(card_expect(fd, true));
	close(fd);
	return count > 500 ? NULL : wrong("only %d files could be opened", count);
}

static const char *run_exports(void)
{
	static int files[600];
	struct blob blob;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	for (int i = 0; i < 600; i++) {
		files[i] = card_export(fd, blob.handle);
		TRY(expect("a dma-buf", files[i] < 0 ? files[i] : 0, 0));
	}
	TRY(expect("GEM_CLOSE", card_close(fd, blob.handle), 0));
	for (int i = 0; i < 600; i++) {
		close(files[i]);
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_dumbs(void)
{
	int fd = card_open_screen();
	for (int i = 0; i < 3000; i++) {
		struct dumb dumb;
		TRY(expect("a dumb buffer", card_dumb(fd, 32, 8, 32, &dumb), 0));
		if (i % 3 == 0) {
			TRY(expect("its end", card_close(fd, dumb.handle), 0));
		}
	}
	close(fd);
	return NULL;
}

/* Each is a file for the renderer. So many may wait for it, or it is given up: others go on. */
static const char *run_guest_blobs(void)
{
	int other = card_context();
	int fd = card_context();
	for (int i = 0; i < 2000; i++) {
		struct blob blob;
		TRY(expect("a blob",
			   card_blob(fd, VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, 0,
				     PAGE, &blob),
			   0));
	}
	TRY(expect("the last fence", card_settle(fd), 0));
	TRY(card_expect(other, true));
	close(fd);
	TRY(card_expect(other, true));
	close(other);
	return NULL;
}

/* More for the renderer to do than it does at once, from two contexts. */
static const char *run_commands(void)
{
	int files[2] = {card_context(), card_context()};
	struct blob blobs[2];
	for (int i = 0; i < 2; i++) {
		TRY(expect("a blob", card_shm(files[i], PAGE, &blobs[i]), 0));
		TRY(card_expect(files[i], true));
	}
	for (int i = 0; i < 2000; i++) {
		stream.size = 0;
		for (int k = 0; k < 100; k++) {
			put_reply_stream(&stream, blobs[i % 2].resource, 0, PAGE);
		}
		TRY(expect("commands", card_submit(files[i % 2], stream.bytes, stream.size), 0));
	}
	for (int i = 0; i < 2; i++) {
		TRY(card_expect(files[i], true));
		close(files[i]);
	}
	return NULL;
}

/* 100 imports of 10 buffers in 4 contexts, and every second one given back. */
static const char *run_imports(void)
{
	int owner = card_context();
	int others[4];
	for (int i = 0; i < 4; i++) {
		others[i] = card_context();
	}
	for (int i = 0; i < 25; i++) {
		struct blob blob;
		TRY(expect("a blob", card_shm(owner, PAGE, &blob), 0));
		int dma_buf = card_export(owner, blob.handle);
		for (int k = 0; k < 4; k++) {
			uint32_t handle;
			TRY(expect("the import", card_import(others[k], dma_buf, &handle), 0));
			if ((i + k) % 2 == 0) {
				TRY(expect("GEM_CLOSE", card_close(others[k], handle), 0));
			}
		}
		close(dma_buf);
		TRY(expect("GEM_CLOSE", card_close(owner, blob.handle), 0));
	}
	close(owner);
	for (int i = 0; i < 4; i++) {
		TRY(card_expect(others[i], true));
		close(others[i]);
	}
	return NULL;
}

const struct attack attacks_by_storms[] = {
	{"fences-10000", "10,000 fences in a row: all signal", run_fences, 0, 0, false, NULL},
	{"fence-files", "800 fences on 2 rings, each kept as a file: all signal", run_fence_files,
	 0, 0, false, NULL},
	{"fences-64-rings", "256 fences on 64 rings without queues: lost, all signal", run_64_rings,
	 1, 0, false, NULL},
	{"fence-chain", "300 fences, each behind the one before: all signal", run_fence_chain, 0, 0,
	 false, NULL},
	{"context-churn", "500 contexts, one after the other: the next one works",
	 run_context_churn, 0, 0, false, NULL},
	{"contexts-160",
	 "more contexts than --max-contexts: refused, the others work; one closed "
	 "makes room for one",
	 run_contexts, 0, 1, false, NULL},
	{"maps-10000", "10,000 blobs to map, more than --max-mappings: EINVAL for the rest",
	 run_maps, 0, 1, false, NULL},
	{"window-full", "blobs of 64 MiB until the window is full: ENOSPC", run_window_full, 0, 0,
	 false, NULL},
	{"handles-512", "512 buffers in one command, and one of them twice: taken, or EALREADY",
	 run_handles, 0, 0, false, NULL},
	{"files", "files of the card until there are no more: EMFILE", run_files, 0, 0, false,
	 NULL},
	{"exports-600", "600 dma-bufs of one buffer: clean", run_exports, 0, 0, false, NULL},
	{"dumbs-3000", "3000 dumb buffers, every third given back: clean", run_dumbs, 0, 0, false,
	 NULL},
	{"guest-blobs-2000", "2000 blobs of guest pages at once: another context goes on",
	 run_guest_blobs, ATTACK_ANY, 0, false, NULL},
	{"commands-2000", "2000 submissions of 3600 bytes from 2 contexts: executed", run_commands,
	 0, 0, false, NULL},
	{"imports-100", "25 buffers in 4 other contexts, in all orders: works", run_imports, 0, 0,
	 false, NULL},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
