#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: restart.sh RANKDUMP OBJECTS: the job of objects is dumped while it waits for a file, killed, restarted by a new mpirun, three
# generations in a row. In the end it has printed what a native run prints. No agent: nothing is in flight then.
set -u
dump=$1 objects=$2 ranks=4 times=3
command -v mpirun > /dev/null || exit 77
dir=$(mktemp -d)
launcher=
trap '[ -n "$launcher" ] && kill -9 $launcher 2> /dev/null; rm -rf "$dir"' EXIT

fail()
{
	echo "FAILED: $*"
	tail -n 5 "$dir"/err*
	exit 1
}

timeout 60 mpirun --oversubscribe -n $ranks "$objects" $times > "$dir/native" || fail "native run"
mpirun --oversubscribe -n $ranks "$REPRISE" rank --no-agent "$objects" $times "$dir/go" > "$dir/out0" 2> "$dir/err0" < /dev/null &
launcher=$!
for g in $(seq $times); do
	for i in $(seq 300); do
		[ "$(grep -c READY "$dir/err$((g - 1))")" = $ranks ] && break
		sleep 0.1
	done
	children=$(cat /proc/$launcher/task/*/children) # after a restart also those that wait in a rank's place
	pids=
	for pid in $children; do
		grep -q ^300000000000- /proc/$pid/maps && pids="$pids $pid"
	done
	kill -STOP $launcher
	for pid in $pids; do
		rank=$(tr '\0' '\n' < /proc/$pid/environ | sed -n 's/^OMPI_COMM_WORLD_RANK=//p')
		ranks_of[$pid]=$rank
	done
	for pid in $pids; do
		mkdir -p "$dir/job/$g/rank-${ranks_of[$pid]}"
		"$dump" $pid "$dir/job/$g/rank-${ranks_of[$pid]}" 0 || fail "dump of $pid in generation $g"
	done
	kill -9 $launcher $children 2> /dev/null
	wait $launcher 2> /dev/null
	for i in $(seq 50); do
		kill -0 $pids 2> /dev/null || break
		sleep 0.1
	done
	mpirun --oversubscribe -n $ranks "$REPRISE" rank --no-agent --restart "$dir/job/$g" \
		> "$dir/out$g" 2> "$dir/err$g" < /dev/null &
	launcher=$!
	touch "$dir/go.$g"
done
wait $launcher
status=$?
launcher=
[ $status = 0 ] || fail "status $status of the last generation"
diff "$dir/native" "$dir/out$times" || fail "the answers differ"
echo "$times restarts, the same answers"
