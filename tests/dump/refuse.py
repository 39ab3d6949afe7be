#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""refuse.py MAKER: what a dump refuses, what it only seems to have to refuse, and dumps that fail.

Each time: exit status 1, one line that names the thing, no image left that a restore would take, and the process runs on
untraced. REPRISE names the program. Exit status: 0 all passed, 77 nothing could be tested, else 1.
"""
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

REPRISE = os.environ.get("REPRISE", "reprise")

# kind of process: words of which one must be in the line
REFUSED = {
    "child": ["child"],
    "zombie": ["zombie child"],
    "traced": ["is traced by process"],
    "leaderless": ["first thread has ended", "zombie"],
    "socket": ["socket:"],
    "sysv": ["System V"],
    "uring": ["io_uring"],
    "aio": ["asynchronous I/O"],
    "uffd": ["userfaultfd"],
    "pkey": ["protection key"],
    "device": ["device"],
    "guard": ["guard pages"],
    "lease": ["a lease"],
    "inotify": ["bytes of inotify events"],
    "owner": ["its signals go to process"],
    "shared_memfd": ["is shared with process"],
    "shared_deleted": ["is shared with process"],
    "shared_anonymous": ["is shared with process"],
    "vfork": ["has a child"],
    "notify": ["SECCOMP_RET_USER_NOTIF"],
    "cpu_timer": ["CPU time of one of 2 threads"],
    "mqueue": ["message queue"],
    "pty": ["device 5:2"],
    "terminal": ["neither the controlling terminal"],
    "proc_other": ["about another process"],
    "proc_thread": ["about one thread"],
    "proc_memory": ["leads to the memory"],
    "epoll_reused": ["before that number was reused"],
    "sealed": ["mseal"],
    "thread_fs": ["its own directory and umask"],
    "thread_files": ["its own table of descriptors"],
    "thread_net": ["its own net namespace"],
    "semaphores": ["SEM_UNDO"],
    **{f"ns_{name}": [f'namespace "{name}'] for name in ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")},
}


class Failed(Exception):
    pass


class Process:
    """One maker, and how it does."""

    def __init__(self, maker, kind, work):
        self.count_file = os.path.join(work, "count")
        self.p = subprocess.Popen([maker, kind, self.count_file], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, start_new_session=True)
        self.ready = self.p.stdout.readline().strip() == b"READY"
        self.pid = self.p.pid

    def count(self):
        with open(self.count_file, "rb") as f:
            return struct.unpack("<Q", f.read(8))[0]

    def status(self, name):
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith(name + ":"):
                    return line.split()[1]
        return None

    def check_runs(self, traced):
        before, end = self.count(), time.monotonic() + 10
        while self.count() < before + 3:
            if time.monotonic() > end:
                raise Failed(f"the process does not run on (state {self.status('State')})")
            time.sleep(0.01)
        if not traced and self.status("TracerPid") != "0":
            raise Failed("the process is still traced")

    def done(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.p.wait()
        self.p.stdout.close()


def dump(pid, images, *more):
    return subprocess.run([REPRISE, "dump", "-t", str(pid), "-D", images, *more], capture_output=True, text=True, timeout=60)


def check_failed(result, words, images):
    line = result.stderr.strip()
    if result.returncode != 1:
        raise Failed(f"exit status {result.returncode}, not 1: {line}")
    if "\n" in line or not line:
        raise Failed(f"not one line: {line!r}")
    if not any(w in line for w in words):
        raise Failed(f"the line does not say {words}: {line}")
    if os.path.isdir(images) and "inventory.img" in os.listdir(images):
        raise Failed("it left an image")
    return line


def test_kind(maker, kind, words, work):
    p = Process(maker, kind, work)
    try:
        if not p.ready:
            return None
        images = os.path.join(work, "images")
        line = check_failed(dump(p.pid, images, "-R"), words, images)
        p.check_runs(kind == "traced")
        # The same again without -R: a dump that fails must not kill either.
        check_failed(dump(p.pid, images), words, images)
        p.check_runs(kind == "traced")
        return line
    finally:
        p.done()


def test_carried(maker, kind, work):
    """Looks as if it could not be carried, and can; the dump draws its progress, for which it has a thread."""
    p = Process(maker, kind, work)
    terminal, other = pty.openpty()
    try:
        if not p.ready:
            return None
        images = os.path.join(work, "images")
        code = subprocess.run([REPRISE, "dump", "-t", str(p.pid), "-D", images, "-R"], stderr=other, timeout=60).returncode
        if code:
            raise Failed(f"exit status {code}: {os.read(terminal, 4096).decode()}")
        p.check_runs(False)
        return "carried"
    finally:
        os.close(terminal)
        os.close(other)
        p.done()


def with_tmpfs(work, options, run):
    mount = os.path.join(work, "mnt")
    os.makedirs(mount, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", mount], stderr=subprocess.DEVNULL).returncode:
        return None
    try:
        return run(mount)
    finally:
        subprocess.run(["umount", mount], check=True)


def test_no_space(maker, work, size):
    p = Process(maker, "nothing", work)
    try:
        def run(mount):
            images = os.path.join(mount, "images")
            line = check_failed(dump(p.pid, images), ["No space", "no room", "space"], images)
            p.check_runs(False)
            if os.path.exists(images):
                raise Failed(f"left behind: {images}, {os.listdir(images)}")
            return line
        return with_tmpfs(work, f"size={size}", run)
    finally:
        p.done()


def test_read_only(maker, work):
    p = Process(maker, "nothing", work)
    try:
        def run(mount):
            line = check_failed(dump(p.pid, mount), ["Read-only"], mount)
            p.check_runs(False)
            return line
        return with_tmpfs(work, "ro", run)
    finally:
        p.done()


def test_not_a_directory(maker, work):
    p = Process(maker, "nothing", work)
    try:
        images = os.path.join(work, "file")
        open(images, "w").close()
        line = check_failed(dump(p.pid, images), ["Not a directory"], images)
        p.check_runs(False)
        return line
    finally:
        p.done()


def test_dead_pid(maker, work):
    p = subprocess.Popen(["true"])
    p.wait()
    return check_failed(dump(p.pid, os.path.join(work, "images")), ["no such process"], os.path.join(work, "images"))


def main():
    maker = sys.argv[1]
    tests = [(k, lambda work, k=k, w=w: test_kind(maker, k, w, work)) for k, w in REFUSED.items()]
    tests += [(f"no-space-{s}", lambda work, s=s: test_no_space(maker, work, s)) for s in ("16k", "64k", "128k")]
    tests += [(k, lambda work, k=k: test_carried(maker, k, work)) for k in ("semaphores_plain", "at_memlock")]
    tests += [("read-only", lambda work: test_read_only(maker, work)),
              ("not-a-directory", lambda work: test_not_a_directory(maker, work)),
              ("dead-pid", lambda work: test_dead_pid(maker, work))]
    passed = failed = skipped = 0
    for name, test in tests:
        work = tempfile.mkdtemp(prefix="reprise-refuse-")
        try:
            line = test(work)
            verdict = "skip" if line is None else "ok"
            skipped += line is None
            passed += line is not None
        except (Failed, subprocess.TimeoutExpired) as e:
            failed += 1
            verdict, line = "FAIL", e
        finally:
            shutil.rmtree(work, ignore_errors=True)
        print(f"{name:16} {verdict:5} {line or ''}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0 if passed else 77


sys.exit(main())
