/* SPDX-License-Identifier: MIT */
#ifndef GUEST_DRAW_H
#define GUEST_DRAW_H

#include "present.h"
#include "scene.h"

#define DRAW_SLOTS 2

/* A frame that the GPU may be at work on. */
struct draw_slot {
	VkCommandBuffer cmd;
	VkFence fence;
	struct vk_buffer pixels; /* B G R X rows of width * 4 bytes, if it was read back */
};

/* Draws frames of a scene, up to DRAW_SLOTS at a time, and reads them back if asked. One thread. */
struct draw {
	struct vk *vk;
	const struct scene_ops *ops;
	struct scene *scene; /* owned */
	uint32_t width, height, samples;
	struct vk_image depth;
	struct vk_image many; /* samples > 1: drawn to, then resolved */
	struct draw_slot slots[DRAW_SLOTS];
};

/* Returns 0 or a negative errno, with words in vk's report and *draw finished. */
int draw_init(struct draw *draw, struct vk *vk, const struct scene_ops *ops, uint32_t width,
	      uint32_t height, const struct options *opts);
void draw_finish(struct draw *draw);

/*
 * Records and submits one frame into the canvas, ending with present's hand_over; if read_back, the
 * picture is in the slot's pixels after draw_wait. The slot must have been waited for since its
 * last use. 0 or a negative errno (reported).
 */
int draw_submit(struct draw *draw, struct draw_slot *slot, struct present *present,
		const struct canvas *canvas, uint64_t frame, bool read_back);

/* Waits for the GPU to finish what was submitted. 0 or a negative errno (reported). */
int draw_wait(struct draw *draw, struct draw_slot *slot);

/* Compares the slot's pixels with what the frame must be; the report gets what differs. */
void draw_check(struct draw *draw, const struct draw_slot *slot, uint64_t frame);

#endif
