#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: launcher.sh BINDIR openmpi|mpich
#
# Exact pids as children of the launcher, with plain programs and no checkpoint: the pids come from a file as a restart writes
# it. Standard streams, exit code, death by signal, forwarded signals; ids that are taken.
# In a pid namespace of its own: nobody else takes the ids.
if [ -z "${IN_NAMESPACE-}" ] && unshare --pid --fork --mount-proc true 2>/dev/null; then
	IN_NAMESPACE=1 exec unshare --pid --fork --mount-proc --kill-child=KILL "$0" "$@"
fi
. "$(dirname "$0")/common.sh"
kind=$2
pieces=${REPRISE_LIBEXECDIR:-${REPRISE_STAGE:-/usr/local}/libexec/reprise}
mkdir "$tmp/gen"
export REPRISE_RESTART=$tmp/gen
# Ids well above the cursor are free.
read -r last </proc/sys/kernel/ns_last_pid
p0=$((last + 1000)) p1=$((last + 1003))
printf '0 %d\n1 %d\n' $p0 $p1 >"$tmp/gen/pids"

case $kind in
openmpi)
	launch() { mpirun --mca mca_base_component_path "SYS_DEFAULT:$pieces" --mca odls reprise -n 2 "$@"; }
	segv=139
	;;
mpich)
	command -v mpiexec.hydra >/dev/null || exit 77
	launch() { LD_PRELOAD="$pieces/libreprise-hydra.so" mpiexec.hydra -n 2 "$@"; }
	segv=11
	;;
esac

out=$(timeout 30 bash -c "$(declare -f launch); pieces=$pieces launch '$bin/plain' exit 42" 2>"$tmp/err")
[ $? -eq 42 ] || fail "exit status of the job; $out $(cat "$tmp/err")"
grep -q "rank 0 pid $p0 group $p0" <<<"$out" || fail "rank 0 is not process $p0 in a group of its own: $out"
grep -q "rank 1 pid $p1 group $p1" <<<"$out" || fail "rank 1 is not process $p1 in a group of its own: $out"

launch "$bin/plain" die 11 >/dev/null 2>&1
[ $? -eq $segv ] || fail "death by SIGSEGV is not reported"

if [ "$kind" = openmpi ]; then # hydra 4.0 itself never closes the standard input of ranks above 0
	printf 'a\nb\n' | timeout 20 mpirun --mca mca_base_component_path "SYS_DEFAULT:$pieces" --mca odls reprise -n 2 \
		"$bin/plain" cat >"$tmp/out" 2>"$tmp/err"
	check "standard input" test "$(grep -c got "$tmp/out")" = 2
	check "standard error" test "$(grep -c 'end of input' "$tmp/err")" = 2

	# No sub-shell in between: the launcher's pid is ours.
	mpirun --mca mca_base_component_path "SYS_DEFAULT:$pieces" --mca odls reprise -n 2 "$bin/plain" wait >"$tmp/out" 2>&1 &
	job=$!
	check "both ranks start" until_true 10 sh -c "[ \$(grep -c '^rank' '$tmp/out') = 2 ]"
	for n in 1 2 3; do
		kill -USR1 $job
		check "signal $n arrives" until_true 5 sh -c "[ \$(grep -c 'usr1 $n' '$tmp/out') = 2 ]"
		if [ $n = 2 ]; then
			kill -TSTP $job
			check "ranks stop" until_true 5 sh -c "[ \$(ps -o stat= -p $p0,$p1 | grep -c T) = 2 ]"
			kill -CONT $job
			check "ranks go on" until_true 5 sh -c "[ \$(ps -o stat= -p $p0,$p1 | grep -c T) = 0 ]"
		fi
	done
	wait $job || fail "a signal arrived twice, or not: $(cat "$tmp/out")"
	mpirun --mca mca_base_component_path "SYS_DEFAULT:$pieces" --mca odls reprise -n 2 "$bin/plain" wait >"$tmp/out" 2>&1 &
	job=$!
	check "both ranks start" until_true 10 sh -c "[ \$(grep -c '^rank' '$tmp/out') = 2 ]"
	kill -TERM $job
	wait $job && fail "SIGTERM ends in success"
	job=
fi

# A live process holds the id: named. --pid prefer goes on under another.
sleep 60 &
holder=$!
printf '0 %d\n1 %d\n' $holder $p1 >"$tmp/gen/pids"
launch "$bin/plain" exit 0 >"$tmp/out" 2>&1 && fail "started although pid $holder is taken"
grep -q "pid $holder is taken by sleep" "$tmp/out" || fail "the holder of the pid is not named: $(cat "$tmp/out")"
REPRISE_PID=prefer launch "$bin/plain" exit 0 >"$tmp/out" 2>&1 || fail "--pid prefer: $(cat "$tmp/out")"
grep -q "rank 1 pid $p1" "$tmp/out" || fail "--pid prefer did not take the free id"
kill $holder
wait $holder 2>/dev/null

# A zombie holds it: waited for.
python3 - "$tmp/zombie" <<'P' &
import os, sys, time
pid = os.fork()
if pid == 0:
    os._exit(0)
open(sys.argv[1], "w").write(str(pid))
time.sleep(2)
P
check "zombie" until_true 10 test -s "$tmp/zombie"
zombie=$(cat "$tmp/zombie")
printf '0 %d\n1 %d\n' "$zombie" $p1 >"$tmp/gen/pids"
launch "$bin/plain" exit 0 >"$tmp/out" 2>&1 || fail "a zombie's pid was not waited for: $(cat "$tmp/out")"
grep -q "rank 0 pid $zombie " "$tmp/out" || fail "the zombie's pid was not taken"
