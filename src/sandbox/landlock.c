/* SPDX-License-Identifier: MIT */
#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fd.h"

/* Newer than the headers that we still build with; the numbers are the kernel's. */
#define ACCESS_REFER (1ull << 13) /* ABI 2 */
#define ACCESS_TRUNCATE (1ull << 14) /* ABI 3 */
#define ACCESS_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define NET_TCP 3ull /* ABI 4: bind and connect */
#define SCOPE_ABSTRACT_SOCKET 1ull /* ABI 6 */
#define SCOPE_SIGNAL 2ull /* ABI 6 */

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGE                                                                                     \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                            \
	 LANDLOCK_ACCESS_FS_MAKE_REG | ACCESS_REFER | ACCESS_TRUNCATE)
#define DEVICE (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)
/* The thirteen rights of ABI 1. */
#define ABI_1 ((1ull << 13) - 1)
#define FOR_A_FILE                                                                                 \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
	 LANDLOCK_ACCESS_FS_READ_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)

/* As of ABI 7; a kernel looks at as much as it knows, as long as the rest is 0. */
struct attributes {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct sandbox_files {
	int abi;
	struct attributes refused;
	int ruleset; /* made with the first rule, when `refused` is final; -1 */
};

static int failed(const char **step, const char *what, int error)
{
	if (step != NULL) {
		*step = what;
	}
	return error;
}

int sandbox_files_create(struct sandbox_files **out, const char **step)
{
#ifdef __SANITIZE_ADDRESS__
	return failed(step, "AddressSanitizer needs /proc", -EOPNOTSUPP);
#else
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		return failed(step, "landlock_create_ruleset",
			      errno == ENOSYS ? -EOPNOTSUPP : -errno);
	}
	struct sandbox_files *files = malloc(sizeof(*files));
	if (files == NULL) {
		return failed(step, "malloc", -ENOMEM);
	}
	*files = (struct sandbox_files){
		.abi = (int)abi,
		.ruleset = -1,
		.refused =
			{
				.fs = ABI_1 | (abi >= 2 ? ACCESS_REFER : 0) |
				      (abi >= 3 ? ACCESS_TRUNCATE : 0) |
				      (abi >= 5 ? ACCESS_IOCTL_DEV : 0),
				.net = abi >= 4 ? NET_TCP : 0,
				.scoped = abi >= 6 ? SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL : 0,
			},
	};
	*out = files;
	return 0;
#endif
}

void sandbox_files_destroy(struct sandbox_files *files)
{
	if (files != NULL) {
		fd_close(&files->ruleset);
		free(files);
	}
}

void sandbox_files_allow_sockets(struct sandbox_files *files)
{
	files->refused.net = 0;
	files->refused.scoped &= ~SCOPE_ABSTRACT_SOCKET;
}

static int make_ruleset(struct sandbox_files *files)
{
	size_t size = files->abi >= 6   ? sizeof(files->refused)
		      : files->abi >= 4 ? 2 * sizeof(uint64_t)
					: sizeof(uint64_t);
	if (files->ruleset < 0) {
		files->ruleset =
			(int)syscall(SYS_landlock_create_ruleset, &files->refused, size, 0);
	}
	return files->ruleset < 0 ? -errno : 0;
}

void sandbox_files_allow(struct sandbox_files *files, const char *path, unsigned access)
{
	struct stat info;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) < 0 || make_ruleset(files) < 0) {
		fd_close(&fd);
		return;
	}
	uint64_t rights = ((access & SANDBOX_READ) != 0 ? READ : 0) |
			  ((access & SANDBOX_WRITE) != 0 ? READ | CHANGE : 0) |
			  ((access & SANDBOX_DEVICE) != 0 ? DEVICE : 0) |
			  ((access & SANDBOX_EXECUTE) != 0 ? READ | LANDLOCK_ACCESS_FS_EXECUTE : 0);
	if (!S_ISDIR(info.st_mode)) {
		rights &= FOR_A_FILE;
	}
	struct landlock_path_beneath_attr rule = {
		.allowed_access = rights & files->refused.fs,
		.parent_fd = fd,
	};
	syscall(SYS_landlock_add_rule, files->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	fd_close(&fd);
}

int sandbox_files_enter(struct sandbox_files *files, const char **step)
{
	int error = make_ruleset(files);
	if (error < 0) {
		return failed(step, "landlock_create_ruleset", error);
	}
	if (syscall(SYS_landlock_restrict_self, files->ruleset, 0) < 0) {
		return failed(step, "landlock_restrict_self", -errno);
	}
	return 0;
}
