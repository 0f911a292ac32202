/* SPDX-License-Identifier: MIT */
/*
 * Two readers of one message: of what hesperd and hesper-render say (src/render/wire.c), both ways,
 * and of the list of a guest's pages, in the Vulkan layer (layer/pages.c). Datagrams of any bytes,
 * with any descriptors: what is wrong is refused and leaves nothing open; what is taken is what was
 * sent, and memory that it says is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <hesper/guest_pages.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
/* Not by -I: layer/ has a semaphore.h of its own. */
#include "../../layer/pages.h"
#include "render/wire.h"
#include "util/fd.h"

const size_t fuzz_record_size = 1;

#define PAGE 4096u
#define MAX_PIECES_HERE 64u
#define MAX_FDS 18u

static void send_with(int socket, const void *bytes, size_t size, const int *fds, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)bytes, size};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	}
	sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void make_pair(int pair[2])
{
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
}

/* --- hesperd and hesper-render --------------------------------------------------------------- */

static void receive(int socket, enum render_wire_reader reader)
{
	static struct render_wire_buffer buffer;
	if (render_wire_receive(socket, reader, &buffer) != 1) {
		return;
	}
	const struct render_wire_message *message = &buffer.message;
	size_t size = render_wire_size(message->type);
	FUZZ_CHECK(size > 0 &&
			   (message->type >= RENDER_WIRE_READY) == (reader == RENDER_WIRE_HESPERD),
		   "a message of type %u", message->type);
	FUZZ_CHECK(buffer.tail == buffer.bytes + size &&
			   size + buffer.tail_size <= sizeof(buffer.bytes),
		   "a tail of %zu bytes", buffer.tail_size);
	bool wants =
		(message->type == RENDER_WIRE_SUBMIT &&
		 message->submit.size > RENDER_WIRE_INLINE_BYTES) ||
		message->type == RENDER_WIRE_IMPORT ||
		(message->type == RENDER_WIRE_DONE && message->done.fd_type != RENDER_WIRE_FD_NONE);
	FUZZ_CHECK((buffer.fd >= 0) == wants, "descriptor %d", buffer.fd);
	if (message->type == RENDER_WIRE_SUBMIT && buffer.fd < 0) {
		FUZZ_CHECK(buffer.tail_size == message->submit.size, "commands");
	}
	fd_close(&buffer.fd);
}

static void play_datagram(struct fuzz_bytes *bytes)
{
	static uint8_t out[64 * 1024];
	int pair[2];
	int fds[MAX_FDS];
	uint8_t how = fuzz_u8(bytes);
	unsigned count = (how & 7) % 6;
	uint16_t longer = fuzz_u16(bytes);
	size_t size = bytes->left < sizeof(out) ? bytes->left : sizeof(out);
	make_pair(pair);
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	memset(out, 0, sizeof(out));
	fuzz_take(bytes, out, size);
	if ((how & 0x10) != 0) {
		/* Of the length that its kind has, and what it says behind it. */
		uint32_t type;
		memcpy(&type, out, sizeof(type));
		type %= RENDER_WIRE_TYPE_COUNT + 1;
		memcpy(out, &type, sizeof(type));
		size = render_wire_size(type);
		if (type == RENDER_WIRE_SUBMIT) {
			uint32_t commands = longer % 40000;
			memcpy(out + offsetof(struct render_wire_message, submit.size), &commands,
			       sizeof(commands));
			size += commands <= RENDER_WIRE_INLINE_BYTES ? commands : 0;
		}
	} else if ((how & 0x20) != 0) {
		size = longer;
	}
	for (unsigned i = 0; i < count; i++) {
		fds[i] = fd_dup(STDIN_FILENO);
	}
	send_with(pair[0], out, size, fds, count);
	fd_close_all(fds, count);
	if ((how & 0x40) != 0) {
		fd_close(&pair[0]);
	}
	receive(pair[1], (how & 0x80) != 0 ? RENDER_WIRE_HESPERD : RENDER_WIRE_PROCESS);
	receive(pair[1], (how & 0x80) != 0 ? RENDER_WIRE_HESPERD : RENDER_WIRE_PROCESS);
	fd_close_all(pair, 2);
}

/* What is sent is what comes. */
static void play_message(struct fuzz_bytes *bytes)
{
	static struct render_wire_buffer buffer;
	static uint8_t tail[RENDER_WIRE_INLINE_BYTES];
	struct render_wire_message message;
	int pair[2];
	fuzz_take(bytes, &message, sizeof(message));
	message.type = 1 + message.type % (RENDER_WIRE_TYPE_COUNT - 1);
	size_t tail_size = 0;
	int fd = -1;
	if (message.type == RENDER_WIRE_SUBMIT) {
		message.submit.size %= 2 * RENDER_WIRE_INLINE_BYTES;
		tail_size =
			message.submit.size <= RENDER_WIRE_INLINE_BYTES ? message.submit.size : 0;
	}
	if ((message.type == RENDER_WIRE_SUBMIT &&
	     message.submit.size > RENDER_WIRE_INLINE_BYTES) ||
	    message.type == RENDER_WIRE_IMPORT ||
	    (message.type == RENDER_WIRE_DONE && message.done.fd_type != RENDER_WIRE_FD_NONE)) {
		fd = render_wire_pack("four", 4);
	}
	make_pair(pair);
	FUZZ_CHECK(render_wire_send(pair[0], &message, tail, tail_size, fd) == 0, "not sent");
	enum render_wire_reader reader =
		message.type >= RENDER_WIRE_READY ? RENDER_WIRE_HESPERD : RENDER_WIRE_PROCESS;
	FUZZ_CHECK(render_wire_receive(pair[1], reader, &buffer) == 1, "not received");
	FUZZ_CHECK(memcmp(&buffer.message, &message, render_wire_size(message.type)) == 0 &&
			   buffer.tail_size == tail_size && (buffer.fd >= 0) == (fd >= 0),
		   "another message");
	fd_close(&buffer.fd);
	fd_close(&fd);
	fd_close_all(pair, 2);
}

/* --- a list of pages ------------------------------------------------------------------------- */

static uint64_t pages(struct fuzz_bytes *bytes)
{
	uint8_t value = fuzz_u8(bytes);
	return value < 0xf0 ? value % 16u * PAGE : fuzz_odd_u64(value);
}

static void adopt(int fd, uint64_t size, uint64_t alignment)
{
	struct backing backing;
	int copy = fd_dup(fd);
	if (pages_adopt(&backing, copy, size, alignment) < 0) {
		fd_close(&copy);
		return;
	}
	FUZZ_CHECK(backing.size >= size && backing.size < size + alignment, "%zu bytes for %llu",
		   backing.size, (unsigned long long)size);
	/* All of it is there: the renderer's processors would fault otherwise. */
	volatile uint8_t *at = backing.data;
	for (size_t i = 0; i < backing.size; i += PAGE) {
		at[i]++;
	}
	at[backing.size - 1]++;
	backing_finish(&backing);
}

static void play_pages(struct fuzz_bytes *bytes)
{
	struct hesper_pages_piece pieces[MAX_PIECES_HERE];
	int pair[2];
	int fds[MAX_FDS];
	uint8_t how = fuzz_u8(bytes);
	unsigned files = fuzz_u8(bytes) % (MAX_FDS - 1);
	unsigned count = fuzz_u8(bytes) % (MAX_PIECES_HERE + 1);
	uint64_t size = 0;
	uint64_t want = pages(bytes);
	for (unsigned i = 0; i < count; i++) {
		pieces[i] = (struct hesper_pages_piece){
			.offset = pages(bytes),
			.length = pages(bytes),
			.file = fuzz_u8(bytes) % (files + 1),
		};
		size += pieces[i].length;
	}
	struct hesper_pages head = {
		.magic = (how & 1) != 0 ? fuzz_u64(bytes) : HESPER_PAGES_MAGIC,
		.size = (how & 2) != 0 ? pages(bytes) : size,
		.files = (how & 4) != 0 ? fuzz_u32(bytes) : files,
		.pieces = (how & 8) != 0 ? fuzz_u32(bytes) : count,
	};
	fds[0] = fuzz_memfd(0, false);
	FUZZ_CHECK(write(fds[0], pieces, count * sizeof(pieces[0])) >= 0, "no list");
	for (unsigned i = 0; i < files; i++) {
		fds[1 + i] = (how & 0x10) != 0 && i == 1 ? fd_dup(STDIN_FILENO)
							 : fuzz_memfd(16ull * PAGE, true);
	}
	make_pair(pair);
	send_with(pair[0], &head, (how & 0x20) != 0 ? how % sizeof(head) : sizeof(head), fds,
		  (how & 0x40) != 0 ? files : files + 1);
	if ((how & 0x80) == 0) {
		fd_close(&pair[0]);
	}
	fd_close_all(fds, files + 1);
	bool is = pages_is(pair[1]);
	bool holds = pages_hold(pair[1]);
	FUZZ_CHECK(is || !holds, "what is no list holds");
	uint64_t alignment = 1ull << (12 + fuzz_u8(bytes) % 5);
	if (want > 0 && want <= 1ull << 32) {
		adopt(pair[1], want, alignment);
	}
	if (holds) {
		adopt(pair[1], size, PAGE);
	}
	fd_close_all(pair, 2);
}

void fuzz_init(void)
{
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_bytes bytes = {data, size};
	switch (fuzz_u8(&bytes) % 3) {
	case 0:
		play_datagram(&bytes);
		break;
	case 1:
		play_message(&bytes);
		break;
	default:
		play_pages(&bytes);
		break;
	}
}
