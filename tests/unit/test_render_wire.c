/* SPDX-License-Identifier: MIT */
/* Between hesperd and hesper-render: what comes out is what went in, or nothing at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "render/wire.h"
#include "util/fd.h"

static int pair[2]; /* [0] sends */
static struct render_wire_buffer buffer;

static unsigned open_fds(void)
{
	unsigned count = 0;
	DIR *directory = opendir("/proc/self/fd");
	assert_non_null(directory);
	while (readdir(directory) != NULL) {
		count++;
	}
	closedir(directory);
	return count;
}

static int open_pair(void **state)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int close_pair(void **state)
{
	fd_close_all(pair, 2);
	return 0;
}

static enum render_wire_reader reader_of(uint32_t type)
{
	return type >= RENDER_WIRE_READY ? RENDER_WIRE_HESPERD : RENDER_WIRE_PROCESS;
}

static void send_raw(const void *bytes, size_t size, int fd, size_t copies)
{
	struct iovec iov = {(void *)bytes, size};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(32 * sizeof(int))];
	} control = {0};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	if (copies > 0) {
		header.msg_control = control.space;
		header.msg_controllen = CMSG_SPACE(copies * sizeof(int));
		control.header.cmsg_len = CMSG_LEN(copies * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		for (size_t i = 0; i < copies; i++) {
			memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &fd, sizeof(fd));
		}
	}
	assert_int_equal(sendmsg(pair[0], &header, MSG_NOSIGNAL), size);
}

static int receive(uint32_t type)
{
	return render_wire_receive(pair[1], reader_of(type), &buffer);
}

/* Every type, every byte of it. */
static void test_all_types_arrive(void **state)
{
	for (uint32_t type = 1; type < RENDER_WIRE_TYPE_COUNT; type++) {
		struct render_wire_message message;
		bool has_fd = type == RENDER_WIRE_IMPORT || type == RENDER_WIRE_DONE ||
			      type == RENDER_WIRE_READY;
		memset(&message, 0x5a, sizeof(message));
		message.type = type;
		if (type == RENDER_WIRE_SUBMIT) {
			message.submit.size = 0;
		}
		int fd = has_fd ? pair[0] : -1;
		assert_int_equal(render_wire_send(pair[0], &message, NULL, 0, fd), 0);
		assert_int_equal(receive(type), 1);
		assert_memory_equal(&buffer.message, &message, render_wire_size(type));
		assert_int_equal(buffer.tail_size, 0);
		assert_int_equal(buffer.fd >= 0, has_fd);
		if (has_fd) {
			assert_int_equal(fcntl(buffer.fd, F_GETFD), FD_CLOEXEC);
		}
		fd_close(&buffer.fd);
	}
	assert_int_equal(receive(1), -EAGAIN);
}

static void test_commands_inline(void **state)
{
	static uint8_t commands[RENDER_WIRE_INLINE_BYTES];
	static const uint32_t sizes[] = {4, 8, 4096, RENDER_WIRE_INLINE_BYTES};
	for (size_t i = 0; i < sizeof(commands); i++) {
		commands[i] = (uint8_t)(i * 7);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct render_wire_message message = {
			.type = RENDER_WIRE_SUBMIT,
			.submit = {.size = sizes[i],
				   .fence = 1,
				   .fence_id = UINT64_MAX,
				   .ring = 63},
		};
		assert_int_equal(render_wire_send(pair[0], &message, commands, sizes[i], -1), 0);
		assert_int_equal(receive(RENDER_WIRE_SUBMIT), 1);
		assert_int_equal(buffer.tail_size, sizes[i]);
		assert_memory_equal(buffer.tail, commands, sizes[i]);
		assert_int_equal((uintptr_t)buffer.tail % 8, 0);
		assert_int_equal(buffer.message.submit.fence_id, UINT64_MAX);
	}
}

static void test_large_commands_are_sealed(void **state)
{
	enum { SIZE = 5 << 20 };
	uint8_t *commands = malloc(SIZE);
	assert_non_null(commands);
	for (size_t i = 0; i < SIZE; i++) {
		commands[i] = (uint8_t)(i * 13 >> 3);
	}
	int fd = render_wire_pack(commands, SIZE);
	assert_true(fd >= 0);
	assert_int_equal(fd_size(fd), SIZE);
	void *map = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_memory_equal(map, commands, SIZE);
	munmap(map, SIZE);
	/* Nobody can change it any more, by any way. */
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_ptr_equal(mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	struct render_wire_message message = {.type = RENDER_WIRE_SUBMIT, .submit.size = SIZE};
	assert_int_equal(render_wire_send(pair[0], &message, NULL, 0, fd), 0);
	assert_int_equal(receive(RENDER_WIRE_SUBMIT), 1);
	assert_int_equal(fd_size(buffer.fd), SIZE);
	fd_close(&buffer.fd);
	fd_close(&fd);
	free(commands);
}

/* Every size but the right one, for every type, from both ends. */
static void test_wrong_sizes(void **state)
{
	static char bytes[sizeof(struct render_wire_buffer) + 64];
	for (uint32_t type = 1; type < RENDER_WIRE_TYPE_COUNT; type++) {
		struct render_wire_message *message = (struct render_wire_message *)bytes;
		memset(bytes, 0, sizeof(bytes));
		message->type = type;
		for (size_t size = 1; size < render_wire_size(type) + 16; size++) {
			bool right = size == render_wire_size(type);
			size_t fds = type == RENDER_WIRE_IMPORT;
			send_raw(bytes, size, pair[0], fds);
			assert_int_equal(receive(type), right ? 1 : -EPROTO);
			fd_close(&buffer.fd);
		}
		send_raw(bytes, sizeof(bytes), -1, 0);
		assert_int_equal(receive(type), -EPROTO);
	}
	/* What it says is not what comes behind it. */
	struct render_wire_message message = {.type = RENDER_WIRE_SUBMIT};
	static const uint32_t sizes[] = {1, 0xffffffff, RENDER_WIRE_INLINE_BYTES + 1};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		message.submit.size = sizes[i];
		send_raw(&message, render_wire_size(RENDER_WIRE_SUBMIT), -1, 0);
		assert_int_equal(receive(RENDER_WIRE_SUBMIT), -EPROTO);
	}
}

static void test_wrong_types_and_directions(void **state)
{
	static const uint32_t types[] = {0, RENDER_WIRE_TYPE_COUNT, 0x7fffffff, 0xffffffff};
	char bytes[2048] = {0};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		memcpy(bytes, &types[i], sizeof(types[i]));
		for (size_t size = 4; size < 128; size += 4) {
			send_raw(bytes, size, -1, 0);
			assert_int_equal(receive(RENDER_WIRE_READY), -EPROTO);
		}
	}
	for (uint32_t type = 1; type < RENDER_WIRE_TYPE_COUNT; type++) {
		memcpy(bytes, &type, sizeof(type));
		send_raw(bytes, render_wire_size(type), -1, 0);
		enum render_wire_reader other = reader_of(type) == RENDER_WIRE_HESPERD
							? RENDER_WIRE_PROCESS
							: RENDER_WIRE_HESPERD;
		assert_int_equal(render_wire_receive(pair[1], other, &buffer), -EPROTO);
	}
}

/* fds come where they belong, one at a time; all others are closed. */
static void test_wrong_fds(void **state)
{
	unsigned before = open_fds();
	for (uint32_t type = 1; type < RENDER_WIRE_TYPE_COUNT; type++) {
		for (uint32_t fd_type = 0; fd_type < 2; fd_type++) {
			size_t wanted = type == RENDER_WIRE_IMPORT ||
					((type == RENDER_WIRE_DONE || type == RENDER_WIRE_READY) &&
					 fd_type != 0);
			struct render_wire_message message;
			memset(&message, 0, sizeof(message));
			message.type = type;
			if (type == RENDER_WIRE_DONE) {
				message.done.fd_type = fd_type;
			} else if (type == RENDER_WIRE_READY) {
				message.ready.gate = fd_type;
			}
			static const size_t counts[] = {0, 1, 2, 4, 5, 32};
			for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
				send_raw(&message, render_wire_size(type), pair[0], counts[i]);
				int got = receive(type);
				assert_int_equal(got, counts[i] == wanted ? 1 : -EPROTO);
				fd_close(&buffer.fd);
				assert_int_equal(open_fds(), before);
			}
		}
	}
}

/* Bytes of any kind: never more than a message or a refusal, and no fd is left. */
static void test_any_bytes(void **state)
{
	unsigned before = open_fds();
	uint64_t seed = 88172645463325252ull;
	for (int i = 0; i < 20000; i++) {
		uint32_t bytes[64];
		for (size_t word = 0; word < 64; word++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			bytes[word] = (uint32_t)(seed >> 16);
		}
		bytes[0] %= RENDER_WIRE_TYPE_COUNT + 2;
		size_t size = 1 + bytes[1] % sizeof(bytes);
		if (bytes[2] % 2 == 0 && render_wire_size(bytes[0]) != 0 &&
		    render_wire_size(bytes[0]) < sizeof(bytes)) {
			size = render_wire_size(bytes[0]);
		}
		send_raw(bytes, size, pair[0], bytes[3] % 3);
		int got = render_wire_receive(pair[1], bytes[4] % 2, &buffer);
		assert_true(got == 1 || got == -EPROTO);
		if (got == 1) {
			assert_true(buffer.tail_size <= RENDER_WIRE_INLINE_BYTES);
			fd_close(&buffer.fd);
		}
	}
	assert_int_equal(open_fds(), before);
}

static void test_end(void **state)
{
	struct render_wire_message message = {.type = RENDER_WIRE_FENCE};
	close(pair[1]);
	assert_int_equal(render_wire_send(pair[0], &message, NULL, 0, -1), -EPIPE);
	assert_int_equal(render_wire_receive(pair[0], RENDER_WIRE_PROCESS, &buffer), 0);
	pair[1] = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_types_arrive, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_commands_inline, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_large_commands_are_sealed, open_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(test_wrong_sizes, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_wrong_types_and_directions, open_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(test_wrong_fds, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_any_bytes, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_end, open_pair, close_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
