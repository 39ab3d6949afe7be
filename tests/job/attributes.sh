#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: attributes.sh BINDIR
#
# What a program changed of nice, umask, limits, OOM score, process group and CPUs is its own after a restart; what it left as it
# was given is the new launcher's. Twice, so that the second launcher's gifts are known as such.
. "$(dirname "$0")/common.sh"
[ "$(id -u)" = 0 ] || { echo "needs root, to lower nice and OOM score"; exit 77; }
grep -q '^Cpus_allowed:.*3$' /proc/self/status || { echo "needs CPUs 0 and 1"; exit 77; }
d=$tmp/d
mkdir "$d"
base=$(nice)

# under NICE UMASK NOFILE CORE OOM CPUS COMMAND...: starts the job with these attributes
under()
{
	(
		echo "$5" >/proc/self/oom_score_adj
		umask "$2"
		ulimit -S -n "$3"
		ulimit -S -c "$4"
		exec nice -n "$1" taskset -c "$6" "${@:7}" >"$tmp/out" 2>"$tmp/err" </dev/null
	) &
	job=$!
}

# shows N RANK TEXT
shows()
{
	touch "$d/show-$1"
	check "rank $2 shows: $(cat "$tmp/out" "$tmp/err")" until_true 20 test -s "$d/$1.$2"
	[ "$(cat "$d/$1.$2")" = "$3" ] || fail "$1: rank $2 has '$(cat "$d/$1.$2")', not '$3'"
}

run="reprise run --name a mpirun --bind-to none -n 2"
# shellcheck disable=SC2086
under 2 022 4096 1024 50 0,1 $run "$bin/attributes" "$d"
changed="umask 027 fsize 65536 nofile 700"
shows 1 0 "nice $((base + 2)) umask 022 fsize -1 nofile 4096 core 1048576 group own cpus 3 second 3 oom 50"
shows 1 1 "nice 7 $changed core 1048576 group own cpus 3 second 1 oom 321"
reprise checkpoint --term a >/dev/null || fail "checkpoint"
wait $job

under 4 077 3000 2048 60 0,1 reprise restart a
shows 2 0 "nice $((base + 4)) umask 077 fsize -1 nofile 3000 core 2097152 group own cpus 3 second 3 oom 60"
shows 2 1 "nice 7 $changed core 2097152 group own cpus 3 second 1 oom 321"
[ -s "$tmp/err" ] && fail "it warns: $(cat "$tmp/err")"
reprise checkpoint --term a >/dev/null || fail "checkpoint of a restarted job"
wait $job

under 1 007 5000 3072 70 1 reprise restart a
shows 3 0 "nice $((base + 1)) umask 007 fsize -1 nofile 5000 core 3145728 group own cpus 2 second 2 oom 70"
shows 3 1 "nice 7 $changed core 3145728 group own cpus 2 second 2 oom 321"
[ "$(grep -c 'ran on CPUs that it may not use here' "$tmp/err")" = 1 ] || fail "no warning of the CPUs: $(cat "$tmp/err")"
touch "$d/stop"
wait $job || fail "exit status $?: $(cat "$tmp/out" "$tmp/err")"
job=
