#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a program that gives every MPI function, for each of its handles in turn, no handle at all (NULL) and the null handle.

usage: invalid.py OUTPUT SOURCE COMPILER [ARG ...]

All other arguments are good ones on MPI_COMM_SELF, and errors return. The program prints the class of error that each call
gives, or "crash"; its argument is a file with the names of calls to leave out (invalid.sh).
"""
import importlib.util
import os
import sys

NULLS = {'MPI_Comm': 'MPI_COMM_NULL', 'MPI_Datatype': 'MPI_DATATYPE_NULL', 'MPI_Op': 'MPI_OP_NULL',
         'MPI_Request': 'MPI_REQUEST_NULL', 'MPI_Message': 'MPI_MESSAGE_NULL', 'MPI_Win': 'MPI_WIN_NULL',
         'MPI_File': 'MPI_FILE_NULL', 'MPI_Group': 'MPI_GROUP_NULL', 'MPI_Info': 'MPI_INFO_NULL',
         'MPI_Errhandler': 'MPI_ERRHANDLER_NULL'}
GOOD = {'MPI_Comm': 'MPI_COMM_SELF', 'MPI_Datatype': 'MPI_INT', 'MPI_Op': 'MPI_SUM', 'MPI_Request': 'MPI_REQUEST_NULL',
        'MPI_Message': 'MPI_MESSAGE_NO_PROC', 'MPI_Win': 'win', 'MPI_File': 'file', 'MPI_Group': 'group', 'MPI_Info': 'info',
        'MPI_Errhandler': 'MPI_ERRORS_RETURN'}
# They do not return, need another job, or are not about handles.
LEFT_OUT = {'MPI_Abort', 'MPI_Init', 'MPI_Init_thread', 'MPI_Finalize', 'MPI_Comm_spawn', 'MPI_Comm_spawn_multiple',
            'MPI_Comm_accept', 'MPI_Comm_connect', 'MPI_Comm_join', 'MPI_Open_port', 'MPI_Close_port', 'MPI_Pcontrol',
            'MPI_Publish_name', 'MPI_Unpublish_name', 'MPI_Lookup_name'}
# Open MPI 4.1 asks the error handler of the null communicator, which is fatal.
FATAL = {'MPI_Improbe comm=MPI_COMM_NULL', 'MPI_Iprobe comm=MPI_COMM_NULL', 'MPI_Mprobe comm=MPI_COMM_NULL',
         'MPI_Probe comm=MPI_COMM_NULL', 'MPI_Imrecv message=MPI_MESSAGE_NULL', 'MPI_Mrecv message=MPI_MESSAGE_NULL'}
# Here two things are wrong with the call, or Open MPI overlooks what is.
OTHERWISE = {'MPI_Type_create_darray oldtype', 'MPI_Type_get_contents array_of_datatypes', 'MPI_Attr_get comm',
             'MPI_Bsend_init datatype'}

HEAD = r'''/* Made by invalid.py. */
#include <mpi.h>
#include <mpi-ext.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static MPI_Win win;
static MPI_File file;
static MPI_Group group;
static MPI_Info info;
static char room[65536];
static union { void *handles[64]; long words[64]; int numbers[128]; } in[16];
static MPI_Status statuses[64];
static char left_out[65536];
static sigjmp_buf back;

static void crashed(int sig)
{
	siglongjmp(back, sig);
}

static int wanted(const char *what)
{
	const char *at = strstr(left_out, what);

	if (at && at[strlen(what)] == '\n')
		return 0;
	printf("%s:", what);
	fflush(stdout);
	return 1;
}

static void said(int rc)
{
	int class = -1;

	MPI_Error_class(rc, &class);
	printf(" class %d\n", class);
	fflush(stdout);
}

static void clean(void)
{
	memset(room, 0, sizeof(room));
	memset(in, 0, sizeof(in));
}

#define TRY(what, call)           \
	do {                      \
		if (!wanted(what)) \
			break;    \
		if (sigsetjmp(back, 1)) \
			printf(" crash\n"); \
		else              \
			said(call); \
	} while (0)
'''

MAIN = '''
int main(int argc, char **argv)
{
	char name[] = "/tmp/invalid-XXXXXX";
	int fd = mkstemp(name);
	FILE *list;

	MPI_Init(&argc, &argv);
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	MPI_Win_create(malloc(4096), 4096, 1, MPI_INFO_NULL, MPI_COMM_SELF, &win);
	MPI_Win_set_errhandler(win, MPI_ERRORS_RETURN);
	MPI_File_open(MPI_COMM_SELF, name, MPI_MODE_RDWR, MPI_INFO_NULL, &file);
	MPI_Comm_group(MPI_COMM_SELF, &group);
	MPI_Info_create(&info);
	signal(SIGSEGV, crashed);
	if (argc > 1 && (list = fopen(argv[1], "r")))
		left_out[fread(left_out, 1, sizeof(left_out) - 1, list)] = 0;
'''


def value(p, i):
    """A good argument for parameter number i, and what has to be set before."""
    if p is None:
        return '0', ''
    if p.type in NULLS and p.depth == 0:
        return GOOD[p.type], ''
    if p.type in NULLS:
        return '(void *)in[%d].handles' % i, ' for (int k = 0; k < 64; k++) in[%d].handles[k] = %s;' % (i, GOOD[p.type])
    if p.type == 'MPI_Status':
        return 'statuses', ''
    if p.depth == 0:
        return '0', ''
    if p.type == 'char' and p.depth == 1:
        return 'room + 256', ''
    if p.type == 'void' and p.depth == 1:
        return 'room + %d' % (1024 * (i + 1)), ''
    return '(void *)&in[%d]' % i, ''


def calls(f):
    for bad, p in enumerate(f.params):
        if p.type not in NULLS or p.depth > 1 or p.const and p.depth == 0:
            continue
        for text, handle in (('NULL', 'NULL'), (NULLS[p.type], NULLS[p.type])):
            before, args = '', []
            for i, q in enumerate(f.params):
                if i == bad and q.depth == 0:
                    args.append(handle)
                    continue
                arg, prepare = value(q, i)
                if i == bad:
                    prepare = ' for (int k = 0; k < 64; k++) in[%d].handles[k] = %s;' % (i, handle)
                before += prepare
                args.append(arg)
            if '%s %s=%s' % (f.name, p.name, text) in FATAL or '%s %s' % (f.name, p.name) in OTHERWISE:
                continue
            yield '\tclean();%s\n\tTRY("%s %s=%s", %s(%s));\n' % (before, f.name, p.name, text, f.name, ', '.join(args))


def main():
    output, source, compiler = sys.argv[1], sys.argv[2], sys.argv[3:]
    spec = importlib.util.spec_from_file_location('generate', os.path.join(source, 'src/mpi/generate.py'))
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    bodies, names = [], []
    for f in sorted(generate.prototypes(compiler).values(), key=lambda f: f.name):
        if f.problem or f.ret != 'int' or f.name in LEFT_OUT or f.name.startswith('MPI_T_'):
            continue
        text = ''.join(calls(f))
        if text:
            names.append(f.name)
            bodies.append('static void try_%s(void)\n{\n%s}\n' % (f.name, text))
    with open(output, 'w') as out:
        out.write(HEAD + '\n' + '\n'.join(bodies) + MAIN)
        out.write(''.join('\ttry_%s();\n' % n for n in names))
        out.write('\tunlink(name);\n\tclose(fd);\n\tprintf("done\\n");\n\tfflush(stdout);\n\t_exit(0);\n}\n')


main()
