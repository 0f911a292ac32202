/* SPDX-License-Identifier: MIT */
#include "launcher/paths.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* meson writes the path of the source tree into this file of a build directory. */
#define SOURCE_MARK "src/launcher/hesper-source"

static void set_if_there(char *path, int mode, const char *folder, const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX ||
	    access(path, mode) != 0) {
		path[0] = '\0';
	}
}

/* Cuts the last n parts of a path off. */
static bool go_up(char *path, int n)
{
	for (int i = 0; i < n; i++) {
		char *slash = strrchr(path, '/');
		if (slash == NULL || slash == path) {
			return false;
		}
		*slash = '\0';
	}
	return true;
}

static bool read_source(struct paths *paths, const char *build)
{
	char mark[PATH_MAX];
	set_if_there(mark, R_OK, build, SOURCE_MARK);
	FILE *file = mark[0] != '\0' ? fopen(mark, "re") : NULL;
	if (file == NULL) {
		return false;
	}
	bool read = fgets(paths->source, sizeof(paths->source), file) != NULL;
	fclose(file);
	paths->source[strcspn(paths->source, "\n")] = '\0';
	return read;
}

int paths_find(struct paths *paths, const char *exe)
{
	*paths = (struct paths){0};
	if (realpath(exe != NULL ? exe : "/proc/self/exe", paths->self) == NULL) {
		return -errno;
	}
	char folder[PATH_MAX];
	/* BUILD/src/launcher/hesper */
	snprintf(folder, sizeof(folder), "%s", paths->self);
	if (go_up(folder, 3) && read_source(paths, folder)) {
		set_if_there(paths->hesperd, X_OK, folder, "src/hesperd/hesperd");
		set_if_there(paths->view, X_OK, folder, "src/view/hesper-view");
		set_if_there(paths->layer_dir, R_OK, folder, "layer");
		set_if_there(paths->guest_build, X_OK, paths->source, "guest/build");
		set_if_there(paths->bench, R_OK, paths->source, "bench/main.py");
		set_if_there(paths->bench_programs, R_OK, folder, "bench");
		return 0;
	}
	/* PREFIX/bin/hesper */
	snprintf(folder, sizeof(folder), "%s", paths->self);
	if (!go_up(folder, 1)) {
		return 0;
	}
	set_if_there(paths->hesperd, X_OK, folder, "hesperd");
	set_if_there(paths->view, X_OK, folder, "hesper-view");
	if (access(HESPER_LAYER_DIR, R_OK) == 0) {
		snprintf(paths->layer_dir, sizeof(paths->layer_dir), "%s", HESPER_LAYER_DIR);
	}
	set_if_there(paths->guest_build, X_OK, HESPER_DATA_DIR, "guest/build");
	set_if_there(paths->bench, R_OK, HESPER_LIBEXEC_DIR, "bench/main.py");
	set_if_there(paths->bench_programs, R_OK, HESPER_LIBEXEC_DIR, "bench");
	return 0;
}

bool paths_has_program(const char *program)
{
	if (strchr(program, '/') != NULL) {
		return access(program, X_OK) == 0;
	}
	const char *list = getenv("PATH");
	for (list = list != NULL ? list : ""; *list != '\0';) {
		char path[PATH_MAX];
		size_t length = strcspn(list, ":");
		int written = snprintf(path, sizeof(path), "%.*s/%s", (int)length, list, program);
		if (written < (int)sizeof(path) && access(path, X_OK) == 0) {
			return true;
		}
		list += length + (list[length] == ':');
	}
	return false;
}

int paths_make_dir(const char *path)
{
	char part[PATH_MAX];
	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part)) {
		return -ENAMETOOLONG;
	}
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST) {
			return -errno;
		}
		*slash = '/';
	}
	struct stat status;
	if (mkdir(part, 0755) < 0 && errno != EEXIST) {
		return -errno;
	}
	return stat(part, &status) < 0 ? -errno : S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

void paths_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
