#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Two ranks under mpirun call the real library through the small stub. Arguments: ministub, directory of the programs.
. "$(dirname "$0")/pieces.sh"
command -v mpirun > mpirun.path || exit 77
timeout 100 mpirun --oversubscribe -n 2 "$REPRISE" rank --no-agent "$2/switches" > out 2>&1 || { cat out; fail "mpirun: status $?"; }
[ "$(grep -c 'switches: ok' out)" = 2 ] || { cat out; fail "not two ranks are content"; }
cat out
