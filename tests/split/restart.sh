#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A rank without MPI through a chain of restarts by another installation, with its own pid and with others, its clock ahead of
# the kernel's by more each time; no clock goes back. And an image whose stub is of another release. Arguments: ministub,
# directory of the programs.
. "$(dirname "$0")/pieces.sh"
steps=60
cp -rL pieces other

lines() { cat out? | wc -l; }

# Until it has printed something more: all of its lines go to where the first ones went.
wait_for_step() { while [ "$(lines)" -le "$seen" ] && kill -0 $launcher 2> kill.err; do sleep 0.05; done; }

chain()
{
	rm -f out?
	seen=0
	"$REPRISE" rank --no-agent "$2/counter" $steps > out0 2>&1 < /dev/null &
	launcher=$!
	wait_for_step
	target=$(cat /proc/$launcher/task/$launcher/children | tr -d ' ')
	target=${target:-$launcher}
	for g in 1 2 3 4; do
		mkdir -p "snap$g"
		rm -rf "snap$g"/*
		"$2/rankdump" "$target" "snap$g/rank-0" 1000000000000 || fail "$1: dump $g of $target"
		wait $launcher 2> wait.err || true
		seen=$(lines)
		REPRISE_LIBEXECDIR="$WORK/other" "$REPRISE" rank --no-agent --restart "snap$g" --pid "$1" > "out$g" 2>&1 < /dev/null &
		launcher=$!
		wait_for_step
		[ "$1" = any ] && target=$launcher
	done
	status=0
	wait $launcher || status=$?
	[ $status = 4 ] || { cat out?; fail "$1: status $status"; }
	[ "$(tail -n 1 out0)" = "ahead 40 20 40 80" ] || { tail -n 1 out0; fail "$1: the clocks are elsewhere"; }
	cat out? | grep -v ahead > all
	[ "$(wc -l < all)" = $steps ] || { cat all; fail "$1: lines are missing"; }
	awk '$2 != NR - 1 || $3 != "heap" || $5 != 7 || $8 != "on" { print; bad = 1 } END { exit bad }' all || fail "$1: a step differs"
	echo "$1: ok"
}

chain exact "$2"
chain any "$2"

ln -sf "$2/libministub-old.so" pieces/libmpi.so.40
rm -f out?
seen=0
"$REPRISE" rank --no-agent "$2/counter" 1000 > out0 2>&1 < /dev/null &
launcher=$!
wait_for_step
"$2/rankdump" $launcher snap1/rank-0 0 || fail "dump with another stub"
wait $launcher 2> wait.err || true
status=0
"$REPRISE" rank --no-agent --restart snap1 --pid any > out1 2>&1 < /dev/null || status=$?
[ $status = 125 ] && [ "$(cat out? | grep -c "another release")" = 1 ] || { cat out?; fail "another stub: status $status"; }
echo "another release: ok"
