/* SPDX-License-Identifier: MIT */
/*
 * struct page and struct folio, word for word the 64-bit layout of Linux v6.18 with MEMCG
 * (spec: core.md 1.1-1.3), and the constants that belong to it. Every overlay is asserted below
 * (CI64). Mirrors the kernel's mm_types.h.
 *
 * Alignment is 16, as in the kernel and as Swift can import it; the array of pages itself starts
 * on a 64-byte boundary, so a page never straddles a cache line.
 */
#ifndef FOLIO_MM_TYPES_H
#define FOLIO_MM_TYPES_H

#include <folio/atomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PMD_ORDER 9
#define PUD_ORDER 18
#define HPAGE_PMD_NR (1 << PMD_ORDER)
#define HPAGE_PUD_NR (1 << PUD_ORDER)
#define MAX_FOLIO_ORDER PUD_ORDER

/** Added to _nr_pages_mapped while the folio is mapped entirely. */
#define ENTIRELY_MAPPED 0x800000
/** The per-page part of _nr_pages_mapped. */
#define FOLIO_PAGES_MAPPED 0x7fffff
/** Weight of a pin in the refcount of a small folio. */
#define GUP_PIN_COUNTING_BIAS 1024
/** Mapping word of tails whose word is not overlaid. The poison delta is an assumption (x86-64). */
#define TAIL_MAPPING 0xdead000000000400UL
/** Flags of a page that was never initialised. */
#define PAGE_POISON_PATTERN (~0UL)
#define PAGEVEC_SIZE 31
#define MAX_NR_FOLIOS_PER_FREE 512

struct address_space;
struct dev_pagemap;

/**
 * 64 bytes that describe one page frame. Words are read and written through folio/atomic.h only.
 *
 * | word          | written by                                     | protected by              |
 * |---------------|------------------------------------------------|---------------------------|
 * | flags         | owner at init; bit operations by anyone        | atomic bits               |
 * | compound_head | owner in prep and split                        | owner token, R == 0       |
 * | mapping       | owner of the association                       | entry lock                |
 * | _mapcount     | mappers                                        | page-table lock + atomic  |
 * | _refcount     | every holder                                   | atomic                    |
 */
struct page {
	shared_t flags;
	union {
		struct {
			shared_t lru_next;
			shared_t lru_prev;
		};
		struct {
			/** Tail: address of the head + 1. Head of a device folio: the pgmap. */
			shared_t compound_head;
			shared_t zone_device_data;
		};
	};
	shared_t mapping;
	union {
		shared_t __folio_index;
		shared_t share; /**< file-system DAX: associations of a shared extent */
	};
	shared_t private;
	union {
		atomic_t _mapcount; /**< mappings of this page - 1 */
		atomic_t page_type; /**< below 0xff000000 as unsigned: not a type */
	};
	atomic_t _refcount;
	shared_t memcg_data;
} __attribute__((aligned(16))) FOLIO_NONCOPYABLE;

/**
 * The head page and, overlaid on the next three pages, what a large folio needs. Only the first
 * 64 bytes exist for a small folio.
 */
struct folio {
	union {
		struct {
			shared_t flags;
			union {
				struct {
					shared_t lru_next;
					shared_t lru_prev;
				};
				struct {
					shared_t pgmap; /**< struct dev_pagemap *, device folios */
					shared_t zone_device_data;
				};
			};
			shared_t mapping;
			union {
				shared_t index;
				shared_t share;
			};
			shared_t private;
			atomic_t _mapcount;
			atomic_t _refcount;
			shared_t memcg_data;
		};
		struct page page;
	};
	union {
		struct {
			shared_t _flags_1; /**< low 8 bits: order */
			shared_t _head_1;
			atomic_t _large_mapcount;    /**< L - 1 */
			atomic_t _nr_pages_mapped;   /**< NM */
			atomic_t _entire_mapcount;   /**< EM - 1 */
			atomic_t _pincount;	     /**< PC */
			atomic_t _mm_id_mapcount[2]; /**< mappings by the mm in the slot - 1 */
			shared_t _mm_ids;	     /**< both slots, lock bit, SHARED bit */
			atomic_t _mapcount_1;
			atomic_t _refcount_1;
			atomic_t _nr_pages;
			atomic_t _unmaps; /**< mappings removed, wraps; unused in the kernel */
		};
		struct page page_1;
	};
	union {
		struct {
			shared_t _flags_2;
			shared_t _head_2;
			shared_t _deferred_list_next;
			shared_t _deferred_list_prev;
			shared_t _words_2[4];
		};
		struct page page_2;
	};
	union {
		struct {
			shared_t _flags_3;
			shared_t _head_3;
			shared_t _words_3[6];
		};
		struct page page_3;
	};
} __attribute__((aligned(16))) FOLIO_NONCOPYABLE;

/* Offsets of core.md 1.1. */
static_assert(sizeof(struct page) == 64, "struct page is one cache line");
static_assert(_Alignof(struct page) == 16, "importable into Swift");
static_assert(offsetof(struct page, flags) == 0, "1.1");
static_assert(offsetof(struct page, lru_next) == 8, "1.1");
static_assert(offsetof(struct page, compound_head) == 8, "1.1: compound_head is the pgmap word");
static_assert(offsetof(struct page, lru_prev) == 16, "1.1");
static_assert(offsetof(struct page, zone_device_data) == 16, "1.1");
static_assert(offsetof(struct page, mapping) == 24, "1.1");
static_assert(offsetof(struct page, __folio_index) == 32, "1.1");
static_assert(offsetof(struct page, share) == 32, "1.1: share is the index word");
static_assert(offsetof(struct page, private) == 40, "1.1");
static_assert(offsetof(struct page, _mapcount) == 48, "1.1");
static_assert(offsetof(struct page, page_type) == 48, "1.1");
static_assert(offsetof(struct page, _refcount) == 52, "1.1");
static_assert(offsetof(struct page, memcg_data) == 56, "1.1");

/* Offsets of core.md 1.2. */
#define FOLIO_MATCH(page_field, folio_field, base)                                                 \
	static_assert(offsetof(struct page, page_field) + (base) ==                                \
			      offsetof(struct folio, folio_field),                                 \
		      "1.2: " #folio_field " overlays " #page_field)
static_assert(sizeof(struct folio) == 256, "four pages");
static_assert(_Alignof(struct folio) == 16, "importable into Swift");
FOLIO_MATCH(flags, flags, 0);
FOLIO_MATCH(lru_next, lru_next, 0);
FOLIO_MATCH(compound_head, pgmap, 0);
FOLIO_MATCH(compound_head, lru_next, 0);
FOLIO_MATCH(zone_device_data, zone_device_data, 0);
FOLIO_MATCH(mapping, mapping, 0);
FOLIO_MATCH(__folio_index, index, 0);
FOLIO_MATCH(share, share, 0);
FOLIO_MATCH(private, private, 0);
FOLIO_MATCH(_mapcount, _mapcount, 0);
FOLIO_MATCH(_refcount, _refcount, 0);
FOLIO_MATCH(memcg_data, memcg_data, 0);
FOLIO_MATCH(flags, _flags_1, 64);
FOLIO_MATCH(compound_head, _head_1, 64);
FOLIO_MATCH(_mapcount, _mapcount_1, 64);
FOLIO_MATCH(_refcount, _refcount_1, 64);
FOLIO_MATCH(memcg_data, _nr_pages, 64);
FOLIO_MATCH(lru_prev, _large_mapcount, 64);
FOLIO_MATCH(mapping, _entire_mapcount, 64);
FOLIO_MATCH(__folio_index, _mm_id_mapcount, 64);
FOLIO_MATCH(private, _mm_ids, 64);
FOLIO_MATCH(flags, _flags_2, 128);
FOLIO_MATCH(compound_head, _head_2, 128);
FOLIO_MATCH(lru_prev, _deferred_list_next, 128);
FOLIO_MATCH(mapping, _deferred_list_prev, 128);
FOLIO_MATCH(flags, _flags_3, 192);
FOLIO_MATCH(compound_head, _head_3, 192);
static_assert(offsetof(struct folio, _large_mapcount) == 80, "1.2");
static_assert(offsetof(struct folio, _nr_pages_mapped) == 84, "1.2");
static_assert(offsetof(struct folio, _entire_mapcount) == 88, "1.2");
static_assert(offsetof(struct folio, _pincount) == 92, "1.2");
static_assert(offsetof(struct folio, _mm_id_mapcount) == 96, "1.2");
static_assert(offsetof(struct folio, _mm_ids) == 104, "1.2");
static_assert(offsetof(struct folio, _mapcount_1) == 112, "1.2");
static_assert(offsetof(struct folio, _refcount_1) == 116, "1.2");
static_assert(offsetof(struct folio, _nr_pages) == 120, "1.2");
static_assert(offsetof(struct folio, _deferred_list_next) == 144, "1.2");

FOLIO_ASSUME_NONNULL_END

#endif
