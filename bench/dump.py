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
import ctypes
import json
import mmap
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

FIELDS = ("ready", "stop", "gap_us", "beats", "sum_ok", "last_ns")


class Load:
    def __init__(self, build, mib, work):
        self.path = os.path.join(work, "page")
        with open(self.path, "wb") as f:
            f.truncate(4096)
        fd = os.open(self.path, os.O_RDWR)
        self.page = mmap.mmap(fd, 4096)
        os.close(fd)
        self.p = subprocess.Popen([os.path.join(build, "bench", "memory-load"), str(mib), self.path], start_new_session=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_for(lambda: self.get("ready"))

    def get(self, name):
        return struct.unpack_from("<q", self.page, 8 * FIELDS.index(name))[0]

    def set(self, name, value):
        struct.pack_into("<q", self.page, 8 * FIELDS.index(name), value)

    def wait_for(self, condition, limit=300):
        end = time.monotonic() + limit
        while not condition():
            if time.monotonic() > end:
                raise SystemExit("the load does not answer")
            time.sleep(0.001)

    def gap_ms(self):
        before = self.get("beats")
        self.wait_for(lambda: self.get("beats") > before + 2)
        gap = self.get("gap_us") / 1e3
        self.set("gap_us", 0)
        return gap


def warm(mib):
    """Touches memory and gives it back: in a guest the host makes a page at its first touch ever, which is not ours to time."""
    m = mmap.mmap(-1, mib << 20)
    block = (ctypes.c_char * len(m)).from_buffer(m)
    ctypes.memset(block, 1, len(m))
    del block
    m.close()


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
    load = Load(args.build, args.mib, work)
    images = os.path.join(store, "images")
    try:
        for name, more in (("cow", []), ("copy", ["--no-cow"])):
            warm(2 * args.mib)
            load.gap_ms()
            total = run(reprise, "dump", "-t", str(load.p.pid), "-D", images, "-R", *args.sync, *more)
            times.setdefault(f"{name}_stopped_ms", []).append(load.gap_ms())
            times.setdefault(f"{name}_dump_ms", []).append(total)
            shutil.rmtree(images)
        times.setdefault("kill_dump_ms", []).append(run(reprise, "dump", "-t", str(load.p.pid), "-D", images, *args.sync))
        load.p.wait()
        warm(2 * args.mib)
        beats, begin = load.get("beats"), time.time_ns()
        run(reprise, "restore", "-D", images, "-d")
        load.wait_for(lambda: load.get("beats") > beats)
        # The gap that the process sees began with its last beat before the dump; what counts begins with our command.
        times.setdefault("running_ms", []).append((load.get("last_ns") - begin) / 1e6)
        load.set("stop", 1)
        load.wait_for(lambda: load.get("sum_ok"))
        if load.get("sum_ok") != 1:
            raise SystemExit("the restored memory is wrong")
    finally:
        try:
            os.kill(load.p.pid, signal.SIGKILL)
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
