#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: freed.sh PROGRAM: a checkpoint between the calls of MPI_Comm_free of two ranks. The restart must not wait for the
# one that has freed the communicator already to make it again.
set -u
command -v mpirun > /dev/null && command -v "${REPRISE:=reprise}" > /dev/null || exit 77
tmp=$(mktemp -d) || exit 1
name=freed-$$
job=
trap '[ -n "$job" ] && kill $job 2> /dev/null; rm -rf "$tmp"' EXIT
fail() { echo "FAILED: $1"; tail -n 20 "$tmp"/*; exit 1; }

timeout 60 "$REPRISE" run --name "$name" --dir "$tmp/store" mpirun --oversubscribe -n 2 "$1" 6 > "$tmp/out" 2> "$tmp/err" &
job=$!
until grep -q READY "$tmp/err"; do
	kill -0 $job 2> /dev/null || fail "the job has not begun"
	sleep 0.05
done
timeout 50 "$REPRISE" checkpoint --term "$name" > "$tmp/ref" 2> "$tmp/err.ck" || fail "checkpoint"
wait $job
job=
timeout 60 "$REPRISE" restart "$(cat "$tmp/ref")" > "$tmp/again" 2> "$tmp/err.again" || fail "restart: $?"
grep -q done "$tmp/again" || fail "it has not come to its end"
