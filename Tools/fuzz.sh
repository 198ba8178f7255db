#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make fuzz: builds folio-fuzz with libFuzzer and runs it. All arguments behind the options are its own.
#   --sanitize=address  another build, with AddressSanitizer
#   --build             builds only, and prints where the tool is
. "$(dirname "$0")/common.sh"

scratch=.build-fuzz
instrument=()
run=yes
while [ $# -gt 0 ]; do
  case $1 in
    --sanitize=address)
      scratch=.build-fuzz-asan
      instrument=(--sanitize address -Xswiftc -use-ld=lld -Xswiftc -DSANITIZED)
      ;;
    --build) run= ;;
    *) break ;;
  esac
  shift
done

runtime=$(echo "$(swift_bin)"/../lib/clang/*/lib/linux/libclang_rt.fuzzer_no_main-"$(uname -m)".a)
if [ ! -e "$runtime" ]; then
  echo "fuzz: this Swift toolchain comes without libFuzzer: there is no $runtime" >&2
  exit 77
fi
# Nothing of libFuzzer would be linked without -u: the tool names it weakly.
swift build -c release --traits Lab --scratch-path "$scratch" --product folio-fuzz \
  -Xlinker -u -Xlinker LLVMFuzzerRunDriver -Xlinker "$runtime" -Xlinker -lstdc++ \
  "${instrument[@]}" >&2
if [ -z "$run" ]; then
  echo "$scratch/release/folio-fuzz"
else
  exec "$scratch/release/folio-fuzz" "$@"
fi
