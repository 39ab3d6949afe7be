#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Power iteration with mpi4py and numpy: blocks of rows per rank, threads of the application computing the products,
object and buffer messages between the ranks. The answer is deterministic for a given number of ranks."""
import sys
import threading

import numpy as np
from mpi4py import MPI

comm = MPI.COMM_WORLD.Dup()
rank, size = comm.rank, comm.size
rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 300
n = 256 * size
rng = np.random.default_rng(1234 + rank)
block = rng.random((n // size, n))
x = np.ones(n)
part = np.zeros(n // size)


def product(first, last):
    for i in range(first, last):
        part[i] = float(np.sum(block[i] * x))


for step in range(rounds):
    half = len(part) // 2
    workers = [threading.Thread(target=product, args=r) for r in ((0, half), (half, len(part)))]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    comm.Allgather(part, x)
    norm = float(np.max(np.abs(x)))
    x /= norm
    token = comm.sendrecv((rank, step, norm), dest=(rank + 1) % size, source=(rank - 1) % size)
    assert token == ((rank - 1) % size, step, norm), token
    if step % 20 == 0 and rank == 0:
        print(f"round {step} {norm!r}", flush=True)
if rank == 0:
    print(f"answer {norm!r} {float(np.sum(x))!r}", flush=True)
