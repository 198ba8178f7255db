/* SPDX-License-Identifier: MIT */
/*
 * The engine, file by file; its state is in state.h:
 *   executions.c  executions from beginning to end, the self-check, what lab.h offers
 *   engine.c   a step: the choice, the record, failures; step.h: its parts that are inline
 *   words.c    values of words and their undoing; objects.c: what is known of them; touches.c: what
 *              conflicts on them; accesses.c: the hooks of accesses
 *   block.c    locks and futexes; grace.c: RCU; hooks.c: the table of hooks
 *   memory.c   the arena, tracked memory
 *   sanitizer.c  what sanitizers are told; sanitizer_thread.c, sanitizer_hooks.c: of operations
 *   choose.c   random walks; fair.c: turns, and what does not end in spite of them
 *   search.c   schedules, classes, states; races.c: what conflicts; states.c: what was seen
 *   pairs.c    racing-pair coverage; sites.c: places that were reached
 *   model.c    what differs between memory models; store_buffer.c: TSO; history.c, orders.c,
 *              plain.c: C11; blind.c: plain accesses of instrumented code
 *
 * How a step goes. A fiber that is about to touch a shared word describes the operation in
 * `pending` and calls step(): some thread is chosen, perhaps another; when it is this fiber's turn
 * again, step() returns and the operation takes place. So every thread that is not running is
 * parked in front of a known operation.
 *
 * What is shared is learned: a word that one thread only touches, or nobody writes, needs no step.
 * It is found out the first time that two threads conflict on it; a search that depends on steps
 * then begins anew. No conflict can be missed: up to the first one in any schedule all accesses to
 * such words commute with other threads' steps, so a schedule that the search does visit makes both
 * accesses.
 */
#ifndef LAB_ENGINE_H
#define LAB_ENGINE_H

#include "words.h"

#pragma GCC visibility push(hidden)

/* fair.c */
/** The execution is so long that threads take turns now: nothing is searched any more. */
static inline bool takes_turns(unsigned int index)
{
	return unlikely(index >= lab.fair_from);
}

/** Whose turn it is: the lane that has waited longest of those that can go on. */
unsigned int choose_fairly(unsigned short enabled);
/** The execution does not end although threads took turns. */
void report_no_end(void);

/* engine.c */
/** Parks in front of lanes[current].pending until it is chosen. False: the execution is cut. */
bool step(void);
/** The same for an operation that nothing can block. */
bool take_turn(void);
/** Records the step that the current lane takes; its index. */
unsigned int begin_step(void);
void end_step(unsigned int index, unsigned long before, unsigned long after);
void fail_at(const char *invariant, unsigned long pfn, const char *message);
void stop_execution(void) __attribute__((noreturn));
/** Counts an access behind a cut; a thread that spins there for another one is stopped. */
void count_drained(void);
/** Counts an access of what concludes an execution; stops one that never ends. */
void count_concluded(void);
/** Says what stopped the library where no execution can be cut, and ends the process. */
void stop_process(const char *invariant, const char *message) __attribute__((noreturn, cold));
unsigned short enabled_lanes(void);
void start_reclaimer(void);
/** What the fiber of a thread runs; its lane. */
void lane_main(void *lane);

/* hooks.c */
/** For SC; for states, which want to know what threads have read; for the weak models. */
extern const struct seam_hooks lab_hooks, lab_state_hooks, lab_weak_hooks;
/** For walks under SC, which keep no record for a search. */
extern const struct seam_hooks lab_walk_hooks;

/* sites.c */
/** The table of hooks for the model, noting sites when somebody asks. */
const struct seam_hooks *hooks_for(enum lab_model model);

/* pairs.c */
void begin_pairs(void);
void note_pairs(unsigned int index, uint32_t object);

/* block.c */
static inline bool may_block(unsigned int kind)
{
	const unsigned int blocking = 1u << LAB_LOCK | 1u << LAB_BIT_LOCK | 1u << LAB_FUTEX_RESUME |
				      1u << LAB_GRACE_END | 1u << LAB_RECLAIM | 1u << LAB_BARRIER;
	return blocking >> kind & 1;
}

bool is_enabled(const struct lab_lane *lane);
/** What the current lane is about to do; a word of 4 or 8 bytes. */
struct operation *describe(unsigned int kind, const struct seam_site *site,
			   const volatile void *word, unsigned int bytes, uint32_t object);
/** A step without a value. False: not recorded. */
bool plain_step(unsigned int kind, const volatile void *word, uint32_t object, uint32_t queue,
		unsigned int *number);

void hook_lock(const struct seam_site *site, const volatile void *word);
bool hook_trylock(const struct seam_site *site, const volatile void *word);
void hook_unlock(const struct seam_site *site, const volatile void *word, int order);
void hook_bit_lock(const struct seam_site *site, const volatile void *word, unsigned long mask,
		   int order);
void hook_futex_wait(const volatile void *word, int value, int64_t deadline);
void hook_futex_wake(const volatile void *word, int n);
/** Who sleeps longest on it and was not woken; NULL: nobody. */
struct lab_lane *first_sleeper(uint32_t queue);

/* grace.c */
void hook_rcu_read_lock(void);
void hook_rcu_read_unlock(void);
bool hook_rcu_read_lock_held(void);
void hook_synchronize_rcu(void);
void hook_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void hook_rcu_barrier(void);
/** The sections that were open when it began have ended. */
bool is_over(const struct grace *grace);
void reclaimer(void *unused);

/* choose.c */
/** splitmix64 */
static inline uint64_t next_random(void)
{
	return mix(lab.random += 0x9e3779b97f4a7c15u);
}

void prepare_choices(void);
/** Where the n-th bit of a byte is: a loop over bits would be mispredicted at every step. */
extern unsigned char nth_of_byte[256][8];
/** So many bits it has. */
extern unsigned char bits_of_byte[256];
/** The n-th of a set of lanes, of any size. */
unsigned int nth_of_many(unsigned short lanes, unsigned int n);
void begin_walk(void);
/** Called where there is a choice: more than one lane is enabled. */
unsigned int choose_walk(unsigned short enabled);
/** POS: behind a step. */
void draw_again(unsigned int index);
/** Which of `count` values a step of a walk reads; 0: the last. */
unsigned int choose_value_of_walk(unsigned int index, unsigned int count);
void end_walk(void);

/* search.c */
unsigned int choose_searched(unsigned short enabled);
void searched(unsigned int index);
bool is_others_execution(void);
unsigned int choose_value_searched(unsigned int index, unsigned int count);
/** Chooses what the next execution does otherwise; false: nothing is left. */
bool backtrack(void);
void forget_search(void);

/* races.c */
/** Step `index` comes behind what it conflicts with; races with what it could have come before. */
void order_step(unsigned int index);
/** Who sleeps behind the step: those that it does not wake. */
unsigned short sleepers_behind(unsigned int index);

/* states.c */
/** The state behind the last step was not seen before. */
bool is_new_state(void);
/** So many were. */
size_t states_seen(void);
void forget_states(void);
unsigned long hook_scope(void);
void hook_live(unsigned long scope, unsigned long value);

#pragma GCC visibility pop

#endif
