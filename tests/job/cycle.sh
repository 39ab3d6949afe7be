#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: cycle.sh BINDIR openmpi|mpich|none
#
# A job of programs that never call MPI: checkpointed, killed, restarted, twice; what it prints goes on where it was, its exit
# status and pids are the old ones. Then the verbs that look at it.
. "$(dirname "$0")/common.sh"
case $2 in
openmpi) launcher="mpirun -n 2" ranks=2 front="reprise run --name plain" ;;
mpich) launcher="mpiexec.hydra -n 2" ranks=2 front="reprise run --name plain" ;;
none) launcher= ranks=1 front="env REPRISE_NAME=plain reprise rank" ;;
esac
[ -z "$launcher" ] || command -v ${launcher%% *} >/dev/null || exit 77

# shellcheck disable=SC2086
$front $launcher "$bin/plain" count 40 >"$tmp/out.0" 2>&1 &
job=$!
for n in 1 2; do
	check "the job counts" until_true 20 sh -c "[ \$(grep -c count '$tmp/out.$((n - 1))') -ge $((4 * ranks)) ]"
	snapshot=$(timeout 30 reprise checkpoint plain) || fail "checkpoint $n"
	[ "$snapshot" = "$tmp/store/plain/$n" ] || fail "checkpoint prints '$snapshot'"
	sleep 0.5
	pids=$(cut -d' ' -f2 "$snapshot/pids" | xargs)
	check "ranks run" kill -0 $pids
	kill -9 $pids # a process without launcher is not below its proxy
	kill_job $job
	reprise restart plain >"$tmp/out.$n" 2>&1 &
	job=$!
	check "the restarted job counts: $(cat "$tmp/out.$n")" until_true 20 grep -q count "$tmp/out.$n"
	check "pids are the old ones" kill -0 $pids
done
wait $job || fail "exit status $? at the end: $(cat "$tmp/out.2")"
job=
for r in $(seq 0 $((ranks - 1))); do
	name=$r
	[ "$ranks" -gt 1 ] || name=-
	cat "$tmp"/out.[012] | grep "^count $name " | sort -u | wc -l | grep -q '^40$' || fail "rank $r did not count to 40"
	grep -q "^count $name 39" "$tmp/out.2" || fail "rank $r: no end"
	grep -q "^count $name 0" "$tmp/out.2" && fail "rank $r began anew"
done
reprise verify plain >/dev/null || fail "verify"
reprise list --json | grep -q '"seq":2' || fail "list --json"
reprise info --json plain | grep -q '"launcher":"' || fail "info --json"
reprise restart --showme plain | grep -q REPRISE_RESTART || fail "restart --showme"
if [ "$2" = mpich ]; then # whose recorded line names Reprise itself
	sed -i 's|"[^"]*/bin/reprise"|"/moved/bin/reprise"|' "$tmp/store/plain/manifest.json"
	reprise restart --showme plain | grep -q "/moved/\|rank .* rank " && fail "Reprise as it was: $(reprise restart --showme plain)"
	reprise restart --showme plain | grep -q "$(command -v reprise) rank .*plain count" || fail "$(reprise restart --showme plain)"
fi
[ "$(stat -c %a "$(ls "$tmp"/store/plain/2/rank-0/pages-*.img | head -n 1)" "$tmp/store/plain" | xargs)" = "600 700" ] || fail "modes of the store"
