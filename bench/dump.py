#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dump.py BUILD [--mib N] [--rounds N] [--store DIR] [--json]: dump and restore of one process against memcpy and write(2).

Each round measures in turn: memcpy and write(2) into a file whose space is reserved, a dump that lets the process go on
(copy-on-write child, and without it), a dump that ends it, and the restore. Times are medians in milliseconds:
  stopped  longest time for which the process itself did not run (from inside)
  dump     the whole command
  running  from the start of the restore command until the process runs again (from inside)
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


class Load(load.Page):
    def __init__(self, build, mib, work):
        path = os.path.join(work, "page")
        super().__init__(path)
        self.p = subprocess.Popen([os.path.join(build, "bench", "memory-load"), str(mib), path], start_new_session=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_for(lambda: self.get("ready"))


def run(reprise, *args):
    begin = time.monotonic()
    result = subprocess.run([reprise, *args], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"reprise {' '.join(args)}: {result.stderr}")
    return (time.monotonic() - begin) * 1e3


def one_round(args, reprise, store, times):
    base = subprocess.run([os.path.join(args.build, "bench", "memory-base"), str(args.mib), os.path.join(store, "base")],
                          capture_output=True, text=True, check=True)
    for key, value in json.loads(base.stdout).items():
        times.setdefault(key, []).append(value)
    work = tempfile.mkdtemp(prefix="reprise-bench-")
    process = Load(args.build, args.mib, work)
    images = os.path.join(store, "images")
    try:
        for name, more in (("cow", []), ("copy", ["--no-cow"])):
            process.gap_ms()
            total = run(reprise, "dump", "-t", str(process.p.pid), "-D", images, "-R", *args.sync, *more)
            times.setdefault(f"{name}_stopped_ms", []).append(process.gap_ms())
            times.setdefault(f"{name}_dump_ms", []).append(total)
            shutil.rmtree(images)
        times.setdefault("kill_dump_ms", []).append(run(reprise, "dump", "-t", str(process.p.pid), "-D", images, *args.sync))
        process.p.wait()
        beats, begin = process.get("beats"), time.time_ns()
        run(reprise, "restore", "-D", images, "-d")
        process.wait_for(lambda: process.get("beats") > beats)
        # The gap that the process sees began with its last beat before the dump; what counts begins with our command.
        times.setdefault("running_ms", []).append((process.get("gap_end_ns") - begin) / 1e6)
        process.set("stop", 1)
        process.wait_for(lambda: process.get("sum_ok"))
        if process.get("sum_ok") != 1:
            raise SystemExit("the restored memory is wrong")
    finally:
        try:
            os.kill(process.p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(images, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", default="/dev/shm")
    parser.add_argument("--sync", action="store_const", const=[], default=["--no-sync"])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    reprise = os.environ.get("REPRISE", "reprise")
    store = tempfile.mkdtemp(prefix="reprise-bench-", dir=args.store)
    times = {}
    load.warm()
    try:
        for _ in range(args.rounds):
            one_round(args, reprise, store, times)
    finally:
        shutil.rmtree(store, ignore_errors=True)
    medians = {key: statistics.median(values) for key, values in times.items()}
    if args.json:
        print(json.dumps({"mib": args.mib, "rounds": args.rounds, "medians": medians, "all": times}))
        return
    print(f"{args.mib} MiB of random data, {args.rounds} rounds, store {args.store}")
    for key, value in medians.items():
        print(f"  {key:16} {value:9.1f}  {value / medians['memcpy_ms']:6.2f} x memcpy  {value / medians['write_ms']:6.2f} x write")


main()
