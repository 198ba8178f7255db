// SPDX-License-Identifier: MIT
/* See enumerator.h. */
#define _GNU_SOURCE
#include "enumerator.h"

#include <folio/rcu.h>
#include <folio/seam_hooks.h>
#include <folio/thread.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define THREADS 4
#define STEPS 512
#define STACK (256 * 1024)
#define WORDS 16384
#define MEMORY (64u << 20)

enum { READ, WRITE };

/* ---- words that threads share: two of them touch it, one writes ------------------------------ */

struct word {
	uintptr_t address; /* of four bytes */
	bool shared;
	uint64_t run;
	unsigned int readers, writers;
	/* The written-down form of this run: all writes so far, and the reads since the last. */
	uint64_t chain, reads;
};

static struct word words[WORDS];
static unsigned int words_used;
static bool learned;

/* Open addressing. */
static struct word *word_at(uintptr_t address)
{
	unsigned int slot = (unsigned int)(address >> 2) * 2654435761u % WORDS;
	while (words[slot].address && words[slot].address != address)
		slot = (slot + 1) % WORDS;
	if (!words[slot].address) {
		if (2 * ++words_used > WORDS)
			abort();
		words[slot].address = address;
	}
	return &words[slot];
}

/* ---- threads --------------------------------------------------------------------------------- */

enum waiting { NOTHING, FOR_LOCK, FOR_BITS };

struct thread {
	ucontext_t context;
	char *stack;
	bool alive;
	unsigned int steps;
	enum waiting waiting;
	const volatile void *lock;
	unsigned long bits;
	unsigned int nesting;
	struct folio_thread record;
};

static struct thread threads[THREADS];
static ucontext_t host;
static const struct enumeration_program *program;
static unsigned int current, started;
static bool running, ended_badly;
static const char *unsupported;
static uint64_t run_number;

/* The schedule: what was chosen at each step, and out of how many. */
static unsigned char chosen[STEPS], choices[STEPS];
static unsigned int depth, given;

static bool can_go(const struct thread *t)
{
	if (!t->alive)
		return false;
	if (t->waiting == FOR_LOCK)
		return *(const volatile int *)t->lock == 0;
	if (t->waiting == FOR_BITS)
		return (*(const volatile unsigned long *)t->lock & t->bits) == 0;
	return true;
}

static void go_on(void)
{
	unsigned int self = current, able = 0, list[THREADS];
	if (started < program->threads) {
		current = started++;
		swapcontext(&threads[self].context, &threads[current].context);
		return;
	}
	for (unsigned int i = 0; i < program->threads; i++)
		if (can_go(&threads[i]))
			list[able++] = i;
	bool alive = false;
	for (unsigned int i = 0; i < program->threads; i++)
		alive |= threads[i].alive;
	if (!able || ended_badly || depth == STEPS) {
		ended_badly |= alive || depth == STEPS;
		swapcontext(&threads[self].context, &host);
		return;
	}
	choices[depth] = (unsigned char)able;
	if (depth >= given)
		chosen[depth] = 0;
	unsigned int next = list[chosen[depth++]];
	if (next == self)
		return;
	current = next;
	swapcontext(&threads[self].context, &threads[next].context);
}

static void thread_main(unsigned int number)
{
	program->body(program->context, number);
	threads[number].alive = false;
	go_on();
	abort();
}

static struct thread *self(void)
{
	return &threads[current];
}

/* ---- memory ---------------------------------------------------------------------------------- */

static char *memory;
static size_t used, kept;
static char *kept_image;
static struct {
	void *address;
	unsigned long value;
	unsigned int bytes;
} undo[1 << 16];
static unsigned int undo_used;

static void put(const volatile void *place, unsigned int bytes, unsigned long value)
{
	if (running) {
		undo[undo_used].address = (void *)(uintptr_t)place;
		undo[undo_used].bytes = bytes;
		undo[undo_used++].value = bytes == 4 ? *(const volatile unsigned int *)place
						     : *(const volatile unsigned long *)place;
		if (undo_used == sizeof(undo) / sizeof(undo[0]))
			abort();
	}
	if (bytes == 4)
		*(volatile int *)(uintptr_t)place = (int)value;
	else
		*(volatile unsigned long *)(uintptr_t)place = value;
}

static unsigned long get(const volatile void *place, unsigned int bytes)
{
	return bytes == 4 ? (unsigned long)(long)*(const volatile int *)place
			  : *(const volatile unsigned long *)place;
}

static void *hook_allocate(size_t size)
{
	size_t rounded = (size + 63) & ~(size_t)63;
	if (!memory)
		memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);
	if (memory == MAP_FAILED || used + rounded > MEMORY)
		abort();
	void *start = memory + used;
	memset(start, 0, rounded);
	used += rounded;
	return start;
}

static bool hook_free(void *start)
{
	return (size_t)((char *)start - memory) < MEMORY;
}

/* The library's globals, which a schedule that stops in the middle leaves as they are. */
extern char __start_folio_data[] __attribute__((weak)), __stop_folio_data[] __attribute__((weak));
extern char __start_folio_bss[] __attribute__((weak)), __stop_folio_bss[] __attribute__((weak));
static char *globals;

static void copy_globals(bool back)
{
	char *const starts[] = {__start_folio_data, __start_folio_bss};
	const size_t sizes[] = {(size_t)(__stop_folio_data - __start_folio_data),
				(size_t)(__stop_folio_bss - __start_folio_bss)};
	if (!globals)
		globals = malloc(sizes[0] + sizes[1] + 1);
	if (!globals)
		abort();
	for (size_t i = 0, at = 0; i < 2; at += sizes[i++]) {
		if (back)
			memcpy(starts[i], globals + at, sizes[i]);
		else
			memcpy(globals + at, starts[i], sizes[i]);
	}
}

/* ---- the written-down form ------------------------------------------------------------------- */

static uint64_t scramble(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdu;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53u;
	return x ^ (x >> 33);
}

static void write_down(uintptr_t address, unsigned int bytes, int how)
{
	uint64_t event = scramble(((uint64_t)current << 32 | self()->steps) + 1);
	for (uintptr_t half = address; half < address + bytes; half += 4) {
		struct word *word = word_at(half);
		if (how == READ) {
			word->reads += event;
		} else {
			word->chain = scramble(word->chain + scramble(word->reads) * 3 + event);
			word->reads = 0;
		}
	}
}

static uint64_t form(void)
{
	uint64_t sum = 0;
	for (unsigned int i = 0; i < WORDS; i++)
		if (words[i].run == run_number && (words[i].chain || words[i].reads))
			sum += scramble(scramble(words[i].address) + words[i].chain * 5 +
					scramble(words[i].reads));
	return sum ? sum : 1;
}

/* Notes who touches the word; true: threads share it. */
static bool note(uintptr_t address, unsigned int bytes, int how)
{
	bool shared = false;
	for (uintptr_t half = address; half < address + bytes; half += 4) {
		struct word *word = word_at(half);
		if (word->run != run_number) {
			word->run = run_number;
			word->readers = word->writers = 0;
			word->chain = word->reads = 0;
		}
		if (how == WRITE)
			word->writers |= 1u << current;
		else
			word->readers |= 1u << current;
		unsigned int all = word->readers | word->writers;
		if (!word->shared && word->writers && (all & (all - 1))) {
			word->shared = true;
			learned = true;
		}
		shared |= word->shared;
	}
	return shared;
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool is_write(unsigned int operation, const volatile void *place, unsigned int bytes,
		     unsigned long expected)
{
	if (operation == SEAM_OP_LOAD)
		return false;
	return operation != SEAM_OP_CMPXCHG || get(place, bytes) == expected;
}

static unsigned long hook_access(const struct seam_site *site, unsigned int access,
				 const volatile void *place, unsigned long operand,
				 unsigned long expected)
{
	unsigned int operation = SEAM_ACCESS_OPERATION(access), bytes = SEAM_ACCESS_BYTES(access);
	(void)site;
	if (running) {
		int how = is_write(operation, place, bytes, expected) ? WRITE : READ;
		if (note((uintptr_t)place, bytes, how)) {
			go_on();
			how = is_write(operation, place, bytes, expected) ? WRITE : READ;
			(void)note((uintptr_t)place, bytes, how);
			write_down((uintptr_t)place, bytes, how);
			self()->steps++;
		}
	}
	unsigned long old = get(place, bytes), new = operand;
	if (!is_write(operation, place, bytes, expected))
		return old;
	if (operation == SEAM_OP_ADD)
		new = old + operand;
	else if (operation == SEAM_OP_OR)
		new = old | operand;
	else if (operation == SEAM_OP_AND)
		new = old &operand;
	put(place, bytes, new);
	return old;
}

static void take(const volatile void *place, unsigned int bytes, enum waiting waiting,
		 unsigned long value)
{
	if (running && note((uintptr_t)place, bytes, WRITE)) {
		self()->waiting = waiting;
		self()->lock = place;
		self()->bits = value;
		go_on();
		self()->waiting = NOTHING;
		write_down((uintptr_t)place, bytes, WRITE);
		self()->steps++;
	}
	put(place, bytes, waiting == FOR_BITS ? get(place, bytes) | value : value);
}

static void hook_lock(const struct seam_site *site, const volatile void *place)
{
	(void)site;
	take(place, 4, FOR_LOCK, 1);
}

static void hook_bit_lock(const struct seam_site *site, const volatile void *place,
			  unsigned long bits, int order)
{
	(void)site;
	(void)order;
	take(place, 8, FOR_BITS, bits);
}

static bool hook_trylock(const struct seam_site *site, const volatile void *place)
{
	return hook_access(site, SEAM_ACCESS(SEAM_OP_CMPXCHG, 4u, 0u), place, 1, 0) == 0;
}

static void hook_unlock(const struct seam_site *site, const volatile void *place, int order)
{
	(void)order;
	(void)hook_access(site, SEAM_ACCESS(SEAM_OP_STORE, 4u, 0u), place, 0, 0);
}

static void refuse(const char *what)
{
	if (!running)
		return;
	unsupported = what;
	ended_badly = true;
	swapcontext(&self()->context, &host);
}

static bool hook_commit(void *start, size_t size)
{
	(void)start;
	(void)size;
	refuse("pages taken or given back");
	return false;
}

static void hook_rcu_read_lock(void)
{
	self()->nesting++;
}

static void hook_rcu_read_unlock(void)
{
	self()->nesting--;
}

static bool hook_rcu_read_lock_held(void)
{
	return self()->nesting != 0;
}

static void hook_synchronize_rcu(void)
{
	refuse("synchronize_rcu");
}

static void hook_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	if (!running)
		func(head);
	refuse("call_rcu");
}

static void hook_rcu_barrier(void)
{
	refuse("rcu_barrier");
}

static void hook_futex_wait(const volatile void *word, int value, int64_t deadline)
{
	(void)word;
	(void)value;
	(void)deadline;
	refuse("sleep");
}

static void hook_futex_wake(const volatile void *word, int n)
{
	(void)word;
	(void)n;
	refuse("wake");
}

static void hook_yield(void)
{
	refuse("yield");
}

static int64_t hook_clock(void)
{
	return 1;
}

static struct folio_thread *hook_this_thread(void)
{
	return &self()->record;
}

static unsigned int hook_this_cpu(void)
{
	return current;
}

static unsigned long hook_scope(void)
{
	return 0;
}

static void hook_live(unsigned long scope, unsigned long value)
{
	(void)scope;
	(void)value;
}

static __noreturn void hook_bug(const char *invariant, const struct page *page, const char *message)
{
	(void)page;
	ended_badly = true;
	if (!running)
		fprintf(stderr, "enumerator: %s between schedules: %s\n", invariant, message);
	else
		swapcontext(&self()->context, &host);
	abort();
}

static void hook_violation(const char *invariant, unsigned long pfn, const char *message)
{
	(void)invariant;
	(void)pfn;
	(void)message;
	ended_badly = true;
}

static const struct seam_hooks hooks = {
	.access = hook_access,
	.rcu_read_lock = hook_rcu_read_lock,
	.rcu_read_unlock = hook_rcu_read_unlock,
	.rcu_read_lock_held = hook_rcu_read_lock_held,
	.synchronize_rcu = hook_synchronize_rcu,
	.call_rcu = hook_call_rcu,
	.rcu_barrier = hook_rcu_barrier,
	.lock = hook_lock,
	.trylock = hook_trylock,
	.unlock = hook_unlock,
	.bit_lock = hook_bit_lock,
	.futex_wait = hook_futex_wait,
	.futex_wake = hook_futex_wake,
	.yield = hook_yield,
	.clock_ns = hook_clock,
	.allocate = hook_allocate,
	.free = hook_free,
	.commit = hook_commit,
	.decommit = hook_commit,
	.this_thread = hook_this_thread,
	.this_cpu = hook_this_cpu,
	.scope = hook_scope,
	.live = hook_live,
	.bug = hook_bug,
	.violation = hook_violation,
};

/* ---- enumeration ----------------------------------------------------------------------------- */

static uint64_t *forms;
static size_t forms_used, forms_capacity;

static void keep_form(uint64_t value)
{
	if (2 * forms_used >= forms_capacity) {
		size_t capacity = forms_capacity ? 4 * forms_capacity : 1 << 12;
		uint64_t *old = forms;
		forms = calloc(capacity, sizeof(*forms));
		if (!forms)
			abort();
		size_t old_capacity = forms_capacity;
		forms_capacity = capacity;
		forms_used = 0;
		for (size_t i = 0; i < old_capacity; i++)
			if (old[i])
				keep_form(old[i]);
		free(old);
	}
	size_t slot = scramble(value) & (forms_capacity - 1);
	while (forms[slot] && forms[slot] != value)
		slot = (slot + 1) & (forms_capacity - 1);
	forms_used += !forms[slot];
	forms[slot] = value;
}

static void run_schedule(void)
{
	run_number++;
	for (unsigned int i = 0; i < program->threads; i++) {
		struct thread *t = &threads[i];
		char *stack = t->stack ? t->stack : malloc(STACK);
		memset(t, 0, sizeof(*t));
		t->stack = stack;
		t->alive = true;
		t->record.id = i + 1;
		getcontext(&t->context);
		t->context.uc_stack.ss_sp = stack;
		t->context.uc_stack.ss_size = STACK;
		makecontext(&t->context, (void (*)(void))thread_main, 1, i);
	}
	if (program->prepare)
		program->prepare(program->context);
	depth = 0;
	started = 1;
	current = 0;
	running = true;
	swapcontext(&host, &threads[0].context);
	running = false;
	while (undo_used > 0) {
		undo_used--;
		put(undo[undo_used].address, undo[undo_used].bytes, undo[undo_used].value);
	}
	memcpy(memory, kept_image, kept);
	used = kept;
	if (ended_badly)
		copy_globals(true);
}

/* The next schedule in order; false: that was the last. */
static bool next_schedule(void)
{
	given = depth;
	while (given > 0 && chosen[given - 1] + 1u >= choices[given - 1])
		given--;
	if (given == 0)
		return false;
	chosen[given - 1]++;
	return true;
}

struct enumeration enumerate(const struct enumeration_program *what, uint64_t limit)
{
	struct enumeration result = {0};
	program = what;
	kept = used;
	free(kept_image);
	kept_image = malloc(kept + 1);
	if (!kept_image)
		abort();
	memcpy(kept_image, memory, kept);
	copy_globals(false);
	memset(words, 0, sizeof(words));
	words_used = 0;
	unsupported = NULL;
	(void)cfolio_seam_enter(&hooks);
	bool more = true;
	do {
		/* From the start, with what is known to be shared by now. */
		learned = false;
		ended_badly = false;
		result.schedules = 0;
		given = 0;
		forms_used = 0;
		if (forms)
			memset(forms, 0, forms_capacity * sizeof(*forms));
		more = true;
		while (more && !learned && !ended_badly && result.schedules < limit) {
			run_schedule();
			if (learned || ended_badly)
				break;
			result.schedules++;
			keep_form(form());
			more = next_schedule();
		}
	} while (learned && !ended_badly);
	(void)cfolio_seam_enter(NULL);
	result.classes = forms_used;
	result.complete = !more;
	result.failed = ended_badly;
	result.unsupported = unsupported;
	return result;
}

void enumerator_as_guest(void (*function)(void *context), void *context)
{
	(void)cfolio_seam_enter(&hooks);
	running = false;
	self()->record.locks_held = 0;
	self()->nesting = 0;
	function(context);
	(void)cfolio_seam_enter(NULL);
}

void enumerator_reset(void)
{
	used = 0;
}
