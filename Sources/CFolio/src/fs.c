// SPDX-License-Identifier: MIT
/*
 * The areas that map a file. See folio/fs.h; stands for the kernel's interval tree of a mapping,
 * but is a list: a search looks at every area of the mapping.
 */
#include <folio/bug.h>
#include <folio/mmap.h>

static struct lock_class i_mmap_class = LOCK_CLASS("i_mmap");
static struct lock_class i_pages_class = LOCK_CLASS("i_pages");

void address_space_init(struct address_space *mapping, enum address_space_kind kind)
{
	init_rwsem(&mapping->i_mmap_rwsem, &i_mmap_class);
	cfolio_xa_init_class(&mapping->i_pages, &i_pages_class);
	mapping->i_mmap = NULL;
	mapping->kind = kind;
	mapping->alignment = 0;
	atomic_set(&mapping->users, 1);
	mapping->host = NULL;
}

void address_space_destroy(struct address_space *mapping)
{
	FOLIO_BUG_ON(mapping->i_mmap != NULL, "VMA", NULL, "a mapping goes while areas map it");
	xa_destroy(&mapping->i_pages);
}

/* `place` is what is to point to it. */
static void link_at(struct vm_area_struct **place, struct vm_area_struct *vma)
{
	FOLIO_BUG_ON(vma->i_mmap_prev != NULL, "VMA", NULL, "an area is linked twice");
	vma->i_mmap_next = *place;
	vma->i_mmap_prev = place;
	if (vma->i_mmap_next)
		vma->i_mmap_next->i_mmap_prev = &vma->i_mmap_next;
	*place = vma;
}

void vma_interval_insert(struct address_space *mapping, struct vm_area_struct *vma)
{
	link_at(&mapping->i_mmap, vma);
}

void vma_interval_insert_after(struct vm_area_struct *vma, struct vm_area_struct *parent)
{
	FOLIO_BUG_ON(!parent->i_mmap_prev, "VMA", NULL, "an area is linked behind one that is not");
	link_at(&parent->i_mmap_next, vma);
}

void vma_interval_remove(struct vm_area_struct *vma)
{
	FOLIO_BUG_ON(!vma->i_mmap_prev, "VMA", NULL, "an area is unlinked that is not linked");
	*vma->i_mmap_prev = vma->i_mmap_next;
	if (vma->i_mmap_next)
		vma->i_mmap_next->i_mmap_prev = vma->i_mmap_prev;
	vma->i_mmap_next = NULL;
	vma->i_mmap_prev = NULL;
}

struct vm_area_struct *vma_interval_next(struct address_space *mapping, struct vm_area_struct *vma,
					 unsigned long first, unsigned long last)
{
	for (vma = vma ? vma->i_mmap_next : mapping->i_mmap; vma; vma = vma->i_mmap_next) {
		unsigned long pages = (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
		if (vma->vm_pgoff <= last && vma->vm_pgoff + (pages - 1) >= first)
			return vma;
	}
	return NULL;
}
