/* SPDX-License-Identifier: MIT */
/*
 * Pages by number, identity of head and tail, get and put, and the questions asked of counters
 * (spec: core.md 1.4 and section 4, rows 18-39). Mirrors the kernel's mm.h.
 *
 * Who may call: whoever the line "Context" allows. Nothing here blocks; every put may run the free
 * path, which never blocks either.
 */
#ifndef FOLIO_MM_H
#define FOLIO_MM_H

#include <folio/bug.h>
#include <folio/page_ref.h>

FOLIO_ASSUME_NONNULL_BEGIN

/* ---- vmemmap: one flat, reserved array of struct page, indexed by page frame number. --------- */

/** Page frames that can exist: 4 TiB of 4 KiB pages, 64 GiB of reserved address space. */
#define FOLIO_PFN_BITS 30
#define FOLIO_MAX_PFN (1UL << FOLIO_PFN_BITS)
/** Granule of vmemmap commitment, in pages (the kernel's subsection). */
#define PAGES_PER_SUBSECTION 512UL

/** First struct page; written once by cfolio_vmemmap_init(), before any page exists. */
extern struct page *_Null_unspecified vmemmap;

/** Reserves the array. Any thread, any number of times. False: no address space. */
bool cfolio_vmemmap_init(void);

/** The struct page of a frame. Reading it needs a map (or RAM) that covers the frame. */
static inline struct page *pfn_to_page(unsigned long pfn)
{
	return vmemmap + pfn;
}

static inline unsigned long page_to_pfn(const struct page *page)
{
	return (unsigned long)(page - vmemmap);
}

/* ---- head and tail --------------------------------------------------------------------------- */

/** The head of the page's folio now; stale at once unless a reference is held. RLX. */
static inline struct page *compound_head(const struct page *page)
{
	unsigned long head = READ_ONCE(page->compound_head);
	if (unlikely(head & 1))
		return (struct page *)(head - 1);
	return (struct page *)(uintptr_t)page;
}

/** The folio of a page. Needs no reference and no lock; re-check after taking a reference. */
static inline struct folio *page_folio(const struct page *page)
{
	return (struct folio *)compound_head(page);
}

/** Page n of the folio, n < folio_nr_pages(). */
static inline struct page *folio_page(struct folio *folio, unsigned long n)
{
	return &folio->page + n;
}

static inline unsigned long folio_pfn(const struct folio *folio)
{
	return page_to_pfn(&folio->page);
}

/** log2 of the number of pages. RLX. */
static inline unsigned int folio_order(const struct folio *folio)
{
	if (!folio_test_large(folio))
		return 0;
	return (unsigned int)(READ_ONCE(folio->_flags_1) & 0xff);
}

/** Pages in the folio. RLX. */
static inline long folio_nr_pages(const struct folio *folio)
{
	if (!folio_test_large(folio))
		return 1;
	return atomic_read(&folio->_nr_pages);
}

/* ---- get ------------------------------------------------------------------------------------- */

/** R of the page's folio. RLX snapshot; the head may be stale. */
static inline int page_count(const struct page *page)
{
	return folio_ref_count(page_folio(page));
}

/** True when R is in [-127, 0] as the kernel computes it: free, or about to overflow. */
static inline bool folio_ref_zero_or_close_to_overflow(const struct folio *folio)
{
	return (unsigned int)folio_ref_count(folio) + 127u <= 127u;
}

/**
 * R += 1. Context: holds a reference. RLX. While the map is audited, a get at R in [-127, 0] is
 * recorded as CI21 (the kernel stops there, in debug builds only).
 */
static inline void folio_get(struct folio *folio)
{
	atomic_inc(&folio->page._refcount);
	if (folio_events_pending())
		__page_ref_get(&folio->page);
}

/** R of the page's folio += 1; warns and does nothing for slab and large kmalloc pages. RLX. */
void get_page(struct page *page);

/** R += 1 if R > 0; warns and fails when R <= 0. RLX. */
bool try_get_page(struct page *page) __must_check;

/** R of exactly this page += 1 unless 0 (tails always fail). FULL/f. */
static inline bool get_page_unless_zero(struct page *page)
{
	return page_ref_add_unless(page, 1, 0);
}

/** The folio with one more reference, or NULL: for walkers over frame numbers. FULL/f. */
struct folio *_Nullable folio_get_nontail_page(struct page *page);

/**
 * The folio of a page with n more references, or NULL when R was 0. Re-reads the head after
 * taking them and gives them back when the page moved to another folio (CI37). FULL/f, then a
 * load. Context: the struct page must stay memory.
 */
struct folio *_Nullable try_get_folio(struct page *page, int refs);

/* ---- put ------------------------------------------------------------------------------------- */

/** Frees a folio whose R this caller brought to 0. Dispatches on the kind of page; never blocks. */
void __folio_put(struct folio *folio);

/* Out of line. Either is the last thing that a put does, so its fast path saves no register. */
/** The event word is not zero; R is still above 0. */
void __folio_put_event(struct folio *folio, int refs) __cold;
/** R became 0: frees; or negative: stops (CI21). Looks at the event word itself. */
void __folio_put_last(struct folio *folio, int refs) __cold;

/* What folio_put_refs() would be with a relaxed decrement, or with half of its order. */
static inline void weakened_folio_put(struct folio *folio, int refs)
{
	int order = MUTANT(O01)	  ? memory_order_relaxed
		    : MUTANT(O02) ? memory_order_release
				  : memory_order_acquire;
	if (weakened_add_return(-refs, &folio->page._refcount, order) <= 0)
		__folio_put_last(folio, refs);
	else if (folio_events_pending())
		__folio_put_event(folio, refs);
}

/**
 * R -= refs; frees at 0. Context: owns refs references; any thread. FULL. Never runs the 2->1
 * hook.
 */
static inline void folio_put_refs(struct folio *folio, int refs)
{
	if (MUTANT(O01) || MUTANT(O02) || MUTANT(O03))
		return weakened_folio_put(folio, refs);
	if (MUTANT(P01))
		atomic_set(&folio->page._refcount, page_ref_count(&folio->page));
	if (unlikely(atomic_sub_and_test_low(refs, &folio->page._refcount)))
		__folio_put_last(folio, refs);
	else if (MUTANT(C06) && page_ref_count(&folio->page) == 0)
		__folio_put(folio);
	else if (MUTANT(P35) && page_ref_count(&folio->page) == 1)
		__folio_put(folio);
	else if (folio_events_pending())
		__folio_put_event(folio, refs);
}

/** R -= 1; frees at 0. The folio must not be touched afterwards. FULL. */
static inline void folio_put(struct folio *folio)
{
	folio_put_refs(folio, 1);
}

/**
 * folio_put() of the page's folio. Legacy maps: a put that leaves R == 1 on an FS_DAX page wakes
 * &page->_refcount. FULL.
 */
void put_page(struct page *page);

/** R -= 1; true when it became 0 and the caller must free. Stops when R was 0. FULL. */
bool put_page_testzero(struct page *page) __must_check;
bool folio_put_testzero(struct folio *folio) __must_check;

/* Its half out of line: some legacy map lives. */
bool __put_devmap_managed_folio_refs(struct folio *folio, int refs) __cold;
/**
 * Legacy: if the folio belongs to an FS_DAX map under legacy rules, R -= refs, wakes
 * &page->_refcount when that leaves 1, and returns true. Otherwise does nothing. FULL.
 */
static inline bool put_devmap_managed_folio_refs(struct folio *folio, int refs)
{
	if (likely(!(atomic_read(&cfolio_events) & FOLIO_EVENT_MANAGED)))
		return false;
	return __put_devmap_managed_folio_refs(folio, refs);
}

/** Up to PAGEVEC_SIZE folios to be put together. */
struct folio_batch {
	unsigned char nr;
	struct folio *_Null_unspecified folios[PAGEVEC_SIZE];
};

static inline void folio_batch_init(struct folio_batch *batch)
{
	batch->nr = 0;
}

/** Adds a folio; returns the room that is left. */
static inline unsigned int folio_batch_add(struct folio_batch *batch, struct folio *folio)
{
	batch->folios[batch->nr++] = folio;
	return PAGEVEC_SIZE - batch->nr;
}

/** Puts refs[i] (1 when refs is NULL) of folio i and empties the batch. FULL each (CI56). */
void folios_put_refs(struct folio_batch *batch, const unsigned int *_Nullable refs);
void folios_put(struct folio_batch *batch);

/** A page pointer with two tag bits. Bit 0: delayed rmap. Bit 1: the next word is a count. */
struct encoded_page;
#define ENCODED_PAGE_BIT_DELAY_RMAP 1UL
#define ENCODED_PAGE_BIT_NR_PAGES_NEXT 2UL

static inline struct encoded_page *encode_page(struct page *page, unsigned long bits)
{
	return (struct encoded_page *)((unsigned long)page | bits);
}

static inline struct encoded_page *encode_nr_pages(unsigned long nr)
{
	return (struct encoded_page *)(nr << 2);
}

/**
 * Puts the pages of an encoded array, a counted entry by its count. nr: words in the array. FULL.
 */
void release_pages(struct encoded_page *_Nonnull *_Nonnull pages, int nr);
/** As release_pages(): Folio has no swap cache to free. */
void free_pages_and_swap_cache(struct encoded_page *_Nonnull *_Nonnull pages, int nr);

/* ---- permanent pages ------------------------------------------------------------------------- */

/* The zero page and the huge zero folio, or 0. Written by cfolio_set_zero_folios(); RLX. */
extern shared_t cfolio_zero_page;
extern shared_t cfolio_huge_zero_folio;

/** Names the permanent pages. Context: nothing is mapped or pinned yet. */
void cfolio_set_zero_folios(struct page *_Nullable zero, struct folio *_Nullable huge);

/** The zero page, or NULL. RLX. */
static inline struct page *_Nullable cfolio_zero_page_now(void)
{
	return (struct page *)READ_ONCE(cfolio_zero_page);
}

/** The huge zero folio, or NULL. RLX. */
static inline struct folio *_Nullable cfolio_huge_zero_folio_now(void)
{
	return (struct folio *)READ_ONCE(cfolio_huge_zero_folio);
}

/** The folio whose counters never change: not counted by map, unmap, pin or unpin. */
static inline bool is_zero_folio(const struct folio *folio)
{
	return unlikely((unsigned long)folio == READ_ONCE(cfolio_zero_page));
}

static inline bool is_huge_zero_folio(const struct folio *folio)
{
	return unlikely((unsigned long)folio == READ_ONCE(cfolio_huge_zero_folio));
}

/* ---- questions ------------------------------------------------------------------------------- */

/** Mappings of a large folio (L). RLX. */
static inline int folio_large_mapcount(const struct folio *folio)
{
	return atomic_read(&folio->_large_mapcount) + 1;
}

/** Mappings of the folio (M): 0 for a typed page. RLX. */
static inline int folio_mapcount(const struct folio *folio)
{
	if (folio_test_large(folio))
		return folio_large_mapcount(folio);
	if (folio_has_type(folio))
		return 0;
	return atomic_read(&folio->_mapcount) + 1;
}
/** PMD and PUD mappings of a large folio (EM). Stops for a small folio. RLX. */
int folio_entire_mapcount(const struct folio *folio);
/** M >= 1. RLX. */
bool folio_mapped(const struct folio *folio);
/** Large folios count pins exactly. */
static inline bool folio_has_pincount(const struct folio *folio)
{
	return folio_test_large(folio);
}

/**
 * Large: exactly whether it is pinned. Small: R >= 1024 as unsigned, so many plain references look
 * like a pin, and never the other way round. RLX.
 */
static inline bool folio_maybe_dma_pinned(const struct folio *folio)
{
	if (folio_has_pincount(folio))
		return atomic_read(&folio->_pincount) > 0;
	return (unsigned int)folio_ref_count(folio) >=
	       (unsigned int)(GUP_PIN_COUNTING_BIAS + MUTANT(P03));
}

/**
 * Whether a fork must copy the page now. has_pinned: the mm ever pinned; sequence: its
 * write_protect_seq, which must be odd (stops otherwise). Context: the page-table lock. RLX.
 */
bool folio_needs_cow_for_dma(bool has_pinned, unsigned int sequence, const struct folio *folio);

/** Whether a long-term pin may be taken; never for FS_DAX (legacy: yes) or coherent pages. */
bool folio_is_longterm_pinnable(struct folio *folio);

/** References explained by page cache, private data and mappings; callers add their own. RLX. */
int folio_expected_ref_count(const struct folio *folio);

/** Whether more than one mm may map the folio; false positives possible. RLX. */
bool folio_maybe_mapped_shared(struct folio *folio);

/** References beyond those of mappings and the base count: pins and gets. A consistent snapshot. */
int folio_extra_refs(const struct folio *folio);

FOLIO_ASSUME_NONNULL_END

#endif
