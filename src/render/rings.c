/* SPDX-License-Identifier: MIT */
/*
 * A guest's Venus writes commands into rings: blobs that it shares with the renderer. When the
 * renderer's process dies nobody is left to say so: fences complete, submissions are refused in ways
 * that the kernel does not hand on, and a program that waits for nothing goes on drawing nothing for
 * ever. There is a word in each ring for just that, and every write to the ring looks at it.
 *
 * Where that word is only the command says that makes the ring. That command is never in a ring
 * itself but submitted, alone. It is the one command that hesperd looks at; what a guest writes there
 * decides about a bit in its own memory.
 *
 * Numbers: the Venus protocol (vn_protocol_renderer_defines.h); all little-endian.
 */
#include "render/rings.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define COMMAND_CREATE_RING 188
#define TYPE_RING 1000384000
#define MAX_EXTENSIONS 4 /* structures behind pNext; there are two, of one 32-bit number each */
#define STATUS_FATAL 2

struct words {
	const char *at;
	uint32_t left; /* bytes */
	bool short_; /* more was read than there is */
};

static bool take(struct words *words, void *to, uint32_t size)
{
	if (words->left < size) {
		words->short_ = true;
		memset(to, 0, size);
		return false;
	}
	memcpy(to, words->at, size);
	words->at += size;
	words->left -= size;
	return true;
}

static uint32_t take_32(struct words *words)
{
	uint32_t value;
	take(words, &value, sizeof(value));
	return le32toh(value);
}

static uint64_t take_64(struct words *words)
{
	uint64_t value;
	take(words, &value, sizeof(value));
	return le64toh(value);
}

/* pNext: their types come first, what they say last, as one call inside of the other. */
static bool skip_extensions(struct words *words)
{
	unsigned count = 0;
	while (take_64(words) != 0) {
		take_32(words);
		if (++count > MAX_EXTENSIONS) {
			return false;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		take_32(words);
	}
	return true;
}

void rings_note(struct rings *rings, const void *commands, uint32_t size)
{
	struct words words = {commands, size, false};
	if (take_32(&words) != COMMAND_CREATE_RING) {
		return;
	}
	take_32(&words); /* flags of the command */
	take_64(&words); /* the ring's own number */
	bool right =
		take_64(&words) != 0 && take_32(&words) == TYPE_RING && skip_extensions(&words);
	take_32(&words); /* flags */
	uint32_t resource = take_32(&words);
	uint64_t offset = take_64(&words);
	take_64(&words); /* size */
	take_64(&words); /* idleTimeout */
	take_64(&words); /* headOffset */
	take_64(&words); /* tailOffset */
	uint64_t status = offset + take_64(&words);
	if (right && !words.short_ && status >= offset && status % sizeof(uint32_t) == 0 &&
	    rings->count < RINGS_MAX) {
		rings->list[rings->count++] = (struct ring){resource, status};
	}
}

int ring_condemn(const struct ring *ring, const struct memory *memory)
{
	return memory_set_bits(memory, ring->status, STATUS_FATAL);
}
