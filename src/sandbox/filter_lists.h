/* SPDX-License-Identifier: MIT */
#ifndef HESPER_SANDBOX_FILTER_LISTS_H
#define HESPER_SANDBOX_FILTER_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/filter.h"

/* Between filter.c, which makes filters of them, and filter_lists.c. */

/* Allowed where an argument is as given: (argument & mask) == value. mask 0: always. */
struct sandbox_call {
	int number; /* SCMP_SYS() */
	unsigned argument;
	uint64_t mask;
	uint64_t value;
};

/* For value: the process that makes the filter. */
#define SANDBOX_SELF UINT64_MAX

struct sandbox_group {
	const struct sandbox_call *calls;
	size_t count;
};

enum sandbox_default {
	SANDBOX_DEFAULT_TELL, /* EPERM and a line */
	SANDBOX_DEFAULT_EPERM,
	SANDBOX_DEFAULT_ENOSYS,
	SANDBOX_DEFAULT_ALLOW,
};

struct sandbox_list {
	enum sandbox_default others;
	const struct sandbox_group *allowed; /* up to one of count 0 */
	const struct sandbox_group *killing; /* the process ends; or NULL */
	const struct sandbox_group *telling; /* as DEFAULT_TELL; or NULL */
	const struct sandbox_group *missing; /* as DEFAULT_ENOSYS; or NULL */
};

const struct sandbox_list *sandbox_list_of(enum sandbox_profile profile);

#endif
