// SPDX-License-Identifier: MIT

// The recorded class counts: scenario, size, rules, classes, schedules, source. Lines of the
// enumerator are those that `enumerate-classes --sizes --rules --table` prints.

extension ClassCount {
  static let table = """
    gup-pin 1 strict 7 - GenMC 0.11.0
    gup-pin 2 strict 249 - GenMC 0.11.0
    gup-pin 3 strict 54459 - GenMC 0.11.0
    gup-pin 1 strict 7 - Nidhugg 2026-04
    gup-pin 2 strict 249 - Nidhugg 2026-04
    gup-pin 1 strict 7 28 enumerator
    gup-pin 2 strict 249 40572 enumerator
    pin-bias 1 strict 52 326 enumerator
    two-puts 2 strict 2 2 enumerator
    two-puts 3 strict 6 6 enumerator
    two-puts 4 strict 24 24 enumerator
    hand-out 1 strict 2 9 enumerator
    hand-out 1 kernel 2 9 enumerator
    hand-out 1 legacy 2 9 enumerator
    owner-raise 2 strict 2 2 enumerator
    owner-raise 2 kernel 2 2 enumerator
    owner-raise 2 legacy 2 2 enumerator
    raise-late 1 strict 9 2540 enumerator
    raise-late 1 kernel 9 2540 enumerator
    raise-late 1 legacy 18 1574 enumerator
    split-try-get 1 strict 27 11854 enumerator
    split-try-get 1 kernel 34 17917 enumerator
    form-try-get 1 strict 11 17096 enumerator
    form-try-get 1 kernel 11 17096 enumerator
    owner-split 1 strict 12 25029 enumerator
    owner-split 1 kernel 17 39844 enumerator
    head-word 1 strict 7 3003 enumerator
    freeze-get 1 strict 714 2489 enumerator
    cache-split 1 strict 20 23462 enumerator
    vmemmap-remap 1 strict 11 176 enumerator
    batch-put 1 strict 174 5692 enumerator
    generic-base 1 strict 16 270 enumerator
    generic-base 1 kernel 16 270 enumerator
    generic-base 1 legacy 16 270 enumerator
    split-page 1 strict 31 411 enumerator
    wait-bit 1 strict 9 460 enumerator
    wait-count 1 strict 36 4966 enumerator
    wait-callback 1 strict 18 548 enumerator
    wait-cancel 1 strict 8 449 enumerator
    wait-killable 1 strict 22 20827 enumerator
    wait-timeout 1 strict 14 744 enumerator
    locks 1 strict 3 7 enumerator
    wait-spinlock 1 strict 4 574 enumerator
    rcu-synchronize 1 strict 3 22 enumerator
    rcu-synchronize 2 strict 9 2406 enumerator
    rcu-call 1 strict 3 54 enumerator
    rcu-call 2 strict 9 14736 enumerator
    rcu-barrier 1 strict 4 753 enumerator
    map-overlap 1 strict 2 2 enumerator
    xarray-grow 1 strict 5 428 enumerator
    xarray-insert 1 strict 2 2 enumerator
    rmap-unslotted 1 strict 162 29222 enumerator
    rmap-entire 1 strict 6 362 enumerator
    rmap-scan 1 strict 16 5333 enumerator
    trace-rings 1 strict 3 110 enumerator
    ledger-stop 1 strict 32 2792 enumerator
    litmus-last-put 1 strict 2 6 enumerator
    litmus-last-put 1 kernel 2 6 enumerator
    litmus-last-put 1 legacy 2 6 enumerator
    litmus-unfreeze 1 strict 2 4 enumerator
    litmus-unfreeze 1 kernel 2 4 enumerator
    litmus-unfreeze 1 legacy 2 4 enumerator
    litmus-completion 1 strict 9 3353 enumerator
    litmus-completion 1 kernel 9 3353 enumerator
    litmus-completion 1 legacy 9 3353 enumerator
    litmus-locked-wake 1 strict 9 373 enumerator
    litmus-locked-wake 1 kernel 9 373 enumerator
    litmus-locked-wake 1 legacy 9 373 enumerator
    litmus-waking-put 1 strict 9 373 enumerator
    litmus-waking-put 1 kernel 9 373 enumerator
    litmus-waking-put 1 legacy 9 373 enumerator
    litmus-two-putters 1 strict 2 2 enumerator
    litmus-two-putters 1 kernel 2 2 enumerator
    litmus-two-putters 1 legacy 2 2 enumerator
    litmus-try-get 1 strict 4 9 enumerator
    litmus-try-get 1 kernel 4 9 enumerator
    litmus-try-get 1 legacy 4 9 enumerator
    litmus-freeze 1 strict 2 3 enumerator
    litmus-freeze 1 kernel 2 3 enumerator
    litmus-freeze 1 legacy 2 3 enumerator
    litmus-split 1 strict 8 214 enumerator
    litmus-split 1 kernel 8 214 enumerator
    litmus-split 1 legacy 8 214 enumerator
    litmus-percpu 1 strict 9 549 enumerator
    litmus-percpu 1 kernel 9 549 enumerator
    litmus-percpu 1 legacy 9 549 enumerator
    litmus-bit-lock 1 strict 2 2 enumerator
    litmus-bit-lock 1 kernel 2 2 enumerator
    litmus-bit-lock 1 legacy 2 2 enumerator
    litmus-spin-lock 1 strict 2 2 enumerator
    litmus-spin-lock 1 kernel 2 2 enumerator
    litmus-spin-lock 1 legacy 2 2 enumerator
    litmus-dirty 1 strict 2 3 enumerator
    litmus-dirty 1 kernel 2 3 enumerator
    litmus-dirty 1 legacy 2 3 enumerator
    """
}
