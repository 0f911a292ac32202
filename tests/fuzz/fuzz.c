/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* stderr as it was: libFuzzer takes it away from the target, see run.py. */
static int words = STDERR_FILENO;

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
{
	va_list args;
	dprintf(words, "%s:%d: not so: %s: ", file, line, condition);
	va_start(args, format);
	vdprintf(words, format, args);
	va_end(args);
	dprintf(words, "\n");
	abort();
}

/* --- bytes ---------------------------------------------------------------------------------- */

void fuzz_take(struct fuzz_bytes *bytes, void *to, size_t len)
{
	size_t there = len < bytes->left ? len : bytes->left;
	memset(to, 0, len);
	if (there > 0) {
		memcpy(to, bytes->at, there);
	}
	bytes->at += there;
	bytes->left -= there;
}

uint8_t fuzz_u8(struct fuzz_bytes *bytes)
{
	uint8_t value;
	fuzz_take(bytes, &value, sizeof(value));
	return value;
}

uint16_t fuzz_u16(struct fuzz_bytes *bytes)
{
	uint16_t value;
	fuzz_take(bytes, &value, sizeof(value));
	return value;
}

uint32_t fuzz_u32(struct fuzz_bytes *bytes)
{
	uint32_t value;
	fuzz_take(bytes, &value, sizeof(value));
	return value;
}

uint64_t fuzz_u64(struct fuzz_bytes *bytes)
{
	uint64_t value;
	fuzz_take(bytes, &value, sizeof(value));
	return value;
}

unsigned fuzz_pick(struct fuzz_bytes *bytes, unsigned below)
{
	return fuzz_u8(bytes) % below;
}

uint64_t fuzz_odd_u64(unsigned index)
{
	static const uint64_t odd[] = {
		0,
		1,
		UINT64_MAX,
		UINT64_MAX - 4095,
		UINT64_MAX >> 1,
		(UINT64_MAX >> 1) + 1,
		1ull << 32,
		(1ull << 32) - 1,
		(1ull << 32) - 4096,
		1ull << 31,
		(1ull << 31) - 1,
		4095,
		4096,
		4097,
		1ull << 20,
		1ull << 40,
	};
	return odd[index % (sizeof(odd) / sizeof(odd[0]))];
}

uint32_t fuzz_odd_u32(unsigned index)
{
	static const uint32_t odd[] = {
		0,     1,       2,       3,          4,          63,         64,         65,
		4095,  4096,    16384,   16385,      65535,      65536,      0x7fffffff, 0x80000000,
		65537, 1 << 20, 1 << 24, 0x40000000, 0x3fffffff, 0xfffffffc, 0xfffffffe, 0xffffffff,
	};
	return odd[index % (sizeof(odd) / sizeof(odd[0]))];
}

/* --- the loop ------------------------------------------------------------------------------- */

static uv_loop_t loop;

uv_loop_t *fuzz_loop(void)
{
	return &loop;
}

void fuzz_turns(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
	}
}

void fuzz_until(const bool *done)
{
	for (unsigned i = 0; !*done; i++) {
		FUZZ_CHECK(i < 1000, "what was closed stays open");
		uv_run(&loop, UV_RUN_NOWAIT);
	}
}

/* --- timers --------------------------------------------------------------------------------- */

#define MAX_TIMERS 256
#define NEVER_MS (1000ull * 3600 * 24 * 365)

static uv_timer_t *timers[MAX_TIMERS];
static unsigned timer_count;

int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat);
void __real_uv_close(uv_handle_t *handle, uv_close_cb callback);
void __wrap_uv_close(uv_handle_t *handle, uv_close_cb callback);

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t ms, uint64_t repeat)
{
	unsigned at = 0;
	while (at < timer_count && timers[at] != timer) {
		at++;
	}
	if (at == timer_count) {
		FUZZ_CHECK(timer_count < MAX_TIMERS, "too many timers");
		timers[timer_count++] = timer;
	}
	return __real_uv_timer_start(timer, callback, ms == 0 ? 0 : NEVER_MS,
				     repeat == 0 ? 0 : NEVER_MS);
}

void __wrap_uv_close(uv_handle_t *handle, uv_close_cb callback)
{
	for (unsigned i = 0; i < timer_count; i++) {
		if ((uv_handle_t *)timers[i] == handle) {
			memmove(&timers[i], &timers[i + 1],
				(timer_count - i - 1) * sizeof(timers[0]));
			timer_count--;
			break;
		}
	}
	__real_uv_close(handle, callback);
}

unsigned fuzz_timers(void)
{
	unsigned active = 0;
	for (unsigned i = 0; i < timer_count; i++) {
		active += uv_is_active((uv_handle_t *)timers[i]) != 0;
	}
	return active;
}

void fuzz_fire_timer(unsigned index)
{
	for (unsigned i = 0; i < timer_count; i++) {
		uv_timer_t *timer = timers[i];
		if (!uv_is_active((uv_handle_t *)timer) || index-- > 0) {
			continue;
		}
		if (uv_timer_get_repeat(timer) == 0) {
			uv_timer_stop(timer);
		}
		timer->timer_cb(timer);
		return;
	}
}

/* --- descriptors ---------------------------------------------------------------------------- */

int fuzz_memfd(uint64_t size, bool sealed)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FUZZ_CHECK(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "no memfd");
	if (sealed) {
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	}
	return fd;
}

/* The kernel gives the lowest number that is free, so one that leaks raises this. */
static int lowest_fd(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	close(fd);
	return fd;
}

/* --- the runs ------------------------------------------------------------------------------- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	words = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	/* In a search all levels: what is logged is formatted, and goes nowhere. */
	log_init("fuzz", getenv("FUZZ_LOG") != NULL ? LOG_DEBUG : LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	FUZZ_CHECK(uv_loop_init(&loop) == 0, "no loop");
	fuzz_turns(1);
	fuzz_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int before = lowest_fd();
	fuzz_one(data, size);
	int after = lowest_fd();
	FUZZ_CHECK(after == before, "a descriptor is left: %d is free now, %d was before", after,
		   before);
	FUZZ_CHECK(timer_count == 0, "%u timers are left", timer_count);
	return 0;
}
