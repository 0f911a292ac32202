/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <hesper/gate.h>

/*
 * What was waited for in vain is not waited for again in the same state: a gate that does not open in time
 * is out of order, or a viewer is slower than anybody has patience for, and that costs the guest one wait and
 * not one for each submission.
 */

#define NS_PER_MS 1000000l
#define NS_PER_S 1000000000l

static struct hesper_gate *gate;
static _Atomic uint32_t given_up; /* enum hesper_gate_state */

static void find(void)
{
	const char *text = getenv(HESPER_GATE_ENV);
	if (!text) {
		return;
	}
	void *at = mmap(NULL, HESPER_GATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(text), 0);
	gate = at == MAP_FAILED ? NULL : at;
}

bool gate_exists(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, find);
	return gate;
}

static struct timespec after_ms(struct timespec when, long ms)
{
	when.tv_nsec += ms * NS_PER_MS;
	when.tv_sec += when.tv_nsec / NS_PER_S;
	when.tv_nsec %= NS_PER_S;
	return when;
}

/* FUTEX_WAIT_BITSET takes the time at which to give up, in CLOCK_MONOTONIC; FUTEX_WAIT a duration. */
static bool wait_until(uint32_t state, const struct timespec *until)
{
	long r = syscall(SYS_futex, &gate->state, FUTEX_WAIT_BITSET, state, until, NULL,
			 FUTEX_BITSET_MATCH_ANY);
	return r == 0 || errno == EAGAIN || errno == EINTR;
}

void gate_wait(void)
{
	uint32_t state;
	if (!gate_exists()) {
		return;
	}
	state = atomic_load(&gate->state);
	if (state == HESPER_GATE_OPEN || state >= HESPER_GATE_STATES) {
		atomic_store_explicit(&given_up, HESPER_GATE_OPEN, memory_order_relaxed);
		return;
	}
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const struct timespec until[HESPER_GATE_STATES] = {
		[HESPER_GATE_READ] = after_ms(now, HESPER_GATE_READ_MS),
		[HESPER_GATE_LEFT] = after_ms(now, HESPER_GATE_LEFT_MS),
	};
	atomic_fetch_add(&gate->waiters, 1);
	while ((state = atomic_load(&gate->state)) != HESPER_GATE_OPEN &&
	       state < HESPER_GATE_STATES &&
	       state > atomic_load_explicit(&given_up, memory_order_relaxed)) {
		if (!wait_until(state, &until[state])) {
			atomic_store_explicit(&given_up, state, memory_order_relaxed);
		}
	}
	atomic_fetch_sub(&gate->waiters, 1);
}
