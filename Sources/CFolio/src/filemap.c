// SPDX-License-Identifier: MIT
/*
 * The folio lock: PG_locked and who sleeps for it. See folio/page_flags.h; mirrors that part of the
 * kernel's filemap.c.
 */
#include <folio/page_flags.h>
#include <folio/wait.h>

void folio_lock(struct folio *folio)
{
	while (!folio_trylock(folio))
		wait_on_bit(&folio->flags, PG_locked);
}

void folio_wait_locked(const struct folio *folio)
{
	wait_on_bit(&folio->flags, PG_locked);
}

void __folio_unlock_wake(struct folio *folio)
{
	if (!MUTANT(P69))
		wake_up_bit(&folio->flags, PG_locked);
}
