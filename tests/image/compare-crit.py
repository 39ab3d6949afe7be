#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""compare-crit.py SHOWN.json DIR: what `reprise show --json` printed against crit's decoding, field by field.

Debian's crit is older than some fields: it must agree on all that it prints."""
import base64
import json
import pathlib
import sys

# crit's name for a field that was renamed later
RENAMED = {"nr_pages": "compat_nr_pages"}


def same(ours, theirs, where):
    if isinstance(theirs, dict):
        for key, value in theirs.items():
            name = key
            if name in RENAMED and where[0].startswith("pagemap"):
                name = RENAMED[name]
            if name not in ours:
                # crit prints a magic for the whole file and empty lists
                if value in ([], ""):
                    continue
                raise AssertionError(f"{where}: no {key}")
            same(ours[name], value, where + [key])
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), f"{where}: {len(ours)} against {len(theirs)}"
        for i, (a, b) in enumerate(zip(ours, theirs)):
            same(a, b, where + [i])
    elif isinstance(theirs, str) and isinstance(ours, str):
        assert ours == theirs or decoded(ours) == decoded(theirs), f"{where}: {ours} against {theirs}"
    else:
        assert ours == theirs, f"{where}: {ours} against {theirs}"


def decoded(text):
    try:
        return base64.b64decode(text)
    except ValueError:
        return None


shown = {f["file"]: f for f in json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))}
compared = 0
for path in sorted(pathlib.Path(sys.argv[2]).iterdir()):
    crit = json.loads(path.read_text(encoding="utf-8"))
    ours = shown[path.name]
    assert ours["magic"] == crit["magic"], f"{path.name}: magic"
    same(ours["entries"], crit["entries"], [path.name])
    compared += 1
print(f"{compared} files agree")
sys.exit(0 if compared else 1)
