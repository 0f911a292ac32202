/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <string.h>

#include "render/rings.h"

/* vkCreateRingMESA, as the Venus protocol writes it. */
struct command {
	uint8_t bytes[256];
	uint32_t size;
};

static void put_32(struct command *command, uint32_t value)
{
	value = htole32(value);
	memcpy(command->bytes + command->size, &value, sizeof(value));
	command->size += sizeof(value);
}

static void put_64(struct command *command, uint64_t value)
{
	value = htole64(value);
	memcpy(command->bytes + command->size, &value, sizeof(value));
	command->size += sizeof(value);
}

static struct command create_ring(unsigned extensions, uint32_t resource, uint64_t offset,
				  uint64_t status)
{
	struct command command = {.size = 0};
	put_32(&command, 188);
	put_32(&command, 0); /* flags */
	put_64(&command, 77); /* ring */
	put_64(&command, 1); /* pCreateInfo */
	put_32(&command, 1000384000);
	for (unsigned i = 0; i < extensions; i++) {
		put_64(&command, 1);
		put_32(&command, 1000384006 + i);
	}
	put_64(&command, 0);
	for (unsigned i = 0; i < extensions; i++) {
		put_32(&command, 3000000);
	}
	put_32(&command, 0); /* flags */
	put_32(&command, resource);
	put_64(&command, offset);
	put_64(&command, 8192); /* size */
	put_64(&command, 50); /* idleTimeout */
	put_64(&command, 0); /* headOffset */
	put_64(&command, 64); /* tailOffset */
	put_64(&command, status);
	put_64(&command, 192); /* bufferOffset */
	put_64(&command, 4096); /* bufferSize */
	put_64(&command, 4288); /* extraOffset */
	put_64(&command, 0); /* extraSize */
	return command;
}

static struct rings noted(const struct command *command)
{
	struct rings rings = {0};
	rings_note(&rings, command->bytes, command->size);
	return rings;
}

static void test_a_ring_is_noted(void **state)
{
	for (unsigned extensions = 0; extensions <= 4; extensions++) {
		struct command command = create_ring(extensions, 42, 4096, 128);
		struct rings rings = noted(&command);
		assert_int_equal(rings.count, 1);
		assert_int_equal(rings.list[0].resource, 42);
		assert_int_equal(rings.list[0].status, 4096 + 128);
	}
}

static void test_other_commands_are_not(void **state)
{
	struct command command = create_ring(1, 42, 0, 128);
	command.bytes[0]++;
	assert_int_equal(noted(&command).count, 0);
	struct rings rings = {0};
	rings_note(&rings, NULL, 0);
	assert_int_equal(rings.count, 0);
}

static void test_what_makes_no_sense_is_not(void **state)
{
	struct command command = create_ring(5, 42, 0, 128); /* too many */
	assert_int_equal(noted(&command).count, 0);
	command = create_ring(0, 42, 0, 130); /* not a word's place */
	assert_int_equal(noted(&command).count, 0);
	command = create_ring(0, 42, UINT64_MAX - 3, 128); /* wraps */
	assert_int_equal(noted(&command).count, 0);
	command = create_ring(0, 42, 0, 128);
	command.bytes[16] = 0; /* no pCreateInfo */
	assert_int_equal(noted(&command).count, 0);
}

/* Up to the last word that is looked at, every end comes too early. */
static void test_every_shorter_one_is_not(void **state)
{
	struct command command = create_ring(1, 42, 0, 128);
	uint32_t whole = command.size - 4 * 8; /* what comes behind statusOffset */
	for (uint32_t size = 0; size < command.size; size++) {
		struct rings rings = {0};
		rings_note(&rings, command.bytes, size);
		assert_int_equal(rings.count, size >= whole);
	}
}

static void test_not_more_than_there_is_room_for(void **state)
{
	struct command command = create_ring(1, 42, 0, 128);
	struct rings rings = {0};
	for (unsigned i = 0; i < 2 * RINGS_MAX; i++) {
		rings_note(&rings, command.bytes, command.size);
	}
	assert_int_equal(rings.count, RINGS_MAX);
}

static void test_condemned(void **state)
{
	struct memory *memory = memory_create_shm("test-ring", 4096);
	uint32_t *words = memory_map(memory);
	words[32] = htole32(5);
	assert_int_equal(ring_condemn(&(struct ring){1, 128}, memory), 0);
	assert_int_equal(le32toh(words[32]), 7);
	/* The last word, and beyond. */
	assert_int_equal(ring_condemn(&(struct ring){1, 4092}, memory), 0);
	assert_int_equal(le32toh(words[1023]), 2);
	assert_true(ring_condemn(&(struct ring){1, 4096}, memory) < 0);
	assert_true(ring_condemn(&(struct ring){1, UINT64_MAX - 3}, memory) < 0);
	words[32] = words[1023] = 0;
	for (unsigned i = 0; i < 1024; i++) {
		assert_int_equal(words[i], 0);
	}
	memory_unref(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ring_is_noted),
		cmocka_unit_test(test_other_commands_are_not),
		cmocka_unit_test(test_what_makes_no_sense_is_not),
		cmocka_unit_test(test_every_shorter_one_is_not),
		cmocka_unit_test(test_not_more_than_there_is_room_for),
		cmocka_unit_test(test_condemned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
