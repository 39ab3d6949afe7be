#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: slices.sh BINDIR
#
# A rank that a begun collective needs waits for a file, which MPI does not see and which a rank writes only after another
# collective: the attempt sees that nothing moves and lets everybody run for a slice. Checkpoints with the job going on, then
# two restarts; the answer is right. And ranks that park late, one after the other, are not let run in turns for ever.
. "$(dirname "$0")/common.sh"
mkdir "$tmp/d"
steps=100
# Each step adds 2 * 3k + 2 * 7k.
expected="answer $steps: $((20 * steps * (steps + 1) / 2))"

reprise run --name h mpirun -n 4 "$bin/slices" "$tmp/d" $steps >"$tmp/out" 2>&1 </dev/null &
job=$!
check "the job starts" until_true 20 grep -q ^step "$tmp/out"
slices=0
for n in 1 2 3; do
	timeout 30 reprise checkpoint --json h >"$tmp/o" 2>&1 || fail "checkpoint $n: $(cat "$tmp/o")"
	agree=$(sed -n 's/.*"agree_us": *\([0-9]*\).*/\1/p' "$tmp/o")
	[ "${agree:-0}" -lt 250000 ] || slices=$((slices + 1))
	sleep 0.1
done
[ $slices -gt 0 ] || fail "no checkpoint had to wait for a slice: this tests nothing"
for n in 1 2; do
	timeout 30 reprise checkpoint --term h >"$tmp/o" 2>&1 || fail "last checkpoint: $(cat "$tmp/o")"
	wait $job
	reprise restart h >"$tmp/out" 2>&1 </dev/null &
	job=$!
	check "restart $n: $(cat "$tmp/out")" until_true 20 grep -q ^step "$tmp/out"
done
wait $job || fail "exit status $?: $(cat "$tmp/out")"
job=
[ "$(grep ^answer "$tmp/out")" = "$expected" ] || fail "'$(cat "$tmp/out")', not '$expected'"

mkdir "$tmp/late"
reprise run --name late mpirun -n 2 "$bin/actor-plain" "$tmp/late" >"$tmp/out" 2>&1 </dev/null &
job=$!
check "the second job starts" until_true 20 grep -q '^tick 3' "$tmp/out"
slow=$(ranks_of $job | cut -d' ' -f1)
for n in 1 2 3; do
	kill -STOP "$slow"
	(sleep 0.7 && kill -CONT "$slow") &
	timeout 15 reprise checkpoint late >"$tmp/o" 2>&1 || fail "late checkpoint $n: $(cat "$tmp/o")"
	wait $!
done
echo "$slices of 3 checkpoints waited for a slice"
