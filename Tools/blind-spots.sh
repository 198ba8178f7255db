#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The alarm for blind spots: Swift and C are compiled so that each plain load and store calls the lab
# (Sources/CLab/src/blind.c, in the place of ThreadSanitizer's run-time library), which judges it under
# the C11 model. Every scenario, a bounded number of walks each; then two bugs that it has to find. The
# last line sums up. Exit codes: 0 none, 65 findings, 1 the alarm itself does not work.
# BLIND_RUNS: executions per scenario and rules.
. "$(dirname "$0")/common.sh"
log=$(mktemp)
trap 'rm -f "$log" "$step_log"' EXIT

runs=${BLIND_RUNS:-5000}
scratch=.build-lab-blind
tool=$scratch/release/folio-watch
kinds=(--memory c11 --invariant BLIND-SPOT --invariant DATA-RACE)

# To the frontend, not the driver: the driver would link the run-time library.
build=(swift build -c release --traits Lab --scratch-path "$scratch" --product folio-watch
  -Xswiftc -use-ld=lld -Xswiftc -Xfrontend -Xswiftc -sanitize=thread
  -Xcc -fsanitize=thread -Xcc -DLAB_PLAIN)
for option in -tsan-instrument-atomics=0 -tsan-instrument-func-entry-exit=0; do
  build+=(-Xswiftc -Xllvm -Xswiftc "$option" -Xcc -mllvm -Xcc "$option")
done
"${build[@]}" >"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}

# watch ARGUMENTS...: ends with the tool's exit code; addresses of code become lines of the source.
watch() {
  local line code status=0
  "$tool" --runs "$runs" "${kinds[@]}" "$@" >"$log" 2>&1 || status=$?
  while IFS= read -r line; do
    while [[ $line =~ code:(0x[0-9a-f]+) ]]; do
      code=$(addr2line -e "$tool" -i -f -s "${BASH_REMATCH[1]}" | paste -sd' ' |
        cut -d' ' -f1,2)
      line=${line/"${BASH_REMATCH[0]}"/"$code"}
    done
    printf '%s\n' "$line"
  done <"$log"
  return "$status"
}

status=0
for planted in 'B01 xarray-grow' 'B02 xarray-shrink' 'O07 xarray-grow'; do
  read -r mutant scenario <<<"$planted"
  output=$(watch --mutant "$mutant" "$scenario") || status=$?
  if [ "$status" -ne 65 ]; then
    printf '%s\n' "$output" "error: mutant $mutant was not found in $scenario" >&2
    exit 1
  fi
  # The finding, which is as many lines as it needs.
  printf 'planted %s: %s\n' "$mutant" \
    "$(awk 'NR > 1 { if (/ rules, /) exit; sub(/^ +/, ""); printf "%s ", $0 }' <<<"$output")"
  status=0
done

output=$(watch) || status=$?
printf '%s\n' "$output"
case $status in
  0) printf 'L15 no plain access to a shared word, 3 of 3 planted ones found\n' ;;
  65) printf 'L15 FAILED: words that are shared are touched without a hook\n' ;;
  *) status=1 ;;
esac
exit "$status"
