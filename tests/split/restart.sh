#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A rank without MPI through a chain of restarts, with its own pid and with others, its clock ahead of the kernel's by more
# each time. Arguments: ministub, directory of the programs.
. "$(dirname "$0")/pieces.sh"
steps=60

chain()
{
	"$REPRISE" rank --no-agent "$2/counter" $steps > out0 2>&1 < /dev/null &
	launcher=$!
	sleep 0.6
	target=$(cat /proc/$launcher/task/$launcher/children | tr -d ' ')
	target=${target:-$launcher}
	for g in 1 2 3 4; do
		mkdir -p "snap$g"
		rm -rf "snap$g"/*
		"$2/rankdump" "$target" "snap$g/rank-0" 100000000000 || fail "$1: dump $g of $target"
		wait $launcher 2> wait.err || true
		"$REPRISE" rank --no-agent --restart "snap$g" --pid "$1" > "out$g" 2>&1 < /dev/null &
		launcher=$!
		sleep 0.6
		[ "$1" = any ] && target=$launcher
	done
	status=0
	wait $launcher || status=$?
	[ $status = 4 ] || { cat out?; fail "$1: status $status"; }
	cat out? > all
	[ "$(wc -l < all)" = $steps ] || { cat all; fail "$1: lines are missing"; }
	awk '$2 != NR - 1 || $3 != "heap" || $5 != 7 || $8 != "on" { print; bad = 1 } END { exit bad }' all || fail "$1: a step differs"
	echo "$1: ok"
}

chain exact "$2"
chain any "$2"
