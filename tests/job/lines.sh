#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: lines.sh BINDIR
#
# Launcher lines of all shapes: a script that execs the program, several programs, a file of them, `reprise rank` written by hand,
# options of every class, names relative to the working directory, output that a script puts into files, a reader of the output that
# goes away; and the restart's line made from each, from another directory.
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
	check "$name starts" until_true 20 grep -q ^step "${steps:-$tmp/out.$name}"
	reprise checkpoint "$name" >/dev/null || fail "$name: checkpoint"
	kill_job $job
	(cd / && exec reprise restart "$name" >"$tmp/again.$name" 2>&1) &
	job=$!
	until_true 20 grep -q ^step "${steps:-$tmp/again.$name}" || fail "$name: restart: $(cat "$tmp/again.$name")"
	touch "$tmp/stop"
	wait $job || fail "$name: exit $?: $(cat "$tmp/again.$name")"
	job=
	# shellcheck disable=SC2046
	set -- $(grep ^answer "${steps:-$tmp/again.$name}")
	expected=$(timeout 300 mpirun -n 2 "$bin/ring" "$2" /dev/null/none | grep ^answer)
	[ "$*" = "$expected" ] || fail "$name: '$*', undisturbed '$expected'"
}

cycle wrapped reprise run --name wrapped mpirun -n 2 "$tmp/wrap.sh" 1000000 "$tmp/stop"
cycle several reprise run --name several mpirun -n 1 "$bin/ring" 1000000 "$tmp/stop" : -n 1 "$tmp/wrap.sh" 1000000 "$tmp/stop"
cycle byhand mpirun -n 2 reprise rank "$bin/ring" 1000000 "$tmp/stop"
cycle tagged reprise run --name tagged mpirun --mca btl_base_verbose 0 -x PATH -np 2 "$bin/ring" 1000000 "$tmp/stop"
printf -- '-n 1 %s 1000000 %s\n' "$bin/ring" "$tmp/stop" "$tmp/wrap.sh" "$tmp/stop" >"$tmp/app"
cycle appfile reprise run --name appfile mpirun --app "$tmp/app"

mkdir "$tmp/wd"
cp "$bin/ring" "$tmp/wd/"
cycle relative sh -c "cd '$tmp' && exec reprise run --name relative mpirun -wdir wd --bind-to core --map-by slot -x A=b -np 2 ./ring 1000000 ../stop"
cycle files reprise run --name files mpirun --output-filename "$tmp/of" --merge-stderr-to-stdout -n 2 "$bin/ring" 1000000 "$tmp/stop"
grep -q ^answer "$tmp"/of/*/rank.0/stdout || fail "--output-filename: $(find "$tmp/of")"
reprise restart --showme files -- --output-filename other | grep -q "of" && fail "an option that was given anew stays: $(reprise restart --showme files -- --output-filename other)"

# The program's own output, opened by a script.
cat >"$tmp/redirect.sh" <<W
#!/bin/sh
exec "$bin/ring" "\$@" >"$tmp/own.\$OMPI_COMM_WORLD_RANK"
W
chmod +x "$tmp/redirect.sh"
steps=$tmp/own.0 cycle redirected reprise run --name redirected mpirun -n 2 "$tmp/redirect.sh" 1000000 "$tmp/stop"
[ "$(grep -c ^step "$tmp/own.0")" = "$(grep ^step "$tmp/own.0" | sort -u | wc -l)" ] || fail "lines twice: $(sort "$tmp/own.0" | uniq -d)"
[ "$(grep ^step "$tmp/own.0" | sed -n '$s/step //p')" = $((25 * $(grep -c ^step "$tmp/own.0"))) ] || fail "lines are missing: $(cat "$tmp/own.0")"
[ ! -s "$tmp/again.redirected" ] || fail "output that belongs into the file: $(cat "$tmp/again.redirected")"

# Nobody reads any more: the job goes on as one that was never checkpointed.
rm "$tmp/stop"
mkfifo "$tmp/pipe"
reprise restart redirected >"$tmp/pipe" 2>&1 &
job=$!
head -c 0 "$tmp/pipe"
before=$(grep -c ^step "$tmp/own.0")
check "a job without reader" until_true 20 sh -c "[ \$(grep -c ^step '$tmp/own.0') -gt $((before + 2)) ]"
touch "$tmp/stop"
wait $job || fail "without reader: exit $?"
job=
# Where the ranks do print, mpirun itself gives up.
rm "$tmp/stop"
for how in "mpirun -n 2 $bin/ring 1000000 $tmp/stop" "reprise restart tagged"; do
	$how 2>"$tmp/err" | head -n 1 >"$tmp/first"
	[ "${PIPESTATUS[0]}" = 1 ] || fail "$how: a reader that goes: exit ${PIPESTATUS[0]}"
	grep -q ^step "$tmp/first" && grep -q "SIGPIPE detected" "$tmp/err" || fail "$how: $(cat "$tmp/first" "$tmp/err")"
done

# A new allocation takes the place of the old mapping, and of nothing else.
line=$(reprise restart --showme --hostfile "$tmp/hosts" relative)
grep -q -- "--hostfile $tmp/hosts .*-wdir wd -x A=b -np 2 ./ring" <<<"$line" && ! grep -q "bind-to\|map-by" <<<"$line" || fail "--hostfile: $line"
line=$(reprise restart --showme relative -- --bind-to none)
grep -q -- "--bind-to none .*--map-by slot" <<<"$line" && ! grep -q "bind-to core" <<<"$line" || fail "-- --bind-to none: $line"

reprise restart --showme several | grep -q -- "-n 1 .*ring 1000000 .* : -n 1 .*wrap.sh" || fail "$(reprise restart --showme several)"
reprise restart --showme tagged | grep -q -- "--mca btl_base_verbose 0 -x PATH -np 2" || fail "$(reprise restart --showme tagged)"
reprise restart --info tagged | grep -q "^mapping *-np 2" || fail "$(reprise restart --info tagged)"
reprise restart --info tagged | grep -q "^program .*ring" || fail "$(reprise restart --info tagged)"
reprise restart --showme tagged -- --tag-output | grep -q -- " --tag-output .*-np 2" || fail "extra options"
reprise restart --showme tagged -- --tag-output | grep -q -- " tagged " && fail "the snapshot's name went to the launcher"
reprise restart --showme --env A=b tagged | grep -q " A=b " || fail "--env"
