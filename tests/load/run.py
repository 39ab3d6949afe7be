#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""run.py LOAD [MODE...]: replays one load through every way of checkpoint and restore.

Each mode runs in pid and mount namespaces of its own, under an init that reaps. Beside the load's own verdict, what /proc
shows of the process must be the same before and after: mappings, descriptors, threads, signals, credentials, limits.
REPRISE names the program. Exit status: 0 all passed, 77 skipped, else 1.
"""
import atexit
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

REPRISE = os.environ.get("REPRISE", "reprise")
CLONE_NEWNS, CLONE_NEWPID, MS_REC, MS_PRIVATE = 0x20000, 0x20000000, 0x4000, 1 << 18
LIMIT = float(os.environ.get("LOAD_TIMEOUT", "60"))
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def wait_for(what, is_there, limit=LIMIT):
    end = time.monotonic() + limit
    while not is_there():
        if time.monotonic() > end:
            raise Failed(f"timed out waiting for {what}")
        time.sleep(0.003)


def read(path):
    with open(path, errors="replace") as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def maps_of(pid):
    lines = []
    for line in read(f"/proc/{pid}/maps").splitlines():
        fields = line.split(None, 5) + [""]
        name = fields[5]
        # An anonymous object gets a new inode; the end of a heap or stack may move while the process runs.
        ident = "" if name.endswith("(deleted)") or name.startswith("anon_inode") else " ".join(fields[3:5])
        lines.append(f"{fields[0]} {fields[1]} {fields[2]} {ident} {name}")
    return lines


def fds_of(pid):
    out = []
    for fd in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
            info = read(f"/proc/{pid}/fdinfo/{fd}")
        except FileNotFoundError:
            continue  # the load's own file of the moment
        if "/." in link:
            continue
        keep = re.findall(r"^(?:pos|flags):.*", info, re.M)
        out.append(f"{fd} {re.sub(r'[0-9]{3,}', 'N', link)} {' '.join(keep)}")
    return out


STATUS = ("Name Umask Tgid Pid Uid Gid Groups SigBlk SigIgn SigCgt CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp "
          "Seccomp_filters Cpus_allowed THP_enabled").split()


def threads_of(pid):
    out = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        text = read(f"/proc/{pid}/task/{tid}/status")
        fields = dict(re.findall(r"^(\w+):\s*(.*?)\s*$", text, re.M))
        stat = read(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].split()
        out[tid] = [f"{k} {fields.get(k)}" for k in STATUS] + [f"nice {stat[16]} policy {stat[38]} prio {stat[37]}"]
    return out


def facts(pid):
    """What /proc says, as a dict of things that must not change."""
    out = {"maps": maps_of(pid), "fds": fds_of(pid), "limits": read(f"/proc/{pid}/limits").splitlines()}
    out["links"] = [os.readlink(f"/proc/{pid}/{n}") for n in ("cwd", "root", "exe")]
    for tid, lines in threads_of(pid).items():
        out[f"thread {tid}"] = lines
    return out


def compare(before, after, loose=()):
    for key in sorted(set(before) | set(after)):
        if key in loose or ("*" in loose and key in before and key in after):
            continue
        if before.get(key) != after.get(key):
            a, b = before.get(key) or [], after.get(key) or []
            lost = [x for x in a if x not in b]
            new = [x for x in b if x not in a]
            raise Failed(f"{key} differ: before {lost[:4]} after {new[:4]}")


class Run:
    def __init__(self, load, directory):
        self.load, self.dir = load, directory
        self.count = 0
        self.pid = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def result(self):
        try:
            return read(self.path("result"))
        except FileNotFoundError:
            return None

    def start(self):
        with open(self.path("out"), "w") as out:
            self.process = subprocess.Popen([self.load, self.dir], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True)
        self.pid = self.process.pid
        wait_for("READY", lambda: os.path.exists(self.path("ready")) or self.result())
        if self.result():
            return False  # skipped, or failed at once
        time.sleep(0.03)
        return True

    def loose(self):
        keys = read(self.path("loose")).split() if os.path.exists(self.path("loose")) else []
        return keys if self.count == 1 or "*" in keys else []

    def tool(self, *args):
        done = subprocess.run([REPRISE, *args], capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Failed(f"{' '.join(args)}: exit {done.returncode}: {done.stderr.strip()} {done.stdout.strip()}")

    def dump(self, *args):
        """Into a new directory; returns it."""
        self.count += 1
        images = self.path(f"images-{self.count}")
        os.mkdir(images, 0o700)
        self.facts = facts(self.pid)
        self.tool("dump", "-t", str(self.pid), "-D", images, *args)
        if "-R" not in args:
            wait_for("the end of the dumped process", lambda: self.is_gone())
        return images

    def is_gone(self):
        if self.process and self.process.poll() is not None:
            self.process = None
        return not os.path.exists(f"/proc/{self.pid}")

    def restored(self):
        """The wanted pid runs the load again; soon, when the restorer has left it, it looks as before."""
        wait_for("the restored process", lambda: self.is_running())
        end = time.monotonic() + LIMIT / 4
        while True:
            try:
                return compare(self.facts, facts(self.pid), self.loose())
            except (Failed, FileNotFoundError):
                if time.monotonic() > end:
                    raise
            time.sleep(0.005)

    def is_running(self):
        """Has it left the restorer? Its exe link and mappings are the load's then."""
        try:
            return os.readlink(f"/proc/{self.pid}/exe") == self.load and self.load in read(f"/proc/{self.pid}/maps")
        except FileNotFoundError:
            return False

    def verdict(self, after=None):
        open(self.path("go"), "w").close()
        wait_for("the verdict", lambda: self.result() is not None or (after and after()))
        if self.result() != "PASS":
            raise Failed(f"{self.result()} {read(self.path('out'))}")

    def finish(self, process):
        self.verdict(lambda: process.poll() is not None)
        if process.wait(LIMIT):
            raise Failed(f"exit status {process.returncode}: {read(self.path('log'))}")

    def popen(self, *args):
        log = open(self.path("log"), "w")
        return subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def mode_child(run):
    images = run.dump()
    process = run.popen(REPRISE, "restore", "-D", images)
    run.wait = process
    wait_alive(run, process)
    run.restored()
    run.finish(process)


def wait_alive(run, process):
    """Waits for the wanted pid, or says what the restorer said."""
    def look():
        if process.poll() is not None and not os.path.exists(f"/proc/{run.pid}"):
            raise Failed(f"restore: exit {process.returncode}: {read(run.path('log'))} {run.result() or ''}")
        return run.is_running()
    wait_for("the restored process", look)


def mode_detached(run):
    run.tool("restore", "-d", "-D", run.dump())
    run.restored()
    run.verdict()


def mode_sibling(run):
    run.tool("restore", "-d", "-S", "-D", run.dump())
    run.restored()
    run.verdict()
    pid, status = os.waitpid(run.pid, 0)  # it is our child
    if status:
        raise Failed(f"wait status {status:#x}")


def mode_exec_cmd(run):
    reap = "import os, sys; pid, status = os.wait(); sys.exit(0 if pid == int(sys.argv[1]) and not status else 9)"
    process = run.popen(REPRISE, "restore", "--exec-cmd", "-D", run.dump(), "--", sys.executable, "-c", reap, str(run.pid))
    wait_alive(run, process)
    run.restored()
    run.finish(process)


def mode_exec(run):
    """In place: a process that has the wanted pid becomes the checkpoint."""
    images = run.dump()
    cursor = "/proc/sys/kernel/ns_last_pid"
    old = read(cursor)
    log = os.open(run.path("log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)
    with open(cursor, "w") as f:
        f.write(str(run.pid - 1))
    pid = os.fork()
    if not pid:
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        out = os.open(run.path("out"), os.O_WRONLY)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.closerange(3, 64)
        os.setsid()
        try:
            os.execvp(REPRISE, [REPRISE, "exec", "-D", images])
        finally:
            os._exit(99)
    with open(cursor, "w") as f:
        f.write(old)
    os.close(log)
    if pid != run.pid:
        raise Failed(f"test: forked {pid}, wanted {run.pid}")

    def look():
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            raise Failed(f"exec: {os.waitpid(pid, 0)[1]:#x}: {read(run.path('out'))} {run.result() or ''}")
        return run.is_running()
    wait_for("the restored process", look)
    run.restored()
    run.verdict()
    if os.waitpid(pid, 0)[1]:
        raise Failed("exit status")


def mode_exec_other(run):
    """In place with another pid than the wanted one: the process is a sibling, we wait as its proxy."""
    images = run.dump()
    out = os.open(run.path("out"), os.O_WRONLY)
    process = subprocess.Popen([REPRISE, "exec", "-D", images], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                               start_new_session=True)
    open(run.path("log"), "w").close()
    wait_alive(run, process)
    run.restored()
    run.finish(process)


def mode_repeat(run, cycles=5):
    for _ in range(cycles):
        run.tool("restore", "-d", "-D", run.dump())
        run.restored()
    run.verdict()


def mode_chain(run):
    mode_repeat(run, 20)


def mode_running(run):
    """Two dumps that leave it running, then its own verdict; then the second image once more, where its files allow."""
    run.dump("-R")
    compare(run.facts, facts(run.pid), run.loose())
    run.dump("-R")
    compare(run.facts, facts(run.pid), run.loose())
    run.verdict()
    if run.process.wait(LIMIT):
        raise Failed("exit status")


def mode_images(run):
    """Every file of the image is shown, field by field as crit decodes it."""
    images = run.dump("-R")
    shown = subprocess.run([REPRISE, "show", "--json", images], capture_output=True, text=True, timeout=LIMIT)
    if shown.returncode or "_unknown" in shown.stdout:
        raise Failed(f"show: exit {shown.returncode}: {shown.stderr} {re.findall('.{80}_unknown.*', shown.stdout)[:2]}")
    missing = set(os.listdir(images)) - {f["file"] for f in json.loads(shown.stdout)}
    if missing:
        raise Failed(f"not shown: {missing}")
    write(run.path("shown"), shown.stdout)
    os.mkdir(run.path("crit"))
    scripts = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "image")
    for command in (["/usr/bin/python3", scripts + "/crit-decode-all.py", images, run.path("crit")],
                    [sys.executable, scripts + "/compare-crit.py", run.path("shown"), run.path("crit")]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        if done.returncode == 77:
            break
        if done.returncode:
            raise Failed(f"{os.path.basename(command[1])}: {done.stderr.strip()[-400:]}")
    run.verdict()


MODES = {"child": mode_child, "detached": mode_detached, "sibling": mode_sibling, "exec-cmd": mode_exec_cmd,
         "exec": mode_exec, "exec-other": mode_exec_other, "repeat": mode_repeat, "running": mode_running,
         "images": mode_images}
EXTRA = {"chain": mode_chain}


def where(pid):
    """What every thread of a process that does not get on is doing, for the log."""
    lines = []
    for tid in os.listdir(f"/proc/{pid}/task") if os.path.exists(f"/proc/{pid}/task") else []:
        task = f"/proc/{pid}/task/{tid}"
        try:
            state = re.search(r"^State:.*", read(f"{task}/status"), re.M).group()
            lines.append(f"{tid} {read(task + '/comm').strip()} {state} {read(task + '/wchan')} {read(task + '/syscall').strip()}")
        except OSError:
            pass
    return "\n".join(lines)


def worker(load, mode, directory):
    run = Run(load, directory)
    try:
        if run.start():
            {**MODES, **EXTRA}[mode](run)
        elif not run.result().startswith("SKIP"):
            raise Failed(run.result())
        return 0, run.result()
    except Failed as e:
        return 1, str(e)
    except subprocess.TimeoutExpired as e:
        return 1, f"timed out: {e.cmd}\n{where(run.pid)}"


def isolated(load, mode, directory, pipe):
    """In a new pid namespace: init forks the worker and reaps everything until that ends."""
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID):
        return 1, "unshare: " + os.strerror(ctypes.get_errno())
    init = os.fork()
    if init:
        os.waitpid(init, 0)
        return None
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    libc.mount(b"proc", b"/proc", b"proc", 0, None)
    pid = os.fork()
    if not pid:
        try:
            status, text = worker(load, mode, directory)
        except BaseException as e:  # the verdict must come out
            status, text = 1, f"runner: {type(e).__name__}: {e}"
        os.write(pipe, f"{status} {text}".encode())
        os._exit(0)
    while True:
        try:
            if os.wait()[0] == pid:
                os._exit(0)
        except InterruptedError:
            pass


def one(load, mode):
    directory = tempfile.mkdtemp(prefix="reprise-load-")
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(r)
        end = isolated(load, mode, directory, w)
        if end:
            os.write(w, f"{end[0]} {end[1]}".encode())
        os._exit(0)
    os.close(w)
    signal.signal(signal.SIGALRM, lambda *a: os.kill(pid, signal.SIGKILL))
    text = b""
    while piece := os.read(r, 4096):
        text += piece
    os.close(r)
    os.waitpid(pid, 0)
    if not os.environ.get("LOAD_KEEP"):
        shutil.rmtree(directory, ignore_errors=True)
    status, _, text = text.decode(errors="replace").partition(" ")
    return status == "0", text


def reserve_huge_pages(count):
    """So many are free while this program runs, where the machine lets us."""
    path = "/sys/kernel/mm/hugepages/hugepages-2048kB/"
    try:
        total, free = int(read(path + "nr_hugepages")), int(read(path + "free_hugepages"))
        if free < count:
            atexit.register(write, path + "nr_hugepages", str(total))
            write(path + "nr_hugepages", str(total + count - free))
    except OSError:
        pass  # the load skips


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.geteuid():
        print("SKIP: wants root for namespaces and exact pids")
        sys.exit(77)
    load = os.path.realpath(sys.argv[1])
    bad = skipped = 0
    if os.path.basename(load) == "load-hugepages":
        reserve_huge_pages(24)
    for mode in sys.argv[2:] or MODES:
        began = time.monotonic()
        good, text = one(load, mode)
        bad += not good
        skipped += text.startswith("SKIP")
        print(f"{os.path.basename(load):16} {mode:10} {'ok  ' if good else 'FAIL'} {time.monotonic() - began:5.2f} s  "
              f"{'' if text == 'PASS' else text}", flush=True)
    sys.exit(1 if bad else 77 if skipped else 0)


if __name__ == "__main__":
    main()
