#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares what the stub library exports with the MPI library that it stands for.

usage: audit.py SOURCE STUB COMPILER [ARG ...]

- every prototype of mpi.h and of its extension is exported by the stub under both its names, and defined once
- every data symbol that mpi.h declares is there, with the real library's size
- every name that Debian's language bindings import from the real library is there, data with the same size
- a function exported under MPI_ is a weak alias of the one under PMPI_
"""
import glob
import importlib.util
import os
import re
import subprocess
import sys

problems = []


def check(ok, text):
    if not ok:
        problems.append(text)


def symbols(path, flag):
    """name -> (type, size) of a library's dynamic symbols."""
    out = subprocess.run(['nm', '-D', '-S', flag, path], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in out.splitlines():
        w = line.split()
        name, kind = w[-1].split('@')[0], w[-2]
        size = int(w[1], 16) if len(w) == 4 else 0
        if flag == '--defined-only':
            check(name not in found, '%s: %s is defined twice' % (path, name))
        found[name] = (kind, size)
    return found


def real_library():
    for line in subprocess.run(['/sbin/ldconfig', '-p'], capture_output=True, text=True).stdout.splitlines():
        if 'libmpi.so.40 ' in line:
            return line.split('=>')[1].strip()
    sys.exit(77)


def main():
    source, stub_path, compiler = sys.argv[1], sys.argv[2], sys.argv[3:]
    spec = importlib.util.spec_from_file_location('generate', os.path.join(source, 'src/mpi/generate.py'))
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    real_path = real_library()
    real, stub = symbols(real_path, '--defined-only'), symbols(stub_path, '--defined-only')
    functions = generate.prototypes(compiler)
    check(len(functions) > 400, 'only %d prototypes were found in mpi.h' % len(functions))
    for name in functions:
        check(stub.get(name, ' ')[0] == 'W', '%s is not exported as a weak alias' % name)
        check(stub.get('P' + name, ' ')[0] == 'T', 'P%s is not exported' % name)

    out = subprocess.run(compiler + ['-E', '-P', '-x', 'c', '-'], input='#include <mpi.h>\n', capture_output=True,
                         text=True, check=True).stdout
    data = set(re.findall(r'extern struct ompi_predefined_\w+ (\w+);', out)) | {'MPI_F_STATUS_IGNORE', 'MPI_F_STATUSES_IGNORE'}
    check(len(data) > 100, 'only %d data symbols were found in mpi.h' % len(data))
    for name in sorted(data):
        check(stub.get(name, (0, -1))[1] == real[name][1], '%s: size %s, the library has %d' %
              (name, stub.get(name, (0, 'none'))[1], real[name][1]))

    where = os.path.dirname(real_path)
    bindings = [lib for lib in glob.glob(where + '/libmpi_*.so.40') if 'java' not in lib]  # a JVM is no rank
    check(len(bindings) >= 3, 'only %d language bindings were found' % len(bindings))
    for lib in bindings:
        for name in symbols(lib, '--undefined-only'):
            if name not in real:
                continue
            check(name in stub, '%s imports %s' % (os.path.basename(lib), name))
            if real[name][0] in 'DBR' and name in stub:
                check(stub[name][1] == real[name][1], '%s: size %d, the library has %d' % (name, stub[name][1], real[name][1]))
    print('%d functions, %d data symbols, %d bindings' % (len(functions), len(data), len(bindings)))
    if problems:
        sys.exit('\n'.join(sorted(set(problems))))


if __name__ == "__main__":
    main()
