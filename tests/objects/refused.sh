#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: refused.sh OTHERS OBJECTS: what is not carried is named at launch, and a checkpoint while such an object is alive
# is refused by the name of the function that made it (exit 3), with the job going on.
set -u
others=$(realpath "$1") objects=$(realpath "$2")
command -v mpirun > /dev/null || exit 77
dir=$(mktemp -d)
launcher=
trap '[ -n "$launcher" ] && kill $launcher 2> /dev/null; wait; rm -rf "$dir"' EXIT
cd "$dir" || exit 1

fail()
{
	echo "FAILED: $*"
	tail -n 5 "$dir"/err*  "$dir"/text*
	exit 1
}

timeout 60 mpirun --oversubscribe -n 2 "$REPRISE" -v rank --no-agent "$others" > out 2> err < /dev/null || fail "others alone"
grep -q 'not carried.*MPI_Win_create' err || fail "nothing is said about MPI_Win_create"
[ "$(grep -c 'not carried' err)" = 1 ] || fail "said more than once"
timeout 60 mpirun --oversubscribe -n 1 "$REPRISE" -v rank --no-agent "$objects" > out 2> err < /dev/null # ends: wants four ranks
grep -q 'not carried' err && fail "something is said about a program that uses nothing of the kind"

# said LINE: the job has come to where it says so
said()
{
	for i in $(seq 600); do
		grep -q "$1" err && return
		kill -0 $launcher 2> /dev/null || fail "$kind: the job is gone"
		sleep 0.05
	done
	fail "$kind: no $1"
}

for kind in win:MPI_Win_create file:MPI_File_open tool:MPI_T_cvar_handle_alloc code:MPI_Iallreduce \
	persistent:MPIX_Barrier_init request:MPI_Grequest_start; do
	name=refused-$$-${kind%%:*}
	rm -f free end
	: > err
	"$REPRISE" run --name "$name" --dir "$dir/store" mpirun --oversubscribe -n 2 "$others" "${kind%%:*}" > out 2> err < /dev/null &
	launcher=$!
	said READY
	status=0
	timeout 60 "$REPRISE" checkpoint "$name" > text 2>&1 || status=$?
	[ $status = 3 ] || fail "$kind: exit $status"
	grep -q "${kind##*:}: " text || fail "$kind: the function is not named"
	touch free
	said FREED
	timeout 60 "$REPRISE" checkpoint "$name" > text 2>&1 || fail "$kind: exit $? after it was freed"
	touch end
	wait $launcher || fail "$kind: the job ended with status $?"
	launcher=
done
echo ok
