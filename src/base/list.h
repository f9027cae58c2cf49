/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list - a doubly linked list with the links inside the elements. An unlinked element points to
 * itself.
 */
#pragma once

#include "base/mem.h"

#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(l)                       \
	{                                  \
		.next = &(l), .prev = &(l) \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Adds @n at the tail of @head. */
static inline void list_add(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

/* Unlinks; may be called on an unlinked element. */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(l, type, member) container_of(l, type, member)
/* The current element may be removed in the body, others not. */
#define list_for_each(pos, head, member)                                        \
	for (__typeof__(pos) pos##_next =                                       \
		     (pos = list_entry((head)->next, __typeof__(*pos), member), \
		     list_entry(pos->member.next, __typeof__(*pos), member));   \
	     &pos->member != (head); pos = pos##_next,                          \
			     pos##_next = list_entry(pos->member.next, __typeof__(*pos), member))
