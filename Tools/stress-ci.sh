#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make stress-ci: every scenario in release, for a bounded time, with allocations that fail and waits
# that are cancelled now and then. The seed is printed first and can be given back with
# `folio-bench stress --seed`.
. "$(dirname "$0")/common.sh"

step 'build' swift build -c release --product folio-bench
for rules in strict legacy; do
  step "stress, $rules" .build/release/folio-bench stress --scenario all --rules "$rules" \
    --threads 4 --fault-rate 50 --seconds "${STRESS_SECONDS:-2}"
done
