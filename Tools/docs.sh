#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make docs: pages of the Swift API (with the articles of FolioCore.docc) and of the C API, warnings as
# errors. The compilers emit symbol graphs and docc converts them, so that no package is needed. Each
# of the two folders in .build-docs is a static site: serve it with any web server.
. "$(dirname "$0")/common.sh"

bin=$(swift_bin)
out=$PWD/.build-docs
rm -rf "$out/swift-graph" "$out/c-graph" "$out/FolioCore" "$out/CFolio"
mkdir -p "$out/swift-graph" "$out/c-graph" "$out/c-headers"

# convert NAME GRAPHS CATALOG...: CATALOG may be absent.
convert() {
  local name=$1 graphs=$2
  shift 2
  "$bin/docc" convert "$@" --additional-symbol-graph-dir "$graphs" \
    --fallback-display-name "$name" --fallback-bundle-identifier "folio.$name" \
    --transform-for-static-hosting --hosting-base-path "$name" --warnings-as-errors \
    --output-path "$out/$name"
  echo "docs: $out/$name/documentation/$(tr '[:upper:]' '[:lower:]' <<<"$name")"
}

swift build --target FolioCore --scratch-path "$out/build" \
  -Xswiftc -emit-symbol-graph -Xswiftc -emit-symbol-graph-dir -Xswiftc "$out/build/graphs"
# Only our module: its dependencies' graphs are written too.
cp "$out"/build/graphs/FolioCore*.symbols.json "$out/swift-graph/"

read -ra rcu <<<"$(pkg-config --cflags liburcu-bp)"
"$bin/clang" -extract-api -x c-header -std=gnu11 --product-name=CFolio -I Sources/CFolio/include \
  "${rcu[@]}" Sources/CFolio/include/folio/*.h -o "$out/c-graph/CFolio.symbols.json"

convert FolioCore "$out/swift-graph" Sources/FolioCore/FolioCore.docc
convert CFolio "$out/c-graph"
