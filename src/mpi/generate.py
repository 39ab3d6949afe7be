#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the entry points of the stub library from mpi.h's prototypes and functions.txt.

usage: generate.py OUTDIR FUNCTIONS CLASSES SOURCES... -- COMPILER [ARG ...]

Reads the prototypes by preprocessing <mpi.h> and <mpi-ext.h>. Writes into OUTDIR
  mpi_lower.h       struct rp_lower_table: one typed pointer per function of the lower library
  mpi_lower.c       their names, in the same order
  mpi_wrap.c        every function that none of SOURCES defines
  mpi_functions.c   rp_mpi_functions[]: name, class, carried or not, for the launch-time line
  mpi_functions.json the same for `reprise check`
A prototype without a row, a row without a prototype and a parameter that no rule covers are errors.
"""
import json
import re
import subprocess
import sys

HANDLES = {'MPI_Comm': 'COMM', 'MPI_Datatype': 'TYPE', 'MPI_Op': 'OP', 'MPI_Request': 'REQUEST', 'MPI_Message': 'MESSAGE',
           'MPI_Win': 'WIN', 'MPI_File': 'FILE', 'MPI_Group': 'GROUP', 'MPI_Info': 'INFO'}
# Handles of the tool interface are the lower library's own: nothing in the stub knows them.
OPAQUE = {'MPI_T_enum', 'MPI_T_cvar_handle', 'MPI_T_pvar_handle', 'MPI_T_pvar_session'}
PLAIN = {'int', 'char', 'void', 'MPI_Aint', 'MPI_Offset', 'MPI_Count', 'MPI_Status', 'MPI_Fint'} | OPAQUE
# Objects of these classes are carried: what makes them is written by hand, each knows what replay needs.
BY_HAND = {'p2p', 'request', 'comm-create', 'type-create', 'op', 'attribute', 'errhandler', 'fortran'}


class Param:
    def __init__(self, text):
        m = re.fullmatch(r'(const )?(\w+) ?(\**) ?(\w+) ?((?:\[\d*\])*)', re.sub(r'\* +', '*', text).strip())
        if not m:
            raise ValueError('parameter "%s"' % text)
        self.const, self.type, self.stars, self.name, self.dims = bool(m[1]), m[2], len(m[3]), m[4], m[5]
        self.text = text
        self.depth = self.stars + self.dims.count('[')


class Function:
    def __init__(self, ret, name, params):
        self.ret, self.name = ret, name
        self.text = params.strip()
        self.params = []
        self.problem = None
        if self.text != 'void':
            try:
                self.params = [Param(p) for p in re.sub(r'\s+', ' ', self.text).split(',')]
            except ValueError as e:
                self.problem = str(e)

    def first(self, handle):
        return next((p.name for p in self.params if p.type == handle and p.depth == 0), None)


def prototypes(compiler):
    src = '#include <mpi.h>\n#include <mpi-ext.h>\n'
    out = subprocess.run(compiler + ['-E', '-P', '-x', 'c', '-'], input=src, capture_output=True, text=True, check=True).stdout
    out = re.sub(r'__attribute__ *\(\((?:[^()]|\([^()]*\))*\)\)', '', re.sub(r'\s+', ' ', out))
    found = {}
    for m in re.finditer(r'(int|double|MPI_\w+|char) (\**)((?:MPI|MPIX)_\w+) ?\(([^;{}]*)\) ?;', out):
        if m[3] != 'MPIX_Query_cuda_support' and not m[3].startswith('MPIX_Aff') and m[3] != 'OMPI_Affinity_str':
            found.setdefault(m[3], Function(m[1], m[3], m[4]))
    return found


def rows(path, width):
    for number, line in enumerate(open(path), 1):
        line = line.split('#')[0].split(None, width)
        if line:
            yield number, line


def keys_of(words):
    keys = {}
    for w in words:
        k, _, v = w.partition(':')
        keys.setdefault(k, []).append(v)
    return keys


class Body:
    """The generated body of one function: what comes before the switch, inside it, and after it."""

    def __init__(self, f, cls, keys):
        self.f, self.cls, self.keys = f, cls, keys
        self.before, self.inside, self.done, self.fail, self.after, self.args = [], [], [], [], [], []
        self.arrays, self.request = [], None
        lengths = dict(v.split('=', 1) for v in keys.get('length', []))
        for p in f.params:
            self.param(p, lengths)
        self.share_arrays()

    def param(self, p, lengths):
        if p.type in HANDLES and p.depth == 0:
            self.args.append('RP_LOWER_%s(%s)' % (HANDLES[p.type], p.name))
        elif p.type in HANDLES and p.name in lengths:
            self.array(p, lengths[p.name])
        elif p.name in self.keys.get('free', []):
            self.freed(p)
        elif p.type in HANDLES and p.stars == 1 and not p.dims and not p.const and self.cls not in BY_HAND:
            self.output(p)
        elif p.type in PLAIN:
            self.args.append(p.name)
        else:
            raise ValueError('no rule for parameter "%s"' % p.text)

    def array(self, p, length):
        """Translated arrays share one block; a nonblocking call's lives as long as its request."""
        n = p.name
        start = ''.join(a + '_n + ' for a in self.arrays)
        self.arrays.append(n)
        self.before.append('int %s_n = %s;' % (n, length))
        self.inside += ['for (int i = 0; !rp_absent(%s) && i < %s_n; i++)' % (n, n),
                        '\tarrays[%si] = RP_LOWER_%s(%s[i]);' % (start, HANDLES[p.type], n)]
        self.args.append('rp_absent(%s) ? (%s *)%s : arrays%s' % (n, p.type, n, ' + ' + start[:-3] if start else ''))
        self.array_type = p.type

    def share_arrays(self):
        if self.arrays:
            self.before.append('%s *arrays = rp_heap_alloc(sizeof(*arrays) * (size_t)(%s + 1));' %
                               (self.array_type, ' + '.join(a + '_n' for a in self.arrays)))
            if self.request:
                self.inside.append('rp_request_attach(%s_new, arrays);' % self.request)
            else:
                self.after.append('rp_heap_free(arrays);')

    def freed(self, p):
        n = p.name
        self.before.append('struct rp_object *%s_old = RP_OBJ(*%s);' % (n, n))
        self.before.append('%s %s_lower;' % (p.type, n))
        self.inside.append('%s_lower = RP_LOWER_%s(%s_old);' % (n, HANDLES[p.type], n))
        self.args.append('&%s_lower' % n)
        self.done += ['%s_old->lower = %s_lower;' % (n, n)]
        self.after += ['if (rc == MPI_SUCCESS) {', '\trp_foreign_freed(%s_old);' % n,
                       '\t*%s = rp_null_object(RP_%s);' % (n, HANDLES[p.type]), '}']

    def output(self, p):
        n, kind = p.name, HANDLES[p.type]
        comm = self.f.first('MPI_Comm')
        if kind == 'REQUEST':
            self.request = n
            self.before += ['struct rp_request *%s_new = rp_request_begin();' % n, 'MPI_Request %s_lower = NULL;' % n]
            self.args.append('&%s_lower' % n)
            return
        if kind in ('GROUP', 'INFO', 'TYPE'):  # a lower object becomes one of the stub's own
            self.before.append('%s %s_lower = NULL;' % (p.type, n))
            self.args.append('%s ? &%s_lower : NULL' % (n, n))
            self.done += ['if (%s)' % n, '\t*%s = rp_%s_adopt(%s_lower);' % (n, kind.lower(), n)]
            return
        self.before.append('struct rp_object *%s_new = rp_foreign_new(RP_%s, "%s", %s);' %
                           (n, kind, self.f.name, 'RP_C(%s)' % comm if comm else 'NULL'))
        self.args.append('(%s *)&%s_new->lower' % (p.type, n))
        self.done.append('rp_foreign_made(%s_new);' % n)
        self.fail.append('rp_object_discard(%s_new);' % n)
        self.after += ['if (rc == MPI_SUCCESS)', '\t*%s = rp_foreign_handle(%s_new);' % (n, n)]

    def request_lines(self):
        """Kinds of requests: collective (completed at a checkpoint), with code of the application, persistent, others."""
        op = self.f.first('MPI_Op')
        if self.f.name.endswith('_init'):
            kind = 'RP_OTHER_PERSISTENT'
        elif self.cls == 'nbcoll':
            kind = 'rp_op_runs_code(%s) ? RP_OTHER_CODE : RP_OTHER_COLL' % op if op else 'RP_OTHER_COLL'
        else:
            kind = 'RP_OTHER_REFUSE'
        comm = self.f.first('MPI_Comm')
        return ['*%s = rp_request_other(%s_new, rc, %s_lower, %s, "%s", %s);' %
                (self.request, self.request, self.request, kind, self.f.name, 'RP_C(%s)' % comm if comm else 'NULL')]

    def error(self):
        if self.cls == 'io' and not self.f.first('MPI_File'):
            return 'rp_file_error(NULL, rc)'
        for handle, name in (('MPI_Comm', 'comm'), ('MPI_Win', 'win'), ('MPI_File', 'file')):
            v = self.f.first(handle)
            if v:
                return 'rp_%s_error(RP_%s(%s), rc)' % (name, name[0].upper(), v)
        return 'rp_comm_error(NULL, rc)'

    def enter(self):
        comm = self.f.first('MPI_Comm')
        if self.keys.get('coll') is None:
            return 'rp_mpi_enter()', 'rp_leave(t);'
        if self.cls == 'nbcoll' and not self.f.name.endswith('_init'):
            return 'rp_nbcoll_enter(RP_C(%s))' % comm, 'rp_leave(t);'
        return 'rp_coll_enter_at(RP_C(%s)->key, &RP_C(%s)->seq)' % (comm, comm), 'rp_coll_leave(t);'

    def guard(self):
        """The clock and what is learned from a communicator are read here: the null handle has both, NULL has nothing."""
        comm = self.f.first('MPI_Comm')
        if not comm or self.keys.get('coll') is None:
            return []
        raised = 'rp_file_error(NULL, MPI_ERR_COMM)' if self.cls == 'io' else 'rp_comm_raise(NULL, MPI_ERR_COMM, "%s")' % self.f.name
        return ['\tif (__builtin_expect(!%s, 0))' % comm, '\t\treturn %s;' % raised]

    def text(self):
        f = self.f
        enter, leave = self.enter()
        call = 'rp_lower.%s(%s);' % (f.name, ', '.join(self.args))
        if self.keys.get('alive') is not None:
            self.done.append('rp_foreign_counted("%s");' % f.name)
        if self.keys.get('dead') is not None:
            self.done.append('rp_foreign_uncounted();')
        out = ['RP_EXPORT %s P%s(%s)' % (f.ret, f.name, f.text), '{'] + self.guard() + ['\t' + s for s in self.before]
        out += ['\tstruct rp_thread *t;', '\t%s rc;' % f.ret, '']
        out += ['\tt = %s;' % enter]
        out += ['\t' + s for s in self.inside] + ['\trc = ' + call]
        if self.request:
            out += ['\t' + s for s in self.request_lines()]
        if self.done:
            out += ['\tif (rc == MPI_SUCCESS) {'] + ['\t\t' + s for s in self.done] + ['\t}']
        out += ['\t' + leave]
        if self.fail:
            out += ['\tif (rc != MPI_SUCCESS) {'] + ['\t\t' + s for s in self.fail] + ['\t}']
        out += ['\t' + s for s in self.after]
        if f.ret == 'int' and self.cls != 'tool':
            out += ['\tif (__builtin_expect(rc != MPI_SUCCESS, 0))', '\t\treturn %s;' % self.error()]
        return '\n'.join(out + ['\treturn rc;', '}', 'RP_ALIAS(%s);' % f.name, ''])


HEAD = '/* SPDX-License-Identifier: BSD-3-Clause\n *\n * Made by src/mpi/generate.py. */\n'


def write(path, text):
    with open(path, 'w') as out:
        out.write(text)


def main():
    split = sys.argv.index('--')
    outdir, functions, classes = sys.argv[1:4]
    sources, compiler = sys.argv[4:split], sys.argv[split + 1:]
    found = prototypes(compiler)
    written = set()
    for path in sources:
        written |= set(re.findall(r'^RP_EXPORT .*\bP(MPIX?_\w+)\(', open(path).read(), re.M))
    later = {w[0]: (w[1] == 'later', w[2].strip() if len(w) > 2 else '') for _, w in rows(classes, 2)}

    table, wrap, problems = [], [], []
    for number, words in rows(functions, -1):
        name, cls, keys = words[0], words[1], keys_of(words[2:])
        f = found.get(name)
        if not f or cls not in later:
            problems.append('%s:%d: %s: no such %s' % (functions, number, name, 'class' if f else 'prototype'))
            continue
        table.append((f, cls))
        if name in written:
            continue
        try:
            if f.problem:
                raise ValueError(f.problem)
            wrap.append(Body(f, cls, keys).text())
        except ValueError as e:
            problems.append('%s:%d: %s: %s' % (functions, number, name, e))
    have = {f.name for f, _ in table}
    problems += ['%s: %s has no row' % (functions, n) for n in sorted(set(found) - have)]
    if problems:
        sys.exit('\n'.join(problems))

    write(outdir + '/mpi_lower.h', HEAD + '#ifndef RP_MPI_LOWER_TABLE_H\n#define RP_MPI_LOWER_TABLE_H\n\n#include <mpi.h>\n'
          '#include <mpi-ext.h>\n\n#define RP_LOWER_COUNT %d\n\nstruct rp_lower_table {\n' % len(table)
          + ''.join('\t__typeof__(%s) *%s;\n' % (f.name, f.name) for f, _ in table) + '};\n\n#endif\n')
    write(outdir + '/mpi_lower.c', HEAD + '#include "mpi/lower.h"\n\nconst char *const rp_lower_names[RP_LOWER_COUNT] = {\n'
          + ''.join('\t"P%s",\n' % f.name for f, _ in table) + '};\n')
    write(outdir + '/mpi_wrap.c', HEAD + '#include "mpi/wrap.h"\n\n' + '\n'.join(wrap))
    write(outdir + '/mpi_functions.c', HEAD + '#include "abi/mpi_functions.h"\n\nconst struct rp_mpi_function rp_mpi_functions[] = {\n'
          + ''.join('\t{ "%s", "%s", %d, "%s" },\n' % (f.name, c, not later[c][0], later[c][1]) for f, c in table)
          + '\t{ 0 },\n};\n')
    write(outdir + '/mpi_functions.json', json.dumps(
        [{'name': f.name, 'class': c, 'carried': not later[c][0]} for f, c in table], indent=0) + '\n')


if __name__ == "__main__":
    main()
