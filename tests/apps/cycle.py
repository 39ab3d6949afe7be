#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs one MPI program under Reprise through a chain of checkpoint, kill -9 and restart at random moments, and compares
its answer with that of an uninterrupted native run.

  cycle.py --reprise BIN -n 2 --cycles 3 --seed 7 --compare out.txt [--strip REGEX] [--setup DIR] -- ./program args

Every run happens in a directory of its own (a copy of --setup). The answer is the standard output of the whole job and
the files named by --compare; --expect and --reject look at lines of a file that are not the same in each run. Standard
output after a restart must be the tail of the reference's, and the runs before it must have printed all that comes before:
nothing is missing. Lines that match --strip (timings) do not count.
Exit status: 0 equal, 1 different or a command failed, 77 a requirement is missing.
"""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
           OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_btl_base_warn_component_unused="0",
           OMPI_MCA_mpi_yield_when_idle="1")


def fail(text):
    print("FAIL:", text, flush=True)
    sys.exit(1)


def descendants(pid):
    """Pids of all processes below pid, from /proc."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as f:
                ppid = int(f.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(ppid, []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def kill_job(job):
    """kill -9 of the launcher and of everything below it; nothing else."""
    victims = [job.pid] + descendants(job.pid)
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    job.wait()


def kept_lines(path, strip):
    """Lines of a file without timings and without what Reprise itself says."""
    with open(path, errors="replace") as f:
        return [line for line in f.read().splitlines() if not line.startswith("reprise") and not (strip and strip.search(line))]


class Cycle:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random(args.seed)
        self.strip = re.compile(args.strip) if args.strip else None
        self.base = tempfile.mkdtemp(prefix="reprise-cycle-")
        self.name = f"cycle{os.getpid()}"
        self.store = os.path.join(self.base, "store")
        ENV["REPRISE_RUNTIME_DIR"] = os.path.join(self.base, "runtime")

    def directory(self, name):
        path = os.path.join(self.base, name)
        if self.args.setup:
            shutil.copytree(self.args.setup, path)
        else:
            os.mkdir(path)
        return path

    def launcher(self):
        return self.args.launcher.split() + ["-n", str(self.args.n)] + self.args.command

    def start(self, argv, cwd, out):
        with open(out, "wb") as f:
            return subprocess.Popen(argv, cwd=cwd, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                    env=ENV, start_new_session=True)

    def finish(self, job, what, out):
        try:
            status = job.wait(timeout=self.args.timeout)
        except subprocess.TimeoutExpired:
            kill_job(job)
            fail(f"{what} did not end in {self.args.timeout} s; its output:\n" + open(out, errors="replace").read()[-3000:])
        if status != self.args.status:
            fail(f"{what} ended with status {status}; its output:\n" + open(out, errors="replace").read()[-3000:])

    def reference(self):
        cwd = self.directory("reference")
        out = os.path.join(self.base, "reference.out")
        begin = time.monotonic()
        self.finish(self.start(self.launcher(), cwd, out), "the reference run", out)
        return cwd, out, time.monotonic() - begin

    def checkpoint(self, cycle, job, out):
        """Takes one checkpoint. Returns False when the job had ended by itself."""
        begin = time.monotonic()
        while True:
            run = subprocess.run([self.args.reprise, "checkpoint", self.name, "--timeout", str(self.args.timeout)],
                                 env=ENV, capture_output=True, text=True)
            # A launcher that has just been started has no ranks yet.
            if "no job" not in run.stderr or job.poll() is not None or time.monotonic() - begin > self.args.timeout:
                break
            time.sleep(0.1)
        if run.returncode != 0:
            if job.poll() is not None or "ending" in run.stderr:
                return False
            kill_job(job)
            fail(f"cycle {cycle}: checkpoint returned {run.returncode}: {run.stdout}{run.stderr}\n" +
                 open(out, errors="replace").read()[-2000:])
        print(f"cycle {cycle}: {run.stdout.strip()} in {time.monotonic() - begin:.2f} s", flush=True)
        return True

    def run(self):
        ref_cwd, ref_out, duration = self.reference()
        print(f"seed {self.args.seed}: reference took {duration:.1f} s", flush=True)
        cwd = self.directory("work")
        out = os.path.join(self.base, "run-0.out")
        job = self.start([self.args.reprise, "run", "--name", self.name, "--dir", self.store] + self.launcher(), cwd, out)
        taken = 0
        for cycle in range(1, self.args.cycles + 1):
            time.sleep(self.rng.uniform(*self.args.share) * duration)
            if job.poll() is not None or not self.checkpoint(cycle, job, out):
                break
            # At least so long that the launcher has passed on what was printed before the checkpoint.
            time.sleep(self.rng.uniform(0.2, 0.2 + self.args.linger))
            kill_job(job)
            taken = cycle
            out = os.path.join(self.base, f"run-{cycle}.out")
            job = self.start([self.args.reprise, "restart", os.path.join(self.store, self.name)], cwd, out)
        self.finish(job, f"the run after {taken} restarts", out)
        self.compare(ref_cwd, ref_out, cwd, out, taken)
        shutil.rmtree(self.base)

    @staticmethod
    def reach(want, reached, lines):
        """Lines of `want` that are printed after a killed run that printed `lines`, when `reached` were printed before it.
        Its first and its last line may be halves."""
        best = reached
        for start in range(reached + 1):
            n = 0
            while n < len(lines) and start + n < len(want) and (
                    lines[n] == want[start + n] or n == 0 and lines[0] and want[start].endswith(lines[0])):
                n += 1
            if n >= len(lines) - 1:
                best = max(best, start + n)
        return best

    def compare(self, ref_cwd, ref_out, cwd, out, taken):
        if taken < self.args.at_least:
            fail(f"only {taken} of {self.args.cycles} checkpoints were taken before the job ended")
        want, got = kept_lines(ref_out, self.strip), kept_lines(out, self.strip)
        tail = want[len(want) - len(got):] if taken and len(got) <= len(want) else want
        reached = 0
        for cycle in range(taken):
            reached = self.reach(want, reached, kept_lines(os.path.join(self.base, f"run-{cycle}.out"), self.strip))
        # The first line printed after a restart may be the second half of one begun before it.
        lost = reached < len(want) - len(tail)
        if lost or got != tail and not (got and got[1:] == tail[1:] and tail[0].endswith(got[0])):
            fail("standard output differs from the reference's tail:\n--- wanted\n" + "\n".join(tail[-30:]) +
                 "\n--- got\n" + "\n".join(got[-30:]) + f"\nkept in {self.base}")
        for name in self.args.compare:
            if kept_lines(os.path.join(ref_cwd, name), self.strip) != kept_lines(os.path.join(cwd, name), self.strip):
                fail(f"{name} differs from the reference's; both are in {self.base}")
        for rule, wanted in [(r, True) for r in self.args.expect] + [(r, False) for r in self.args.reject]:
            name, regex = rule.split("=", 1)
            with open(os.path.join(cwd, name), errors="replace") as f:
                if bool(re.search(regex, f.read(), re.M)) != wanted:
                    fail(f"{name}: '{regex}' {'is missing' if wanted else 'stands there'}; kept in {self.base}")
        print(f"PASS: {taken} restarts, seed {self.args.seed}", flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--reprise", default="reprise")
    p.add_argument("--launcher", default="mpirun")
    p.add_argument("-n", type=int, default=2)
    p.add_argument("--cycles", type=int, default=3)
    p.add_argument("--at-least", type=int, default=1, help="fail when fewer checkpoints could be taken")
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--share", type=float, nargs=2, default=(0.1, 0.25),
                   help="time before a checkpoint, at random, as a share of the reference's duration")
    p.add_argument("--linger", type=float, default=0.5, help="seconds at most that the job runs on before the kill")
    p.add_argument("--timeout", type=int, default=120)
    p.add_argument("--status", type=int, default=0, help="the job's own exit status")
    p.add_argument("--strip", help="lines that match do not count")
    p.add_argument("--setup", help="directory copied for each run")
    p.add_argument("--compare", action="append", default=[], help="file of the run's directory to compare")
    p.add_argument("--expect", action="append", default=[], metavar="FILE=REGEX", help="a line of FILE must match")
    p.add_argument("--reject", action="append", default=[], metavar="FILE=REGEX", help="no line of FILE may match")
    p.add_argument("command", nargs="+")
    args = p.parse_args()
    if "/" in args.command[0]:
        args.command[0] = os.path.abspath(args.command[0])
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(1 << 31)
    args.command = [os.path.abspath(w) if "/" in w and os.path.exists(w) else w for w in args.command]  # we change directory
    if not shutil.which(args.launcher.split()[0]) or not shutil.which(args.command[0]) and "/" not in args.command[0]:
        print("SKIP: launcher or program not installed")
        sys.exit(77)
    Cycle(args).run()


if __name__ == "__main__":
    main()
