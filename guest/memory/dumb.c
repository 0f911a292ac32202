/* SPDX-License-Identifier: MIT */
#include "dumb.h"

#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"

/* No power of two, and no whole number of pages: 2 520 000 bytes. */
#define WIDTH 1050
#define HEIGHT 600

struct dumb {
	uint32_t handle;
	uint64_t size;
	uint32_t *words;
	int fd; /* dma-buf */
};

static bool dumb_create(int card, struct dumb *dumb)
{
	struct drm_mode_create_dumb create = {.width = WIDTH, .height = HEIGHT, .bpp = 32};
	*dumb = (struct dumb){.fd = -1};
	if (ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &create) < 0) {
		return false;
	}
	struct drm_mode_map_dumb map = {.handle = create.handle};
	struct drm_prime_handle prime = {.handle = create.handle, .flags = O_CLOEXEC | O_RDWR};
	dumb->handle = create.handle;
	dumb->size = create.size;
	if (ioctl(card, DRM_IOCTL_MODE_MAP_DUMB, &map) < 0 ||
	    ioctl(card, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) < 0) {
		return false;
	}
	dumb->fd = prime.fd;
	dumb->words =
		mmap(NULL, dumb->size, PROT_READ | PROT_WRITE, MAP_SHARED, card, (off_t)map.offset);
	return dumb->words != MAP_FAILED;
}

/* What the CPU has of it; an import of the GPU's stays. */
static void dumb_destroy(int card, struct dumb *dumb)
{
	struct drm_mode_destroy_dumb destroy = {.handle = dumb->handle};
	munmap(dumb->words, dumb->size);
	ioctl(card, DRM_IOCTL_MODE_DESTROY_DUMB, &destroy);
}

static uint32_t pattern(unsigned buffer, uint64_t word)
{
	return (buffer + 1) * 2246822519u + (uint32_t)word * 3266489917u;
}

struct pair {
	struct dumb dumb;
	struct block imported;
};

static const char *share_one(struct gpu *gpu, struct pair *pair, struct block *check,
			     unsigned index)
{
	const uint64_t words = pair->dumb.size / 4;
	for (uint64_t w = 0; w < words; w++) {
		pair->dumb.words[w] = pattern(index, w);
	}
	memset(check->words, 0, pair->dumb.size);
	if (!gpu_copy(gpu, &pair->imported, check)) {
		return "device lost when the GPU read";
	}
	for (uint64_t w = 0; w < words; w++) {
		if (check->words[w] != pattern(index, w)) {
			return "the GPU did not read what the CPU wrote";
		}
	}
	return NULL;
}

static const char *share_back(struct gpu *gpu, struct pair *pair, struct block *from,
			      unsigned index)
{
	const uint64_t words = pair->dumb.size / 4;
	for (uint64_t w = 0; w < words; w++) {
		from->words[w] = ~pattern(index, w);
	}
	if (!gpu_copy(gpu, from, &pair->imported)) {
		return "device lost when the GPU wrote";
	}
	for (uint64_t w = 0; w < words; w++) {
		if (pair->dumb.words[w] != ~pattern(index, w)) {
			return "the CPU did not read what the GPU wrote";
		}
	}
	return NULL;
}

static const char *share(struct gpu *gpu, int card, struct pair *pairs, unsigned count,
			 uint64_t *bytes)
{
	static char failed[64];
	struct block copy;
	const char *wrong = NULL;
	for (unsigned i = 0; i < count; i++) {
		if (!dumb_create(card, &pairs[i].dumb)) {
			return "no dumb buffer";
		}
		VkResult result = gpu_block_import(gpu, pairs[i].dumb.fd, pairs[i].dumb.size,
						   &pairs[i].imported);
		if (result != VK_SUCCESS) {
			snprintf(failed, sizeof(failed), "import of number %u: VkResult %d", i,
				 result);
			return failed;
		}
		*bytes += pairs[i].dumb.size;
	}
	if (gpu_block_create(gpu, pairs[0].dumb.size, false, true, &copy) != VK_SUCCESS) {
		return "no memory";
	}
	for (unsigned i = 0; i < count && wrong == NULL; i++) {
		wrong = share_one(gpu, &pairs[i], &copy, i);
	}
	/* Once more each, after all were written: no two of them may share a page. */
	for (unsigned i = 0; i < count && wrong == NULL; i++) {
		wrong = share_back(gpu, &pairs[i], &copy, i);
	}
	for (unsigned i = 0; i < count && wrong == NULL; i++) {
		if (pairs[i].dumb.words[5] != ~pattern(i, 5)) {
			wrong = "two buffers have the same pages";
		}
	}
	gpu_block_destroy(gpu, &copy);
	return wrong;
}

/* The CPU's side goes first; the GPU may still use its own. */
static const char *let_go(struct gpu *gpu, int card, struct pair *pairs, unsigned count)
{
	const char *wrong = NULL;
	for (unsigned i = 0; i < count; i++) {
		dumb_destroy(card, &pairs[i].dumb);
		if (!gpu_fill(gpu, &pairs[i].imported, 0x600d600d)) {
			wrong = "device lost after the CPU let go";
		}
		gpu_block_destroy(gpu, &pairs[i].imported);
	}
	return wrong;
}

int dumb_run_shared(unsigned count)
{
	struct gpu gpu;
	uint64_t bytes = 0;
	int card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	struct pair *pairs = calloc(count, sizeof(*pairs));
	if (card < 0 || pairs == NULL) {
		printf("FAIL dumb: card0: %s\n", strerror(errno));
		return 1;
	}
	gpu_init(&gpu);
	const char *wrong = share(&gpu, card, pairs, count, &bytes);
	if (wrong == NULL) {
		wrong = let_go(&gpu, card, pairs, count);
	}
	if (wrong == NULL) {
		gpu_finish(&gpu);
	}
	free(pairs);
	close(card);
	printf("%s dumb: %u buffers, %llu bytes%s%s\n", wrong == NULL ? "PASS" : "FAIL", count,
	       (unsigned long long)bytes, wrong == NULL ? " each way" : ": ",
	       wrong == NULL ? "" : wrong);
	return wrong == NULL ? 0 : 1;
}

int dumb_run_refused(void)
{
	struct gpu gpu;
	struct dumb dumb;
	struct block imported;
	struct block block;
	int card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	gpu_init(&gpu);
	if (card < 0 || !dumb_create(card, &dumb)) {
		printf("FAIL dumb-refused: no dumb buffer\n");
		return 1;
	}
	VkResult result = gpu_block_import(&gpu, dumb.fd, dumb.size, &imported);
	bool alive = gpu_block_create(&gpu, 65536, false, true, &block) == VK_SUCCESS &&
		     gpu_fill(&gpu, &block, 0xa11fe) && block.words[65536 / 4 - 1] == 0xa11fe;
	bool good = alive && result == VK_ERROR_INVALID_EXTERNAL_HANDLE;
	printf("%s dumb-refused: VkResult %d, then the context %s\n", good ? "PASS" : "FAIL",
	       result, alive ? "works" : "is dead");
	if (alive) {
		gpu_block_destroy(&gpu, &block);
		gpu_finish(&gpu);
	}
	dumb_destroy(card, &dumb);
	close(dumb.fd);
	close(card);
	return good ? 0 : 1;
}
