// SPDX-License-Identifier: MIT
/*
 * Total store order: each lane's stores wait in a buffer, first in, first out, and reach memory by
 * steps of a lane of their own. See model.h.
 *
 * A store is no step: until it is flushed nobody but its thread can tell that it was made. Its
 * flush is one, on the flush lane of its thread, a write to the word, behind the store and behind
 * the flushes before it. A load takes the youngest store of its own to the word, if there is one in
 * the buffer. That load conflicts with nothing but that flush: in front of it the load reads the
 * buffer, behind it memory, and others' writes may come in between. Locked instructions and full
 * fences are not enabled before the own buffer is empty.
 */
#include "model.h"

#include <string.h>

#define STORES_MAX 256u

struct store {
	const struct seam_site *site;
	const volatile void *address;
	unsigned long value;
	uint32_t object;
	unsigned char bytes;
	unsigned char order;
	int behind; /**< last step of its thread before it */
};

struct buffer {
	struct store stores[STORES_MAX];
	uint32_t made;
	uint32_t flushed;
};

/* By owner. */
static struct buffer buffers[LAB_LANES / 2];

static struct store *store_of(unsigned int owner, uint32_t number)
{
	return &buffers[owner].stores[number % STORES_MAX];
}

bool buffer_is_empty(unsigned int owner)
{
	return buffers[owner].made == buffers[owner].flushed;
}

uint32_t stores_made(unsigned int owner)
{
	return buffers[owner].made;
}

uint32_t stores_flushed(unsigned int owner)
{
	return buffers[owner].flushed;
}

/* The flush lane is parked in front of its oldest store, or gone. */
static void park_flush(unsigned int owner)
{
	unsigned int number = flush_lane_of(owner);
	const struct buffer *b = &buffers[owner];
	unsigned short mine = (unsigned short)(1u << number);
	if (b->made == b->flushed) {
		lab.alive &= (unsigned short)~mine;
		return;
	}
	const struct store *s = store_of(owner, b->flushed);
	lane(number)->pending = (struct operation){.kind = LAB_FLUSH,
						   .change = SEAM_OP_STORE,
						   .bytes = s->bytes,
						   .order = s->order,
						   .site = s->site,
						   .address = s->address,
						   .operand = s->value,
						   .object = s->object};
	lab.alive |= mine;
}

void begin_buffers(void)
{
	for (unsigned int i = 0; i <= lab.program->threads; i++) {
		buffers[i].made = 0;
		buffers[i].flushed = 0;
	}
}

void buffer_store(const struct seam_site *site, unsigned int order, const volatile void *address,
		  unsigned int bytes, unsigned long value, uint32_t object)
{
	unsigned int owner = lab.current;
	struct buffer *b = &buffers[owner];
	if (b->made - b->flushed == STORES_MAX) {
		/* Only runs with fewer stores under way are explored from here. */
		lab.statistics.dropped++;
		note_fence(site);
		settle_fence(site);
		if (lab.mode == MODE_DRAIN) {
			write_word(address, bytes, value);
			return;
		}
	}
	*store_of(owner, b->made) = (struct store){.site = site,
						   .address = address,
						   .value = value,
						   .object = object,
						   .bytes = (unsigned char)bytes,
						   .order = (unsigned char)order,
						   .behind = lane(owner)->last_step};
	b->made++;
	park_flush(owner);
}

static uintptr_t unit_of(const volatile void *address)
{
	return (uintptr_t)address & ~(uintptr_t)7;
}

/* The youngest buffered store that overlaps the access; NULL: none. */
static const struct store *youngest(unsigned int owner, const volatile void *address,
				    unsigned int bytes)
{
	const struct buffer *b = &buffers[owner];
	for (uint32_t n = b->made; n-- > b->flushed;) {
		const struct store *s = store_of(owner, n);
		if (unit_of(s->address) == unit_of(address) &&
		    (halves(s->address, s->bytes) & halves(address, bytes)))
			return s;
	}
	return NULL;
}

bool is_forwarded(unsigned int owner, const volatile void *address, unsigned int bytes)
{
	return youngest(owner, address, bytes) != NULL;
}

bool can_forward(unsigned int owner, const volatile void *address, unsigned int bytes)
{
	const struct store *s = youngest(owner, address, bytes);
	return !s || (halves(address, bytes) & ~halves(s->address, s->bytes)) == 0;
}

unsigned long buffered_load(const struct operation *o, unsigned int owner)
{
	const struct store *s = youngest(owner, o->address, o->bytes);
	if (!s)
		return word_now(o->address, o->bytes);
	if (s->bytes == o->bytes)
		return s->value;
	/* A half of a buffered word, little endian as the word in memory. */
	unsigned long half = ((uintptr_t)o->address & 4) ? s->value >> 32 : s->value;
	return (unsigned long)(long)(int)half;
}

void flush_step(unsigned int number)
{
	unsigned int running = lab.current, owner = owner_of(number);
	lab.current = number;
	unsigned int index = begin_step();
	const struct store *s = store_of(owner, buffers[owner].flushed++);
	unsigned long before = word_now(s->address, s->bytes);
	lab.events[index].owner = (unsigned char)owner;
	lab.events[index].missed = s->behind;
	write_word(s->address, s->bytes, s->value);
	end_step(index, before, word_now(s->address, s->bytes));
	lab.events[index].read = s->value;
	park_flush(owner);
	lab.current = running;
}

void flush_all(void)
{
	for (unsigned int i = 0; i <= lab.program->threads; i++) {
		struct buffer *b = &buffers[i];
		for (; b->flushed != b->made; b->flushed++) {
			const struct store *s = store_of(i, b->flushed);
			write_word(s->address, s->bytes, s->value);
		}
		park_flush(i);
	}
}

int step_behind_store(unsigned int number)
{
	unsigned int owner = owner_of(number);
	return store_of(owner, buffers[owner].flushed)->behind;
}

int flush_step_of(unsigned int owner, uint32_t n)
{
	int index = lane(flush_lane_of(owner))->last_step;
	while (index >= 0 && lab.events[index].of_thread != n)
		index = lab.steps[index].previous_of_thread;
	return index;
}
