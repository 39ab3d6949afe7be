#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: shape.sh BINDIR
#
# A restart whose shape differs is refused with the difference in one line, with 125 and before anything has changed: another
# number of ranks, another MPI library, a CPU that lacks something, a program or a mapped file that was replaced.
. "$(dirname "$0")/common.sh"
cp "$bin/ring" "$tmp/ring"
manifest=$REPRISE_DIR/s/manifest.json

# refused PATTERN [OPTION...]
refused()
{
	pattern=$1
	shift
	timeout 60 reprise restart s "$@" >"$tmp/o" 2>&1 </dev/null
	status=$?
	[ $status -eq 125 ] || fail "$pattern: exit $status: $(cat "$tmp/o")"
	[ "$(grep -c "^reprise[a-z ]*: .*$pattern" "$tmp/o")" = 1 ] || fail "says '$(cat "$tmp/o")', not '$pattern'"
	[ "$(grep -c "^reprise" "$tmp/o")" = 1 ] || fail "more than one line: $(cat "$tmp/o")"
}

reprise run --name s mpirun -n 2 "$tmp/ring" 1000000 "$tmp/stop" >"$tmp/out" 2>&1 &
job=$!
check "the job starts" until_true 20 grep -q ^step "$tmp/out"
reprise checkpoint s >/dev/null || fail "checkpoint"
kill_job $job
job=
grep -A 1 '"cpu_features":' "$manifest" | grep -q '^ *"[a-z0-9_]*",\?$' || fail "no CPU features in the manifest"

refused "the snapshot is of 2 ranks, this job has 3" -- -n 3
refused "the snapshot is of 2 ranks, this job has 1" -- -n 1
cp "$manifest" "$tmp/manifest"
sed 's/Open MPI 4\.[0-9.]*/Open MPI 4.0.9/' "$tmp/manifest" >"$manifest"
refused "was taken with Open MPI 4.0.9; the MPI library here is Open MPI 4"
sed 's/"cpu_features":\[/&"avx1024f",/' "$tmp/manifest" >"$manifest"
refused "ran on a CPU with avx1024f, which this one lacks"
sed 's/"kernel":"Linux [^"]*"/"kernel":"Linux 2.6.32"/' "$tmp/manifest" >"$manifest"
timeout 20 reprise restart --showme s 2>&1 | grep -q "warning: .*Linux 2.6.32" || fail "no warning of another kernel"
cp "$tmp/manifest" "$manifest"

# Another program under the same name: the build id tells.
cp "$bin/plain" "$tmp/other"
mv "$tmp/ring" "$tmp/kept"
cp "$tmp/other" "$tmp/ring"
refused "rank 0: .*/ring was replaced since the checkpoint"
rm "$tmp/ring"
refused "rank 0: .*/ring: No such file"
mv "$tmp/kept" "$tmp/ring"
reprise restart s >"$tmp/out" 2>&1 </dev/null &
job=$!
check "with everything back the job goes on: $(cat "$tmp/out")" until_true 20 grep -q ^step "$tmp/out"
touch "$tmp/stop"
wait $job || fail "exit status $?"
job=
