/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_WIRE_CONFORMANCE_CONFORMANCE_H
#define HESPER_TESTS_WIRE_CONFORMANCE_CONFORMANCE_H

#include "backend.h"
#include "front.h"
#include "scenarios.h"

/*
 * The conformance suite (docs/conformance.md): tests of any vhost-user back end that is a virtio-gpu
 * device. A test gets a back end of its own, as far as that can be, and ends in one of four ways:
 * it returns (pass), anything unexpected comes from the front end or conformance_fail is called
 * (fail), conformance_skip, or its needs are not met (skip). What the specifications leave open is told by
 * conformance_note and judges nothing.
 *
 * A back end that dies by a signal fails the test, whatever else was seen.
 */
enum conformance_stage {
	CONNECTED, /* nothing was sent */
	GREETED, /* wire_hello: features are known, the rings are stopped */
	RUNNING, /* wire_start with all that both know */
};

struct subject {
	struct wire_front front;
	bool open; /* the front end is */
	struct backend *backend;
	bool give_display;
	uint64_t protocol_unwanted; /* by the test: for the next subject_open */
	uint64_t features; /* that both know; from GREETED on */
	uint32_t scanouts; /* of the device's config, 1 without; from GREETED on */
	uint32_t capsets;
};

struct conformance_test {
	const char *name;
	const char *spec; /* where it is said */
	enum conformance_stage stage;
	uint64_t needs; /* device features */
	uint64_t needs_protocol;
	void (*run)(struct subject *subject, const void *data);
	const void *data;
};

struct conformance_group {
	const char *name;
	const struct conformance_test *tests;
	size_t count;
};

/* Each in the file of its name. */
extern const struct conformance_group session_group;
extern const struct conformance_group messages_group;
extern const struct conformance_group commands_group;
extern const struct conformance_group window_group;
/* Made of tables: bad_chains, and gpu_sequences (commands.c). */
const struct conformance_group *rings_group(void);
const struct conformance_group *sequences_group(void);

_Noreturn void conformance_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void conformance_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void conformance_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Brings a subject that is closed to the stage; skips the test when the back end serves one only. */
void subject_open(struct subject *subject, enum conformance_stage stage);
void subject_close(struct subject *subject);
/* After something bad was sent: opens it again if the back end has closed the connection. */
bool subject_still_there(struct subject *subject);

/* A command whose answer every device knows; for scenarios. */
struct scenario_echo subject_echo(struct subject *subject);

/* Words for feature bits, such as "VIRTIO_GPU_F_EDID". */
const char *feature_name(uint64_t bit);
const char *protocol_feature_name(uint64_t bit);

#endif
