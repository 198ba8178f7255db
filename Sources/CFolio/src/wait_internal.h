/* SPDX-License-Identifier: MIT */
/* What wait.c shares with wait_bit.c and wait_callback.c. Not for users: not in CFolio.h. */
#ifndef FOLIO_WAIT_INTERNAL_H
#define FOLIO_WAIT_INTERNAL_H

#include <folio/wait.h>

/** Sets the key and counts one waiter in the event word. */
void cfolio_init_keyed(struct wait_bit_queue_entry *entry, const void *address, int bit);
/** Whether a keyed entry waits for exactly this key (CI49). */
bool cfolio_key_matches(struct wait_queue_entry *entry, const void *key);
/** Wakes the entry's sleeper and dequeues it; false when it was running already. */
bool cfolio_autoremove_wake_function(struct wait_queue_entry *entry, const void *key);
/** Context: the queue lock. */
void cfolio_enqueue(struct wait_queue_head *queue, struct wait_queue_entry *entry);
/** True when it was queued. Context: the queue lock. */
bool cfolio_dequeue(struct wait_queue_entry *entry);

#endif
