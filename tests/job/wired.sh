#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: wired.sh BINDIR mpi|plain
#
# After a restart every rank is a child of the new launcher, with its pid and thread ids, and is wired to it as one that was never
# checkpointed: standard input with what was unread, standard output into a pipe, standard error, exit status, death by signal,
# signals that the launcher passes on, each once. --pid prefer and any; who holds a wanted pid is named.
. "$(dirname "$0")/common.sh"
case $2 in
mpi) program=$bin/actor ;;
plain) program=$bin/actor-plain ;;
esac

# What runs, by rank: "pid tid tid ..." of the application's threads (the lower half's own are not carried). With MPI the
# lower half's threads differ, so ids are compared by what the image has.
pids_of() { ps -o pid= --ppid "$1" | sort -n | xargs; }
ticks() { grep -c '^tick' "$tmp/out"; }
moves()
{
	before=$(ticks)
	until_true 20 sh -c "[ \$(grep -c '^tick' '$tmp/out') -gt $((before + 1)) ]"
}

# again [OPTION...]: restarts into the pipe of a reader, as $job
again()
{
	rm -f "$tmp/do" "$tmp/fifo"
	mkfifo "$tmp/fifo"
	cat "$tmp/fifo" >"$tmp/out" &
	reprise restart "$@" job >"$tmp/fifo" 2>"$tmp/err" &
	job=$!
	moves || fail "restart: $(cat "$tmp/out" "$tmp/err")"
}

ends_with()
{
	echo "$1" >"$tmp/do"
	wait $job
	status=$?
	job=
	[ $status -eq "$2" ] || fail "'$1' ends with $status, not $2: $(cat "$tmp/out" "$tmp/err")"
}

touch "$tmp/readline"
mkfifo "$tmp/in"
sleep 300 >"$tmp/in" &
holder=$!
(printf 'one\ntwo\nthree\n' >"$tmp/in") &
reprise run --name job mpirun -n 2 "$program" "$tmp" <"$tmp/in" >"$tmp/out" 2>&1 &
job=$!
check "the job starts: $(cat "$tmp/out")" moves
grep -q "line read" "$tmp/out" || fail "no line read"
agent=$(reprise ps --json | sed -n 's/.*"agent_pid": *\([0-9]*\).*/\1/p')
[ "$(taskset -p "$agent" | cut -d: -f2)" = "$(taskset -p $job | cut -d: -f2)" ] || fail "the agent does not have the launcher's CPUs"
if chrt -r 1 true 2>/dev/null; then
	chrt -p "$agent" | grep -q SCHED_RR || fail "the agent does not go before spinning ranks: $(chrt -p "$agent")"
fi
reprise checkpoint job >/dev/null || fail "checkpoint"
pids=$(pids_of $job)
for p in $pids; do
	sed -n 's/.*\(core-[0-9]*\).*/\1/p' < <(ls "$REPRISE_DIR"/job/1/rank-*/) | sort -u >"$tmp/cores"
done
[ "$(wc -l <"$tmp/cores")" = 4 ] || fail "two ranks of two threads make these cores: $(xargs <"$tmp/cores")"
sleep 0.5
kill_job $job
job=
kill $holder
wait $holder 2>/dev/null

# The shape: children of the launcher, same pids, same thread ids.
printf 'four\nfive\n' >"$tmp/more"
again --stdin "$tmp/more"
[ "$(pids_of $job)" = "$pids" ] || fail "children of the launcher are $(pids_of $job), not $pids"
for core in $(sed 's/core-//' "$tmp/cores"); do
	found=
	for p in $pids; do [ ! -d "/proc/$p/task/$core" ] || found=yes; done
	[ -n "$found" ] || fail "no thread $core any more"
done
# Signals through the launcher, each once.
for n in 1 2 3; do
	kill -USR1 $job
	check "signal $n arrives" until_true 10 sh -c "[ \$(grep -c 'usr1 $n' '$tmp/out') = 2 ]"
done
kill -TSTP $job
check "ranks stop" until_true 10 sh -c "[ \$(ps -o stat= --ppid $job | grep -c '^T') = 2 ]"
kill -CONT $job
check "ranks go on" moves
# shellcheck disable=SC2086
kill -STOP $pids
check "ranks stop by SIGSTOP" until_true 10 sh -c "[ \$(ps -o stat= --ppid $job | grep -c '^T') = 2 ]"
# shellcheck disable=SC2086
kill -CONT $pids
check "ranks go on" moves
grep -q 'usr1 4' "$tmp/out" && fail "a signal arrived twice"
ends_with cat 3
[ "$(grep ^got "$tmp/out" | xargs)" = "got two got three got four got five" ] || fail "standard input: $(grep ^got "$tmp/out" | xargs)"
grep -q ends "$tmp/err" || fail "standard error: $(cat "$tmp/err")"
grep -q ends "$tmp/out" && fail "standard error came on standard output"
grep -q backwards "$tmp/out" && fail "$(grep backwards "$tmp/out")"

again </dev/null
ends_with cat 3
[ "$(grep ^got "$tmp/out" | xargs)" = "got two got three" ] || fail "standard input without --stdin: $(grep ^got "$tmp/out" | xargs)"
again
ends_with exit 3
again
ends_with die 139
again
kill -TERM $job
wait $job && fail "SIGTERM ends in success"
job=
# shellcheck disable=SC2086
check "SIGTERM ends the ranks" until_true 10 sh -c "! kill -0 $pids"

# A live process holds a wanted id: that of a thread, then that of a rank.
first=${pids%% *}
last=$(sed 's/core-//' "$tmp/cores" | sort -n | tail -n 1)
for wanted in "$last" "$first"; do
	for n in $(seq 50); do
		echo $((wanted - 1)) >/proc/sys/kernel/ns_last_pid
		sleep 100 &
		holder=$!
		[ $holder != "$wanted" ] || break
		kill $holder
	done
	[ $holder = "$wanted" ] || { echo "SKIP: cannot take a pid"; exit 77; }
	refused 125 "pid $wanted is taken by sleep, child of $$; end it, or use --pid prefer or any" reprise restart job
	[ "$wanted" = "$first" ] || kill $holder
done
for how in prefer any; do
	again --pid $how
	case $(pids_of $job) in
	*"$first"*) fail "pid $first twice" ;;
	esac
	if [ $how = prefer ]; then
		grep -q "$first" "$tmp/err" || fail "--pid prefer does not say what changed: $(cat "$tmp/err")"
		[ "$(pids_of $job | tr ' ' '\n' | grep -c "^${pids#* }$")" = 1 ] || fail "--pid prefer: $(pids_of $job), wanted $pids"
	fi
	ends_with exit 3
done
kill $holder
echo "$2: all as it was: $pids"
