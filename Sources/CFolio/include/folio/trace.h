/* SPDX-License-Identifier: MIT */
/*
 * The event log: one record per change of a refcount, of the seven kinds that the kernel's
 * page_ref tracepoints have (spec: core.md section 3, row 120). Rings are per thread, written
 * without a lock by their thread and read by anybody. Mirrors the kernel's events/page_ref.h.
 */
#ifndef FOLIO_TRACE_H
#define FOLIO_TRACE_H

#include <folio/mm_types.h>

FOLIO_ASSUME_NONNULL_BEGIN

enum page_ref_event {
	PAGE_REF_SET = 0,
	PAGE_REF_MOD = 1,
	PAGE_REF_MOD_AND_TEST = 2,
	PAGE_REF_MOD_AND_RETURN = 3,
	PAGE_REF_MOD_UNLESS = 4,
	PAGE_REF_FREEZE = 5,
	PAGE_REF_UNFREEZE = 6,
};
#define PAGE_REF_EVENTS 7

struct trace_record {
	int64_t time_ns;
	unsigned long pfn;
	int delta;  /**< the change asked for; for set, freeze and unfreeze the value */
	int result; /**< R afterwards as far as the operation knows it, or success (0, 1) */
	unsigned int thread;
	enum page_ref_event event;
};

/** Records that a ring keeps; older ones are overwritten. */
#define TRACE_RING_RECORDS 8192

/** Switches the log on or off; calls nest. Rings keep their records when it goes off. */
void cfolio_trace_enable(bool enable);
bool cfolio_trace_enabled(void);
/** Forgets every record. Context: no traced operation in progress. */
void cfolio_trace_clear(void);
/** Called by the out-of-line halves of page_ref.h. */
void cfolio_trace_emit(enum page_ref_event event, const struct page *page, int delta, int result);

/** Copies up to capacity records of all threads, unsorted, whole records only; returns how many. */
long cfolio_trace_copy(struct trace_record *out, long capacity);
/** Records that a cfolio_trace_copy() would find now, at most. */
long cfolio_trace_available(void);
/** Records lost because a ring was full or could not be allocated. */
long cfolio_trace_lost(void);

FOLIO_ASSUME_NONNULL_END

#endif
