/* SPDX-License-Identifier: MIT */
/* hesperd's end of a gate and the layer's together: who waits, for how long, and who is let through. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../layer/gate.h"
#include "render/gate.h"
#include "util/clock.h"
#include "util/fd.h"

static struct hesper_gate *gate;

static double wait_ms(void)
{
	uint64_t start = clock_now_ns();
	gate_wait();
	return (double)(clock_now_ns() - start) / CLOCK_NS_PER_MS;
}

static void *pass(void *data)
{
	*(double *)data = wait_ms();
	return NULL;
}

/* The layer finds it once, by the environment. */
static int open_gate(void **state)
{
	char number[16];
	int fd = gate_create();
	assert_true(fd >= 0);
	gate = gate_map(fd);
	assert_non_null(gate);
	snprintf(number, sizeof(number), "%d", fd);
	setenv(HESPER_GATE_ENV, number, 1);
	assert_true(gate_exists());
	close(fd);
	return 0;
}

static int close_gate(void **state)
{
	gate_unmap(gate);
	gate_unmap(NULL);
	return 0;
}

static void test_waits_until_it_opens(void **state)
{
	for (enum hesper_gate_state s = HESPER_GATE_READ; s < HESPER_GATE_STATES; s++) {
		enum { THREADS = 4 };
		pthread_t threads[THREADS];
		double ms[THREADS];
		gate_set(gate, HESPER_GATE_OPEN);
		assert_true(wait_ms() < 1000);
		gate_set(gate, s);
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_create(&threads[i], NULL, pass, &ms[i]), 0);
		}
		gate_set(gate, HESPER_GATE_OPEN);
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		}
		assert_int_equal(atomic_load(&gate->waiters), 0);
	}
}

static void test_gives_up_once_in_each_state(void **state)
{
	gate_set(gate, HESPER_GATE_OPEN);
	gate_wait();
	gate_set(gate, HESPER_GATE_READ);
	assert_true(wait_ms() >= HESPER_GATE_READ_MS);
	/* Seven more times would take as long at least. */
	double again = 0;
	for (int i = 0; i < 1000; i++) {
		again += wait_ms();
	}
	assert_true(again < 1000 * HESPER_GATE_READ_MS / 2);
	/* What is worse is waited for, too. */
	gate_set(gate, HESPER_GATE_LEFT);
	assert_true(wait_ms() >= HESPER_GATE_LEFT_MS);
	gate_set(gate, HESPER_GATE_READ);
	again = 0;
	for (int i = 0; i < 1000; i++) {
		again += wait_ms();
	}
	assert_true(again < 1000 * HESPER_GATE_READ_MS / 2);
	/* When it was open, all is as at first. */
	gate_set(gate, HESPER_GATE_OPEN);
	gate_wait();
	gate_set(gate, HESPER_GATE_READ);
	assert_true(wait_ms() >= HESPER_GATE_READ_MS);
	gate_set(gate, HESPER_GATE_OPEN);
}

/* The guest may own the process that the page is shared with. */
static void test_any_state_lets_through(void **state)
{
	gate_set(gate, HESPER_GATE_OPEN);
	gate_wait();
	atomic_store(&gate->state, HESPER_GATE_STATES);
	gate_wait();
	atomic_store(&gate->state, UINT32_MAX);
	gate_wait();
	gate_set(gate, HESPER_GATE_OPEN);
}

static void test_only_a_gate_is_mapped(void **state)
{
	int loose = memfd_create("loose", MFD_CLOEXEC);
	int brief = memfd_create("short", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(loose, HESPER_GATE_BYTES), 0);
	assert_int_equal(ftruncate(brief, HESPER_GATE_BYTES - 1), 0);
	assert_int_equal(fcntl(brief, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_null(gate_map(loose));
	assert_null(gate_map(brief));
	assert_null(gate_map(null));
	assert_null(gate_map(-1));
	int fds[] = {loose, brief, null};
	fd_close_all(fds, 3);
	/* Of one that was made for it, nobody can take the pages away. */
	int fd = gate_create();
	assert_int_not_equal(ftruncate(fd, 0), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_until_it_opens),
		cmocka_unit_test(test_gives_up_once_in_each_state),
		cmocka_unit_test(test_any_state_lets_through),
		cmocka_unit_test(test_only_a_gate_is_mapped),
	};
	return cmocka_run_group_tests(tests, open_gate, close_gate);
}
