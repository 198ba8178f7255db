#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make fuzz: builds folio-fuzz with libFuzzer and runs it with the arguments behind these options:
#   --sanitize=address  another build, with AddressSanitizer; --sanitize=thread, with ThreadSanitizer.
#                       What they report ends the execution, and has a token as any violation
#   --afl               afl-fuzz runs it instead of libFuzzer; arguments are those of `folio-fuzz afl`,
#                       AFL_SECONDS says how long (60). Needs Debian's package afl++
#   --build             builds only, and prints where the tool is
#   --check             a bounded run without a violation, then a planted bug that has to be found:
#                       of the engine with --afl, of the sanitizer with --sanitize
# Exit codes: those of folio-fuzz.
. "$(dirname "$0")/common.sh"

scratch=.build-fuzz
engine=libfuzzer
sanitizer=
instrument=()
run=yes
while [ $# -gt 0 ]; do
  case $1 in
    --sanitize=address)
      sanitizer=address
      scratch=.build-fuzz-asan
      instrument=(--sanitize address -Xcc -fsanitize-recover=address
        -Xswiftc -sanitize-recover=address)
      ;;
    --sanitize=thread)
      sanitizer=thread
      scratch=.build-fuzz-tsan
      instrument=(--sanitize thread -Xcc -DFOLIO_TSAN=1)
      ;;
    --sanitize*)
      echo "fuzz: no sanitizer is called ${1#--sanitize}; try --sanitize=address or =thread" >&2
      exit 64
      ;;
    --afl) engine=afl ;;
    --build) run= ;;
    --check) run=check ;;
    *) break ;;
  esac
  shift
done
# lld: gold prints a warning per symbol that it cannot export.
[ -z "$sanitizer" ] || instrument+=(-Xswiftc -use-ld=lld -Xswiftc -DSANITIZED)
if [ "$run" = check ] && [ $engine = libfuzzer ] && [ -z "$sanitizer" ]; then
  echo 'fuzz: --check is for --afl and --sanitize; `make test` checks libFuzzer' >&2
  exit 64
fi

# The engine's library; -u, because the tool names what is in it weakly.
case $engine in
  libfuzzer)
    library=$(echo "$(swift_bin)"/../lib/clang/*/lib/linux/libclang_rt.fuzzer_no_main-"$(uname -m)".a)
    link=(-Xlinker -u -Xlinker LLVMFuzzerRunDriver -Xlinker "$library" -Xlinker -lstdc++)
    missing='this Swift toolchain comes without libFuzzer; swift.org has one that has it'
    ;;
  afl)
    library=${AFL_PATH:-/usr/lib/afl}/afl-compiler-rt.o
    link=(-Xlinker "$library")
    missing='AFL++ is not installed: apt-get install afl++'
    ;;
esac
if [ ! -e "$library" ] || { [ $engine = afl ] && ! command -v afl-fuzz >/dev/null; }; then
  printf 'fuzz: SKIPPED, nothing was run: %s\n' "$missing" >&2
  exit 77
fi

# Edges of the C core are features beside racing pairs. The engines' counters are found by symbols, so
# both link the same objects.
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

# A report ends its execution, not the process, and comes again when that is replayed.
case $sanitizer in
  address)
    ASAN_OPTIONS=handle_sigill=1:detect_stack_use_after_return=0:strict_string_checks=1
    export ASAN_OPTIONS+=:halt_on_error=0:suppress_equal_pcs=0:detect_leaks=0
    ;;
  thread)
    TSAN_OPTIONS=halt_on_error=0:suppress_equal_stacks=0:suppress_equal_addresses=0:exitcode=0
    export TSAN_OPTIONS+=:suppressions=$PWD/Tools/tsan.supp
    ;;
esac

[ $engine = libfuzzer ] || . Tools/fuzz-afl.sh
[ "$run" != check ] || . Tools/fuzz-check.sh
case $engine in
  libfuzzer) exec "$tool" "$@" ;;
  afl) run_afl "$@" ;;
esac
