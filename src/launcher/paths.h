/* SPDX-License-Identifier: MIT */
#ifndef HESPER_LAUNCHER_PATHS_H
#define HESPER_LAUNCHER_PATHS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Where hesper's parts are: in the build directory that this program was built in, or installed
 * beside it. Empty strings for what is not there.
 */
struct paths {
	char self[PATH_MAX];
	char hesperd[PATH_MAX];
	char view[PATH_MAX];
	char guest_build[PATH_MAX];
	char bench[PATH_MAX]; /* the harness of the benchmarks */
	char bench_programs[PATH_MAX]; /* the folder of its programs */
	char layer_dir[PATH_MAX];
	char source[PATH_MAX]; /* the source tree; empty when installed */
};

/* exe: the program's own path, or NULL for /proc/self/exe. Negative errno when that is unknown. */
int paths_find(struct paths *paths, const char *exe);

/* Whether a program is there: a path, or a name looked up in PATH. */
bool paths_has_program(const char *program);

/* mkdir -p. Negative errno. */
int paths_make_dir(const char *path);

/* Removes a directory and all in it. */
void paths_remove_tree(const char *path);

#endif
