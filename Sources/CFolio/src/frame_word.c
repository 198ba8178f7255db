// SPDX-License-Identifier: MIT
/*
 * What frames hold, as far as Folio keeps contents. See folio/tlb.h.
 */
#include <folio/mm.h>
#include <folio/sys.h>
#include <folio/tlb.h>

#include <pthread.h>

static shared_t *words;
static pthread_once_t reserved = PTHREAD_ONCE_INIT;

/* Address space only: a word that nobody touches has no memory. */
static void reserve(void)
{
	words = cfolio_reserve_lazily(FOLIO_MAX_PFN * sizeof(*words));
}

shared_t *cfolio_frame_word(unsigned long pfn)
{
	pthread_once(&reserved, reserve);
	return words && pfn < FOLIO_MAX_PFN ? words + pfn : NULL;
}
