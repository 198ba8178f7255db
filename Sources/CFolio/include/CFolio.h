/* SPDX-License-Identifier: MIT */
/* CFolio: what has the kernel's layout or is touched without a lock. Each header says its part. */
#ifndef CFOLIO_H
#define CFOLIO_H

#include <folio/compiler.h>
#include <folio/mutant.h>
#include <folio/seam_hooks.h>
#include <folio/atomic.h>
#include <folio/bug.h>
#include <folio/thread.h>
#include <folio/sys.h>
#include <folio/rcu.h>
#include <folio/globals.h>
#include <folio/seam_native.h>
#include <folio/lock.h>
#include <folio/rwsem.h>
#include <folio/srcu.h>
#include <folio/wait.h>
#include <folio/percpu_refcount.h>
#include <folio/mm_types.h>
#include <folio/page_flags.h>
#include <folio/events.h>
#include <folio/page_ref.h>
#include <folio/mm.h>
#include <folio/compound.h>
#include <folio/rmap.h>
#include <folio/memremap.h>
#include <folio/idle.h>
#include <folio/vmemmap.h>
#include <folio/fs.h>
#include <folio/pgtable.h>
#include <folio/mmap.h>
#include <folio/anon_vma.h>
#include <folio/tlb.h>
#include <folio/memory.h>
#include <folio/migrate.h>
#include <folio/gup.h>
#include <folio/get_user_pages.h>
#include <folio/trace.h>
#include <folio/ledger.h>
#include <folio/devres.h>
#include <folio/pagemap.h>
#include <folio/xarray.h>
#include <folio/xa_state.h>

#endif
