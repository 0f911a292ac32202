/* SPDX-License-Identifier: MIT */
#ifndef HESPER_SANDBOX_FILTER_H
#define HESPER_SANDBOX_FILTER_H

/*
 * The system calls stage: seccomp filters. Each is a list of what is allowed, in filter_lists.c, with
 * a reason for every group. A filter holds for all threads, and for what is started later.
 */
enum sandbox_profile {
	SANDBOX_NO_RINGS, /* before any loop is made: no io_uring, all else is allowed */
	SANDBOX_HESPERD, /* once it has started; others: EPERM and a line in the log */
	SANDBOX_KEEPER, /* hesperd's other half; others: EPERM */
	SANDBOX_SPAWNER, /* others: ENOSYS. Its children have this one below theirs. */
	SANDBOX_RENDER, /* a context's processes; what is an attack ends one, others: ENOSYS */
	SANDBOX_VIEW, /* from the start; others: EPERM and a line in the log */
	SANDBOX_VIEW_CONNECTED, /* on top of it: no more sockets */
};

/* Built, but not in effect. */
struct sandbox_filter;

/* Negative errno. */
int sandbox_filter_create(enum sandbox_profile profile, struct sandbox_filter **out);
void sandbox_filter_destroy(struct sandbox_filter *filter);

/* no_new_privs is set. May be called in a forked child. Negative errno, *step: what failed. */
int sandbox_filter_enter(const struct sandbox_filter *filter, const char **step);

/* Whether the kernel has what filters need; the caller is a process that then ends. */
int sandbox_filter_try(const char **step);

#endif
