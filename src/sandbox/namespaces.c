/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "util/fd.h"

#define OWN                                                                                        \
	(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWCGROUP)

static int failed(const char **step, const char *what)
{
	int error = -errno;
	if (step != NULL) {
		*step = what;
	}
	return error;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	int error = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	fd_close(&fd);
	return error;
}

/* One is the same user in there: sockets tell peers who one is, and D-Bus compares. */
static int map_user(unsigned uid, unsigned gid)
{
	char line[64];
	snprintf(line, sizeof(line), "%u %u 1\n", uid, uid);
	int error = write_file("/proc/self/uid_map", line);
	if (error == 0) {
		error = write_file("/proc/self/setgroups", "deny");
	}
	if (error == 0) {
		snprintf(line, sizeof(line), "%u %u 1\n", gid, gid);
		error = write_file("/proc/self/gid_map", line);
	}
	return error;
}

int sandbox_unshare(bool *own_users, const char **step)
{
	bool ignored;
	unsigned uid = geteuid();
	unsigned gid = getegid();
	own_users = own_users != NULL ? own_users : &ignored;
	*own_users = false;
	/* Root keeps its hold on files, such as a socket in a user's directory, until it gives it up. */
	if (unshare(OWN) == 0) {
		return 0;
	}
	if (unshare(CLONE_NEWUSER | OWN) < 0) {
		return failed(step, "unshare");
	}
	*own_users = true;
	int error = map_user(uid, gid);
	errno = -error;
	return error < 0 ? failed(step, "uid_map") : 0;
}

/*
 * A file system that is mounted nowhere: nothing propagates, and it works where "/" is no mount
 * point (in a chroot), where pivot_root does not.
 */
int sandbox_empty_root(const char **step)
{
#ifdef __SANITIZE_ADDRESS__
	errno = EOPNOTSUPP;
	return failed(step, "AddressSanitizer needs /proc");
#else
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (context < 0) {
		return failed(step, "fsopen");
	}
	fsconfig(context, FSCONFIG_SET_STRING, "size", "4096", 0);
	fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "1", 0);
	fsconfig(context, FSCONFIG_SET_STRING, "mode", "0555", 0);
	int error = 0;
	int mount = -1;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		error = failed(step, "fsconfig");
	} else {
		mount = fsmount(context, FSMOUNT_CLOEXEC,
				MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					MOUNT_ATTR_NOEXEC);
		if (mount < 0) {
			error = failed(step, "fsmount");
		} else if (fchdir(mount) < 0 || chroot(".") < 0) {
			error = failed(step, "chroot");
		}
	}
	fd_close(&mount);
	fd_close(&context);
	return error;
#endif
}
