#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# golden.sh DIR SET: the images that CRIU 4.2 wrote of SET restore through every attachment and the program finds
# everything as it was. The images name files under /opt/reprise-samples, so this runs in a mount and pid namespace.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
if [ -z "${IN_NAMESPACE-}" ]; then
	exec env IN_NAMESPACE=1 unshare --mount --pid --fork --mount-proc "$0" "$@"
fi
golden=$1
set=$2
case $set in
counter) pid=8508 ;;
threads) pid=8545 ;;
*) echo "unknown set $set"; exit 1 ;;
esac
mount -t tmpfs none /opt
mkdir /opt/reprise-samples
cp "$golden/bin/$set" /opt/reprise-samples/
out=/opt/reprise-samples/$set.out

fresh() { echo "pid $pid" >"$out"; }

# ends WHO: the program answers SIGTERM with its verdict.
verdict() {
	i=0
	while [ "$(tail -n 1 "$out")" = "pid $pid" ]; do
		i=$((i + 1))
		[ $i -lt 100 ] || { echo "$1: no verdict"; exit 1; }
		sleep 0.05
	done
	case $(tail -n 1 "$out") in
	PASS*) echo "$1: $(tail -n 1 "$out")" ;;
	*) echo "$1: $(cat "$out")"; exit 1 ;;
	esac
}

running() {
	i=0
	while ! grep -q "^State:.[SR]" /proc/$pid/status 2>/dev/null || [ "$(cat /proc/$pid/comm)" != "$set" ]; do
		i=$((i + 1))
		[ $i -lt 100 ] || { echo "$1: pid $pid does not run"; exit 1; }
		sleep 0.05
	done
}

fresh
timeout 20 "$REPRISE" restore -d -D "$golden/$set" </dev/null
running detached
[ "$(readlink /proc/$pid/exe)" = /opt/reprise-samples/$set ] || { echo "exe link"; exit 1; }
kill -TERM $pid
verdict detached
wait_gone() { while [ -d /proc/$pid ] && ! grep -q "^State:.Z" /proc/$pid/status; do sleep 0.02; done; }
wait_gone

fresh
timeout 20 "$REPRISE" restore -D "$golden/$set" </dev/null &
reprise=$!
running child
kill -TERM $pid
wait $reprise || { echo "child: status $?"; exit 1; }
verdict child

fresh
timeout 20 "$REPRISE" restore --exec-cmd -D "$golden/$set" -- sh -c "while [ -d /proc/$pid ]; do sleep 0.02; done" </dev/null &
running exec-cmd
grep -q "^PPid:.$(cat /proc/$pid/task/$pid/status | sed -n 's/^PPid:.//p')" /proc/$pid/status
kill -TERM $pid
verdict exec-cmd
wait_gone

fresh
"$REPRISE" exec -D "$golden/$set" </dev/null &
proxy=$!
running proxy
kill -TERM $proxy
verdict proxy
wait $proxy || { echo "proxy: status $?"; exit 1; }
