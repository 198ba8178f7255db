// SPDX-License-Identifier: MIT

// Why a scenario does not run under some rule sets: it would be the same program, or none.

public import FolioCore

extension Scenario {
  /// Why it has no meaning under these rules; nil: it has one.
  public func reason(against rules: PageMap.Rules) -> String? {
    if self.rules.contains(rules) { return nil }
    return (Self.reasons[name]?(rules) ?? .none).rawValue
  }

  private enum Reason: String {
    case same = "no page of a device map is in it: the same program under every rule set"
    case asStrict = "these rules change the words in it by the same code as strict ones do"
    case queue = "the race is in the queue, not in the condition, which idle-begin has"
    case shapes = "legacy pages idle at 1: none is raised from 0, formed or split"
    case unmapped = "legacy mappings own no references and are not counted"
    case unpinned = "waits look at R alone there; that a mapping ends none is hazard C41"
    case headWord = "the kernel's order shows a reader neither head nor map: hazard C29"
    case busyUnmap = "only strict rules refuse to unmap a page in use"
    case hook = "only legacy rules have a hook from 2 to 1"
    case reset = "only kernel rules set a lost base reference again: hazard C72"
    case entries = "only legacy entries of device pages hold neither page nor map"
    case counter = "v6.18 looks the counter up behind the put: C50"
    case none = "its author names no reason"
  }

  private static let reasons: [String: @Sendable (PageMap.Rules) -> Reason] = {
    var reasons: [String: @Sendable (PageMap.Rules) -> Reason] = [:]
    for name in [
      "gup-pin", "pin-bias", "two-puts", "freeze-get", "cache-split", "batch-put", "split-page",
      "wait-variable", "wait-exclusive", "wait-bit", "completion", "wait-count", "wait-callback",
      "wait-cancel", "wait-cancel-wake", "wait-killable", "wait-timeout", "locks", "wait-spinlock",
      "wait-mutex", "percpu-atomic", "percpu-round-trip", "percpu-kill", "percpu-last-put",
      "percpu-resurrect", "percpu-life", "rcu-synchronize", "rcu-call", "rcu-barrier",
      "xarray-erase", "xarray-shrink", "xarray-grow", "xarray-siblings", "xarray-iterate",
      "xarray-insert", "xarray-history", "xarray-writers", "xarray-marks", "xarray-scan",
      "xarray-marked-scan", "xarray-nomem", "xarray-replace", "gup-pin-key", "counter-freeze",
      "counter-try-get", "counter-puts", "free-tails", "migrate-freeze", "wait-io",
      "percpu-tryget", "anon-share", "anon-fork", "anon-family", "anon-huge", "trace-lost",
      "device-actions", "rwsem", "rwsem-downgrade", "srcu", "folio-lock", "area-lock",
      "table-populate", "table-remove", "fork-store", "fork-pin", "zero-store", "fork-ends",
      "store-discard", "pin-share", "slow-pin-unshare", "slow-pin-fork", "file-lookup",
      "migrate-store",
      "migrate-shared", "migrate-evict", "migrate-get", "migrate-pin", "migrate-file",
      "hand-out-lock",
    ] {
      reasons[name] = { _ in .same }
    }
    for name in [
      "map-teardown", "map-window", "map-overlap", "trace-rings", "ledger-stop",
      "pin-peer", "pin-fork-read",
    ] {
      reasons[name] = { _ in .asStrict }
    }
    for name in [
      "reuse", "split-try-get", "form-try-get", "owner-split", "split-reuse", "retire", "form-late",
      "pin-peer-split",
    ] {
      reasons[name] = { _ in .shapes }
    }
    for name in [
      "rmap-owners", "rmap-unslotted", "rmap-entire", "rmap-scan", "rmap-scan-unslotted",
      "rmap-scan-rise", "rmap-fork-small", "rmap-fork", "rmap-fork-huge", "pin-zap",
      "pin-table-free", "pin-collapse", "pin-huge", "pin-slow", "pin-fork", "pin-two-pages",
      "pin-longterm", "pin-device-dax", "pin-zero", "flush-translation", "flush-gathers",
      "zap-dirty",
      "fault-fault", "fault-unmap-mapping", "fault-discard", "fault-shared", "pin-fault",
      "fault-munmap", "store-protect", "upgrade-punch", "upgrade-stale", "remap-unmap-mapping",
      "fault-split-area", "leaf-fault-fault", "leaf-pin-zap", "leaf-pin-split",
      "leaf-unmap-folio", "leaf-split-unmap", "fork-leaf", "pin-form", "flush-protect",
      "fork-upper-leaf", "copy-load",
      "copy-shared", "copy-copy", "fork-fault", "space-end", "space-end-pin", "slow-pin-discard",
      "slow-pin-longterm", "dax-kill", "peer-churn", "peer-remove", "peer-map-stop",
    ] {
      reasons[name] = { $0 == .legacy ? .unmapped : .asStrict }
    }
    reasons["vmemmap-remap"] = { $0 == .legacy ? .shapes : .asStrict }
    for name in ["idle-unpin", "idle-insertion"] { reasons[name] = { _ in .unpinned } }
    for name in ["leaf-order", "leaf-split-reuse"] {
      reasons[name] = { $0 == .legacy ? .unmapped : .counter }
    }
    reasons["idle-callback"] = { _ in .queue }
    for name in ["head-word", "audited-shape"] {
      reasons[name] = { $0 == .legacy ? .shapes : .headWord }
    }
    reasons["generic-reset"] = { _ in .reset }
    reasons["raise-kill"] = { $0 == .legacy ? .shapes : .busyUnmap }
    for name in ["legacy-walk-unmap", "legacy-leaf-unmap", "legacy-walk-dying"] {
      reasons[name] = { _ in .entries }
    }
    reasons["legacy-wake"] = { _ in .hook }
    return reasons
  }()

  /// Those that name a reason; for a test that it is the right ones.
  package static var namesWithReasons: Set<String> { Set(reasons.keys) }
}
