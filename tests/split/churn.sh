#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: churn.sh BINDIR: a job whose threads and signals are never at rest, through a chain of checkpoints and restarts, with
# children before and after each. With gdb, its symbols are seen before and after.
. "$(dirname "$0")/../job/common.sh"

symbols()
{
	command -v gdb >"$tmp/which" || return 0
	for pid in $(ranks_of $job); do
		timeout 60 gdb -p "$pid" -batch -nx -ex "info symbol children" -ex "thread apply all bt 12" >"$tmp/gdb" 2>&1 </dev/null
		grep -q "^children in section .text" "$tmp/gdb" || fail "$1: gdb does not know the program: $(cat "$tmp/gdb")"
		grep -q " keeper (" "$tmp/gdb" || fail "$1: gdb does not find the thread: $(cat "$tmp/gdb")"
	done
}

# moving OUTPUT: has it printed a step since?
steps() { grep -c ^step "$1"; }
more() { [ "$(steps "$1")" -gt "$2" ]; }
moves() { check "no step: " until_true 60 more "$1" "$(steps "$1")"; }

forks()
{
	touch "$tmp/fork"
	check "children: " until_true 60 test ! -e "$tmp/fork"
}

: >"$tmp/out"
reprise run --name churn mpirun -n 2 "$bin/churn" "$tmp/stop" "$tmp/fork" >"$tmp/out" 2>&1 &
job=$!
for generation in 1 2 3; do
	moves "$tmp/out"
	forks
	for again in 1 2; do # the first one lets it go on
		timeout 60 reprise checkpoint churn >"$tmp/err" 2>&1 || fail "checkpoint $generation.$again: $(cat "$tmp/err")"
		moves "$tmp/out"
	done
	[ $generation = 2 ] || symbols "generation $generation"
	kill_job $job
	: >"$tmp/out"
	reprise restart churn >"$tmp/out" 2>&1 &
	job=$!
done
moves "$tmp/out"
forks
symbols "the last generation"
touch "$tmp/stop"
wait $job || fail "exit $?: $(cat "$tmp/out")"
job=
grep -q ^content "$tmp/out" || fail "$(cat "$tmp/out")"
echo ok
