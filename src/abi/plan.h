/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The plan: everything that the freestanding restorer needs to become a checkpointed process, as one flat memfd
 * (sealed). Made by the host side from a checked image; checked again by the restorer, which trusts no offset, count or
 * address in it. Offsets are bytes from the start of the plan. Addresses are those of the restored process. No pointer.
 *
 * The host side has already done, before it execs the restorer: every descriptor at its final number (without
 * close-on-exec), cwd, root, umask, process limits (of a plain process), session and group. The restorer does the rest:
 * memory, threads, signals, timers, credentials, seccomp.
 */
#ifndef RP_ABI_PLAN_H
#define RP_ABI_PLAN_H

#include <stdint.h>

#define RP_PLAN_MAGIC 0x6e616c7065737072UL
#define RP_PLAN_VERSION 1

enum rp_plan_flag {
	RP_PLAN_RANK = 1,      /* fill the upper half beside a live lower half (bootstrap), else replace everything */
	RP_PLAN_PID_ANY = 2,   /* thread ids may differ from those recorded: patch the TCB's tid */
	RP_PLAN_STOPPED = 8,   /* stopped by job control, before the first instruction of its own */
	RP_PLAN_CAPS_DROP = 4, /* drop capabilities of the restorer that the image's credentials do not hold */
};

struct rp_plan_table {
	uint64_t off;
	uint64_t count;
};

enum rp_plan_vma_type {
	RP_VMA_ANON, /* private anonymous (stacks and heap included) */
	RP_VMA_FILE, /* fd at pgoff, MAP_PRIVATE or MAP_SHARED by flags (memfd and ghost files too) */
	RP_VMA_SHM,  /* shared anonymous, object `shm` (index), byte offset pgoff */
	RP_VMA_VVAR, /* kernel's vvar pages (also vvar_vclock): moved, never filled */
	RP_VMA_VDSO,
	RP_VMA_VSYSCALL, /* always there: skipped */
};

struct rp_plan_vma {
	uint64_t start, end;
	uint64_t pgoff; /* bytes */
	uint32_t type;	/* enum rp_plan_vma_type */
	uint32_t prot;	/* PROT_* as restored at the end */
	uint32_t
		flags; /* MAP_* : MAP_PRIVATE/MAP_SHARED, MAP_GROWSDOWN, MAP_HUGETLB | size bits, MAP_NORESERVE, MAP_STACK */
	int32_t fd;	/* RP_VMA_FILE; open in the restorer; -1 */
	uint32_t shm;	/* RP_VMA_SHM: index into shms */
	uint32_t mlock; /* 0, 1: mlock, 2: mlock2(MLOCK_ONFAULT) */
	uint64_t madv;	/* bit n: madvise(n) (DONTFORK, MERGEABLE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, WIPEONFORK ...) */
	uint32_t pkey, pad;
};

/* A run of pages to fill. */
struct rp_plan_run {
	uint64_t vaddr; /* or, with shm != UINT32_MAX, byte offset in that object */
	uint64_t len;	/* bytes, multiple of the page size */
	uint64_t file_off;
	int32_t fd; /* pages file */
	uint32_t shm;
};

struct rp_plan_shm {
	uint64_t id;
	uint64_t size;
	int32_t fd; /* >= 0: a memfd or file prepared by the host side; -1: the restorer makes it (MAP_SHARED|MAP_ANONYMOUS) */
	uint32_t pad;
};

struct rp_plan_thread {
	int32_t tid; /* threads[0] is the leader */
	uint32_t exit_signal;
	uint64_t
		regs[27]; /* struct user_regs_struct: r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax
			      rip cs eflags rsp ss fs_base gs_base ds es fs gs; system call restart already applied */
	uint64_t xsave_off, xsave_len; /* XSAVE image, standard (non-compacted) format, exact kernel length */
	uint64_t sigmask;
	uint64_t sas_sp, sas_size;
	uint32_t sas_flags;
	uint32_t rseq_len; /* 0: not registered */
	uint64_t rseq_addr;
	uint32_t rseq_sig;
	uint32_t robust_len;
	uint64_t robust_addr;
	uint64_t clear_tid_addr;
	char comm[16];
	uint32_t sched_policy;
	int32_t nice;
	uint32_t sched_prio;
	uint32_t sched_flags;
	uint32_t pdeath_sig;
	uint32_t cpuset_len; /* bytes, 0: leave the launcher's */
	uint64_t cpuset_off;
	uint32_t siginfo_first, siginfo_count; /* this thread's own pending signals, in siginfos */
	uint32_t creds;			       /* index into creds */
	uint32_t seccomp_first, seccomp_count; /* filters oldest first */
	uint32_t seccomp_strict;
	uint32_t no_new_privs;
	uint32_t timerslack_ns;
	uint32_t ioprio;				      /* ioprio_set(2), 0: the default */
	uint64_t sched_runtime, sched_deadline, sched_period; /* SCHED_DEADLINE */
};

struct rp_plan_sigaction {
	uint64_t handler, flags, restorer, mask; /* kernel's struct sigaction; table index = signal - 1 */
};

struct rp_plan_posix_timer {
	int32_t id, clock;
	int32_t notify; /* SIGEV_* */
	int32_t signo;
	uint64_t sival;
	int32_t tid; /* SIGEV_THREAD_ID */
	int32_t overrun;
	int64_t value_ns, interval_ns; /* remaining; 0: disarmed */
};

struct rp_plan_creds {
	uint32_t uid, euid, suid, fsuid, gid, egid, sgid, fsgid;
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	uint32_t securebits, groups_count;
	uint64_t groups_off; /* uint32_t[] */
	uint32_t change;     /* 0: leave the restorer's ids as they are (already equal) */
	uint32_t pad;
};

struct rp_plan_seccomp {
	uint64_t off;	/* struct sock_filter[] */
	uint32_t count; /* instructions */
	uint32_t flags; /* SECCOMP_FILTER_FLAG_* */
};

enum rp_plan_fdop_type {
	RP_FDOP_CLOEXEC, /* set close-on-exec */
	RP_FDOP_CLOSE,	 /* service descriptor of the restore itself: close last */
	RP_FDOP_SETOWN,	 /* F_SETOWN_EX: arg = F_OWNER_*, arg2 = id */
	RP_FDOP_SETSIG,	 /* F_SETSIG: arg */
	RP_FDOP_SETFL,	 /* F_SETFL: arg (O_ASYNC last of all) */
	RP_FDOP_TIMERFD, /* timerfd_settime: arg = flags, arg2 = remaining ns, arg3 = interval ns; absolute: of CLOCK_REALTIME */
	RP_FDOP_STATUS, /* at most one: where to write struct rp_plan_status (one write), on failure before exiting, on
			     success just before the final jumps; then it is closed like RP_FDOP_CLOSE. The same struct
			     is written on it by the host side for failures before the restorer runs. */
	RP_FDOP_LOCK,	/* F_SETLK: arg = F_RDLCK or F_WRLCK, arg2 = start, arg3 = length; after all others: closing any
			     descriptor of the file gives it up */
};

/* What the process to be says to whoever waits for it. End of file without one: it died. */
struct rp_plan_status {
	int32_t code;	/* 0: the checkpointed process runs; else -errno */
	uint32_t stage; /* restorer's own step number, for bug reports */
	uint64_t arg;	/* address, tid ... that the step was about */
	char text[496]; /* one line, empty: made from code, stage and arg */
};

struct rp_plan_fdop {
	int32_t fd;
	uint32_t op;
	uint64_t arg, arg2, arg3;
};

struct rp_plan_mm {
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end;
	uint64_t auxv_off, auxv_len; /* bytes */
	int32_t exe_fd;		     /* -1: leave */
	uint32_t dumpable;
	uint32_t thp_disabled, pad;
};

/* prlimit64(2). In ranks: the lower half has to start before a limit of the application holds. */
struct rp_plan_limit {
	uint32_t which, pad; /* RLIMIT_* */
	uint64_t cur, max;
};

struct rp_plan_itimer {
	int64_t value_us, interval_us;
};

struct rp_plan {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t total_size;
	uint32_t flags; /* enum rp_plan_flag */
	int32_t plan_fd;
	int32_t pid;
	uint32_t child_subreaper;
	uint64_t hole_start, hole_len; /* free in the image's address space: the restorer moves itself here */
	uint64_t task_size;
	struct rp_plan_table vmas; /* sorted by start, disjoint */
	struct rp_plan_table runs; /* sorted by (shm, vaddr), disjoint, inside one vma or object */
	struct rp_plan_table shms;
	struct rp_plan_table threads;
	struct rp_plan_table sigactions;		     /* 64 or 0 */
	struct rp_plan_table siginfos;			     /* 128-byte siginfo_t as PTRACE_PEEKSIGINFO gives it */
	uint32_t shared_siginfo_first, shared_siginfo_count; /* process-wide pending */
	struct rp_plan_table posix_timers;
	struct rp_plan_table creds;
	struct rp_plan_table seccomps;
	struct rp_plan_table fdops;
	struct rp_plan_mm mm;
	struct rp_plan_itimer itimers[3]; /* real, virtual, prof */
	/* RP_PLAN_RANK only */
	uint64_t saved_off, saved_len; /* struct rp_arena_saved */
	uint64_t launch_off,
		launch_len; /* struct rp_launch of split.h: paths, argv, env, descriptors of the lower half */
	struct rp_plan_table limits;
	/* CLOCK_MONOTONIC, _RAW and CLOCK_BOOTTIME of the application when it was stopped, 0: not known */
	int64_t dump_mono_ns, dump_raw_ns, dump_boot_ns;
	uint64_t gadgets[4]; /* found at dump time: [0] syscall;ret in the image's text, 0 unknown */
	uint64_t reserved[12];
	uint32_t personality;  /* personality(2) */
	uint32_t mdwe;	       /* PR_SET_MDWE, last of all that changes memory */
	uint32_t memory_merge; /* PR_SET_MEMORY_MERGE */
	uint32_t mlock_future; /* flags of mlockall(2), 0: none */
};

#endif
