#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What LAMMPS pays for being ready to be checkpointed, when no checkpoint is taken.

usage: lammps.py [-n PAIRS] [--steps N] [RANK_COMMAND ...]

Runs the Lennard-Jones melt on 2 ranks natively and behind RANK_COMMAND (default: reprise rank) in pairs, in turn first
and second, and compares LAMMPS' own "Loop time". Prints the medians and the median of the paired ratios with a 95 %
interval by order statistics.
"""
import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile

MELT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'apps', 'melt', 'in.melt')


def loop_time(rank, work):
    out = subprocess.run(['mpirun', '-n', '2'] + rank + ['lmp', '-in', 'in.melt'], cwd=work, capture_output=True, text=True,
                         env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1'))
    match = re.search(r'Loop time of (\S+)', out.stdout)
    if out.returncode or not match:
        sys.exit('lmp: exit %d\n%s%s' % (out.returncode, out.stdout[-2000:], out.stderr[-2000:]))
    return float(match.group(1))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('-n', type=int, default=20)
    p.add_argument('--steps', type=int, default=2000)
    p.add_argument('rank', nargs='*', default=['reprise', 'rank'])
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        with open(MELT) as f, open(os.path.join(work, 'in.melt'), 'w') as g:
            g.write(re.sub(r'^run\s+\d+', 'run %d' % args.steps, f.read(), flags=re.M))
        native, ours = [], []
        for i in range(args.n):
            order = [(native, []), (ours, args.rank)]
            for result, rank in order if i % 2 == 0 else order[::-1]:
                result.append(loop_time(rank, work))
    ratios = sorted(b / a for a, b in zip(native, ours))
    k = max(0, int(args.n / 2 - args.n ** 0.5))
    print('%d pairs, %d steps, 2 ranks: native %.3f s, reprise %.3f s, ratio %.4f [%.4f, %.4f]' % (
        args.n, args.steps, statistics.median(native), statistics.median(ours), statistics.median(ratios), ratios[k],
        ratios[args.n - 1 - k]))


main()
