/* SPDX-License-Identifier: MIT */
/* Mappings of the device's window: twice, in pieces, over each other, longer than what they show. */
#include <drm/drm.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "venus.h"

#define SIZE (16 * PAGE)

static struct stream stream;

static const char *open_mapped(int *fd, struct blob *blob, uint8_t **bytes)
{
	void *address;
	*fd = card_context();
	TRY(expect("a context", *fd < 0 ? *fd : 0, 0));
	TRY(expect("a blob", card_shm(*fd, SIZE, blob), 0));
	TRY(expect("mmap", card_map(*fd, blob->handle, SIZE, &address), 0));
	*bytes = address;
	return NULL;
}

static const char *same(const uint8_t *bytes, uint8_t value)
{
	for (size_t i = 0; i < SIZE; i++) {
		if (((const volatile uint8_t *)bytes)[i] != value) {
			return wrong("byte %zu is %#x, not %#x", i, bytes[i], value);
		}
	}
	return NULL;
}

static const char *run_closed_handle(void)
{
	int fd;
	struct blob blob;
	uint8_t *bytes;
	TRY(open_mapped(&fd, &blob, &bytes));
	TRY(expect("GEM_CLOSE", card_close(fd, blob.handle), 0));
	memset(bytes, 0x11, SIZE);
	TRY(card_expect(fd, true));
	TRY(same(bytes, 0x11));
	munmap(bytes, SIZE);
	close(fd);
	return NULL;
}

static const char *run_closed_file(void)
{
	int fd;
	struct blob blob;
	uint8_t *bytes;
	TRY(open_mapped(&fd, &blob, &bytes));
	memset(bytes, 0x22, SIZE);
	close(fd);
	TRY(same(bytes, 0x22));
	memset(bytes, 0x23, SIZE);
	TRY(same(bytes, 0x23));
	munmap(bytes, SIZE);
	return NULL;
}

static const char *run_mapped_twice(void)
{
	int fd;
	struct blob blob;
	uint8_t *bytes;
	void *again;
	TRY(open_mapped(&fd, &blob, &bytes));
	TRY(expect("another mmap", card_map(fd, blob.handle, SIZE, &again), 0));
	memset(bytes, 0x44, SIZE);
	TRY(same(again, 0x44));
	munmap(bytes, SIZE);
	TRY(same(again, 0x44));
	munmap(again, SIZE);
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_mapped_500_times(void)
{
	int fd;
	struct blob blob;
	uint8_t *bytes;
	void *more[500];
	TRY(open_mapped(&fd, &blob, &bytes));
	for (int i = 0; i < 500; i++) {
		TRY(expect("mmap", card_map(fd, blob.handle, SIZE, &more[i]), 0));
	}
	for (int i = 0; i < 500; i += 7) {
		memset(more[i], i, PAGE);
		if (*(volatile uint8_t *)more[499 - i] != (uint8_t)i) {
			return "two mappings of one blob differ";
		}
	}
	for (int i = 0; i < 500; i++) {
		munmap(more[i], SIZE);
	}
	TRY(card_expect(fd, true));
	munmap(bytes, SIZE);
	close(fd);
	return NULL;
}

static const char *run_in_pieces(void)
{
	int fd;
	struct blob blob;
	uint8_t *bytes;
	TRY(open_mapped(&fd, &blob, &bytes));
	for (size_t page = 1; page < 16; page += 2) {
		munmap(bytes + page * PAGE, PAGE);
	}
	for (size_t page = 0; page < 16; page += 2) {
		memset(bytes + page * PAGE, 0x55, PAGE);
	}
	card_close(fd, blob.handle);
	TRY(card_expect(fd, true));
	for (size_t page = 0; page < 16; page += 2) {
		munmap(bytes + page * PAGE, PAGE);
	}
	close(fd);
	return NULL;
}

static const char *run_mapped_over(void)
{
	int fd;
	struct blob blob;
	struct blob second;
	uint8_t *bytes;
	uint64_t offset;
	TRY(open_mapped(&fd, &blob, &bytes));
	memset(bytes, 0x66, SIZE);
	TRY(expect("a blob", card_shm(fd, SIZE, &second), 0));
	TRY(expect("MAP", card_map_offset(fd, second.handle, &offset), 0));
	void *address = mmap(bytes, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			     (off_t)offset);
	TRY(expect("mmap over it", address == bytes ? 0 : -errno, 0));
	TRY(same(bytes, 0));
	TRY(card_expect(fd, true));
	munmap(bytes, SIZE);
	close(fd);
	return NULL;
}

static const char *run_moved(void)
{
	int fd;
	struct blob blob;
	uint8_t *bytes;
	TRY(open_mapped(&fd, &blob, &bytes));
	uint8_t *moved = mremap(bytes, SIZE, 4 * SIZE, MREMAP_MAYMOVE);
	if (moved != MAP_FAILED) {
		return "a mapping could be made longer than its blob";
	}
	TRY(card_expect(fd, true));
	munmap(bytes, SIZE);
	close(fd);
	return NULL;
}

static const char *run_forked(void)
{
	int fd;
	struct blob blob;
	uint8_t *bytes;
	TRY(open_mapped(&fd, &blob, &bytes));
	pid_t pid = fork();
	if (pid == 0) {
		memset(bytes, 0x77, SIZE);
		card_close(fd, blob.handle);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	TRY(same(bytes, 0x77));
	TRY(card_expect(fd, true));
	munmap(bytes, SIZE);
	close(fd);
	return NULL;
}

/* Given back before the device has answered that it was made, or that it is mapped. */
static const char *run_closed_at_once(void)
{
	int fd = card_context();
	for (int i = 0; i < 300; i++) {
		struct blob blob;
		TRY(expect("a blob", card_shm(fd, PAGE << (i % 4), &blob), 0));
		TRY(expect("GEM_CLOSE", card_close(fd, blob.handle), 0));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

/* What one had is not what the next one sees: the window's places are used again at once. */
static const char *run_place_again(void)
{
	int fd = card_context();
	for (int i = 0; i < 60; i++) {
		struct blob blob;
		void *address;
		TRY(expect("a blob", card_shm(fd, SIZE, &blob), 0));
		TRY(expect("mmap", card_map(fd, blob.handle, SIZE, &address), 0));
		TRY(same(address, 0));
		memset(address, 0xee, SIZE);
		munmap(address, SIZE);
		TRY(expect("GEM_CLOSE", card_close(fd, blob.handle), 0));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_freed_memory(void)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	stream.size = 0;
	put_memory(&stream, ID_DEVICE, ID_MEMORY, SIZE, 0);
	TRY(expect("memory", venus_submit(fd, &stream), 0));
	TRY(expect("a blob",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, ID_MEMORY,
			     SIZE, &blob),
		   0));
	TRY(expect("mmap", card_map(fd, blob.handle, SIZE, &address), 0));
	stream.size = 0;
	put_free_memory(&stream, ID_DEVICE, ID_MEMORY);
	TRY(expect("vkFreeMemory", venus_submit(fd, &stream), 0));
	memset(address, 0x99, SIZE);
	TRY(same(address, 0x99));
	TRY(card_expect(fd, true));
	munmap(address, SIZE);
	close(fd);
	return NULL;
}

/* Venus allows it once; the second is the device's to refuse. */
static const char *run_exported_twice(void)
{
	struct blob blobs[2];
	void *address;
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	stream.size = 0;
	put_memory(&stream, ID_DEVICE, ID_MEMORY, SIZE, 0);
	TRY(expect("memory", venus_submit(fd, &stream), 0));
	for (int i = 0; i < 2; i++) {
		TRY(expect("a blob",
			   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
				     ID_MEMORY, SIZE, &blobs[i]),
			   0));
	}
	TRY(expect("the first", card_map(fd, blobs[0].handle, SIZE, &address), 0));
	munmap(address, SIZE);
	TRY(expect("the second", card_map(fd, blobs[1].handle, SIZE, &address), -EINVAL));
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

static const char *run_not_mappable(void)
{
	struct blob blob;
	uint64_t offset;
	int fd = card_context();
	TRY(expect("a blob",
		   card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_SHAREABLE, 0, PAGE,
			     &blob),
		   0));
	int error = card_map_offset(fd, blob.handle, &offset);
	if (error == 0) {
		void *address;
		TRY(expect("mmap", card_map(fd, blob.handle, PAGE, &address), -EINVAL));
	}
	TRY(card_expect(fd, true));
	close(fd);
	return NULL;
}

const struct attack attacks_on_memory[] = {
	{"map-closed-handle", "a mapping after GEM_CLOSE: keeps its bytes", run_closed_handle, 0, 0,
	 false, NULL},
	{"map-closed-file", "a mapping after its context is gone: keeps its bytes", run_closed_file,
	 0, 0, false, NULL},
	{"map-twice", "one blob mapped twice: the same bytes", run_mapped_twice, 0, 0, false, NULL},
	{"map-500-times", "one blob mapped 500 times: the same bytes", run_mapped_500_times, 0, 0,
	 false, NULL},
	{"map-in-pieces", "every other page unmapped, the handle closed: the rest works",
	 run_in_pieces, 0, 0, false, NULL},
	{"map-over", "one blob mapped over another: its own bytes", run_mapped_over, 0, 0, false,
	 NULL},
	{"map-longer", "mremap beyond the end: refused", run_moved, 0, 0, false, NULL},
	{"map-forked", "a child writes and closes what its parent mapped: the bytes are there",
	 run_forked, 0, 0, false, NULL},
	{"closed-at-once", "300 blobs given back before they are there: clean", run_closed_at_once,
	 0, 0, false, NULL},
	{"place-again", "60 blobs in the same place of the window: each is empty at first",
	 run_place_again, 0, 0, false, NULL},
	{"freed-memory", "vkFreeMemory of what is mapped: the mapping keeps its bytes",
	 run_freed_memory, 0, 0, false, NULL},
	{"exported-twice", "one allocation as two blobs: the second is refused", run_exported_twice,
	 0, 1, false, NULL},
	{"not-mappable", "mmap of a blob that is not for it: EINVAL", run_not_mappable, 0, 0, false,
	 NULL},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
