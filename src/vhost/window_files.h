/* SPDX-License-Identifier: MIT */
#ifndef HESPER_VHOST_WINDOW_FILES_H
#define HESPER_VHOST_WINDOW_FILES_H

#include <stdbool.h>

#include "vhost/guest_memory.h"

/*
 * The files that are mapped into one machine's shared-memory windows, for all of its sessions:
 * QEMU announces such a mapping to every vhost-user device as if it were RAM (protocols Q5). The
 * session that has the window adds them before it sends them and removes them once they are gone;
 * the others leave them out of their tables. Any thread; the lock is held for a look-up only.
 */
struct window_files;

struct window_file {
	dev_t device;
	ino_t inode;
	uint64_t offset; /* bytes into the file */
	uint64_t size;
};

/* Outlives the sessions that use it. NULL: no memory. */
struct window_files *window_files_create(void);
void window_files_destroy(struct window_files *files);

/* The same file may be added more than once. -ENOMEM. NULL files are accepted, and hold nothing. */
int window_files_add(struct window_files *files, const struct window_file *file);
void window_files_remove(struct window_files *files, const struct window_file *file);

/* Whether a region of a memory table is (a part of) one of them. */
bool window_files_have(struct window_files *files, const struct guest_region *region, int fd);

/*
 * Whether region, of the file (device, inode), is (a part of) that file. By the file, not by the
 * address, which is the guest's to choose. RAM never is one: only files that we sent are.
 */
bool window_file_covers(const struct window_file *file, const struct guest_region *region,
			dev_t device, ino_t inode);

#endif
