#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: descriptors.sh BINDIR: programs that close what is not theirs, under several limits of descriptors, alone and over
# a restart.
. "$(dirname "$0")/../job/common.sh"

# cycle LIMIT ARGS...
cycle()
{
	name=fd-$1-${2:-as-it-is} limit=$1
	shift
	rm -f "$tmp/stop" "$tmp/out" "$tmp/again"
	(ulimit -n "$limit" && exec reprise run --name "$name" mpirun -n 2 "$bin/descriptors" "$tmp/stop" "$@") >"$tmp/out" 2>&1 &
	job=$!
	check "$name: start: " until_true 60 grep -q '^step [1-9]' "$tmp/out"
	timeout 100 reprise checkpoint "$name" >"$tmp/err" 2>&1 || fail "$name: checkpoint: $(cat "$tmp/err")"
	kill_job $job
	(ulimit -n "$limit" && exec reprise restart "$name") >"$tmp/again" 2>&1 &
	job=$!
	until_true 60 grep -q '^step' "$tmp/again" || fail "$name: restart: $(cat "$tmp/again")"
	touch "$tmp/stop"
	wait $job || fail "$name: exit $?: $(cat "$tmp/again")"
	job=
	grep -q '^content' "$tmp/again" || fail "$name: $(cat "$tmp/again")"
	[ "$(grep -c 'cannot be put' "$tmp/out")" = 2 ] || fail "$name: not one line from each rank: $(cat "$tmp/out")"
	echo "$name: ok"
}

cycle 256
cycle 400
cycle 20000
cycle 1024 64
