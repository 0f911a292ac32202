/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_PAGES_H
#define HESPER_GUEST_PAGES_H

#include <stdint.h>

/*
 * Pages of the guest's RAM as one fd, for who can only be handed an fd: hesperd gives such fds to
 * libvirglrenderer as if they were dma-bufs, and the Vulkan layer in the renderer's process maps
 * the pages side by side.
 *
 * The fd is a SOCK_SEQPACKET unix socket whose other end is closed, with one message in it that is
 * only ever peeked at (MSG_PEEK): a struct hesper_pages, and as SCM_RIGHTS a memfd with `pieces`
 * struct hesper_pages_piece, sealed against writing, and then `files` files with the pages
 * themselves. So duplicates of the fd all tell the same, and the kernel drops what it holds with
 * the last of them. All numbers in host byte order.
 */
#define HESPER_PAGES_MAGIC 0x31736567617068ull /* "hpages1" */
#define HESPER_PAGES_MAX_FILES 16
#define HESPER_PAGES_MAX_PIECES 16384 /* a process has 65530 mappings by default */

struct hesper_pages {
	uint64_t magic;
	uint64_t size; /* bytes of all pieces together */
	uint32_t files;
	uint32_t pieces;
};

struct hesper_pages_piece {
	uint64_t offset; /* bytes into the file, a multiple of the page size */
	uint64_t length; /* bytes, likewise */
	uint32_t file; /* index */
	uint32_t zero;
};

#endif
