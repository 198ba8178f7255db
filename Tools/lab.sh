#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make lab: builds the lab in release and measures it against its goals. With --ci: counts, a bounded
# visit to the museum, and the grades of all scenarios against the recorded ones.
. "$(dirname "$0")/common.sh"

build=(swift build -c release --traits Lab --scratch-path .build-lab --product folio-lab)
tool=.build-lab/release/folio-lab

if [ "${1:-}" = --ci ]; then
  step 'build' "${build[@]}"
  step 'counts' "$tool" goals --quick
  step 'certificates' "$tool" certify
  step 'museum' "$tool" museum --seconds 10
  step 'README' Tools/check-readme-lab.sh
else
  "${build[@]}"
  exec "$tool" goals
fi
