// SPDX-License-Identifier: MIT

// Names that gates, tables and tests refer to. No spaces and no slashes, so that other tools can use
// them in file names and thresholds.

/// Names of operations.
package enum Name {
  package static let tryGetPut = "folio_try_get+folio_put"
  package static let getPut = "folio_get+folio_put"
  package static let cloneDrop = "FolioReference.clone+drop"
  package static let getPage = "get_page+put_page"
  package static let batchPut = "folio_get+folios_put_refs"
  package static let freeze = "folio_ref_freeze+unfreeze"
  package static let tryGetFolio = "try_get_folio+folio_put"
  package static let readSection = "rcu_read_lock+unlock"
  package static let pageLookupRandom = "pfn-page-pgmap.random"
  package static let pageLookupSequential = "pfn-page-pgmap.sequential"
  package static let arrayLoad = "xa_load.random"
  package static let pagemapGet = "get_dev_pagemap+put"
  package static let percpuGet = "percpu_ref_get+put"
  package static let percpuKill = "percpu_ref_kill+reinit"
  package static let lastPut = "fsdax-last-put+rearm"
  package static let unpinMapped = "strict-unpin-mapped"
  package static let prepSplit = "prep_compound+split.order9"
  package static let rmapSmall = "rmap-pte.small"
  package static let rmapLarge = "rmap-pte.large"
  package static let rmapEntire = "rmap-pmd"
  package static let share = "share.inc+dec"
  package static let deferredFree = "call_rcu+rcu_barrier.1000"
  package static let wakeNobody = "wake_up_var.no-waiter"
  package static let handOff = "wait_var+wake_up_var.hand-off"
  package static let remap = "memremap+memunmap.per-page"
  package static let deviceWalk = "device-walk.get+put"
  /// Fast pins of so many pages at a time.
  package static func fastPins(_ run: Int) -> String { "gup_fast+unpin.\(run)" }
  package static func hugePins(_ run: Int) -> String { "gup_fast+unpin.pmd.\(run)" }
  package static let giantPins = "gup_fast+unpin.pud.512"
  package static func sharedPins(_ sharers: Int) -> String { "gup_fast+unpin.16.sharers\(sharers)" }
  /// Pins by areas, entries and faults.
  package static func slowPins(_ run: Int) -> String { "pin_user_pages+unpin.\(run)" }
  package static let sequentialPins = "gup_fast+unpin.512.sequential"
  package static let mapZap = "map+zap.pte"
  package static let faultZap = "fault+zap.pte"
  package static let faultZapHuge = "fault+zap.pmd"
  package static let faultZapGiant = "fault+zap.pud"
  package static func sharedMapZap(_ sharers: Int) -> String { "map+zap.pte.sharers\(sharers)" }
  package static func sharedFaultZapHuge(_ sharers: Int) -> String {
    "fault+zap.pmd.sharers\(sharers)"
  }
  package static func unmapMapping(_ sharers: Int) -> String {
    "unmap_mapping_range.sharers\(sharers)"
  }
  package static let protect = "mprotect-ro+rw.pte"
  package static let fork = "fork+exit.pte"
  package static let sequentialMapZap = "map+zap.pte.sequential"
  package static let metadata = "metadata"
  package static let getPutInstructions = "instructions.folio_get+folio_put"
  package static let tryGetInstructions = "instructions.folio_try_get"
}

/// Names of peers.
package enum Peer {
  package static let cTwin = "c-twin"
  package static let cAtomics = "c-atomics"
  package static let swiftARC = "swift-arc"
  package static let swiftWeak = "swift-weak"
  package static let swiftAtomic = "swift-atomic"
  package static let sharedPointer = "std::shared_ptr"
  package static let dictionary = "swift-dictionary+mutex"
  package static let unorderedMap = "std::unordered_map+shared_mutex"
  package static let sharedMap = "std::unordered_map+shared_ptr"
  package static let urcu = "liburcu-bp"
  package static let urcuBarrier = "liburcu-call_rcu+barrier"
  package static let noWakeTest = "no-wake-test"
  package static let noEventTest = "no-event-test"
  package static let singlePuts = "folio_put-each"
  package static let plainStores = "c-plain-stores"
  package static let conditionVariable = "pthread_cond"
  package static let futex = "futex"
  package static let plainMap = "mmap+init+munmap"
  // The running kernel's own.
  package static let ioUring = "io_uring-register+unregister"
  package static let vmsplice = "vmsplice+splice"
  package static let readv = "process_vm_readv"
  package static let writeFault = "write-fault+MADV_DONTNEED"
  package static let populate = "MADV_POPULATE_WRITE+DONTNEED"
  package static let punch = "write-fault+PUNCH_HOLE"
  package static let protect = "mprotect-ro+rw"
  package static let fork = "fork+exit+wait"
  package static let handWritten = "hand-written-c"
  /// The operation itself on so few of its pages that they stay in the caches.
  package static let fewPages = "on-2^10-pages"
}
