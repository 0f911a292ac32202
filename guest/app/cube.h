/* SPDX-License-Identifier: MIT */
#ifndef GUEST_CUBE_H
#define GUEST_CUBE_H

#include "scene.h"
#include "vec.h"

#define CUBE_ROUND 0.12f /* radius of its edges; it spans -1..1 */
#define CUBE_STAR_HALO 0.55f

/* Where everything is in one frame. The shaders' push constants are made from it. */
struct cube_pose {
	struct turn3 turn;
	struct vec3 star;
	float focal_x, focal_y; /* to clip space */
	float distance; /* of the camera, on the z axis */
};

struct cube_pose cube_pose_at(uint64_t frame, uint32_t width, uint32_t height);

/* What pixels must be, worked out on the CPU: the independent half of --check. */
unsigned cube_expect(const struct cube_pose *pose, uint32_t width, uint32_t height,
		     struct scene_expected expected[SCENE_MAX_EXPECTED]);

#endif
