/* SPDX-License-Identifier: MIT */
/*
 * Mutants: historical and planted bugs, one line at the site each. In a normal build MUTANT() is
 * false and nothing of them is left; in a Lab build one of them can be switched on at run time.
 * Their stories are in FolioWorkloads/Museum. Ids with C are those of core.md section 18; O stands
 * for a weakened order, P for a planted bug, B for one that only plain accesses show.
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
	MUTANT_O01 = 301,
	MUTANT_O02 = 302,
	MUTANT_O03 = 303,
	MUTANT_O04 = 304,
	MUTANT_O05 = 305,
	MUTANT_O06 = 306,
	MUTANT_O07 = 307,
	MUTANT_O08 = 308,
	MUTANT_O09 = 309,
	MUTANT_O10 = 310,
	MUTANT_O11 = 311,
	MUTANT_O12 = 312,
	MUTANT_O13 = 313,
	MUTANT_O14 = 314,
	MUTANT_O15 = 315,
	MUTANT_O16 = 316,
	MUTANT_O17 = 317,
	MUTANT_O18 = 318,
	MUTANT_O19 = 319,
	MUTANT_O20 = 320,
	MUTANT_O21 = 321,
	MUTANT_O22 = 322,
	MUTANT_O23 = 323,
	/* Planted ones of references and shapes: P01 is 401, and so on. */
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
	MUTANT_P36 = 436,
	/* Waiting, percpu, maps, XArray, mm ids. */
	MUTANT_C38 = 138,
	MUTANT_C39 = 139,
	MUTANT_C40 = 140,
	MUTANT_C41 = 141,
	MUTANT_C53 = 153,
	MUTANT_C54 = 154,
	MUTANT_C55 = 155,
	MUTANT_C63 = 163,
	MUTANT_C64 = 164,
	MUTANT_C65 = 165,
	MUTANT_C67 = 167,
	MUTANT_P40 = 440,
	MUTANT_P41 = 441,
	MUTANT_P42 = 442,
	MUTANT_P43 = 443,
	MUTANT_P44 = 444,
	MUTANT_P45 = 445,
	MUTANT_P46 = 446,
	MUTANT_P47 = 447,
	MUTANT_P49 = 449,
	MUTANT_P50 = 450,
	MUTANT_P51 = 451,
	MUTANT_P52 = 452,
	MUTANT_P53 = 453,
	MUTANT_P55 = 455,
	MUTANT_P56 = 456,
	MUTANT_P57 = 457,
	MUTANT_P58 = 458,
	MUTANT_P59 = 459,
	MUTANT_P60 = 460,
	MUTANT_P61 = 461,
	MUTANT_P62 = 462,
	MUTANT_P63 = 463,
	/* Wrong answers. */
	MUTANT_P64 = 464,
	MUTANT_P65 = 465,
	MUTANT_P66 = 466,
	MUTANT_P67 = 467,
	MUTANT_P68 = 468,
	MUTANT_P70 = 470,
	MUTANT_P73 = 473,
	MUTANT_P74 = 474,
	MUTANT_P80 = 480,
	MUTANT_P85 = 485,
	MUTANT_P86 = 486,
	MUTANT_P87 = 487,
	MUTANT_P88 = 488,
	MUTANT_P89 = 489,
	MUTANT_P91 = 491,
	MUTANT_P93 = 493,
	MUTANT_P94 = 494,
	/* Address spaces: fast walks, pins, translations, their locks. */
	MUTANT_C12 = 112,
	MUTANT_C13 = 113,
	MUTANT_C14 = 114,
	MUTANT_C15 = 115,
	MUTANT_C16 = 116,
	MUTANT_C17 = 117,
	MUTANT_C18 = 118,
	MUTANT_C20 = 120,
	MUTANT_C21 = 121,
	MUTANT_C22 = 122,
	MUTANT_C23 = 123,
	MUTANT_C24 = 124,
	MUTANT_C25 = 125,
	MUTANT_C44 = 144,
	MUTANT_C48 = 148,
	MUTANT_C59 = 159,
	MUTANT_P69 = 469,
	MUTANT_P71 = 471,
	MUTANT_P72 = 472,
	MUTANT_P75 = 475,
	MUTANT_P76 = 476,
	MUTANT_P95 = 495,
	MUTANT_P96 = 496,
	MUTANT_P97 = 497,
	MUTANT_P98 = 498,
	MUTANT_P99 = 499,
	/* Address spaces: insertion, removal, faults, forks. P101 is 601, and so on. */
	MUTANT_C27 = 127,
	MUTANT_C28 = 128,
	MUTANT_C50 = 150,
	MUTANT_C51 = 151,
	MUTANT_C52 = 152,
	MUTANT_C56 = 156,
	MUTANT_C57 = 157,
	MUTANT_C62 = 162,
	MUTANT_C77 = 177,
	MUTANT_P101 = 601,
	/* Slow walks. */
	MUTANT_P110 = 610,
	MUTANT_P111 = 611,
	MUTANT_P113 = 613,
	MUTANT_P114 = 614,
	/* Device users. */
	MUTANT_C73 = 173,
	MUTANT_P115 = 615,
	MUTANT_P116 = 616,
	MUTANT_P117 = 617,
	MUTANT_P118 = 618,
	MUTANT_P119 = 619,
	MUTANT_P120 = 620,
	MUTANT_P121 = 621,
	MUTANT_P122 = 622,
	MUTANT_P123 = 623,
	/* For those who watch plain accesses; the engine alone sees nothing of them. */
	MUTANT_B01 = 501,
	MUTANT_B02 = 502,
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
