#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# usage: invalid.sh PROGRAM: calls with NULL and null handles (invalid.py) give under Reprise the error that they give natively.
# A call that ends the program natively is left out.
set -u
command -v mpirun > /dev/null || exit 77
program=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
: > leave
# The program does not finalize: its last line counts, not the status.
for i in 1 2 3 4 5; do
	timeout 60 mpirun -n 1 "$program" leave > native 2> native.err
	grep -q ^done native && break
	tail -n 1 native | grep -o '^MPI.*=[A-Z_]*' >> leave
done
grep -q ^done native || { echo "natively it does not get through"; tail native.err; exit 1; }
sed -n 's/: crash$//p' native >> leave
sed -i '/: crash$/d' native
timeout 60 mpirun -n 1 "$REPRISE" rank --no-agent "$program" leave > rank 2> rank.err
grep -q ^done rank || { echo "FAILED: under Reprise the program ends in $(tail -n 1 rank)"; exit 1; }
echo "$(wc -l < native) calls, $(wc -l < leave) left out"
diff native rank
