/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_GOLDEN_LOOKER_H
#define HESPER_TESTS_GOLDEN_LOOKER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon.h"
#include "display/client.h"
#include "util/clock.h"

/*
 * A viewer of the first head inside of the test, which looks at no pixel, so that what does not come
 * is seen, too. Its connection's end fails the test. One thread; the struct must stay where it is.
 */
struct looker {
	uv_loop_t loop;
	struct display_client *client;
	bool known;
	bool enabled;
	unsigned scanouts;
	unsigned updates;
	unsigned disables;
	struct rect updated;
	uint32_t width; /* of the last scanout */
	uint32_t height;
	bool slow; /* updates are answered by looker_answer */
	struct display_update *unanswered;
};

/* Returns when the head is known. */
void looker_open(struct looker *looker, struct daemon *daemon);
void looker_close(struct looker *looker);

/* Answers the update that waits for it; fails when there is none. */
void looker_answer(struct looker *looker);

/* Both ends go on for a moment. */
void looker_turn(struct looker *looker, struct daemon *daemon);
void looker_watch(struct looker *looker, struct daemon *daemon, unsigned ms);

#define LOOKER_PATIENCE_NS (5 * CLOCK_NS_PER_S)

#define looker_until(looker, daemon, condition)                                                    \
	do {                                                                                       \
		uint64_t end_ = clock_now_ns() + LOOKER_PATIENCE_NS;                               \
		while (!(condition)) {                                                             \
			looker_turn(looker, daemon);                                               \
			if (clock_now_ns() > end_) {                                               \
				fail_msg("never: %s", #condition);                                 \
			}                                                                          \
		}                                                                                  \
	} while (0)

#endif
