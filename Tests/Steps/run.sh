#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The steps of Tools/common.sh: whatever ends a script, its exit status and its summary say of every step
# that was begun how it ended. One line for each case; exit status 1 when one fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
. Tests/Consumer/cases.sh

# ends NAME STATUS PATTERN...: the script on standard input ends so, and has a line like each pattern.
ends() {
	local name=$1 wanted=$2 status=0 pattern
	shift 2
	mkdir -p "$scratch/Tools"
	cp Tools/common.sh "$scratch/Tools/"
	{
		echo '. "$(dirname "$0")/common.sh"'
		cat
	} >"$scratch/Tools/script.sh"
	timeout 20 bash "$scratch/Tools/script.sh" >"$scratch/got" 2>&1 || status=$?
	for pattern in "$@"; do
		grep -Eq "$pattern" "$scratch/got" || {
			echo "no line like: $pattern" >>"$scratch/got"
			status="$status, a line is missing"
		}
	done
	if [ "$status" = "$wanted" ]; then
		pass "$name"
	else
		echo "exit status $status, not $wanted" >>"$scratch/got"
		fail "$name" "$scratch/got"
	fi
}

ends 'steps that pass' 0 '^ok .* beside' '^ok .* step' '^ok .*, all steps' '^printed beside' <<'END'
beside 'beside' bash -c 'echo printed beside'
step 'step' true
join_beside
END
ends 'a step beside that fails' 3 '^FAILED .* beside' '^ok .* step' '^FAILED .*, all steps' <<'END'
beside 'beside' bash -c 'exit 3'
step 'step' true
join_beside
END
ends 'a step that fails stops what runs beside' 4 '^FAILED .* step' '^FAILED .* beside, stopped' <<'END'
beside 'beside' sleep 1000
step 'step' bash -c 'sleep 1; exit 4'
join_beside
END
ends 'a step that fails hides no failure beside' 4 '^FAILED .* step' '^FAILED .* beside ' \
	'^printed beside' <<'END'
beside 'beside' bash -c 'echo printed beside; exit 3'
step 'step' bash -c 'sleep 1; exit 4'
join_beside
END
ends 'a step beside that nobody joins is no success' 70 '^ok .* step' '^FAILED .*, all steps' <<'END'
beside 'beside' true
step 'step' sleep 1
END

summary
