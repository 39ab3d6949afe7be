#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""MPI under Reprise against MPI alone, in pairs within one run.

usage: mpi.py [-n PAIRS] PROGRAM [RANK_COMMAND ...]

PROGRAM is bench/mpi.c. RANK_COMMAND stands in front of it (default: reprise rank). Prints for each figure the medians,
the median of the paired ratios and, for times, of the paired differences, with a 95 % interval by order statistics.
"""
import os
import statistics
import subprocess
import sys

FIGURES = ('latency_ns', 'rate_per_s', 'bandwidth_MBps', 'allreduce_ns', 'self_ns')


def run(command):
    out = subprocess.run(['mpirun', '-n', '2'] + command, capture_output=True, text=True, timeout=120,
                         env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1'))
    words = out.stdout.split()
    if out.returncode or len(words) != 2 * len(FIGURES):
        sys.exit('%s: exit %d\n%s%s' % (' '.join(command), out.returncode, out.stdout, out.stderr))
    return dict(zip(words[::2], map(float, words[1::2])))


def interval(values):
    """Bounds of the median that hold with about 95 %: the order statistics n/2 -+ sqrt(n)."""
    v, n = sorted(values), len(values)
    k = max(0, int(n / 2 - n ** 0.5))
    return v[k], v[n - 1 - k]


def main():
    args, pairs = sys.argv[1:], 20
    if args[:1] == ['-n']:
        pairs, args = int(args[1]), args[2:]
    if not args:
        sys.exit(__doc__)
    program, rank = args[0], args[1:] or ['reprise', 'rank']
    native, ours = [], []
    for i in range(pairs):
        order = [(native, [program]), (ours, rank + [program])]
        for result, command in order if i % 2 == 0 else order[::-1]:
            result.append(run(command))
    print('%d pairs, 2 ranks' % pairs)
    print('%-15s %12s %12s %8s  %s' % ('', 'native', 'reprise', 'ratio', 'median of paired ratios [95 %]; differences'))
    for f in FIGURES:
        a, b = [r[f] for r in native], [r[f] for r in ours]
        ratios = [y / x for x, y in zip(a, b)]
        low, high = interval(ratios)
        line = '%-15s %12.1f %12.1f %8.3f  [%.3f, %.3f]' % (f, statistics.median(a), statistics.median(b),
                                                           statistics.median(ratios), low, high)
        if f.endswith('_ns'):
            diff = [y - x for x, y in zip(a, b)]
            line += '  %+.1f ns [%+.1f, %+.1f]' % ((statistics.median(diff),) + interval(diff))
        print(line)


main()
