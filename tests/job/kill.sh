#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: kill.sh BINDIR ROUNDS [SEED]
#
# Somebody dies by SIGKILL at a random moment of a checkpoint: a rank, the launcher, the agent, or the command. The newest
# committed generation always restarts; where only the command or the agent died, the job goes on. One job runs through
# all rounds; its answer at the end is that of an undisturbed run.
. "$(dirname "$0")/common.sh"
rounds=$2 seed=${3:-$RANDOM$RANDOM}
RANDOM=$seed
echo "seed $seed"
n=0
victims=(rank launcher agent command)

agent_pid() { reprise ps --json | sed -n 's/.*"agent_pid": *\([0-9]*\).*/\1/p' | head -n 1; }
steps() { grep -c '^step' "$tmp/out.$n"; }
moves()
{
	local before
	before=$(steps 2>/dev/null)
	until_true 20 sh -c "[ \$(grep -c '^step' '$tmp/out.$n') -gt ${before:-0} ]"
}

restart()
{
	n=$((n + 1))
	reprise restart ring >"$tmp/out.$n" 2>&1 &
	job=$!
	moves || fail "round $1 ($2): the restarted job does not move: $(tail -n 5 "$tmp/out.$n")"
}

reprise run --name ring mpirun -n 2 "$bin/ring" 1000000 "$tmp/stop" >"$tmp/out.0" 2>&1 &
job=$!
check "the job starts: $(cat "$tmp/out.0")" moves
reprise checkpoint ring >/dev/null || fail "the first checkpoint"
for round in $(seq "$rounds"); do
	victim=${victims[RANDOM % 4]}
	agent=$(agent_pid)
	reprise checkpoint ring >"$tmp/cp" 2>&1 &
	command=$!
	sleep "0.$(printf %03d $((RANDOM % 200)))"
	# shellcheck disable=SC2046
	case $victim in
	rank) set -- $(ranks_of $job) && kill -9 "$1" ;;
	launcher) kill -9 $job ;;
	agent) kill -9 "$agent" ;;
	command) kill -9 $command 2>/dev/null ;;
	esac
	wait $command 2>/dev/null
	case $victim in
	command)
		moves || fail "round $round: the job stopped when the command died"
		until_true 20 reprise checkpoint ring || fail "round $round: no checkpoint after the command died: $(reprise checkpoint ring 2>&1)"
		;;
	agent)
		moves || fail "round $round: the job stopped when the agent died"
		reprise checkpoint ring >"$tmp/cp" 2>&1 && fail "round $round: a checkpoint without an agent"
		grep -q "can no longer be checkpointed" "$tmp/cp" || fail "round $round: $(cat "$tmp/cp")"
		;;
	esac
	if [ $victim != command ]; then
		kill_job $job
		reprise verify ring >/dev/null || fail "round $round: after $victim died the newest generation is not sound"
		restart "$round" "$victim"
	fi
done
touch "$tmp/stop"
wait $job || fail "the job ends with $?: $(tail -n 5 "$tmp/out.$n")"
job=
answer=$(grep ^answer "$tmp/out.$n") || fail "no answer: $(tail -n 5 "$tmp/out.$n")"
# shellcheck disable=SC2086
set -- $answer
expected=$(timeout 300 mpirun -n 2 "$bin/ring" "$2" /dev/null/none | grep ^answer)
[ "$answer" = "$expected" ] || fail "the answer is '$answer', undisturbed '$expected'"
echo "$rounds rounds, $n restarts: $answer"
