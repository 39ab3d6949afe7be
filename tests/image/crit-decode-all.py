#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""crit-decode-all.py IMAGES DIR: what `crit decode` makes of every file of an image, each into a file of DIR.

The files of Reprise's own are not crit's. Exit status 77: there is no crit."""
import json
import os
import sys

try:
    import pycriu
except ImportError:
    sys.exit(77)

for name in os.listdir(sys.argv[1]):
    if name.endswith(".img") and not name.startswith(("pages-", "reprise-")):
        with open(os.path.join(sys.argv[1], name), "rb") as f, open(os.path.join(sys.argv[2], name), "w") as out:
            json.dump(pycriu.images.load(f), out)
