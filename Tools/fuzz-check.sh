# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# Part of fuzz.sh: what --check does. Nothing may be found where nothing is wrong, a planted bug has to
# be, and what is told of it has to lead back to it.

say() {
  printf '\n==> %s\n' "$*" >&2
}

wrong() {
  echo "fuzz: CHECK FAILED: $*" >&2
  exit 1
}

# ends_with STATUS COMMAND...: what it prints is shown, and left in $log.
log=$scratch/check.log
ends_with() {
  local wanted=$1 status=0
  shift
  "$@" >"$log" 2>&1 || status=$?
  if [ "$status" != "$wanted" ]; then
    tail -n 40 "$log" >&2
    wrong "$* ended with $status, not $wanted"
  fi
  grep -aE '^(FAILED|  token|  folio-lab|SUMMARY|[0-9]+ (inputs|of)|afl-fuzz:|no violation)' "$log" |
    cut -c 1-200 | sort -u | head -n 8 >&2 || wrong "$* said nothing"
}

check_afl() {
  local alarms=$scratch/afl-alarms empty=$scratch/afl-empty small
  rm -rf "$alarms" "$empty"
  mkdir -p "$alarms" "$empty"
  say 'afl-fuzz, 10 s without a bug'
  seconds=10
  ends_with 0 run_afl --program counters
  # Forking once per input reaches some hundred; racing pairs alone are fewer than a hundred.
  case $(of target_mode) in *persistent*) ;; *) wrong 'it did not run in persistent mode' ;; esac
  [ "$(of execs_per_sec | cut -d . -f 1)" -ge 1000 ] || wrong 'less than 1,000 executions per second'
  [ "$(reached edges)" -ge 40 ] || wrong "$(reached edges) edges of the C core were reached"
  [ "$(reached pairs)" -ge 20 ] || wrong "$(reached pairs) racing pairs were reached"

  say 'afl-fuzz with mutant C01, from nothing'
  seconds=300
  ends_with 1 run_afl --program counters --size 2 --mutant C01 --alarms "$alarms" "$empty"
  small=$(find "$alarms" -name '*.small.input' | head -n 1)
  [ -s "$small" ] || wrong 'the crash became no alarm'

  say 'its smallest form in the normal build, with the bug and without'
  Tools/fuzz.sh --build >"$log"
  local normal
  normal=$(tail -n 1 "$log")
  ends_with 1 "$normal" replay --mutant C01 "$small"
  grep -q 'folio-lab replay folio:v1:counters.*[.]C01:' "$log" || wrong 'there is no token'
  ends_with 0 "$normal" replay "$small"
}

# MUTANT INVARIANT SCENARIO: a bug that the sanitizer has to find.
check_sanitizer() {
  say "the corpus under the $sanitizer sanitizer"
  ends_with 0 "$tool" replay Fuzz/corpus
  say "${CHECK_SECONDS:-60} s without a bug"
  ends_with 0 "$tool" run --seconds "${CHECK_SECONDS:-60}" \
    --work "$scratch/corpus" --alarms "$scratch/alarms"
  say "mutant $1 in $3"
  ends_with 1 "$tool" run --program "$3" --mutant "$1" --seconds 60 \
    --work "$scratch/corpus" --alarms "$scratch/alarms"
  grep -q "^FAILED $3: $2" "$log" || wrong "$1 was not found as $2"
}

if [ $engine = afl ]; then check_afl; fi
case $sanitizer in
  address) check_sanitizer B02 ADDRESS xarray-shrink ;;
  thread) check_sanitizer B01 THREAD xarray-grow ;;
esac
say 'all found, nothing else'
exit
