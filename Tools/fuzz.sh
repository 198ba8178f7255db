#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make fuzz: builds folio-fuzz with libFuzzer and runs it with the arguments behind these options:
#   --sanitize=address  another build, with AddressSanitizer
#   --afl               afl-fuzz runs it instead of libFuzzer; arguments are those of `folio-fuzz afl`,
#                       AFL_SECONDS says how long (60)
#   --build             builds only, and prints where the tool is
. "$(dirname "$0")/common.sh"

scratch=.build-fuzz
engine=libfuzzer
instrument=()
run=yes
while [ $# -gt 0 ]; do
  case $1 in
    --sanitize=address)
      scratch=.build-fuzz-asan
      # lld: gold prints a warning per symbol that it cannot export.
      instrument=(--sanitize address -Xswiftc -use-ld=lld -Xswiftc -DSANITIZED)
      ;;
    --afl) engine=afl ;;
    --build) run= ;;
    *) break ;;
  esac
  shift
done

# The engine's library; -u, because the tool names what is in it weakly.
case $engine in
  libfuzzer)
    library=$(echo "$(swift_bin)"/../lib/clang/*/lib/linux/libclang_rt.fuzzer_no_main-"$(uname -m)".a)
    link=(-Xlinker -u -Xlinker LLVMFuzzerRunDriver -Xlinker "$library" -Xlinker -lstdc++)
    ;;
  afl)
    library=${AFL_PATH:-/usr/lib/afl}/afl-compiler-rt.o
    link=(-Xlinker "$library")
    ;;
esac
if [ ! -e "$library" ]; then
  echo "fuzz: $library is missing: install afl++, or a Swift toolchain with libFuzzer" >&2
  exit 77
fi
# Edges of the C core are features beside racing pairs. The engines' counters are found by symbols.
swift build -c release --traits Lab --scratch-path "$scratch" --product folio-fuzz \
  -Xcc -fsanitize-coverage=inline-8bit-counters,pc-table "${link[@]}" "${instrument[@]}" >&2
tool=$scratch/release/folio-fuzz
if [ $engine = afl ]; then
  cp "$tool" "$scratch/folio-fuzz-afl"
  tool=$scratch/folio-fuzz-afl
fi
if [ -z "$run" ]; then
  echo "$tool"
  exit
fi
if [ $engine = libfuzzer ]; then exec "$tool" "$@"; fi

# Cores and frequency scaling are the machine's; a fuzzer for a minute asks for neither. What the
# corpus has of other programs is run as if it were of this one.
export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1
rm -rf "$scratch/afl"
"${AFL_FUZZ:-afl-fuzz}" -i Fuzz/corpus -o "$scratch/afl" -V "${AFL_SECONDS:-60}" -t 5000 -m none -- \
  "$tool" afl "$@"
crashes=$(find "$scratch/afl" -path '*/crashes/id*' | wc -l)
sed -n 's/^\(execs_done\|execs_per_sec\|corpus_count\|saved_crashes\) *: */\1 /p' \
  "$scratch/afl/default/fuzzer_stats"
if [ "$crashes" -gt 0 ]; then
  echo "fuzz: $crashes inputs fail; see: $tool replay $* $scratch/afl/default/crashes" >&2
  exit 1
fi
