/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_CLOCK_H
#define HESPER_UTIL_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_S 1000000000ull
#define CLOCK_NS_PER_MS 1000000ull

/* CLOCK_MONOTONIC in ns: the same clock in all processes of one host. Any thread. */
uint64_t clock_now_ns(void);

#endif
