/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "attack.h"

/* The device under the driver: status, features, where the rings are, PCI. */

#define RING FRONT_RING_SIZE
#define STATUS_OK 0xf /* ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK */
#define MIB (1ull << 20)

enum {
	CONFIG_COMMAND = 4,
	CONFIG_BAR = 0x10,
	CONFIG_CAPABILITIES = 0x34,
	COMMAND_MEMORY = 2,
	COMMAND_MASTER = 4,
	CAP_POWER = 1,
	CAP_MSIX = 0x11,
};

/* A command that nothing comes back to. */
static void expect_deaf(struct front *front)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	uint64_t answer;
	gpu_post(front, 0, &request, sizeof(request), &answer);
	front_kick(front, 0);
	for (unsigned i = 0; i < 20; i++) {
		front_sleep_us(1000);
		EXPECT(front, 0, gpu_answer(front, answer));
	}
}

static void resets(struct front *front)
{
	for (unsigned i = 0; i < 200; i++) {
		front_start(front);
		if (i % 10 == 0) {
			gpu_probe(front);
		}
	}
}

static void post_many(struct front *front, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct gpu_command *command =
			&gpu_commands[front_random(front) % gpu_command_count];
		uint8_t request[128] = {0};
		uint64_t answer;
		memcpy(request, &command->type, sizeof(command->type));
		request[24] = (uint8_t)(1 + i % 3); /* resource, mostly */
		gpu_post(front, 0, request, command->size, &answer);
	}
}

static void reset_in_flight(struct front *front)
{
	for (unsigned i = 0; i < 40; i++) {
		gpu_make_picture(front, 1, 256);
		post_many(front, RING);
		front_kick(front, 0);
		front_start(front);
	}
}

static void post_blobs(struct front *front, uint32_t count)
{
	for (uint32_t id = 1; id <= count; id++) {
		const struct virtio_gpu_resource_create_blob create = {
			.hdr = {.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, .ctx_id = 1},
			.resource_id = id,
			.blob_mem = HOST3D,
			.blob_flags = MAPPABLE,
			.size = 65536,
		};
		const struct virtio_gpu_resource_map_blob map = {
			.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
			.resource_id = id,
			.offset = id * 65536ull,
		};
		uint64_t answer;
		gpu_post(front, 0, &create, sizeof(create), &answer);
		gpu_post(front, 0, &map, sizeof(map), &answer);
	}
	front_kick(front, 0);
}

/* Messages about the window are under way in both directions (protocols Q1, Q2). */
static void reset_while_mapping(struct front *front)
{
	for (unsigned i = 0; i < 8; i++) {
		gpu_make_context(front, 1);
		post_blobs(front, 40);
		front_sleep_us(front_random(front) % 8000);
		front_start(front);
	}
}

static void reset_while_mapped(struct front *front)
{
	for (unsigned i = 0; i < 3; i++) {
		gpu_make_context(front, 1);
		gpu_make_blob(front, 1, 1, MIB);
		EXPECT(front, MAPPED, gpu_map(front, 1, 0));
		memset(front->window, 0x55, MIB);
		front_reset(front);
		/* There is nothing any more; who touches it reads and hits nothing. */
		front->window[0] = 1;
		CHECK(front, *(volatile uint8_t *)front->window != 0x55);
		front_start(front);
	}
}

static void without_queues(struct front *front)
{
	front_reset(front);
	front_negotiate(front, FRONT_FEATURES);
	front_set_status(front, STATUS_OK);
	front_kick(front, 0);
	front_kick(front, 1);
	front_fresh_ring(front, 0, RING);
	expect_deaf(front);
}

static void with_one_queue(struct front *front, unsigned queue)
{
	front_reset(front);
	front_negotiate(front, FRONT_FEATURES);
	for (unsigned i = 0; i < FRONT_QUEUES; i++) {
		front_fresh_ring(front, i, RING);
	}
	front_set_ring(front, queue);
	front_set_status(front, STATUS_OK);
}

static void control_queue_only(struct front *front)
{
	with_one_queue(front, 0);
	gpu_probe(front);
	front_kick(front, 1);
	gpu_probe(front);
}

static void cursor_queue_only(struct front *front)
{
	const struct virtio_gpu_update_cursor move = {.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR};
	with_one_queue(front, 1);
	EXPECT(front, 0, front_command(front, 1, &move, sizeof(move), NULL, 0));
	expect_deaf(front);
}

static void without_features_ok(struct front *front)
{
	front_reset(front);
	for (unsigned i = 0; i < FRONT_QUEUES; i++) {
		front_fresh_ring(front, i, RING);
		front_set_ring(front, i);
	}
	front_set_status(front, 4);
	front_kick(front, 0);
}

static void features_not_offered(struct front *front)
{
	front_start_with(front, UINT64_MAX, RING);
	/* Masked by QEMU: what is left is what was offered. */
	gpu_probe(front);
	gpu_make_picture(front, 1, 64);
}

static void no_features(struct front *front)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	front_start_with(front, 0, RING);
	/* An indirect descriptor was not negotiated, nor anything of the new device. */
	uint64_t gpa = front_alloc(front, sizeof(request));
	uint64_t answer = front_alloc(front, 408);
	memcpy(front_at(front, gpa), &request, sizeof(request));
	const struct front_buffer buffers[] = {{gpa, sizeof(request), false}, {answer, 408, true}};
	front_submit(front, 0, buffers, 2, false);
	front_sleep_us(20000);
}

static void ring_of(struct front *front, uint16_t size)
{
	front_start_with(front, FRONT_FEATURES, size);
	for (unsigned i = 0; i < 3u * size; i++) {
		gpu_probe(front);
	}
}

static void ring_of_1(struct front *front)
{
	ring_of(front, 1);
}

static void ring_of_2(struct front *front)
{
	ring_of(front, 2);
}

static void bad_ring_size(struct front *front, uint16_t size)
{
	front_start_with(front, FRONT_FEATURES, size);
	expect_deaf(front);
	front_start(front);
	gpu_probe(front);
}

static void ring_not_of_two(struct front *front)
{
	static const uint16_t sizes[] = {3, 5, 100, 255, 1000, 1023};
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bad_ring_size(front, sizes[i]);
	}
}

/* QEMU keeps the size that was there. */
static void ring_size_refused(struct front *front)
{
	static const uint16_t sizes[] = {0, 512, 1024, 1025, 0x8000, 0xffff};
	volatile uint8_t *common = front->pci.common;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		front_reset(front);
		front_negotiate(front, FRONT_FEATURES);
		for (unsigned queue = 0; queue < FRONT_QUEUES; queue++) {
			front_fresh_ring(front, queue, RING);
			front_set_ring(front, queue);
			io_write16(common + COMMON_QUEUE_SIZE, sizes[i]);
		}
		front_set_status(front, STATUS_OK);
		front_kick(front, 0);
		front_sleep_us(5000);
	}
}

static void rings_at(struct front *front, uint64_t desc, uint64_t avail, uint64_t used)
{
	front_reset(front);
	front_negotiate(front, FRONT_FEATURES);
	for (unsigned i = 0; i < FRONT_QUEUES; i++) {
		front_place_ring(front, i, RING, desc, avail, used);
		front_set_ring(front, i);
	}
	front_set_status(front, STATUS_OK);
	front_kick(front, 0);
	front_kick(front, 1);
	front_sleep_us(10000);
}

static void all_rings_at(struct front *front, uint64_t gpa)
{
	rings_at(front, gpa, gpa + 0x4000, gpa + 0x5000);
	front_start(front);
	gpu_probe(front);
}

static void rings_beyond_ram(struct front *front)
{
	all_rings_at(front, 0x4000000000ull);
	all_rings_at(front, 0x7ffffffff0000ull);
}

static void rings_wrapping(struct front *front)
{
	all_rings_at(front, UINT64_MAX - 0x4fff);
	all_rings_at(front, UINT64_MAX - 15);
}

static void rings_in_registers(struct front *front)
{
	all_rings_at(front, front->pci.bars[front->pci.common_at.bar].gpa);
	all_rings_at(front, 0xfec00000ull);
	all_rings_at(front, 0xfffc0000ull);
}

static void rings_in_the_window(struct front *front)
{
	all_rings_at(front, front->window_gpa);
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, MIB);
	EXPECT(front, MAPPED, gpu_map(front, 1, 0));
	/* Over a blob, without a reset that takes it away. */
	for (unsigned i = 0; i < FRONT_QUEUES; i++) {
		front_place_ring(front, i, RING, front->window_gpa, front->window_gpa + 0x4000,
				 front->window_gpa + 0x5000);
		front_set_ring(front, i);
		front_kick(front, i);
	}
	front_sleep_us(10000);
}

static void rings_at_odd_places(struct front *front)
{
	uint64_t gpa = front->pages[0].gpa;
	rings_at(front, gpa + 1, gpa + 0x4000, gpa + 0x5000);
	rings_at(front, gpa + 8, gpa + 0x4000, gpa + 0x5000);
	rings_at(front, gpa, gpa + 0x4001, gpa + 0x5000);
	rings_at(front, gpa, gpa + 0x4000, gpa + 0x5002);
	front_start(front);
	gpu_probe(front);
}

static void rings_overlapping(struct front *front, uint64_t desc, uint64_t avail, uint64_t used)
{
	const struct virtio_gpu_ctrl_hdr request = {.type = VIRTIO_GPU_CMD_GET_DISPLAY_INFO};
	uint64_t answer;
	uint64_t base = front->pages[0].gpa;
	memset(front->pages[0].at, 0, FRONT_PAGE);
	rings_at(front, base + desc, base + avail, base + used);
	for (unsigned i = 0; i < 100; i++) {
		gpu_post(front, 0, &request, sizeof(request), &answer);
		front_kick(front, i & 1);
	}
	front_sleep_us(10000);
}

static void used_over_descriptors(struct front *front)
{
	rings_overlapping(front, 0, 0x4000, 0);
	rings_overlapping(front, 0, 0x4000, 0x800);
}

static void available_over_used(struct front *front)
{
	rings_overlapping(front, 0, 0x4000, 0x4000);
	rings_overlapping(front, 0, 0x4000, 0x4100);
}

static void available_over_descriptors(struct front *front)
{
	rings_overlapping(front, 0, 0, 0x5000);
}

static void all_in_one_place(struct front *front)
{
	rings_overlapping(front, 0, 0, 0);
}

/* Both queues are one ring: each takes what it sees. */
static void two_queues_one_ring(struct front *front)
{
	rings_overlapping(front, 0, 0x4000, 0x5000);
}

/* The registers change, the device runs on: with what it was started with. */
static void ring_moved_under_way(struct front *front)
{
	struct front_ring old = front->rings[0];
	static const uint64_t places[] = {0, 0x4000000000ull, UINT64_MAX - 15, 0xfec00000ull};
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		front_place_ring(front, 0, RING, places[i], places[i], places[i]);
		front_set_ring(front, 0);
		front->rings[0] = old;
		front_start(front);
		gpu_probe(front);
		old = front->rings[0];
	}
}

static void ring_disabled_under_way(struct front *front)
{
	post_many(front, RING);
	front_kick(front, 0);
	io_write16(front->pci.common + COMMON_QUEUE_SELECT, 0);
	io_write16(front->pci.common + COMMON_QUEUE_ENABLE, 0);
	io_write16(front->pci.common + COMMON_QUEUE_ENABLE, 0xffff);
	front_wait_count(front, 0, RING);
}

/* RING_RESET is not offered; the register is there. */
static void ring_reset_under_way(struct front *front)
{
	for (unsigned i = 0; i < 20; i++) {
		post_many(front, RING);
		front_kick(front, 0);
		io_write16(front->pci.common + COMMON_QUEUE_SELECT, 0);
		if (front->pci.common_at.length >= COMMON_END) {
			io_write16(front->pci.common + COMMON_QUEUE_RESET, 1);
		}
		front_wait_count(front, 0, RING);
		front_free_all(front);
	}
}

static void queue_select(struct front *front)
{
	volatile uint8_t *common = front->pci.common;
	for (uint32_t queue = 2; queue <= 0xffff; queue += queue < 1100 ? 7 : 4099) {
		io_write16(common + COMMON_QUEUE_SELECT, (uint16_t)queue);
		io_write16(common + COMMON_QUEUE_SIZE, 64);
		io_write64(common + COMMON_QUEUE_DESC, front->pages[1].gpa);
		io_write16(common + COMMON_QUEUE_ENABLE, 1);
		io_read16(common + COMMON_QUEUE_NOTIFY_OFF);
	}
}

static void status_nonsense(struct front *front)
{
	static const uint8_t values[] = {0xff, 0x80, 0x40, 0x04, 0x0c, 0x0f, 0x03, 0x8f, 0x01};
	for (unsigned i = 0; i < 60; i++) {
		io_write8(front->pci.common + COMMON_STATUS, values[i % sizeof(values)]);
		front_kick(front, i & 1);
	}
}

/* DRIVER_OK goes and comes back, and nothing was reset in between: as QMP stop and cont. */
static void driver_ok_again(struct front *front)
{
	gpu_make_picture(front, 1, 64);
	for (unsigned i = 0; i < 20; i++) {
		io_write8(front->pci.common + COMMON_STATUS, 0xb);
		io_write8(front->pci.common + COMMON_STATUS, 0xf);
		gpu_probe(front);
	}
}

static void features_under_way(struct front *front)
{
	volatile uint8_t *common = front->pci.common;
	for (unsigned i = 0; i < 4; i++) {
		io_write32(common + COMMON_DRIVER_FEATURE_SELECT, i);
		io_write32(common + COMMON_DRIVER_FEATURE, 0xffffffff);
		io_write32(common + COMMON_DRIVER_FEATURE, 0);
	}
	gpu_probe(front);
}

static void common_garbage(struct front *front)
{
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t at = front_random(front) % (uint32_t)front->pci.common_at.length;
		uint32_t value = front_random(front);
		switch (front_random(front) % 3) {
		case 0:
			io_write8(front->pci.common + at, (uint8_t)value);
			break;
		case 1:
			io_write16(front->pci.common + (at & ~1u), (uint16_t)value);
			break;
		default:
			io_write32(front->pci.common + (at & ~3u), value);
		}
	}
}

static void config_writes(struct front *front)
{
	volatile uint8_t *config = front->pci.device;
	uint32_t scanouts = io_read32(config + 8);
	for (uint32_t at = 0; at < 64; at++) {
		io_write8(config + at, 0xff);
		if (at % 2 == 0) {
			io_write16(config + at, 0xffff);
		}
		if (at % 4 == 0) {
			io_write32(config + at, 0xffffffff);
		}
	}
	EXPECT(front, scanouts, io_read32(config + 8));
	EXPECT(front, 0, io_read32(config + 4));
	EXPECT(front, 1, io_read32(config + 12));
	EXPECT(front, 4096, io_read32(config + 16));
}

static void config_reads(struct front *front)
{
	for (unsigned i = 0; i < 1500; i++) {
		io_read8(front->pci.device + i % 300);
		io_read32(front->pci.device + i * 4 % 300 / 4 * 4);
	}
	EXPECT(front, 4096, io_read32(front->pci.device + 16));
}

static void all_registers(struct front *front)
{
	uint32_t sum = 0;
	const struct pci_bar *bar = &front->pci.bars[front->pci.common_at.bar];
	for (uint64_t at = 0; at + 4 <= bar->size; at += 4) {
		sum += io_read32(bar->map + at);
	}
	(void)sum;
}

/* The capability that reaches BARs through config space (virtio 1.4, 4.1.4.9). */
static void config_window(struct front *front)
{
	const struct pci *pci = &front->pci;
	static const uint32_t offsets[] = {0, 2, 20, 0xfff, 0x3ffc, 0x4000, 0xfffffffc, 0xffffffff};
	static const uint32_t lengths[] = {0, 1, 2, 3, 4, 5, 8, 0xffffffff};
	if (pci->cfg_at.cap == 0) {
		return;
	}
	for (unsigned bar = 0; bar < 256; bar = bar < 7 ? bar + 1 : bar * 2 + 1) {
		for (unsigned i = 0; i < 64; i++) {
			pci_write(pci, pci->cfg_at.cap + 4u, bar, 1);
			pci_write(pci, pci->cfg_at.cap + 8u, offsets[i % 8], 4);
			pci_write(pci, pci->cfg_at.cap + 12u, lengths[i / 8], 4);
			pci_read(pci, pci->cfg_at.cap + 16u, 4);
			pci_write(pci, pci->cfg_at.cap + 16u, front_random(front), 4);
		}
	}
}

static unsigned find_capability(const struct pci *pci, uint32_t id)
{
	unsigned at = pci_read(pci, CONFIG_CAPABILITIES, 1) & ~3u;
	for (unsigned i = 0; at != 0 && i < 48; i++) {
		if (pci_read(pci, at, 1) == id) {
			return at;
		}
		at = pci_read(pci, at + 1, 1) & ~3u;
	}
	return 0;
}

/* Interrupts that go nowhere, through vectors that do not exist. */
static void interrupts(struct front *front)
{
	const struct pci *pci = &front->pci;
	volatile uint8_t *common = pci->common;
	unsigned cap = find_capability(pci, CAP_MSIX);
	for (uint32_t vector = 0; vector <= 0xffff; vector += 257) {
		io_write16(common + COMMON_MSIX_CONFIG, (uint16_t)vector);
		io_write16(common + COMMON_QUEUE_SELECT, vector & 1);
		io_write16(common + COMMON_QUEUE_VECTOR, (uint16_t)vector);
	}
	if (cap != 0) {
		uint32_t control = pci_read(pci, cap + 2, 2);
		pci_write(pci, cap + 2, control | 0xc000, 2); /* on, all masked */
		front_start(front);
		gpu_probe(front);
		pci_write(pci, cap + 2, control, 2);
	}
}

static void master_off(struct front *front)
{
	const struct pci *pci = &front->pci;
	uint32_t command = pci_read(pci, CONFIG_COMMAND, 2);
	for (unsigned i = 0; i < 20; i++) {
		post_many(front, RING);
		front_kick(front, 0);
		pci_write(pci, CONFIG_COMMAND, command & ~(uint32_t)COMMAND_MASTER, 2);
		pci_write(pci, CONFIG_COMMAND, command, 2);
		front_start(front);
		gpu_probe(front);
	}
}

/* The window comes and goes with all that is mapped in it. */
static void memory_off(struct front *front)
{
	const struct pci *pci = &front->pci;
	uint32_t command = pci_read(pci, CONFIG_COMMAND, 2);
	gpu_make_context(front, 1);
	for (uint32_t id = 1; id <= 4; id++) {
		gpu_make_blob(front, 1, id, 65536);
		EXPECT(front, MAPPED, gpu_map(front, id, id * MIB));
	}
	front->window[MIB] = 0x77;
	for (unsigned i = 0; i < 50; i++) {
		pci_write(pci, CONFIG_COMMAND, command & ~(uint32_t)COMMAND_MEMORY, 2);
		pci_write(pci, CONFIG_COMMAND, command, 2);
	}
	EXPECT(front, 0x77, *(volatile uint8_t *)(front->window + MIB));
	gpu_probe(front);
	EXPECT(front, OK, gpu_unmap(front, 1));
	EXPECT(front, MAPPED, gpu_map(front, 1, 0));
	EXPECT(front, 0x77, *(volatile uint8_t *)front->window);
}

static void move_window(struct front *front, uint64_t to)
{
	const struct pci *pci = &front->pci;
	unsigned at = CONFIG_BAR + 4u * pci->window_at.bar;
	uint64_t old = pci_read(pci, at, 4) | (uint64_t)pci_read(pci, at + 4, 4) << 32;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t value = i == 0 ? to : old;
		pci_write(pci, at, (uint32_t)value, 4);
		pci_write(pci, at + 4, (uint32_t)(value >> 32), 4);
		gpu_probe(front);
	}
}

static void window_moved(struct front *front)
{
	gpu_make_context(front, 1);
	gpu_make_blob(front, 1, 1, MIB);
	EXPECT(front, MAPPED, gpu_map(front, 1, 0));
	front->window[5] = 0x66;
	move_window(front, 0x1000000000ull); /* free */
	move_window(front, 0); /* RAM, which wins */
	move_window(front, 0xc0000000ull); /* the other devices' registers */
	move_window(front, UINT64_MAX); /* how its size is asked for */
	EXPECT(front, 0x66, front->window[5]);
	EXPECT(front, OK, gpu_unmap(front, 1));
}

static void power_off(struct front *front)
{
	const struct pci *pci = &front->pci;
	unsigned cap = find_capability(pci, CAP_POWER);
	for (unsigned i = 0; cap != 0 && i < 10; i++) {
		post_many(front, RING);
		front_kick(front, 0);
		pci_write(pci, cap + 4, 3, 2); /* D3hot */
		pci_write(pci, cap + 4, 0, 2);
		pci_write(pci, CONFIG_COMMAND, COMMAND_MEMORY | COMMAND_MASTER | 0x400, 2);
		front_start(front);
		gpu_probe(front);
	}
}

static const struct attack table[] = {
	{"device-200-resets", "starts and answers after each", resets, ANSWERS},
	{"device-reset-in-flight", "40 resets with 256 commands under way: starts again",
	 reset_in_flight, ANSWERS},
	{"device-reset-while-mapping", "8 resets while 40 blobs are mapped: starts again",
	 reset_while_mapping, ANSWERS},
	{"device-reset-while-mapped", "the window is empty after it", reset_while_mapped, ANSWERS},
	{"device-without-queues", "DRIVER_OK alone: silence, a reset brings it back",
	 without_queues, RESET},
	{"device-control-queue-only", "answers", control_queue_only, ANSWERS},
	{"device-cursor-queue-only", "the cursor's queue works, control is silent",
	 cursor_queue_only, RESET},
	{"device-without-features-ok", "DRIVER_OK alone: a reset brings it back",
	 without_features_ok, RESET},
	{"device-features-not-offered", "all 64: works with those that were", features_not_offered,
	 ANSWERS},
	{"device-no-features", "none, not even VERSION_1: a reset brings it back", no_features,
	 RESET},
	{"device-features-under-way", "change nothing once it runs", features_under_way, RESET},
	{"device-ring-of-1", "answers", ring_of_1, ANSWERS},
	{"device-ring-of-2", "answers", ring_of_2, ANSWERS},
	{"device-ring-not-of-two", "3, 5, 100, 255, 1000, 1023: silence until the next reset",
	 ring_not_of_two, ANSWERS},
	{"device-ring-size-refused", "0, 512 to 65535: a reset brings it back", ring_size_refused,
	 RESET},
	{"device-rings-beyond-ram", "silence, a reset brings it back", rings_beyond_ram, ANSWERS},
	{"device-rings-wrapping", "at the end of 2^64: a reset brings it back", rings_wrapping,
	 ANSWERS},
	{"device-rings-in-registers", "also I/O APIC, ROM: a reset brings it back",
	 rings_in_registers, ANSWERS},
	{"device-rings-in-the-window", "also over a blob: a reset brings it back",
	 rings_in_the_window, RESET},
	{"device-rings-at-odd-places", "not aligned: a reset brings it back", rings_at_odd_places,
	 ANSWERS},
	{"device-used-over-descriptors", "damages the guest's ring only", used_over_descriptors,
	 RESET},
	{"device-available-over-used", "damages the guest's ring only", available_over_used, RESET},
	{"device-available-over-descriptors", "damages the guest's ring only",
	 available_over_descriptors, RESET},
	{"device-all-in-one-place", "damages the guest's ring only", all_in_one_place, RESET},
	{"device-two-queues-one-ring", "damages the guest's ring only", two_queues_one_ring, RESET},
	{"device-ring-moved-under-way", "to 0, beyond RAM, 2^64, registers: a reset brings it back",
	 ring_moved_under_way, ANSWERS},
	{"device-ring-disabled-under-way", "not possible without a reset: all is answered",
	 ring_disabled_under_way, RESET},
	{"device-ring-reset-under-way", "not offered: all is answered", ring_reset_under_way,
	 RESET},
	{"device-queue-select", "queues 2 to 65535: answers as before", queue_select, ANSWERS},
	{"device-status-nonsense", "a reset brings it back", status_nonsense, RESET},
	{"device-driver-ok-again", "off and on without a reset: goes on", driver_ok_again, ANSWERS},
	{"device-common-garbage", "3000 random writes: a reset brings it back", common_garbage,
	 RESET},
	{"device-config-writes", "every place in every width: read-only fields stay", config_writes,
	 ANSWERS},
	{"device-config-reads", "3000 of every place, beyond its end, too", config_reads, ANSWERS},
	{"device-all-registers", "every word of the BAR is read", all_registers, ANSWERS},
	{"device-config-window", "PCI_CFG with bad BARs, offsets and lengths", config_window,
	 RESET},
	{"device-interrupts", "vectors that do not exist, MSI-X masked: answers", interrupts,
	 RESET},
	{"device-master-off", "20 times with 256 commands under way: starts again", master_off,
	 ANSWERS},
	{"device-memory-off", "50 times with blobs mapped: they are there again", memory_off,
	 ANSWERS},
	{"device-window-moved", "elsewhere, over RAM, over registers, and back: the blob is there",
	 window_moved, ANSWERS},
	{"device-power-off", "D3hot with commands under way: starts again", power_off, ANSWERS},
};

ATTACK_GROUP(device, table);
