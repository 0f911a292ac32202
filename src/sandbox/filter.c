/* SPDX-License-Identifier: MIT */
#include "sandbox/filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/filter_lists.h"
#include "sandbox/refuse.h"

struct sandbox_filter {
	scmp_filter_ctx context;
};

static int failed(const char **step, const char *what, int error)
{
	if (step != NULL) {
		*step = what;
	}
	return error;
}

static int add_call(scmp_filter_ctx context, uint32_t action, const struct sandbox_call *call)
{
	uint64_t value = call->value == SANDBOX_SELF ? (uint64_t)getpid() : call->value;
	struct scmp_arg_cmp check = {
		.arg = call->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = call->mask,
		.datum_b = value,
	};
	int error = seccomp_rule_add_array(context, action, call->number, call->mask != 0 ? 1 : 0,
					   &check);
	/* A call that this processor has not. */
	return error == -EDOM || error == -EFAULT ? 0 : error;
}

static int add_groups(scmp_filter_ctx context, uint32_t action, const struct sandbox_group *group)
{
	for (; group != NULL && group->count > 0; group++) {
		for (size_t i = 0; i < group->count; i++) {
			int error = add_call(context, action, &group->calls[i]);
			if (error < 0) {
				return error;
			}
		}
	}
	return 0;
}

static uint32_t default_action(enum sandbox_default others, uint32_t tell)
{
	switch (others) {
	case SANDBOX_DEFAULT_TELL:
		return tell;
	case SANDBOX_DEFAULT_EPERM:
		return SCMP_ACT_ERRNO(EPERM);
	case SANDBOX_DEFAULT_ENOSYS:
		return SCMP_ACT_ERRNO(ENOSYS);
	case SANDBOX_DEFAULT_ALLOW:
		return SCMP_ACT_ALLOW;
	}
	return SCMP_ACT_ERRNO(EPERM);
}

int sandbox_filter_create(enum sandbox_profile profile, struct sandbox_filter **out)
{
	const struct sandbox_list *list = sandbox_list_of(profile);
	struct sandbox_filter *filter = calloc(1, sizeof(*filter));
	if (filter == NULL) {
		return -ENOMEM;
	}
	uint32_t tell = SCMP_ACT_TRAP;
	if (list->others == SANDBOX_DEFAULT_TELL || list->telling != NULL) {
		/* A process that cannot tell still refuses. */
		tell = refuse_start() == 0 ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM);
	}
	filter->context = seccomp_init(default_action(list->others, tell));
	int error = filter->context == NULL ? -ENOMEM : 0;
	if (error == 0) {
		/* Of another kind of processor, such as int 0x80: nobody of ours makes those. */
		seccomp_attr_set(filter->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
		/* The kernel looks a number up in a tree: submits make many calls. */
		seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		/* Threads that are there already are in it, too. */
		seccomp_attr_set(filter->context, SCMP_FLTATR_CTL_TSYNC, 1);
		error = add_groups(filter->context, SCMP_ACT_ALLOW, list->allowed);
	}
	if (error == 0) {
		error = add_groups(filter->context, SCMP_ACT_KILL_PROCESS, list->killing);
	}
	if (error == 0) {
		error = add_groups(filter->context, tell, list->telling);
	}
	if (error == 0) {
		error = add_groups(filter->context, SCMP_ACT_ERRNO(ENOSYS), list->missing);
	}
	if (error < 0) {
		sandbox_filter_destroy(filter);
		return error;
	}
	*out = filter;
	return 0;
}

void sandbox_filter_destroy(struct sandbox_filter *filter)
{
	if (filter != NULL) {
		seccomp_release(filter->context);
		free(filter);
	}
}

int sandbox_filter_enter(const struct sandbox_filter *filter, const char **step)
{
	int error = seccomp_load(filter->context);
	return error < 0 ? failed(step, "seccomp", error) : 0;
}

int sandbox_filter_try(const char **step)
{
	struct sandbox_filter *filter;
	int error = sandbox_filter_create(SANDBOX_HESPERD, &filter);
	if (error < 0) {
		return failed(step, "libseccomp", error);
	}
	error = sandbox_filter_enter(filter, step);
	return error;
}
