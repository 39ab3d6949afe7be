#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""job.py BUILD [--mib N] [--ranks N] [--rounds N] [--store DIR]: checkpoint and restart of an MPI job against memcpy and write(2).

Each round runs a job whose ranks hold N MiB of random data each (memory-load.c), takes a checkpoint while it goes on, kills
it, and restarts it. Medians in milliseconds, of the slowest rank where there is one figure per rank:
  stopped     longest time for which a rank did not run
  checkpoint  the whole command
  launch      from mpirun until every rank is out of MPI_Init, without Reprise: what no restart can be faster than
  running     from the start of the restart command until every rank runs again
  from_init   from the return of MPI_Init in the restarted rank until it runs
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

import load

ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def start(command, work):
    return subprocess.Popen(command, cwd=work, env=ENV, start_new_session=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)


def pages(work, args):
    return [load.Page(os.path.join(work, f"page.{rank}")) for rank in range(args.ranks)]


def below(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in out.stdout.split()]


def kill(job):
    """Returns when the ids are free again: how long pid 1 takes to reap orphans is not ours to time."""
    pids = [job.pid] + below(job.pid)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    job.wait()
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        time.sleep(0.01)


def wait_ready(ranks, name="ready"):
    for page in ranks:
        page.wait_for(lambda: page.get(name))


def launch_ms(args, work):
    """A native launch of the same program with no data: every rank has left MPI_Init when its page is ready."""
    ranks = pages(work, args)
    begin = time.monotonic()
    job = start(args.mpirun + [args.program, "0", os.path.join(work, "page")], work)
    wait_ready(ranks)
    took = (time.monotonic() - begin) * 1e3
    for page in ranks:
        page.set("stop", 1)
    job.wait()
    return took


def one_round(args, store, note):
    work = tempfile.mkdtemp(prefix="reprise-bench-")
    job = None
    try:
        base = subprocess.run([os.path.join(args.build, "bench", "memory-base"), str(args.mib), os.path.join(store, "base")],
                              capture_output=True, text=True, check=True)
        for key, value in json.loads(base.stdout).items():
            note(key, value)
        note("launch_ms", launch_ms(args, work))
        ranks = pages(work, args)
        job = start([args.reprise, "run", "--name", "bench", "--dir", store] + args.mpirun +
                    [args.program, str(args.mib), os.path.join(work, "page")], work)
        wait_ready(ranks)
        for page in ranks:
            page.gap_ms()
        begin = time.monotonic()
        subprocess.run([args.reprise, "checkpoint", "bench"], env=ENV, check=True, stdout=subprocess.DEVNULL)
        note("checkpoint_ms", (time.monotonic() - begin) * 1e3)
        note("stopped_ms", max(page.gap_ms() for page in ranks))
        kill(job)
        begin = time.time_ns()
        job = start([args.reprise, "restart", os.path.join(store, "bench")], work)
        wait_ready(ranks, "restarts")
        for page in ranks:
            page.gap_ms()
        note("running_ms", (max(page.get("gap_end_ns") for page in ranks) - begin) / 1e6)
        note("from_init_ms", max(page.get("from_init_ns") for page in ranks) / 1e6)
        for page in ranks:
            page.set("stop", 1)
        if job.wait() or any(page.get("sum_ok") != 1 for page in ranks):
            raise SystemExit("the restarted job came to a wrong end")
    finally:
        if job and job.poll() is None:
            kill(job)
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(os.path.join(store, "bench"), ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", default="/dev/shm")
    args = parser.parse_args()
    args.reprise = os.environ.get("REPRISE", "reprise")
    args.program = os.path.abspath(os.path.join(args.build, "bench", "rank-load"))
    args.mpirun = ["mpirun", "-n", str(args.ranks)]
    store = tempfile.mkdtemp(prefix="reprise-bench-", dir=args.store)
    times = {}
    load.warm()
    try:
        for _ in range(args.rounds):
            one_round(args, store, lambda key, value: times.setdefault(key, []).append(value))
    finally:
        shutil.rmtree(store, ignore_errors=True)
    medians = {key: statistics.median(values) for key, values in times.items()}
    print(f"{args.ranks} ranks, {args.mib} MiB of random data each, {args.rounds} rounds, store {args.store}")
    for key, value in medians.items():
        print(f"  {key:14} {value:9.1f}  {value / medians['memcpy_ms']:6.2f} x memcpy  {value / medians['write_ms']:6.2f} x write")


main()
