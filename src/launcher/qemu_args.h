/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_QEMU_ARGS_H
#define HESPER_LAUNCHER_QEMU_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QEMU_MAX_DISKS 4

/* What the virtual machine is to be. Strings are borrowed; paths may hold any character. */
struct qemu_plan {
	const char *binary;
	const char *name;
	bool kvm;
	uint32_t cpus;
	uint32_t memory_mib;
	const char *gpu_socket; /* of hesperd's vhost-user session */
	const char *input_dir; /* with hesperd's sockets for the input devices; NULL: has none */
	const char *kernel;
	const char *initrd;
	const char *append; /* the kernel's command line */
	const char *disks[QEMU_MAX_DISKS]; /* raw images, shown read-only, as vda, vdb … */
	size_t disk_count;
	const char *console_log; /* what the guest writes to its serial console */
	const char *qmp_socket; /* for others than the launcher; NULL: none */
	int qmp_fd; /* connected stream sockets, as numbered in QEMU's process */
	int control_fd; /* the guest's port org.hesper.control */
};

/* A NULL-terminated argv for that plan; qemu_args_free takes it back. NULL when out of memory. */
char **qemu_args_build(const struct qemu_plan *plan);
void qemu_args_free(char **argv);

/*
 * Reads "QEMU emulator version 11.1.3 (Debian …)" as QEMU --version prints it. *version is the
 * number as text, in the caller's storage. False when there is none.
 */
bool qemu_version_parse(const char *text, char *version, size_t size);

/* Whether version ("11.1.3") is at least major.minor. */
bool qemu_version_is(const char *version, unsigned major, unsigned minor);

#define QEMU_MIN_MAJOR 11
#define QEMU_MIN_MINOR 1
#define QEMU_DEVICE "vhost-user-test-device-pci"

#endif
