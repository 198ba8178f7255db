// SPDX-License-Identifier: MIT
/*
 * Address spaces and their areas. See folio/mmap.h; mirrors the kernel's mm/mmap_lock.c and vma.c.
 */
#include <folio/anon_vma.h>
#include <folio/bug.h>
#include <folio/mmap.h>
#include <folio/mutant.h>
#include <folio/sys.h>
#include <folio/tlb.h>
#include <folio/wait.h>

static struct lock_class mmap_class = LOCK_CLASS("mmap");
static struct lock_class page_table_class = LOCK_CLASS("page table");

const struct vm_operations_struct *cfolio_no_operations(void)
{
	static const struct vm_operations_struct none;
	return &none;
}

/* Every map begins and ends with it. */
static struct vma_index no_areas;

struct mm_struct *mm_alloc(const struct mm_options *options, mm_id_t id)
{
	/* The words of frames are reserved before the first access to one. */
	if (!cfolio_frame_word(0))
		return NULL;
	struct mm_struct *mm = cfolio_zalloc(sizeof(*mm));
	struct ptdesc *pgd = pgtable_alloc(PGTABLE_LEVEL_PGD, options->table_shift);
	if (!mm || !pgd || init_srcu_struct(&mm->translations) != 0) {
		cfolio_free(mm);
		cfolio_free(pgd);
		return NULL;
	}
	init_rwsem(&mm->mmap_lock, &mmap_class);
	spin_lock_init(&mm->page_table_lock, &page_table_class);
	mm->pgd = pgd;
	mm->options = *options;
	mm->mm_id = id;
	rcu_assign_pointer(mm->areas, &no_areas);
	atomic_long_set(&mm->pgtables, 1);
	return mm;
}

/* Tables below this one. Nobody else has them, so they go at once. */
static long free_tables(struct ptdesc *table)
{
	long freed = 0;
	for (unsigned int i = 0; i < pgtable_entries(table); i++) {
		pmd_t pmd = ptep_get(pgtable_entry(table, i));
		FOLIO_BUG_ON(!pte_none(pmd) && !pmd_table(pmd), "CI18", NULL,
			     "an address space goes while it maps frame %#lx", pte_pfn(pmd));
		if (table->level == PGTABLE_LEVEL_PTE || !pmd_table(pmd))
			continue;
		freed += free_tables(pmd_page_table(pmd)) + 1;
		pgtable_free(pmd_page_table(pmd));
	}
	return freed;
}

void mm_free(struct mm_struct *mm)
{
	FOLIO_BUG_ON(mm_areas(mm) != &no_areas, "CI52", NULL,
		     "an address space goes with %lu areas in it", mm_areas(mm)->count);
	cleanup_srcu_struct(&mm->translations);
	long counted = atomic_long_read(&mm->pgtables);
	long freed = free_tables(mm->pgd) + 1;
	FOLIO_BUG_ON(counted != freed, "CI53", NULL, "%ld tables are counted, %ld are there",
		     counted, freed);
	pgtable_free(mm->pgd);
	cfolio_free(mm);
}

/* ---- the index ------------------------------------------------------------------------------- */

struct vm_area_struct *find_vma(const struct mm_struct *mm, unsigned long address)
{
	const struct vma_index *index = mm_areas(mm);
	unsigned long low = 0, high = index->count;
	while (low < high) {
		unsigned long middle = low + (high - low) / 2;
		if (index->area[middle]->vm_end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low < index->count ? index->area[low] : NULL;
}

struct vm_area_struct *vma_lookup(const struct mm_struct *mm, unsigned long address)
{
	struct vm_area_struct *vma = find_vma(mm, address);
	return vma && vma->vm_start <= address ? vma : NULL;
}

struct vm_area_struct *vm_area_alloc(struct mm_struct *mm)
{
	struct vm_area_struct *vma = cfolio_zalloc(sizeof(*vma));
	if (vma)
		vma->vm_mm = mm;
	return vma;
}

void vm_area_free(struct vm_area_struct *vma)
{
	FOLIO_BUG_ON(vma->i_mmap_prev != NULL, "VMA", NULL,
		     "an area goes while its mapping knows it");
	anon_vma_put(vma_anon(vma));
	cfolio_free(vma);
}

static void free_area(struct rcu_head *head)
{
	vm_area_free(container_of(head, struct vm_area_struct, rcu));
}

static void free_index(struct rcu_head *head)
{
	cfolio_free(container_of(head, struct vma_index, rcu));
}

struct vma_index *vma_index_alloc(unsigned long room)
{
	return cfolio_zalloc(sizeof(struct vma_index) + room * sizeof(struct vm_area_struct *));
}

void vma_index_free(struct vma_index *index)
{
	cfolio_free(index);
}

void vma_index_replace(struct mm_struct *mm, struct vma_index *fresh)
{
	struct vma_index *old = (struct vma_index *)READ_ONCE(mm->areas);
	if (!fresh)
		fresh = &no_areas;
	for (unsigned long i = 0; i < fresh->count; i++)
		if (atomic_read(&fresh->area[i]->vm_refcnt) == 0)
			atomic_set(&fresh->area[i]->vm_refcnt, 1);
	rcu_assign_pointer(mm->areas, fresh);
	/* Both are in order: what the new one has not in its place is gone. */
	for (unsigned long i = 0, j = 0; i < old->count; i++) {
		while (j < fresh->count && fresh->area[j]->vm_start < old->area[i]->vm_start)
			j++;
		bool stays = j < fresh->count && fresh->area[j] == old->area[i];
		if (stays)
			continue;
		FOLIO_BUG_ON(atomic_read(&old->area[i]->vm_refcnt) != VMA_LOCK_OFFSET + 1, "VMA",
			     NULL, "an area goes while it is not locked for writing");
		atomic_set(&old->area[i]->vm_refcnt, 0);
		call_rcu(&old->area[i]->rcu, free_area);
	}
	if (old != &no_areas)
		call_rcu(&old->rcu, free_index);
}

/* ---- the lock of an area --------------------------------------------------------------------- */

/*
 * A reader counts itself in unless a writer is there (or waits) or the area is detached; the
 * exchange acquires, so it sees what the last writer left. The area cannot be freed meanwhile: it
 * was found in a read section that is still open, and afterwards a writer waits for the count.
 */
struct vm_area_struct *lock_vma_under_rcu(struct mm_struct *mm, unsigned long address)
{
	rcu_read_lock();
	struct vm_area_struct *vma = vma_lookup(mm, address);
	if (vma) {
		int count = atomic_read(&vma->vm_refcnt);
		do {
			if (count == 0 || count >= VMA_LOCK_OFFSET) {
				vma = NULL;
				break;
			}
		} while (!atomic_try_cmpxchg(&vma->vm_refcnt, &count, count + 1));
	}
	rcu_read_unlock();
	return vma;
}

void vma_end_read(struct vm_area_struct *vma)
{
	/* The writer may free the area as soon as it sees the count, so nothing is read after it.
	 */
	int left = atomic_sub_return(1, &vma->vm_refcnt);
	FOLIO_BUG_ON((left & (VMA_LOCK_OFFSET - 1)) == 0, "VMA", NULL,
		     "the lock of an area is let go more often than it was taken");
	if (left == VMA_LOCK_OFFSET + 1 && !MUTANT(P97))
		wake_up_var(&vma->vm_refcnt);
}

static bool readers_are_gone(void *context)
{
	const struct vm_area_struct *vma = context;
	return atomic_read_acquire(&vma->vm_refcnt) == VMA_LOCK_OFFSET + 1;
}

void vma_start_write(struct vm_area_struct *vma)
{
	int readers = atomic_read(&vma->vm_refcnt);
	FOLIO_BUG_ON(readers == 0, "VMA", NULL, "an area is locked that nobody can find");
	if (readers >= VMA_LOCK_OFFSET)
		return;
	if (atomic_add_return(VMA_LOCK_OFFSET, &vma->vm_refcnt) == VMA_LOCK_OFFSET + 1)
		return;
	(void)wait_var_event_options(&vma->vm_refcnt, readers_are_gone, vma,
				     &(struct wait_options){0});
}

/* Readers that came meanwhile have turned to mmap_lock: nobody sleeps for this. */
void vma_end_write(struct vm_area_struct *vma)
{
	if (atomic_read(&vma->vm_refcnt) >= VMA_LOCK_OFFSET)
		(void)atomic_sub_return(VMA_LOCK_OFFSET, &vma->vm_refcnt);
}

/* ---- walks ----------------------------------------------------------------------------------- */

static spinlock_t *entry_lock(struct mm_struct *mm, struct ptdesc *table)
{
	return table->level >= PGTABLE_LEVEL_PUD ? &mm->page_table_lock : &table->ptl;
}

static struct pgtable_place place_in(struct mm_struct *mm, struct ptdesc *table,
				     unsigned long address)
{
	return (struct pgtable_place){
		.entry = pgtable_entry(table, mm_entry_index(mm, table->level, address)),
		.lock = entry_lock(mm, table),
		.table = table,
	};
}

struct pgtable_place pgtable_walk(struct mm_struct *mm, unsigned long address,
				  enum pgtable_level level)
{
	struct pgtable_place place = place_in(mm, mm->pgd, address);
	while (place.table->level > level) {
		pmd_t pmd = ptep_get_lockless(place.entry);
		if (!pmd_table(pmd))
			return (struct pgtable_place){NULL, NULL, NULL};
		place = place_in(mm, pmd_page_table(pmd), address);
	}
	return place;
}

struct pgtable_place pgtable_walk_alloc(struct mm_struct *mm, unsigned long address,
					enum pgtable_level level, bool *failed)
{
	struct pgtable_place place = place_in(mm, mm->pgd, address);
	*failed = false;
	while (place.table->level > level) {
		pmd_t pmd = ptep_get_lockless(place.entry);
		if (pte_none(pmd)) {
			struct ptdesc *table =
				pgtable_alloc(place.table->level - 1, mm->options.table_shift);
			if (!table) {
				*failed = true;
				return (struct pgtable_place){NULL, NULL, NULL};
			}
			spin_lock(place.lock);
			pmd = ptep_get(place.entry);
			if (pte_none(pmd) || MUTANT(P72)) {
				pmd_populate(place.entry, table);
				atomic_long_add(1, &mm->pgtables);
				pmd = ptep_get(place.entry);
				table = NULL;
			}
			spin_unlock(place.lock);
			if (table)
				pgtable_free(table);
		}
		if (!pmd_table(pmd))
			return (struct pgtable_place){NULL, NULL, NULL};
		place = place_in(mm, pmd_page_table(pmd), address);
	}
	return place;
}

/*
 * The table may be taken out of the one above between the walk and the lock. Whoever takes it out
 * holds this lock while clearing the entry above, so what that entry says under the lock is final.
 */
struct pgtable_place pgtable_walk_lock(struct mm_struct *mm, unsigned long address,
				       enum pgtable_level level)
{
	for (;;) {
		rcu_read_lock();
		struct pgtable_place above = {NULL, NULL, NULL};
		struct pgtable_place place = place_in(mm, mm->pgd, address);
		pmd_t pmd = {0};
		while (place.table && place.table->level > level) {
			above = place;
			pmd = ptep_get_lockless(place.entry);
			if (!pmd_table(pmd)) {
				rcu_read_unlock();
				return (struct pgtable_place){NULL, NULL, NULL};
			}
			place = place_in(mm, pmd_page_table(pmd), address);
		}
		spin_lock(place.lock);
		if (!above.entry || pte_same(ptep_get(above.entry), pmd)) {
			rcu_read_unlock();
			return place;
		}
		spin_unlock(place.lock);
		rcu_read_unlock();
	}
}
