/* SPDX-License-Identifier: MIT */
/* Whatever comes to mind; --seed says what. */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <drm/virtgpu_drm.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "venus.h"

/* A number as guests get them wrong: small, a power of two and its neighbours, or anything. */
static uint64_t number(void)
{
	switch (chance() % 4) {
	case 0:
		return chance() % 16;
	case 1:
		return (1ull << (chance() % 64)) + chance() % 3 - 1;
	case 2:
		return chance();
	default:
		return chance64();
	}
}

static const unsigned long requests[] = {
	DRM_IOCTL_VIRTGPU_MAP,
	DRM_IOCTL_VIRTGPU_EXECBUFFER,
	DRM_IOCTL_VIRTGPU_GETPARAM,
	DRM_IOCTL_VIRTGPU_RESOURCE_CREATE,
	DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
	DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST,
	DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST,
	DRM_IOCTL_VIRTGPU_GET_CAPS,
	DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB,
	DRM_IOCTL_VIRTGPU_CONTEXT_INIT,
	DRM_IOCTL_GEM_CLOSE,
	DRM_IOCTL_PRIME_HANDLE_TO_FD,
	DRM_IOCTL_PRIME_FD_TO_HANDLE,
	DRM_IOCTL_SYNCOBJ_CREATE,
	DRM_IOCTL_SYNCOBJ_DESTROY,
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

/* Arguments of random words. Sizes of what the guest's kernel would have to find pages for stay small:
 * its own memory is not what is attacked. */
static void random_ioctl(int fd)
{
	uint64_t words[16];
	unsigned long request = requests[chance() % REQUESTS];
	for (int i = 0; i < 16; i++) {
		words[i] = number();
	}
	if (request == DRM_IOCTL_VIRTGPU_RESOURCE_CREATE) {
		struct drm_virtgpu_resource_create *create = (void *)words;
		create->size = chance() % 65536;
	} else if (request == DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB) {
		struct drm_virtgpu_resource_create_blob *create = (void *)words;
		create->blob_mem = chance() % 4;
		create->blob_flags = chance() % 4;
		create->size =
			create->blob_mem == VIRTGPU_BLOB_MEM_HOST3D ? number() & ~4095ull : PAGE;
		create->cmd_size = 0;
		create->blob_id = chance() % 2 == 0 ? 0 : number();
	} else if (request == DRM_IOCTL_PRIME_FD_TO_HANDLE) {
		struct drm_prime_handle *prime = (void *)words;
		prime->fd = (int)(1000 + chance() % 1000);
	} else if (request == DRM_IOCTL_PRIME_HANDLE_TO_FD) {
		struct drm_prime_handle prime = {.handle = chance() % 64};
		if (ioctl(fd, request, &prime) == 0) {
			close(prime.fd);
		}
		return;
	} else if (request == DRM_IOCTL_VIRTGPU_EXECBUFFER) {
		struct drm_virtgpu_execbuffer *execute = (void *)words;
		execute->flags &= VIRTGPU_EXECBUF_RING_IDX;
		execute->size = chance() % 256;
		execute->command = (uintptr_t)words;
		execute->num_bo_handles = chance() % 3;
		execute->bo_handles = (uintptr_t)words;
		execute->num_in_syncobjs = 0;
		execute->num_out_syncobjs = 0;
	}
	/* Its errors are the kernel's business; what passes is the device's. */
	ioctl(fd, request, words);
}

static const char *run_ioctls(void)
{
	int other = card_context();
	for (int k = 0; k < 4; k++) {
		int fd = k % 2 == 0 ? card_open() : card_context();
		for (int i = 0; i < 400; i++) {
			random_ioctl(fd);
		}
		TRY(expect("another's fence", card_settle(other), 0));
		close(fd);
	}
	TRY(card_expect(other, true));
	close(other);
	return NULL;
}

static const char *run_blobs(void)
{
	int other = card_context();
	int fd = card_context();
	for (int i = 0; i < 400; i++) {
		struct blob blob;
		uint64_t size = number() & ~4095ull;
		uint32_t flags = chance() % 4;
		void *address;
		if (card_blob(fd, VIRTGPU_BLOB_MEM_HOST3D, flags, chance() % 3 == 0 ? number() : 0,
			      size, &blob) < 0) {
			continue;
		}
		if (size <= 1 << 20 && card_map(fd, blob.handle, size, &address) == 0) {
			munmap(address, size);
		}
		if (chance() % 4 != 0) {
			card_close(fd, blob.handle);
		}
	}
	TRY(card_expect(fd, true));
	close(fd);
	TRY(card_expect(other, true));
	close(other);
	return NULL;
}

/* Right commands in a random order with random ids: deeper than random bytes come. */
static const char *run_commands(void)
{
	static struct stream stream;
	int other = card_context();
	for (int k = 0; k < 6; k++) {
		struct blob blob;
		int fd = card_context();
		TRY(expect("a device", venus_device(fd), 0));
		TRY(expect("a blob", card_shm(fd, 65536, &blob), 0));
		for (int i = 0; i < 20; i++) {
			struct ring_layout layout = ring_layout(chance() % 3, blob.resource);
			stream.size = 0;
			switch (chance() % 7) {
			case 0:
				put_memory(&stream, ID_DEVICE, ID_MEMORY + chance() % 40,
					   number() % (1 << 20), chance() % 3);
				break;
			case 1:
				put_free_memory(&stream, ID_DEVICE, ID_MEMORY + chance() % 40);
				break;
			case 2:
				layout.offset = 8192 * (uint64_t)(chance() % 9);
				put_ring(&stream, &layout);
				break;
			case 3:
				put_ring_command(&stream, VENUS_NOTIFY_RING, chance() % 3);
				break;
			case 4:
				put_reply_stream(&stream, blob.resource, number() % 65536,
						 number() % 65536);
				break;
			case 5:
				put_version_query(&stream, chance() % 2);
				break;
			default:
				put_execute(&stream, blob.resource, 0, 16 * (chance() % 3));
			}
			TRY(expect("commands", card_submit(fd, stream.bytes, stream.size), 0));
		}
		TRY(expect("the last fence", card_settle(fd), 0));
		close(fd);
	}
	TRY(card_expect(other, true));
	close(other);
	return NULL;
}

const struct attack attacks_at_random[] = {
	{"random-ioctls", "1600 seeded ioctls of random words: another context works", run_ioctls,
	 ATTACK_ANY, 0, false, NULL},
	{"random-blobs", "400 blobs of random sizes, ids and flags: the context works", run_blobs,
	 0, 1, false, NULL},
	{"random-commands", "120 right commands in random order: another context works",
	 run_commands, ATTACK_ANY, 0, false, NULL},
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
