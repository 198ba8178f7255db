#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Retains, releases and allocations of Swift objects per 1000 operations against Thresholds/counts:
# 0 for every path of Folio, and what an object costs for the control. The comparison itself must
# say no to thresholds that promise 0 for the control. The first build takes minutes.
# `run.sh update` writes the thresholds anew.
set -euo pipefail
cd "$(dirname "$0")"
passed=0
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

thresholds() { # VERB PATH
	swift package --allow-writing-to-package-directory benchmark thresholds "$1" --target Counts \
		--path "$2" --no-progress >"$scratch/log" 2>&1
}

result() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
		echo "ok      $2"
	else
		failed=$((failed + 1))
		echo "FAILED  $2"
		tail -n 40 "$scratch/log" | sed 's/^/        /'
	fi
}

if [ "${1:-check}" = update ]; then
	thresholds update Thresholds/counts || {
		tail -n 40 "$scratch/log"
		exit 1
	}
	grep . Thresholds/counts/*.json
	exit
fi

thresholds check Thresholds/counts && status=0 || status=1
result $status 'retains, releases and allocations are as promised'

cp -r Thresholds/counts "$scratch/planted"
sed -i 's/: [0-9][0-9]*/: 0/' "$scratch/planted/Counts.Control.object.p90.json"
thresholds check "$scratch/planted" && status=1 || status=0
grep -q 'Control.object' "$scratch/log" || status=1
result $status 'planted: an object where none is promised'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
