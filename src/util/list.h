/* SPDX-License-Identifier: MIT */
#ifndef HESPER_UTIL_LIST_H
#define HESPER_UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* An intrusive doubly linked list with a head, as in Linux and Wayland. Not thread-safe. */
struct list {
	struct list *prev;
	struct list *next;
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

static inline void list_init(struct list *head)
{
	head->prev = head;
	head->next = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

/* Before head: the end of the list. */
static inline void list_append(struct list *head, struct list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

/* The item becomes a list of its own, so removing it twice is harmless. */
static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* Moves every item of from to the end of head; from is empty afterwards. */
static inline void list_splice(struct list *head, struct list *from)
{
	if (list_empty(from)) {
		return;
	}
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}

#define list_for_each(item, head) for (item = (head)->next; item != (head); item = item->next)

/* Allows removing item while walking. */
#define list_for_each_safe(item, tmp, head)                                                        \
	for (item = (head)->next, tmp = item->next; item != (head); item = tmp, tmp = item->next)

#endif
