/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_ATTACK_CARD_H
#define HESPER_GUEST_ATTACK_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kernel's ioctls for the GPU, as they are: no call here checks what it is given. All return 0 (or
 * what is said) or a negative errno.
 */

#define CAPSET_VENUS 4
#define PAGE 4096

/* The render node, and the node with the screens; the caller closes. */
int card_open(void);
int card_open_screen(void);
/* The render node with a Venus context of 64 rings. */
int card_context(void);
int card_init_context(int fd, uint64_t capset, uint64_t rings);

struct blob {
	uint32_t handle;
	uint32_t resource;
	uint64_t size;
};

/* memory: VIRTGPU_BLOB_MEM_*, flags: VIRTGPU_BLOB_FLAG_USE_*. */
int card_blob(int fd, uint32_t memory, uint32_t flags, uint64_t id, uint64_t size,
	      struct blob *blob);
/* A host blob of shared memory that can be mapped: what Mesa has its rings in. */
int card_shm(int fd, uint64_t size, struct blob *blob);
int card_close(int fd, uint32_t handle);
int card_info(int fd, uint32_t handle, uint32_t *resource);
int card_wait(int fd, uint32_t handle, bool now);
int card_map_offset(int fd, uint32_t handle, uint64_t *offset);
/* Of size bytes of what handle is; munmap is the caller's. */
int card_map(int fd, uint32_t handle, uint64_t size, void **address);

int card_submit(int fd, const void *commands, size_t size);
/* With a fence on a ring; *fence, the caller's, becomes readable when it has signalled. */
int card_submit_fenced(int fd, uint32_t ring, const void *commands, size_t size, int *fence);
/* 0, or -ETIMEDOUT when the fence has not signalled within a time that is long for anything here. */
int card_await(int fence);
/* Waits until all that was submitted before on ring 0 was answered: a command that is never answered
 * is -ETIMEDOUT. */
int card_settle(int fd);

/* Whether the context of fd still makes and maps memory. */
bool card_works(int fd);
/* NULL when works is what card_works says. */
const char *card_expect(int fd, bool works);

struct dumb {
	uint32_t handle;
	uint32_t pitch;
	uint64_t size;
};

int card_dumb(int fd, uint32_t width, uint32_t height, uint32_t bits, struct dumb *dumb);
int card_map_dumb(int fd, const struct dumb *dumb, void **address);
/* The fd of a dma-buf, or a negative errno. */
int card_export(int fd, uint32_t handle);
int card_import(int fd, int dma_buf, uint32_t *handle);

/* ioctl with a negative errno. */
int card_ioctl(int fd, unsigned long request, void *argument);

#endif
