// SPDX-License-Identifier: MIT
/*
 * The areas of anonymous pages. See folio/anon_vma.h; mirrors the half of the kernel's rmap.c that
 * finds entries.
 */
#include <folio/anon_vma.h>
#include <folio/bug.h>
#include <folio/sys.h>

static struct lock_class anon_vma_class = LOCK_CLASS("anon_vma");

static void free_anon_vma(struct rcu_head *head)
{
	cfolio_free(container_of(head, struct anon_vma, rcu));
}

void anon_vma_put(struct anon_vma *anon)
{
	if (anon && atomic_sub_return(1, &anon->refcount) == 0)
		call_rcu(&anon->rcu, free_anon_vma);
}

/* Context: the semaphore for writing. */
static void append(struct anon_vma *anon, struct vm_area_struct *vma)
{
	vma->anon_next = NULL;
	vma->anon_prev = anon->last;
	if (anon->last)
		anon->last->anon_next = vma;
	else
		anon->first = vma;
	anon->last = vma;
}

bool anon_vma_prepare(struct vm_area_struct *vma)
{
	if (READ_ONCE(vma->anon_vma))
		return true;
	struct anon_vma *anon = cfolio_zalloc(sizeof(*anon));
	if (!anon)
		return false;
	init_rwsem(&anon->rwsem, &anon_vma_class);
	atomic_set(&anon->refcount, 1);
	/* Held while it gets its area: of faults that race, the first one's object stays. */
	down_write(&anon->rwsem);
	unsigned long none = 0;
	bool won = shared_try_cmpxchg(&vma->anon_vma, &none, (unsigned long)anon);
	if (won)
		append(anon, vma);
	up_write(&anon->rwsem);
	if (!won)
		cfolio_free(anon);
	return true;
}

void anon_vma_clone(struct vm_area_struct *copy, const struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma_anon(vma);
	if (!anon)
		return;
	(void)atomic_add_return(1, &anon->refcount);
	WRITE_ONCE(copy->anon_vma, (unsigned long)anon);
}

void anon_vma_link(struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma_anon(vma);
	if (!anon)
		return;
	down_write(&anon->rwsem);
	if (!vma->anon_prev && anon->first != vma)
		append(anon, vma);
	up_write(&anon->rwsem);
}

void anon_vma_unlink(struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma_anon(vma);
	if (!anon)
		return;
	down_write(&anon->rwsem);
	if (vma->anon_prev)
		vma->anon_prev->anon_next = vma->anon_next;
	else
		anon->first = vma->anon_next;
	if (vma->anon_next)
		vma->anon_next->anon_prev = vma->anon_prev;
	else
		anon->last = vma->anon_prev;
	vma->anon_next = NULL;
	vma->anon_prev = NULL;
	up_write(&anon->rwsem);
}

/*
 * The word may name memory that is gone, unless the folio is mapped: then an area names the object,
 * and gives that up a grace period after its last entry is gone, which is after the section here.
 */
struct anon_vma *folio_get_anon_vma(const struct folio *folio)
{
	rcu_read_lock();
	unsigned long word = READ_ONCE(folio->mapping);
	struct anon_vma *anon = NULL;
	if ((word & FOLIO_MAPPING_ANON) && folio_mapped(folio))
		anon = (struct anon_vma *)(word & ~FOLIO_MAPPING_ANON);
	if (anon && !atomic_add_unless(&anon->refcount, 1, 0))
		anon = NULL;
	rcu_read_unlock();
	return anon;
}
