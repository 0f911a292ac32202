/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program, counts what it copies: calls of memcpy and its kin, and of read, write
 * and theirs, by the library that calls. For hesperd and hesper-view only; other programs run as
 * they are. A Vulkan driver that is the processor copies for a living: what comes from it, or from
 * code it made at run time, is counted apart.
 *
 * The counts are in a file $COUNT_COPIES/PROGRAM.PID that the test reads while the program runs: see
 * struct counts.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)
/* Below, it cannot be the rows of a picture; from LARGE on it can be a picture. */
#define SMALL 1024u
#define LARGE 65536u

struct counts {
	_Atomic uint64_t large_calls;
	_Atomic uint64_t large_bytes;
	_Atomic uint64_t small_calls;
	_Atomic uint64_t small_bytes;
	_Atomic uint64_t driver_bytes;
};

static struct counts *counts;
static _Thread_local int inside;

/* No library is asked for these: they must work before there is one. */
static void *copy_bytes(void *to, const void *from, size_t size)
{
	void *start = to;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return start;
}

static void *move_bytes(void *to, const void *from, size_t size)
{
	if ((uintptr_t)to - (uintptr_t)from >= size) {
		return copy_bytes(to, from, size);
	}
	void *end = (char *)to + size - 1;
	const void *from_end = (const char *)from + size - 1;
	__asm__ volatile("std; rep movsb; cld"
			 : "+D"(end), "+S"(from_end), "+c"(size)
			 :
			 : "memory");
	return to;
}

static int is_driver(const void *caller)
{
	Dl_info info;
	if (dladdr(caller, &info) == 0 || info.dli_fname == NULL) {
		return 1;
	}
	return strstr(info.dli_fname, "/libvulkan_") != NULL ||
	       strstr(info.dli_fname, "libLLVM") != NULL;
}

static void count(size_t size, const void *caller)
{
	if (size < SMALL || counts == NULL || inside) {
		return;
	}
	inside = 1;
	if (is_driver(caller)) {
		counts->driver_bytes += size;
	} else if (size >= LARGE) {
		counts->large_calls++;
		counts->large_bytes += size;
	} else {
		counts->small_calls++;
		counts->small_bytes += size;
	}
	inside = 0;
}

__attribute__((constructor)) static void start(void)
{
	const char *folder = getenv("COUNT_COPIES");
	const char *name = program_invocation_short_name;
	char path[4096];
	if (folder == NULL || (strcmp(name, "hesperd") != 0 && strcmp(name, "hesper-view") != 0)) {
		return;
	}
	snprintf(path, sizeof(path), "%s/%s.%d", folder, name, (int)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(struct counts)) < 0) {
		return;
	}
	void *map = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	counts = map == MAP_FAILED ? NULL : map;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

EXPORT void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	count(size, CALLER);
	return copy_bytes(to, from, size);
}

EXPORT void *mempcpy(void *restrict to, const void *restrict from, size_t size)
{
	count(size, CALLER);
	return (char *)copy_bytes(to, from, size) + size;
}

EXPORT void *memmove(void *to, const void *from, size_t size)
{
	count(size, CALLER);
	return move_bytes(to, from, size);
}

EXPORT void *__memcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room);
EXPORT void *__memcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room)
{
	count(size, CALLER);
	return size > room ? (abort(), NULL) : copy_bytes(to, from, size);
}

EXPORT void *__memmove_chk(void *to, const void *from, size_t size, size_t room);
EXPORT void *__memmove_chk(void *to, const void *from, size_t size, size_t room)
{
	count(size, CALLER);
	return size > room ? (abort(), NULL) : move_bytes(to, from, size);
}

/* What was really transferred is counted: a reader asks for more than there is. */
static ssize_t counted(ssize_t size, const void *caller)
{
	if (size > 0) {
		count((size_t)size, caller);
	}
	return size;
}

EXPORT ssize_t read(int fd, void *to, size_t size)
{
	return counted(REAL(read)(fd, to, size), CALLER);
}

EXPORT ssize_t write(int fd, const void *from, size_t size)
{
	return counted(REAL(write)(fd, from, size), CALLER);
}

EXPORT ssize_t pread(int fd, void *to, size_t size, off_t at)
{
	return counted(REAL(pread)(fd, to, size, at), CALLER);
}

EXPORT ssize_t pwrite(int fd, const void *from, size_t size, off_t at)
{
	return counted(REAL(pwrite)(fd, from, size, at), CALLER);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int iov_count)
{
	return counted(REAL(readv)(fd, iov, iov_count), CALLER);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int iov_count)
{
	return counted(REAL(writev)(fd, iov, iov_count), CALLER);
}

EXPORT ssize_t recv(int fd, void *to, size_t size, int flags)
{
	return counted(REAL(recv)(fd, to, size, flags), CALLER);
}

EXPORT ssize_t send(int fd, const void *from, size_t size, int flags)
{
	return counted(REAL(send)(fd, from, size, flags), CALLER);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return counted(REAL(recvmsg)(fd, message, flags), CALLER);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	return counted(REAL(sendmsg)(fd, message, flags), CALLER);
}
