/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The stub's objects. An MPI handle of the application is the address of one of these; its first 8 bytes hold the handle
 * of the lower library, so that translation is one load, and a restart patches that word. Predefined objects are
 * exported data symbols with Open MPI's names and sizes (predefined.c); an executable may hold them by copy relocation,
 * therefore they are always reached by name (through the GOT), and everything that a predefined object needs lies in it.
 *
 * Rules for code that uses them:
 *  - A lower handle is loaded *inside* (after rp_mpi_enter(), before rp_leave()): at depth 0 a thread may be frozen at any
 *    instruction and go on in another incarnation, where an older lower handle means nothing.
 *  - A new object is linked (rp_object_link) with its lower handle before rp_leave(), so that a thread frozen right
 *    after has nothing that replay does not know. Memory is taken before rp_mpi_enter() (rp_object_new).
 *  - Lists, counts of references and tables are changed under rp_lock(). The control thread keeps that lock from the drain
 *    to the end of the attempt, so that no thread can be frozen while it holds it; replay() inherits it (rp_lock_inherit).
 *
 * Fields named native_* lie where Debian's Fortran bindings of Open MPI 4.1 look into an object (found by disassembly:
 * the local and remote group of a communicator in *_alltoallw, its key hash in *_get_attr, o_flags in op_create, the
 * language byte of a generalized request). tests/mpi/audit checks the offsets against the binary interface.
 */
#ifndef RP_MPI_OBJECT_H
#define RP_MPI_OBJECT_H

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

enum rp_object_kind {
	RP_COMM,
	RP_GROUP,
	RP_TYPE,
	RP_OP,
	RP_ERRHANDLER,
	RP_INFO,
	RP_REQUEST,
	RP_MESSAGE,
	RP_WIN,
	RP_FILE,
	RP_NKINDS,
};

enum rp_object_flag {
	RP_PREDEFINED = 1,
	RP_NULL_HANDLE = 2,  /* MPI_COMM_NULL and its like */
	RP_FREED = 4,	     /* the application freed its handle; others still need the object (refs > 0) */
	RP_COMMITTED = 8,    /* type */
	RP_INTER = 16,	     /* communicator */
	RP_COMMUTATIVE = 32, /* operation */
};

struct rp_link {
	struct rp_link *next, *prev; /* NULL: not linked */
};

/* The head that all objects share. Order in a kind's list is order of creation: parts come before the whole. */
struct rp_object {
	void *lower;
	uint16_t kind;
	uint16_t flags;
	uint32_t refs;
	int32_t word;	 /* rp_group: number of members, where the Fortran bindings read it */
	int32_t f_index; /* Fortran handle, -1 none yet */
	struct rp_link link;
};

struct rp_attr;	  /* attr.h */
struct rp_keyval; /* attr.h */

/* A set of world ranks in group order. Purely the stub's: the lower group is made when a call needs one and forgotten at
 * a restart. */
struct rp_group {
	struct rp_object o; /* o.word: number of members */
	int32_t my_rank;    /* MPI_UNDEFINED when not a member */
	uint32_t foreign;   /* 1: has members outside this world: lower only, not carried */
	int32_t *world;	    /* world rank of each member, from rp_heap */
	uint64_t hash;	    /* of the list */
};

enum rp_topology { RP_TOPO_NONE, RP_TOPO_CART, RP_TOPO_GRAPH, RP_TOPO_DIST };

/* Recorded as the creating call gave it (for a distributed graph: this rank's own edges). Comes from rp_heap. */
struct rp_topo {
	int32_t ndims; /* CART: dims[n], periods[n]; GRAPH: nodes */
	int32_t nedges;
	int32_t indegree, outdegree, weighted;
	int32_t *dims, *periods;	      /* CART */
	int32_t *index, *edges;		      /* GRAPH */
	int32_t *sources, *source_weights;    /* DIST */
	int32_t *destinations, *dest_weights; /* DIST */
};

struct rp_comm {
	struct rp_object o;
	/* one cache line with the head: what a call looks at */
	uint64_t seq; /* collective clock: collectives entered; changed by rp_coll_enter() only */
	uint64_t key; /* the same on all members, unique in the job (key.h) */
	int32_t size, rank;
	int32_t *world; /* world ranks of the local group (native_local_group's list); comm rank r is world[r] */
	/* ---- */
	struct rp_errhandler *errhandler;
	int32_t remote_size;
	uint32_t topology;     /* enum rp_topology */
	int32_t *remote_world; /* intercommunicator: the remote group's list, else NULL */
	struct rp_topo *topo;
	uint64_t created; /* communicators made collectively from this one */
	struct rp_attr *attrs;
	struct rp_comm_calls *group_calls; /* clocks that the members of one group share */
	struct rp_info *info;
	uint64_t msg[8]; /* MPIMSG's own (message.h) */
	unsigned char pad[232 - 200];
	uint32_t native_flags; /* 232: bit 0: intercommunicator */
	uint32_t pad1[3];
	struct rp_group *native_local_group;  /* 248: referenced */
	struct rp_group *native_remote_group; /* 256: the local one in an intracommunicator (then not referenced) */
	uint64_t pad2;
	void *native_keyhash; /* 272: the communicator itself, what ompi_attr_get_*() are given */
	uint64_t pad3[4];
	void *native_error_handler;	/* 312 */
	int32_t native_errhandler_type; /* 320 */
	int32_t pad4;
	char name[MPI_MAX_OBJECT_NAME];
};

/* How a derived type was made: MPI_Type_get_envelope()'s and _get_contents()'s answer, and the recipe for replay. */
struct rp_type {
	struct rp_object o;
	int64_t size, lb, extent, true_lb, true_extent; /* cached, valid when `known` */
	uint32_t known;
	int32_t combiner;
	int32_t ni, na, nd;
	int32_t *ints;
	MPI_Aint *addrs;
	struct rp_type **types; /* referenced */
	struct rp_attr *attrs;
	char *name; /* NULL: predefined name, or "" */
	unsigned char pad[208 - 144];
	void *native_keyhash; /* 208: the type itself */
	uint64_t pad1;
};

struct rp_op {
	struct rp_object o;
	MPI_User_function *fn;
	int32_t slot; /* trampoline, -1: predefined */
	uint32_t pad0;
	MPI_User_function *cxx; /* C++ bindings: the application's function, fifth argument of fn */
	unsigned char pad[84 - 64];
	uint32_t native_flags; /* 84: bit 1: fn is Fortran (all arguments by reference, handle as integer) */
	uint64_t pad1;
};

/* Run by the stub after the lower call returned an error: the lower communicator only knows "fatal" or "return". */
struct rp_errhandler {
	struct rp_object o;
	int32_t object_kind; /* RP_COMM, RP_WIN, RP_FILE; -1: predefined */
	int32_t fortran;
	void (*fn)(void);
	unsigned char pad[128 - 56];
};

struct rp_info_pair {
	struct rp_info_pair *next;
	char *value;
	char key[MPI_MAX_INFO_KEY + 1];
};

/* Purely the stub's, as groups are. */
struct rp_info {
	struct rp_object o;
	struct rp_info_pair *pairs; /* in order of insertion */
	int32_t count;
	int32_t pad;
};

/* MPIMSG owns everything behind the head; predefined.c gives MPI_REQUEST_NULL its 256 bytes. */
struct rp_request {
	struct rp_object o;
	uint64_t msg[14]; /* overlaid by message.h */
	unsigned char pad[192 - 152];
	uint8_t native_greq_is_c; /* 192: the Fortran bindings write 0 here after PMPI_Grequest_start() */
	uint8_t pad1[63];
};

struct rp_message {
	struct rp_object o;
	uint64_t msg[27];
};

/* Not carried yet: alive = a reason to refuse a checkpoint. */
struct rp_win {
	struct rp_object o;
	const char *made_by; /* name of the MPI function */
	struct rp_comm *comm;
	struct rp_errhandler *errhandler;
	struct rp_attr *attrs;
	void *base; /* MPI_Win_allocate: upper memory handed to the lower library */
	char *name;
	unsigned char pad[240 - 88];
	void *native_keyhash; /* 240 */
	uint64_t pad1[4];
};

struct rp_file {
	struct rp_object o;
	const char *made_by;
	struct rp_errhandler *errhandler;
	uint64_t pad[24];
};

/* State of the stub. One static object (rp_stub), upper half, saved with the application. */
enum rp_mpi_state { RP_MPI_NONE, RP_MPI_IN_INIT, RP_MPI_READY, RP_MPI_IN_FINALIZE, RP_MPI_FINALIZED };

struct rp_f_table {
	struct rp_object **slots;
	int32_t used, size; /* used: one more than the highest index ever given */
	int32_t first_free; /* no free slot below */
	int32_t predefined; /* indices below belong to predefined objects */
};

struct rp_stub {
	volatile uint32_t state; /* enum rp_mpi_state */
	int32_t thread_required, thread_provided;
	int32_t world_rank, world_size;
	int32_t main_tid;
	uint32_t lock, lock_depth; /* of rp_lock() */
	uint64_t lock_owner;
	uint32_t lower_ready; /* arena generation for which rp_lower is filled, 0: none */
	uint32_t pad;
	struct rp_link objects[RP_NKINDS]; /* heads of circular lists, user objects in order of creation */
	uint64_t count[RP_NKINDS];
	struct rp_f_table f_tables[RP_NKINDS];
	int64_t tool_sessions;		   /* MPI_T objects alive, not carried */
	const char *tool_by;		   /* the function that made the last one */
	struct rp_error_user *error_users; /* classes, codes and strings that the application added, in order */
	struct rp_keyval *keyvals;	   /* attr.h */
	int32_t tag_ub, host, io, wtime_is_global, appnum, universe_size, lastusedcode, nkeyvals;
	struct {
		uint64_t sent, received;
	} __attribute__((aligned(64))) total; /* point-to-point messages; one increment each on the fast path */
	uint64_t reserved[32];
};

extern struct rp_stub rp_stub __attribute__((visibility("hidden")));

/* Predefined objects by their C types: the symbols that mpi.h declares. */
#define RP_OBJ(handle) ((struct rp_object *)(void *)(handle))
#define RP_C(comm) ((struct rp_comm *)(void *)(comm))
#define RP_T(type) ((struct rp_type *)(void *)(type))
#define RP_G(group) ((struct rp_group *)(void *)(group))
#define RP_O(op) ((struct rp_op *)(void *)(op))
#define RP_E(errh) ((struct rp_errhandler *)(void *)(errh))
#define RP_I(info) ((struct rp_info *)(void *)(info))
#define RP_R(req) ((struct rp_request *)(void *)(req))
#define RP_M(msg) ((struct rp_message *)(void *)(msg))
#define RP_W(win) ((struct rp_win *)(void *)(win))
#define RP_F(file) ((struct rp_file *)(void *)(file))

/* The lower handle behind a handle. Only between rp_mpi_enter() and rp_leave(). A NULL pointer (not an MPI handle) stays NULL,
 * so that the lower library can complain. */
static inline void *rp_real(const void *handle)
{
	return handle ? *(void *const volatile *)handle : NULL;
}

#define RP_LOWER_COMM(h) ((MPI_Comm)rp_real(h))
#define RP_LOWER_TYPE(h) ((MPI_Datatype)rp_real(h))
#define RP_LOWER_OP(h) ((MPI_Op)rp_real(h))
#define RP_LOWER_REQUEST(h) ((MPI_Request)rp_real(h))
#define RP_LOWER_MESSAGE(h) ((MPI_Message)rp_real(h))
#define RP_LOWER_WIN(h) ((MPI_Win)rp_real(h))
#define RP_LOWER_FILE(h) ((MPI_File)rp_real(h))
/* Groups and infos have a lower object on demand: inside only. */
#define RP_LOWER_GROUP(h) rp_group_lower(RP_G(h))
#define RP_LOWER_INFO(h) rp_info_lower(RP_I(h))

#define RP_HIDE __attribute__((visibility("hidden")))

/* ---- heap.c: memory that any thread may take on any FS ---- */

/* Zeroed memory, 16-byte aligned; NULL: out of memory. rp_heap_free() accepts NULL. */
RP_HIDE void *rp_heap_alloc(size_t size);
RP_HIDE void rp_heap_free(void *p);
RP_HIDE void *rp_heap_dup(const void *p, size_t size); /* NULL when size is 0 */
RP_HIDE char *rp_heap_strdup(const char *s);

/* The lock of lists, tables, reference counts and the heap (futex, any FS, recursive). Never held over a call of the
 * lower library or of the application, except by the control thread (see above). */
RP_HIDE void rp_lock(void);
RP_HIDE void rp_unlock(void);
/* After a restart: the lock is held by a thread of the former incarnation (or free); from now on by the caller. */
RP_HIDE void rp_lock_inherit(void);

/* ---- object.c ---- */

/* A user object of the given kind, refs 1, not linked, f_index -1, lower NULL. NULL: out of memory. */
RP_HIDE void *rp_object_new(enum rp_object_kind kind, size_t size);
/* Appends to the kind's list: from now on replay rebuilds it. Any FS; takes rp_lock(). */
RP_HIDE void rp_object_link(void *object);
RP_HIDE void rp_object_ref(void *object); /* predefined: nothing */
/* Drops a reference; the last one unlinks, forgets the Fortran index and frees the memory and what it references (the
 * lower object is the caller's business, before). Any FS; predefined: nothing. Returns 1 when the object is gone. */
RP_HIDE int rp_object_unref(void *object);
/* Frees an object that was never linked. */
RP_HIDE void rp_object_discard(void *object);
/* User objects of a kind in order of creation: `for (o = rp_first(K); o; o = rp_next(o))`, under rp_lock(). */
RP_HIDE struct rp_object *rp_first(enum rp_object_kind kind);
RP_HIDE struct rp_object *rp_next(const struct rp_object *o);
/* The stub's object for a lower handle, predefined ones included; NULL: unknown. Any FS. Linear: for callbacks. */
RP_HIDE void *rp_object_of(enum rp_object_kind kind, const void *lower);

/* Fortran handles (integers) of any kind. f2c of an unknown index gives the null handle's object. Any FS. */
RP_HIDE int32_t rp_c2f(void *object);
RP_HIDE void *rp_f2c(enum rp_object_kind kind, int32_t index);
/* An object that lives on without a Fortran handle. */
RP_HIDE void rp_f_forget(struct rp_object *o);
/* The index that a predefined object has in mpif.h. */
RP_HIDE void rp_f_predefine(void *object, int32_t index);

/* ---- predefined.c ---- */

/* Fills `lower` of every predefined object from the lower library. Inside (lower FS). 0, or -ENOENT: a symbol is missing. */
RP_HIDE int rp_predefined_fill(void);
RP_HIDE void rp_predefined_f_index(void); /* after MPI_Init */
/* The null handle's object of a kind. */
RP_HIDE void *rp_null_object(enum rp_object_kind kind);

/* ---- lower objects on demand, inside only ---- */
RP_HIDE MPI_Group rp_group_lower(struct rp_group *g);
RP_HIDE MPI_Info rp_info_lower(struct rp_info *info);

/* ---- errors (errhandler.c): upper FS, depth 0; all return the code that the MPI function has to return ---- */

/* After a lower call on `comm` returned rc != MPI_SUCCESS: runs the application's own error handler if there is one
 * (fatal ones never get here: the lower library ended the process). NULL: MPI_COMM_WORLD's. */
RP_HIDE int rp_comm_error(struct rp_comm *comm, int rc);
/* An error that the stub found itself: the same, and fatal where the communicator's handler says so. */
RP_HIDE int rp_comm_raise(struct rp_comm *comm, int code, const char *function);
RP_HIDE int rp_win_error(struct rp_win *win, int rc);
RP_HIDE int rp_file_error(struct rp_file *file, int rc);
/* The lower handler that stands for one of the stub's: fatal or return. Inside. */
RP_HIDE MPI_Errhandler rp_errhandler_lower(const struct rp_errhandler *e);

/* ---- replay.c ---- */

/* Rebuilds all objects in a new lower library: predefined ones, types, operations, communicators; groups and infos lose
 * their lower object. Inside, main thread, after MPI_Init; the lock is held by the caller. 0 or -errno with one line. */
RP_HIDE int rp_objects_replay(char *text, uint32_t size);
/* Objects that cannot be carried: 0 none, 1 one line in text ("MPI_Win_create: a window is open; ..."). Any FS, locked. */
RP_HIDE int rp_objects_refuse(char *text, uint32_t size);

#endif
