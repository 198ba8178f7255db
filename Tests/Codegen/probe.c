// SPDX-License-Identifier: MIT
/*
 * The library's hot paths from C, through its headers: each function must compile to what its twin
 * in plain.c compiles to. With -DPLANTED each has one load too many: the comparison must notice.
 */
#include <CFolio.h>

#if defined(PLANTED)
/* A load that no compiler may drop. */
#define PLANT(folio) (void)READ_ONCE((folio)->index)
#else
#define PLANT(folio) (void)(folio)
#endif

void c_get(struct folio *folio);
void c_put(struct folio *folio);
bool c_try_get(struct folio *folio);

void c_get(struct folio *folio)
{
	PLANT(folio);
	folio_get(folio);
}

void c_put(struct folio *folio)
{
	PLANT(folio);
	folio_put(folio);
}

bool c_try_get(struct folio *folio)
{
	PLANT(folio);
	return folio_try_get(folio);
}
