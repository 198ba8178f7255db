/* SPDX-License-Identifier: MIT */
/*
 * How Folio speaks up. Three strengths:
 *   BUG        misuse that would corrupt a count. Stops the process, in every build, with the
 *              name of the violated invariant and the page.
 *   WARN       what the kernel warns about and survives. Counted; printed once per site.
 *   violation  an invariant that an audit found broken. Recorded, never printed here.
 * Messages go to standard error. Mirrors the kernel's bug.h and mmdebug.h.
 */
#ifndef FOLIO_BUG_H
#define FOLIO_BUG_H

#include <folio/atomic.h>

FOLIO_ASSUME_NONNULL_BEGIN

struct page;

/** Stops the process: "folio: BUG <invariant>: <text> [page ...]". page may be NULL. */
void cfolio_bug(const char *invariant, const struct page *_Nullable page, const char *format, ...)
	__cold __noreturn __printf(3, 4);

/** Stops the process when the condition holds. In every build. */
#define FOLIO_BUG_ON(condition, invariant, page, ...)                                              \
	do {                                                                                       \
		if (unlikely(condition))                                                           \
			cfolio_bug(invariant, page, __VA_ARGS__);                                  \
	} while (0)

/** One place that can warn; static storage at the site. */
struct folio_warning {
	const char *what;
	atomic_t printed;
};

void cfolio_warn(struct folio_warning *site, const struct page *_Nullable page) __cold;

/** Counts and, the first time, prints. Evaluates to the condition. */
#define FOLIO_WARN_ON(condition, page, text)                                                       \
	({                                                                                         \
		bool warn_ = (condition);                                                          \
		if (unlikely(warn_)) {                                                             \
			static struct folio_warning site_ = {text, ATOMIC_INIT(0)};                \
			cfolio_warn(&site_, page);                                                 \
		}                                                                                  \
		warn_;                                                                             \
	})

/** Warns with a text chosen at run time (a string that lives for ever); printed each time. */
void cfolio_warn_text(const char *text);

/** Warnings raised since the process began, printed or not. */
long cfolio_warning_count(void);
/** The text of the last warning raised by any thread, or "". */
const char *cfolio_last_warning(void);
/** Keeps warnings from being printed (tests that provoke them). They are still counted. */
void cfolio_warnings_quiet(bool quiet);

/** One broken invariant, as audits and stress report it. */
struct folio_violation {
	char invariant[8];
	unsigned long pfn; /**< FOLIO_NO_PFN when no page is concerned. */
	char message[176];
};

#define FOLIO_NO_PFN (~0UL)

/** Records a violation; the first FOLIO_VIOLATIONS_MAX are kept, all are counted. Any context. */
void cfolio_violation(const char *invariant, unsigned long pfn, const char *format, ...)
	__cold __printf(3, 4);

#define FOLIO_VIOLATIONS_MAX 256

/** The two above with a finished text, for callers that cannot format in C. */
void cfolio_violation_text(const char *invariant, unsigned long pfn, const char *text);
void cfolio_bug_text(const char *invariant, const struct page *_Nullable page, const char *text)
	__cold __noreturn;

/**
 * Moves up to capacity recorded violations of frames in [first, last] to out, oldest first; returns
 * how many. 0 and FOLIO_NO_PFN take all, those without a page included.
 */
int cfolio_take_violations(struct folio_violation *out, int capacity, unsigned long first,
			   unsigned long last);
/** Violations recorded since the process began. */
long cfolio_violation_count(void);

FOLIO_ASSUME_NONNULL_END

#endif
