#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make lint: format of Swift and C, licence lines, shell syntax. With --fix (make format): reformats in
# place instead, then checks what no tool can fix. Looks at the files that git knows or would add.
. "$(dirname "$0")/common.sh"

files() {
  git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
    if [ -e "$file" ]; then echo "$file"; fi
  done
}

# Tests/Consumer holds programs that must not compile; their format is checked like any other.
mapfile -t swift_files < <(files '*.swift')
mapfile -t c_files < <(files '*.c' '*.h' '*.cpp' '*.hpp')
mapfile -t scripts < <(files 'Tools/*.sh' '.ci/run' 'Tests/*.sh')

if [ "${1:-}" = --fix ]; then
  swift format format -i -p "${swift_files[@]}"
  # Section rulers end at column 100; clang-format would wrap a longer one.
  perl -pi -e 's{^(/\* ?-.*?)(-+)( \*/)$}{$1 . "-" x (100 - length($1) - length($3)) . $3}e
    if length($_) > 101' "${c_files[@]}"
  clang-format-19 -i "${c_files[@]}"
fi

status=0
swift format lint -s -p "${swift_files[@]}" || status=1
clang-format-19 --dry-run -Werror "${c_files[@]}" || status=1
for script in "${scripts[@]}"; do
  bash -n "$script" || status=1
done
# The licence is on the first line, or on the second when the first is #! or the tools version.
for file in "${swift_files[@]}" "${c_files[@]}" "${scripts[@]}" Makefile; do
  head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' || {
    echo "$file: no licence line" >&2
    status=1
  }
done
# clang-format leaves lines that it cannot break, comments above all.
for file in "${c_files[@]}"; do
  expand -t 8 "$file" | awk -v file="$file" \
    'length($0) > 100 { print file ":" NR ": longer than 100 columns"; bad = 1 } END { exit bad }' ||
    status=1
done
exit "$status"
