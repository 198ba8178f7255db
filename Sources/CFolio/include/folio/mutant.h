/* SPDX-License-Identifier: MIT */
/*
 * Mutants: historical and planted bugs, one line at the site each. In a normal build MUTANT() is
 * false and nothing of them is left; in a Lab build one of them can be switched on at run time.
 * Their stories are in FolioWorkloads/Museum. Ids with C are those of core.md section 18; O stands
 * for a weakened order, P for a planted bug.
 *
 * Who writes the switch: the lab or stress, before threads begin.
 */
#ifndef FOLIO_MUTANT_H
#define FOLIO_MUTANT_H

#include <folio/compiler.h>

enum folio_mutant {
	MUTANT_NONE = 0,
	/* References and shapes. */
	MUTANT_C01 = 101,
	/* Orders: O01 is 301, and so on. */
	MUTANT_ORDERS = 300,
	/* Waiting, percpu, maps, XArray, mm ids: P40 is 440, C38 is 138. */
	MUTANT_PLANTED = 400,
};

#if defined(FOLIO_LAB)

extern int cfolio_mutant;

/** True while this mutant is switched on. */
static inline bool cfolio_mutant_is(int mutant)
{
	return unlikely(cfolio_mutant == mutant);
}

/** Switches one on; MUTANT_NONE: none. Context: no other thread is in the library. */
static inline void cfolio_mutant_set(int mutant)
{
	cfolio_mutant = mutant;
}

#else

static inline bool cfolio_mutant_is(int mutant)
{
	(void)mutant;
	return false;
}

#endif

/** MUTANT(C01): true while C01 is switched on. */
#define MUTANT(id) cfolio_mutant_is(MUTANT_##id)

#endif
