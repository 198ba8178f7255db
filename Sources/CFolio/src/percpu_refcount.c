// SPDX-License-Identifier: MIT
/*
 * percpu_ref. See folio/percpu_refcount.h.
 *
 * Why no count is lost over a switch to atomic mode. A get or put reads percpu_count_ptr inside a
 * read section and changes a slot in the same section.
 *   1. The switch sets the ATOMIC bit, then waits for a grace period (call_rcu).
 *   2. A section that read the pointer without the bit began before the grace period and is over
 *      when it ends: its change of a slot happened before the summing.
 *   3. A section that began later sees the bit and changes the atomic count.
 *   4. So after the grace period the slots are still, and their sum is added in one step. Adding
 *      slot by slot could pass through 0 (a get on one CPU, its put on another; C67). The bias
 *      keeps the atomic count far from 0 until then.
 */
#include <folio/bug.h>
#include <folio/mutant.h>
#include <folio/percpu_refcount.h>
#include <folio/sys.h>
#include <folio/thread.h>
#include <folio/wait.h>

#include <errno.h>

static struct lock_class switch_class = LOCK_CLASS("percpu switch");
/* Serialises mode changes of all refs: writes of percpu_count_ptr, confirm_switch, switching. */
static spinlock_t switch_lock = SPIN_LOCK_INIT(&switch_class);

static unsigned long pointer_word(const struct percpu_ref *ref)
{
	return rcu_dereference(ref->percpu_count_ptr);
}

static struct percpu_slot *slots_of(unsigned long word)
{
	return (struct percpu_slot *)(word & ~(PERCPU_REF_ATOMIC | PERCPU_REF_DEAD));
}

static bool is_percpu_word(unsigned long word)
{
	return likely((word & (PERCPU_REF_ATOMIC | PERCPU_REF_DEAD)) == 0);
}

static void add_to_slot(unsigned long word, long nr)
{
	atomic_long_add(nr, &slots_of(word)[folio_this_cpu()].count);
}

int percpu_ref_init(struct percpu_ref *ref, percpu_ref_func_t release)
{
	struct percpu_slot *slots = cfolio_zalloc(folio_nr_cpus() * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	atomic_long_set(&ref->count, PERCPU_COUNT_BIAS + 1);
	ref->release = release;
	ref->confirm_switch = NULL;
	atomic_set(&ref->switching, 0);
	rcu_assign_pointer(ref->percpu_count_ptr, slots);
	return 0;
}

static bool not_switching(void *context)
{
	return atomic_read_acquire(&((struct percpu_ref *)context)->switching) == 0;
}

void percpu_ref_exit(struct percpu_ref *ref)
{
	const struct wait_options options = {.state = TASK_UNINTERRUPTIBLE};
	(void)wait_var_event_options(&ref->switching, not_switching, ref, &options);
	cfolio_free(slots_of(READ_ONCE(ref->percpu_count_ptr)));
	WRITE_ONCE(ref->percpu_count_ptr, PERCPU_REF_ATOMIC | PERCPU_REF_DEAD);
}

void percpu_ref_get_many(struct percpu_ref *ref, unsigned long nr)
{
	rcu_read_lock();
	unsigned long word = pointer_word(ref);
	if (is_percpu_word(word))
		add_to_slot(word, (long)nr);
	else
		atomic_long_add((long)nr, &ref->count);
	rcu_read_unlock();
}

bool percpu_ref_tryget_many(struct percpu_ref *ref, unsigned long nr)
{
	bool got = true;
	rcu_read_lock();
	unsigned long word = pointer_word(ref);
	if (is_percpu_word(word))
		add_to_slot(word, (long)nr);
	else
		got = atomic_long_add_unless(&ref->count, (long)nr, 0);
	rcu_read_unlock();
	return got;
}

bool percpu_ref_tryget_live_rcu(struct percpu_ref *ref)
{
	FOLIO_WARN_ON(!rcu_read_lock_held(), NULL, "tryget_live_rcu outside a read section");
	unsigned long word = pointer_word(ref);
	if (is_percpu_word(word)) {
		add_to_slot(word, 1);
		return true;
	}
	if ((word & PERCPU_REF_DEAD) && !MUTANT(C63))
		return false;
	return atomic_long_add_unless(&ref->count, 1, 0);
}

bool percpu_ref_tryget_live(struct percpu_ref *ref)
{
	rcu_read_lock();
	bool got = percpu_ref_tryget_live_rcu(ref);
	rcu_read_unlock();
	return got;
}

void percpu_ref_put_many(struct percpu_ref *ref, unsigned long nr)
{
	rcu_read_lock();
	unsigned long word = pointer_word(ref);
	if (is_percpu_word(word))
		add_to_slot(word, -(long)nr);
	else if (unlikely(atomic_long_sub_and_test((long)nr, &ref->count) ||
			  (MUTANT(P61) && atomic_long_read(&ref->count) == 0)))
		ref->release(ref);
	rcu_read_unlock();
}

static long slot_sum(unsigned long word)
{
	unsigned long sum = 0;
	for (unsigned int cpu = 0; cpu < folio_nr_cpus(); cpu++)
		sum += (unsigned long)atomic_long_read(&slots_of(word)[cpu].count);
	return (long)sum;
}

/* The ref must not be touched after its last reference goes, so the switch holds one itself. */
static void switch_confirmed(struct rcu_head *head)
{
	struct percpu_ref *ref = container_of(head, struct percpu_ref, rcu);
	unsigned long sum = (unsigned long)slot_sum(READ_ONCE(ref->percpu_count_ptr));
	for (unsigned int cpu = 0; MUTANT(C67) && cpu < folio_nr_cpus(); cpu++, sum = 1UL << 63)
		atomic_long_add(
			atomic_long_read(&slots_of(READ_ONCE(ref->percpu_count_ptr))[cpu].count) +
				(cpu ? 0 : PERCPU_COUNT_BIAS),
			&ref->count);
	long count =
		atomic_long_add_return((long)(sum - (unsigned long)PERCPU_COUNT_BIAS), &ref->count);
	FOLIO_WARN_ON(count <= 0, NULL, "percpu_ref at or below 0 when switched to atomic");
	percpu_ref_func_t confirm = ref->confirm_switch;
	ref->confirm_switch = NULL;
	if (confirm)
		confirm(ref);
	/*
	 * The switch's own reference goes before `switching` does, so that whoever sees the switch
	 * over sees the exact count. If others hold references, the last of them may release and
	 * then exit, which waits for `switching`; after that store only the address is used. If
	 * this was the last one, nobody frees the ref before the release below.
	 */
	bool last = atomic_long_sub_and_test(1, &ref->count);
	percpu_ref_func_t release = ref->release;
	atomic_set_release(&ref->switching, 0);
	smp_mb();
	wake_up_var(&ref->switching);
	if (last)
		release(ref);
}

static void wait_for_switch(struct percpu_ref *ref)
{
	const struct wait_options options = {.spinlock = &switch_lock};
	(void)wait_var_event_options(&ref->switching, not_switching, ref, &options);
}

static void switch_to_atomic_locked(struct percpu_ref *ref, percpu_ref_func_t confirm)
{
	unsigned long word = READ_ONCE(ref->percpu_count_ptr);
	if (word & PERCPU_REF_ATOMIC) {
		if (confirm)
			confirm(ref);
		return;
	}
	ref->confirm_switch = confirm;
	atomic_set(&ref->switching, 1);
	percpu_ref_get(ref);
	rcu_assign_pointer(ref->percpu_count_ptr, word | PERCPU_REF_ATOMIC);
	if (MUTANT(P60)) {
		switch_confirmed(&ref->rcu);
		return;
	}
	call_rcu(&ref->rcu, switch_confirmed);
}

void percpu_ref_switch_to_atomic(struct percpu_ref *ref, percpu_ref_func_t confirm)
{
	spin_lock(&switch_lock);
	wait_for_switch(ref);
	switch_to_atomic_locked(ref, confirm);
	spin_unlock(&switch_lock);
}

void percpu_ref_switch_to_atomic_sync(struct percpu_ref *ref)
{
	spin_lock(&switch_lock);
	wait_for_switch(ref);
	switch_to_atomic_locked(ref, NULL);
	wait_for_switch(ref);
	spin_unlock(&switch_lock);
}

static void switch_to_percpu_locked(struct percpu_ref *ref)
{
	unsigned long word = READ_ONCE(ref->percpu_count_ptr);
	if (!(word & PERCPU_REF_ATOMIC))
		return;
	atomic_long_add(PERCPU_COUNT_BIAS, &ref->count);
	for (unsigned int cpu = 0; cpu < folio_nr_cpus() && !MUTANT(P63); cpu++)
		atomic_long_set(&slots_of(word)[cpu].count, 0);
	if (MUTANT(O09)) {
		WRITE_ONCE(ref->percpu_count_ptr, word & ~PERCPU_REF_ATOMIC);
		return;
	}
	/* REL: whoever sees percpu mode sees the zeroed slots. */
	rcu_assign_pointer(ref->percpu_count_ptr, word & ~PERCPU_REF_ATOMIC);
}

void percpu_ref_switch_to_percpu(struct percpu_ref *ref)
{
	spin_lock(&switch_lock);
	wait_for_switch(ref);
	if (!(READ_ONCE(ref->percpu_count_ptr) & PERCPU_REF_DEAD))
		switch_to_percpu_locked(ref);
	spin_unlock(&switch_lock);
}

void percpu_ref_kill_and_confirm(struct percpu_ref *ref, percpu_ref_func_t confirm)
{
	spin_lock(&switch_lock);
	wait_for_switch(ref);
	unsigned long word = READ_ONCE(ref->percpu_count_ptr);
	if (FOLIO_WARN_ON(word & PERCPU_REF_DEAD, NULL, "percpu_ref killed twice")) {
		spin_unlock(&switch_lock);
		return;
	}
	rcu_assign_pointer(ref->percpu_count_ptr, word | PERCPU_REF_DEAD);
	switch_to_atomic_locked(ref, confirm);
	spin_unlock(&switch_lock);
	percpu_ref_put(ref);
}

void percpu_ref_kill(struct percpu_ref *ref)
{
	percpu_ref_kill_and_confirm(ref, NULL);
}

void percpu_ref_resurrect(struct percpu_ref *ref)
{
	spin_lock(&switch_lock);
	wait_for_switch(ref);
	unsigned long word = READ_ONCE(ref->percpu_count_ptr);
	if (!FOLIO_WARN_ON(!(word & PERCPU_REF_DEAD), NULL, "resurrect of a live percpu_ref")) {
		atomic_long_add(MUTANT(P62) ? 0 : 1, &ref->count);
		rcu_assign_pointer(ref->percpu_count_ptr, word & ~PERCPU_REF_DEAD);
		switch_to_percpu_locked(ref);
	}
	spin_unlock(&switch_lock);
}

void percpu_ref_reinit(struct percpu_ref *ref)
{
	FOLIO_WARN_ON(!percpu_ref_is_zero(ref), NULL, "reinit of a percpu_ref that is not 0");
	percpu_ref_resurrect(ref);
}

bool percpu_ref_is_percpu(const struct percpu_ref *ref)
{
	return is_percpu_word(READ_ONCE(ref->percpu_count_ptr));
}

bool percpu_ref_is_zero(const struct percpu_ref *ref)
{
	return !percpu_ref_is_percpu(ref) && atomic_long_read(&ref->count) == 0;
}

bool percpu_ref_is_dying(const struct percpu_ref *ref)
{
	return (READ_ONCE(ref->percpu_count_ptr) & PERCPU_REF_DEAD) != 0;
}

long percpu_ref_value(const struct percpu_ref *ref)
{
	unsigned long word = READ_ONCE(ref->percpu_count_ptr);
	long count = atomic_long_read(&ref->count);
	if ((word & PERCPU_REF_ATOMIC) && !atomic_read(&ref->switching))
		return count;
	long switch_reference = atomic_read(&ref->switching) ? 1 : 0;
	unsigned long value = (unsigned long)count - (unsigned long)PERCPU_COUNT_BIAS +
			      (unsigned long)slot_sum(word);
	return (long)value - switch_reference;
}
