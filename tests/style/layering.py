#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""layering.py SRC: checks that #include lines point only downward.

Host side: cmd > lib > {job, engine} > kind > {image, tracee, host} > util. Target side (code that lives in the
checkpointed process): its own headers only. arch and abi are leaves that both sides use. A unit test (test-*.c, fuzz-*.c)
may use what it needs.
"""
import pathlib
import re
import sys

LEAVES = {"abi", "arch"}
TARGET = {"blob", "split", "mpi"}
BELOW = {
    "util": set(),
    "host": {"util"},
    "image": {"util"},
    "tracee": {"host", "util"},
    "kind": {"image", "tracee", "host", "util"},
    "engine": {"kind", "image", "tracee", "host", "util"},
    "job": {"engine", "kind", "image", "tracee", "host", "util"},
    "lib": {"job", "engine", "kind", "image", "tracee", "host", "util"},
    "cmd": {"lib", "job", "engine", "kind", "image", "tracee", "host", "util"},
}
# A kind's hooks are given the engine's context, whose definition is the engine's: these headers are its interface
# for kinds, not the engine.
CONTEXT = {"engine/dump.h", "engine/restore.h", "engine/task.h", "engine/plan.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def allowed(owner, path):
    target = path.split("/")[0]
    if target == owner or target in LEAVES:
        return True
    if owner in LEAVES:
        return False
    if owner in TARGET:
        return target in TARGET
    if owner == "kind" and path in CONTEXT:
        return True
    return target in BELOW.get(owner, set())


def main():
    src = pathlib.Path(sys.argv[1])
    dirs = {d.name for d in src.iterdir() if d.is_dir()}
    files = bad = 0
    for file in sorted(src.rglob("*.[chS]")):
        owner = file.relative_to(src).parts[0]
        if file.name.startswith(("test-", "fuzz-")):
            continue
        files += 1
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match or match[1].split("/")[0] not in dirs:
                continue  # a header beside the file, or a generated one
            if not allowed(owner, match[1]):
                print(f"{file.relative_to(src)}:{number}: {owner} may not include {match[1]}")
                bad += 1
    print(f"{files} files, {bad} includes that point upward")
    return 1 if bad or not files else 0


sys.exit(main())
