/* SPDX-License-Identifier: MIT */
#ifndef HESPER_SANDBOX_SANDBOX_H
#define HESPER_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What a process of hesper can still do to its host once it has started. The stages, and why each
 * is there, are at the top of sandbox.c. One thread: before the others are there, unless a function
 * says otherwise.
 */
enum sandbox_mode {
	SANDBOX_OFF,
	SANDBOX_ON, /* what is impossible here is told and left out */
	SANDBOX_STRICT, /* what is impossible here is an error */
};
/* In this order, for an option. */
#define SANDBOX_CHOICES "off|on|strict"

enum sandbox_stage {
	SANDBOX_PRIVILEGES,
	SANDBOX_NAMESPACES,
	SANDBOX_EMPTY_ROOT,
	SANDBOX_LANDLOCK,
	SANDBOX_SYSTEM_CALLS,
	SANDBOX_STAGES,
};

struct sandbox_ability {
	bool works;
	int error; /* errno of what failed */
	char step[40]; /* what failed */
};

struct sandbox {
	enum sandbox_mode mode;
	struct sandbox_ability abilities[SANDBOX_STAGES];
};

/* "privileges", "namespaces" … */
const char *sandbox_stage_name(enum sandbox_stage stage);

/* What the stage's absence leaves open, for people. */
const char *sandbox_stage_loss(enum sandbox_stage stage);

/*
 * Tries every stage in a process of its own, and fills abilities. Nothing is logged, and nothing
 * changes. Negative errno if not even that could be done.
 */
int sandbox_examine(struct sandbox *sandbox);

/*
 * sandbox_examine, and a line for each stage among wanted (bits, 1 << stage) that is impossible.
 * -ENOTSUP if one is, and the mode is strict; 0 without a look when it is off.
 */
int sandbox_begin(struct sandbox *sandbox, enum sandbox_mode mode, unsigned wanted);

/* Whether the stage is to be entered: sandboxing is on, and it works here. */
bool sandbox_has(const struct sandbox *sandbox, enum sandbox_stage stage);

/* --- the stages ------------------------------------------------------------------------------- */
/* Each: 0 or negative errno, with *step (may be NULL) the call that failed. */

/*
 * Namespaces of their own for this process (mount, net, ipc, uts, cgroup) and for what it forks from
 * now on (pid); as somebody who may not make those, in a user namespace where one is the same user:
 * then *own_users (may be NULL) is true.
 */
int sandbox_unshare(bool *own_users, const char **step);

/* The root directory is an empty one, which nothing can be written into; no path leads out. */
int sandbox_empty_root(const char **step);

/*
 * No execve gives more privileges from now on, and every capability but those in keep (bits, 1 <<
 * CAP_…) is gone for good; what keep has is still lost by execve. No core is written.
 */
int sandbox_drop_privileges(uint64_t keep, const char **step);

/* Other processes of the same user can neither trace this one nor read its memory. */
void sandbox_hide(void);

#endif
