#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Instructions per operation, counted by callgrind as the difference of a run of N and one of 2 N
# iterations, against Benchmarks/Thresholds/instructions.tsv: within 1 % and half an instruction,
# up or down. A driver with one load too many in each operation must be noticed. `run.sh update`
# writes the thresholds anew.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../.."
thresholds=Benchmarks/Thresholds/instructions.tsv
iterations=409600
operations='get_put try_get_put try_get_folio_put lookup rcu_section pin_unpin'
passed=0
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

result() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "ok      $2"
	else
		failed=$((failed + 1))
		echo "FAILED  $2"
	fi
}

# What the numbers depend on; the processor is not of it.
toolchain() {
	local swift
	swift=$(swiftc --version 2>/dev/null | sed -n 's/.*(\(swift-[^)]*\)).*/\1/p')
	echo "$swift, $("$clang" --version | sed -n '1s/ (.*//p'), liburcu $(pkg-config --modversion \
		liburcu-bp), $(uname -m)"
}

build_driver() {
	"$clang" -O2 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -ISources/CFolio/include \
		"${@:2}" Benchmarks/Instructions/driver.c -o "$scratch/$1" -L"$scratch" -lfolio -lurcu-bp \
		-lurcu-common -Wl,-rpath,"$scratch"
}

total() { # DRIVER OPERATION ITERATIONS
	if ! valgrind --tool=callgrind --callgrind-out-file="$scratch/out" "$scratch/$1" "$2" "$3" \
		>"$scratch/log" 2>&1; then
		tail -n 20 "$scratch/log" >&2
		exit 1
	fi
	awk '$1 == "summary:" || $1 == "totals:" { print $2; exit }' "$scratch/out"
}

per_operation() { # DRIVER OPERATION
	local once twice
	once=$(total "$1" "$2" "$iterations")
	twice=$(total "$1" "$2" $((2 * iterations)))
	awk -v once="$once" -v twice="$twice" -v n="$iterations" \
		'BEGIN { printf "%.2f", (twice - once) / n }'
}

within() { # MEASURED THRESHOLD
	awk -v m="$1" -v t="$2" \
		'BEGIN { d = m - t; if (d < 0) d = -d; exit !(t > 0 && d <= t / 100 && d <= 0.5) }'
}

clang=$(dirname "$(dirname "$(swiftc -print-target-info |
	sed -n 's,.*"runtimeResourcePath": "\(.*\)".*,\1,p')")")/bin/clang
swift build -c release --product folio >"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	exit 1
}
release=$(swift build -c release --show-bin-path)
# Debian's valgrind cannot read the debug information of Swift's clang.
strip --strip-debug -o "$scratch/libfolio.so" "$release/libfolio.so"
build_driver driver
build_driver planted -DPLANTED

if [ "${1:-check}" = update ]; then
	{
		printf '# Instructions per operation (callgrind); Benchmarks/Instructions/run.sh update\n'
		printf '# toolchain: %s\n' "$(toolchain)"
		for operation in $operations; do
			measured=$(per_operation driver "$operation")
			printf '%s\t%s\n' "$operation" "$measured"
		done
	} >"$scratch/thresholds"
	cp "$scratch/thresholds" "$thresholds"
	cat "$thresholds"
	exit
fi

recorded=$(sed -n 's/^# toolchain: //p' "$thresholds")
if [ "$recorded" != "$(toolchain)" ]; then
	echo "note    thresholds were recorded with: $recorded"
	echo "note    this is:                       $(toolchain)"
	echo "note    a difference may come from the compiler: look at it, then run.sh update"
fi
for operation in $operations; do
	threshold=$(awk -v name="$operation" '$1 == name { print $2 }' "$thresholds")
	measured=$(per_operation driver "$operation")
	within "$measured" "${threshold:-0}" && status=0 || status=1
	result $status "$operation: $measured instructions, threshold ${threshold:-none}"
	measured=$(per_operation planted "$operation")
	within "$measured" "${threshold:-0}" && status=1 || status=0
	result $status "planted: one load too many in $operation: $measured instructions"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
