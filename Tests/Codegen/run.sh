#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What the hot paths compile to, in C and in a Swift client, in release. Each kind of check is also
# made on a variant with a fault planted in it, where it must fail. One line for each check; exit
# status 1 when one does not hold.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(uname -m)" = x86_64 ] || {
	echo "error: the disassembly is only understood for x86-64" >&2
	exit 1
}
passed=0
failed=0
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
resources=$(swiftc -print-target-info | sed -n 's,.*"runtimeResourcePath": "\(.*\)".*,\1,p')
clang=$(dirname "$(dirname "$resources")")/bin/clang

holds() {
	local name=$1
	shift
	if python3 Tests/Codegen/check.py "$@" >"$objects/log" 2>&1; then
		passed=$((passed + 1))
		echo "ok      $name"
	else
		failed=$((failed + 1))
		echo "FAILED  $name"
		sed 's/^/        /' "$objects/log"
	fi
}

# The check must say no (1); a check that could not be made (any other status) does not count.
fails() {
	local name=$1 status=0
	shift
	python3 Tests/Codegen/check.py "$@" >"$objects/log" 2>&1 || status=$?
	if [ "$status" = 1 ] && ! grep -q Traceback "$objects/log"; then
		passed=$((passed + 1))
		echo "ok      planted: $name"
	else
		failed=$((failed + 1))
		echo "FAILED  planted: $name, status $status"
		sed 's/^/        /' "$objects/log"
	fi
}

swift build -c release --product folio >"$objects/log" 2>&1 || {
	cat "$objects/log"
	exit 1
}
release=$(swift build -c release --show-bin-path)

c_object() {
	"$clang" -O2 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -ISources/CFolio/include \
		"${@:3}" -c "$1" -o "$objects/$2.o"
}
swift_object() {
	swiftc -O -wmo -parse-as-library -swift-version 6 -strict-memory-safety -module-name Probe \
		-I "$release/Modules" -I Sources/CFolio/include -I Sources/CURCU \
		"${@:2}" -c Tests/Codegen/Probe.swift -o "$objects/$1.o"
}
c_object Tests/Codegen/plain.c plain
c_object Tests/Codegen/plain.c bare -DBARE
c_object Tests/Codegen/probe.c c
c_object Tests/Codegen/probe.c c_planted -DPLANTED
swift_object swift
swift_object swift_planted -DPLANTED


for path in get put try_get; do
	case $path in
		get) twin=swiftGet ;;
		put) twin=swiftPut ;;
		try_get) twin=swiftTryGet ;;
	esac
	holds "C $path equals plain.c" same "$objects/c.o" "c_$path" "$objects/plain.o" "plain_$path"
	holds "Swift $path equals plain.c" \
		same "$objects/swift.o" "$twin" "$objects/plain.o" "plain_$path"
	holds "$path: auditing off costs one tested flag and nothing else" \
		branch "$objects/c.o" "c_$path" "$objects/bare.o" "plain_$path"
	fails "one load too many in C $path" \
		same "$objects/c_planted.o" "c_$path" "$objects/plain.o" "plain_$path"
	fails "one load too many in Swift $path" \
		same "$objects/swift_planted.o" "$twin" "$objects/plain.o" "plain_$path"
	fails "one load too many beside the flag in $path" \
		branch "$objects/c_planted.o" "c_$path" "$objects/bare.o" "plain_$path"
done

holds "clone and drop are two locked instructions" locked 2 "$objects/swift.o" cloneAndDrop
fails "a second clone" locked 2 "$objects/swift_planted.o" cloneAndDrop

for loop in loopCloneAndDrop loopTryGety loopTryGetFrame loopReadScope loopViews; do
	holds "$loop counts nothing of Swift's" counted "$objects/swift.o" "$loop"
	fails "an object in $loop" counted "$objects/swift_planted.o" "$loop"
done
holds "a reference by frame counts nothing of Swift's" \
	counted "$release/libfolio.so" '$s9FolioCore0A9ReferenceV6tryGetACSgSu_tcfC'
fails "an object is found in the shared library too" \
	counted "$release/libfolio.so" '$s9FolioCore7PageMapC5claim'

holds "lookups and try_gets are not compiled as cold code" \
	hot "$release/CFolio.build/src/swap.c.o" try_get_folio folio_get_nontail_page
holds "percpu gets are not compiled as cold code" \
	hot "$release/CFolio.build/src/percpu_refcount.c.o" percpu_ref_tryget_many \
	percpu_ref_tryget_live_rcu percpu_ref_put_many
fails "a slow path is cold code" hot "$release/CFolio.build/src/swap.c.o" __folio_put_last

holds "the release library has no hook of the lab" absent cfolio_seam_ "$release/libfolio.so"
"$clang" -O2 -std=gnu11 -ISources/CFolio/include -DFOLIO_LAB -c Tests/Codegen/probe.c \
	-o "$objects/lab.o"
fails "the lab's hooks are found where they are" absent cfolio_seam_ "$objects/lab.o"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
