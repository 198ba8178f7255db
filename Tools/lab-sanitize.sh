#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make lab-sanitize: the lab's scenarios under a sanitizer that knows its fibers, a bounded number of
# random walks each; then a bug that the sanitizer has to find. Arguments: address, thread; both when
# there is none. LAB_RUNS: executions per scenario and rules.
. "$(dirname "$0")/common.sh"

runs=${LAB_RUNS:-1000}
# A report ends its execution, not the process: it has a token, and comes again when that is replayed.
export SWIFT_BACKTRACE=enable=no
export LSAN_OPTIONS=${LSAN_OPTIONS:-print_suppressions=0:suppressions=$PWD/Tools/lsan.supp}
# An execution that is repeated must find its words where they were: fake stacks would move them.
export ASAN_OPTIONS=handle_sigill=1:detect_stack_use_after_return=0:strict_string_checks=1
ASAN_OPTIONS+=:halt_on_error=0:suppress_equal_pcs=0
export TSAN_OPTIONS=halt_on_error=0:suppress_equal_stacks=0:suppress_equal_addresses=0
TSAN_OPTIONS+=:exitcode=0:suppressions=$PWD/Tools/tsan.supp

build=(swift build -c release --traits Lab --product folio-watch -Xswiftc -use-ld=lld)

# planted TOOL MUTANT KIND SCENARIO: the tool finds this bug, as this kind of finding, within the
# executions that the suite has.
planted() {
  printf '\n==> planted: %s in %s\n' "$2" "$4"
  local result=0 output
  output=$("$1" --runs "$runs" --mutant "$2" --invariant "$3" "$4" 2>&1) || result=$?
  if [ "$result" -ne 65 ]; then
    printf '%s\n%s\n' "$output" "error: $2 was not found (exit code $result, not 65)" >&2
    exit 1
  fi
  grep -aE '^(FAILED|==.*(ERROR|WARNING)|WARNING|SUMMARY|  token)' <<<"$output" | head -n 4
}

watch() { # sanitizer, flags of the build
  local scratch=.build-lab-${1:0:1}san
  step "build, $1" "${build[@]}" --sanitize "$1" --scratch-path "$scratch" "${@:2}"
  step "scenarios, $1" "$scratch/release/folio-watch" --runs "$runs"
}

[ $# -gt 0 ] || set -- address thread
for sanitizer in "$@"; do
  case $sanitizer in
    address)
      watch address -Xcc -fsanitize-recover=address -Xswiftc -sanitize-recover=address
      planted .build-lab-asan/release/folio-watch B02 ADDRESS xarray-shrink
      ;;
    thread)
      watch thread -Xcc -DFOLIO_TSAN=1
      # A word past the seam; then plain fields of a node that is published without order.
      planted .build-lab-tsan/release/folio-watch B01 THREAD xarray-grow
      planted .build-lab-tsan/release/folio-watch O07 THREAD xarray-grow
      ;;
    *)
      echo "error: no sanitizer is called $sanitizer; try address or thread" >&2
      exit 64
      ;;
  esac
done
