/* SPDX-License-Identifier: MIT */
/* Which files the Vulkan loader and its drivers live on. The list is the review: a reason per line. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/landlock.h"
#include "util/fd.h"

static const struct place {
	const char *path;
	unsigned access;
} places[] = {
	/* Libraries, and what is installed with them: drivers, their lists, layers, drirc.d. */
	{"/usr", SANDBOX_READ},
	{"/lib", SANDBOX_READ},
	{"/lib32", SANDBOX_READ},
	{"/lib64", SANDBOX_READ},
	{"/opt", SANDBOX_READ}, /* vendors' drivers */
	{"/nix/store", SANDBOX_READ}, /* distributions that keep libraries elsewhere */
	{"/gnu/store", SANDBOX_READ},
	{"/run/opengl-driver", SANDBOX_READ},
	{"/run/opengl-driver-32", SANDBOX_READ},
	/* Configuration of the above; nothing else of /etc. */
	{"/etc/ld.so.cache", SANDBOX_READ},
	{"/etc/ld.so.preload", SANDBOX_READ},
	{"/etc/vulkan", SANDBOX_READ},
	{"/etc/drirc", SANDBOX_READ},
	{"/etc/glvnd", SANDBOX_READ},
	{"/etc/nvidia", SANDBOX_READ},
	{"/etc/localtime", SANDBOX_READ},
	/* GPU nodes. */
	{"/dev/dri", SANDBOX_DEVICE},
	{"/dev/udmabuf", SANDBOX_DEVICE}, /* lavapipe's dma-bufs */
	{"/dev/dma_heap", SANDBOX_DEVICE},
	{"/dev/kfd", SANDBOX_DEVICE},
	{"/dev/dxg", SANDBOX_DEVICE}, /* WSL */
	{"/dev/null", SANDBOX_DEVICE},
	{"/dev/zero", SANDBOX_DEVICE},
	{"/dev/urandom", SANDBOX_READ},
	{"/dev/random", SANDBOX_READ},
	/* Which device a node belongs to, and what it is (libdrm). */
	{"/sys/dev/char", SANDBOX_READ},
	{"/sys/devices", SANDBOX_READ},
	{"/sys/bus/pci", SANDBOX_READ},
	{"/sys/class/drm", SANDBOX_READ},
	{"/sys/module/nvidia", SANDBOX_READ},
	{"/sys/module/nvidia_drm", SANDBOX_READ},
	/* Processors and memory, for pools of threads and sizes of heaps. */
	{"/proc/cpuinfo", SANDBOX_READ},
	{"/proc/meminfo", SANDBOX_READ},
	{"/proc/stat", SANDBOX_READ},
	{"/proc/sys/kernel/osrelease", SANDBOX_READ},
	/* NVIDIA's driver asks its kernel module. */
	{"/proc/driver/nvidia", SANDBOX_READ},
	{"/proc/devices", SANDBOX_READ},
	{"/proc/modules", SANDBOX_READ},
};

static void allow_matches(struct sandbox_files *files, const char *pattern, unsigned access)
{
	glob_t found;
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			sandbox_files_allow(files, found.gl_pathv[i], access);
		}
		globfree(&found);
	}
}

/* folder/rest, where folder is a variable of the environment or a place below the home directory. */
static void allow_of_user(struct sandbox_files *files, const char *variable, const char *usual,
			  const char *rest)
{
	char path[PATH_MAX];
	const char *folder = getenv(variable);
	const char *home = getenv("HOME");
	if (folder != NULL && folder[0] == '/') {
		snprintf(path, sizeof(path), "%s/%s", folder, rest);
	} else if (home != NULL) {
		snprintf(path, sizeof(path), "%s/%s/%s", home, usual, rest);
	} else {
		return;
	}
	sandbox_files_allow(files, path, SANDBOX_READ);
}

/*
 * A library that a driver's or layer's manifest names: "library_path" is absolute, beside it, or the
 * linker's to find. Its folder, because it has libraries of its own.
 */
static void allow_manifest(struct sandbox_files *files, const char *manifest)
{
	char text[16384];
	char path[PATH_MAX];
	int fd = open(manifest, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (size < 0) {
		return;
	}
	text[size] = '\0';
	const char *at = strstr(text, "\"library_path\"");
	at = at == NULL ? NULL : strchr(at, ':');
	at = at == NULL ? NULL : strchr(at, '"');
	const char *end = at == NULL ? NULL : strchr(at + 1, '"');
	if (end == NULL || memchr(at, '/', (size_t)(end - at)) == NULL) {
		return;
	}
	int length = (int)(end - at - 1);
	if (at[1] == '/') {
		snprintf(path, sizeof(path), "%.*s", length, at + 1);
	} else {
		const char *slash = strrchr(manifest, '/');
		snprintf(path, sizeof(path), "%.*s/%.*s", (int)(slash - manifest), manifest, length,
			 at + 1);
	}
	*strrchr(path, '/') = '\0';
	sandbox_files_allow(files, path, SANDBOX_READ);
}

static void allow_named(struct sandbox_files *files, const char *path)
{
	char pattern[PATH_MAX];
	struct stat info;
	if (path[0] != '/' || stat(path, &info) < 0) {
		return;
	}
	sandbox_files_allow(files, path, SANDBOX_READ);
	if (!S_ISDIR(info.st_mode)) {
		allow_manifest(files, path);
		return;
	}
	snprintf(pattern, sizeof(pattern), "%s/*.json", path);
	glob_t found;
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			allow_manifest(files, found.gl_pathv[i]);
		}
		globfree(&found);
	}
}

void sandbox_files_allow_list(struct sandbox_files *files, const char *list)
{
	char *copy = list == NULL ? NULL : strdup(list);
	char *rest = copy;
	for (char *path; rest != NULL && (path = strsep(&rest, ": ")) != NULL;) {
		allow_named(files, path);
	}
	free(copy);
}

/* Who sets these chooses the programs' libraries anyway. */
static void allow_environment(struct sandbox_files *files)
{
	static const char *const lists[] = {
		"VK_DRIVER_FILES",
		"VK_ADD_DRIVER_FILES",
		"VK_ICD_FILENAMES",
		"VK_LAYER_PATH",
		"VK_ADD_LAYER_PATH",
		"VK_IMPLICIT_LAYER_PATH",
		"VK_ADD_IMPLICIT_LAYER_PATH",
		"LD_LIBRARY_PATH",
		"LD_PRELOAD",
		"LIBGL_DRIVERS_PATH",
		"GBM_BACKENDS_PATH",
	};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		sandbox_files_allow_list(files, getenv(lists[i]));
	}
}

void sandbox_files_allow_vulkan(struct sandbox_files *files)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		sandbox_files_allow(files, places[i].path, places[i].access);
	}
	allow_matches(files, "/dev/nvidia*", SANDBOX_DEVICE);
	allow_matches(files, "/dev/mali*", SANDBOX_DEVICE);
	allow_of_user(files, "XDG_CONFIG_HOME", ".config", "vulkan");
	allow_of_user(files, "XDG_DATA_HOME", ".local/share", "vulkan");
	allow_of_user(files, "HOME", "", ".drirc");
	allow_environment(files);
}

/* The interpreter that an ELF file or a script names; empty if none. */
static void find_interpreter(const char *program, char out[PATH_MAX])
{
	union {
		char text[4096];
		Elf64_Ehdr elf;
	} head = {0};
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	out[0] = '\0';
	ssize_t size = fd < 0 ? -1 : read(fd, head.text, sizeof(head) - 1);
	if (size > 2 && head.text[0] == '#' && head.text[1] == '!') {
		const char *from = head.text + 2 + strspn(head.text + 2, " \t");
		snprintf(out, PATH_MAX, "%.*s", (int)strcspn(from, " \t\n"), from);
	} else if (size >= (ssize_t)sizeof(head.elf) &&
		   memcmp(head.elf.e_ident, ELFMAG, SELFMAG) == 0 &&
		   head.elf.e_ident[EI_CLASS] == ELFCLASS64) {
		for (unsigned i = 0; i < head.elf.e_phnum; i++) {
			Elf64_Phdr header;
			if (pread(fd, &header, sizeof(header),
				  (off_t)(head.elf.e_phoff + i * sizeof(header))) !=
			    sizeof(header)) {
				break;
			}
			if (header.p_type == PT_INTERP && header.p_filesz < PATH_MAX &&
			    pread(fd, out, header.p_filesz, (off_t)header.p_offset) ==
				    (ssize_t)header.p_filesz) {
				out[header.p_filesz] = '\0';
			}
		}
	}
	fd_close(&fd);
}

void sandbox_files_allow_program(struct sandbox_files *files, const char *path)
{
	char interpreter[PATH_MAX];
	char next[PATH_MAX];
	/* A script's interpreter has one, too. */
	snprintf(next, sizeof(next), "%s", path);
	for (int i = 0; i < 3 && next[0] != '\0'; i++) {
		sandbox_files_allow(files, next, SANDBOX_EXECUTE);
		find_interpreter(next, interpreter);
		snprintf(next, sizeof(next), "%s", interpreter);
	}
}

/* mkdir -p; false when it is not there afterwards. */
static bool make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

char *sandbox_make_shader_cache(const char *name)
{
	const char *folder = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int length = -1;
	if (strchr(name, '/') != NULL || name[0] == '.') {
		name = "other";
	}
	if (folder != NULL && folder[0] == '/') {
		length = asprintf(&path, "%s/hesper/shaders/%s", folder, name);
	} else if (home != NULL && home[0] == '/') {
		length = asprintf(&path, "%s/.cache/hesper/shaders/%s", home, name);
	}
	if (length < 0) {
		return NULL;
	}
	if (!make_folders(path)) {
		free(path);
		return NULL;
	}
	return path;
}
