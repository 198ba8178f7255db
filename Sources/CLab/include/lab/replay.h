/* SPDX-License-Identifier: MIT */
/*
 * A failing execution again, from C. Implemented in Swift (FolioLab): the scenarios are Swift.
 */
#ifndef LAB_REPLAY_H
#define LAB_REPLAY_H

#include <folio/compiler.h>

FOLIO_ASSUME_NONNULL_BEGIN

/**
 * Runs the one execution that a replay token ("folio:v1:...") names, its mutant switched on.
 *
 * Returns 1 when it fails, 0 when it does not, -1 when it cannot be run: no token, a scenario that
 * is not in the library, a build without the trait Lab, another world open. `message` (of `size`
 * bytes; NULL: none) gets "INVARIANT: what happened", where a replay left its token, or why there
 * is none.
 *
 * Context: one OS thread at a time; no scenario of the calling program runs.
 */
int folio_lab_replay(const char *token, char *_Nullable message, size_t size);

FOLIO_ASSUME_NONNULL_END

#endif
