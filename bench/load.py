# SPDX-License-Identifier: BSD-3-Clause
"""What the benchmarks of dump and restore share: the page through which a load (memory-load.c) talks, and warm memory."""
import ctypes
import mmap
import os
import struct
import time

FIELDS = ("ready", "stop", "gap_us", "beats", "sum_ok", "gap_end_ns", "from_init_ns", "restarts")


class Page:
    """The page that a load shares through the file `path`, made here."""

    def __init__(self, path):
        with open(path, "wb") as f:
            f.truncate(4096)
        fd = os.open(path, os.O_RDWR)
        self.page = mmap.mmap(fd, 4096)
        os.close(fd)

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


def warm():
    """Touches all free memory once and gives it back: in a guest the host makes a page at its first touch ever, which is not
    ours to time. Huge pages, since those come from the same free lists as all others and are fastest."""
    with open("/proc/meminfo") as f:
        free = next(int(line.split()[1]) for line in f if line.startswith("MemAvailable:")) << 10
    m = mmap.mmap(-1, max(free - (1 << 30), 1 << 28), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    m.madvise(mmap.MADV_HUGEPAGE)
    block = (ctypes.c_char * len(m)).from_buffer(m)
    for at in range(0, len(m), 4096):
        block[at] = b"\1"
    del block
    m.close()
