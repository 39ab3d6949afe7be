#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What a program is told of itself: as without Reprise, and the same to the last address after a restart. Arguments: ministub,
# directory of the programs.
. "$(dirname "$0")/pieces.sh"

# blocks FILE: has it this many?
blocks() { [ "$(grep -c '^end$' "$1")" -ge "$2" ]; }
wait_for() { until blocks "$@" || ! kill -0 $rank 2> kill.err; do sleep 0.05; done; }

# look FORM PIDS
look()
{
	rm -rf go snap one two rank native
	mkdir snap
	touch go
	"./mirror-$1" go 'an argument' > native 2>&1 < /dev/null || fail "$1 alone"
	rm go
	: > rank
	"$REPRISE" rank --no-agent "./mirror-$1" go 'an argument' > rank 2>&1 < /dev/null &
	rank=$!
	wait_for rank 1
	"$2/rankdump" $rank snap/rank-0 || { cat rank; fail "$1: dump"; }
	wait $rank 2> wait.err || true
	touch go
	"$REPRISE" rank --no-agent --restart snap --pid "$3" > again 2>&1 < /dev/null || { cat again; fail "$1: restart"; }
	blocks rank 2 || { cat rank again; fail "$1: nothing is said after the restart"; }
	awk '/^end$/ { n++; next } { print > (n ? "two" : "one") }' rank
	diff one two || fail "$1 sees a difference after the restart"
	grep ^same one > ours
	sed '/^end$/,$d' native | grep ^same | diff - ours || fail "$1 sees a difference to a run without"
	grep -q 'own map .*\[stack\]' one && grep -q 'own object' one || fail "$1 says too little"
	echo "$1, pid $3: same"
}

for form in pie fixed static; do cp "$2/mirror-$form" .; done
look pie "$2" exact
look fixed "$2" any
look static "$2" exact
echo ok
