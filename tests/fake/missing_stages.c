/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into hesper's programs, makes them believe that a host lacks what HESPER_MISSING names:
 * "namespaces" (unshare), "landlock", "filters" (seccomp).
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static bool missing(const char *what)
{
	const char *list = getenv("HESPER_MISSING");
	return list != NULL && strstr(list, what) != NULL;
}

EXPORTED int unshare(int flags)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "unshare");
	if (missing("namespaces")) {
		errno = EPERM;
		return -1;
	}
	return real(flags);
}

EXPORTED long syscall(long number, ...)
{
	long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list args;
	va_start(args, number);
	for (int i = 0; i < 6; i++) {
		a[i] = va_arg(args, long);
	}
	va_end(args);
	if ((number == SYS_landlock_create_ruleset && missing("landlock")) ||
	    (number == SYS_seccomp && missing("filters"))) {
		errno = ENOSYS;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
