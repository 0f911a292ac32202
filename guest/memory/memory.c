/* SPDX-License-Identifier: MIT */
/*
 * hesper-memory: what goes wrong with guest memory when a device gets the order of things
 * wrong. Each command prints PASS with its figures, or FAIL and what was seen; exit status 0 or 1.
 *
 *   maps N       N live 64 KiB mappings; every word is checked in both directions
 *   barrier N    N mappings, each written at once after vkMapMemory: a map answered too early loses
 *                words. Two threads of them, so that answers race.
 *   exhaust      maps until the window is full; that must be an error, and freeing must help
 *   import       imports an exported allocation into the very context that made it
 *   dumb N       imports N dumb buffers, and shares their pages in both directions
 *   times N      what making and mapping takes, with more and more that are mapped: for benchmarks
 *   dumb-refused  the same where the host does not allow it: an error, and no dead context
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dumb.h"
#include "gpu.h"
#include "times.h"

#define BLOCK_BYTES (64u << 10)
#define BLOCK_WORDS (BLOCK_BYTES / 4)
#define PAGE_WORDS 1024

static uint32_t pattern(uint32_t block, uint32_t word)
{
	return (block + 1) * 2654435761u + word;
}

static uint32_t count_wrong(const struct block *check, uint32_t block)
{
	uint32_t wrong = 0;
	for (uint32_t i = 0; i < BLOCK_WORDS; i++) {
		wrong += check->words[i] != pattern(block, i);
	}
	return wrong;
}

static int run_maps(uint32_t count)
{
	struct gpu gpu;
	struct block check;
	gpu_init(&gpu);
	struct block *blocks = calloc(count, sizeof(*blocks));
	if (blocks == NULL ||
	    gpu_block_create(&gpu, BLOCK_BYTES, false, true, &check) != VK_SUCCESS) {
		printf("FAIL no memory\n");
		return 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		VkResult result = gpu_block_create(&gpu, BLOCK_BYTES, false, true, &blocks[i]);
		if (result != VK_SUCCESS) {
			printf("FAIL mapping %u of %u: VkResult %d\n", i, count, result);
			return 1;
		}
		for (uint32_t w = 0; w < BLOCK_WORDS; w++) {
			blocks[i].words[w] = pattern(i, w);
		}
	}
	uint64_t wrong = 0;
	for (uint32_t i = 0; i < count; i++) {
		memset(check.words, 0, BLOCK_BYTES);
		if (!gpu_copy(&gpu, &blocks[i], &check)) {
			printf("FAIL device lost at block %u\n", i);
			return 1;
		}
		wrong += count_wrong(&check, i);
	}
	uint64_t wrong_back = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (!gpu_fill(&gpu, &blocks[i], pattern(i, 7))) {
			printf("FAIL device lost at block %u\n", i);
			return 1;
		}
		for (uint32_t w = 0; w < BLOCK_WORDS; w++) {
			wrong_back += blocks[i].words[w] != pattern(i, 7);
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		gpu_block_destroy(&gpu, &blocks[i]);
	}
	gpu_block_destroy(&gpu, &check);
	gpu_finish(&gpu);
	free(blocks);
	bool good = wrong == 0 && wrong_back == 0;
	printf("%s maps: %u live, %llu words wrong to the GPU, %llu back\n", good ? "PASS" : "FAIL",
	       count, (unsigned long long)wrong, (unsigned long long)wrong_back);
	return good ? 0 : 1;
}

struct worker {
	struct gpu gpu;
	uint32_t count;
	uint64_t lost;
	int error;
};

static void *run_worker(void *data)
{
	struct worker *worker = data;
	struct gpu *gpu = &worker->gpu;
	struct block check;
	if (gpu_block_create(gpu, BLOCK_BYTES, false, true, &check) != VK_SUCCESS) {
		worker->error = 1;
		return NULL;
	}
	for (uint32_t i = 0; i < worker->count && worker->error == 0; i++) {
		struct block block;
		if (gpu_block_create(gpu, BLOCK_BYTES, false, true, &block) != VK_SUCCESS) {
			worker->error = 1;
			break;
		}
		/* The first stores: they are what an early answer would lose. */
		for (uint32_t w = 0; w < BLOCK_WORDS; w += PAGE_WORDS) {
			block.words[w] = pattern(i, w);
		}
		memset(check.words, 0, BLOCK_BYTES);
		worker->error = !gpu_copy(gpu, &block, &check);
		for (uint32_t w = 0; w < BLOCK_WORDS; w += PAGE_WORDS) {
			worker->lost += check.words[w] != pattern(i, w);
		}
		gpu_block_destroy(gpu, &block);
	}
	gpu_block_destroy(gpu, &check);
	return NULL;
}

static int run_barrier(uint32_t count)
{
	static struct worker workers[2];
	pthread_t threads[2];
	for (int i = 0; i < 2; i++) {
		gpu_init(&workers[i].gpu);
		workers[i].count = count / 2;
	}
	for (int i = 0; i < 2; i++) {
		pthread_create(&threads[i], NULL, run_worker, &workers[i]);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
	}
	/* Not in the threads: drivers leave destructors behind that run when a thread ends. */
	for (int i = 0; i < 2; i++) {
		gpu_finish(&workers[i].gpu);
	}
	uint64_t lost = workers[0].lost + workers[1].lost;
	bool good = lost == 0 && workers[0].error == 0 && workers[1].error == 0;
	printf("%s barrier: %u maps, %llu first words lost%s\n", good ? "PASS" : "FAIL", count,
	       (unsigned long long)lost,
	       workers[0].error + workers[1].error != 0 ? ", a call failed" : "");
	return good ? 0 : 1;
}

static int run_exhaust(void)
{
	enum { LIMIT = 4096, STEP = 4 << 20, PATIENCE = 300 };
	struct gpu gpu;
	gpu_init(&gpu);
	static struct block blocks[LIMIT];
	uint32_t count = 0;
	VkResult result = VK_SUCCESS;
	while (count < LIMIT && result == VK_SUCCESS) {
		result = gpu_block_create(&gpu, STEP, false, true, &blocks[count]);
		count += result == VK_SUCCESS;
	}
	uint32_t full_at = count;
	for (uint32_t i = 0; i < count; i++) {
		gpu_block_destroy(&gpu, &blocks[i]);
	}
	/* What was freed is free when the host has unmapped it, which nobody waits for. */
	struct block again;
	VkResult after = gpu_block_create(&gpu, STEP, false, true, &again);
	for (int i = 0; i < PATIENCE && after < 0; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		after = gpu_block_create(&gpu, STEP, false, true, &again);
	}
	bool written = false;
	if (after == VK_SUCCESS) {
		written = gpu_fill(&gpu, &again, 0x5eed5eed) &&
			  again.words[STEP / 4 - 1] == 0x5eed5eed;
		gpu_block_destroy(&gpu, &again);
	}
	gpu_finish(&gpu);
	bool good = full_at > 0 && full_at < LIMIT && result < 0 && after == VK_SUCCESS && written;
	printf("%s exhaust: full after %u MiB with VkResult %d, then %d\n", good ? "PASS" : "FAIL",
	       full_at * (STEP >> 20), result, after);
	return good ? 0 : 1;
}

static int run_import(void)
{
	struct gpu gpu;
	struct block made;
	struct block imported;
	struct block check;
	gpu_init(&gpu);
	if (gpu_block_create(&gpu, BLOCK_BYTES, true, false, &made) != VK_SUCCESS ||
	    gpu_block_create(&gpu, BLOCK_BYTES, false, true, &check) != VK_SUCCESS) {
		printf("FAIL import: no exportable memory\n");
		return 1;
	}
	const VkMemoryGetFdInfoKHR get = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
		.memory = made.memory,
		.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
	};
	int fd = -1;
	VkResult result = gpu.get_fd(gpu.device, &get, &fd);
	if (result == VK_SUCCESS) {
		result = gpu_block_import(&gpu, fd, BLOCK_BYTES, &imported);
	}
	if (result != VK_SUCCESS) {
		printf("FAIL import: VkResult %d\n", result);
		return 1;
	}
	bool good = gpu_fill(&gpu, &made, 0xfeedf00d) && gpu_copy(&gpu, &imported, &check);
	uint32_t wrong = 0;
	for (uint32_t i = 0; i < BLOCK_WORDS; i++) {
		wrong += check.words[i] != 0xfeedf00d;
	}
	gpu_block_destroy(&gpu, &imported);
	gpu_block_destroy(&gpu, &made);
	gpu_block_destroy(&gpu, &check);
	gpu_finish(&gpu);
	good = good && wrong == 0;
	printf("%s import: %u words wrong\n", good ? "PASS" : "FAIL", wrong);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(command, "maps") == 0 && count > 0) {
		return run_maps(count);
	}
	if (strcmp(command, "barrier") == 0 && count > 0) {
		return run_barrier(count);
	}
	if (strcmp(command, "exhaust") == 0) {
		return run_exhaust();
	}
	if (strcmp(command, "import") == 0) {
		return run_import();
	}
	if (strcmp(command, "dumb") == 0 && count > 0) {
		return dumb_run_shared(count);
	}
	if (strcmp(command, "dumb-refused") == 0) {
		return dumb_run_refused();
	}
	if (strcmp(command, "times") == 0 && count > 0) {
		return times_run(count);
	}
	fprintf(stderr, "usage: hesper-memory maps N | barrier N | exhaust | import | dumb N | "
			"dumb-refused | times N\n");
	return 2;
}
