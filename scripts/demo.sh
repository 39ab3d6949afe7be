#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# demo.sh: an MPI job is checkpointed, killed with -9 some seconds later, and restarted under a new mpirun; its answers are
# compared with those of a run that nobody disturbed. Needs `reprise` in PATH, Open MPI and LAMMPS (`make demo` sees to
# that). Exit status 0 only when every answer is the same.
set -euo pipefail

RANKS=${RANKS:-2}
STEPS=${STEPS:-3000}
SIZE=${SIZE:-12} # edge of the box in lattice cells
INPUT=/usr/share/lammps/examples/melt/in.melt
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMP_NUM_THREADS=1

dir=$(mktemp -d "${TMPDIR:-/tmp}/reprise-demo.XXXXXX")
job=
say() { printf '\n== %s\n' "$*"; }
fail() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

cleanup() {
	local status=$?
	[ -z "$job" ] || kill -9 "$job" 2>/dev/null || true
	wait 2>/dev/null || true
	[ $status -ne 0 ] && [ -n "${KEEP:-}" ] && echo "demo: files kept in $dir" >&2 || rm -rf "$dir"
	exit $status
}
trap cleanup EXIT

# The launcher and everything below it: pid, parent, command.
tree() {
	local pid=$1
	ps -o pid=,ppid=,args= --pid "$pid" | cut -c1-110
	ps -o pid=,ppid=,args= --ppid "$pid" | cut -c1-110
}

ranks_of() { { ps -o pid= --ppid "$1" || true; } | sort -n | xargs; }

# The thermodynamic table: lines of a step and five numbers; no timings among them.
thermo() {
	tr -d '\r' <"$1" | awk 'NF == 6 && $1 ~ /^[0-9]+$/ && $2 ~ /^[-+.e0-9]+$/' | sed 's/[[:space:]]*$//'
}

last_step() { [ ! -e "$1" ] || thermo "$1" | tail -n 1 | awk '{ print $1 }'; }

wait_for_step() { # FILE STEP PID
	local waited=0 now
	while now=$(last_step "$1"); [ "${now:-0}" -lt "$2" ]; do
		kill -0 "$3" 2>/dev/null || fail "the job ended before step $2: $(tail -n 5 "$1")"
		sleep 0.1
		waited=$((waited + 1))
		[ $waited -lt 1200 ] || fail "no step $2 within two minutes"
	done
}

# What Open MPI leaves behind when its mpirun is killed: shared memory by the job's number, its session directory by pid.
segments() { printf '/dev/shm/vader_segment.%s.%d.%x.' "$(hostname -s)" "$(id -u)" "$1"; }
session() { printf '%s/ompi.%s.%d/pid.%d' "${TMPDIR:-/tmp}" "$(hostname -s)" "$(id -u)" "$1"; }
sweep() { # LAUNCHER-PID NAMESPACE
	rm -f "$(segments "$2")"*
	rm -rf "$(session "$1")"
}

[ -r "$INPUT" ] || fail "$INPUT is missing (package lammps-examples or lammps)"
mkdir "$dir/reference" "$dir/job"
for where in reference job; do
	sed -e "s/block.*/block 0 $SIZE 0 $SIZE 0 $SIZE/" -e "s/^run.*/run $STEPS/" -e 's/^thermo.*/thermo 50/' \
		"$INPUT" >"$dir/$where/in.melt"
done

say "reference: $STEPS steps of $INPUT on $RANKS ranks, without Reprise"
(cd "$dir/reference" && mpirun -n "$RANKS" lmp -in in.melt >out 2>&1) || fail "the reference run failed: $(tail -n 5 "$dir/reference/out")"
thermo "$dir/reference/log.lammps" | sed -n '1p;$p'

say "the same job under Reprise: reprise run mpirun -n $RANKS lmp -in in.melt"
cd "$dir/job"
reprise run --name demo --dir "$dir/snapshots" mpirun -n "$RANKS" lmp -in in.melt >out.1 2>err.1 </dev/null &
job=$!
wait_for_step out.1 $((STEPS / 4)) "$job"
snapshot=$(reprise checkpoint demo) || fail "the checkpoint failed"
at=$(last_step out.1)
echo "checkpoint at about step $at: $snapshot"
wait_for_step out.1 $((at + STEPS / 8)) "$job"
echo "the job ran on to step $(last_step out.1)"

say "process tree before the kill (pid, parent, command)"
tree "$job" | tee tree.before
before=$(ranks_of "$job")
# shellcheck disable=SC2086
set -- $before
namespace=$(tr '\0' '\n' <"/proc/$1/environ" | sed -n 's/^PMIX_NAMESPACE=//p')
# shellcheck disable=SC2086
kill -9 "$job" $before
old=$job
wait "$job" 2>/dev/null || true
job=
echo "killed with -9; left behind: $(ls -d "$(segments "$namespace")"* "$(session "$old")" 2>/dev/null | xargs)"

say "restart under a new mpirun: reprise restart $snapshot"
reprise restart "$snapshot" >out.2 2>err.2 &
job=$!
for _ in $(seq 300); do
	after=$(ranks_of "$job")
	[ "$after" = "$before" ] && [ -n "$(last_step out.2)" ] && break
	kill -0 "$job" 2>/dev/null || fail "the restart ended: $(tail -n 5 err.2 out.2)"
	sleep 0.1
done

say "process tree after the restart (pid, parent, command)"
after=$(ranks_of "$job")
tree "$job" | tee tree.after
[ "$after" = "$before" ] || fail "the ranks are processes $after; they were $before"
wait "$job" || fail "the restarted job ended with status $?: $(tail -n 5 err.2)"
job=
sweep "$old" "$namespace"

say "comparison"
# Everything that rank 0 printed, before the kill and after the restart: each line must be the reference's.
thermo "$dir/reference/out" | sort -n >reference.thermo
cat out.1 out.2 >printed
thermo printed | sort -n -u >printed.thermo
thermo log.lammps | sort -n >log.thermo
tail -n 1 reference.thermo | sed 's/^/reference: /'
tail -n 1 log.thermo | sed 's/^/restarted: /'
lines=$(wc -l <reference.thermo)
[ "$lines" -gt 10 ] || fail "the reference has only $lines lines"
cmp reference.thermo log.thermo || fail "log.lammps differs from the reference"
cmp reference.thermo printed.thermo || fail "the printed output differs from the reference"
echo "all $lines lines are the same to the last digit, in log.lammps and in what was printed"
say "done: same pids ($after), new parent, same answers"
