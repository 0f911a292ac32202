/* SPDX-License-Identifier: MIT */
#include "sandbox/errands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/filter.h"
#include "sandbox/sandbox.h"
#include "util/fd.h"
#include "util/log.h"

/* A screenshot of 16384x16384 pixels, and more than that. */
#define MAX_BYTES (1ll << 31)
#define CHUNK 65536

enum errand_op {
	ERRAND_WRITE, /* one fd: what to write */
	ERRAND_MADE,
	ERRAND_REMOVE,
};

struct errand {
	uint32_t op;
	uint32_t path;
	uint32_t number;
	uint32_t answered; /* WRITE: 1: by an int32_t, 0 or negative errno */
};

void errands_init(struct errands *errands)
{
	*errands = (struct errands){.socket = -1};
}

/* --- doing them ------------------------------------------------------------------------------- */

static int copy(int from, int to)
{
	static char chunk[CHUNK];
	off_t at = 0;
	for (;;) {
		ssize_t got = pread(from, chunk, sizeof(chunk), at);
		if (got <= 0) {
			return got < 0 ? -errno : 0;
		}
		at += got;
		for (ssize_t done = 0; done < got;) {
			ssize_t wrote = write(to, chunk + done, (size_t)(got - done));
			if (wrote < 0 && errno != EINTR) {
				return -errno;
			}
			done += wrote > 0 ? wrote : 0;
		}
		if (at > MAX_BYTES) {
			return -EFBIG;
		}
	}
}

static char *numbered(const char *path, uint32_t number)
{
	const char *end = strrchr(path, '.');
	const char *slash = strrchr(path, '/');
	char *name = NULL;
	if (number == ERRANDS_NO_NUMBER) {
		return strdup(path);
	}
	if (end == NULL || (slash != NULL && end < slash)) {
		end = path + strlen(path);
	}
	return asprintf(&name, "%.*s-%u%s", (int)(end - path), path, number, end) < 0 ? NULL : name;
}

static int write_whole(const char *given, uint32_t number, int from)
{
	struct stat info;
	char *partial = NULL;
	char *path = numbered(given, number);
	/* A pipe would hold us up. */
	if (fstat(from, &info) < 0 || !S_ISREG(info.st_mode) || path == NULL ||
	    asprintf(&partial, "%s.part", path) < 0) {
		free(path);
		return -EINVAL;
	}
	int to = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int error = to < 0 ? -errno : copy(from, to);
	if (to >= 0 && close(to) < 0 && error == 0) {
		error = -errno;
	}
	if (error == 0 && rename(partial, path) < 0) {
		error = -errno;
	}
	if (error < 0) {
		unlink(partial);
		log_error("%s could not be written: %s", path, strerror(-error));
	}
	free(partial);
	free(path);
	return error;
}

static int carry_out(struct errands *errands, const struct errand *errand, int fd)
{
	const char *path = errand->path < ERRANDS_MAX_PATHS ? errands->paths[errand->path] : NULL;
	if (path == NULL) {
		return -EINVAL;
	}
	switch (errand->op) {
	case ERRAND_WRITE:
		return fd < 0 ? -EINVAL : write_whole(path, errand->number, fd);
	case ERRAND_MADE:
		errands->made[errand->path] = true;
		return 0;
	case ERRAND_REMOVE:
		if (errands->made[errand->path]) {
			errands->made[errand->path] = false;
			unlink(path);
		}
		return 0;
	default:
		return -EINVAL;
	}
}

int errands_serve(struct errands *errands, int socket)
{
	struct errand errand;
	struct iovec iov = {&errand, sizeof(errand)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (size <= 0) {
		return size < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : -EPIPE;
	}
	int fd = -1;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int))) {
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	}
	if (size == sizeof(errand)) {
		int32_t result = carry_out(errands, &errand, fd);
		if (errand.op == ERRAND_WRITE && errand.answered == 1) {
			send(socket, &result, sizeof(result), MSG_NOSIGNAL | MSG_DONTWAIT);
		}
	}
	fd_close(&fd);
	return 0;
}

/* --- asking for them -------------------------------------------------------------------------- */

static int ask(struct errands *errands, const struct errand *errand, int fd)
{
	struct iovec iov = {(void *)errand, sizeof(*errand)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (errands->socket < 0) {
		return carry_out(errands, errand, fd);
	}
	if (fd >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	/* Who does not wait for the outcome does not wait for a slow disk either. */
	int flags = MSG_NOSIGNAL | (errand->answered == 1 ? 0 : MSG_DONTWAIT);
	ssize_t sent;
	do {
		sent = sendmsg(errands->socket, &message, flags);
	} while (sent < 0 && errno == EINTR);
	int32_t result = sent < 0 ? -errno : 0;
	if (result == 0 && errand->answered == 1) {
		ssize_t got;
		do {
			got = recv(errands->socket, &result, sizeof(result), 0);
		} while (got < 0 && errno == EINTR);
		result = got == sizeof(result) ? result : -EPIPE;
	}
	return result;
}

FILE *errands_open(void)
{
	int fd = memfd_create("hesper-file", MFD_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL) {
		fd_close(&fd);
	}
	return file;
}

int errands_write(struct errands *errands, unsigned path, uint32_t number, FILE *file, bool wait)
{
	if (file == NULL) {
		return -ENOMEM;
	}
	const struct errand errand = {ERRAND_WRITE, path, number, wait};
	int error = fflush(file) != 0 ? -EIO : ask(errands, &errand, fileno(file));
	fclose(file);
	return error;
}

int errands_made(struct errands *errands, unsigned path)
{
	return ask(errands, &(struct errand){.op = ERRAND_MADE, .path = path}, -1);
}

void errands_remove(struct errands *errands, unsigned path)
{
	ask(errands, &(struct errand){.op = ERRAND_REMOVE, .path = path}, -1);
}

void errands_remove_all(struct errands *errands)
{
	for (unsigned i = 0; i < ERRANDS_MAX_PATHS; i++) {
		errands_remove(errands, i);
	}
}

static _Noreturn void run(struct errands *errands, int socket)
{
	struct sandbox_filter *filter = NULL;
	/* A terminal's Ctrl-C is for who asks: what it wants written at its end is still written. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	int keep = fcntl(socket, F_DUPFD_CLOEXEC, 3);
	dup2(keep, 3);
	close_range(4, ~0u, 0);
	prctl(PR_SET_NAME, "hesper-errands");
	sandbox_hide();
	if (sandbox_drop_privileges(0, NULL) == 0 &&
	    sandbox_filter_create(SANDBOX_KEEPER, &filter) == 0) {
		sandbox_filter_enter(filter, NULL);
	}
	while (errands_serve(errands, 3) != -EPIPE) {
	}
	_exit(0);
}

int errands_start(struct errands *errands)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return -errno;
	}
	pid_t pid = fork();
	if (pid == 0) {
		run(errands, pair[1]);
	}
	int error = -errno;
	fd_close(&pair[1]);
	if (pid < 0) {
		fd_close(&pair[0]);
		return error;
	}
	errands->socket = pair[0];
	errands->runner = pid;
	return 0;
}

void errands_finish(struct errands *errands)
{
	fd_close(&errands->socket);
	if (errands->runner > 0) {
		waitpid(errands->runner, NULL, 0);
		errands->runner = 0;
	}
}
