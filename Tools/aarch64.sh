#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make aarch64: compiles the C core for arm64, every inline function of its headers included, and
# looks into the code for the instructions that the ordering classes of folio/atomic.h need there.
# liburcu's arm64 headers come from Debian's archive into .build-aarch64; apt gets lists of its own
# there, so the machine's architectures and package lists stay as they are.
. "$(dirname "$0")/common.sh"

work=$PWD/.build-aarch64
mkdir -p "$work"
cc=aarch64-linux-gnu-gcc
objdump=aarch64-linux-gnu-objdump
headers=()
if [ "$(uname -m)" = aarch64 ]; then
  cc=gcc
  objdump=objdump
else
  headers=(-isystem "$work/root/usr/include/aarch64-linux-gnu")
fi

fetch_headers() {
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  local options=(-qq
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
    -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache"
    -o Dir::State::status=/dev/null)
  echo "aarch64: fetching the arm64 headers of liburcu"
  apt-get "${options[@]}" update
  (cd "$work" && rm -f liburcu-dev_*.deb && apt-get "${options[@]}" download liburcu-dev)
  rm -rf "$work/root.new"
  dpkg-deb -x "$work"/liburcu-dev_*.deb "$work/root.new"
  rm -rf "$work/root"
  mv "$work/root.new" "$work/root"
}
[ "$cc" = gcc ] || [ -d "$work/root" ] || fetch_headers

flags=(-std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -I Sources/CFolio/include
  "${headers[@]}")
count=0
for march in armv8-a armv8.1-a; do
  for define in -UFOLIO_LAB -DFOLIO_LAB; do
    for source in Sources/CFolio/src/*.c; do
      "$cc" "${flags[@]}" "-march=$march" "$define" -c "$source" -o "$work/object.o"
      count=$((count + 1))
    done
  done
done

# Every static inline function as code of its own.
probe() { # MARCH OUTPUT
  echo '#include <CFolio.h>' |
    "$cc" "${flags[@]}" "-march=$1" -mno-outline-atomics -fkeep-inline-functions -x c -c - -o "$2"
}

# expect OBJECT FUNCTION INSTRUCTION TIMES: that often the instruction occurs in the function.
expect() {
  local found
  found=$("$objdump" -d --no-show-raw-insn "$1" |
    awk -v name="<$2>:" '$2 == name { on = 1; next } /^$/ { on = 0 } on' | grep -cE "\s$3" || true)
  if [ "$found" -ne "$4" ]; then
    echo "error: $2 has $found of '$3' on arm64, expected $4" >&2
    exit 1
  fi
}

for march in armv8-a armv8.1-a; do
  probe "$march" "$work/probe.o"
  expect "$work/probe.o" smp_mb 'dmb\s+ish$' 1
  expect "$work/probe.o" smp_rmb 'dmb\s+ishld$' 1
  expect "$work/probe.o" atomic_read_acquire 'ldar\s' 1
  expect "$work/probe.o" atomic_set_release 'stlr\s' 1
  # FULL is fence, acquire-release operation, fence.
  expect "$work/probe.o" atomic_add_return 'dmb\s+ish$' 2
  expect "$work/probe.o" shared_xchg 'dmb\s+ish$' 2
  expect "$work/probe.o" atomic_add 'dmb' 0
done
# With LSE one instruction, without a loop.
expect "$work/probe.o" atomic_add_return 'ldaddal\s' 1
expect "$work/probe.o" shared_xchg 'swpal\s' 1
rm -f "$work/object.o"
echo "aarch64: $count compilations, no complaint; the inline functions have their barriers"
