#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Counts the states of the models beside this script with Spin (Debian: apt-get install spin) and
# prints the table that is recorded in spin.txt. Example: ./count-states.sh > spin.txt
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

echo "# $(spin -V)"
echo '# spin DEFINES -a MODEL; cc -O2 -DSAFETY -DNOREDUCE pan.c; ./a.out -m100000 -w24'
echo '# scenario size model defines states transitions verdict'

count() { # scenario size model defines
  local scenario=$1 size=$2 model=$3 defines=$4
  # shellcheck disable=SC2086
  spin ${defines//,/ } -a "$here/$model"
  cc -O2 -w -DSAFETY -DNOREDUCE -o pan pan.c
  ./pan -m100000 -w24 > output
  awk -v head="$scenario $size $model $defines" '
    /errors:/ { errors = $NF }
    /^pan:1: invalid end state/ { why = "deadlock" }
    /^pan:1: assertion violated/ { why = "assertion" }
    / states, stored/ { states = $1 }
    / transitions/ { transitions = $1 }
    /max search depth too small/ { exit 1 }
    END { print head, states, transitions, errors ? why : "holds" }' output
}

for size in 1 2 3 4 5; do count gup-pin $size gup-pin.pml "-DN=$size"; done
count gup-pin-lost-update 2 gup-pin.pml -DN=2,-DLOST_UPDATE
for size in 2 3 4; do count two-puts $size two-puts.pml "-DN=$size"; done
count pin-bias 1 pin-bias.pml -DN=1
count freeze-get 1 freeze-get.pml -DN=1
count litmus-unfreeze 1 litmus-unfreeze.pml -DN=1
count litmus-try-get 1 litmus-try-get.pml -DN=1
for size in 2 3 4; do count counter $size counter.pml "-DN=$size"; done
count racy-counter 1 counter.pml -DN=2,-DRACY
count store-buffer 1 store-buffer.pml -DN=1
count lock-order 1 lock-order.pml -DN=1
