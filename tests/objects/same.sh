#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: same.sh RANKS PROGRAM [ARG ...]: does the program print the same, and end alike, natively and as ranks of Reprise?
set -u
command -v mpirun > /dev/null || exit 77
ranks=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
timeout 50 mpirun --oversubscribe -n "$ranks" "$@" > "$dir/native" 2> "$dir/native.err"
native=$?
timeout 50 mpirun --oversubscribe -n "$ranks" "$REPRISE" rank --no-agent "$@" > "$dir/rank" 2> "$dir/rank.err"
rank=$?
[ -s "$dir/native" ] || { echo "no output natively (status $native)"; cat "$dir/native.err"; exit 1; }
[ "$native" = "$rank" ] || { echo "status $native natively, $rank under Reprise"; cat "$dir/rank.err"; exit 1; }
diff "$dir/native" "$dir/rank"
