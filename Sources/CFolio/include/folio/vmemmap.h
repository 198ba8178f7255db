/* SPDX-License-Identifier: MIT */
/*
 * Commitment of the array of struct page (the array itself: mm.h), and how frame numbers are
 * divided: system RAM below FOLIO_RAM_PFNS, devices above.
 */
#ifndef FOLIO_VMEMMAP_H
#define FOLIO_VMEMMAP_H

#include <folio/mm.h>

FOLIO_ASSUME_NONNULL_BEGIN

/** Frames [0, FOLIO_RAM_PFNS) are system RAM (an assumption of Folio: the spec fixes no place). */
#define FOLIO_RAM_PFNS (1UL << 20)

/**
 * Commits the struct pages of [pfn, pfn + nr_pages), zeroed; the rest of the last subsection is
 * poisoned. pfn is a multiple of PAGES_PER_SUBSECTION. False: no memory, nothing committed.
 */
bool cfolio_vmemmap_populate(unsigned long pfn, unsigned long nr_pages);
/** Gives them back. Later accesses fault. Context: no reader can hold a page of the range. */
void cfolio_vmemmap_depopulate(unsigned long pfn, unsigned long nr_pages);

/** RAM: initialises nr_pages free pages (R == 0, zone ZONE_NORMAL). */
void cfolio_ram_init_pages(unsigned long pfn, unsigned long nr_pages);
/** RAM: one free page, wherever its struct page is. */
void cfolio_ram_init_page(struct page *page);

/** Takes back a RAM folio whose R became 0. */
typedef void (*cfolio_ram_free_t)(struct folio *folio);
/** Names who that is; who it was. Context: no RAM page is in use. */
cfolio_ram_free_t _Nullable cfolio_ram_set_free(cfolio_ram_free_t _Nullable free_folio);
/** A folio of 2^order pages of RAM with R == 1, or NULL. Must not block. */
typedef struct folio *_Nullable (*cfolio_ram_alloc_t)(unsigned int order);
/** Names who gives them out; who it was. Context: as above. */
cfolio_ram_alloc_t _Nullable cfolio_ram_set_alloc(cfolio_ram_alloc_t _Nullable alloc_folio);
/** Asks that callback; NULL when there is none. */
struct folio *_Nullable cfolio_ram_alloc_folio(unsigned int order);
/** Frees through that callback; stops when there is none. */
void cfolio_ram_free_folio(struct folio *folio);

FOLIO_ASSUME_NONNULL_END

#endif
