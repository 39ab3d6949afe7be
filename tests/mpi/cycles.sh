#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: cycles.sh BINDIR CASE [CYCLES]
#
# Runs a program of this directory alone and then under Reprise's MPI library, with the test's own agent taking the job
# through park, drain and resume at random moments (no image). The answers have to be equal.
set -u
bin=$1 case=$2 cycles=${3:-20}
: "${REPRISE_LIBEXECDIR:=${REPRISE_STAGE:-/usr/local}/libexec/reprise}"
export REPRISE_LIBEXECDIR
export OMPI_MCA_mpi_yield_when_idle=1
command -v mpirun >/dev/null || exit 77
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# What the ranks wrote. mpirun would cut their lines into each other: each rank has a file.
written() { cat "$tmp/$1"/*/rank.*/stdout; }

# both RANKS PROGRAM ARGS...: native, then under cycles; $mean and $delay in milliseconds
both()
{
	ranks=$1
	shift
	timeout 120 mpirun --oversubscribe --output-filename "$tmp/native:nocopy" -n "$ranks" "$@" ||
		{ echo "native run failed"; exit 1; }
	timeout 280 "$bin/cycles" -n "$cycles" -r "$ranks" -i "${mean:-20}" -d "${delay:-0}" $options -- \
		mpirun --oversubscribe --output-filename "$tmp/reprise:nocopy" -n "$ranks" "$bin/test-rank" "$@"
	rc=$?
	[ $rc -eq 0 ] || { echo "under cycles: exit $rc"; tail -n 20 "$tmp"/reprise/*/rank.*/std*; exit 1; }
	written native | sort >"$tmp/a"
	written reprise | sort >"$tmp/b"
	diff "$tmp/a" "$tmp/b" || { echo "the answers differ"; exit 1; }
	[ -s "$tmp/b" ] || { echo "no answers"; exit 1; }
	tail -n 1 "$tmp/b"
	rm -rf "$tmp/native" "$tmp/reprise"
}

options=-O # obligations alone have to bring each attempt to its end, except where a clock does not show what a rank waits for
case $case in
modes) both 2 "$bin/modes" 1 && mean=5 both 2 "$bin/modes" 60 ;;
hangs-file) options= both 4 "$bin/hangs" file $((cycles * 10)) ;;
hangs-*) both 4 "$bin/hangs" "${case#hangs-}" $((cycles * 10)) ;;
syncsend) both 4 "$bin/syncsend" $((cycles * 400)) 5 ;;
consensus) both 4 "$bin/consensus" $((cycles * 20)) 11 ;;
torture) for seed in 1 2 3; do both 4 "$bin/torture" $((cycles * 30)) $seed 200 || exit 1; done ;;
churn) both 2 "$bin/churn" $((cycles * 100)) ;;
threads) both 4 "$bin/threads" $((cycles * 100)) ;;
makers) both 4 "$bin/makers" $((cycles * 10)) ;;
early) mean=3 delay=0 both 2 "$bin/modes" 1 ;;
*) exit 2 ;;
esac
