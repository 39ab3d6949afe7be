#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: environment.sh BINDIR: variables that a program sets or unsets before MPI_Init reach the MPI library, again after a
# restart.
. "$(dirname "$0")/../job/common.sh"

# cycle HOW TRANSPORT
cycle()
{
	rm -f "$tmp/stop" "$tmp/out" "$tmp/again"
	reprise run --name "$1" mpirun -n 2 "$bin/environment" "$1" "$tmp/stop" >"$tmp/out" 2>&1 &
	job=$!
	check "$1: start: " until_true 30 grep -q ^step "$tmp/out"
	timeout 60 reprise checkpoint "$1" >"$tmp/err" 2>&1 || fail "$1: checkpoint: $(cat "$tmp/err")"
	kill_job $job
	reprise restart "$1" >"$tmp/again" 2>&1 &
	job=$!
	until_true 30 grep -q ^step "$tmp/again" || fail "$1: restart: $(cat "$tmp/again")"
	touch "$tmp/stop"
	wait $job || fail "$1: exit $?: $(cat "$tmp/again")"
	job=
	[ "$(cat "$tmp/out" "$tmp/again" | grep ^step | sort -u)" = "step $2" ] ||
		fail "$1: $(cat "$tmp/out" "$tmp/again" | sort | uniq -c)"
	echo "$1: $2"
}

# What a launcher has set is none of the program's changes, two launchers later either. MPI_Init is its first call
# after the second restart.
late()
{
	touch "$tmp/ask"
	reprise run --name late mpirun -n 2 "$bin/environment" leave "$tmp/stop" "$tmp/go" "$tmp/ask" >"$tmp/out" 2>&1 &
	job=$!
	for turn in 1 2; do
		until_true 30 grep -q ^early "$tmp/out" || fail "late: turn $turn: $(cat "$tmp/out")"
		[ $turn = 1 ] || rm "$tmp/ask"
		timeout 60 reprise checkpoint late >"$tmp/err" 2>&1 || fail "late: checkpoint: $(cat "$tmp/err")"
		kill_job $job
		reprise restart late >"$tmp/out" 2>&1 &
		job=$!
	done
	until_true 30 grep -q ^early "$tmp/out" || fail "late: restart: $(cat "$tmp/out")"
	touch "$tmp/go"
	until_true 30 grep -q ^step "$tmp/out" || fail "late: MPI_Init: $(cat "$tmp/out")"
	touch "$tmp/stop"
	wait $job || fail "late: exit $?: $(cat "$tmp/out")"
	job=
	echo "late: ok"
}

late
cycle leave shared
cycle set tcp
export OMPI_MCA_btl=self,tcp
cycle unset shared
