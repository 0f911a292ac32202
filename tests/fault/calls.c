/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "fault_impl.h"

/*
 * The calls that --wrap (meson.build) sends here. Each asks whether it has to fail. Built without
 * _FILE_OFFSET_BITS, which would turn mmap into mmap64 behind our back; objects that are built
 * with it call the latter.
 */

#define WRAP(result, name, ...)                                                                    \
	result __real_##name(__VA_ARGS__);                                                         \
	result __wrap_##name(__VA_ARGS__);                                                         \
	result __wrap_##name(__VA_ARGS__)

int __real_fstat(int fd, struct stat *out);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

#define HERE __builtin_return_address(0)

/* True, with errno, when the call has to fail. */
static bool fails(enum fault_kind kind, const char *call)
{
	int error = fault_now(kind, call, false, false, false);
	if (error != 0) {
		errno = error;
	}
	return error != 0;
}

/* --- memory ---------------------------------------------------------------------------------- */

static void *remember(void *at, size_t size, const char *what, void *caller)
{
	int error = errno;
	fault_remember(at, size, what, caller);
	errno = error;
	return at;
}

WRAP(void *, malloc, size_t size)
{
	return fails(FAULT_MEMORY, "malloc") ? NULL
					     : remember(__real_malloc(size), size, "malloc", HERE);
}

WRAP(void *, calloc, size_t count, size_t size)
{
	return fails(FAULT_MEMORY, "calloc")
		       ? NULL
		       : remember(__real_calloc(count, size), count * size, "calloc", HERE);
}

WRAP(void, free, void *at)
{
	fault_forget(at);
	__real_free(at);
}

WRAP(void *, realloc, void *at, size_t size)
{
	if (fails(FAULT_MEMORY, "realloc")) {
		return NULL;
	}
	fault_forget(at);
	void *moved = __real_realloc(at, size);
	return remember(moved != NULL || size == 0 ? moved : at, size, "realloc", HERE) == moved
		       ? moved
		       : NULL;
}

WRAP(void *, reallocarray, void *at, size_t count, size_t size)
{
	return count != 0 && size > SIZE_MAX / count ? NULL : __wrap_realloc(at, count * size);
}

WRAP(void *, aligned_alloc, size_t alignment, size_t size)
{
	return fails(FAULT_MEMORY, "aligned_alloc")
		       ? NULL
		       : remember(__real_aligned_alloc(alignment, size), size, "aligned_alloc",
				  HERE);
}

WRAP(int, posix_memalign, void **out, size_t alignment, size_t size)
{
	if (fails(FAULT_MEMORY, "posix_memalign")) {
		return ENOMEM;
	}
	int error = __real_posix_memalign(out, alignment, size);
	if (error == 0) {
		fault_remember(*out, size, "posix_memalign", HERE);
	}
	return error;
}

WRAP(char *, strdup, const char *text)
{
	return fails(FAULT_MEMORY, "strdup")
		       ? NULL
		       : remember(__real_strdup(text), strlen(text) + 1, "strdup", HERE);
}

WRAP(char *, strndup, const char *text, size_t max)
{
	return fails(FAULT_MEMORY, "strndup")
		       ? NULL
		       : remember(__real_strndup(text, max), max, "strndup", HERE);
}

WRAP(int, vasprintf, char **out, const char *format, va_list arguments)
{
	if (fails(FAULT_MEMORY, "asprintf")) {
		return -1;
	}
	int length = __real_vasprintf(out, format, arguments);
	if (length >= 0) {
		fault_remember(*out, (size_t)length + 1, "asprintf", HERE);
	}
	return length;
}

WRAP(int, asprintf, char **out, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = __wrap_vasprintf(out, format, arguments);
	va_end(arguments);
	return length;
}

WRAP(FILE *, fdopen, int fd, const char *mode)
{
	return fails(FAULT_MEMORY, "fdopen") ? NULL : __real_fdopen(fd, mode);
}

WRAP(FILE *, open_memstream, char **text, size_t *size)
{
	return fails(FAULT_MEMORY, "open_memstream") ? NULL : __real_open_memstream(text, size);
}

WRAP(char *, realpath, const char *path, char *resolved)
{
	return fails(FAULT_MEMORY, "realpath") ? NULL : __real_realpath(path, resolved);
}

static void *realloc_of_uv(void *at, size_t size)
{
	fault_spare_begin();
	void *moved = __wrap_realloc(at, size);
	fault_spare_end();
	return moved;
}

void fault_replace_allocator(void)
{
	uv_replace_allocator(__wrap_malloc, realloc_of_uv, __wrap_calloc, __wrap_free);
}

/* --- mappings -------------------------------------------------------------------------------- */

#define WRAP_MMAP(name)                                                                            \
	WRAP(void *, name, void *at, size_t size, int protection, int flags, int fd, off_t offset) \
	{                                                                                          \
		if (fails(FAULT_MMAP, "mmap")) {                                                   \
			return MAP_FAILED;                                                         \
		}                                                                                  \
		void *map = __real_##name(at, size, protection, flags, fd, offset);                \
		/* MAP_FIXED is a part of what is there already. */                                \
		bool part = map == MAP_FAILED || (flags & MAP_FIXED) != 0;                         \
		return part ? map : remember(map, size, "mmap", HERE);                             \
	}

WRAP_MMAP(mmap)
WRAP_MMAP(mmap64)

WRAP(int, munmap, void *at, size_t size)
{
	fault_forget(at);
	return __real_munmap(at, size);
}

WRAP(int, memfd_create, const char *name, unsigned flags)
{
	return fails(FAULT_MEMFD, "memfd_create") ? -1 : __real_memfd_create(name, flags);
}

WRAP(int, eventfd, unsigned value, int flags)
{
	return fails(FAULT_EVENTFD, "eventfd") ? -1 : __real_eventfd(value, flags);
}

/* --- descriptors ----------------------------------------------------------------------------- */

WRAP(int, socket, int domain, int type, int protocol)
{
	return fails(FAULT_SOCKET, "socket") ? -1 : __real_socket(domain, type, protocol);
}

WRAP(int, socketpair, int domain, int type, int protocol, int *pair)
{
	return fails(FAULT_SOCKET, "socketpair") ? -1
						 : __real_socketpair(domain, type, protocol, pair);
}

WRAP(int, accept4, int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	return fails(FAULT_SOCKET, "accept4") ? -1 : __real_accept4(fd, address, length, flags);
}

WRAP(int, dup, int fd)
{
	return fails(FAULT_SOCKET, "dup") ? -1 : __real_dup(fd);
}

WRAP(int, dup2, int fd, int to)
{
	return fails(FAULT_SOCKET, "dup2") ? -1 : __real_dup2(fd, to);
}

WRAP(int, pipe, int *pair)
{
	return fails(FAULT_SOCKET, "pipe") ? -1 : __real_pipe(pair);
}

WRAP(int, pipe2, int *pair, int flags)
{
	return fails(FAULT_SOCKET, "pipe2") ? -1 : __real_pipe2(pair, flags);
}

WRAP(int, signalfd, int fd, const sigset_t *mask, int flags)
{
	return fails(FAULT_SOCKET, "signalfd") ? -1 : __real_signalfd(fd, mask, flags);
}

WRAP(int, timerfd_create, int clock, int flags)
{
	return fails(FAULT_SOCKET, "timerfd_create") ? -1 : __real_timerfd_create(clock, flags);
}

WRAP(FILE *, fopen, const char *path, const char *mode)
{
	return fails(FAULT_SOCKET, "fopen") ? NULL : __real_fopen(path, mode);
}

WRAP(FILE *, fopen64, const char *path, const char *mode)
{
	return fails(FAULT_SOCKET, "fopen") ? NULL : __real_fopen64(path, mode);
}

#define WRAP_OPEN(name)                                                                            \
	WRAP(int, name, const char *path, int flags, ...)                                          \
	{                                                                                          \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;           \
		int mode = makes ? va_arg(arguments, int) : 0;                                     \
		va_end(arguments);                                                                 \
		return fails(FAULT_SOCKET, "open") ? -1 : __real_##name(path, flags, mode);        \
	}

WRAP_OPEN(open)
WRAP_OPEN(open64)

#define WRAP_OPENAT(name)                                                                          \
	WRAP(int, name, int directory, const char *path, int flags, ...)                           \
	{                                                                                          \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;           \
		int mode = makes ? va_arg(arguments, int) : 0;                                     \
		va_end(arguments);                                                                 \
		return fails(FAULT_SOCKET, "openat")                                               \
			       ? -1                                                                \
			       : __real_##name(directory, path, flags, mode);                      \
	}

WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

#define WRAP_FCNTL(name)                                                                           \
	WRAP(int, name, int fd, int command, ...)                                                  \
	{                                                                                          \
		va_list arguments;                                                                 \
		va_start(arguments, command);                                                      \
		void *argument = va_arg(arguments, void *);                                        \
		va_end(arguments);                                                                 \
		bool copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;                    \
		return fails(copies ? FAULT_SOCKET : FAULT_CALL, "fcntl")                          \
			       ? -1                                                                \
			       : __real_##name(fd, command, argument);                             \
	}

WRAP_FCNTL(fcntl)
WRAP_FCNTL(fcntl64)

WRAP(int, close, int fd)
{
	int result = __real_close(fd);
	FAULT_CHECK(result == 0 || errno != EBADF, "fd %d is not open", fd);
	return result;
}

/* --- bytes ----------------------------------------------------------------------------------- */

static bool may_wait(int fd, int flags)
{
	int error = errno;
	int open_flags = __real_fcntl(fd, F_GETFL);
	errno = error;
	return (flags & MSG_DONTWAIT) != 0 || (open_flags & O_NONBLOCK) != 0;
}

/* Of a stream, a pipe or a file. */
static bool may_be_short(int fd, size_t size)
{
	int type = SOCK_STREAM;
	socklen_t length = sizeof(type);
	struct stat info;
	if (size < 2 || __real_fstat(fd, &info) < 0) {
		return false;
	}
	if (S_ISSOCK(info.st_mode)) {
		return __real_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
		       type == SOCK_STREAM;
	}
	return S_ISFIFO(info.st_mode) || S_ISREG(info.st_mode);
}

/* An eventfd cannot fail, but for EAGAIN where there is nothing to read. */
static bool is_eventfd(int fd)
{
	static const char expected[] = "anon_inode:[eventfd]";
	char path[64];
	char target[sizeof(expected)] = "";
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target)) > 0 &&
	       strncmp(target, expected, sizeof(expected) - 1) == 0;
}

static int bytes_fail(enum fault_kind kind, const char *call, int fd, size_t size, int flags)
{
	if (!fault_wanted(kind)) {
		return 0;
	}
	if (is_eventfd(fd)) {
		return kind == FAULT_RECVMSG
			       ? fault_now(kind, call, false, may_wait(fd, flags), true)
			       : 0;
	}
	return fault_now(kind, call, may_be_short(fd, size), may_wait(fd, flags), false);
}

static bool drop_log;

void fault_set_quiet(bool quiet)
{
	drop_log = quiet;
}

WRAP(ssize_t, write, int fd, const void *bytes, size_t size)
{
	if (fd == STDERR_FILENO) {
		return drop_log ? (ssize_t)size : __real_write(fd, bytes, size);
	}
	int error = bytes_fail(FAULT_SENDMSG, "write", fd, size, 0);
	errno = error;
	return error != 0 ? -1 : __real_write(fd, bytes, size);
}

WRAP(ssize_t, send, int fd, const void *bytes, size_t size, int flags)
{
	int error = bytes_fail(FAULT_SENDMSG, "send", fd, size, flags);
	errno = error;
	return error != 0 ? -1 : __real_send(fd, bytes, size, flags);
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
	int error = bytes_fail(FAULT_SENDMSG, "sendmsg", fd, 0, flags);
	errno = error;
	return error != 0 ? -1 : __real_sendmsg(fd, message, flags);
}

#define WRAP_READ(name, flags, parameters, arguments)                                              \
	ssize_t __real_##name parameters;                                                          \
	ssize_t __wrap_##name parameters;                                                          \
	ssize_t __wrap_##name parameters                                                           \
	{                                                                                          \
		int error = bytes_fail(FAULT_RECVMSG, #name, fd, size, flags);                     \
		if (error == FAULT_PART) {                                                         \
			size /= 2;                                                                 \
		} else if (error != 0) {                                                           \
			errno = error;                                                             \
			return -1;                                                                 \
		}                                                                                  \
		return __real_##name arguments;                                                    \
	}
WRAP_READ(read, 0, (int fd, void *bytes, size_t size), (fd, bytes, size))
WRAP_READ(recv, flags, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags))
WRAP_READ(pread, 0, (int fd, void *bytes, size_t size, off_t at), (fd, bytes, size, at))
WRAP_READ(pread64, 0, (int fd, void *bytes, size_t size, off_t at), (fd, bytes, size, at))

/* Half of the bytes, of the first piece only if that is enough. */
static ssize_t receive_part(int fd, struct msghdr *message, int flags, size_t size)
{
	ssize_t __real_recvmsg(int, struct msghdr *, int);
	struct iovec iov[8];
	struct msghdr part = *message;
	size_t left = size / 2;
	size_t used = 0;
	for (; used < part.msg_iovlen && used < 8 && left > 0; used++) {
		iov[used] = message->msg_iov[used];
		if (iov[used].iov_len > left) {
			iov[used].iov_len = left;
		}
		left -= iov[used].iov_len;
	}
	part.msg_iov = iov;
	part.msg_iovlen = used;
	ssize_t got = __real_recvmsg(fd, &part, flags);
	message->msg_flags = part.msg_flags;
	message->msg_controllen = part.msg_controllen;
	message->msg_namelen = part.msg_namelen;
	return got;
}

WRAP(ssize_t, recvmsg, int fd, struct msghdr *message, int flags)
{
	size_t size = 0;
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		size += message->msg_iov[i].iov_len;
	}
	int error = bytes_fail(FAULT_RECVMSG, "recvmsg", fd, size, flags);
	if (error == FAULT_PART) {
		return receive_part(fd, message, flags, size);
	}
	errno = error;
	return error != 0 ? -1 : __real_recvmsg(fd, message, flags);
}

/* --- threads, the loop ----------------------------------------------------------------------- */

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes,
     void *(*start)(void *), void *data)
{
	return fails(FAULT_THREAD, "pthread_create")
		       ? EAGAIN
		       : __real_pthread_create(thread, attributes, start, data);
}

WRAP(int, epoll_create1, int flags)
{
	return fails(FAULT_UV, "epoll_create1") ? -1 : __real_epoll_create1(flags);
}

WRAP(int, epoll_ctl, int fd, int operation, int other, struct epoll_event *event)
{
	return fails(FAULT_UV, "epoll_ctl") ? -1 : __real_epoll_ctl(fd, operation, other, event);
}

/* uv_timer_start and uv_idle_start allocate nothing and cannot fail. */
#define WRAP_UV(name, parameters, arguments)                                                       \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		return fails(FAULT_UV, #name) ? UV_ENOMEM : __real_##name arguments;               \
	}

WRAP_UV(uv_loop_init, (uv_loop_t * loop), (loop))
WRAP_UV(uv_async_init, (uv_loop_t * loop, uv_async_t *async, uv_async_cb take), (loop, async, take))
WRAP_UV(uv_poll_init, (uv_loop_t * loop, uv_poll_t *poll, int fd), (loop, poll, fd))
WRAP_UV(uv_poll_start, (uv_poll_t * poll, int events, uv_poll_cb take), (poll, events, take))
WRAP_UV(uv_signal_init, (uv_loop_t * loop, uv_signal_t *handle), (loop, handle))
WRAP_UV(uv_signal_start, (uv_signal_t * handle, uv_signal_cb take, int number),
	(handle, take, number))
WRAP_UV(uv_spawn, (uv_loop_t * loop, uv_process_t *process, const uv_process_options_t *options),
	(loop, process, options))
WRAP_UV(uv_pipe_init, (uv_loop_t * loop, uv_pipe_t *pipe, int ipc), (loop, pipe, ipc))
WRAP_UV(uv_pipe_open, (uv_pipe_t * pipe, uv_file fd), (pipe, fd))
WRAP_UV(uv_read_start, (uv_stream_t * stream, uv_alloc_cb give, uv_read_cb take),
	(stream, give, take))

/* --- the rest -------------------------------------------------------------------------------- */

#define WRAP_CALL(name, parameters, arguments)                                                     \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		return fails(FAULT_CALL, #name) ? -1 : __real_##name arguments;                    \
	}

WRAP_CALL(ftruncate, (int fd, off_t size), (fd, size))
WRAP_CALL(ftruncate64, (int fd, off_t size), (fd, size))
WRAP_CALL(fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
WRAP_CALL(fallocate64, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
WRAP_CALL(fstat, (int fd, struct stat *out), (fd, out))
WRAP_CALL(fstat64, (int fd, struct stat *out), (fd, out))
WRAP_CALL(stat, (const char *path, struct stat *out), (path, out))
WRAP_CALL(stat64, (const char *path, struct stat *out), (path, out))
WRAP_CALL(lstat, (const char *path, struct stat *out), (path, out))
WRAP_CALL(lstat64, (const char *path, struct stat *out), (path, out))
WRAP_CALL(getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
	  (fd, level, name, value, size))
WRAP_CALL(setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
	  (fd, level, name, value, size))
WRAP_CALL(bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
WRAP_CALL(connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
WRAP_CALL(listen, (int fd, int backlog), (fd, backlog))
WRAP_CALL(fork, (void), ())
WRAP_CALL(_Fork, (void), ())
WRAP_CALL(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP_CALL(getrlimit, (int resource, struct rlimit *limit), (resource, limit))
WRAP_CALL(getrlimit64, (int resource, struct rlimit *limit), (resource, limit))
WRAP_CALL(setrlimit, (int resource, const struct rlimit *limit), (resource, limit))
WRAP_CALL(setrlimit64, (int resource, const struct rlimit *limit), (resource, limit))

WRAP_CALL(unshare, (int flags), (flags))
WRAP_CALL(chroot, (const char *path), (path))
WRAP_CALL(rename, (const char *from, const char *to), (from, to))

WRAP(int, posix_spawn, pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
     const posix_spawnattr_t *attributes, char *const *argv, char *const *environment)
{
	return fails(FAULT_CALL, "posix_spawn")
		       ? EPERM
		       : __real_posix_spawn(pid, path, actions, attributes, argv, environment);
}

WRAP(int, ioctl, int fd, unsigned long request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	return fails(FAULT_CALL, "ioctl") ? -1 : __real_ioctl(fd, request, argument);
}

WRAP(int, prctl, int option, ...)
{
	unsigned long argument[4];
	va_list arguments;
	va_start(arguments, option);
	for (unsigned i = 0; i < 4; i++) {
		argument[i] = va_arg(arguments, unsigned long);
	}
	va_end(arguments);
	return fails(FAULT_CALL, "prctl")
		       ? -1
		       : __real_prctl(option, argument[0], argument[1], argument[2], argument[3]);
}

WRAP(long, syscall, long number, ...)
{
	long argument[6];
	va_list arguments;
	va_start(arguments, number);
	for (unsigned i = 0; i < 6; i++) {
		argument[i] = va_arg(arguments, long);
	}
	va_end(arguments);
	return fails(FAULT_CALL, "syscall")
		       ? -1
		       : __real_syscall(number, argument[0], argument[1], argument[2], argument[3],
					argument[4], argument[5]);
}
