/* SPDX-License-Identifier: MIT */
/* Memory, and the fds that stand for pieces of a guest's memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"
#include "frame/memory.h"
#include "gpu/pages.h"
#include "util/fd.h"

#define PAGE 4096u
#define RAM (16u * PAGE)

static const struct guest_region region = {0x40000000, RAM, 0x7e0000000000, 0};

static bool went(const char *what, bool well)
{
	FAULT_CHECK(well || fault_excuses(), "%s fails", what);
	return well;
}

static void use_memory(void)
{
	char bytes[100];
	struct memory *memory = memory_create_shm("fault", RAM);
	if (!went("memory_create_shm", memory != NULL)) {
		return;
	}
	memset(memory->mapping, 0x5a, RAM);
	if (went("memory_read", memory_read(memory, bytes, sizeof(bytes)) == 0)) {
		FAULT_CHECK(bytes[0] == 0x5a && bytes[99] == 0x5a, "it reads something else");
	}
	memory_unref(memory_ref(memory));
	memory_unref(memory);
}

/* An fd that came from elsewhere: a driver's dma-buf, or a memfd that passes for one. */
static void use_foreign_memory(enum memory_kind kind)
{
	char bytes[100];
	fault_spare_begin();
	int fd = fd_memfd("foreign", RAM);
	fault_spare_end();
	struct memory *memory = memory_create(kind, fd, RAM);
	if (!went("memory_create", memory != NULL)) {
		/* It is still ours. */
		close(fd);
		return;
	}
	went("memory_read", memory_read(memory, bytes, sizeof(bytes)) == 0);
	went("memory_map", memory_map(memory) != NULL);
	memory_unref(memory);
}

static void share_pages(enum gpu_pages way, const struct gpu_backing *backing)
{
	int fd = pages_share(backing, 3 * PAGE, way, -1);
	if (way == GPU_PAGES_DMA_BUF) {
		FAULT_CHECK(fd < 0, "a dma-buf without udmabuf");
	} else if (fd == -EAGAIN && fault_happened()) {
		/* A socket that is new is not full; if it were, the import would be refused. */
	} else if (went("pages_share", fd >= 0)) {
		close(fd);
	}
}

static void use_pages(void)
{
	int error = 0;
	fault_spare_begin();
	int fd = fd_memfd("ram", RAM);
	fault_spare_end();
	struct guest_memory *memory = guest_memory_create(&region, &fd, 1, &error);
	if (went("guest_memory_create", memory != NULL)) {
		char *ram = guest_memory_at(memory, region.gpa, RAM);
		struct iovec iov[] = {{ram + 4 * PAGE, PAGE}, {ram, 2 * PAGE}};
		const struct gpu_backing backing = {
			.iov = iov, .count = 2, .bytes = 3 * PAGE, .memory = memory};
		share_pages(GPU_PAGES_LIST, &backing);
		share_pages(GPU_PAGES_DMA_BUF, &backing);
		guest_memory_unref(memory);
	} else {
		FAULT_CHECK(error < 0, "no memory, and no reason");
	}
	close(fd);
}

static void play(void)
{
	use_memory();
	use_foreign_memory(MEMORY_SHM);
	use_foreign_memory(MEMORY_DMA_BUF);
	use_pages();
}

static void scenario(void *data)
{
	play();
	fault_stop();
	play();
}

int main(void)
{
	fault_init("fault_frame");
	fault_try_all(scenario, NULL);
	return fault_report();
}
