#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: marathon.sh BINDIR RANKS CYCLES [SEED]
#
# One job of random messages and collectives goes through CYCLES cycles, each at a random moment: a checkpoint after which it
# ends, one after which it runs on and is killed by -9, or one after which it simply goes on. Each restart is of the newest
# generation. At the end its answer has to be that of an uninterrupted run of as many steps.
. "$(dirname "$0")/../job/common.sh"
ranks=$2 cycles=$3 seed=${4:-$RANDOM$RANDOM}
RANDOM=$seed
echo "seed $seed"
restarts=0

nap() { sleep "0.$(printf %03d $((RANDOM % $1)))"; }
# The launcher is the job itself: a job that was killed a moment ago may still be listed.
up() { until_true 60 sh -c "reprise ps | grep -q '^marathon  *$job  *$ranks/$ranks '"; }

reprise run --name marathon mpirun -n "$ranks" "$bin/torture" 100000000 "$seed" 200 "$tmp/stop" >"$tmp/out" 2>&1 </dev/null &
job=$!
up || fail "the job does not start: $(cat "$tmp/out")"
for cycle in $(seq "$cycles"); do
	what=$((RANDOM % 3))
	nap 500
	option=
	[ $what -ne 0 ] || option=--term
	# shellcheck disable=SC2086
	timeout 120 reprise checkpoint $option marathon >"$tmp/o" 2>&1 || fail "cycle $cycle ($what): $(cat "$tmp/o" "$tmp/out")"
	case $what in
	0) wait $job ;;
	1) nap 300 && kill_job $job ;;
	2) continue ;;
	esac
	restarts=$((restarts + 1))
	reprise restart marathon >"$tmp/out" 2>&1 </dev/null &
	job=$!
	up || fail "cycle $cycle ($what): the restarted job does not start: $(cat "$tmp/out")"
done
touch "$tmp/stop"
until_true 120 grep -q ^torture "$tmp/out" || fail "no end: $(cat "$tmp/out")"
wait $job || fail "exit status $?: $(cat "$tmp/out")"
job=
answer=$(grep ^torture "$tmp/out")
# shellcheck disable=SC2086
set -- $answer
expected=$(timeout 1200 mpirun -n "$ranks" "$bin/torture" "$2" "$seed" | grep ^torture)
[ "$answer" = "$expected" ] || fail "the answer is '$answer', undisturbed '$expected'"
echo "$cycles cycles, $restarts restarts: $answer"
