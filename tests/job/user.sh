#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: user.sh BINDIR
#
# An ordinary user without any capability: run, checkpoint, restart under new ids, which --pid prefer lists, each rank a child of
# the launcher and none behind a proxy. Ids as they were need a right, and one line says so. Another user's job is not his to
# checkpoint, nor his store to read.
id=54321
as_user() { setpriv --reuid $id --regid $id --clear-groups "$@"; }

# As root: a copy of the programs where that user may read them, and a job of root's own beside it.
if [ -z "${OTHERS-}" ]; then
	[ "$(id -u)" = 0 ] && as_user true 2>/dev/null || { echo "needs root, to become somebody else"; exit 77; }
	. "$(dirname "$0")/common.sh"
	chmod 755 "$tmp"
	cp -r "$REPRISE_STAGE" "$tmp/stage"
	cp "$bin/ring" "$bin/plain" "$(dirname "$0")/common.sh" "$0" "$tmp/stage/"
	mkdir "$tmp/home"
	chown $id:$id "$tmp/home"
	cd "$tmp/home" || exit 1
	reprise run --name roots mpirun -n 1 "$bin/plain" count 1000 >"$tmp/out" 2>&1 &
	job=$!
	check "root's job counts" until_true 20 grep -q "^count 0 1" "$tmp/out"
	check "checkpoint" reprise checkpoint roots
	OTHERS=$tmp HOME=$tmp/home TMPDIR=$tmp/home PATH=$tmp/stage/bin:$PATH REPRISE_STAGE=$tmp/stage \
		as_user "$tmp/stage/user.sh" "$tmp/stage"
	exit
fi
. "$(dirname "$0")/common.sh"
umask 022

begins() { check "$1: $(cat "$tmp/out" "$tmp/err")" until_true 20 grep -q ^step "$tmp/out"; }

# ranks_are COUNT: so many children of the launcher, all of them the program
ranks_are()
{
	for p in $(ranks_of $job); do
		readlink "/proc/$p/exe" || cut -d '' -f1 "/proc/$p/cmdline"
	done >"$tmp/ranks" 2>/dev/null
	[ "$(grep -c . "$tmp/ranks")" = "$1" ] || fail "children of the launcher: $(ps -o pid=,args= --ppid $job)"
	ps -o args= --ppid $job | grep -q "reprise rank" && fail "a proxy: $(ps -o pid=,args= --ppid $job)"
}

reprise run --name u mpirun -n 2 "$bin/ring" 1000000 "$tmp/stop" >"$tmp/out" 2>"$tmp/err" &
job=$!
begins "the job starts"
check "checkpoint" reprise checkpoint u
[ "$(stat -c '%a %u' "$REPRISE_DIR/u" "$REPRISE_DIR/u/1/rank-0" | sort -u)" = "700 $id" ] || fail "modes of the store"
old=$(ranks_of $job)
kill_job $job
refused 125 "need CAP_CHECKPOINT_RESTORE, which is missing; use --pid prefer or any" reprise restart u

reprise restart --pid prefer u >"$tmp/out" 2>"$tmp/err" &
job=$!
begins "--pid prefer"
for p in $old; do
	grep -q "pid $p cannot be asked for: CAP_CHECKPOINT_RESTORE is missing: pid [0-9]* is used" "$tmp/err" || fail "$p is not listed: $(cat "$tmp/err")"
done
ranks_are 2
check "checkpoint of what came back" reprise checkpoint --term u
wait $job

reprise restart --pid any u >"$tmp/out" 2>"$tmp/err" &
job=$!
begins "--pid any"
ranks_are 2
[ ! -s "$tmp/err" ] || fail "--pid any says: $(cat "$tmp/err")"

# What is root's.
[ "$(reprise ps | wc -l)" = 2 ] || fail "ps lists another user's job: $(reprise ps)"
[ -z "$(REPRISE_RUNTIME_DIR=$OTHERS/run reprise ps 2>&1)" ] || fail "ps of another user's directory"
refused 1 "no job 'roots'" env REPRISE_RUNTIME_DIR="$OTHERS/run" reprise checkpoint roots
refused 125 "Permission denied" reprise restart "$OTHERS/store/roots"
refused 1 "Permission denied" reprise verify "$OTHERS/store/roots"
refused 1 "Permission denied" reprise list "$OTHERS/store/roots"
refused 125 "Permission denied" reprise run --dir /root/x mpirun -n 1 true

touch "$tmp/stop"
wait $job || fail "exit status $?: $(cat "$tmp/out" "$tmp/err")"
job=
# shellcheck disable=SC2046
set -- $(grep ^answer "$tmp/out")
expected=$(timeout 300 mpirun -n 2 "$bin/ring" "$2" /dev/null/none | grep ^answer)
[ "$*" = "$expected" ] || fail "the answer is '$*', undisturbed '$expected'"
