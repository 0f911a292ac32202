/* SPDX-License-Identifier: MIT */
#include "pages.h"

#include <hesper/guest_pages.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * One reservation of addresses, and over it one mapping for each piece: the driver sees memory of
 * one piece, and writes what the guest's CPU reads. Nothing in the list is believed, although
 * hesperd made it: what does not hold is an invalid handle, never a fault.
 */

struct list {
	struct hesper_pages head;
	int fds[1 + HESPER_PAGES_MAX_FILES]; /* the list itself, then the files; -1 when empty */
	const struct hesper_pages_piece *pieces; /* mapped */
	uint64_t file_sizes[HESPER_PAGES_MAX_FILES];
};

static size_t list_bytes(const struct list *list)
{
	return list->head.pieces * sizeof(list->pieces[0]);
}

static void list_close(struct list *list)
{
	if (list->pieces) {
		munmap((void *)list->pieces, list_bytes(list));
	}
	for (size_t i = 0; i < sizeof(list->fds) / sizeof(list->fds[0]); i++) {
		if (list->fds[i] >= 0) {
			close(list->fds[i]);
		}
	}
}

/* The message without its fds, which are not even installed. */
static bool peek_head(int fd, struct hesper_pages *head)
{
	return recv(fd, head, sizeof(*head), MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof(*head) &&
	       head->magic == HESPER_PAGES_MAGIC;
}

bool pages_is(int fd)
{
	int type;
	socklen_t size = sizeof(type);
	struct hesper_pages head;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
	       peek_head(fd, &head);
}

static int receive(int fd, struct list *list)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(list->fds))];
	} control;
	struct iovec iov = {.iov_base = &list->head, .iov_len = sizeof(list->head)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0) {
		return errno == EMFILE ? -EMFILE : -EINVAL;
	}
	size_t count = 0;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(list->fds, CMSG_DATA(cmsg), count * sizeof(int));
	}
	if (message.msg_flags & MSG_CTRUNC) {
		return -EMFILE; /* no room for them in this process */
	}
	if (got != (ssize_t)sizeof(list->head) || list->head.magic != HESPER_PAGES_MAGIC ||
	    list->head.files > HESPER_PAGES_MAX_FILES || count != 1 + list->head.files ||
	    list->head.pieces == 0 || list->head.pieces > HESPER_PAGES_MAX_PIECES) {
		return -EINVAL;
	}
	return 0;
}

static int list_open(int fd, struct list *list)
{
	*list = (struct list){0};
	memset(list->fds, -1, sizeof(list->fds));
	int error = receive(fd, list);
	if (error < 0) {
		return error;
	}
	struct stat info;
	if (fstat(list->fds[0], &info) < 0 || (size_t)info.st_size < list_bytes(list)) {
		return -EINVAL;
	}
	void *pieces = mmap(NULL, list_bytes(list), PROT_READ, MAP_SHARED, list->fds[0], 0);
	if (pieces == MAP_FAILED) {
		return -errno;
	}
	list->pieces = pieces;
	for (uint32_t i = 0; i < list->head.files; i++) {
		if (fstat(list->fds[1 + i], &info) < 0) {
			return -EINVAL;
		}
		list->file_sizes[i] = (uint64_t)info.st_size;
	}
	return 0;
}

/* Beyond the end of a file lies SIGBUS. */
static bool piece_holds(const struct list *list, const struct hesper_pages_piece *piece)
{
	return piece->file < list->head.files && piece->length > 0 &&
	       piece->length <= list->file_sizes[piece->file] &&
	       piece->offset <= list->file_sizes[piece->file] - piece->length;
}

bool pages_hold(int fd)
{
	struct list list;
	uint64_t size = 0;
	bool holds = list_open(fd, &list) == 0;
	for (uint32_t i = 0; holds && i < list.head.pieces; i++) {
		holds = piece_holds(&list, &list.pieces[i]);
		size += list.pieces[i].length;
	}
	holds = holds && size == list.head.size;
	list_close(&list);
	return holds;
}

static int map_pieces(const struct list *list, uint8_t *at, size_t size)
{
	for (uint32_t i = 0; i < list->head.pieces && size > 0; i++) {
		const struct hesper_pages_piece piece = list->pieces[i];
		if (!piece_holds(list, &piece)) {
			return -EINVAL;
		}
		size_t length = piece.length < size ? (size_t)piece.length : size;
		if (mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 list->fds[1 + piece.file], (off_t)piece.offset) == MAP_FAILED) {
			return -errno;
		}
		at += length;
		size -= length;
	}
	return size == 0 ? 0 : -EINVAL;
}

/* What rounding adds behind the pieces is memory of nobody else's. */
static int map_list(struct backing *backing, const struct list *list, size_t size)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED) {
		return -errno;
	}
	int error = map_pieces(list, data, size < list->head.size ? size : list->head.size);
	if (error < 0) {
		munmap(data, size);
		return error;
	}
	backing->data = data;
	backing->size = size;
	return 0;
}

int pages_adopt(struct backing *backing, int fd, VkDeviceSize size, VkDeviceSize alignment)
{
	*backing = (struct backing)BACKING_EMPTY;
	struct list list;
	size_t map_size;
	int error = list_open(fd, &list);
	if (error == 0 && (!backing_round(size, alignment, &map_size) || size > list.head.size)) {
		error = -EINVAL;
	}
	if (error == 0) {
		error = map_list(backing, &list, map_size);
	}
	if (error == 0) {
		backing->fd = fd;
	}
	list_close(&list);
	return error;
}
