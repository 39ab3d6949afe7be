#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""count-tests.py testlog.json STATUS: the last line of `make check`; exits non-zero when a test failed or none passed."""
import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
TAIL = 12  # lines of what a failed test said, once more at the end, where they are seen

passed, failed, skipped = 0, [], []
with open(sys.argv[1], encoding="utf-8") as log:
    for line in log:
        test = json.loads(line)
        if test["result"] in PASSED:
            passed += 1
        elif test["result"] == "SKIP":
            skipped.append(test["name"])
        else:
            failed.append(test)

for name in skipped:
    print(f"skipped: {name}")
for test in failed:
    print(f"failed: {test['name']} ({test['result']}, {test['duration']:.0f} s)")
    said = (test.get("stdout") or "") + (test.get("stderr") or "")
    for line in said.splitlines()[-TAIL:]:
        print(f"    {line[:400]}")
print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
sys.exit(1 if failed or not passed or int(sys.argv[2]) else 0)
