/* SPDX-License-Identifier: MIT */
/*
 * Memory models, for the rest of the engine. Under SC nothing here is called but what asks first.
 *
 * Fences. A full fence is noted when the code reaches it (fence_due) and settled in front of the
 * next operation: a full read-modify-write does it in its own step, before any other operation it
 * is a step of its own. So the FULL operations of folio/atomic.h (fence, acquire-release operation,
 * fence) are one step. Nothing is lost: between the fence in front and the operation, and between
 * the operation and the fence behind it, the thread chooses no value, so other threads' steps there
 * can be moved out.
 */
#ifndef LAB_MODEL_H
#define LAB_MODEL_H

#include "engine.h"

/* model.c */
/** Before each execution; after arm_lanes(). */
void begin_model(void);
/** The program and the search suit the model. */
bool model_suits(const struct lab_search *search, const struct lab_program *program);
/** A full fence in front of the next operation. */
void note_fence(const struct seam_site *site);
/**
 * Takes a step of its own for a fence that is due, on behalf of an operation at `site`. Context: a
 * lane, before it describes the operation.
 */
void settle_fence(const struct seam_site *site);
/** What has to come before an access; false: the execution is cut, it takes place at once. */
bool readies_access(const struct seam_site *site, unsigned int change, unsigned int order,
		    const volatile void *word, unsigned int bytes);
/** The access that step `index` is takes place; its value. Ends the step. */
unsigned long access_in_model(unsigned int index, const struct operation *operation,
			      enum lab_strength strength);
unsigned long plain_in_model(const struct seam_site *site, unsigned int operation,
			     const volatile void *word, unsigned long value);
void hook_fence(const struct seam_site *site, int order);

/** Strengthens the order of an access at a site as the search says. */
enum lab_strength strengthen(const struct seam_site *site, unsigned int change,
			     unsigned int *order);

/* store_buffer.c: TSO */
void begin_buffers(void);
/** False: partly buffered, so memory has to be waited for. */
bool can_forward(unsigned int owner, const volatile void *address, unsigned int bytes);
bool is_forwarded(unsigned int owner, const volatile void *address, unsigned int bytes);
unsigned long buffered_load(const struct operation *operation, unsigned int owner);
void buffer_store(const struct seam_site *site, unsigned int order, const volatile void *address,
		  unsigned int bytes, unsigned long value, uint32_t object);
bool buffer_is_empty(unsigned int owner);
/** The oldest store of the lane's owner reaches memory. */
void flush_step(unsigned int flush_lane);
/** Everything reaches memory: the execution is cut. */
void flush_all(void);
uint32_t stores_made(unsigned int owner);
uint32_t stores_flushed(unsigned int owner);
/** The flush step that brought store number `n` (from 0) of the owner to memory. */
int flush_step_of(unsigned int owner, uint32_t n);
/** Step that the store which the flush lane is about to flush comes behind; -1: none. */
int step_behind_store(unsigned int flush_lane);

static inline unsigned int flush_lane_of(unsigned int owner)
{
	return lab.program->threads + 1 + owner;
}

static inline bool is_flush_lane(unsigned int number)
{
	return lab.model == LAB_TSO && number > lab.program->threads && number < LAB_LANES;
}

static inline unsigned int owner_of(unsigned int number)
{
	return is_flush_lane(number) ? number - lab.program->threads - 1 : number;
}

/** TSO: operations that take place when the own buffer is empty: all that a locked instruction
 * does. */
static inline bool drains(unsigned int kind)
{
	const unsigned int others = 1u << LAB_LOAD | 1u << LAB_STORE | 1u << LAB_YIELD |
				    1u << LAB_RCU_UNLOCK | 1u << LAB_FLUSH | 1u << LAB_RECLAIM;
	return !(others >> kind & 1);
}

/* history.c: C11 */
void begin_history(void);
unsigned long history_access(unsigned int index, const struct operation *operation);
void history_lock(unsigned int index, const struct operation *operation, unsigned long value);
/** The last store of a word is read, without order. */
void history_read_last(uint32_t object, const volatile void *address, unsigned int bytes);
/** Acquires from and releases to whoever did this to the object before. */
void history_sync(uint32_t object);
void history_fence(int order);
unsigned long history_plain(const struct seam_site *site, bool write, const volatile void *word,
			    unsigned long value);
/* Grace periods: who they belong to is the lane number, or LAB_LANES + slot of a callback. */
void history_grace_begins(unsigned int who);
void history_section_begins(void);
void history_section_ends(unsigned int lane_number);
void history_reader_left(unsigned int who, unsigned int lane_number);
void history_grace_ends(unsigned int who);
void history_deferred(unsigned int slot);
void history_runs_deferred(unsigned int slot);
void history_ran_deferred(void);
void history_barrier(void);
void history_wakes(unsigned int sleeper);
void history_resumes(void);

#endif
