#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: lines.sh BINDIR
#
# Launcher lines of all shapes: a script that execs the program, several programs, `reprise rank` written by hand, and the
# restart's line made from each.
. "$(dirname "$0")/common.sh"

cat >"$tmp/wrap.sh" <<W
#!/bin/sh
export WRAPPED=yes
exec "$bin/ring" "\$@"
W
chmod +x "$tmp/wrap.sh"

# cycle NAME COMMAND...: run, checkpoint, kill, restart, end, compare
cycle()
{
	name=$1
	shift
	rm -f "$tmp/stop"
	env REPRISE_NAME="$name" "$@" >"$tmp/out.$name" 2>&1 &
	job=$!
	check "$name starts" until_true 20 grep -q ^step "$tmp/out.$name"
	reprise checkpoint "$name" >/dev/null || fail "$name: checkpoint"
	kill_job $job
	reprise restart "$name" >"$tmp/again.$name" 2>&1 &
	job=$!
	until_true 20 grep -q ^step "$tmp/again.$name" || fail "$name: restart: $(cat "$tmp/again.$name")"
	touch "$tmp/stop"
	wait $job || fail "$name: exit $?: $(cat "$tmp/again.$name")"
	job=
	# shellcheck disable=SC2046
	set -- $(grep ^answer "$tmp/again.$name")
	expected=$(timeout 300 mpirun -n 2 "$bin/ring" "$2" /dev/null/none | grep ^answer)
	[ "$*" = "$expected" ] || fail "$name: '$*', undisturbed '$expected'"
}

cycle wrapped reprise run --name wrapped mpirun -n 2 "$tmp/wrap.sh" 1000000 "$tmp/stop"
cycle several reprise run --name several mpirun -n 1 "$bin/ring" 1000000 "$tmp/stop" : -n 1 "$tmp/wrap.sh" 1000000 "$tmp/stop"
cycle byhand mpirun -n 2 reprise rank "$bin/ring" 1000000 "$tmp/stop"
cycle tagged reprise run --name tagged mpirun --mca btl_base_verbose 0 -x PATH -np 2 "$bin/ring" 1000000 "$tmp/stop"

reprise restart --showme several | grep -q -- "-n 1 .*ring 1000000 .* : -n 1 .*wrap.sh" || fail "$(reprise restart --showme several)"
reprise restart --showme tagged | grep -q -- "--mca btl_base_verbose 0 -x PATH -np 2" || fail "$(reprise restart --showme tagged)"
reprise restart --info tagged | grep -q "^mapping *-np 2" || fail "$(reprise restart --info tagged)"
reprise restart --info tagged | grep -q "^program .*ring" || fail "$(reprise restart --info tagged)"
reprise restart --showme tagged -- --tag-output | grep -q -- " --tag-output .*-np 2" || fail "extra options"
reprise restart --showme tagged -- --tag-output | grep -q -- " tagged " && fail "the snapshot's name went to the launcher"
reprise restart --showme --env A=b tagged | grep -q " A=b " || fail "--env"
