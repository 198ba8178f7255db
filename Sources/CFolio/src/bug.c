// SPDX-License-Identifier: MIT
/* Messages and their counters. See folio/bug.h. */
#include <folio/bug.h>
#include <folio/lock.h>
#include <folio/mm.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void describe_page(FILE *out, const struct page *page)
{
	if (!page)
		return;
	fprintf(out, " [page pfn %#lx", page_to_pfn(page));
	fprintf(out, " refcount %d", atomic_read(&page->_refcount));
	fprintf(out, " mapcount %d", atomic_read(&page->_mapcount));
	fprintf(out, " flags %#lx", READ_ONCE(page->flags));
	fprintf(out, " compound_head %#lx]", READ_ONCE(page->compound_head));
}

void cfolio_bug(const char *invariant, const struct page *page, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)seam_bug(invariant, page, format, arguments);
	fprintf(stderr, "folio: BUG %s: ", invariant);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	describe_page(stderr, page);
	fputc('\n', stderr);
	fflush(stderr);
	abort();
}

static atomic_long_t warnings;
static atomic_t quiet_warnings;
static shared_t last_warning; /* const char *, written by any warner; RLX, only shown to people */

void cfolio_warn(struct folio_warning *site, const struct page *page)
{
	atomic_long_add(1, &warnings);
	WRITE_ONCE(last_warning, (unsigned long)site->what);
	if (atomic_read(&quiet_warnings) || atomic_xchg(&site->printed, 1) != 0)
		return;
	fprintf(stderr, "folio: WARN %s", site->what);
	describe_page(stderr, page);
	fputc('\n', stderr);
}

void cfolio_warn_text(const char *text)
{
	struct folio_warning once = {text, ATOMIC_INIT(0)};
	cfolio_warn(&once, NULL);
}

long cfolio_warning_count(void)
{
	return atomic_long_read(&warnings);
}

const char *cfolio_last_warning(void)
{
	const char *text = (const char *)READ_ONCE(last_warning);
	return text ? text : "";
}

void cfolio_warnings_quiet(bool quiet)
{
	atomic_set(&quiet_warnings, quiet);
}

static struct lock_class violations_class = LOCK_CLASS("violations");
/* Protects the array and both indices. */
static spinlock_t violations_lock = SPIN_LOCK_INIT(&violations_class);
static struct folio_violation violations[FOLIO_VIOLATIONS_MAX];
static int violations_kept;
static atomic_long_t violations_seen;

void cfolio_violation(const char *invariant, unsigned long pfn, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (seam_violation(invariant, pfn, format, arguments)) {
		va_end(arguments);
		return;
	}
	atomic_long_add(1, &violations_seen);
	spin_lock(&violations_lock);
	if (violations_kept < FOLIO_VIOLATIONS_MAX) {
		struct folio_violation *v = &violations[violations_kept++];
		snprintf(v->invariant, sizeof(v->invariant), "%s", invariant);
		v->pfn = pfn;
		vsnprintf(v->message, sizeof(v->message), format, arguments);
	}
	spin_unlock(&violations_lock);
	va_end(arguments);
}

void cfolio_violation_text(const char *invariant, unsigned long pfn, const char *text)
{
	cfolio_violation(invariant, pfn, "%s", text);
}

void cfolio_bug_text(const char *invariant, const struct page *page, const char *text)
{
	cfolio_bug(invariant, page, "%s", text);
}

int cfolio_take_violations(struct folio_violation *out, int capacity, unsigned long first,
			   unsigned long last)
{
	int taken = 0, left = 0;
	spin_lock(&violations_lock);
	for (int i = 0; i < violations_kept; i++) {
		bool wanted = violations[i].pfn >= first && violations[i].pfn <= last;
		if (wanted && taken < capacity)
			out[taken++] = violations[i];
		else
			violations[left++] = violations[i];
	}
	violations_kept = left;
	spin_unlock(&violations_lock);
	return taken;
}

long cfolio_violation_count(void)
{
	return atomic_long_read(&violations_seen);
}
