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
	MUTANT_C02 = 102,
	MUTANT_C03 = 103,
	MUTANT_C06 = 106,
	MUTANT_C09 = 109,
	MUTANT_C10 = 110,
	MUTANT_C29 = 129,
	MUTANT_C30 = 130,
	MUTANT_C32 = 132,
	MUTANT_C33 = 133,
	MUTANT_C34 = 134,
	MUTANT_C35 = 135,
	MUTANT_C37 = 137,
	MUTANT_C42 = 142,
	/* Orders: O01 is 301, and so on. */
	MUTANT_ORDERS = 300,
	/* Waiting, percpu, maps, XArray, mm ids: P40 is 440, C38 is 138. */
	MUTANT_PLANTED = 400,
	/* Planted ones of references and shapes. */
	MUTANT_P01 = 401,
	MUTANT_P02 = 402,
	MUTANT_P03 = 403,
	MUTANT_P04 = 404,
	MUTANT_P05 = 405,
	MUTANT_P06 = 406,
	MUTANT_P07 = 407,
	MUTANT_P08 = 408,
	MUTANT_P09 = 409,
	MUTANT_P10 = 410,
	MUTANT_P11 = 411,
	MUTANT_P12 = 412,
	MUTANT_P13 = 413,
	MUTANT_P14 = 414,
	MUTANT_P15 = 415,
	MUTANT_P16 = 416,
	MUTANT_P17 = 417,
	MUTANT_P18 = 418,
	MUTANT_P19 = 419,
	MUTANT_P20 = 420,
	MUTANT_P21 = 421,
	MUTANT_P22 = 422,
	MUTANT_P23 = 423,
	MUTANT_P24 = 424,
	MUTANT_P25 = 425,
	MUTANT_P26 = 426,
	MUTANT_P27 = 427,
	MUTANT_P28 = 428,
	MUTANT_P29 = 429,
	MUTANT_P30 = 430,
	MUTANT_P31 = 431,
	MUTANT_P32 = 432,
	MUTANT_P33 = 433,
	MUTANT_P34 = 434,
	MUTANT_P35 = 435,
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
