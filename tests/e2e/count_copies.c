/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program, counts from outside what moves many bytes at once: memcpy, memmove and
 * the system calls that copy, each of at least 64 KiB, by the module that called. The table is the
 * file named by HESPER_COUNT_FILE, shared memory that a test reads at any time.
 *
 * What a Vulkan driver on a CPU copies is that device's own work: the test tells it by its module.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define LEAST (64u << 10)
#define SLOTS 64

struct slot {
	char what[16];
	char module[112];
	uint64_t calls;
	uint64_t bytes;
};

static struct slot *table;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *(*real_memcpy)(void *, const void *, size_t);
static void *(*real_memmove)(void *, const void *, size_t);

__attribute__((constructor)) static void open_table(void)
{
	real_memcpy = dlsym(RTLD_NEXT, "memcpy");
	real_memmove = dlsym(RTLD_NEXT, "memmove");
	const char *path = getenv("HESPER_COUNT_FILE");
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, SLOTS * sizeof(struct slot)) < 0) {
		return;
	}
	void *at =
		mmap(NULL, SLOTS * sizeof(struct slot), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	table = at == MAP_FAILED ? NULL : at;
	/* Not the children: a render server is another matter. */
	unsetenv("LD_PRELOAD");
}

static void count(const char *what, const void *caller, size_t bytes)
{
	if (table == NULL) {
		return;
	}
	Dl_info info;
	const char *module = "?";
	if (dladdr(caller, &info) != 0 && info.dli_fname != NULL) {
		const char *slash = strrchr(info.dli_fname, '/');
		module = slash == NULL ? info.dli_fname : slash + 1;
	}
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &table[i];
		if (slot->what[0] == '\0') {
			strncpy(slot->module, module, sizeof(slot->module) - 1);
			strncpy(slot->what, what, sizeof(slot->what) - 1);
		}
		if (strcmp(slot->what, what) == 0 &&
		    strncmp(slot->module, module, sizeof(slot->module) - 1) == 0) {
			slot->calls++;
			slot->bytes += bytes;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

#define CALLER __builtin_return_address(0)

/* Before the constructor has run, and inside of dlsym: byte by byte. */
static void *copy_slowly(void *to, const void *from, size_t size)
{
	volatile char *at = to;
	const volatile char *source = from;
	for (size_t i = 0; i < size; i++) {
		at[i] = source[i];
	}
	return to;
}

__attribute__((visibility("default"))) void *memcpy(void *restrict to, const void *restrict from,
						    size_t size)
{
	if (size >= LEAST) {
		count("memcpy", CALLER, size);
	}
	return real_memcpy != NULL ? real_memcpy(to, from, size) : copy_slowly(to, from, size);
}

__attribute__((visibility("default"))) void *__memcpy_chk(void *to, const void *from, size_t size,
							  size_t room)
{
	if (size > room) {
		abort();
	}
	if (size >= LEAST) {
		count("memcpy", CALLER, size);
	}
	return real_memcpy != NULL ? real_memcpy(to, from, size) : copy_slowly(to, from, size);
}

__attribute__((visibility("default"))) void *memmove(void *to, const void *from, size_t size)
{
	if (size >= LEAST) {
		count("memmove", CALLER, size);
	}
	if (real_memmove != NULL) {
		return real_memmove(to, from, size);
	}
	if ((uintptr_t)to <= (uintptr_t)from) {
		return copy_slowly(to, from, size);
	}
	for (size_t i = size; i > 0; i--) {
		((volatile char *)to)[i - 1] = ((const volatile char *)from)[i - 1];
	}
	return to;
}

#define MOVES(result, name, parameters, call)                                                      \
	__attribute__((visibility("default"))) result name parameters                              \
	{                                                                                          \
		result done = call;                                                                \
		if (done >= (result)LEAST) {                                                       \
			count(#name, CALLER, (size_t)done);                                        \
		}                                                                                  \
		return done;                                                                       \
	}

MOVES(ssize_t, read, (int fd, void *to, size_t n), syscall(SYS_read, fd, to, n))
MOVES(ssize_t, write, (int fd, const void *from, size_t n), syscall(SYS_write, fd, from, n))
MOVES(ssize_t, pread, (int fd, void *to, size_t n, off_t at), syscall(SYS_pread64, fd, to, n, at))
MOVES(ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at),
      syscall(SYS_pwrite64, fd, from, n, at))
MOVES(ssize_t, readv, (int fd, const struct iovec *v, int n), syscall(SYS_readv, fd, v, n))
MOVES(ssize_t, writev, (int fd, const struct iovec *v, int n), syscall(SYS_writev, fd, v, n))
MOVES(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), syscall(SYS_sendmsg, fd, m, f))
MOVES(ssize_t, recvmsg, (int fd, struct msghdr *m, int f), syscall(SYS_recvmsg, fd, m, f))
