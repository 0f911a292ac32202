/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_SCENARIOS_H
#define HESPER_TESTS_WIRE_SCENARIOS_H

#include "front.h"

/*
 * What a machine does with a device in its life, for hesper's own tests, whose device answers with
 * what it read, inverted, and for the conformance suite, whose devices are GPUs. Each begins behind
 * wire_hello; features are acknowledged. Anything unexpected ends the running test.
 */
struct scenario_echo {
	/* Runs one command on the queue, and checks its answer. */
	void (*command)(void *data, unsigned queue);
	void *data;
};

/* count commands, a few of them on the second queue. */
void scenario_many_commands(struct wire_front *front, uint64_t features,
			    const struct scenario_echo *echo, unsigned count);

/* With and without indirect descriptors and event indices, as far as offered; a reset between. */
void scenario_feature_sets(struct wire_front *front, uint64_t offered,
			   const struct scenario_echo *echo, unsigned count);

/*
 * Chains that were there before the ring started are used once it is enabled. disabled is called
 * while it is started and disabled.
 */
void scenario_chains_before_enable(struct wire_front *front, uint64_t features,
				   void (*disabled)(void *data), void *data);

/* A front end that does not acknowledge bit 30: rings are enabled from the start. */
void scenario_without_protocol_features(struct wire_front *front, uint64_t features,
					const struct scenario_echo *echo);

/* The same, and what says so comes behind the rings. */
void scenario_features_after_rings(struct wire_front *front, uint64_t features,
				   const struct scenario_echo *echo);

/*
 * Pauses after commands on both queues and goes on. While paused nothing is used and no interrupt comes;
 * the base is the number of chains; what is made available meanwhile is used after.
 */
void scenario_pause(struct wire_front *front, uint64_t features, const struct scenario_echo *echo);

/* A reset: fresh rings from index 0, several times. */
void scenario_reset(struct wire_front *front, uint64_t features, const struct scenario_echo *echo);

/* One queue is disabled and enabled again, the other is not stopped. */
void scenario_disable_one_queue(struct wire_front *front, uint64_t features,
				const struct scenario_echo *echo);

/* The memory table comes again while the device works, and with one more region, and without. */
void scenario_memory_changes(struct wire_front *front, uint64_t features,
			     const struct scenario_echo *echo);

/* Rings of each size, begun at an index that soon wraps. */
void scenario_ring_sizes(struct wire_front *front, uint64_t features,
			 const struct scenario_echo *echo);

/* SET_VRING_NUM arrives in pieces of so many bytes. False when the back end closes the connection. */
bool scenario_in_pieces(struct wire_front *front, size_t piece);

/* count requests without a payload before the first reply is read: more than a socket holds. */
void scenario_late_reader(struct wire_front *front, uint32_t request, unsigned count);

#endif
