/* SPDX-License-Identifier: MIT */
/*
 * liburcu-bp as its own users call it: read sections inlined, grace periods, and its deferred
 * calls. Folio's deferred calls do not go through any of the last two.
 */
#ifndef PEERS_LIBURCU_H
#define PEERS_LIBURCU_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** n read sections with nothing in them; n is a multiple of 4. */
void liburcu_read_sections(size_t n);
/** n grace periods. */
void liburcu_grace_periods(size_t n);
/**
 * n objects of 64 bytes made, handed to call_rcu and freed there; a barrier after each batch of
 * `batch`. Returns how many were freed, n unless memory ran out.
 */
size_t liburcu_deferred_free(size_t batch, size_t n);

#ifdef __cplusplus
}
#endif

#endif
