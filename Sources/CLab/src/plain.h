/* SPDX-License-Identifier: MIT */
/*
 * Races of plain accesses, as the views of the C11 model see them: for plain.c, which judges, and
 * blind.c, which sees accesses that the seam does not.
 */
#ifndef LAB_PLAIN_H
#define LAB_PLAIN_H

#include "history.h"

/** One access: plain, or through the seam (hooked); two of the latter never race. */
struct plain_access {
	bool write;
	bool hooked;
	const struct seam_site *site;
	const void *code; /**< of a plain access without a site: where its caller goes on */
};

/**
 * An access through the seam begins: what it makes known to others includes itself. The other half
 * is judge_plain(), behind it.
 */
void begin_hooked(void);
/** Judges an access of the current lane to bytes of one aligned word of 8, and notes it. */
void judge_plain(uintptr_t address, unsigned int bytes, const struct plain_access *access);
/** A race with an access that has no site. */
#define BLIND_SPOT "BLIND-SPOT"
/** Where an access is, for a message: what it does there as written, or an address of the code. */
const char *place_of(const struct plain_access *access, char text[64]);

#endif
