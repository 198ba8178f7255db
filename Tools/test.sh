#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make test: every test that needs no sanitizer. Cheap checks first; one summary line per step.
# --beside: the share of it that another step runs beside itself.
. "$(dirname "$0")/common.sh"

# Of a test that crashes, one thread's stack says enough; exit tests pay for every line.
export SWIFT_BACKTRACE=threads=crashed,images=none,registers=none,color=no

if [ "${1:-}" = --beside ]; then
  # A user's package with a scenario of its own: Folio twice more, with the trait, on one core.
  step 'lab consumer tests' Tests/Consumer/lab.sh
  step 'codegen tests' Tests/Codegen/run.sh
  step 'consumer tests' Tests/Consumer/run.sh
  exit
fi

require_file Tests/Codegen/run.sh
require_file Tests/Consumer/run.sh
require_file Tests/Consumer/lab.sh
require_file Tests/Steps/run.sh

step 'steps of scripts' Tests/Steps/run.sh
# Where a developer builds again a file at a time is quicker.
debug=(swift test --disable-xctest)
[ -z "${CI:-}" ] || debug+=("${by_module[@]}")
step 'debug tests' "${debug[@]}"
beside 'consumers, codegen' Tools/test.sh --beside
# Lab builds have their own folder: the trait changes what every header means. Their C is optimised:
# the lab's tests run through its engine billions of times.
# The lab takes the whole process: its own tests run without the others.
lab=(swift test --disable-xctest "${by_module[@]}" --traits Lab --scratch-path .build-lab -Xcc -O2)
step 'Lab trait tests' "${lab[@]}" --skip FolioLabTests
step 'lab tests' "${lab[@]}" --filter FolioLabTests
join_beside
step 'instruction counts' Benchmarks/Instructions/run.sh
step 'README examples' Tools/check-readme.sh
