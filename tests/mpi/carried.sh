#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: carried.sh PROGRAM RANKS: the program opens what it has, and waits three times for a file. Each time the job is
# checkpointed, killed and restarted before the file is made. It prints what an uninterrupted run prints.
set -u
program=$(realpath "$1") ranks=$2
command -v mpirun > /dev/null || exit 77
tmp=$(mktemp -d) || exit 1
name=carried-$$
job=
trap '[ -z "$job" ] || kill "$job" 2> /dev/null; wait; rm -rf "$tmp"' EXIT

fail()
{
	echo "FAILED in generation ${g:-0}: $1"
	tail -n 5 "$tmp"/err.* "$tmp"/ck*
	exit 1
}

ready()
{
	until [ "$(grep -c "READY $g" "$tmp/err.$g")" = "$ranks" ]; do
		kill -0 "$job" 2> /dev/null || fail "the job has ended"
		sleep 0.05
	done
}

mkdir "$tmp/native" "$tmp/go"
touch "$tmp/native/go.0" "$tmp/native/go.1" "$tmp/native/go.2"
timeout 60 mpirun --oversubscribe -n "$ranks" "$program" "$tmp/native/go" > "$tmp/expected" 2> "$tmp/err.native" || fail "native run"
timeout 250 "$REPRISE" run --name "$name" --dir "$tmp/store" mpirun --oversubscribe -n "$ranks" "$program" "$tmp/go/go" \
	> "$tmp/out.0" 2> "$tmp/err.0" < /dev/null &
job=$!
for g in 0 1 2; do
	ready
	timeout 60 "$REPRISE" checkpoint --term "$name" > "$tmp/ref" 2> "$tmp/ck.$g" || fail "checkpoint: exit $?"
	wait "$job"
	timeout 250 "$REPRISE" restart "$(cat "$tmp/ref")" > "$tmp/out.$((g + 1))" 2> "$tmp/err.$((g + 1))" < /dev/null &
	job=$!
	touch "$tmp/go/go.$g"
done
wait "$job"
status=$?
job=
[ $status = 0 ] || fail "exit status $status"
diff "$tmp/expected" "$tmp/out.3" || fail "the answers differ"
echo "3 restarts, the same $(wc -l < "$tmp/expected") lines"
