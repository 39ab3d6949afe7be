/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What ministub.c exports; void pointers for handles.
 */
#ifndef RP_TESTS_SPLIT_MINISTUB_H
#define RP_TESTS_SPLIT_MINISTUB_H

int MPI_Init_thread(int *argc, char ***argv, int want, int *got);
int MPI_Finalize(void);
int MPI_Comm_rank(void *comm, int *rank);
int MPI_Comm_size(void *comm, int *size);
int MPI_Barrier(void *comm);
int MPI_Send(const void *buf, int n, void *type, int peer, int tag, void *comm);
int MPI_Recv(void *buf, int n, void *type, int peer, int tag, void *comm, void *status);
int MPI_Op_create(void *fn, int commute, void **op);
int MPI_Allreduce(const void *in, void *out, int n, void *type, void *op, void *comm);

void *mini_world(void);
void *mini_int(void);
int mini_op(void (*fn)(void *, void *, int *, void *), void **op);
int mini_depth(void);

#endif
