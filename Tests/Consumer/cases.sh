# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the consumer tests report: one line for each case, with the beginning of its log where it failed,
# and at the end how many there were. To be sourced; makes the directory $scratch, which goes with the
# shell.
passed=0
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# pass NAME
pass() {
	passed=$((passed + 1))
	echo "ok      $1"
}

# fail NAME LOG
fail() {
	failed=$((failed + 1))
	echo "FAILED  $1"
	sed -n '1,40s/^/        /p' "$2"
}

# The last line of a test, and its exit status: 1 when a case failed.
summary() {
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
