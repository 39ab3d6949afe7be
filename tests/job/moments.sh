#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: moments.sh BINDIR
#
# A checkpoint at every moment of an MPI program's life: before MPI_Init, while one rank is in it, after it, while one rank is in
# MPI_Finalize, after it. Restarted, the program goes on from there.
. "$(dirname "$0")/common.sh"
d=$tmp/d
mkdir "$d"

go() { for what in "$@"; do touch "$d/$what"; done; }
said() { until_true 20 sh -c "[ \$(cat '$tmp'/out* | grep -c '$1') -ge $2 ]"; }
again()
{
	kill_job $job
	cat "$tmp/out" >>"$tmp/out.before"
	reprise restart job >"$tmp/out" 2>&1 </dev/null &
	job=$!
	check "restarted: $(cat "$tmp/out")" until_true 20 sh -c "reprise ps | grep -q '^job  *$job  *2/2 '"
}

reprise run --name job mpirun -n 2 "$bin/moments" "$d" >"$tmp/out" 2>&1 </dev/null &
job=$!
check "both start" said before 2
reprise checkpoint job >"$tmp/o" 2>&1 || fail "before MPI_Init: $(cat "$tmp/o")"
again

# One rank is in MPI_Init: the request waits until everyone is through, or its time is over.
go init-0
sleep 0.5
reprise checkpoint --timeout 1 job >"$tmp/o" 2>&1
[ $? -eq 4 ] || fail "one rank in MPI_Init: $(cat "$tmp/o")"
reprise checkpoint job >"$tmp/o" 2>&1 &
command=$!
sleep 0.3
kill -0 $command || fail "the request did not wait: $(cat "$tmp/o")"
go init-1
wait $command || fail "through MPI_Init: $(cat "$tmp/o")"
check "both are up" said up 2
again
go work-0 work-1
check "both work: $(cat "$tmp/out")" said "worked 81" 2
reprise checkpoint job >"$tmp/o" 2>&1 || fail "after the work: $(cat "$tmp/o")"

# Ending.
go final-0
check "rank 0 is in MPI_Finalize" said "0 final" 1
sleep 0.3
reprise checkpoint --timeout 10 job >"$tmp/o" 2>&1
{ [ $? -eq 3 ] && grep -q "the job is ending" "$tmp/o"; } || fail "rank 0 in MPI_Finalize: $(cat "$tmp/o")"
go final-1
check "both are through" said after 2
reprise checkpoint --timeout 10 job >"$tmp/o" 2>&1
{ [ $? -eq 3 ] && grep -q "the job is ending" "$tmp/o"; } || fail "after MPI_Finalize: $(cat "$tmp/o")"
go exit-0
sleep 0.3
reprise checkpoint --timeout 10 job >"$tmp/o" 2>&1
{ [ $? -eq 3 ] && grep -q "the job is ending" "$tmp/o"; } || fail "rank 0 has ended: $(cat "$tmp/o")"
go exit-1
wait $job || fail "exit status $?: $(cat "$tmp/out")"
job=

# --seq and --latest: an older generation goes through the same doors again.
rm "$d"/*
reprise restart --seq 1 job >"$tmp/out" 2>&1 </dev/null &
job=$!
sleep 0.5
grep -q up "$tmp/out" && fail "generation 1 is before MPI_Init: $(cat "$tmp/out")"
go init-0 init-1
check "generation 1 initialises: $(cat "$tmp/out")" said up 2
go work-0 work-1 final-0 final-1 exit-0 exit-1
wait $job || fail "generation 1: exit status $?: $(cat "$tmp/out")"
job=
[ "$(grep -c 'worked 81' "$tmp/out")" = 2 ] || fail "generation 1: $(cat "$tmp/out")"
reprise restart --latest >"$tmp/out" 2>&1 </dev/null || fail "--latest: exit status $?: $(cat "$tmp/out")"
[ "$(grep -c 'after' "$tmp/out")" = 2 ] || fail "--latest: $(cat "$tmp/out")"
grep -q worked "$tmp/out" && fail "--latest is not the newest: $(cat "$tmp/out")"
exit 0
