// SPDX-License-Identifier: MIT

// Names that gates, tables and tests refer to. No spaces and no slashes, so that other tools can use
// them in file names and thresholds.

/// Names of operations.
public enum Name {
  public static let tryGetPut = "folio_try_get+folio_put"
  public static let getPut = "folio_get+folio_put"
  public static let cloneDrop = "FolioReference.clone+drop"
  public static let getPage = "get_page+put_page"
  public static let batchPut = "folio_get+folios_put_refs"
  public static let freeze = "folio_ref_freeze+unfreeze"
  public static let tryGetFolio = "try_get_folio+folio_put"
  public static let readSection = "rcu_read_lock+unlock"
  public static let pageLookupRandom = "pfn-page-pgmap.random"
  public static let pageLookupSequential = "pfn-page-pgmap.sequential"
  public static let arrayLoad = "xa_load.random"
  public static let pagemapGet = "get_dev_pagemap+put"
  public static let percpuGet = "percpu_ref_get+put"
  public static let percpuKill = "percpu_ref_kill+reinit"
  public static let lastPut = "fsdax-last-put+rearm"
  public static let unpinMapped = "strict-unpin-mapped"
  public static let prepSplit = "prep_compound+split.order9"
  public static let rmapSmall = "rmap-pte.small"
  public static let rmapLarge = "rmap-pte.large"
  public static let rmapEntire = "rmap-pmd"
  public static let share = "share.inc+dec"
  public static let deferredFree = "call_rcu+rcu_barrier.1000"
  public static let wakeNobody = "wake_up_var.no-waiter"
  public static let handOff = "wait_var+wake_up_var.hand-off"
  public static let remap = "memremap+memunmap.per-page"
  public static let deviceWalk = "device-walk.get+put"
  public static let metadata = "metadata"
  public static let getPutInstructions = "instructions.folio_get+folio_put"
  public static let tryGetInstructions = "instructions.folio_try_get"
}

/// Names of peers.
public enum Peer {
  public static let cTwin = "c-twin"
  public static let cAtomics = "c-atomics"
  public static let swiftARC = "swift-arc"
  public static let swiftWeak = "swift-weak"
  public static let swiftAtomic = "swift-atomic"
  public static let sharedPointer = "std::shared_ptr"
  public static let dictionary = "swift-dictionary+mutex"
  public static let unorderedMap = "std::unordered_map+shared_mutex"
  public static let sharedMap = "std::unordered_map+shared_ptr"
  public static let urcu = "liburcu-bp"
  public static let urcuBarrier = "liburcu-call_rcu+barrier"
  public static let noWakeTest = "no-wake-test"
  public static let noEventTest = "no-event-test"
  public static let singlePuts = "folio_put-each"
  public static let plainStores = "c-plain-stores"
  public static let conditionVariable = "pthread_cond"
  public static let futex = "futex"
  public static let plainMap = "mmap+init+munmap"
  public static let handWritten = "hand-written-c"
}
