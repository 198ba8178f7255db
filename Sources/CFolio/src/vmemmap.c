// SPDX-License-Identifier: MIT
/*
 * The array of struct page: reserved once, committed in subsections of 512 pages (32 KiB) by the
 * maps that use them. Mirrors the kernel's sparse-vmemmap.c.
 */
#include <folio/sys.h>
#include <folio/vmemmap.h>

#include <pthread.h>

struct page *vmemmap;
shared_t cfolio_zero_page;
shared_t cfolio_huge_zero_folio;

void cfolio_set_zero_folios(struct page *zero, struct folio *huge)
{
	WRITE_ONCE(cfolio_zero_page, zero);
	WRITE_ONCE(cfolio_huge_zero_folio, huge);
}

static pthread_once_t reserved = PTHREAD_ONCE_INIT;

/* Frames that have address space. Written with vmemmap. */
static unsigned long reserved_frames;

/* Where a process gets less address space (ulimit -v, valgrind) fewer frames can exist. */
static void reserve(void)
{
	reserved_frames = FOLIO_MAX_PFN;
	vmemmap = cfolio_reserve(reserved_frames * sizeof(struct page));
	while (!vmemmap && reserved_frames > 1UL << 22) {
		reserved_frames >>= 1;
		vmemmap = cfolio_reserve(reserved_frames * sizeof(struct page));
	}
}

bool cfolio_vmemmap_init(void)
{
	pthread_once(&reserved, reserve);
	return vmemmap != NULL;
}

static unsigned long subsections_end(unsigned long pfn, unsigned long nr_pages)
{
	return (pfn + nr_pages + PAGES_PER_SUBSECTION - 1) & ~(PAGES_PER_SUBSECTION - 1);
}

bool cfolio_vmemmap_populate(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long end = subsections_end(pfn, nr_pages);
	if (end > reserved_frames)
		return false;
	if (!cfolio_commit(pfn_to_page(pfn), (end - pfn) * sizeof(struct page)))
		return false;
	for (unsigned long tail = pfn + nr_pages; tail < end; tail++)
		WRITE_ONCE(pfn_to_page(tail)->flags, PAGE_POISON_PATTERN);
	return true;
}

void cfolio_vmemmap_depopulate(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long end = subsections_end(pfn, nr_pages);
	cfolio_decommit(pfn_to_page(pfn), (end - pfn) * sizeof(struct page));
}
