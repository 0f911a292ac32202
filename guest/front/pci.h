/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_FRONT_PCI_H
#define HESPER_GUEST_FRONT_PCI_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define PCI_BARS 6

struct pci_bar {
	uint64_t gpa;
	uint64_t size; /* 0: there is none */
	uint8_t *map;
};

/* Where a virtio capability's structure is (virtio 1.4, 4.1.4). */
struct pci_place {
	uint8_t cap; /* its offset in config space; 0: there is none */
	uint8_t bar;
	uint64_t offset;
	uint64_t length;
};

/* The virtio-gpu device as a PCI device, without a driver. */
struct pci {
	char name[32]; /* 0000:00:02.0 */
	int config; /* fd of its config space */
	uint16_t command; /* as it was found */
	struct pci_bar bars[PCI_BARS];
	struct pci_place common_at, notify_at, isr_at, device_at, window_at, cfg_at;
	volatile uint8_t *common;
	volatile uint8_t *notify;
	volatile uint8_t *isr;
	volatile uint8_t *device;
	uint32_t notify_multiplier;
};

/* Unbinds the kernel's driver, maps the BARs, finds the structures. False and words in reason. */
bool pci_seize(struct pci *pci, char *reason, size_t reason_size);
/* Unmaps; binds the kernel's driver again. */
bool pci_release(struct pci *pci, char *reason, size_t reason_size);

uint32_t pci_read(const struct pci *pci, unsigned at, unsigned size);
void pci_write(const struct pci *pci, unsigned at, uint32_t value, unsigned size);

/* The common structure (virtio 1.4, 4.1.4.3). */
enum {
	COMMON_DEVICE_FEATURE_SELECT = 0,
	COMMON_DEVICE_FEATURE = 4,
	COMMON_DRIVER_FEATURE_SELECT = 8,
	COMMON_DRIVER_FEATURE = 12,
	COMMON_MSIX_CONFIG = 16,
	COMMON_NUM_QUEUES = 18,
	COMMON_STATUS = 20,
	COMMON_GENERATION = 21,
	COMMON_QUEUE_SELECT = 22,
	COMMON_QUEUE_SIZE = 24,
	COMMON_QUEUE_VECTOR = 26,
	COMMON_QUEUE_ENABLE = 28,
	COMMON_QUEUE_NOTIFY_OFF = 30,
	COMMON_QUEUE_DESC = 32,
	COMMON_QUEUE_DRIVER = 40,
	COMMON_QUEUE_DEVICE = 48,
	COMMON_QUEUE_NOTIFY_DATA = 56,
	COMMON_QUEUE_RESET = 58,
	COMMON_END = 60,
};

uint8_t io_read8(volatile uint8_t *at);
uint16_t io_read16(volatile uint8_t *at);
uint32_t io_read32(volatile uint8_t *at);
void io_write8(volatile uint8_t *at, uint8_t value);
void io_write16(volatile uint8_t *at, uint16_t value);
void io_write32(volatile uint8_t *at, uint32_t value);
/* As two halves: the registers of the common structure are 32 bits wide. */
void io_write64(volatile uint8_t *at, uint64_t value);

#endif
