/* SPDX-License-Identifier: MIT */
/* Streams of Venus commands that Mesa would never say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"
#include "card.h"
#include "venus.h"

#define VULKAN_1_1 0x401000u

static struct stream stream;

static struct stream *begin(void)
{
	stream.size = 0;
	return &stream;
}

/* What the others rest on: a right stream has a right answer. */
static const char *run_right(void)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	TRY(expect("mmap", card_map(fd, blob.handle, PAGE, &address), 0));
	struct stream *s = begin();
	put_reply_stream(s, blob.resource, 64, PAGE - 64);
	put_version_query(s, VENUS_REPLY);
	TRY(expect("the stream", venus_submit(fd, s), 0));
	const volatile uint32_t *reply = (const volatile uint32_t *)((char *)address + 64);
	if (reply[0] != VENUS_ENUMERATE_INSTANCE_VERSION || reply[1] != 0 || reply[2] != 1 ||
	    reply[4] < VULKAN_1_1) {
		return wrong("the reply is %u %u %u %u %#x", reply[0], reply[1], reply[2], reply[3],
			     reply[4]);
	}
	TRY(expect("a device", venus_device(fd), 0));
	TRY(card_expect(fd, true));
	munmap(address, PAGE);
	close(fd);
	return NULL;
}

static const char *run_word(void)
{
	put32(begin(), 0xdeadbeef);
	return venus_try(&stream, false);
}

static const char *run_unknown_command(void)
{
	put_command(begin(), 1 << 20, 0);
	return venus_try(&stream, false);
}

static const char *run_negative_command(void)
{
	put_command(begin(), 0x80000000, UINT32_MAX);
	return venus_try(&stream, false);
}

static const char *run_truncated(void)
{
	put_instance(begin(), ID_INSTANCE);
	size_t whole = stream.size;
	for (size_t size = 4; size < whole; size += 16) {
		stream.size = size;
		TRY(venus_try(&stream, false));
	}
	return NULL;
}

static const char *run_no_create_info(void)
{
	put_command(begin(), VENUS_CREATE_INSTANCE, 0);
	for (int i = 0; i < 3; i++) {
		put64(&stream, 0);
	}
	return venus_try(&stream, false);
}

/* The start of a vkCreateInstance up to its layers. */
static struct stream *begin_instance(void)
{
	struct stream *s = begin();
	put_command(s, VENUS_CREATE_INSTANCE, 0);
	put64(s, 1);
	put32(s, 1); /* type */
	put64(s, 0);
	put32(s, 0);
	put64(s, 0);
	return s;
}

static const char *run_array_huge(void)
{
	struct stream *s = begin_instance();
	put32(s, UINT32_MAX);
	put64(s, UINT32_MAX);
	return venus_try(s, false);
}

static const char *run_array_mismatch(void)
{
	struct stream *s = begin_instance();
	put32(s, 1);
	put64(s, 2);
	put64(s, 4);
	put32(s, 0);
	return venus_try(s, false);
}

static const char *run_string_huge(void)
{
	static const uint64_t sizes[] = {1ull << 63, UINT64_MAX, 1ull << 30, 0xfffffffdull};
	for (int i = 0; i < 4; i++) {
		struct stream *s = begin_instance();
		put32(s, 1);
		put64(s, 1);
		put64(s, sizes[i]);
		TRY(venus_try(s, false));
	}
	return NULL;
}

static const char *run_wrong_type(void)
{
	struct stream *s = begin();
	put_command(s, VENUS_CREATE_INSTANCE, 0);
	put64(s, 1);
	put32(s, 0x7fffffff);
	put64(s, 0);
	return venus_try(s, false);
}

static const char *run_instance_zero(void)
{
	put_instance(begin(), 0);
	return venus_try(&stream, false);
}

static const char *run_instance_twice(void)
{
	put_instance(begin(), 1);
	put_instance(&stream, 2);
	return venus_try(&stream, false);
}

static const char *run_wrong_object(void)
{
	struct stream *s = begin();
	put_instance(s, 1);
	put_command(s, VENUS_DESTROY_DEVICE, 0);
	put64(s, 1);
	put64(s, 0);
	return venus_try(s, false);
}

static const char *run_id_twice(void)
{
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	put_memory(begin(), ID_DEVICE, ID_QUEUE, PAGE, 0);
	TRY(expect("memory with a queue's id", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, false));
	close(fd);
	return NULL;
}

static const char *run_queue_commands(void)
{
	static const uint32_t commands[] = {VENUS_QUEUE_WAIT_IDLE, VENUS_QUEUE_SUBMIT};
	for (int i = 0; i < 2; i++) {
		int fd = card_context();
		TRY(expect("a device", venus_device(fd), 0));
		struct stream *s = begin();
		put_command(s, commands[i], 0);
		put64(s, i == 0 ? ID_QUEUE : 0xbad);
		put32(s, 0);
		put64(s, 0);
		put64(s, 0);
		TRY(expect("a stream", venus_submit(fd, s), 0));
		TRY(card_expect(fd, false));
		close(fd);
	}
	return NULL;
}

/* Objects go in the wrong order: the instance before the device and its memory. */
static const char *run_instance_first(void)
{
	int fd = card_context();
	TRY(expect("a device", venus_device(fd), 0));
	struct stream *s = begin();
	put_memory(s, ID_DEVICE, ID_MEMORY, 16 * PAGE, 0);
	put_command(s, VENUS_DESTROY_INSTANCE, 0);
	put64(s, ID_INSTANCE);
	put64(s, 0);
	put_free_memory(s, ID_DEVICE, ID_MEMORY);
	TRY(expect("a stream", venus_submit(fd, s), 0));
	TRY(card_expect(fd, false));
	close(fd);
	return NULL;
}

static const char *run_reply_nowhere(void)
{
	put_version_query(begin(), VENUS_REPLY);
	return venus_try(&stream, false);
}

static const char *try_with_blob(void (*put)(struct stream *s, uint32_t resource), bool works)
{
	struct blob blob;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	put(begin(), blob.resource);
	TRY(expect("the stream", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, works));
	close(fd);
	return NULL;
}

static void put_small_reply(struct stream *s, uint32_t resource)
{
	put_reply_stream(s, resource, PAGE - 4, 4);
	put_version_query(s, VENUS_REPLY);
}

static const char *run_reply_small(void)
{
	return try_with_blob(put_small_reply, false);
}

static void put_wrapped_reply(struct stream *s, uint32_t resource)
{
	put_reply_stream(s, resource, UINT64_MAX - 7, 16);
	put_version_query(s, VENUS_REPLY);
}

static const char *run_reply_wrap(void)
{
	return try_with_blob(put_wrapped_reply, false);
}

static void put_far_seek(struct stream *s, uint32_t resource)
{
	put_reply_stream(s, resource, 0, PAGE);
	put_command(s, VENUS_SEEK_REPLY_STREAM, 0);
	put64(s, UINT64_MAX - 16);
	put_version_query(s, VENUS_REPLY);
}

static const char *run_reply_seek(void)
{
	return try_with_blob(put_far_seek, false);
}

static void put_no_streams(struct stream *s, uint32_t resource)
{
	put_command(s, VENUS_EXECUTE_STREAMS, 0);
	put32(s, 0);
	put64(s, 0);
	put64(s, 0);
	put32(s, 0);
	put64(s, 0);
	put32(s, 0);
}

static const char *run_execute_none(void)
{
	return try_with_blob(put_no_streams, false);
}

static void put_wrapped_execute(struct stream *s, uint32_t resource)
{
	put_execute(s, resource, UINT64_MAX - 3, 8);
}

static const char *run_execute_wrap(void)
{
	return try_with_blob(put_wrapped_execute, false);
}

static void put_far_execute(struct stream *s, uint32_t resource)
{
	put_execute(s, resource, PAGE - 4, 8);
}

static const char *run_execute_beyond(void)
{
	return try_with_blob(put_far_execute, false);
}

static const char *run_execute_itself(void)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, PAGE, &blob), 0));
	TRY(expect("mmap", card_map(fd, blob.handle, PAGE, &address), 0));
	put_execute(begin(), blob.resource, 0, PAGE);
	put_execute(begin(), blob.resource, 0, stream.size);
	memcpy(address, stream.bytes, stream.size);
	TRY(expect("the stream", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, false));
	munmap(address, PAGE);
	close(fd);
	return NULL;
}

/* Executes size bytes of a new blob that fill has written; the context is lost, or not. */
static const char *execute_blob(uint64_t size, void (*fill)(uint8_t *bytes, uint64_t size),
				bool works)
{
	struct blob blob;
	void *address;
	int fd = card_context();
	TRY(expect("a blob", card_shm(fd, size, &blob), 0));
	TRY(expect("mmap", card_map(fd, blob.handle, size, &address), 0));
	fill(address, size);
	put_execute(begin(), blob.resource, 0, size);
	TRY(expect("the stream", venus_submit(fd, &stream), 0));
	TRY(card_expect(fd, works));
	munmap(address, size);
	close(fd);
	return NULL;
}

static void fill_with_queries(uint8_t *bytes, uint64_t size)
{
	put_version_query(begin(), 0);
	for (uint64_t at = 0; at < size; at += stream.size) {
		memcpy(bytes + at, stream.bytes, stream.size);
	}
}

static const char *run_execute_long(void)
{
	return execute_blob(16 << 10, fill_with_queries, true);
}

/* vkCreateRingMESA whose pNext has as many structures as fit: a decoder that recurses. */
static void fill_with_chain(uint8_t *bytes, uint64_t size)
{
	struct stream *s = begin();
	put_command(s, VENUS_CREATE_RING, 0);
	put64(s, 1);
	put64(s, 1);
	put32(s, VENUS_TYPE_RING);
	memcpy(bytes, s->bytes, s->size);
	uint64_t at = s->size;
	begin();
	put64(s, 1);
	put32(s, VENUS_TYPE_RING_PRIORITY);
	for (; at + s->size <= size; at += s->size) {
		memcpy(bytes + at, s->bytes, s->size);
	}
	memset(bytes + at, 0, size - at);
}

static const char *run_endless_chain(void)
{
	return execute_blob(8 << 20, fill_with_chain, false);
}

/* A stream that changes while it is executed: whatever comes of it, to that context alone. */
static const char *run_rewritten_stream(void)
{
	enum { SIZE = 64 << 10 };
	struct blob blob;
	void *address;
	int fence;
	int fd = card_context();
	int other = card_context();
	TRY(expect("a blob", card_shm(fd, SIZE, &blob), 0));
	TRY(expect("mmap", card_map(fd, blob.handle, SIZE, &address), 0));
	uint32_t *words = address;
	fill_with_queries(address, SIZE);
	put_execute(begin(), blob.resource, 0, SIZE);
	TRY(expect("the stream", card_submit_fenced(fd, 0, stream.bytes, stream.size, &fence), 0));
	for (int i = 0; i < 20000; i++) {
		words[chance() % (SIZE / 4)] = chance() >> (chance() % 32);
	}
	TRY(expect("its fence", card_await(fence), 0));
	TRY(card_expect(other, true));
	close(fence);
	munmap(address, SIZE);
	close(other);
	close(fd);
	return NULL;
}

static const char *run_random_streams(void)
{
	int other = card_context();
	for (int i = 0; i < 8; i++) {
		struct stream *s = begin();
		uint32_t words = 1 + chance() % 2000;
		put_command(s, chance() % 260, chance() % 2);
		for (uint32_t w = 0; w < words; w++) {
			put32(s, chance() % 4 == 0 ? chance() : chance() % 3);
		}
		int fd = card_context();
		TRY(expect("a context", fd < 0 ? fd : 0, 0));
		TRY(expect("the stream", venus_submit(fd, s), 0));
		close(fd);
	}
	TRY(card_expect(other, true));
	close(other);
	return NULL;
}

#define LOST(name, words, run, count) {name, words, run, count, 0, false, NULL}

const struct attack attacks_by_streams[] = {
	LOST("right-stream", "a right stream, to prove the encoder: its reply is read", run_right,
	     0),
	LOST("stray-word", "four bytes that are no command: lost", run_word, 1),
	LOST("unknown-command", "command 2^20: lost", run_unknown_command, 1),
	LOST("negative-command", "command -2^31 with all flags: lost", run_negative_command, 1),
	LOST("truncated", "vkCreateInstance, cut off after each fourth word: lost, each",
	     run_truncated, 6),
	LOST("no-create-info", "vkCreateInstance with NULL for all: lost", run_no_create_info, 1),
	LOST("array-huge", "an array of 2^32 - 1 names: lost", run_array_huge, 1),
	LOST("array-mismatch", "an array of 2 where 1 was announced: lost", run_array_mismatch, 1),
	LOST("string-huge", "names of 2^30 to 2^64 - 1 bytes: lost, each", run_string_huge, 4),
	LOST("wrong-type", "a structure of another type: lost", run_wrong_type, 1),
	LOST("instance-zero", "a VkInstance with the id 0: lost", run_instance_zero, 1),
	LOST("instance-twice", "two instances: lost", run_instance_twice, 1),
	LOST("wrong-object", "vkDestroyDevice of a VkInstance: lost", run_wrong_object, 1),
	LOST("id-twice", "memory with the id of a queue: lost", run_id_twice, 1),
	LOST("queue-commands", "vkQueueWaitIdle, and vkQueueSubmit to no queue: lost, each",
	     run_queue_commands, 2),
	LOST("instance-first", "vkDestroyInstance before its device's memory goes: lost",
	     run_instance_first, 1),
	LOST("reply-nowhere", "a reply without a place for it: lost", run_reply_nowhere, 1),
	LOST("reply-small", "a reply with 4 bytes of room: lost", run_reply_small, 1),
	LOST("reply-wrap", "a reply stream whose end wraps: lost", run_reply_wrap, 1),
	LOST("reply-seek", "a seek to 2^64 - 17: lost", run_reply_seek, 1),
	LOST("execute-none", "vkExecuteCommandStreamsMESA of none: lost", run_execute_none, 1),
	LOST("execute-wrap", "a command stream whose end wraps: lost", run_execute_wrap, 1),
	LOST("execute-beyond", "a command stream that ends beyond its blob: lost",
	     run_execute_beyond, 1),
	LOST("execute-itself", "a command stream that executes itself: lost", run_execute_itself,
	     1),
	LOST("execute-long", "1024 commands in a stream: executed", run_execute_long, 0),
	LOST("endless-chain", "a pNext of 700,000 structures: lost", run_endless_chain, 1),
	LOST("rewritten-stream", "a stream rewritten while it is executed: others work",
	     run_rewritten_stream, ATTACK_ANY),
	LOST("random-streams", "8 seeded streams of random words: others work", run_random_streams,
	     ATTACK_ANY),
	{NULL, NULL, NULL, 0, 0, false, NULL},
};
