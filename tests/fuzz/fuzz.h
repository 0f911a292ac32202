/* SPDX-License-Identifier: MIT */
#ifndef HESPER_TESTS_FUZZ_FUZZ_H
#define HESPER_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/*
 * What all fuzz targets share. A target is a function of bytes: fuzz_one plays them against one of
 * hesper's libraries and judges what it sees. It runs in one process and one thread, thousands of
 * times; all it makes it unmakes. fuzz.c checks that no descriptor is left, the sanitizers see the
 * rest.
 *
 * Built with libFuzzer (tools/fuzz) a target searches; built without it (replay.c) it plays files:
 * the corpus and what was found once, in every build of the tests.
 */

/* The target's. */
void fuzz_one(const uint8_t *data, size_t size);
/* Before the first run; what it opens stays. */
void fuzz_init(void);
/*
 * Inputs are records of so many bytes, which the mutator moves as a whole; 1: bytes. A target that
 * wants records reads them with fuzz_take: there are zeros behind the end.
 */
extern const size_t fuzz_record_size;

/* Ends the run as a crash, with words. */
#define FUZZ_CHECK(condition, ...)                                                                 \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                    \
		}                                                                                  \
	} while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The input, as it is used up. Behind its end there are zeros. */
struct fuzz_bytes {
	const uint8_t *at;
	size_t left;
};

/* Copies len bytes, what is missing as zeros. */
void fuzz_take(struct fuzz_bytes *bytes, void *to, size_t len);
uint8_t fuzz_u8(struct fuzz_bytes *bytes);
uint16_t fuzz_u16(struct fuzz_bytes *bytes);
uint32_t fuzz_u32(struct fuzz_bytes *bytes);
uint64_t fuzz_u64(struct fuzz_bytes *bytes);
/* 0..below-1 */
unsigned fuzz_pick(struct fuzz_bytes *bytes, unsigned below);

/* Numbers that code gets wrong, by a small index: 0, 1, all ones, signs, sizes. */
uint32_t fuzz_odd_u32(unsigned index);
uint64_t fuzz_odd_u64(unsigned index);

/* One loop for all runs: making one costs more than a run. */
uv_loop_t *fuzz_loop(void);
/* Turns of the loop that do not wait. */
void fuzz_turns(unsigned count);
/* Turns until *done, for what closes; a run that never ends is a crash. */
void fuzz_until(const bool *done);

/*
 * Timers that are started with a time above 0 (--wrap=uv_timer_start) run when the target says so
 * and not before: time is an input.
 */
/* Runs the index-th of those that are active, if there are so many. */
void fuzz_fire_timer(unsigned index);
unsigned fuzz_timers(void);

/* An empty (or not) memfd of so many bytes, sealed against shrinking or not at all. */
int fuzz_memfd(uint64_t size, bool sealed);

#endif
