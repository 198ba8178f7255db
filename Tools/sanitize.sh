#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make sanitize: the debug tests, and every stress scenario for a moment, instrumented. swiftc refuses
# `--sanitize undefined`; for the C code, inlined into Swift or not, the clang flags do the same, and
# with traps they need no run-time library; AddressSanitizer prints where one was hit. The two share a
# build.
. "$(dirname "$0")/common.sh"

# lld: gold prints a warning per symbol that it cannot export, and takes longer.
# SANITIZED: tests that bound a time allow more.
# Optimised C is watched as well, in less time.
common=("${by_module[@]}" -Xswiftc -use-ld=lld -Xswiftc -DSANITIZED -Xcc -O1)
address=(--sanitize address --scratch-path .build-asan "${common[@]}"
  -Xcc -fsanitize=undefined -Xcc -fsanitize-trap=undefined
  -Xcc "-fsanitize-ignorelist=$PWD/Tools/ubsan.ignore")
thread=(--sanitize thread --scratch-path .build-tsan "${common[@]}" -Xswiftc -DSANITIZED_THREAD
  -Xcc -DFOLIO_TSAN=1)

# Swift's backtracer reads the stacks of a process that crashes on purpose (exit tests); that is an
# error to AddressSanitizer, and the child then never ends.
export SWIFT_BACKTRACE=enable=no
# Foundation leaks a little; each leak is explained in the file.
export LSAN_OPTIONS=${LSAN_OPTIONS:-print_suppressions=0:suppressions=$PWD/Tools/lsan.supp}
export ASAN_OPTIONS=${ASAN_OPTIONS:-handle_sigill=1:detect_stack_use_after_return=1:strict_string_checks=1}
# The annotations that FOLIO_TSAN turns on tell it about grace periods; what remains are reports from
# inside uninstrumented libraries, each explained in the file. A thread that a stress test gives up on, to
# see it reported, is no leak.
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:report_thread_leaks=0:suppressions=$PWD/Tools/tsan.supp}

# Kernel rules keep hazards on purpose; they have tests of their own.
stress() { # name, binary
  for rules in strict legacy; do
    step "stress, $1, $rules" "$2" stress --scenario all --rules "$rules" --threads 4 --seconds 1
  done
}

# A build, and its few scenarios, on the core that the tests leave idle.
beside 'lab, address' Tools/lab-sanitize.sh address
# `swift test` builds the products too.
step 'address+undefined' swift test --disable-xctest "${address[@]}"
stress address .build-asan/debug/folio-bench
# Tests that stop a thread by a signal in the middle of instrumented code skip themselves: the other one
# would wait for locks that the stopped one holds in the sanitizer's runtime. Their races run as such in
# LitmusTests and in the stress scenarios.
step 'thread' swift test --disable-xctest "${thread[@]}"
stress thread .build-tsan/debug/folio-bench
join_beside
