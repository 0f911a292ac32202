/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

static int failed(const char **step, const char *what)
{
	int error = -errno;
	if (step != NULL) {
		*step = what;
	}
	return error;
}

/* More than the kernel knows is EINVAL; without CAP_SETPCAP there is nothing that could be gained. */
static void empty_bounding_set(void)
{
	for (unsigned long capability = 0; capability < 64; capability++) {
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
			return;
		}
	}
}

static int set_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	if (syscall(SYS_capget, &header, data) < 0) {
		return -1;
	}
	for (int i = 0; i < 2; i++) {
		/* Never more than what is there. */
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &header, data);
}

int sandbox_drop_privileges(uint64_t keep, const char **step)
{
	const struct rlimit none = {0, 0};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return failed(step, "no_new_privs");
	}
	empty_bounding_set();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (set_capabilities(keep) < 0) {
		return failed(step, "capset");
	}
	return setrlimit(RLIMIT_CORE, &none) < 0 ? failed(step, "setrlimit") : 0;
}
