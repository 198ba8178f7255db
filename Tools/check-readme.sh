#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Keeps README.md true. Its Swift examples are, line by line, what ReadmeExampleTests.swift compiles and
# runs; its C example is compiled by gcc, outside SwiftPM, against a fresh install, and run.
. "$(dirname "$0")/common.sh"

tested=Tests/FolioCoreTests/ReadmeExampleTests.swift
work=$PWD/.build-install/readme
rm -rf "$work"
mkdir -p "$work"

# block LANGUAGE: the README's code blocks of that language.
block() {
  awk -v fence="\`\`\`$1" '$0 == fence { on = 1; next } /^```$/ { on = 0 } on' README.md
}

block swift >"$work/readme.swift"
sed -n '/\/\/ README: begin/,/\/\/ README: end/p' "$tested" | sed '/\/\/ README: /d;s/^    //' >"$work/tested.swift"
[ -s "$work/readme.swift" ] || { echo 'error: README.md has no Swift example' >&2; exit 1; }
diff -u "$work/tested.swift" "$work/readme.swift" || {
  echo "error: README.md's Swift example is not the one that $tested runs" >&2
  exit 1
}
echo "README: the Swift example is the tested one"

block c >"$work/readme.c"
wanted=$(sed -n 's/^It prints `\(.*\)`\..*/\1/p' README.md)
[ -n "$wanted" ] || { echo 'error: README.md does not say what its C example prints' >&2; exit 1; }
DESTDIR='' PREFIX=$work/prefix Tools/install.sh install >"$work/install.log" ||
  { cat "$work/install.log"; exit 1; }
read -ra flags <<<"$(PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig pkg-config --cflags --libs folio)"
gcc -Wall -Wextra -Werror "$work/readme.c" "${flags[@]}" -o "$work/readme"
printed=$("$work/readme" 2>&1)
[ "$printed" = "$wanted" ] || {
  printf 'error: the C example of README.md printed:\n%s\nand not: %s\n' "$printed" "$wanted" >&2
  exit 1
}
echo "README: the C example prints $printed"
