/* SPDX-License-Identifier: MIT */
#ifndef HESPER_GUEST_MEMORY_TIMES_H
#define HESPER_GUEST_MEMORY_TIMES_H

#include <stdint.h>

/*
 * Makes and maps count host blobs through the kernel alone, as Mesa does for a command ring, and keeps
 * them; prints a line of JSON with what each took, in µs. Exit status.
 */
int times_run(uint32_t count);

#endif
