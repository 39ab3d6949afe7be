#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# stopped.sh VICTIM: a process that was stopped by SIGSTOP stays stopped over dumps, comes back stopped, as child, detached, under a command, in place,
# with the memory and the pending signals that it had, also with a seccomp filter, and goes on with SIGCONT. In a namespace of its own.
. "$(dirname "$(realpath "$0")")/common.sh" || exit 1
fail() { echo "$filter$case: $*"; exit 1; }
say() { echo "$filter$case: ok"; }
gone() { [ ! -d /proc/$pid ]; }
# Every thread is stopped, nobody traces it, and nothing of the restorer is left.
at_rest() {
	[ "$(cat /proc/$pid/comm)" = victim ] || return 1
	for t in /proc/$pid/task/*/status; do
		grep -q '^State:.T (stopped)' "$t" && grep -q '^TracerPid:.0$' "$t" || return 1
	done
	maps | cmp -s - maps.want
}
maps() { cut -d ' ' -f 1,2,6- /proc/$pid/maps; }
# Stopped, and what it has to do when it goes on is still before it.
check() {
	until_true at_rest || fail "is not at rest: $(cat /proc/$pid/task/*/status | grep '^State') $(maps | diff - maps.want)"
	grep -q '^ShdPnd:.0*4000' /proc/$pid/status || fail "SIGTERM is not pending: $(grep Pnd /proc/$pid/status)"
	[ ! -s out ] || fail "it has run: $(cat out)"
}
# Lets it go on; it takes SIGTERM and ends with 42.
let_go() {
	kill -CONT $pid
	until_true test -s out || fail "does not go on"
	[ "$(cat out)" = "usr1 0 usr2 0 cont 1 tstp 0 pid same tid same" ] || fail "said $(cat out)"
}

for filter in '' 'filtered '; do
	pid=7001
	case=dump
	rm -rf img ready out
	mkdir img
	: >out
	echo 7000 >/proc/sys/kernel/ns_last_pid
	setsid ./victim ready $filter </dev/null >out 2>&1 &
	until_true test -s ready || fail "not ready"
	[ "$(cat ready)" = $pid ] || fail "pid $(cat ready)"
	echo 20000 >/proc/sys/kernel/ns_last_pid
	kill -STOP $pid
	maps >maps.want
	until_true at_rest || fail "does not stop"
	kill -TERM $pid
	check
	timeout 20 "$REPRISE" dump -t $pid -D img -R || fail "status $?"
	check
	timeout 20 "$REPRISE" dump -t $pid -D img || fail "status $?"
	wait $! 2>/dev/null
	until_true gone || fail "still there"
	say

	case=child
	"$REPRISE" restore -D img --stdio image </dev/null &
	check
	let_go
	wait $!
	rc=$?
	[ $rc = 42 ] || fail "status $rc"
	say

	case=detached-dumped-again
	: >out
	"$REPRISE" restore -d -D img </dev/null || fail "status $?"
	check
	timeout 20 "$REPRISE" dump -t $pid -D img || fail "status $?"
	until_true gone || fail "still there"
	say

	case=exec-cmd
	"$REPRISE" restore --exec-cmd -D img -- ./victim --wait waited </dev/null &
	check
	let_go
	wait $!
	[ "$(cat waited)" = "$pid 42" ] || fail "the command saw $(cat waited)"
	say

	case=in-place
	: >out
	echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
	"$REPRISE" exec -D img --stdio image </dev/null &
	got=$!
	echo 20000 >/proc/sys/kernel/ns_last_pid
	[ $got = $pid ] || fail "the test got pid $got"
	check
	let_go
	wait $got
	rc=$?
	[ $rc = 42 ] || fail "status $rc"
	say
done
exit 0
