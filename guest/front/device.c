/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "front.h"

/* The device's life: memory that it can reach, negotiation, where its rings are. */

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

/* In the first page: a quarter for each queue, the rest is the attacks'. */
#define RING_SPACE (FRONT_PAGE / 4)
#define AVAIL_AT 0x4000u
#define USED_AT 0x5000u

void front_fail(struct front *front, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(front->reason, sizeof(front->reason), format, args);
	va_end(args);
	longjmp(front->failed, 1);
}

/* xorshift64. */
uint32_t front_random(struct front *front)
{
	front->random ^= front->random << 13;
	front->random ^= front->random >> 7;
	front->random ^= front->random << 17;
	return (uint32_t)(front->random >> 16);
}

void front_sleep_us(unsigned us)
{
	const struct timespec time = {.tv_nsec = us * 1000l};
	nanosleep(&time, NULL);
}

uint64_t front_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool reserve_pages(void)
{
	char text[16];
	int fd = open("/proc/sys/vm/nr_hugepages", O_RDWR | O_CLOEXEC);
	int length = snprintf(text, sizeof(text), "%u", FRONT_PAGES);
	bool right = fd >= 0 && write(fd, text, (size_t)length) == length;
	if (fd >= 0) {
		close(fd);
	}
	return right;
}

static bool find_gpa(int pagemap, struct front_page *page)
{
	uint64_t entry;
	uint64_t at = (uintptr_t)page->at / 4096 * sizeof(entry);
	if (pread(pagemap, &entry, sizeof(entry), (off_t)at) != sizeof(entry)) {
		return false;
	}
	/* Bit 63: present; 0 to 54: the frame, 0 without CAP_SYS_ADMIN. */
	page->gpa = (entry & ((1ull << 55) - 1)) * 4096;
	return entry >> 63 != 0 && page->gpa != 0;
}

static bool get_pages(struct front *front)
{
	bool right = reserve_pages();
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < FRONT_PAGES && right; i++) {
		void *at = mmap(NULL, FRONT_PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
		right = at != MAP_FAILED && pagemap >= 0;
		if (right) {
			memset(at, 0, FRONT_PAGE);
			front->pages[i].at = at;
			right = find_gpa(pagemap, &front->pages[i]);
		}
	}
	if (!right) {
		snprintf(front->reason, sizeof(front->reason), "no %u huge pages: %s", FRONT_PAGES,
			 strerror(errno));
	}
	if (pagemap >= 0) {
		close(pagemap);
	}
	return right;
}

bool front_open(struct front *front)
{
	if (!get_pages(front) || !pci_seize(&front->pci, front->reason, sizeof(front->reason))) {
		return false;
	}
	const struct pci_place *window = &front->pci.window_at;
	if (window->cap != 0 && window->bar < PCI_BARS) {
		const struct pci_bar *bar = &front->pci.bars[window->bar];
		front->window = bar->map + window->offset;
		front->window_gpa = bar->gpa + window->offset;
		front->window_size = window->length;
	}
	return true;
}

bool front_close(struct front *front)
{
	if (front->pci.common != NULL) {
		io_write8(front->pci.common + COMMON_STATUS, 0);
	}
	return pci_release(&front->pci, front->reason, sizeof(front->reason));
}

uint8_t front_status(struct front *front)
{
	return io_read8(front->pci.common + COMMON_STATUS);
}

void front_set_status(struct front *front, uint8_t bits)
{
	io_write8(front->pci.common + COMMON_STATUS, front_status(front) | bits);
}

void front_reset(struct front *front)
{
	uint64_t end = front_now_us() + FRONT_TIMEOUT_MS * 1000ull;
	io_write8(front->pci.common + COMMON_STATUS, 0);
	while (front_status(front) != 0) {
		if (front_now_us() > end) {
			front_fail(front, "the device does not reset");
		}
	}
	front_free_all(front);
}

void front_negotiate(struct front *front, uint64_t features)
{
	volatile uint8_t *common = front->pci.common;
	front->features = features;
	front_set_status(front, ACKNOWLEDGE);
	front_set_status(front, DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		io_write32(common + COMMON_DRIVER_FEATURE_SELECT, i);
		io_write32(common + COMMON_DRIVER_FEATURE, (uint32_t)(features >> (32 * i)));
	}
	front_set_status(front, FEATURES_OK);
}

void front_place_ring(struct front *front, unsigned queue, uint16_t size, uint64_t desc,
		      uint64_t avail, uint64_t used)
{
	struct front_ring *ring = &front->rings[queue];
	*ring = (struct front_ring){
		.size = size, .desc_gpa = desc, .avail_gpa = avail, .used_gpa = used};
	ring->free_count = size;
	for (unsigned i = 0; i < size; i++) {
		ring->free[i] = (uint16_t)(size - 1 - i);
	}
}

void front_fresh_ring(struct front *front, unsigned queue, uint16_t size)
{
	uint64_t gpa = front->pages[0].gpa + queue * RING_SPACE;
	memset(front->pages[0].at + queue * RING_SPACE, 0, RING_SPACE);
	front_place_ring(front, queue, size, gpa, gpa + AVAIL_AT, gpa + USED_AT);
}

void front_set_ring(struct front *front, unsigned queue)
{
	const struct front_ring *ring = &front->rings[queue];
	volatile uint8_t *common = front->pci.common;
	io_write16(common + COMMON_QUEUE_SELECT, (uint16_t)queue);
	io_write16(common + COMMON_QUEUE_SIZE, ring->size);
	io_write64(common + COMMON_QUEUE_DESC, ring->desc_gpa);
	io_write64(common + COMMON_QUEUE_DRIVER, ring->avail_gpa);
	io_write64(common + COMMON_QUEUE_DEVICE, ring->used_gpa);
	io_write16(common + COMMON_QUEUE_ENABLE, 1);
}

void front_start_with(struct front *front, uint64_t features, uint16_t ring_size)
{
	front_reset(front);
	front_negotiate(front, features);
	for (unsigned i = 0; i < FRONT_QUEUES; i++) {
		front_fresh_ring(front, i, ring_size);
		front_set_ring(front, i);
	}
	front_set_status(front, DRIVER_OK);
}

void front_start(struct front *front)
{
	front_start_with(front, FRONT_FEATURES, FRONT_RING_SIZE);
}

uint64_t front_alloc(struct front *front, uint32_t len)
{
	len = (len + 63) & ~63u;
	if (front->page_used + len > FRONT_PAGE) {
		front->page++;
		front->page_used = 0;
	}
	if (front->page >= FRONT_PAGES || len > FRONT_PAGE) {
		front_fail(front, "the attack takes more memory than there is");
	}
	uint64_t gpa = front->pages[front->page].gpa + front->page_used;
	memset(front->pages[front->page].at + front->page_used, 0, len);
	front->page_used += len;
	return gpa;
}

void front_free_all(struct front *front)
{
	front->page = 1;
	front->page_used = 0;
}

void *front_at(struct front *front, uint64_t gpa)
{
	for (unsigned i = 0; i < FRONT_PAGES; i++) {
		if (gpa >= front->pages[i].gpa && gpa - front->pages[i].gpa < FRONT_PAGE) {
			return front->pages[i].at + (gpa - front->pages[i].gpa);
		}
	}
	front_fail(front, "%#llx is not the attack's memory", (unsigned long long)gpa);
}
