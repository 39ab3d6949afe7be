#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: proxy.sh BINDIR
#
# A launcher that Reprise puts nothing into: every rank is the sibling of a proxy that the launcher knows, has its exact pid, and
# ends, stops and takes signals through the proxy, each once. And `reprise rank --restart` under no launcher at all.
. "$(dirname "$0")/common.sh"

again()
{
	rm -f "$tmp/do"
	reprise restart --proxy "$@" job >"$tmp/out" 2>"$tmp/err" </dev/null &
	job=$!
	until_true 20 grep -q '^tick' "$tmp/out" || fail "restart: $(cat "$tmp/out" "$tmp/err")"
}

ends_with()
{
	echo "$1" >"$tmp/do"
	wait $job
	status=$?
	job=
	[ $status -eq "$2" ] || fail "'$1' ends with $status, not $2: $(cat "$tmp/out" "$tmp/err")"
	# shellcheck disable=SC2086
	check "'$1' leaves a rank" until_true 5 sh -c "! kill -0 $pids"
}

reprise run --name job mpirun -n 2 "$bin/actor" "$tmp" >"$tmp/out" 2>&1 </dev/null &
job=$!
check "the job starts" until_true 20 grep -q '^tick' "$tmp/out"
reprise checkpoint job >/dev/null || fail "checkpoint"
pids=$(cut -d' ' -f2 "$REPRISE_DIR/job/1/pids" | xargs)
kill_job $job
job=

reprise restart --proxy --showme job | grep -q "odls\|mca_base_component_path" && fail "a component all the same"
again
for p in $pids; do
	[ "$(ps -o ppid= -p "$p" | xargs)" = $job ] || fail "$p is no child of the launcher"
	[ "$(readlink "/proc/$p/exe")" = "$bin/actor" ] || fail "$p runs $(readlink "/proc/$p/exe")"
done
for n in 1 2 3; do
	kill -USR1 $job
	check "signal $n arrives" until_true 10 sh -c "[ \$(grep -c 'usr1 $n' '$tmp/out') = 2 ]"
done
kill -TSTP $job
check "ranks stop" until_true 10 sh -c "[ \$(ps -o stat= -p ${pids// /,} | grep -c ^T) = 2 ]"
kill -CONT $job
check "ranks go on" until_true 10 sh -c "[ \$(ps -o stat= -p ${pids// /,} | grep -c ^T) = 0 ]"
before=$(grep -c '^tick' "$tmp/out")
check "the job goes on" until_true 10 sh -c "[ \$(grep -c '^tick' '$tmp/out') -gt $((before + 3)) ]"
grep -q 'usr1 4' "$tmp/out" && fail "a signal arrived twice"
# The next checkpoint of what came back by a proxy.
reprise checkpoint job >/dev/null || fail "checkpoint behind a proxy"
ends_with exit 3
again
ends_with die 139
again
kill -TERM $job
wait $job && fail "SIGTERM ends in success"
job=
# shellcheck disable=SC2086
check "SIGTERM ends the ranks" until_true 10 sh -c "! kill -0 $pids"
for how in prefer any; do
	again --pid $how
	ends_with exit 3
done

# One rank and no launcher: a shell starts it.
env REPRISE_NAME=one reprise rank "$bin/plain" count 60 >"$tmp/out" 2>&1 &
job=$!
check "a program without launcher" until_true 20 grep -q '^count - 3' "$tmp/out"
reprise checkpoint one >/dev/null || fail "checkpoint without a launcher"
kill -9 $job
wait $job 2>/dev/null
old=$job
REPRISE_NAME=one reprise rank --restart "$REPRISE_DIR/one/1" >"$tmp/out" 2>&1 &
job=$!
check "it counts again" until_true 20 grep -q '^count' "$tmp/out"
check "it has its pid" kill -0 "$old"
kill -TERM $job
wait $job
[ $? -eq 143 ] || fail "SIGTERM of a proxy"
job=
kill -0 "$old" 2>/dev/null && fail "the process outlives its proxy"
exit 0
