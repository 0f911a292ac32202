/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_SESSION_H
#define HESPER_TESTS_WIRE_SESSION_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "device.h"
#include "front.h"
#include "util/fd.h"

/*
 * A fixture for tests of the session: a device and a front end in this process, joined by a
 * socket pair, past QEMU's start. The teardown fails the test when an fd is left.
 */
#define SESSION_QUEUES 2
#define SESSION_RAM (4u << 20)

struct session {
	unsigned fds_before;
	bool front_open;
	struct test_device device;
	struct wire_front front;
};

unsigned session_count_fds(void);
/* Lines of /proc/self/maps that contain word. */
unsigned session_count_maps(const char *word);

/* cmocka group setup: lets libraries open the fds that they keep for good. */
int session_warm_up(void **state);
/* cmocka setup and teardown; *state is a struct session. */
int session_setup(void **state);
int session_setup_unstarted(void **state);
int session_setup_no_window(void **state);
int session_teardown(void **state);

/* What either thread of the back end posted to the other before has been handled after this. */
void session_settle(struct session *session);

/* A memfd called "window" of size bytes, filled with value. */
int session_memfd(uint64_t size, uint8_t value);

#define session_test(name) cmocka_unit_test_setup_teardown(name, session_setup, session_teardown)
#define session_test_unstarted(name)                                                               \
	cmocka_unit_test_setup_teardown(name, session_setup_unstarted, session_teardown)

#endif
