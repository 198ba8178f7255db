#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make check-headers: every public C header compiles alone, twice over, with gcc and with the clang
# that Swift imports it with, in every configuration that headers know.
. "$(dirname "$0")/common.sh"

include=Sources/CFolio/include
flags=(-x c -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -Wno-unused-parameter -I "$include")
read -ra rcu <<<"$(pkg-config --cflags liburcu-bp)"
count=0
status=0
for compiler in gcc "$(swift_bin)/clang"; do
  for define in -UFOLIO_LAB -DFOLIO_LAB -DFOLIO_TSAN=1; do
    for header in "$include"/*.h "$include"/folio/*.h; do
      name=${header#"$include"/}
      count=$((count + 1))
      printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
        "$compiler" "${flags[@]}" "${rcu[@]}" "$define" - || {
        echo "error: $name does not compile alone with $(basename "$compiler") $define" >&2
        status=1
      }
    done
  done
done
[ "$status" -eq 0 ] && echo "check-headers: $count compilations, no complaint"
exit "$status"
