# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# Part of fuzz.sh: run_afl, which lets afl-fuzz run `$tool afl ARGUMENTS...` for AFL_SECONDS or until
# something fails. The tool says what it sees by descriptor 7; afl-fuzz's own words go to a file.

seconds=${AFL_SECONDS:-60}
unset AFL_SECONDS # afl-fuzz warns of names that look like its own
case $seconds in
  '' | *[!0-9]* | 0)
    echo "fuzz: AFL_SECONDS is a number of seconds, not '$seconds'" >&2
    exit 64
    ;;
esac

# of NAME: a figure of afl-fuzz.
of() {
  sed -n "s/^$1 *: *//p" "$scratch/afl/out/default/fuzzer_stats"
}

# reached edges|pairs: how many. afl-fuzz's map has edges behind its first byte and pairs in its
# last 1024 (Sources/CFuzz); what was never reached is 255 in the file.
reached() {
  od -An -v -tu1 -w1 "$scratch/afl/out/default/fuzz_bitmap" | awk -v what="$1" '
    NR > 1 && $1 != 255 { reached[NR] }
    END {
      for (i in reached) count[i + 0 > NR - 1024 ? "pairs" : "edges"]++
      print count[what] + 0
    }'
}

run_afl() {
  local place=$scratch/afl status=0
  rm -rf "$place"
  mkdir -p "$place"
  "$tool" afl --seeds "$place/seeds" "$@" || return
  trap 'status=130' INT
  # A process that told of a violation ends with 1; telling takes it seconds. Cores and frequency
  # scaling are the machine's; a fuzzer for a minute asks for neither.
  env AFL_CRASH_EXITCODE=1 AFL_BENCH_UNTIL_CRASH=1 AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 \
    AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_CRASH_README=1 \
    afl-fuzz -i "$place/seeds" -o "$place/out" -V "$seconds" -t 120000 -m none -G 1024 -- \
    "$tool" afl --messages 7 --json "$place/violation.json" "$@" \
    7>&2 >"$place/afl-fuzz.log" 2>&1 </dev/null || {
    [ $status = 130 ] || {
      sed 's/\x1b\[[0-9;?]*[a-z]//gi' "$place/afl-fuzz.log" | tail -n 20 >&2
      echo "fuzz: afl-fuzz cannot run; all that it said is in $place/afl-fuzz.log" >&2
      status=77
    }
  }
  trap - INT
  if [ $status != 77 ]; then
    printf 'afl-fuzz: %s executions, %s/s, %s edges, %s racing pairs, %s inputs kept, %s\n' \
      "$(of execs_done)" "$(of execs_per_sec)" "$(reached edges)" "$(reached pairs)" \
      "$(of corpus_found)" "$(of target_mode)" >&2
  fi
  if [ -e "$place/violation.json" ]; then return 1; fi
  local crash
  for crash in "$place"/out/default/crashes/id*; do
    [ -e "$crash" ] || continue
    echo "fuzz: folio-fuzz itself ended in a way of its own. Again: $tool afl $* <$crash" >&2
    return 1
  done
  [ $status != 0 ] || echo 'no violation' >&2
  return $status
}
