#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""licence.py ROOT: every source file carries the SPDX line, no file of src is longer than it should be by far."""
import pathlib
import sys

SUFFIXES = {".c", ".h", ".S", ".py", ".sh", ".proto", ".build"}
LINES_MAX = 900  # the habit is 600; beyond this the file has to be divided

root = pathlib.Path(sys.argv[1])
files = bad = 0
for top in ("src", "tests", "bench", "scripts", "include", "contrib"):
    for file in sorted((root / top).rglob("*")):
        if file.suffix not in SUFFIXES and file.name != "meson.build" or "golden" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        files += 1
        if "SPDX-License-Identifier: BSD-3-Clause" not in text[:300]:
            print(f"{file.relative_to(root)}: no SPDX line")
            bad += 1
        if top == "src" and text.count("\n") > LINES_MAX:
            print(f"{file.relative_to(root)}: more than {LINES_MAX} lines")
            bad += 1
print(f"{files} files, {bad} complaints")
sys.exit(1 if bad or not files else 0)
