/* SPDX-License-Identifier: BSD-3-Clause
 *
 * usage: others [KEEP]
 * What is not carried across a restart yet has to work all the same: one-sided communication, MPI-IO, nonblocking
 * collectives, the tool interface, generalized requests. Prints the same natively and under Reprise. With KEEP (win, file,
 * tool, code, persistent, request) that kind of object stays alive after the line READY, so that a checkpoint has something to
 * refuse, until there is a file "free"; it is freed, and after the line FREED the program waits for a file "end".
 */
#include <mpi.h>
#include <mpi-ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int rank, size, bad;

static void check(int ok, const char *what)
{
	int all;

	MPI_Allreduce(&ok, &all, 1, MPI_INT, MPI_LAND, MPI_COMM_WORLD);
	if (!rank)
		printf("%s: %s\n", what, all ? "ok" : "WRONG");
	bad += !all;
}

static void wait_for(const char *asked, const char *kind, const char *line, const char *file)
{
	if (!asked || strcmp(asked, kind))
		return;
	MPI_Barrier(MPI_COMM_WORLD);
	if (!rank)
		fprintf(stderr, "%s\n", line);
	while (access(file, F_OK))
		usleep(2000);
}

static void keep(const char *asked, const char *kind)
{
	wait_for(asked, kind, "READY", "free");
}

static void freed_now(const char *asked, const char *kind)
{
	wait_for(asked, kind, "FREED", "end");
}

static int win_errors, file_errors;

static void on_win(MPI_Win *win, int *code, ...)
{
	win_errors++;
}

static void on_file(MPI_File *file, int *code, ...)
{
	file_errors++;
}

static void one_sided(const char *asked)
{
	double buffer[4] = { 0 }, one = rank + 1.0, got = 0, sum = 0;
	int right = (rank + 1) % size, left = (rank + size - 1) % size, flag, n, unit, *up;
	MPI_Aint bytes, *sp;
	MPI_Errhandler handler;
	MPI_Request request;
	MPI_Group group;
	MPI_Win win;
	void *base;

	MPI_Win_create(buffer, sizeof(buffer), sizeof(double), MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	MPI_Win_fence(0, win);
	MPI_Put(&one, 1, MPI_DOUBLE, right, 0, 1, MPI_DOUBLE, win);
	MPI_Accumulate(&one, 1, MPI_DOUBLE, 0, 1, 1, MPI_DOUBLE, MPI_SUM, win);
	MPI_Win_fence(0, win);
	MPI_Get(&got, 1, MPI_DOUBLE, right, 0, 1, MPI_DOUBLE, win);
	MPI_Get(&sum, 1, MPI_DOUBLE, 0, 1, 1, MPI_DOUBLE, win);
	MPI_Win_fence(0, win);
	check(buffer[0] == left + 1 && got == rank + 1 && sum == size * (size + 1) / 2.0, "put, get, accumulate");
	MPI_Win_lock(MPI_LOCK_SHARED, right, 0, win);
	MPI_Rput(&one, 1, MPI_DOUBLE, right, 2, 1, MPI_DOUBLE, win, &request);
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	MPI_Win_unlock(right, win);
	MPI_Barrier(MPI_COMM_WORLD);
	check(request == MPI_REQUEST_NULL && buffer[2] == left + 1, "passive target");
	MPI_Win_get_attr(win, MPI_WIN_BASE, &base, &flag);
	n = flag && base == buffer;
	MPI_Win_get_attr(win, MPI_WIN_SIZE, &sp, &flag);
	n = n && flag && *sp == sizeof(buffer);
	MPI_Win_get_attr(win, MPI_WIN_DISP_UNIT, &up, &flag);
	check(n && flag && *up == sizeof(double), "attributes of a window");
	MPI_Win_get_group(win, &group);
	MPI_Group_size(group, &n);
	MPI_Group_free(&group);
	check(n == size, "group of a window");
	MPI_Win_create_errhandler(on_win, &handler);
	MPI_Win_set_errhandler(win, handler);
	MPI_Win_call_errhandler(win, MPI_ERR_OTHER);
	n = MPI_Put(&one, 1, MPI_DOUBLE, size + 5, 0, 1, MPI_DOUBLE, win);
	MPI_Errhandler_free(&handler);
	check(n != MPI_SUCCESS && win_errors == 2, "error handler of a window");
	keep(asked, "win");
	MPI_Win_free(&win);
	freed_now(asked, "win");
	check(win == MPI_WIN_NULL, "freed window");
	MPI_Win_allocate_shared(sizeof(int), sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD, &base, &win);
	*(int *)base = rank;
	MPI_Win_fence(0, win);
	MPI_Win_shared_query(win, right, &bytes, &unit, &base);
	check(*(int *)base == right && bytes == sizeof(int), "shared window");
	MPI_Win_free(&win);
}

static void files(const char *asked)
{
	char name[64];
	int out[8], in[8], n, flag, key_len;
	MPI_Datatype view, etype, filetype;
	MPI_Errhandler handler;
	MPI_Offset bytes, disp;
	MPI_Request request;
	MPI_Status status;
	MPI_File fh;
	MPI_Info info;

	snprintf(name, sizeof(name), "/tmp/others-%d", (int)getppid());
	MPI_Bcast(name, sizeof(name), MPI_CHAR, 0, MPI_COMM_WORLD);
	n = MPI_File_open(MPI_COMM_WORLD, "/nonexistent/file", MPI_MODE_RDONLY, MPI_INFO_NULL, &fh);
	check(n != MPI_SUCCESS, "a file that is not there");
	MPI_File_create_errhandler(on_file, &handler);
	MPI_File_set_errhandler(MPI_FILE_NULL, handler);
	MPI_File_open(MPI_COMM_WORLD, "/nonexistent/file", MPI_MODE_RDONLY, MPI_INFO_NULL, &fh);
	MPI_File_set_errhandler(MPI_FILE_NULL, MPI_ERRORS_RETURN);
	MPI_Errhandler_free(&handler);
	check(file_errors == 1, "error handler of files");
	MPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE, MPI_INFO_NULL,
		      &fh);
	MPI_Type_vector(4, 2, 2 * size, MPI_INT, &view);
	MPI_Type_commit(&view);
	MPI_File_set_view(fh, (MPI_Offset)rank * 2 * (MPI_Offset)sizeof(int), MPI_INT, view, "native", MPI_INFO_NULL);
	for (int i = 0; i < 8; i++)
		out[i] = 100 * rank + i;
	MPI_File_write_at_all(fh, 0, out, 8, MPI_INT, &status);
	MPI_Get_count(&status, MPI_INT, &n);
	MPI_File_sync(fh);
	MPI_File_get_size(fh, &bytes);
	check(n == 8 && bytes == 8 * size * (int)sizeof(int), "collective write with a view");
	MPI_File_iread_at(fh, 0, in, 8, MPI_INT, &request);
	MPI_Wait(&request, &status);
	check(!memcmp(in, out, sizeof(in)), "nonblocking read");
	MPI_File_get_view(fh, &disp, &etype, &filetype, name);
	check(etype == MPI_INT && disp == rank * 2 * (int)sizeof(int), "view");
	MPI_File_get_info(fh, &info);
	MPI_Info_get_valuelen(info, "no such hint", &key_len, &flag);
	MPI_Info_free(&info);
	check(!flag, "hints");
	keep(asked, "file");
	MPI_Type_free(&view);
	MPI_File_close(&fh);
	freed_now(asked, "file");
	check(fh == MPI_FILE_NULL, "closed file");
}

static void largest(void *in, void *inout, int *len, MPI_Datatype *type)
{
	for (int i = 0; i < *len; i++)
		if (((int *)in)[i] > ((int *)inout)[i])
			((int *)inout)[i] = ((int *)in)[i];
}

static void collectives(const char *asked)
{
	int x = rank, y = -1, flag = 0, *counts = calloc((size_t)size, sizeof(int)),
	    *displs = calloc((size_t)size, sizeof(int));
	int *from = calloc((size_t)size, sizeof(int)), *to = calloc((size_t)size, sizeof(int));
	MPI_Datatype *types = calloc((size_t)size, sizeof(MPI_Datatype));
	MPI_Request requests[3];
	MPI_Comm dup;
	MPI_Op op;

	MPI_Op_create(largest, 1, &op);
	MPI_Iallreduce(&x, &y, 1, MPI_INT, op, MPI_COMM_WORLD, &requests[0]);
	MPI_Ibarrier(MPI_COMM_WORLD, &requests[1]);
	MPI_Comm_idup(MPI_COMM_WORLD, &dup, &requests[2]);
	keep(asked, "code");
	MPI_Waitall(3, requests, MPI_STATUSES_IGNORE);
	freed_now(asked, "code");
	check(y == size - 1, "nonblocking reduction with an operation of our own");
	MPI_Comm_compare(dup, MPI_COMM_WORLD, &x);
	check(x == MPI_CONGRUENT, "nonblocking duplicate");
	for (int i = 0; i < size; i++) {
		counts[i] = 1;
		displs[i] = i * (int)sizeof(int);
		types[i] = MPI_INT;
		from[i] = 10 * rank + i;
	}
	MPI_Ialltoallw(from, counts, displs, types, to, counts, displs, types, dup, &requests[0]);
	for (int i = 0; i < size; i++)
		types[i] = MPI_DATATYPE_NULL; /* has been read */
	while (!flag)
		MPI_Test(&requests[0], &flag, MPI_STATUS_IGNORE);
	for (int i = 0; i < size; i++) {
		flag = flag && to[i] == 10 * i + rank;
		types[i] = MPI_INT;
	}
	check(flag, "nonblocking alltoallw");
	MPI_Alltoallw(MPI_IN_PLACE, NULL, NULL, NULL, to, counts, displs, types, dup);
	check(to[rank] == 11 * rank, "alltoallw in place");
	MPI_Op_free(&op);
	MPIX_Barrier_init(dup, MPI_INFO_NULL, &requests[0]);
	keep(asked, "persistent");
	MPI_Request_free(&requests[0]);
	freed_now(asked, "persistent");
	MPI_Comm_free(&dup);
	free(counts);
	free(displs);
	free(from);
	free(to);
	free(types);
}

static void tools(const char *asked)
{
	int level, n = 0, len = 64, desc_len = 64, verbosity, bind, scope, count;
	char name[64], desc[64];
	MPI_T_cvar_handle handle;
	MPI_Datatype type;
	MPI_T_enum e;

	MPI_T_init_thread(MPI_THREAD_SINGLE, &level);
	MPI_T_cvar_get_num(&n);
	check(n > 10, "control variables");
	for (int i = 0; i < n; i++) {
		len = desc_len = 64;
		if (MPI_T_cvar_get_info(i, name, &len, &verbosity, &type, &e, desc, &desc_len, &bind, &scope) ==
			    MPI_SUCCESS &&
		    type == MPI_INT && MPI_T_cvar_handle_alloc(i, NULL, &handle, &count) == MPI_SUCCESS)
			break;
	}
	check(MPI_T_cvar_read(handle, &n) == MPI_SUCCESS, "reading one");
	keep(asked, "tool");
	MPI_T_cvar_handle_free(&handle);
	freed_now(asked, "tool");
	MPI_T_finalize();
}

static int queried, freed;

static int greq_query(void *extra, MPI_Status *status)
{
	queried += *(int *)extra;
	MPI_Status_set_elements(status, MPI_INT, 3);
	MPI_Status_set_cancelled(status, 0);
	status->MPI_SOURCE = status->MPI_TAG = 17;
	return MPI_SUCCESS;
}

static int greq_free(void *extra)
{
	freed += *(int *)extra;
	return MPI_SUCCESS;
}

static int greq_cancel(void *extra, int complete)
{
	return MPI_SUCCESS;
}

static void generalized(const char *asked)
{
	int extra = 5, n, flag;
	MPI_Request request;
	MPI_Status status;

	MPI_Grequest_start(greq_query, greq_free, greq_cancel, &extra, &request);
	MPI_Test(&request, &flag, &status);
	check(!flag, "generalized request is open");
	keep(asked, "request");
	MPI_Grequest_complete(request);
	MPI_Wait(&request, &status);
	MPI_Get_count(&status, MPI_INT, &n);
	freed_now(asked, "request");
	check(n == 3 && status.MPI_TAG == 17 && queried >= 5 && freed == 5, "generalized request");
}

int main(int argc, char **argv)
{
	const char *asked = argc > 1 ? argv[1] : NULL;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	one_sided(asked);
	files(asked);
	collectives(asked);
	tools(asked);
	generalized(asked);
	MPI_Finalize();
	return bad ? 1 : 0;
}
