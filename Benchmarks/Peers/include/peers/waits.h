/* SPDX-License-Identifier: MIT */
/*
 * Waking and waiting with what every program has: a condition variable, a bare futex. Nobody waits
 * in the first two loops; in the others two threads pass a turn to and fro.
 */
#ifndef PEERS_WAITS_H
#define PEERS_WAITS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** n signals of a condition variable that nobody waits on. */
void waits_condition_signal(size_t n);
/** n futex wake calls on a word that nobody waits on. */
void waits_futex_wake(size_t n);

struct waits_turn;
struct waits_turn *waits_turn_create(void);
void waits_turn_destroy(struct waits_turn *turn);
/** Turns taken since the creation. Context: no player at work. */
unsigned int waits_turns_taken(const struct waits_turn *turn);
/** Waits n times for player (0 or 1) to be on turn, and hands the turn over. */
void waits_condition_play(struct waits_turn *turn, int player, size_t n);
void waits_futex_play(struct waits_turn *turn, int player, size_t n);

#ifdef __cplusplus
}
#endif

#endif
