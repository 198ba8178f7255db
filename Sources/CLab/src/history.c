// SPDX-License-Identifier: MIT
/*
 * C11 by store histories and views. See model.h.
 *
 * Each shared word keeps its last stores. A view says how much of each word's history is known: the
 * number of the newest store that is, for each half of the word. A thread's load returns any store
 * not older than what its view knows of the word, so relaxed code reads old values; its view then
 * knows that store (coherence). A release puts the thread's view into the store, an acquire that
 * reads it joins it. A read-modify-write reads the last store, and hands its view on (release
 * sequences). A release fence is what relaxed stores behind it carry, an acquire fence joins what
 * relaxed loads before it read. Sequentially consistent fences join one view in the order in which
 * they take place, and so do sequentially consistent accesses, word by word.
 *
 * Stores are in the order in which they take place and memory holds the last, so what is not there
 * is a load that reads a later store of another thread (load buffering), and a word whose final
 * store took place first (2+2W).
 */
#include "history.h"

struct location locations[LOCATIONS];
unsigned int locations_used;

void begin_history(void)
{
	begin_orders();
	locations_used = 0;
}

/* The newest store to a half is nth 0; NULL: it is not kept, or there never was one. */
static struct message *nth_store(struct location *location, unsigned int half, unsigned int nth)
{
	if (nth >= STORES_KEPT || nth >= location->kept[half])
		return NULL;
	return &location->stores[half][(location->kept[half] - 1 - nth) % STORES_KEPT];
}

/* The newest store to a half up to this number; NULL: it is not kept any more. */
static struct message *store_at(struct location *location, unsigned int half, unsigned int number)
{
	struct message *m;
	for (unsigned int nth = 0; (m = nth_store(location, half, nth)); nth++)
		if (m->number <= number)
			return m;
	return NULL;
}

static struct message *new_store(struct location *location, unsigned int half)
{
	return &location->stores[half][location->kept[half]++ % STORES_KEPT];
}

static struct location *location_of(uint32_t index)
{
	struct object *object = object_number(index);
	if (object->located == lab.execution)
		return &locations[object->location];
	if (locations_used == LOCATIONS) {
		fail_at("LAB", UINT64_MAX, "more shared words than the memory model keeps");
		stop_execution();
	}
	struct location *location = &locations[locations_used];
	object->located = lab.execution;
	object->location = (uint16_t)locations_used++;
	location->last = 0;
	/* An address that is not a multiple of 8 is no word but something that blocks. */
	unsigned long value = object->address & 7 ? 0 : word_now((const void *)object->address, 8);
	for (unsigned int half = 0; half < 2; half++) {
		location->consistent[half] = 0;
		location->kept[half] = 0;
		struct message *first = new_store(location, half);
		first->value = (uint32_t)(half ? value >> 32 : value);
		first->number = 0;
		first->step = -1;
		first->view.used = 0;
	}
	return location;
}

static unsigned int first_half(unsigned char mask)
{
	return mask == 2;
}

/* What an access of `mask` reads at a store, as word_now() would say it. */
static unsigned long value_at(struct location *location, unsigned int number, unsigned char mask)
{
	const struct message *m = store_at(location, first_half(mask), number);
	if (mask != 3)
		return (unsigned long)(long)(int)m->value;
	return m->value | (unsigned long)store_at(location, 1, number)->value << 32;
}

static int step_of(struct location *location, unsigned int number, unsigned char mask)
{
	int step = store_at(location, first_half(mask), number)->step;
	if (mask == 3) {
		int other = store_at(location, 1, number)->step;
		step = step > other ? step : other;
	}
	return step;
}

/* The lane has read these halves as they were at store `number`. */
static void read_store(struct location *location, unsigned int number, unsigned char mask,
		       unsigned int order)
{
	struct observer *o = observing();
	for (unsigned int half = 0; half < 2; half++) {
		if (!(mask >> half & 1))
			continue;
		const struct message *m = store_at(location, half, number);
		know(&o->current, entry_of(location, half), m->number);
		if (order == __ATOMIC_SEQ_CST && location->consistent[half] < m->number)
			location->consistent[half] = m->number;
		view_join(acquires(order) ? &o->current : &o->pending, &m->view);
	}
}

/* Appends a store; `change`: by a read-modify-write, which hands the views on. */
static void append(struct location *location, unsigned char mask, unsigned long value,
		   unsigned int order, bool change, unsigned int step)
{
	struct observer *o = observing();
	if (location->last == UINT16_MAX) {
		fail_at("LAB", UINT64_MAX, "more stores to a word than the memory model counts");
		stop_execution();
	}
	uint16_t number = ++location->last;
	struct view view;
	view_copy(&view, releases(order) ? &o->current : &o->fence);
	for (unsigned int half = 0; half < 2; half++) {
		if (!(mask >> half & 1))
			continue;
		if (change)
			view_join(&view, &nth_store(location, half, 0)->view);
		know(&view, entry_of(location, half), number);
		know(&o->current, entry_of(location, half), number);
		if (order == __ATOMIC_SEQ_CST)
			location->consistent[half] = number;
	}
	for (unsigned int half = 0; half < 2; half++) {
		if (!(mask >> half & 1))
			continue;
		struct message *m = new_store(location, half);
		m->value = (uint32_t)(half && mask == 3 ? value >> 32 : value);
		m->number = number;
		m->step = (int)step;
		view_copy(&m->view, &view);
	}
}

/* The number before this one at which an access of `mask` reads something else; -1: none is kept.
 */
static int number_before(struct location *location, unsigned int number, unsigned char mask)
{
	int before = -1;
	for (unsigned int half = 0; half < 2; half++) {
		if (!(mask >> half & 1))
			continue;
		const struct message *m = store_at(location, half, number - 1);
		if (!m)
			return -1;
		before = before > m->number ? before : m->number;
	}
	return before;
}

/*
 * The number at which a load reads, among those that its thread may read: the last, or older ones
 * where the value is not `*not`.
 */
static unsigned int choose_store(unsigned int index, struct location *location, unsigned char mask,
				 unsigned int order, const unsigned long * not)
{
	unsigned int candidates[STORES_KEPT], count = 0, oldest = 0, number = 0;
	const struct view *view = &observing()->current;
	for (unsigned int half = 0; half < 2; half++) {
		if (!(mask >> half & 1))
			continue;
		unsigned int least = known(view, entry_of(location, half));
		if (order == __ATOMIC_SEQ_CST && least < location->consistent[half])
			least = location->consistent[half];
		oldest = oldest > least ? oldest : least;
		unsigned int newest = nth_store(location, half, 0)->number;
		number = number > newest ? number : newest;
	}
	for (;;) {
		if (count == 0 || !not|| value_at(location, number, mask) != *not)
			candidates[count++] = number;
		if (number <= oldest)
			break;
		int before = number_before(location, number, mask);
		if (before < 0 || count == STORES_KEPT) {
			lab.statistics.dropped++;
			break;
		}
		number = (unsigned int)before;
		if (number < oldest)
			break;
	}
	struct lab_event *event = &lab.events[index];
	event->choices = (unsigned char)count;
	unsigned int chosen = 0;
	if (count > 1)
		/* Who takes turns sees stores in the end. */
		chosen = takes_turns(index) ? 0
			 : lab.recording    ? choose_value_searched(index, count)
					    : choose_value_of_walk(index, count);
	event->choice = (unsigned char)chosen;
	if (chosen)
		event->missed = step_of(location, candidates[chosen - 1], mask);
	return candidates[chosen];
}

unsigned long history_access(unsigned int index, const struct operation *o)
{
	struct location *location = location_of(o->object);
	struct lab_lane *l = lane(lab.current);
	unsigned char mask = halves(o->address, o->bytes);
	bool change = o->change != SEAM_OP_LOAD && o->change != SEAM_OP_STORE;
	if (l->fence_due) {
		l->fence_due = false;
		history_fence(__ATOMIC_SEQ_CST);
	}
	unsigned long last = word_now(o->address, o->bytes);
	if (o->change == SEAM_OP_STORE) {
		append(location, mask, o->operand, o->order, false, index);
		write_word(o->address, o->bytes, o->operand);
		return last;
	}
	unsigned int number = location->last;
	if (!change)
		number = choose_store(index, location, mask, o->order, NULL);
	else if (o->change == SEAM_OP_CMPXCHG)
		number = choose_store(index, location, mask, __ATOMIC_RELAXED, &o->expected);
	unsigned long value = lab.events[index].choice ? value_at(location, number, mask) : last;
	lab.events[index].from = step_of(location, number, mask);
	bool fails = o->change == SEAM_OP_CMPXCHG && value != o->expected;
	read_store(location, number, mask, fails ? (unsigned int)__ATOMIC_RELAXED : o->order);
	if (change && !fails) {
		unsigned long result = result_of(o->change, o->bytes, value, o->operand);
		append(location, mask, result, o->order, true, index);
		write_word(o->address, o->bytes, result);
	}
	return value;
}

void history_lock(unsigned int index, const struct operation *o, unsigned long value)
{
	struct location *location = location_of(o->object);
	unsigned char mask = halves(o->address, o->bytes);
	bool gives_back = o->kind == LAB_UNLOCK;
	bool fails = o->kind == LAB_TRYLOCK && value == 0;
	lab.events[index].from = step_of(location, location->last, mask);
	if (!gives_back)
		read_store(location, location->last, mask,
			   fails ? (unsigned int)__ATOMIC_RELAXED : o->order);
	if (fails)
		return;
	append(location, mask, value, o->order, !gives_back, index);
	write_word(o->address, o->bytes, value);
}

void history_read_last(uint32_t object, const volatile void *address, unsigned int bytes)
{
	struct location *location = location_of(object);
	read_store(location, location->last, halves(address, bytes), __ATOMIC_RELAXED);
}

void history_sync(uint32_t object)
{
	struct location *location = location_of(object);
	read_store(location, location->last, 1, __ATOMIC_ACQUIRE);
	append(location, 1, 0, __ATOMIC_RELEASE, true, lab.depth - 1);
}
