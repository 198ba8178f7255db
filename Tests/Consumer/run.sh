#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Builds and runs the client package in debug and release, then compiles each program of Rejected/
# twice: as it stands it must fail with the diagnostic of its second line and no other, and with
# -DACCEPTED, which changes the offending line alone, it must compile. Ownership is checked on SIL,
# so SIL is emitted. Last, the C client. One line for each case; exit status 1 when one fails.
set -euo pipefail
cd "$(dirname "$0")"
. ./cases.sh

# One client, one configuration.
client() {
	if swift build --disable-index-store --configuration "$1" >"$scratch/log" 2>&1 &&
		"$(swift build --configuration "$1" --show-bin-path)/Client" >"$scratch/log" 2>&1 &&
		! grep -q WARN "$scratch/log"; then
		pass "client builds and runs ($1)"
	else
		fail "client builds and runs ($1)" "$scratch/log"
	fi
}

# compile FILE FLAGS...: what a client's compiler would say, warnings included, into $scratch/log.
compile() {
	swiftc -emit-sil -o "$scratch/out.sil" -swift-version 6 -strict-memory-safety \
		-parse-as-library -module-name Client -I "$modules" \
		-I ../../Sources/CFolio/include -I ../../Sources/CURCU \
		"${@:2}" "$1" >"$scratch/log" 2>&1
}

# The program must fail for the reason it names; every error must be that one.
rejected() {
	local name pattern others
	name=$(basename "$1" .swift)
	pattern=$(sed -n '2s,^// error: ,,p' "$1")
	if [ -z "$pattern" ]; then
		echo "its second line names no diagnostic" >"$scratch/log"
		fail "rejected: $name" "$scratch/log"
		return
	fi
	if compile "$1"; then
		echo "it compiles" >"$scratch/log"
		fail "rejected: $name" "$scratch/log"
		return
	fi
	others=$(grep -E '^[^ ].*: error: ' "$scratch/log" | grep -Evc ": error: $pattern" || true)
	if ! grep -qE ": error: $pattern" "$scratch/log" || [ "$others" != 0 ]; then
		echo "wanted: $pattern" >>"$scratch/log"
		fail "rejected: $name" "$scratch/log"
		return
	fi
	if compile "$1" -DACCEPTED -warnings-as-errors; then
		pass "rejected: $name; its twin compiles"
	else
		fail "rejected: $name; its twin compiles" "$scratch/log"
	fi
}

# A C program, built by gcc from what `make install` installs.
c_client() {
	local prefix=$scratch/prefix
	if make -C ../.. --no-print-directory install PREFIX="$prefix" >"$scratch/log" 2>&1 &&
		PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs folio \
			>"$scratch/flags" 2>"$scratch/log" &&
		xargs gcc -std=gnu11 -O2 -Wall -Wextra -Werror -pthread -o "$scratch/stress" \
			C/stress.c <"$scratch/flags" >"$scratch/log" 2>&1 &&
		"$scratch/stress" >"$scratch/log" 2>&1; then
		pass "C client builds with gcc and pkg-config, and runs"
		sed 's/^/        /' "$scratch/log"
	else
		fail "C client builds with gcc and pkg-config, and runs" "$scratch/log"
	fi
}

# must_fail NAME FILE: the checker of rejected programs reports FILE as a failure.
must_fail() {
	local verdict
	verdict=$(rejected "$2")
	case $verdict in
		"FAILED "*) pass "the checker refuses $1" ;;
		*)
			echo "it said: $verdict" >"$scratch/log"
			fail "the checker refuses $1" "$scratch/log"
			;;
	esac
}

# The checker itself: three programs that it must not take for proofs.
checker() {
	local header='// SPDX-License-Identifier: MIT'
	local release='import FolioCore
func drop(_ reference: consuming FolioReference) {
  reference.release()'
	printf '%s\n// error: anything\n%s\n}\n' "$header" "$release" >"$scratch/compiles.swift"
	printf "%s\n// error: 'reference' consumed in a loop\n%s\n  reference.release()\n}\n" \
		"$header" "$release" >"$scratch/other.swift"
	printf "%s\n// error: 'reference' consumed more than once\n%s\n  reference.release()\n}\n" \
		"$header" "$release" >"$scratch/twin.swift"
	must_fail 'a program that compiles' "$scratch/compiles.swift"
	must_fail 'a program rejected for another reason' "$scratch/other.swift"
	must_fail 'a program whose twin is rejected too' "$scratch/twin.swift"
}

client debug
client release
modules=$(swift build --configuration debug --show-bin-path)/Modules
for program in Rejected/*.swift; do
	rejected "$program"
done
checker
c_client

summary
