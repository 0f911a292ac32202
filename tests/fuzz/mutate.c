/* SPDX-License-Identifier: MIT */
/*
 * Mutation by records. A target that reads its input as records of one size keeps its actions whole
 * when they are moved, doubled or taken from another input; the first byte is an action's kind, and
 * bytes in one column mean the same, mostly. libFuzzer's own mutations change one record.
 */
#include <string.h>

#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
				 size_t second_size, uint8_t *out, size_t max_size, unsigned seed);

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static size_t insert(uint8_t *data, size_t count, size_t most, size_t at, const uint8_t *from,
		     size_t records)
{
	const size_t record = fuzz_record_size;
	if (count + records > most) {
		return count;
	}
	memmove(data + (at + records) * record, data + at * record, (count - at) * record);
	memcpy(data + at * record, from, records * record);
	return count + records;
}

static size_t erase(uint8_t *data, size_t count, size_t at, size_t records)
{
	const size_t record = fuzz_record_size;
	records = records < count - at ? records : count - at;
	memmove(data + at * record, data + (at + records) * record,
		(count - at - records) * record);
	return count - records;
}

#define MAX_MOVED 8
#define MAX_RECORD 64
/* The first byte of a record says what it is. */
#define MAX_KINDS 64

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	const size_t record = fuzz_record_size;
	size_t most = max_size / record;
	size_t count = size / record;
	uint8_t moved[MAX_MOVED * MAX_RECORD];
	if (record == 1 || most == 0 || record > MAX_RECORD) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	if (count == 0) {
		memset(data, 0, record);
		LLVMFuzzerMutate(data, record, record);
		return record;
	}
	size_t at = next(&seed) % count;
	size_t records = 1 + next(&seed) % MAX_MOVED;
	records = records < count - at ? records : count - at;
	size_t column = next(&seed) % record;
	switch (next(&seed) % 12) {
	case 0:
		return record * erase(data, count, at, records);
	case 1: /* double */
		memcpy(moved, data + at * record, records * record);
		return record *
		       insert(data, count, most, next(&seed) % (count + 1), moved, records);
	case 2: /* move */
		memcpy(moved, data + at * record, records * record);
		count = erase(data, count, at, records);
		return record *
		       insert(data, count, most, next(&seed) % (count + 1), moved, records);
	case 3: /* double, and make the copy another kind of action on the same things */
	case 4:
		memcpy(moved, data + at * record, record);
		moved[0] = (uint8_t)(next(&seed) % MAX_KINDS);
		return record * insert(data, count, most, next(&seed) % (count + 1), moved, 1);
	case 5:
		data[at * record] = (uint8_t)(next(&seed) % MAX_KINDS);
		return count * record;
	case 6: /* the same thing as another action's */
		data[at * record + column] = data[next(&seed) % count * record + column];
		return count * record;
	case 7: /* ids and flags are small */
		data[at * record + column] = (uint8_t)(next(&seed) % 16);
		return count * record;
	case 8:
		data[at * record + column] ^= (uint8_t)(1u << next(&seed) % 8);
		return count * record;
	default:
		/* As libFuzzer likes, but what it inserts or erases stays in the record. */
		memcpy(moved, data + at * record, record);
		LLVMFuzzerMutate(moved, record, record);
		memcpy(data + at * record, moved, record);
		return count * record;
	}
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
				 size_t second_size, uint8_t *out, size_t max_size, unsigned seed)
{
	const size_t record = fuzz_record_size;
	size_t most = max_size / record;
	size_t head = first_size / record;
	size_t tail = second_size / record;
	if (most == 0 || head + tail == 0) {
		return 0;
	}
	/* Some of the first, some of the second, the rest of the first. */
	size_t cut = next(&seed) % (head + 1);
	size_t from = next(&seed) % (tail + 1);
	size_t some = next(&seed) % (tail - from + 1);
	size_t rest = next(&seed) % 2 == 0 ? head - cut : 0;
	cut = cut < most ? cut : most;
	some = some < most - cut ? some : most - cut;
	rest = rest < most - cut - some ? rest : most - cut - some;
	memcpy(out, first, cut * record);
	memcpy(out + cut * record, second + from * record, some * record);
	memcpy(out + (cut + some) * record, first + (head - rest) * record, rest * record);
	return (cut + some + rest) * record;
}
