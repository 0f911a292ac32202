/* SPDX-License-Identifier: MIT */
/*
 * A guest's 2D ("dumb") buffer is pages anywhere in its RAM; Vulkan imports memory as one fd. Two
 * ways to make one, neither of which copies:
 *
 * Where hesper's layer shares memory, the fd carries the list of pieces (<hesper/guest_pages.h>) and
 * the layer maps them side by side. The renderer's process of that context then has fds of the
 * guest's whole RAM: it runs what this very guest submits, so that gives nothing away to the host or
 * another guest, but a program that took that process over could read its own guest's kernel.
 *
 * Where the driver shares dma-bufs, /dev/udmabuf makes one of the pieces, and of nothing else.
 *
 * Lifetime. The guest may give the pages to somebody else while the renderer still has them mapped
 * (DETACH_BACKING, UNREF); RAM itself stays, so what a late write of the GPU hits is the guest's own,
 * as with any device that it did not wait for.
 */
#include "gpu/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <hesper/guest_pages.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct pieces {
	uint64_t page; /* bytes */
	uint64_t size; /* bytes so far */
	uint32_t count;
	uint32_t files;
	int fds[HESPER_PAGES_MAX_FILES]; /* borrowed of the guest's memory */
	struct hesper_pages_piece *list; /* room for HESPER_PAGES_MAX_PIECES */
};

static int file_index(struct pieces *pieces, int fd)
{
	for (uint32_t i = 0; i < pieces->files; i++) {
		if (pieces->fds[i] == fd) {
			return (int)i;
		}
	}
	if (pieces->files == HESPER_PAGES_MAX_FILES) {
		return -E2BIG;
	}
	pieces->fds[pieces->files] = fd;
	return (int)pieces->files++;
}

/* last: it may end within a page, all of which is the guest's. */
static int add_piece(struct pieces *pieces, struct guest_memory *memory, const struct iovec *iov,
		     bool last)
{
	int fd;
	uint64_t offset;
	uint64_t length = iov->iov_len;
	if (last) {
		length = (length + pieces->page - 1) & ~(pieces->page - 1);
	}
	if (!guest_memory_file(memory, iov->iov_base, &fd, &offset) || offset % pieces->page != 0 ||
	    length % pieces->page != 0) {
		return -EOPNOTSUPP;
	}
	int file = file_index(pieces, fd);
	if (file < 0) {
		return file;
	}
	pieces->size += length;
	if (pieces->count > 0) {
		struct hesper_pages_piece *before = &pieces->list[pieces->count - 1];
		if (before->file == (uint32_t)file && before->offset + before->length == offset) {
			before->length += length;
			return 0;
		}
	}
	if (pieces->count == HESPER_PAGES_MAX_PIECES) {
		return -E2BIG;
	}
	pieces->list[pieces->count++] = (struct hesper_pages_piece){
		.offset = offset, .length = length, .file = (uint32_t)file};
	return 0;
}

static int collect(struct pieces *pieces, const struct gpu_backing *backing, uint64_t size)
{
	uint64_t left = size;
	for (size_t i = 0; i < backing->count && left > 0; i++) {
		struct iovec iov = backing->iov[i];
		iov.iov_len = iov.iov_len < left ? iov.iov_len : (size_t)left;
		left -= iov.iov_len;
		int error = add_piece(pieces, backing->memory, &iov, left == 0);
		if (error < 0) {
			return error;
		}
	}
	return left == 0 ? 0 : -EOPNOTSUPP;
}

/* A memfd with the list, which nobody can change any more. */
static int write_list(const struct pieces *pieces)
{
	size_t bytes = pieces->count * sizeof(pieces->list[0]);
	int fd = memfd_create("hesper-pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return -errno;
	}
	if (write(fd, pieces->list, bytes) != (ssize_t)bytes ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int send_list(int to, const struct pieces *pieces, int list)
{
	int fds[1 + HESPER_PAGES_MAX_FILES] = {list};
	memcpy(fds + 1, pieces->fds, pieces->files * sizeof(int));
	size_t fds_bytes = (1 + pieces->files) * sizeof(int);
	struct hesper_pages head = {
		.magic = HESPER_PAGES_MAGIC,
		.size = pieces->size,
		.files = pieces->files,
		.pieces = pieces->count,
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control = {0};
	struct iovec iov = {.iov_base = &head, .iov_len = sizeof(head)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(fds_bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(fds_bytes);
	memcpy(CMSG_DATA(cmsg), fds, fds_bytes);
	return sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int share_by_list(const struct pieces *pieces)
{
	int pair[2];
	int list = write_list(pieces);
	if (list < 0) {
		return list;
	}
	int error = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		error = -errno;
	} else {
		error = send_list(pair[0], pieces, list);
		close(pair[0]);
		if (error < 0) {
			close(pair[1]);
		}
	}
	close(list);
	return error < 0 ? error : pair[1];
}

static int share_by_udmabuf(const struct pieces *pieces, int udmabuf)
{
	if (udmabuf < 0) {
		return -EOPNOTSUPP;
	}
	struct udmabuf_create_list *create =
		calloc(1, sizeof(*create) + pieces->count * sizeof(create->list[0]));
	if (create == NULL) {
		return -ENOMEM;
	}
	create->flags = UDMABUF_FLAGS_CLOEXEC;
	create->count = pieces->count;
	for (uint32_t i = 0; i < pieces->count; i++) {
		create->list[i].memfd = (uint32_t)pieces->fds[pieces->list[i].file];
		create->list[i].offset = pieces->list[i].offset;
		create->list[i].size = pieces->list[i].length;
	}
	/* EINVAL: also beyond its list_limit or size_limit_mb, or a file that could shrink. */
	int fd = ioctl(udmabuf, UDMABUF_CREATE_LIST, create);
	int error = errno;
	free(create);
	return fd < 0 ? (error == EINVAL ? -EOPNOTSUPP : -error) : fd;
}

int pages_share(const struct gpu_backing *backing, uint64_t size, enum gpu_pages way, int udmabuf)
{
	struct pieces pieces = {.page = (uint64_t)sysconf(_SC_PAGESIZE)};
	if (backing->memory == NULL || size == 0) {
		return -EOPNOTSUPP;
	}
	size_t most =
		backing->count < HESPER_PAGES_MAX_PIECES ? backing->count : HESPER_PAGES_MAX_PIECES;
	pieces.list = malloc(most * sizeof(pieces.list[0]));
	if (pieces.list == NULL) {
		return -ENOMEM;
	}
	int result = collect(&pieces, backing, size);
	if (result == 0) {
		result = way == GPU_PAGES_LIST ? share_by_list(&pieces)
					       : share_by_udmabuf(&pieces, udmabuf);
	}
	free(pieces.list);
	return result;
}
