#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make lab: builds the lab in release and holds it against its goals. What other tools measure, each by
# a script of its own, comes into the same table. With --ci: the equalities, a bounded visit to the
# museum, the grades of all scenarios against the recorded ones, and places in the sources that no
# scenario comes to. --beside FILE: the share of it that another step runs beside itself; goals go to FILE.
. "$(dirname "$0")/common.sh"

build=(swift build -c release --traits Lab --scratch-path .build-lab --product folio-lab)
tool=.build-lab/release/folio-lab

if [ "${1:-}" = --ci ]; then
  step 'build' "${build[@]}"
  step 'counts and certificates' "$tool" goals --quick
  step 'sites' "$tool" sites
  step 'museum' "$tool" museum --seconds 10 --odds-runs 1000 --odds-seconds 0.02
  step 'README' Tools/check-readme-lab.sh
  exit
fi

# measure ID ASKED COMMAND...: runs the command and adds to the table what it says of the goal: its lines
# "VERDICT  ID  asked ...; reached ...", or, where it has none, its exit code and its last line. A
# command that is not there has failed.
measure() {
  local id=$1 asked=$2 result=0 line
  local pattern="^(reached|MISSED|FAILED)  $id  asked (.*); reached (.*)\$"
  shift 2
  printf '\n==> %s: %s\n' "$id" "$*"
  "$@" </dev/null 2>&1 | tee "$log" || result=$?
  line=$(awk 'NF { line = $0 } END { print line }' "$log")
  sed -nE "s/$pattern/\1\t$id\t\2\t\3/p" "$log" >>"$goals"
  if [ "$result" -eq 0 ]; then
    grep -qE "$pattern" "$log" ||
      printf 'reached\t%s\t%s\t%s\n' "$id" "$asked" "$line" >>"$goals"
  elif ! grep -qE "^(MISSED|FAILED)  $id  " "$log"; then
    printf 'FAILED\t%s\t%s\texit code %d: %s\n' "$id" "$asked" "$result" "$line" >>"$goals"
  fi
}

log=$(mktemp)
if [ "${1:-}" = --beside ]; then
  goals=$2
  trap 'print_steps; rm -f "$log"' EXIT
  Tools/fuzz.sh --build || echo 'no fuzzer: L12 will have failed'
  measure L15 'no shared word is touched without a hook' Tools/blind-spots.sh
  measure L20 'no instruction more on get, put and try_get' Tests/Codegen/run.sh
  exit
fi

# Of two cores one builds and proves while the other builds for other tools; what is timed comes last and
# has the machine for itself.
goals=$(mktemp)
others=$(mktemp)
trap 'print_steps; rm -f "$goals" "$others" "$log"' EXIT
beside 'fuzzer, blind spots' Tools/lab.sh --beside "$others"
step 'build' "${build[@]}"
step 'sites' "$tool" sites
step 'equalities' "$tool" goals --equalities --hand-on "$goals"
join_beside
cat "$others" >>"$goals"
measure L12 'every mutant found by fuzzing' Tools/fuzz.sh museum
step 'goals' "$tool" goals --times --also "$goals"
