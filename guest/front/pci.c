/* SPDX-License-Identifier: MIT */
#include "pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"
#define DRIVER "/sys/bus/pci/drivers/virtio-pci"
#define VIRTIO_VENDOR 0x1af4
#define VIRTIO_GPU 0x1050

#define CONFIG_COMMAND 0x04
#define CONFIG_CAPABILITIES 0x34
#define COMMAND_MEMORY 0x2
#define COMMAND_MASTER 0x4
#define COMMAND_NO_INTX 0x400
#define CAP_VENDOR 0x09

/* cfg_type of virtio capabilities. */
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI_CFG, CAP_SHARED_MEMORY = 8 };
#define WINDOW_ID 1

static bool fail(char *reason, size_t size, const char *what, const char *name)
{
	snprintf(reason, size, "%s %s: %s", what, name, strerror(errno));
	return false;
}

static uint32_t read_hex(const char *device, const char *file)
{
	char path[512];
	uint32_t value = 0;
	snprintf(path, sizeof(path), DEVICES "/%s/%s", device, file);
	FILE *in = fopen(path, "r");
	if (in != NULL) {
		if (fscanf(in, "%x", &value) != 1) {
			value = 0;
		}
		fclose(in);
	}
	return value;
}

static bool find_device(struct pci *pci)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;
	bool found = false;
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		found = entry->d_name[0] != '.' && strlen(entry->d_name) < sizeof(pci->name) &&
			read_hex(entry->d_name, "vendor") == VIRTIO_VENDOR &&
			read_hex(entry->d_name, "device") == VIRTIO_GPU;
		if (found) {
			memcpy(pci->name, entry->d_name, strlen(entry->d_name) + 1);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return found;
}

static bool is_bound(const struct pci *pci)
{
	char path[128];
	snprintf(path, sizeof(path), DRIVER "/%s", pci->name);
	return access(path, F_OK) == 0;
}

static bool tell_driver(const struct pci *pci, const char *file)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool right = fd >= 0 && write(fd, pci->name, strlen(pci->name)) > 0;
	if (fd >= 0) {
		int error = errno;
		close(fd);
		errno = error;
	}
	return right;
}

uint32_t pci_read(const struct pci *pci, unsigned at, unsigned size)
{
	uint32_t value = 0;
	if (pread(pci->config, &value, size, at) != (ssize_t)size) {
		value = UINT32_MAX;
	}
	return value;
}

void pci_write(const struct pci *pci, unsigned at, uint32_t value, unsigned size)
{
	if (pwrite(pci->config, &value, size, at) != (ssize_t)size) {
		fprintf(stderr, "hesper-front: config space at %#x: %s\n", at, strerror(errno));
	}
}

static bool map_bars(struct pci *pci, char *reason, size_t reason_size)
{
	char path[128];
	snprintf(path, sizeof(path), DEVICES "/%s/resource", pci->name);
	FILE *in = fopen(path, "r");
	if (in == NULL) {
		return fail(reason, reason_size, "cannot read", path);
	}
	bool right = true;
	for (unsigned i = 0; i < PCI_BARS && right; i++) {
		unsigned long long start, end, flags;
		if (fscanf(in, "%llx %llx %llx", &start, &end, &flags) != 3 || end <= start) {
			continue;
		}
		struct pci_bar *bar = &pci->bars[i];
		bar->gpa = start;
		bar->size = end - start + 1;
		snprintf(path, sizeof(path), DEVICES "/%s/resource%u", pci->name, i);
		int fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
		void *map =
			fd < 0 ? MAP_FAILED
			       : mmap(NULL, bar->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED) {
			right = fail(reason, reason_size, "cannot map", path);
		} else {
			bar->map = map;
		}
		if (fd >= 0) {
			close(fd);
		}
	}
	fclose(in);
	return right;
}

static struct pci_place *place_for(struct pci *pci, unsigned type, unsigned id)
{
	switch (type) {
	case CAP_COMMON:
		return &pci->common_at;
	case CAP_NOTIFY:
		return &pci->notify_at;
	case CAP_ISR:
		return &pci->isr_at;
	case CAP_DEVICE:
		return &pci->device_at;
	case CAP_PCI_CFG:
		return &pci->cfg_at;
	case CAP_SHARED_MEMORY:
		return id == WINDOW_ID ? &pci->window_at : NULL;
	default:
		return NULL;
	}
}

/* struct virtio_pci_cap: vndr, next, len, type, bar, id, two of padding, offset, length. */
static void read_capability(struct pci *pci, unsigned at)
{
	unsigned type = pci_read(pci, at + 3, 1);
	struct pci_place *place = place_for(pci, type, pci_read(pci, at + 5, 1));
	if (place == NULL || place->cap != 0) {
		return;
	}
	place->cap = (uint8_t)at;
	place->bar = (uint8_t)pci_read(pci, at + 4, 1);
	place->offset = pci_read(pci, at + 8, 4);
	place->length = pci_read(pci, at + 12, 4);
	if (type == CAP_SHARED_MEMORY) {
		place->offset |= (uint64_t)pci_read(pci, at + 16, 4) << 32;
		place->length |= (uint64_t)pci_read(pci, at + 20, 4) << 32;
	} else if (type == CAP_NOTIFY) {
		pci->notify_multiplier = pci_read(pci, at + 16, 4);
	}
}

static volatile uint8_t *at_place(const struct pci *pci, const struct pci_place *place)
{
	if (place->cap == 0 || place->bar >= PCI_BARS || pci->bars[place->bar].map == NULL ||
	    place->offset + place->length > pci->bars[place->bar].size) {
		return NULL;
	}
	return pci->bars[place->bar].map + place->offset;
}

static bool find_structures(struct pci *pci)
{
	unsigned at = pci_read(pci, CONFIG_CAPABILITIES, 1) & ~3u;
	for (unsigned count = 0; at != 0 && count < 48; count++) {
		if (pci_read(pci, at, 1) == CAP_VENDOR) {
			read_capability(pci, at);
		}
		at = pci_read(pci, at + 1, 1) & ~3u;
	}
	pci->common = at_place(pci, &pci->common_at);
	pci->notify = at_place(pci, &pci->notify_at);
	pci->isr = at_place(pci, &pci->isr_at);
	pci->device = at_place(pci, &pci->device_at);
	return pci->common != NULL && pci->notify != NULL && pci->isr != NULL &&
	       pci->device != NULL && pci->common_at.length >= COMMON_QUEUE_NOTIFY_DATA;
}

bool pci_seize(struct pci *pci, char *reason, size_t reason_size)
{
	char path[128];
	*pci = (struct pci){.config = -1};
	errno = ENODEV;
	if (!find_device(pci)) {
		return fail(reason, reason_size, "no virtio-gpu in", DEVICES);
	}
	if (is_bound(pci) && !tell_driver(pci, DRIVER "/unbind")) {
		return fail(reason, reason_size, "cannot unbind", pci->name);
	}
	snprintf(path, sizeof(path), DEVICES "/%s/config", pci->name);
	pci->config = open(path, O_RDWR | O_CLOEXEC);
	if (pci->config < 0) {
		return fail(reason, reason_size, "cannot open", path);
	}
	pci->command = (uint16_t)pci_read(pci, CONFIG_COMMAND, 2);
	pci_write(pci, CONFIG_COMMAND,
		  pci->command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX, 2);
	if (!map_bars(pci, reason, reason_size)) {
		return false;
	}
	errno = EPROTO;
	return find_structures(pci) ||
	       fail(reason, reason_size, "no virtio capabilities in", pci->name);
}

bool pci_release(struct pci *pci, char *reason, size_t reason_size)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (pci->bars[i].map != NULL) {
			munmap(pci->bars[i].map, pci->bars[i].size);
		}
	}
	if (pci->config >= 0) {
		pci_write(pci, CONFIG_COMMAND, pci->command, 2);
		close(pci->config);
	}
	bool right = is_bound(pci) || tell_driver(pci, DRIVER "/bind");
	return right || fail(reason, reason_size, "cannot bind", pci->name);
}

uint8_t io_read8(volatile uint8_t *at)
{
	return *at;
}

uint16_t io_read16(volatile uint8_t *at)
{
	return *(volatile uint16_t *)at;
}

uint32_t io_read32(volatile uint8_t *at)
{
	return *(volatile uint32_t *)at;
}

void io_write8(volatile uint8_t *at, uint8_t value)
{
	*at = value;
}

void io_write16(volatile uint8_t *at, uint16_t value)
{
	*(volatile uint16_t *)at = value;
}

void io_write32(volatile uint8_t *at, uint32_t value)
{
	*(volatile uint32_t *)at = value;
}

void io_write64(volatile uint8_t *at, uint64_t value)
{
	io_write32(at, (uint32_t)value);
	io_write32(at + 4, (uint32_t)(value >> 32));
}
