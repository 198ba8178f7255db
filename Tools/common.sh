# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts share: the project's root, the toolchain's place, timed steps with a summary.
# Sourced by them, never run. Steps run commands, not shell functions, so that `set -e` means what
# it says inside them.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The folder of the tools that belong to the Swift toolchain in use. Debian's clang may come first on
# PATH, and the `swift` found there may be a version manager's shim.
swift_bin() {
  local resources
  resources=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
  (cd "$resources/../../bin" && pwd)
}

# For debug builds in folders where nobody edits and builds again: a module at a time is a third less work
# than a file at a time. (One thread of a module's own, or the index has a name too few.)
# shellcheck disable=SC2034
by_module=(-Xswiftc -whole-module-optimization -Xswiftc -num-threads -Xswiftc 1)

require_file() {
  [ -e "$1" ] || { echo "error: $1 is missing" >&2; exit 1; }
}

step_names=()
step_notes=()
step_seconds=()
step_results=()
step_log=$(mktemp)
step_total_start=$SECONDS

# note_step NAME START RESULT LOG: a line of the summary; ends the script when the step failed.
note_step() {
  record_step "$@"
  [ "$3" -eq 0 ] || exit "$3"
}

# record_step NAME START RESULT LOG: the line only. The closing line of a test runner, when there is one, is
# repeated in it.
record_step() {
  step_names+=("$1")
  step_seconds+=($((SECONDS - $2)))
  step_results+=("$3")
  step_notes+=("$(sed -nE 's/\x1b\[[0-9;]*m//g; s/^.{0,4}(Test run with .*)/\1/p' "$4" | tail -n 1)")
}

# step NAME COMMAND...: runs the command with its output shown; ends the script when it fails.
step() {
  local name=$1 start=$SECONDS result=0
  shift
  printf '\n==> %s: %s\n' "$name" "$*"
  "$@" </dev/null 2>&1 | tee "$step_log" || result=$?
  note_step "$name" "$start" "$result" "$step_log"
}

beside_pid=
# beside NAME COMMAND...: begins a step that runs beside those behind it, until join_beside: for one of
# one core beside others of one core. One at a time.
beside() {
  beside_name=$1 beside_start=$SECONDS
  shift
  beside_log=$(mktemp)
  printf '\n==> %s, beside what follows: %s\n' "$beside_name" "$*"
  setsid "$@" </dev/null >"$beside_log" 2>&1 &
  beside_pid=$!
}

# Shows what the step beside has printed, once it is done. Its result is in beside_result.
show_beside() {
  beside_result=0
  wait "$beside_pid" || beside_result=$?
  beside_pid=
  printf '\n==> %s: what it printed\n' "$beside_name"
  cat "$beside_log"
}

join_beside() {
  show_beside
  note_step "$beside_name" "$beside_start" "$beside_result" "$beside_log"
}

# The script ends while a step runs beside, or has ended unseen: it is stopped, shown, and never passed over.
end_beside() {
  local name=$beside_name
  if kill -- "-$beside_pid" 2>/dev/null; then name+=', stopped'; fi
  show_beside
  record_step "$name" "$beside_start" "$beside_result" "$beside_log"
  [ "$status" -ne 0 ] || status=70
}

# Prints one line per step that was begun. Called on every exit, so a failure shows its times too.
print_steps() {
  local status=$? index verdict
  [ -z "$beside_pid" ] || end_beside
  rm -f "$step_log" "${beside_log:-$step_log}"
  [ "${#step_names[@]}" -gt 0 ] || exit "$status"
  printf '\n'
  for index in "${!step_names[@]}"; do
    verdict=ok
    [ "${step_results[$index]}" -eq 0 ] || verdict=FAILED
    printf '%-7s%6d s  %-22s %s\n' "$verdict" "${step_seconds[$index]}" "${step_names[$index]}" \
      "${step_notes[$index]}"
  done
  verdict=ok
  [ "$status" -eq 0 ] || verdict=FAILED
  printf '%-7s%6d s  %s\n' "$verdict" $((SECONDS - step_total_start)) \
    "$(basename "$0" .sh), all steps"
  exit "$status"
}
trap print_steps EXIT
