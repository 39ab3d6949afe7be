#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: namespace.sh BINDIR [CYCLES]
#
# Each incarnation runs in a pid namespace of its own, fresh, where the launcher and its threads would take just the low
# ids that the image needs.
. "$(dirname "$0")/common.sh"
cycles=${2:-4}
unshare --pid --fork --mount-proc true 2>/dev/null || { echo "no pid namespaces"; exit 77; }

# What runs inside: pid 1 is this shell; the job, its checkpoint, its end by -9 with the namespace.
cat >"$tmp/inside.sh" <<'I'
trap : TERM
"$@" >"$OUT" 2>&1 &
job=$!
for i in $(seq 400); do
	grep -q ^step "$OUT" 2>/dev/null && break
	kill -0 $job || exit 1
	sleep 0.05
done
if [ -n "$LAST" ]; then
	touch "$STOP"
	wait $job
	exit
fi
reprise checkpoint ring >"$OUT.snapshot" 2>&1 || exit 1
sleep 0.3
I
export OUT STOP=$tmp/stop LAST=
inside() { timeout 60 unshare --pid --fork --mount-proc --kill-child=KILL bash "$tmp/inside.sh" "$@"; }

OUT=$tmp/out.0
inside reprise run --name ring mpirun -n 2 "$bin/ring" 1000000 "$STOP" || fail "the first run: $(cat "$OUT" "$OUT.snapshot")"
for n in $(seq "$cycles"); do
	OUT=$tmp/out.$n
	[ "$n" -lt "$cycles" ] || LAST=yes
	inside reprise restart ring || fail "restart $n: $(cat "$OUT" "$OUT.snapshot" 2>&1)"
	rm -rf /tmp/ompi."$(hostname -s).$(id -u)"/pid.[1-9] 2>/dev/null
done
# shellcheck disable=SC2046
set -- $(grep ^answer "$OUT")
expected=$(timeout 300 mpirun -n 2 "$bin/ring" "$2" /dev/null/none | grep ^answer)
[ "$*" = "$expected" ] || fail "the answer is '$*', undisturbed '$expected'"
echo "$cycles restarts, each in a fresh namespace: $*"
