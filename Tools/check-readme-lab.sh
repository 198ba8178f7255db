#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Keeps the lab section of README.md true: runs the commands of its console blocks, whose output has to be
# what README says but for seconds, and compares the picture that it shows with the one that is drawn.
# Needs the lab in .build-lab/release. With --fix it writes what came out into README.md.
. "$(dirname "$0")/common.sh"

PATH=$PWD/.build-lab/release:$PATH
work=$(mktemp -d)
# Seconds have a unit, or are a column: a number with four decimals, right-aligned.
timeless() { sed -E 's/[0-9.]+ s\b/N s/g; s/ +[0-9]+\.[0-9]{4} / N /g' "$1"; }

awk '/^```console$/ { on = 1; n++; next } /^```$/ { on = 0 } on { print > (dir "/block" n) }' \
  dir="$work" README.md
[ -e "$work/block1" ] || { echo 'error: README.md has no console block' >&2; exit 1; }
for block in "$work"/block?; do
  command=$(sed -n '1s/^\$ //p' "$block")
  status=0
  # What fails is shown with exit status 1; a command that cannot run says so with another.
  (cd "$work" && $command) >"$work/got" 2>"$work/said" || status=$?
  [ "$status" -le 1 ] || { cat "$work/said"; exit "$status"; }
  { head -n 1 "$block"; cat "$work/got"; } >"$block.now"
  if ! diff -u <(timeless "$block") <(timeless "$block.now"); then
    [ "${1:-}" = --fix ] || { echo "error: README.md is not what $command prints" >&2; exit 1; }
    awk -v block="$block.now" -v first="$(head -n 1 "$block")" '
      $0 == first { while ((getline line < block) > 0) print line; skip = 1 }
      /^```$/ { skip = 0 }
      !skip' README.md >"$work/README.md"
    cp "$work/README.md" README.md
  fi
  echo "README: $command"
done
[ "${1:-}" != --fix ] || cp "$work/gup-pin.svg" Examples/gup-pin.svg
cmp "$work/gup-pin.svg" Examples/gup-pin.svg
rm -rf "$work"
