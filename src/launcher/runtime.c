/* SPDX-License-Identifier: MIT */
/*
 * A launcher that is killed leaves its directory. The next one removes it, and must not take one that is
 * in use, or half made, or somebody else's: a directory is only looked at if it is ours and has a file of
 * a certain name, and that file is locked from before it gets this name until its launcher ends.
 */
#include "launcher/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/paths.h"
#include "util/fd.h"
#include "util/log.h"

#define PREFIX "hesper-"
#define LOCK "launcher.lock"
#define NEW_LOCK "launcher.new"

/* sun_path holds 108 bytes; "/hesper-XXXXXX/display.sock" must fit behind. */
#define BASE_MAX 72

static int lock_directory(const char *path)
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0) {
		return -errno;
	}
	int fd = openat(directory, NEW_LOCK, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	int result = fd;
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
	    renameat(directory, NEW_LOCK, directory, LOCK) < 0) {
		result = -errno;
		fd_close(&fd);
	}
	fd_close(&directory);
	return result;
}

/* Whether the directory was a launcher's that lives no more; then its lock is held by *lock. */
static bool is_stale(const char *path, int *lock)
{
	struct stat status;
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	*lock = -1;
	if (directory >= 0 && fstat(directory, &status) == 0 && status.st_uid == geteuid()) {
		*lock = openat(directory, LOCK, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	}
	fd_close(&directory);
	if (*lock >= 0 && flock(*lock, LOCK_EX | LOCK_NB) == 0) {
		return true;
	}
	fd_close(lock);
	return false;
}

static void remove_stale(const char *base)
{
	DIR *all = opendir(base);
	const struct dirent *entry;
	while (all != NULL && (entry = readdir(all)) != NULL) {
		char path[PATH_MAX];
		int lock;
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    snprintf(path, sizeof(path), "%s/%s", base, entry->d_name) >=
			    (int)sizeof(path) ||
		    !is_stale(path, &lock)) {
			continue;
		}
		log_info("removing %s, which a launcher that was killed has left", path);
		runtime_remove(path, &lock);
	}
	if (all != NULL) {
		closedir(all);
	}
}

int runtime_make(char *path, int *lock)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	if (base == NULL || base[0] != '/' || strlen(base) > BASE_MAX || access(base, W_OK) != 0) {
		base = "/tmp";
	}
	remove_stale(base);
	snprintf(path, PATH_MAX, "%s/" PREFIX "XXXXXX", base);
	if (mkdtemp(path) == NULL) {
		return -errno;
	}
	*lock = lock_directory(path);
	if (*lock < 0) {
		int error = *lock;
		rmdir(path);
		return error;
	}
	return 0;
}

void runtime_remove(const char *path, int *lock)
{
	paths_remove_tree(path);
	fd_close(lock);
}
