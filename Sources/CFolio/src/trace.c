// SPDX-License-Identifier: MIT
/*
 * Event rings. See folio/trace.h.
 *
 * One writer per ring, any reader, no lock. The writer stores a record's words (RLX), then the
 * count (REL-ST). A reader loads the count (ACQ-LD), copies records, then, after a read barrier,
 * loads the count again: record i is whole if i > count - TRACE_RING_RECORDS then, because the
 * writer fills the slot of record i - and only that one - while the count is i + size.
 */
#include <folio/events.h>
#include <folio/mm.h>
#include <folio/mutant.h>
#include <folio/sys.h>
#include <folio/thread.h>
#include <folio/trace.h>

struct trace_slot {
	shared_t time_ns;
	shared_t pfn_and_event; /* event in the top byte */
	shared_t delta_and_result;
	shared_t thread;
};

struct trace_ring {
	atomic_long_t count;	 /* records ever written; the owning thread */
	atomic_long_t first;	 /* records forgotten; cfolio_trace_clear() */
	atomic_t owned;		 /* 1 while a live thread writes */
	struct trace_ring *next; /* set before publication */
	struct trace_slot slots[TRACE_RING_RECORDS];
};

/* Newest ring first; pushed by any thread, never removed: a dead thread's ring is taken over. */
static shared_t rings;
static atomic_long_t lost;

static struct trace_ring *first_ring(void)
{
	return (struct trace_ring *)smp_load_acquire(&rings);
}

static struct trace_ring *claim_ring(void)
{
	for (struct trace_ring *ring = first_ring(); ring; ring = ring->next) {
		int expected = 0;
		if (MUTANT(P93)
			    ? atomic_read(&ring->owned) == 0 && (atomic_set(&ring->owned, 1), true)
			    : atomic_try_cmpxchg(&ring->owned, &expected, 1))
			return ring;
	}
	struct trace_ring *ring = cfolio_zalloc(sizeof(*ring));
	if (!ring)
		return NULL;
	atomic_set(&ring->owned, 1);
	unsigned long top = READ_ONCE(rings);
	do {
		ring->next = (struct trace_ring *)top;
	} while (!shared_try_cmpxchg(&rings, &top, (unsigned long)ring));
	return ring;
}

void cfolio_trace_thread_exit(struct folio_thread *thread)
{
	if (thread->ring)
		atomic_set_release(&thread->ring->owned, 0);
	thread->ring = NULL;
}

void cfolio_trace_enable(bool enable)
{
	if (enable)
		cfolio_events_enable(FOLIO_EVENT_TRACE);
	else
		cfolio_events_disable(FOLIO_EVENT_TRACE);
}

bool cfolio_trace_enabled(void)
{
	return (atomic_read(&cfolio_events) & FOLIO_EVENT_TRACE) != 0;
}

void cfolio_trace_emit(enum page_ref_event event, const struct page *page, int delta, int result)
{
	struct folio_thread *thread = folio_this_thread();
	if (unlikely(!thread->ring))
		thread->ring = claim_ring();
	struct trace_ring *ring = thread->ring;
	if (!ring) {
		atomic_long_add(1, &lost);
		return;
	}
	long count = atomic_long_read(&ring->count);
	struct trace_slot *slot = &ring->slots[count % TRACE_RING_RECORDS];
	WRITE_ONCE(slot->time_ns, cfolio_clock_ns());
	WRITE_ONCE(slot->pfn_and_event, page_to_pfn(page) | (unsigned long)event << 56);
	WRITE_ONCE(slot->delta_and_result,
		   (unsigned long)(unsigned int)delta << 32 | (unsigned int)result);
	WRITE_ONCE(slot->thread, thread->id);
	atomic_long_set_release(&ring->count, count + 1);
	/* A reader that sees a later slot half written must see this count: slots are RLX. */
	smp_wmb();
}

static long oldest(const struct trace_ring *ring, long count)
{
	long first = atomic_long_read(&ring->first);
	long kept = count - TRACE_RING_RECORDS + 1;
	return kept > first ? kept : first;
}

static struct trace_record read_slot(const struct trace_slot *slot)
{
	unsigned long page = READ_ONCE(slot->pfn_and_event);
	unsigned long change = READ_ONCE(slot->delta_and_result);
	return (struct trace_record){
		.time_ns = (int64_t)READ_ONCE(slot->time_ns),
		.pfn = page & ((1UL << 56) - 1),
		.delta = (int)(change >> 32),
		.result = (int)change,
		.thread = (unsigned int)READ_ONCE(slot->thread),
		.event = (enum page_ref_event)(page >> 56),
	};
}

long cfolio_trace_copy(struct trace_record *out, long capacity)
{
	long copied = 0;
	for (struct trace_ring *ring = first_ring(); ring; ring = ring->next) {
		long count = atomic_long_read_acquire(&ring->count);
		long from = oldest(ring, count), start = copied;
		if (count - from > capacity - copied)
			from = count - (capacity - copied);
		for (long i = from; i < count; i++)
			out[copied++] = read_slot(&ring->slots[i % TRACE_RING_RECORDS]);
		smp_rmb();
		/* Drop what the writer may have been overwriting meanwhile. */
		long safe = oldest(ring, atomic_long_read(&ring->count));
		long torn = safe > from ? safe - from : 0;
		if (torn > copied - start)
			torn = copied - start;
		for (long i = start; i + torn < copied; i++)
			out[i] = out[i + torn];
		copied -= torn;
	}
	return copied;
}

long cfolio_trace_available(void)
{
	long sum = 0;
	for (struct trace_ring *ring = first_ring(); ring; ring = ring->next) {
		long count = atomic_long_read(&ring->count);
		sum += count - oldest(ring, count);
	}
	return sum;
}

long cfolio_trace_lost(void)
{
	long sum = atomic_long_read(&lost);
	for (struct trace_ring *ring = first_ring(); ring; ring = ring->next) {
		long count = atomic_long_read(&ring->count);
		sum += oldest(ring, count) - atomic_long_read(&ring->first);
	}
	return sum;
}

void cfolio_trace_clear(void)
{
	atomic_long_set(&lost, 0);
	for (struct trace_ring *ring = first_ring(); ring; ring = ring->next)
		atomic_long_set(&ring->first, atomic_long_read(&ring->count));
}
