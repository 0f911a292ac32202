/* SPDX-License-Identifier: MIT */
#ifndef HESPER_RENDER_WIRE_H
#define HESPER_RENDER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "render/render.h"

/*
 * What hesperd and a hesper-render process say to each other, on a SOCK_SEQPACKET socket: one
 * datagram a message, both ends built from the same tree. A process has one context.
 *
 * hesperd believes nothing that comes back: a guest's bytes, a driver's bugs and libvirglrenderer
 * are all behind it. Sizes and the number of fds are checked here; whether a message may come now,
 * and what its fields say, is checked by the reader.
 */
enum render_wire_type {
	/* hesperd to process. The first two are answered by DONE, in order; the others never. */
	RENDER_WIRE_CONTEXT = 1, /* once, before all others */
	RENDER_WIRE_BLOB,
	RENDER_WIRE_UNREF, /* of a resource that the process made or imported */
	RENDER_WIRE_IMPORT, /* attach another's resource; one fd */
	RENDER_WIRE_ATTACH, /* attach one that the process made, after a DETACH */
	RENDER_WIRE_DETACH,
	RENDER_WIRE_SUBMIT, /* commands behind it in the datagram, or in a sealed memfd; or none */
	/* process to hesperd. */
	RENDER_WIRE_READY, /* once, first; one fd if gate is not 0 */
	RENDER_WIRE_DONE, /* one fd if fd_type is not NONE */
	RENDER_WIRE_FENCE,
	RENDER_WIRE_LOST, /* the last one */
	RENDER_WIRE_TYPE_COUNT,
};

/* Commands up to this go in the datagram: it has to fit the socket's buffer several times. */
#define RENDER_WIRE_INLINE_BYTES 32768u

enum render_wire_fd_type {
	RENDER_WIRE_FD_NONE,
	RENDER_WIRE_FD_SHM,
	RENDER_WIRE_FD_DMA_BUF, /* or a memfd that hesper's Vulkan layer passes as one */
	RENDER_WIRE_FD_TYPE_COUNT,
};

struct render_wire_message {
	uint32_t type; /* enum render_wire_type */
	uint32_t sequence; /* CONTEXT, BLOB: 1, 2, 3…; DONE: of what it answers; else 0 */
	union {
		struct {
			uint32_t context; /* for names and logs */
			uint32_t capset;
			uint32_t name_length;
			char name[64];
		} context;
		struct {
			uint32_t resource;
			uint32_t flags;
			uint64_t blob_id;
			uint64_t size;
		} blob;
		struct {
			uint32_t resource;
		} resource; /* UNREF, ATTACH, DETACH */
		struct {
			uint32_t resource;
			uint32_t fd_type;
			uint64_t size;
		} import;
		struct {
			uint32_t size; /* bytes of commands */
			uint32_t fence; /* 1: make one behind them */
			uint64_t fence_id;
			uint32_t ring;
			uint32_t unused; /* the commands behind it are aligned to 8 */
		} submit;
		struct {
			struct render_capset capset;
			uint32_t gate; /* 1: one fd, of the context's gate (gate.h) */
		} ready;
		struct {
			int32_t status; /* 0 or negative errno */
			uint32_t fd_type;
			uint32_t map_info;
		} done;
		struct {
			uint64_t fence_id;
			uint32_t ring;
		} fence;
		struct {
			char reason[64]; /* terminated */
		} lost;
	};
};

struct render_wire_buffer {
	union {
		struct render_wire_message message;
		uint8_t bytes[64 + RENDER_WIRE_INLINE_BYTES];
	};
	void *tail; /* SUBMIT: the commands, in bytes */
	size_t tail_size;
	int fd; /* that came with it, or -1; the reader's */
};

/* Bytes of a message without what is behind it; 0 for a type that there is not. */
size_t render_wire_size(uint32_t type);

/*
 * Sends one message with tail_size bytes behind it and, unless fd is -1, a duplicate of fd. Blocks
 * unless the socket is non-blocking, then -EAGAIN. Negative errno; -EPIPE: nobody is there.
 */
int render_wire_send(int socket, const struct render_wire_message *message, const void *tail,
		     size_t tail_size, int fd);

enum render_wire_reader {
	RENDER_WIRE_PROCESS,
	RENDER_WIRE_HESPERD,
};

/*
 * 1: a message, of a type that is for this reader, of its size, with as many fds as it may have
 * (buffer->fd has CLOEXEC). 0: the other end is closed. -EPROTO: what came was none of that, and
 * fds in it were closed. Or negative errno, -EAGAIN when nothing is there.
 */
int render_wire_receive(int socket, enum render_wire_reader reader,
			struct render_wire_buffer *buffer);

/*
 * A memfd with these bytes, sealed against every change: how commands travel that are too large for
 * a datagram. The caller owns it. Negative errno.
 */
int render_wire_pack(const void *bytes, size_t size);

#endif
