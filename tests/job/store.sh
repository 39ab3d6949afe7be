#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: store.sh BINDIR
#
# A store that is full, read-only, on another file system, has blanks in its path; jobs with odd names. A checkpoint that fails says
# why in one line, leaves nothing behind and the newest generation whole, and the job goes on; with room again it succeeds. Old
# generations and what a killed writer left go away.
if [ -z "${IN_NAMESPACE-}" ]; then
	IN_NAMESPACE=1 exec unshare --mount "$0" "$@"
fi
. "$(dirname "$0")/common.sh"
mount -t tmpfs -o size=64m none /mnt 2>/dev/null || { echo "cannot mount"; exit 77; }
export REPRISE_DIR="/mnt/a store, with blanks"
s=$REPRISE_DIR/ring

moves()
{
	local before
	before=$(grep -c '^step' "$tmp/out")
	until_true 20 sh -c "[ \$(grep -c '^step' '$tmp/out') -gt $((before + 1)) ]"
}
entries() { (cd "$s" && echo *); }

reprise run --name ring mpirun -n 2 "$bin/ring" 1000000 "$tmp/stop" >"$tmp/out" 2>&1 &
job=$!
check "the job starts: $(cat "$tmp/out")" moves

# Three generations stay; numbers above them are somebody's who writes.
check "checkpoint" test "$(reprise checkpoint ring)" = "$s/1"
mkdir "$s/2"
for n in 3 4 5; do
	check "checkpoint $n" test "$(reprise checkpoint ring)" = "$s/$n"
done
mkdir "$s/7"
check "old generations and leftovers go: $(entries)" until_true 20 sh -c "[ \"\$(cd '$s' && echo *)\" = '3 4 5 7 lock manifest.json' ]"
rmdir "$s/7"

# Full, at whatever place of a checkpoint.
size=$(du -sk "$s/5" | cut -f1)
before=$(entries)
for free in 4 64 $((size / 2)) $((size * 3 / 4)) $((size * 9 / 10)) $((size + 64)); do
	room=$(df -k --output=avail /mnt | tail -n 1)
	head -c $(((room - free) * 1024)) /dev/zero >/mnt/filler
	reprise checkpoint ring >"$tmp/o" 2>&1
	status=$?
	if [ $status -ne 0 ]; then
		[ $status -eq 1 ] || fail "$free KiB free: exit $status: $(cat "$tmp/o")"
		grep -q "No space left" "$tmp/o" || fail "$free KiB free: $(cat "$tmp/o")"
		[ "$(wc -l <"$tmp/o")" = 1 ] || fail "$free KiB free: more than one line: $(cat "$tmp/o")"
		[ "$(entries)" = "$before" ] || fail "$free KiB free: left behind: $(entries), before: $before"
		full=$free
	fi
	check "$free KiB free: the newest is whole" reprise verify ring
	rm /mnt/filler
	check "the job goes on" moves
done
[ "${full:-0}" -ge $((size / 2)) ] || fail "the disk was not full as it should have been: ${full-}"
check "with room again" reprise checkpoint ring

# The room that a killed writer left is taken back before the next one needs it, that of old generations after a failure too.
fill() { head -c $((($(df -k --output=avail /mnt | tail -n 1) - 64) * 1024)) /dev/zero >"$1"; }
mkdir "$s/50"
fill "$s/50/filler"
check "checkpoint beside what was left" test "$(reprise checkpoint ring)" = "$s/51"
[ ! -e "$s/50" ] || fail "what was left stays: $(entries)"
agent=$(reprise ps --json | sed -n 's/.*"agent_pid": *\([0-9]*\).*/\1/p')
check "the agent has swept" until_true 20 sh -c "[ -z \"\$(ps -o pid= --ppid $agent)\" ]"
mkdir "$s/1"
fill "$s/1/filler"
refused 1 "No space left" reprise checkpoint ring
check "with the room of what is old" until_true 20 reprise checkpoint ring
[ ! -e "$s/1" ] || fail "what is old stays: $(entries)"

mount -o remount,ro /mnt || fail "remount"
refused 1 "Read-only file system" reprise checkpoint ring
refused 125 "Read-only file system" reprise run --dir /mnt/new mpirun -n 1 true
check "the job goes on" moves
mount -o remount,rw /mnt
seq=$(reprise list --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[-1]["seq"])')
check "checkpoint" test "$(reprise checkpoint --term ring)" = "$s/$((seq + 1))"
wait $job
reprise restart ring >"$tmp/out" 2>&1 &
job=$!
check "it restarts: $(cat "$tmp/out")" moves
kill_job $job
job=

# Names.
for name in "" . .. .hidden a/b /abs $'new\nline' "$(printf '%256s' '' | tr ' ' x)"; do
	lines=5 refused 125 "cannot be the name of a job" reprise run --name "$name" mpirun -n 1 true
done
ls -A /mnt | grep -vx "$(basename "$REPRISE_DIR")" && fail "a refused name made something"
for name in "with blanks" "-dash" "quote'\"\$x;*?" "umläut" "99"; do
	reprise run --name="$name" mpirun -n 1 "$bin/plain" count 100 $'two\nlines' >"$tmp/out" 2>&1 &
	job=$!
	check "'$name' counts: $(cat "$tmp/out")" until_true 20 grep -q "^count 0 2" "$tmp/out"
	check "'$name': checkpoint" test "$(reprise checkpoint -- "$name")" = "$REPRISE_DIR/$name/1"
	reprise ps --json | NAME=$name python3 -c 'import json, os, sys; assert json.load(sys.stdin)[0]["name"] == os.environ["NAME"]' || fail "'$name': ps --json"
	[ "$(reprise ps | wc -l)" = 2 ] || fail "'$name': ps prints $(reprise ps)"
	kill_job $job
	check "'$name': verify" reprise verify "./$name"
	reprise restart "./$name" >"$tmp/out" 2>&1 &
	job=$!
	check "'$name': restart: $(cat "$tmp/out")" until_true 20 grep -q "^count" "$tmp/out"
	kill_job $job
	job=
	[ "$(reprise list | wc -l)" -ge 2 ] || fail "'$name': list prints $(reprise list)"
	rm -r "${REPRISE_DIR:?}/$name"
done
# Written by hand, the name comes from the environment: one that leads out is not taken.
env REPRISE_NAME=.. mpirun -n 1 reprise rank "$bin/plain" count 100 >"$tmp/out" 2>&1 &
job=$!
check "it counts" until_true 20 grep -q "^count 0 2" "$tmp/out"
check "checkpoint" test "$(reprise checkpoint)" = "$REPRISE_DIR/plain-$job/1"
