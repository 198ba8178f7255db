/* SPDX-License-Identifier: MIT */
/*
 * Four functions that are never timed: their machine code is counted (gate G11). The library's
 * get, put and try_get, and the same with <stdatomic.h> plus the one branch that tracing and
 * auditing may cost. And a look at the event word, which Swift cannot import.
 */
#ifndef PEERS_PROBES_H
#define PEERS_PROBES_H

#include <folio/mm.h>

FOLIO_ASSUME_NONNULL_BEGIN

void folio_bench_probe_get_put(struct folio *folio);
void folio_bench_probe_plain_get_put(struct page *page);
bool folio_bench_probe_try_get(struct folio *folio);
bool folio_bench_probe_plain_try_get(struct page *page);

/** Waiters that the event word counts now. RLX. */
int folio_bench_waiters(void);

FOLIO_ASSUME_NONNULL_END

#endif
