// SPDX-License-Identifier: MIT
/*
 * Page tables: memory and deposits. See folio/pgtable.h; mirrors the kernel's pgtable-generic.c.
 */
#include <folio/bug.h>
#include <folio/pgtable.h>
#include <folio/sys.h>

/* One class per level: a PTE table is locked under the PMD table above it, never the other way. */
static struct lock_class table_classes[PGTABLE_LEVELS] = {
	LOCK_CLASS("pte table"),
	LOCK_CLASS("pmd table"),
	LOCK_CLASS("pud table"),
	LOCK_CLASS("pgd table"),
};

struct ptdesc *pgtable_alloc(enum pgtable_level level, unsigned int shift)
{
	struct ptdesc *table = cfolio_zalloc(sizeof(*table) + (sizeof(shared_t) << shift));
	if (!table)
		return NULL;
	spin_lock_init(&table->ptl, &table_classes[level]);
	table->shift = shift;
	table->level = level;
	return table;
}

void pgtable_free(struct ptdesc *table)
{
	FOLIO_BUG_ON(table->deposited != NULL, "CI53", NULL, "a table goes with deposits in it");
	cfolio_free(table);
}

static void free_table(struct rcu_head *head)
{
	pgtable_free(container_of(head, struct ptdesc, rcu));
}

void pgtable_free_rcu(struct ptdesc *table)
{
	call_rcu(&table->rcu, free_table);
}

void pgtable_trans_huge_deposit(struct ptdesc *pmd_table, struct ptdesc *table)
{
	struct ptdesc **end = &pmd_table->deposited;
	while (*end)
		end = &(*end)->next;
	table->next = NULL;
	*end = table;
}

struct ptdesc *pgtable_trans_huge_withdraw(struct ptdesc *pmd_table)
{
	struct ptdesc *table = pmd_table->deposited;
	FOLIO_BUG_ON(!table, "CI53", NULL, "no table was deposited for this leaf");
	pmd_table->deposited = table->next;
	table->next = NULL;
	return table;
}
