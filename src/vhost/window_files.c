/* SPDX-License-Identifier: MIT */
#include "vhost/window_files.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

struct window_files {
	pthread_mutex_t lock; /* guards all below */
	struct window_file *entries;
	size_t count;
	size_t room;
};

struct window_files *window_files_create(void)
{
	struct window_files *files = calloc(1, sizeof(*files));
	if (files != NULL) {
		pthread_mutex_init(&files->lock, NULL);
	}
	return files;
}

void window_files_destroy(struct window_files *files)
{
	if (files != NULL) {
		pthread_mutex_destroy(&files->lock);
		free(files->entries);
		free(files);
	}
}

static bool make_room(struct window_files *files)
{
	if (files->count < files->room) {
		return true;
	}
	size_t room = files->room == 0 ? 64 : 2 * files->room;
	struct window_file *grown = realloc(files->entries, room * sizeof(*grown));
	if (grown == NULL) {
		return false;
	}
	files->entries = grown;
	files->room = room;
	return true;
}

int window_files_add(struct window_files *files, const struct window_file *file)
{
	if (files == NULL) {
		return 0;
	}
	pthread_mutex_lock(&files->lock);
	bool added = make_room(files);
	if (added) {
		files->entries[files->count++] = *file;
	}
	pthread_mutex_unlock(&files->lock);
	return added ? 0 : -ENOMEM;
}

void window_files_remove(struct window_files *files, const struct window_file *file)
{
	if (files == NULL) {
		return;
	}
	pthread_mutex_lock(&files->lock);
	/* The newest first: most mappings are short-lived. */
	for (size_t i = files->count; i-- > 0;) {
		struct window_file *entry = &files->entries[i];
		if (entry->device == file->device && entry->inode == file->inode &&
		    entry->offset == file->offset && entry->size == file->size) {
			*entry = files->entries[--files->count];
			break;
		}
	}
	pthread_mutex_unlock(&files->lock);
}

bool window_file_covers(const struct window_file *file, const struct guest_region *region,
			dev_t device, ino_t inode)
{
	return file->device == device && file->inode == inode && region->size <= file->size &&
	       region->mmap_offset - file->offset <= file->size - region->size;
}

bool window_files_have(struct window_files *files, const struct guest_region *region, int fd)
{
	struct stat info;
	if (files == NULL || fstat(fd, &info) < 0) {
		return false;
	}
	bool found = false;
	pthread_mutex_lock(&files->lock);
	for (size_t i = 0; i < files->count && !found; i++) {
		found = window_file_covers(&files->entries[i], region, info.st_dev, info.st_ino);
	}
	pthread_mutex_unlock(&files->lock);
	return found;
}
