/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/clock.h"

/*
 * The vhost-user back end against stock QEMU, without a guest: QEMU's own test accelerator
 * (qtest) runs no CPU, and this program plays the guest's driver through it: PCI, virtio registers
 * and a ring in shared RAM. The device is the one of the wire tests, in this process, so that both
 * ends of QEMU can be looked at.
 */
#define RAM_SIZE (64u << 20)
#define WINDOW_BAR 0x1000000000ull
#define REGISTER_BAR 0xe0000000ull
#define DEVICE_SLOT 4u
#define RING 64u
#define PAGE 4096u

/* Guest addresses of queue q's ring. */
#define RING_GPA(q) (0x100000u + (q) * 0x10000u)
#define AVAIL_GPA(q) (RING_GPA(q) + 0x2000u)
#define USED_GPA(q) (RING_GPA(q) + 0x4000u)
#define BUFFER_GPA 0x200000u

struct machine {
	unsigned fds_before;
	struct test_device device;
	pid_t qemu;
	int qtest;
	int qmp;
	uint8_t *ram;
	uint64_t common;
	uint64_t notify;
	uint32_t notify_multiplier;
	uint64_t isr;
	uint64_t config;
	uint16_t avail_idx;
	unsigned done;
};

static struct machine m;

/* qtest and QMP. */

/* One line from a socket; false when QEMU is gone. */
static bool read_line(int fd, char *line, size_t size)
{
	size_t len = 0;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	while (len + 1 < size && poll(&poll_fd, 1, WIRE_TIMEOUT_MS) == 1 &&
	       read(fd, line + len, 1) == 1) {
		if (line[len] == '\n') {
			line[len] = 0;
			return true;
		}
		len++;
	}
	return false;
}

__attribute__((format(printf, 1, 2))) static uint64_t qtest(const char *format, ...)
{
	char line[512];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	line[len++] = '\n';
	assert_int_equal(write(m.qtest, line, (size_t)len), len);
	do {
		if (!read_line(m.qtest, line, sizeof(line))) {
			fail_msg("QEMU is gone");
		}
	} while (strncmp(line, "IRQ", 3) == 0);
	if (strncmp(line, "OK", 2) != 0) {
		fail_msg("qtest: %s", line);
	}
	return line[2] != 0 ? strtoull(line + 3, NULL, 0) : 0;
}

/* Sends a command and waits for its return, past events. */
static void qmp(const char *command)
{
	char line[4096];
	int len = snprintf(line, sizeof(line), "{\"execute\":\"%s\"}\n", command);
	assert_int_equal(write(m.qmp, line, (size_t)len), len);
	do {
		if (!read_line(m.qmp, line, sizeof(line))) {
			fail_msg("QEMU is gone in %s", command);
		}
	} while (strstr(line, "\"return\"") == NULL);
}

/* PCI. */

static void pci_select(unsigned offset)
{
	qtest("outl 0xcf8 0x%x", 0x80000000u | DEVICE_SLOT << 11 | (offset & ~3u));
}

static uint32_t pci_read(unsigned offset)
{
	pci_select(offset);
	return (uint32_t)qtest("inl 0xcfc") >> 8 * (offset & 3);
}

static void pci_write(unsigned offset, uint32_t value)
{
	pci_select(offset);
	qtest("outl 0xcfc 0x%x", value);
}

static void set_bar(unsigned bar, uint64_t address)
{
	pci_write(0x10 + 4 * bar, (uint32_t)address);
	pci_write(0x14 + 4 * bar, (uint32_t)(address >> 32));
}

/* The virtio capabilities say where the registers are; the BARs are ours to place. */
static void probe_pci(void)
{
	assert_int_equal(pci_read(0) & 0xffff, 0x1af4);
	unsigned register_bar = 0;
	unsigned window_bar = 0;
	for (unsigned cap = pci_read(0x34) & 0xff; cap != 0; cap = pci_read(cap + 1) & 0xff) {
		if ((pci_read(cap) & 0xff) != 9) {
			continue;
		}
		unsigned type = pci_read(cap + 3) & 0xff;
		unsigned bar = pci_read(cap + 4) & 0xff;
		uint64_t at = REGISTER_BAR + pci_read(cap + 8);
		m.common = type == 1 ? at : m.common;
		m.isr = type == 3 ? at : m.isr;
		m.config = type == 4 ? at : m.config;
		if (type == 2) {
			m.notify = at;
			m.notify_multiplier = pci_read(cap + 16);
		}
		register_bar = type == 1 ? bar : register_bar;
		window_bar = type == 8 ? bar : window_bar;
	}
	assert_true(m.common != 0 && m.notify != 0 && m.config != 0);
	assert_int_not_equal(register_bar, window_bar);
	set_bar(register_bar, REGISTER_BAR);
	set_bar(window_bar, WINDOW_BAR);
	pci_write(4, 6);
}

/* virtio. */

static void common_write(unsigned offset, unsigned size, uint32_t value)
{
	qtest("write%c 0x%llx 0x%x",
	      size == 4   ? 'l'
	      : size == 2 ? 'w'
			  : 'b',
	      (unsigned long long)(m.common + offset), value);
}

static uint32_t common_read(unsigned offset, unsigned size)
{
	return (uint32_t)qtest("read%c 0x%llx",
			       size == 4   ? 'l'
			       : size == 2 ? 'w'
					   : 'b',
			       (unsigned long long)(m.common + offset));
}

static void set_queue(unsigned queue)
{
	memset(m.ram + RING_GPA(queue), 0, 0x6000);
	common_write(22, 2, queue);
	common_write(24, 2, RING);
	common_write(32, 4, RING_GPA(queue));
	common_write(36, 4, 0);
	common_write(40, 4, AVAIL_GPA(queue));
	common_write(44, 4, 0);
	common_write(48, 4, USED_GPA(queue));
	common_write(52, 4, 0);
	common_write(28, 2, 1);
}

/* As a driver that binds. */
static void start_driver(void)
{
	common_write(20, 1, 0);
	common_write(20, 1, 3);
	for (unsigned half = 0; half < 2; half++) {
		common_write(0, 4, half);
		uint32_t offered = common_read(4, 4);
		common_write(8, 4, half);
		common_write(12, 4, offered & (uint32_t)(DEVICE_FEATURES >> 32 * half));
	}
	common_write(20, 1, 11);
	assert_int_equal(common_read(20, 1), 11);
	for (unsigned queue = 0; queue < SESSION_QUEUES; queue++) {
		set_queue(queue);
	}
	m.avail_idx = 0;
	common_write(20, 1, 15);
}

static uint16_t used_idx(void)
{
	return __atomic_load_n((uint16_t *)(m.ram + USED_GPA(0) + 2), __ATOMIC_ACQUIRE);
}

static void submit(void)
{
	const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		uint16_t next;
	} chain[2] = {{BUFFER_GPA, 16, 1, 1}, {BUFFER_GPA + 64, 16, 2, 0}};
	memcpy(m.ram + RING_GPA(0), chain, sizeof(chain));
	memset(m.ram + BUFFER_GPA, 0x0f, 16);
	memset(m.ram + BUFFER_GPA + 64, 0, 16);
	uint16_t *avail = (uint16_t *)(m.ram + AVAIL_GPA(0));
	avail[2 + m.avail_idx % RING] = 0;
	m.avail_idx++;
	__atomic_store_n(&avail[1], m.avail_idx, __ATOMIC_RELEASE);
	qtest("writew 0x%llx 0", (unsigned long long)m.notify);
}

static void wait_used(void)
{
	uint64_t end = clock_now_ns() + WIRE_TIMEOUT_MS * CLOCK_NS_PER_MS;
	while (used_idx() != m.avail_idx) {
		if (clock_now_ns() > end) {
			fail_msg("a command is not answered");
		}
		usleep(100);
	}
	assert_int_equal(m.ram[BUFFER_GPA + 64], 0xf0);
}

static void run_command(void)
{
	submit();
	wait_used();
}

/* Window. */

static void wait_done(int status)
{
	device_wait(&m.device, &m.device.done_count, ++m.done);
	assert_int_equal(m.device.done[m.done - 1], status);
}

static void map(uint64_t page, uint8_t value)
{
	int fd = session_memfd(PAGE, value);
	device_map(&m.device, page * PAGE, PAGE, fd, 0);
	close(fd);
	wait_done(0);
}

static void unmap(uint64_t page)
{
	device_unmap(&m.device, page * PAGE, PAGE);
	wait_done(0);
}

static void expect_byte(uint64_t page, uint8_t value)
{
	assert_int_equal(qtest("readb 0x%llx", (unsigned long long)(WINDOW_BAR + page * PAGE)),
			 value);
}

static void expect_starts(unsigned started, unsigned resumed)
{
	device_wait(&m.device, &m.device.started, started);
	assert_int_equal(device_count(&m.device, &m.device.started), started);
	assert_int_equal(device_count(&m.device, &m.device.resumed), resumed);
}

/* Life. */

static const char *qemu_path(void)
{
	const char *path = getenv("HESPER_QEMU");
	return path != NULL ? path : "qemu-system-x86_64";
}

static void exec_qemu(int vhost, int qtest_fd, int qmp_fd, int ram)
{
	char devices[4][200];
	const int keep[4] = {vhost, qtest_fd, qmp_fd, ram};
	for (int i = 0; i < 4; i++) {
		fcntl(keep[i], F_SETFD, 0);
	}
	snprintf(devices[0], sizeof(devices[0]), "socket,id=vg,fd=%d", vhost);
	snprintf(devices[1], sizeof(devices[1]), "socket,id=qt,fd=%d", qtest_fd);
	snprintf(devices[2], sizeof(devices[2]), "socket,id=qmp,fd=%d", qmp_fd);
	snprintf(devices[3], sizeof(devices[3]),
		 "memory-backend-file,id=mem,size=%u,share=on,mem-path=/proc/self/fd/%d", RAM_SIZE,
		 ram);
	int log = open(getenv("HESPER_QEMU_LOG") != NULL ? getenv("HESPER_QEMU_LOG") : "/dev/null",
		       O_WRONLY | O_CREAT | O_APPEND, 0666);
	dup2(log, 1);
	dup2(log, 2);
	execlp(qemu_path(), qemu_path(), "-nodefaults", "-display", "none", "-accel", "qtest",
	       "-machine", "pc,memory-backend=mem", "-m", "64M", "-object", devices[3], "-chardev",
	       devices[0], "-chardev", devices[1], "-chardev", devices[2], "-qtest", "chardev:qt",
	       "-qtest-log", "none", "-qmp", "chardev:qmp", "-device",
	       "vhost-user-test-device-pci,chardev=vg,virtio-id=16,num_vqs=2,config_size=24,"
	       "vq_size=256,addr=4",
	       (char *)NULL);
	_exit(127);
}

static int setup(void **state)
{
	memset(&m, 0, sizeof(m));
	m.fds_before = session_count_fds();
	int vhost = device_open(&m.device, SESSION_QUEUES, DEVICE_WINDOW);
	int qtest_pair[2];
	int qmp_pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qtest_pair), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp_pair), 0);
	int ram = fd_memfd("qemu-ram", RAM_SIZE);
	m.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	assert_true(m.ram != MAP_FAILED);
	m.qemu = fork();
	if (m.qemu == 0) {
		exec_qemu(vhost, qtest_pair[1], qmp_pair[1], ram);
	}
	close(vhost);
	close(ram);
	close(qtest_pair[1]);
	close(qmp_pair[1]);
	m.qtest = qtest_pair[0];
	m.qmp = qmp_pair[0];
	char line[4096];
	if (!read_line(m.qmp, line, sizeof(line))) {
		return -1;
	}
	qmp("qmp_capabilities");
	probe_pci();
	return 0;
}

static int teardown(void **state)
{
	int status = -1;
	kill(m.qemu, SIGTERM);
	waitpid(m.qemu, &status, 0);
	close(m.qtest);
	close(m.qmp);
	munmap(m.ram, RAM_SIZE);
	device_close(&m.device);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "QEMU's status is %#x\n", (unsigned)status);
		return -1;
	}
	return session_count_fds() == m.fds_before ? 0 : -1;
}

/* Tests. */

static void test_start_and_commands(void **state)
{
	for (unsigned i = 0; i < DEVICE_CONFIG_SIZE; i++) {
		assert_int_equal(qtest("readb 0x%llx", (unsigned long long)(m.config + i)), i + 1);
	}
	start_driver();
	expect_starts(1, 0);
	for (int i = 0; i < 200; i++) {
		run_command();
	}
}

static void test_config(void **state)
{
	start_driver();
	expect_starts(1, 0);
	/* A write to one field arrives as the whole config; the next read has the device's answer. */
	qtest("writel 0x%llx 0x55", (unsigned long long)m.config);
	assert_int_equal(qtest("readb 0x%llx", (unsigned long long)(m.config + 8)), 0xaa);
	assert_int_equal(m.device.written_size, DEVICE_CONFIG_SIZE);
	uint32_t generation = common_read(21, 1);
	qtest("readb 0x%llx", (unsigned long long)m.isr);
	device_set_config(&m.device, 0, 0x12345678, true);
	uint64_t end = clock_now_ns() + WIRE_TIMEOUT_MS * CLOCK_NS_PER_MS;
	while ((qtest("readb 0x%llx", (unsigned long long)m.isr) & 2) == 0) {
		assert_true(clock_now_ns() < end);
	}
	assert_int_not_equal(common_read(21, 1), generation);
	assert_int_equal(qtest("readl 0x%llx", (unsigned long long)m.config), 0x12345678);
}

static void test_window(void **state)
{
	start_driver();
	expect_starts(1, 0);
	for (unsigned i = 0; i < 40; i++) {
		map(2 * i, (uint8_t)(i + 1));
		expect_byte(2 * i, (uint8_t)(i + 1));
		run_command();
	}
	/* RAM is mapped here twice: by this test and by the back end. Echoes are not. */
	assert_int_equal(session_count_maps("memfd:qemu-ram"), 3);
	assert_int_equal(session_count_maps("memfd:window"), 0);
	unmap(6);
	map(6, 0x99);
	expect_byte(6, 0x99);
	expect_byte(8, 5);
}

static void test_refused(void **state)
{
	start_driver();
	expect_starts(1, 0);
	map(0, 1);
	int fd = session_memfd(PAGE, 2);
	device_map(&m.device, 0, PAGE, fd, 0);
	wait_done(-EREMOTEIO);
	/* Past the end of the file. */
	device_map(&m.device, PAGE, PAGE, fd, PAGE);
	wait_done(-EREMOTEIO);
	close(fd);
	expect_byte(0, 1);
	map(1, 3);
	run_command();
}

static void test_pause(void **state)
{
	start_driver();
	expect_starts(1, 0);
	run_command();
	qmp("stop");
	device_wait(&m.device, &m.device.stopped, 1);
	qmp("cont");
	expect_starts(2, 1);
	run_command();
	for (unsigned i = 0; i < 3; i++) {
		map(i, (uint8_t)(i + 1));
	}
	qmp("stop");
	device_wait(&m.device, &m.device.stopped, 2);
	/* Asked for while it is paused: QEMU would crash, so it waits. */
	device_set_config(&m.device, 0, 1, true);
	device_unmap(&m.device, 0, PAGE);
	qmp("cont");
	expect_starts(3, 2);
	wait_done(0);
	expect_byte(1, 2);
	map(0, 7);
	expect_byte(0, 7);
	run_command();
}

static void test_pause_keeps_chains(void **state)
{
	start_driver();
	expect_starts(1, 0);
	run_command();
	device_hold(&m.device, true);
	submit();
	device_wait(&m.device, &m.device.held_count, 1);
	qmp("stop");
	device_release(&m.device);
	assert_int_equal(used_idx(), 1);
	qmp("cont");
	expect_starts(2, 1);
	wait_used();
}

static void test_driver_rebinds(void **state)
{
	for (unsigned i = 1; i <= 5; i++) {
		start_driver();
		expect_starts(i, 0);
		run_command();
		map(0, (uint8_t)i);
		map(1, (uint8_t)i);
		expect_byte(1, (uint8_t)i);
	}
}

static void do_nothing(struct test_device *device, void *data)
{
}

static void test_system_reset(void **state)
{
	for (unsigned i = 1; i <= 5; i++) {
		start_driver();
		expect_starts(i, 0);
		run_command();
		map(0, (uint8_t)i);
		expect_byte(0, (uint8_t)i);
		qmp("system_reset");
		device_wait(&m.device, &m.device.stopped, i);
		/* Too late, and not sent: the mapping is gone and QEMU would crash. */
		device_unmap(&m.device, 0, PAGE);
		m.done++;
		probe_pci();
	}
	start_driver();
	expect_starts(6, 0);
	assert_int_equal(device_count(&m.device, &m.device.done_count), 10);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(m.device.done[i], i % 2 == 0 ? 0 : -ECANCELED);
	}
	run_command();
}

/*
 * QEMU 11.1 cannot go on from a pause with more than 8 regions: its memory table has no room and
 * the device is not started ("Error starting vhost-user-base: 105"). What is ours is to live, to
 * send nothing, and to work again after a reset.
 */
static void test_pause_with_many_mappings(void **state)
{
	start_driver();
	expect_starts(1, 0);
	run_command();
	for (unsigned i = 0; i < 20; i++) {
		map(i, (uint8_t)i);
	}
	qmp("stop");
	device_wait(&m.device, &m.device.stopped, 1);
	device_set_config(&m.device, 0, 1, true);
	device_unmap(&m.device, 0, PAGE);
	qmp("cont");
	device_run(&m.device, do_nothing, NULL);
	if (device_count(&m.device, &m.device.started) == 2) {
		/* A QEMU that can. */
		expect_starts(2, 1);
		wait_done(0);
		expect_byte(19, 19);
		run_command();
		return;
	}
	qmp("system_reset");
	probe_pci();
	start_driver();
	expect_starts(2, 0);
	wait_done(-ECANCELED);
	map(0, 0x33);
	expect_byte(0, 0x33);
	run_command();
}

#define with_qemu(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_qemu(test_start_and_commands),
		with_qemu(test_config),
		with_qemu(test_window),
		with_qemu(test_refused),
		with_qemu(test_pause),
		with_qemu(test_pause_keeps_chains),
		with_qemu(test_driver_rebinds),
		with_qemu(test_system_reset),
		with_qemu(test_pause_with_many_mappings),
	};
	return cmocka_run_group_tests(tests, session_warm_up, NULL);
}
