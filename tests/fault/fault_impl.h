/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FAULT_FAULT_IMPL_H
#define HESPER_TESTS_FAULT_FAULT_IMPL_H

#include "fault.h"

/* Between fault.c, which decides, and calls.c, which has the calls. */

#define FAULT_MAX_WAYS 3
#define FAULT_PART 10000 /* not an errno: half of what was asked for */

/*
 * The errno with which this call has to fail; 0: it is made. may_be_short: the call may come back
 * with a part of its bytes. may_wait: it may say EAGAIN; only_wait: and cannot fail else.
 */
int fault_now(enum fault_kind kind, const char *call, bool may_be_short, bool may_wait,
	      bool only_wait);
/* Whether calls of this kind are of interest at all: asking costs nothing. */
bool fault_wanted(enum fault_kind kind);

/* Allocations and mappings, by address. */
void fault_remember(const void *at, size_t size, const char *what, void *caller);
void fault_forget(const void *at);

/* Words of the log are dropped, not written. */
void fault_set_quiet(bool quiet);
/* A program's side of fault_lend. */
void fault_borrow(void);
/* Gives libuv our memory. */
void fault_replace_allocator(void);

#endif
