#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: foreign.sh BINDIR: MPI programs that cannot be carried run as they would without Reprise, and one line of the job
# says so; a checkpoint is refused with the reason. What can be carried although it asks for its own library is carried.
. "$(dirname "$0")/../job/common.sh"
unset LD_LIBRARY_PATH

# said TIMES TEXT
said() { [ "$(grep -c "$2" "$tmp/err")" = "$1" ] || fail "'$2' is not said $1 times: $(cat "$tmp/err")"; }

# expect STATUS COMMAND...
expect()
{
	expected=$1
	shift
	status=0
	timeout 60 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	[ $status = "$expected" ] || fail "$*: status $status: $(cat "$tmp/out" "$tmp/err")"
}

for form in static mpich; do
	text='linked statically; link it dynamically'
	[ $form = mpich ] && text='needs libmpi.so.12; only programs of Open MPI 4'
	expect 9 "$bin/foreign-$form"
	expect 9 reprise rank --no-agent "$bin/foreign-$form"
	said 1 "$text.*; it runs, but cannot be checkpointed"
	expect 9 reprise rank --no-agent sh -c "exec $bin/foreign-$form"
	said 1 "$text"
	rm -f "$tmp/stop" "$tmp/err"
	reprise run --name $form mpirun -n 2 "$bin/foreign-$form" "$tmp/stop" 2>"$tmp/err" &
	job=$!
	until_true 20 grep -q "$text" "$tmp/err" || fail "$form: nothing is said: $(cat "$tmp/err")"
	status=0
	timeout 60 reprise checkpoint $form >"$tmp/out" 2>&1 || status=$?
	[ $status = 3 ] || fail "$form: the checkpoint's status is $status: $(cat "$tmp/out")"
	grep -q "rank [01]: .*$text" "$tmp/out" || fail "$form: refused for another reason: $(cat "$tmp/out")"
	touch "$tmp/stop"
	wait $job
	[ $? = 9 ] || fail "$form: the job's status"
	job=
	said 1 "$text"
	echo "$form: runs"
done
reprise check -- "$bin/foreign-static" >"$tmp/out" 2>&1
[ $? = 3 ] || fail "check: $(cat "$tmp/out")"

expect 0 mpirun -n 2 reprise rank --no-agent "$bin/foreign-by-path"
said 0 reprise
expect 9 "$bin/children" dlopen "$bin/foreign/libmpi.so.40"
expect 0 mpirun -n 1 reprise rank --no-agent "$bin/children" dlopen "$bin/foreign/libmpi.so.40"
said 0 reprise
expect 9 reprise rank --no-agent "$bin/children" dlopen "$bin/libmpi.so.12"
said 1 'libmpi.so.12 is opened; only Open MPI 4'
expect 9 "$bin/children" dlopen libforeign-name-lib.so
expect 9 reprise rank --no-agent "$bin/children" dlopen libforeign-name-lib.so # by the caller's own run path
for form in name rpath; do
	expect 9 "$bin/foreign-by-$form"
	expect 0 mpirun -n 2 reprise rank --no-agent "$bin/foreign-by-$form"
done
expect 0 mpirun -n 2 -x LD_PRELOAD="$bin/libprofile.so" reprise rank --no-agent "$bin/foreign-by-name"
[ "$(grep -c '^profiled' "$tmp/out")" = 2 ] || fail "the user's LD_PRELOAD is not in front: $(cat "$tmp/out")"
echo "libraries: ok"

for how in fork vfork spawn spawnp system popen; do
	expect 9 reprise rank --no-agent "$bin/children" $how "$bin/foreign-by-name"
	said 1 "foreign-by-name is an MPI program started as a child of a rank: it runs"
done
mkfifo -m 755 "$tmp/pipe" # nobody ever writes
for launch in "" "reprise rank --no-agent"; do
	expect 126 $launch "$bin/children" system "$tmp/pipe"
	expect 1 $launch "$bin/children" fork "$tmp/pipe"
done
# A rank that has ended before the other one came would have had an agent of its own.
meet="touch $tmp/here.\$OMPI_COMM_WORLD_RANK; until [ -e $tmp/here.0 ] && [ -e $tmp/here.1 ]; do sleep 0.05; done"
expect 9 reprise run --name many mpirun -n 2 sh -c "$meet; exec $bin/children system $bin/foreign-by-name"
said 1 "foreign-by-name is an MPI program started as a child"
rm "$tmp"/here.*
expect 9 reprise run --name shell mpirun -n 2 sh -c "$meet; $bin/foreign-by-name; exit \$?"
said 1 "foreign-by-name is an MPI program started as a child"
expect 0 reprise run --name quiet mpirun -n 2 sh -c "ls / > /dev/null; true"
said 0 "MPI program"
echo "children: ok"
