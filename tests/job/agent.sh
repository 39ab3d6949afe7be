#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: agent.sh BINDIR
#
# The agent: one per job, in a session of its own with nothing of the rank's; survives the terminal, ends with the ranks. What is
# there of a job goes with it, also when its ranks, its launcher or all of them are killed with -9; then at the end of the next job.
. "$(dirname "$0")/common.sh"
export TMPDIR=$tmp/t
mkdir "$tmp/t"

agents() { reprise ps --json | python3 -c 'import json, sys; [print(j["agent_pid"]) for j in json.load(sys.stdin)]'; }
starts()
{
	check "the job starts: $(cat "$tmp/out")" until_true 20 grep -q ^step "$tmp/out"
	agent=$(agents)
	[ "$(wc -w <<<"$agent")" = 1 ] || fail "agents: $agent"
	space=$(tr '\0' '\n' <"/proc/$agent/environ" | sed -n 's/^PMIX_NAMESPACE=//p')
	segments=$(printf 'vader_segment.*.%d.%x.*' "$(id -u)" "$space")
}
run()
{
	rm -f "$tmp/stop"
	: >"$tmp/out"
	reprise run --name r mpirun -n 2 "$bin/ring" 1000000 "$tmp/stop" >"$tmp/out" 2>&1 &
	job=$!
	starts
}
# nothing: no process, no shared memory, no file of the job is there
nothing()
{
	! kill -0 "$agent" 2>/dev/null && [ -z "$(ls -A "$REPRISE_RUNTIME_DIR")" ] &&
		[ -z "$(find /dev/shm -name "$segments")" ] && [ -z "$(find "$tmp/t" -mindepth 2)" ]
}
left() { echo "agent $agent $(ls -A "$REPRISE_RUNTIME_DIR"; find /dev/shm -name "$segments"; find "$tmp/t" -mindepth 2)"; }

run
[ -n "$(find /dev/shm -name "$segments")" ] || echo "note: the job has no shared memory"
[ "$(ps -o sid= -p "$agent" | xargs)" != "$(ps -o sid= -p $job | xargs)" ] || fail "the agent is in the session of the job"
[ "$(readlink "/proc/$agent/fd/0" "/proc/$agent/fd/1" "/proc/$agent/fd/2" | sort -u)" = /dev/null ] || fail "descriptors: $(ls -l "/proc/$agent/fd")"
[ "$(readlink "/proc/$agent/cwd")" = / ] || fail "the agent holds $(readlink "/proc/$agent/cwd")"
touch "$tmp/stop"
wait $job || fail "exit status $?"
check "after a normal end: $(left)" until_true 10 nothing

# A terminal that closes, with the job in its background: the shell dies, launcher and ranks go on.
rm "$tmp/stop"
: >"$tmp/out"
python3 - "$tmp/out" reprise run --name r mpirun -n 2 "$bin/ring" 1000000 "$tmp/stop" <<'P'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1), os.dup2(out, 2)
    os.execvp("bash", ["bash", "-c", 'set -m; "$@" </dev/null & wait', "bash"] + sys.argv[2:])
while "step" not in open(sys.argv[1]).read():
    time.sleep(0.02)
os.close(fd)
os.waitpid(pid, 0)
P
starts
check "checkpoint when the terminal has gone" reprise checkpoint r
touch "$tmp/stop"
check "after the end without a terminal: $(left)" until_true 20 nothing
grep -q ^answer "$tmp/out" || fail "the job did not end: $(tail -n 3 "$tmp/out")"

run
# shellcheck disable=SC2046
kill -9 $(ranks_of $job)
wait $job 2>/dev/null
check "after the death of its ranks: $(left)" until_true 20 nothing

run
kill -9 $job
wait $job 2>/dev/null
check "after the death of its launcher: $(left)" until_true 20 nothing

run
# shellcheck disable=SC2046
set -- $agent $job $(ranks_of $job)
kill -9 "$@"
wait $job 2>/dev/null
job=
check "all are dead" until_true 10 sh -c "! kill -0 $*"
old=$segments
[ -n "$(ls -A "$REPRISE_RUNTIME_DIR")" ] || fail "nothing was left: this tests nothing"
run
touch "$tmp/stop"
wait $job || fail "exit status $?"
job=
check "after a job beside what another left: $(left)" until_true 20 nothing
[ -z "$(find /dev/shm -name "$old")" ] || fail "shared memory of the dead job: $(find /dev/shm -name "$old")"
exit 0
