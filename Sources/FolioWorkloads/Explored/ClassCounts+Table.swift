// SPDX-License-Identifier: MIT

// The recorded class counts: scenario, size, rules, classes, schedules, source. Lines of the
// enumerator are those that `enumerate-classes --sizes --rules --table` prints; where there are too
// many schedules, with `--merged`.

extension ClassCount {
  static let table = """
    gup-pin 1 strict 7 - GenMC 0.11.0
    gup-pin 2 strict 249 - GenMC 0.11.0
    gup-pin 3 strict 54459 - GenMC 0.11.0
    gup-pin 1 strict 7 - Nidhugg 2026-04
    gup-pin 2 strict 249 - Nidhugg 2026-04
    gup-pin 1 strict 7 28 enumerator
    gup-pin 2 strict 249 40572 enumerator
    gup-pin 3 strict 54459 - enumerator, beginnings merged
    gup-pin-key 1 strict 8 65 enumerator
    gup-pin-key 2 strict 420 794974 enumerator
    gup-pin-key 3 strict 172168 - enumerator, beginnings merged
    pin-bias 1 strict 52 326 enumerator
    two-puts 2 strict 2 2 enumerator
    two-puts 3 strict 6 6 enumerator
    two-puts 4 strict 24 24 enumerator
    reuse 1 strict 43 1367602 enumerator
    reuse 1 kernel 43 - enumerator, beginnings merged
    hand-out 1 strict 2 9 enumerator
    hand-out 2 strict 16 145632 enumerator
    hand-out 3 strict 144 - enumerator, beginnings merged
    hand-out 1 kernel 2 9 enumerator
    hand-out 2 kernel 16 - enumerator, beginnings merged
    hand-out 3 kernel 144 - enumerator, beginnings merged
    hand-out 1 legacy 2 9 enumerator
    hand-out 2 legacy 16 - enumerator, beginnings merged
    hand-out 3 legacy 144 - enumerator, beginnings merged
    hand-out-lock 1 strict 108 - enumerator, beginnings merged
    owner-raise 2 strict 2 2 enumerator
    owner-raise 3 strict 18 62634 enumerator
    owner-raise 2 kernel 2 2 enumerator
    owner-raise 3 kernel 18 - enumerator, beginnings merged
    owner-raise 2 legacy 2 2 enumerator
    owner-raise 3 legacy 18 - enumerator, beginnings merged
    raise-late 1 strict 5 287 enumerator
    raise-late 1 kernel 5 287 enumerator
    raise-late 1 legacy 10 216 enumerator
    split-try-get 1 strict 27 11854 enumerator
    split-try-get 2 strict 26288 - enumerator, beginnings merged
    split-try-get 1 kernel 34 17917 enumerator
    split-try-get 2 kernel 28149 - enumerator, beginnings merged
    form-try-get 1 strict 11 17096 enumerator
    form-try-get 1 kernel 11 17096 enumerator
    owner-split 1 strict 12 25029 enumerator
    owner-split 2 strict 810 - enumerator, beginnings merged
    owner-split 1 kernel 17 39844 enumerator
    owner-split 2 kernel 1225 - enumerator, beginnings merged
    split-reuse 1 strict 14 245547 enumerator
    split-reuse 1 kernel 21 - enumerator, beginnings merged
    head-word 1 strict 7 3003 enumerator
    head-word 2 strict 49 - enumerator, beginnings merged
    freeze-get 1 strict 714 2489 enumerator
    cache-split 1 strict 20 23462 enumerator
    vmemmap-remap 1 strict 11 176 enumerator
    batch-put 1 strict 174 5692 enumerator
    generic-base 1 strict 16 270 enumerator
    generic-base 1 kernel 16 270 enumerator
    generic-base 1 legacy 16 270 enumerator
    split-page 1 strict 31 411 enumerator
    legacy-wake 1 legacy 2918 - enumerator, beginnings merged
    retire 1 strict 170 - enumerator, beginnings merged
    retire 1 kernel 170 - enumerator, beginnings merged
    form-late 1 strict 28 - enumerator, beginnings merged
    form-late 1 kernel 28 - enumerator, beginnings merged
    raise-kill 1 strict 18 - enumerator, beginnings merged
    counter-freeze 1 strict 196 - enumerator, beginnings merged
    counter-try-get 1 strict 192 10177 enumerator
    counter-puts 1 strict 277 - enumerator, beginnings merged
    wait-variable 1 strict 30 154641 enumerator
    wait-exclusive 1 strict 4178 - enumerator, beginnings merged
    wait-bit 1 strict 9 460 enumerator
    completion 1 strict 2474 - enumerator, beginnings merged
    wait-count 1 strict 36 4966 enumerator
    wait-callback 1 strict 18 548 enumerator
    wait-cancel 1 strict 8 449 enumerator
    wait-cancel-wake 1 strict 83 - enumerator, beginnings merged
    wait-killable 1 strict 22 20827 enumerator
    wait-timeout 1 strict 14 744 enumerator
    locks 1 strict 3 7 enumerator
    locks 2 strict 20 185560 enumerator
    wait-spinlock 1 strict 4 574 enumerator
    wait-spinlock 2 strict 50 - enumerator, beginnings merged
    wait-mutex 1 strict 15 725159 enumerator
    idle-last-put 1 strict 30 - enumerator, beginnings merged
    idle-last-put 2 strict 3142 - enumerator, beginnings merged
    idle-last-put 1 kernel 30 - enumerator, beginnings merged
    idle-last-put 2 kernel 1118 - enumerator, beginnings merged
    idle-last-put 1 legacy 46 - enumerator, beginnings merged
    idle-last-put 2 legacy 2918 - enumerator, beginnings merged
    idle-unpin 1 strict 13 79945 enumerator
    idle-insertion 1 strict 65 1024442 enumerator
    idle-begin 1 strict 24 703252 enumerator
    idle-begin 1 kernel 24 - enumerator, beginnings merged
    idle-begin 1 legacy 40 - enumerator, beginnings merged
    idle-callback 1 strict 90 - enumerator, beginnings merged
    percpu-atomic 1 strict 65 - enumerator, beginnings merged
    percpu-round-trip 1 strict 320 - enumerator, beginnings merged
    percpu-kill 1 strict 77 - enumerator, beginnings merged
    percpu-kill 2 strict 2333 - enumerator, beginnings merged
    percpu-last-put 1 strict 340 - enumerator, beginnings merged
    percpu-resurrect 1 strict 592 - enumerator, beginnings merged
    percpu-life 1 strict 50 - enumerator, beginnings merged
    rcu-synchronize 1 strict 3 22 enumerator
    rcu-synchronize 2 strict 9 2406 enumerator
    rcu-synchronize 3 strict 27 1655478 enumerator
    rcu-call 1 strict 3 54 enumerator
    rcu-call 2 strict 9 14736 enumerator
    rcu-barrier 1 strict 4 753 enumerator
    map-overlap 1 strict 2 2 enumerator
    map-window 1 strict 9 632796 enumerator
    map-window 1 legacy 9 - enumerator, beginnings merged
    xarray-grow 1 strict 5 428 enumerator
    xarray-siblings 1 strict 9 93499 enumerator
    xarray-insert 1 strict 2 2 enumerator
    xarray-writers 1 strict 40 - enumerator, beginnings merged
    xarray-marks 1 strict 614 - enumerator, beginnings merged
    xarray-scan 1 strict 14 18486 enumerator
    xarray-marked-scan 1 strict 45 - enumerator, beginnings merged
    xarray-erase 1 strict 5 - enumerator, beginnings merged
    xarray-erase 2 strict 25 - enumerator, beginnings merged
    rmap-owners 1 strict 53 1773267 enumerator
    rmap-unslotted 1 strict 162 29222 enumerator
    rmap-entire 1 strict 6 362 enumerator
    rmap-scan 1 strict 16 5333 enumerator
    rmap-scan-unslotted 1 strict 16 1792 enumerator
    rmap-scan-rise 1 strict 127 - enumerator, beginnings merged
    trace-rings 1 strict 3 110 enumerator
    ledger-stop 1 strict 32 2792 enumerator
    rwsem 1 strict 151146 - enumerator, beginnings merged
    rwsem-downgrade 1 strict 276 - enumerator, beginnings merged
    srcu 1 strict 38 502503 enumerator
    folio-lock 1 strict 23 403478 enumerator
    area-lock 1 strict 68 - enumerator, beginnings merged
    pin-zap 1 strict 70 - enumerator, beginnings merged
    pin-zap 1 kernel 70 - enumerator, beginnings merged
    pin-table-free 1 strict 21 - enumerator, beginnings merged
    pin-collapse 1 strict 19 - enumerator, beginnings merged
    pin-huge 1 strict 76 - enumerator, beginnings merged
    pin-huge 1 kernel 124 - enumerator, beginnings merged
    pin-form 1 strict 179 - enumerator, beginnings merged
    flush-protect 1 strict 24 - enumerator, beginnings merged
    pin-slow 1 strict 7 7649 enumerator
    pin-slow 1 kernel 7 7649 enumerator
    pin-fork 1 strict 20 - enumerator, beginnings merged
    pin-two-pages 1 strict 148 - enumerator, beginnings merged
    pin-longterm 1 strict 15 - enumerator, beginnings merged
    pin-device-dax 1 strict 19 24332 enumerator
    pin-peer 1 strict 14 - enumerator, beginnings merged
    pin-peer-split 1 kernel 84 - enumerator, beginnings merged
    pin-peer-split 1 strict 52 - enumerator, beginnings merged
    pin-zero 1 strict 3 4 enumerator
    pin-fork-read 1 strict 106 - enumerator, beginnings merged
    pin-share 1 strict 19 - enumerator, beginnings merged
    flush-translation 1 strict 24 600833 enumerator
    flush-translation 1 kernel 24 600833 enumerator
    zap-dirty 1 strict 153 - enumerator, beginnings merged
    zap-dirty 1 kernel 153 - enumerator, beginnings merged
    flush-gathers 1 strict 2514 - enumerator, beginnings merged
    table-populate 1 strict 320 - enumerator, beginnings merged
    table-remove 1 strict 5 230 enumerator
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
    litmus-lookup 1 strict 7 - enumerator, beginnings merged
    litmus-lookup 1 kernel 7 - enumerator, beginnings merged
    litmus-lookup 1 legacy 7 - enumerator, beginnings merged
    litmus-bit-lock 1 strict 2 2 enumerator
    litmus-bit-lock 1 kernel 2 2 enumerator
    litmus-bit-lock 1 legacy 2 2 enumerator
    litmus-spin-lock 1 strict 2 2 enumerator
    litmus-spin-lock 1 kernel 2 2 enumerator
    litmus-spin-lock 1 legacy 2 2 enumerator
    litmus-dirty 1 strict 2 3 enumerator
    litmus-dirty 1 kernel 2 3 enumerator
    litmus-dirty 1 legacy 2 3 enumerator
    litmus-split-set 1 strict 8 118 enumerator
    litmus-split-set 1 kernel 8 118 enumerator
    litmus-split-set 1 legacy 8 118 enumerator
    free-tails 1 strict 6 42 enumerator
    device-actions 1 strict 32 32 enumerator
    generic-reset 1 kernel 7 9 enumerator
    anon-share 1 strict 9 166 enumerator
    anon-fork 1 strict 10 280 enumerator
    rmap-fork-small 1 strict 16 82 enumerator
    trace-lost 1 strict 24 1842 enumerator
    pin-fault 1 strict 16 - enumerator, beginnings merged
    leaf-order 1 strict 2 - enumerator, beginnings merged
    leaf-split-reuse 1 strict 3 - enumerator, beginnings merged
    leaf-split-unmap 1 strict 44 - enumerator, beginnings merged
    leaf-pin-zap 1 strict 80 - enumerator, beginnings merged
    leaf-pin-split 1 strict 49 - enumerator, beginnings merged
    space-end 1 strict 5 - enumerator, beginnings merged
    space-end-pin 1 strict 53 - enumerator, beginnings merged
    space-end-pin 1 kernel 53 - enumerator, beginnings merged
    store-discard 1 strict 46 - enumerator, beginnings merged
    copy-shared 1 strict 79 - enumerator, beginnings merged
    fork-store 1 strict 87 - enumerator, beginnings merged
    fault-shared 2 strict 94 - enumerator, beginnings merged
    upgrade-stale 1 strict 110 - enumerator, beginnings merged
    store-protect 1 strict 308 - enumerator, beginnings merged
    fault-split-area 1 strict 331 - enumerator, beginnings merged
    fork-pin 1 strict 248 - enumerator, beginnings merged
    leaf-unmap-folio 1 strict 446 - enumerator, beginnings merged
    fork-fault 1 strict 1288 - enumerator, beginnings merged
    fault-fault 2 strict 2368 - enumerator, beginnings merged
    leaf-fault-fault 2 strict 14528 - enumerator, beginnings merged
    zero-store 2 strict 4904 - enumerator, beginnings merged
    upgrade-punch 1 strict 8623 - enumerator, beginnings merged
    fault-discard 1 strict 8479 - enumerator, beginnings merged
    copy-copy 2 strict 9000 - enumerator, beginnings merged
    dax-kill 1 strict 311 - enumerator, beginnings merged
    dax-kill 1 kernel 311 - enumerator, beginnings merged
    peer-map-stop 1 strict 3726 - enumerator, beginnings merged
    migrate-store 1 strict 9238 - enumerator, beginnings merged
    migrate-store 1 kernel 9270 - enumerator, beginnings merged
    migrate-shared 1 strict 14557 - enumerator, beginnings merged
    migrate-shared 1 kernel 14580 - enumerator, beginnings merged
    migrate-pin 1 strict 9202 - enumerator, beginnings merged
    migrate-pin 1 kernel 9202 - enumerator, beginnings merged
    migrate-evict 1 strict 13893 - enumerator, beginnings merged
    migrate-evict 1 kernel 14520 - enumerator, beginnings merged
    legacy-walk-dying 1 legacy 7152 - enumerator, beginnings merged
    slow-pin-discard 1 strict 2496 - enumerator, beginnings merged
    slow-pin-unshare 1 strict 26 - enumerator, beginnings merged
    slow-pin-fork 1 strict 998 - enumerator, beginnings merged
    slow-pin-longterm 1 strict 32 - enumerator, beginnings merged
    file-lookup 1 strict 27 - enumerator, beginnings merged
    """
}
