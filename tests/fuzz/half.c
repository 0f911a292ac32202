/* SPDX-License-Identifier: MIT */
#include "half.h"

#include <endian.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/fd.h"

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4
#define MAX_PIECES 4u

/* Of each queue, from the start of RAM. */
#define RING_SPACE 0x1000ull
#define AVAIL_AT (16ull * HALF_RING)
#define USED_AT (AVAIL_AT + 0x200)
#define SLOTS_AT (HALF_QUEUES * RING_SPACE)
#define TABLE_BYTES 128u /* an indirect table, at the end of a slot */
#define SLOT_BYTES (HALF_REQUEST + HALF_RESPONSE + TABLE_BYTES)

_Static_assert(USED_AT + 6 + 8 * HALF_RING <= RING_SPACE, "a ring has its room");
_Static_assert(SLOTS_AT + (uint64_t)HALF_SLOTS * SLOT_BYTES <= HALF_PAGES, "so have the slots");
_Static_assert((MAX_PIECES + 1) * 16 <= TABLE_BYTES, "and a table");

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static struct {
	int fds[2];
	int call;
	uint8_t *low;
	uint8_t *high;
	struct guest_memory *memory;
} shared;

/* The front of the session, and who it is; one at a time. */
static struct half *half_now;

/* --- what src/vhost/front.c is to the other half --------------------------------------------- */

static void discard_nothing(struct letter *letter)
{
}

static void inbox_closed(void *data)
{
	struct vhost *vhost = data;
	mailbox_post(&vhost->inbox, &vhost->front_gone);
}

static void handle_quit(struct letter *letter)
{
	struct front *front = container_of(letter, struct front, quit);
	mailbox_close(&front->inbox, inbox_closed, front->vhost);
}

int front_create(struct vhost *vhost, int fd, struct front **out, pthread_t *thread)
{
	struct front *front = calloc(1, sizeof(*front));
	FUZZ_CHECK(front != NULL, "no memory");
	front->vhost = vhost;
	front->quit.deliver = handle_quit;
	front->quit.discard = discard_nothing;
	int error = mailbox_init(&front->inbox, fuzz_loop());
	if (error < 0) {
		free(front);
		return error;
	}
	*thread = pthread_self();
	*out = front;
	half_now->vhost = vhost;
	return 0;
}

void front_destroy(struct front *front)
{
	free(front);
}

int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result)
{
	return 0;
}

void front_answer(struct ask *ask)
{
	ask->kind = (enum ask_kind) - 1; /* answered: see ask_device */
}

void front_take_request(struct letter *letter)
{
	list_append(&half_now->requests, &letter->link);
}

void front_take_config(struct letter *letter)
{
	struct config_change *change = container_of(letter, struct config_change, letter);
	memcpy(half_now->config + change->offset, change->bytes, change->size);
	half_now->config_changes += change->notify;
	free(change);
}

/* --- the session ---------------------------------------------------------------------------- */

static void ask_device(struct half *half, struct ask *ask, enum ask_kind kind)
{
	ask->letter.discard = discard_nothing;
	ask->vhost = half->vhost;
	ask->kind = kind;
	vhost_answer_ask(&ask->letter);
	FUZZ_CHECK(ask->kind == (enum ask_kind) - 1, "the front end gets no answer");
}

static void tell_device(struct half *half, enum note_kind kind, unsigned index, int fd)
{
	struct note *note = calloc(1, sizeof(*note));
	FUZZ_CHECK(note != NULL, "no memory");
	note->letter.discard = vhost_discard_note;
	note->vhost = half->vhost;
	note->kind = kind;
	note->index = index;
	note->fd = fd;
	vhost_take_note(&note->letter);
}

static struct guest_memory *map_ram(void)
{
	const struct guest_region regions[2] = {
		{HALF_GPA, HALF_LOW, HALF_USER, 0},
		{HALF_GPA + HALF_LOW, HALF_HIGH, HALF_USER + 16 * HALF_LOW, 0},
	};
	int error;
	struct guest_memory *memory = guest_memory_create(regions, shared.fds, 2, &error);
	FUZZ_CHECK(memory != NULL, "no RAM: %d", error);
	return memory;
}

static uint8_t *map_file(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_CHECK(at != MAP_FAILED, "no RAM");
	return at;
}

void half_init(void)
{
	shared.fds[0] = fuzz_memfd(HALF_LOW, true);
	shared.fds[1] = fuzz_memfd(HALF_HIGH, true);
	shared.low = map_file(shared.fds[0], HALF_LOW);
	shared.high = map_file(shared.fds[1], HALF_HIGH);
	shared.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared.memory = map_ram();
}

void half_begin(struct half *half, unsigned queue_count)
{
	memset(half, 0, sizeof(*half));
	memset(shared.low, 0, HALF_LOW);
	memset(shared.high, 0, HALF_HIGH);
	half->ram = shared.low;
	half->high = shared.high;
	half->memory = guest_memory_ref(shared.memory);
	memcpy(half->ram_fds, shared.fds, sizeof(half->ram_fds));
	half->call = shared.call;
	half->queue_count = queue_count;
	list_init(&half->requests);
	half_now = half;
}

void half_end(struct half *half)
{
	while (half_answer_window(half, -ECANCELED)) {
	}
	guest_memory_unref(half->memory);
}

static void tell_rings(struct half *half, bool running, int stop, bool fresh)
{
	struct ask ask = {0};
	for (unsigned i = 0; i < half->queue_count; i++) {
		uint64_t at = HALF_USER + i * RING_SPACE;
		ask.rings.setup[i] = (struct ring_setup){
			.started = running,
			.enabled = running,
			.setup = {.num = HALF_RING,
				  .base = half->base[i],
				  .desc = at,
				  .avail = at + AVAIL_AT,
				  .used = at + USED_AT},
		};
	}
	ask.rings.running = running;
	ask.rings.stop = stop;
	ask.rings.features = half->features;
	ask.rings.config_read = fresh;
	half->running = running;
	ask_device(half, &ask, ASK_RINGS);
	FUZZ_CHECK(ask.status == 0, "the rings do not start: %d", ask.status);
	if (stop >= 0) {
		half->base[stop] = ask.base;
	}
	if (ask.reset) {
		/* Requests that the reset has answered come back, but mean nothing. */
		while (half_answer_window(half, -ECANCELED)) {
		}
	}
}

void half_start(struct half *half, uint64_t features)
{
	struct ask ask = {.memory = guest_memory_ref(half->memory)};
	memset(half->ram, 0, SLOTS_AT);
	memset(half->chains, 0, sizeof(half->chains));
	half->pending = 0;
	half->features = features | VHOST_USER_F_PROTOCOL_FEATURES;
	ask_device(half, &ask, ASK_MEMORY);
	for (unsigned i = 0; i < half->queue_count; i++) {
		half->avail[i] = 0;
		half->used[i] = 0;
		half->base[i] = 0;
		half->want_kick[i] = false;
		tell_device(half, NOTE_CALL, i, fcntl(half->call, F_DUPFD_CLOEXEC, 3));
	}
	tell_rings(half, true, -1, true);
}

void half_stop(struct half *half)
{
	for (unsigned i = 0; i < half->queue_count; i++) {
		tell_rings(half, false, (int)i, false);
	}
}

void half_resume(struct half *half)
{
	tell_rings(half, true, -1, false);
	for (unsigned i = 0; i < half->queue_count; i++) {
		half->want_kick[i] = false;
	}
}

void half_new_memory(struct half *half)
{
	guest_memory_unref(half->memory);
	half->memory = map_ram();
	struct ask ask = {.memory = guest_memory_ref(half->memory)};
	ask_device(half, &ask, ASK_MEMORY);
}

void half_disconnect(struct half *half, int error)
{
	struct note farewell = {.vhost = half->vhost, .kind = NOTE_DISCONNECTED, .error = error};
	half->running = false;
	vhost_take_note(&farewell.letter);
	while (half_answer_window(half, -ENOTCONN)) {
	}
}

/* --- the driver ----------------------------------------------------------------------------- */

uint8_t *half_at(struct half *half, uint64_t offset)
{
	return offset < HALF_LOW ? half->ram + offset : half->high + (offset - HALF_LOW);
}

static uint64_t slot_at(const struct half *half, const struct half_chain *chain)
{
	return SLOTS_AT + (uint64_t)(chain - half->chains) * SLOT_BYTES;
}

uint8_t *half_request(struct half *half, const struct half_chain *chain)
{
	return half->ram + slot_at(half, chain);
}

uint8_t *half_response(struct half *half, const struct half_chain *chain)
{
	return half->ram + slot_at(half, chain) + HALF_REQUEST;
}

uint64_t half_response_gpa(const struct half *half, const struct half_chain *chain)
{
	return half_gpa(slot_at(half, chain) + HALF_REQUEST);
}

static struct half_chain *free_slot(struct half *half, unsigned queue)
{
	unsigned in_queue = 0;
	struct half_chain *found = NULL;
	for (unsigned i = 0; i < HALF_SLOTS; i++) {
		struct half_chain *chain = &half->chains[i];
		if (!chain->pending) {
			found = found != NULL ? found : chain;
		} else {
			in_queue += chain->queue == queue;
		}
	}
	return in_queue < HALF_RING ? found : NULL;
}

/* The chain's descriptors into `table`, which is in RAM, from index 0. */
static unsigned write_table(struct half *half, const struct half_chain *chain, struct desc *table,
			    unsigned pieces)
{
	uint64_t gpa = half_gpa(slot_at(half, chain));
	uint32_t left = chain->request_size;
	unsigned count = 0;
	pieces = pieces == 0 ? 1 : pieces > MAX_PIECES ? MAX_PIECES : pieces;
	for (unsigned i = 0; i < pieces && left > 0; i++) {
		uint32_t part = i + 1 == pieces ? left : (left + 1) / 2;
		table[count] = (struct desc){gpa, part, DESC_NEXT, (uint16_t)(count + 1)};
		gpa += part;
		left -= part;
		count++;
	}
	if (chain->response_size > 0) {
		table[count] = (struct desc){half_response_gpa(half, chain), chain->response_size,
					     DESC_WRITE, 0};
		count++;
	}
	if (count > 0) {
		table[count - 1].flags &= (uint16_t)~DESC_NEXT;
	}
	return count;
}

/*
 * One descriptor of the ring's table belongs to each slot, so a longer chain goes into a table of its
 * own, whatever was asked for. Without INDIRECT_DESC a slot has two, and half of the slots none.
 */
struct half_chain *half_submit(struct half *half, unsigned queue, const void *request,
			       uint32_t request_size, uint32_t response_size, unsigned pieces,
			       bool indirect)
{
	struct half_chain *chain = free_slot(half, queue);
	bool can_indirect = (half->features & VIRTIO_RING_F_INDIRECT_DESC) != 0;
	uint16_t head = (uint16_t)(chain - half->chains);
	if (chain == NULL || !half->running || request_size + response_size == 0 ||
	    (!can_indirect && head >= HALF_RING / 2)) {
		return NULL;
	}
	*chain = (struct half_chain){
		.pending = true,
		.queue = queue,
		.head = head,
		.request_size = request_size,
		.response_size = response_size,
	};
	memcpy(half_request(half, chain), request, request_size);
	memset(half_response(half, chain), 0xee, HALF_RESPONSE);
	uint8_t *ring = half->ram + queue * RING_SPACE;
	struct desc *desc = (struct desc *)ring + head;
	uint64_t table_at = slot_at(half, chain) + HALF_REQUEST + HALF_RESPONSE;
	struct desc *table = (struct desc *)(half->ram + table_at);
	unsigned count = write_table(half, chain, table, pieces);
	if (count == 1 && !(indirect && can_indirect)) {
		*desc = table[0];
	} else if (can_indirect) {
		*desc = (struct desc){half_gpa(table_at), 16 * count, DESC_INDIRECT, 0};
	} else {
		write_table(half, chain, table, 1);
		*desc = table[0];
		desc->next = (uint16_t)(HALF_RING - 1 - head);
		((struct desc *)ring)[HALF_RING - 1 - head] = table[1];
	}
	uint16_t *avail = (uint16_t *)(ring + AVAIL_AT);
	avail[2 + half->avail[queue] % HALF_RING] = head;
	avail[1] = ++half->avail[queue];
	/* An interrupt for each. */
	avail[2 + HALF_RING] = half->used[queue];
	half->want_kick[queue] = true;
	half->pending++;
	return chain;
}

void half_kick(struct half *half, unsigned queue)
{
	half->want_kick[queue] = false;
	if (half->running) {
		half->vhost->options.callbacks->kicked(half->vhost->options.data, queue);
	}
}

static struct half_chain *next_of(struct half *half, unsigned queue)
{
	const uint8_t *ring = half->ram + queue * RING_SPACE + USED_AT;
	uint16_t idx;
	uint32_t element[2];
	memcpy(&idx, ring + 2, sizeof(idx));
	if (idx == half->used[queue]) {
		return NULL;
	}
	FUZZ_CHECK((uint16_t)(idx - half->used[queue]) <= HALF_RING, "used.idx ran away");
	memcpy(element, ring + 4 + 8 * (size_t)(half->used[queue] % HALF_RING), sizeof(element));
	half->used[queue]++;
	FUZZ_CHECK(element[0] < HALF_SLOTS, "queue %u: used element of chain %u", queue,
		   element[0]);
	struct half_chain *chain = &half->chains[element[0]];
	FUZZ_CHECK(chain->pending && chain->queue == queue,
		   "queue %u: chain %u is used, but is not on its way", queue, element[0]);
	FUZZ_CHECK(element[1] <= chain->response_size, "%u bytes written, room for %u", element[1],
		   chain->response_size);
	chain->pending = false;
	chain->written = element[1];
	half->pending--;
	return chain;
}

struct half_chain *half_next_used(struct half *half)
{
	struct half_chain *chain = NULL;
	for (unsigned i = 0; i < half->queue_count && chain == NULL; i++) {
		chain = next_of(half, i);
	}
	return chain;
}

/* --- the window ----------------------------------------------------------------------------- */

const struct window_request *half_oldest_window(const struct half *half)
{
	return list_empty(&half->requests)
		       ? NULL
		       : container_of(half->requests.next, struct window_request, letter.link);
}

bool half_answer_window(struct half *half, int status)
{
	struct window_request *request = (struct window_request *)half_oldest_window(half);
	if (request == NULL) {
		return false;
	}
	list_remove(&request->letter.link);
	fd_close(&request->fd);
	request->status = status;
	request->letter.deliver = window_returned;
	mailbox_post(&half->vhost->inbox, &request->letter);
	return true;
}

void half_settle(struct half *half)
{
	struct vhost *vhost = half->vhost;
	fuzz_turns(1);
	for (unsigned i = 0;
	     !list_empty(&vhost->inbox.letters) || !list_empty(&vhost->front->inbox.letters); i++) {
		FUZZ_CHECK(i < 10000, "letters without end");
		fuzz_turns(1);
	}
}
