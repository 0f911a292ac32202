/* SPDX-License-Identifier: MIT */
/* Who goes first: contexts, files, handles, dma-bufs, processes. */
#include <drm/drm.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "child.h"
#include "venus.h"

static struct stream stream;

static const char *lose(int fd)
{
	stream.size = 0;
	put32(&stream, 0xdeadbeef);
	TRY(expect("garbage", venus_submit(fd, &stream), 0));
	return card_expect(fd, false);
}

static const char *run_closed_with_fences(void)
{
	int fences[64];
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	for (int i = 0; i < 64; i++) {
		TRY(expect("a fence", card_submit_fenced(fd, (uint32_t)i % 2, NULL, 0, &fences[i]),
			   0));
	}
	close(fd);
	for (int i = 0; i < 64; i++) {
		TRY(expect("a fence of a closed context", card_await(fences[i]), 0));
		close(fences[i]);
	}
	return NULL;
}

static const char *run_closed_with_handles(void)
{
	struct drm_virtgpu_execbuffer execute = {.num_bo_handles = 8, .fence_fd = -1};
	uint32_t handles[8];
	int fd = card_context();
	for (int k = 0; k < 30; k++) {
		for (int i = 0; i < 8; i++) {
			struct blob blob;
			TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
			handles[i] = blob.handle;
		}
		execute.bo_handles = (uintptr_t)handles;
		TRY(expect("EXECBUFFER", card_ioctl(fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute),
			   0));
		for (int i = 0; i < 8; i++) {
			TRY(expect("GEM_CLOSE", card_close(fd, handles[i]), 0));
		}
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_duplicated_file(void)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	int copy = dup(fd);
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	close(fd);
	TRY(expect("mmap", card_map(copy, blob.handle, PAGE, &address), 0));
	munmap(address, PAGE);
	TRY(card_expect(copy, true));
	close(copy);
	return NULL;
}

static const char *run_lost_context(void)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	TRY(expect("mmap", card_map(fd, blob.handle, PAGE, &address), 0));
	memset(address, 0x33, PAGE);
	TRY(lose(fd));
	for (int i = 0; i < 100; i++) {
		int fence;
		TRY(expect("a command", card_submit_fenced(fd, 0, "\0\0\0", 4, &fence), 0));
		TRY(expect("its fence", card_await(fence), 0));
		close(fence);
	}
	const volatile uint8_t *bytes = address;
	if (bytes[0] != 0x33 || bytes[PAGE - 1] != 0x33) {
		return "the lost context's memory went with it";
	}
	munmap(address, PAGE);
	close(fd);
	return NULL;
}

static const char *run_lost_one_of_two(void)
{
	int first = card_context();
	int second = card_context();
	TRY(expect("a device", venus_device(second), 0));
	TRY(lose(first));
	TRY(card_expect(second, true));
	close(first);
	TRY(card_expect(second, true));
	close(second);
	return NULL;
}

/* A dma-buf of fd's new blob, whose handle is closed already. */
static int exported_blob(int fd)
{
	struct blob blob;
	if (card_shm(fd, 4 * PAGE, &blob) < 0) {
		return -1;
	}
	int dma_buf = card_export(fd, blob.handle);
	card_close(fd, blob.handle);
	return dma_buf;
}

static const char *run_own_import(void)
{
	struct blob blob;
	uint32_t handle;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	int dma_buf = card_export(fd, blob.handle);
	for (int i = 0; i < 50; i++) {
		TRY(expect("the import", card_import(fd, dma_buf, &handle), 0));
		if (handle != blob.handle) {
			return "the same buffer has two handles";
		}
	}
	TRY(expect("GEM_CLOSE", card_close(fd, handle), 0));
	TRY(expect("another", card_close(fd, handle), -EINVAL));
	TRY(expect("the import", card_import(fd, dma_buf, &handle), 0));
	TRY(card_expect(fd, true));
	close(dma_buf);
	close(fd);
	return NULL;
}

static const char *run_foreign_import(void)
{
	uint32_t handle;
	uint32_t resource;
	void *address;
	int owner = card_context();
	int other = card_context();
	int dma_buf = exported_blob(owner);
	TRY(expect("the import", card_import(other, dma_buf, &handle), 0));
	close(dma_buf);
	close(owner);
	/* Its maker is gone; the one that imported it has it, and may name it in streams. */
	TRY(expect("RESOURCE_INFO", card_info(other, handle, &resource), 0));
	stream.size = 0;
	put_reply_stream(&stream, resource, 0, PAGE);
	put_version_query(&stream, VENUS_REPLY);
	TRY(expect("a stream", venus_submit(other, &stream), 0));
	TRY(expect("mmap", card_map(other, handle, 4 * PAGE, &address), 0));
	uint32_t first = *(volatile uint32_t *)address;
	if (first != VENUS_ENUMERATE_INSTANCE_VERSION) {
		return wrong("the reply in foreign memory is %u", first);
	}
	munmap(address, 4 * PAGE);
	TRY(card_expect(other, true));
	close(other);
	return NULL;
}

/* Asks for the properties of a resource as Mesa does before it imports one. */
static void put_property_query(struct stream *s, uint32_t resource)
{
	put_command(s, VENUS_GET_MEMORY_RESOURCE_PROPERTIES, 0);
	put64(s, ID_DEVICE);
	put32(s, resource);
	put64(s, 1);
	put32(s, VENUS_TYPE_RESOURCE_PROPERTIES);
	put64(s, 0);
}

/* A dma-buf of memory that the device refused, for another program to import. */
static const char *run_import_never_made(void)
{
	struct blob blob;
	uint32_t handle;
	uint32_t resource;
	int thief = card_context();
	int other = card_context();
	TRY(expect("a device", venus_device(other), 0));
	TRY(expect("a blob",
		   card_blob(thief, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_SHAREABLE,
			     0x4711, PAGE, &blob),
		   0));
	int dma_buf = card_export(thief, blob.handle);
	TRY(expect("the import", card_import(other, dma_buf, &handle), 0));
	TRY(expect("RESOURCE_INFO", card_info(other, handle, &resource), 0));
	stream.size = 0;
	put_property_query(&stream, resource);
	TRY(expect("the query", venus_submit(other, &stream), 0));
	TRY(card_expect(other, true));
	close(dma_buf);
	close(thief);
	close(other);
	return NULL;
}

static const char *run_import_of_lost(void)
{
	uint32_t handle;
	int owner = card_context();
	int other = card_context();
	int dma_buf = exported_blob(owner);
	TRY(lose(owner));
	TRY(expect("the import", card_import(other, dma_buf, &handle), 0));
	TRY(card_expect(other, true));
	close(owner);
	TRY(card_expect(other, true));
	close(dma_buf);
	close(other);
	return NULL;
}

static const char *run_import_dumb(void)
{
	struct dumb dumb;
	uint32_t handle;
	uint32_t resource;
	int screen = card_open_screen();
	int fd = card_context();
	TRY(expect("a dumb buffer", card_dumb(screen, 64, 64, 32, &dumb), 0));
	int dma_buf = card_export(screen, dumb.handle);
	TRY(expect("the import", card_import(fd, dma_buf, &handle), 0));
	close(dma_buf);
	close(screen);
	TRY(expect("RESOURCE_INFO", card_info(fd, handle, &resource), 0));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* Streams may only name shared memory: what was imported from guest pages is none. */
static const char *run_stream_in_dumb(void)
{
	struct dumb dumb;
	uint32_t handle;
	uint32_t resource;
	int screen = card_open_screen();
	int fd = card_context();
	TRY(expect("a dumb buffer", card_dumb(screen, 64, 64, 32, &dumb), 0));
	int dma_buf = card_export(screen, dumb.handle);
	TRY(expect("the import", card_import(fd, dma_buf, &handle), 0));
	TRY(expect("RESOURCE_INFO", card_info(fd, handle, &resource), 0));
	stream.size = 0;
	put_execute(&stream, resource, 0, 16);
	TRY(expect("a stream", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, false));
	close(dma_buf);
	close(screen);
	close(fd);
	return NULL;
}

static const char *be_full_of_blobs(void *data)
{
	int fd = card_context();
	for (int i = 0; i < 1000; i++) {
		struct blob blob;
		TRY(expect("a blob",
			   card_blob(fd, VIRTGPU_BLOB_MEM_GUEST, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, 0,
				     PAGE, &blob),
			   0));
		/* The context knows each by a file, of which only so many may wait for it. */
		if (i % 50 == 0) {
			TRY(expect("the last fence", card_settle(fd), 0));
		}
	}
	for (int i = 0; i < 200; i++) {
		struct blob blob;
		TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	}
	return card_expect(fd, true);
}

static const char *run_killed_with_blobs(void)
{
	return child_kill(be_full_of_blobs, NULL, -1);
}

static const char *be_full_of_dumbs(void *data)
{
	int fd = card_open_screen();
	for (int i = 0; i < 2000; i++) {
		struct dumb dumb;
		TRY(expect("a dumb buffer", card_dumb(fd, 32, 32, 32, &dumb), 0));
	}
	return NULL;
}

static const char *run_killed_with_dumbs(void)
{
	return child_kill(be_full_of_dumbs, NULL, -1);
}

static const char *submit_for_ever(void *data)
{
	int fd = card_context();
	for (;;) {
		int fence;
		stream.size = 0;
		put_version_query(&stream, 0);
		TRY(expect("a command",
			   card_submit_fenced(fd, 0, stream.bytes, stream.size, &fence), 0));
		close(fence);
	}
}

static const char *map_for_ever(void *data)
{
	int fd = card_context();
	for (;;) {
		struct blob blob;
		void *address;
		TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
		TRY(expect("mmap", card_map(fd, blob.handle, PAGE, &address), 0));
		munmap(address, PAGE);
		TRY(expect("GEM_CLOSE", card_close(fd, blob.handle), 0));
	}
}

static const char *init_for_ever(void *data)
{
	for (;;) {
		int fd = card_context();
		TRY(expect("a context", fd < 0 ? fd : 0, 0));
		TRY(expect("a device", venus_device(fd), 0));
		close(fd);
	}
}

static const char *run_killed_submitting(void)
{
	for (int i = 0; i < 4; i++) {
		TRY(child_kill(submit_for_ever, NULL, (int)(20 + chance() % 100)));
	}
	return NULL;
}

static const char *run_killed_mapping(void)
{
	for (int i = 0; i < 4; i++) {
		TRY(child_kill(map_for_ever, NULL, (int)(20 + chance() % 100)));
	}
	return NULL;
}

static const char *run_killed_starting(void)
{
	for (int i = 0; i < 4; i++) {
		TRY(child_kill(init_for_ever, NULL, (int)(5 + chance() % 200)));
	}
	return NULL;
}

const struct attack attacks_on_lives[] = {
	{"closed-with-fences", "a context closed with 64 fences on 2 rings: all signal",
	 run_closed_with_fences, 0, 0, false, NULL},
	{"closed-with-handles", "240 buffers closed right after commands that name them: clean",
	 run_closed_with_handles, 0, 0, false, NULL},
	{"duplicated-file", "a file closed that has a duplicate: works", run_duplicated_file, 0, 0,
	 false, NULL},
	{"lost-context",
	 "100 commands to a lost context: refused, each fence signals, memory stays",
	 run_lost_context, 1, 100, false, NULL},
	{"lost-one-of-two", "one of two contexts is lost: the other works", run_lost_one_of_two, 1,
	 0, false, NULL},
	{"own-import", "a buffer imported 50 times where it comes from: one handle", run_own_import,
	 0, 0, false, NULL},
	{"foreign-import", "a buffer whose maker is gone: replies arrive in it", run_foreign_import,
	 0, 0, false, NULL},
	{"import-of-lost", "a lost context's buffer imported into another: that works",
	 run_import_of_lost, 1, 0, false, NULL},
	{"import-never-made", "a blob that the device refused, imported by another: that works",
	 run_import_never_made, 0, 1, false, NULL},
	{"import-dumb", "a dumb buffer in a Venus context, its card closed: works", run_import_dumb,
	 0, 0, false, NULL},
	{"stream-in-dumb", "commands in guest pages: lost", run_stream_in_dumb, 1, 0, false, NULL},
	{"killed-with-blobs", "killed with 1200 blobs: all given back", run_killed_with_blobs, 0, 0,
	 false, NULL},
	{"killed-with-dumbs", "killed with 2000 dumb buffers: all given back",
	 run_killed_with_dumbs, 0, 0, false, NULL},
	{"killed-submitting", "killed at 4 moments while it submits: clean", run_killed_submitting,
	 0, 0, false, NULL},
	{"killed-mapping", "killed at 4 moments while it maps: clean", run_killed_mapping, 0, 0,
	 false, NULL},
	{"killed-starting", "killed at 4 moments while it makes contexts: clean",
	 run_killed_starting, 0, 0, false, NULL},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
