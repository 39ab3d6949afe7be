#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: checkpoint.sh BINDIR
#
# The checkpoint command on an MPI job: time limit, Ctrl-C, --stop, --term, what is left behind, refusals of a restart with
# another shape.
. "$(dirname "$0")/common.sh"

steps() { grep -c '^step' "$tmp/out"; }
moves()
{
	before=$(steps)
	until_true 10 sh -c "[ \$(grep -c '^step' '$tmp/out') -gt $before ]"
}

reprise run --name ring mpirun -n 2 "$bin/ring" 1000000 "$tmp/stop" >"$tmp/out" 2>&1 &
job=$!
check "the job starts: $(cat "$tmp/out")" moves
rank=$(ranks_of $job | cut -d' ' -f1)

kill -STOP "$rank"
reprise checkpoint --timeout 1 ring >"$tmp/o" 2>&1
[ $? -eq 4 ] || fail "time limit: $(cat "$tmp/o")"
grep -q "waiting for rank" "$tmp/o" || fail "the slow rank is not named: $(cat "$tmp/o")"
kill -CONT "$rank"
check "the job goes on after a timeout" moves

kill -STOP "$rank"
reprise checkpoint ring >"$tmp/o" 2>&1 &
command=$!
sleep 0.5
reprise checkpoint ring >"$tmp/second" 2>&1 && fail "two checkpoints at once"
grep -q "on already" "$tmp/second" || fail "$(cat "$tmp/second")"
kill -INT $command
wait $command && fail "a cancelled checkpoint ends in success"
grep -q "cancelled; the job goes on" "$tmp/o" || fail "$(cat "$tmp/o")"
kill -CONT "$rank"
check "the job goes on after Ctrl-C" moves
[ ! -e "$REPRISE_DIR/ring/manifest.json" ] || fail "a generation of a failed attempt"

# An agent that is stopped.
agent=$(reprise ps --json | sed -n 's/.*"agent_pid": *\([0-9]*\).*/\1/p')
kill -STOP "$agent"
reprise checkpoint ring >"$tmp/o" 2>&1 &
command=$!
sleep 0.5
kill -INT $command
sleep 0.5
kill -0 $command || fail "one Ctrl-C does not wait for the agent: $(cat "$tmp/o")"
kill -INT $command
check "a second Ctrl-C ends it" until_true 10 sh -c "! kill -0 $command"
grep -q "the agent has not answered" "$tmp/o" || fail "$(cat "$tmp/o")"
refused 4 "timed out: the agent does not answer" reprise checkpoint --timeout 1 ring
kill -CONT "$agent"
check "the job goes on beside its agent" moves
[ ! -e "$REPRISE_DIR/ring/manifest.json" ] || fail "a generation of a request that was taken back"

reprise checkpoint --stop ring >/dev/null || fail "--stop"
[ "$(ps -o stat= --ppid $job | grep -c '^T')" = 2 ] || fail "--stop: $(ps -o stat= --ppid $job | xargs)"
# shellcheck disable=SC2046
kill -CONT $(ranks_of $job)
check "the job goes on after --stop and SIGCONT" moves

namespace=$(tr '\0' '\n' <"/proc/$rank/environ" | sed -n 's/^PMIX_NAMESPACE=//p')
segments=$(printf '/dev/shm/vader_segment.*.%d.%x.*' "$(id -u)" "$namespace")
# shellcheck disable=SC2086
ls $segments >/dev/null 2>&1 || echo "note: the job has no shared-memory segments"
# A restart that comes before the job ends waits for it (230: clock_nanosleep) and takes what the job writes last.
reprise restart ring >"$tmp/early" 2>&1 &
early=$!
check "a restart waits for the job" until_true 10 grep -q '^230 ' /proc/$early/syscall
kill -STOP $early
snapshot=$(reprise checkpoint --term ring) || fail "--term"
check "--term ends the job" until_true 10 sh -c "! kill -0 $job"
job=$early
check "the agent ends with the job" until_true 10 sh -c '! reprise ps | grep -q ring'
# shellcheck disable=SC2086
ls $segments 2>/dev/null && fail "shared memory of the job is left behind"

REPRISE_RESTART=$REPRISE_DIR/ring/2 timeout 20 mpirun --mca orte_fork_agent "$(command -v reprise) rank" -n 3 true >"$tmp/o" 2>&1 &&
	fail "a restart with three ranks"
grep -q "is of 2 ranks, this job has 3" "$tmp/o" || fail "$(cat "$tmp/o")"

mv "$tmp/early" "$tmp/out"
kill -CONT $early
check "the restarted job moves" moves
tr '\0' '\n' <"/proc/$job/environ" | grep -qx "REPRISE_RESTART=$snapshot" || fail "it is not restarted from $snapshot"
touch "$tmp/stop"
wait $job || fail "exit status of the restarted job"
job=
answer=$(grep ^answer "$tmp/out")
# shellcheck disable=SC2086
set -- $answer
expected=$(timeout 300 mpirun -n 2 "$bin/ring" "$2" /dev/null/none | grep ^answer)
[ "$answer" = "$expected" ] || fail "the answer is '$answer', undisturbed '$expected'"
