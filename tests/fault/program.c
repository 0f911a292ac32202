/* SPDX-License-Identifier: MIT */
#include "fault_impl.h"

/* Linked to a program whose calls are to fail: see fault_lend. */

static void __attribute__((constructor)) borrow(void)
{
	fault_borrow();
}
