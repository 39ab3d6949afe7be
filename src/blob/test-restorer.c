/* SPDX-License-Identifier: BSD-3-Clause
 *
 * reprise-restorer on a process that this program dumps by hand: a child of itself with threads that check themselves,
 * AVX state, signals pending, timers, an alternate stack and every kind of memory. No part of the engine but the
 * planner is used. Argument: path of reprise-restorer.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/plan.h"

#define THREADS 5
#define MAPS 256
#define XSAVE_MAX 16384
#define SERVICE_FD 100
#define EXIT_PASS 42
#define BIG (24UL << 20)

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (errno %d)\n", errno);
	exit(1);
}

/* ---- the child ---- */

/* What is hard to see from outside: the child says it. Shared with the parent until the dump. */
struct facts {
	volatile int ready, go;
	struct {
		int tid;
		void *clear_tid;
		stack_t sas;
	} thread[THREADS];
	struct rp_plan_sigaction act[64];
	int timer_id;
};

static struct facts *facts;
static volatile int hits_alarm, hits_timer, hits_usr1[THREADS], hits_usr2;
static __thread int self = -1;
static char *shared_one, *shared_two, *big;
static unsigned char altstack[THREADS][65536];

static void on_signal(int signo, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	if (signo == SIGUSR1 && info->si_value.sival_int == 1000 + self && &here > (char *)altstack[self] &&
	    &here < (char *)altstack[self] + sizeof(altstack[self]))
		hits_usr1[self]++;
	if (signo == SIGUSR2)
		hits_usr2++;
	if (signo == SIGALRM)
		hits_alarm++;
	if (signo == SIGRTMIN && info->si_code == SI_TIMER && info->si_value.sival_int == 77)
		hits_timer++;
}

/* Holds a value in ymm15 (and zmm30 where there is one) over the checkpoint, in a loop without a call. */
static int hold_registers(uint64_t seed, volatile int *go)
{
	uint64_t in[4] = { seed, seed + 1, seed + 2, seed + 3 }, out[4] = { 0 };

	if (__builtin_cpu_supports("avx512f")) {
		uint64_t wide_in[8], wide[8] = { 0 };

		for (int i = 0; i < 8; i++)
			wide_in[i] = seed * 31 + (unsigned)i;
		__asm__ volatile("vmovdqu64 (%0), %%zmm30\n1: pause\n\tcmpl $0, (%2)\n\tje 1b\n\tvmovdqu64 %%zmm30, "
				 "(%1)"
				 :
				 : "r"(wide_in), "r"(wide), "r"(go)
				 : "memory", "cc", "xmm15");
		if (memcmp(wide_in, wide, sizeof(wide)))
			return 0;
	}
	if (!__builtin_cpu_supports("avx"))
		return 1;
	__asm__ volatile("vmovdqu (%0), %%ymm15\n1: pause\n\tcmpl $0, (%2)\n\tje 1b\n\tvmovdqu %%ymm15, (%1)"
			 :
			 : "r"(in), "r"(out), "r"(go)
			 : "memory", "cc", "xmm15");
	return !memcmp(in, out, sizeof(in));
}

static void *thread_main(void *arg)
{
	int me = (int)(long)arg, tid = (int)syscall(SYS_gettid);
	stack_t ss = { .ss_sp = altstack[me], .ss_size = sizeof(altstack[me]) }, now;
	volatile int *go = &facts->go;
	sigset_t one;
	char name[16], seen[16];

	self = me;
	sigaltstack(&ss, NULL);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	snprintf(name, sizeof(name), "thread %d", me);
	prctl(PR_SET_NAME, name);
	prctl(PR_GET_TID_ADDRESS, &facts->thread[me].clear_tid);
	facts->thread[me].sas = ss;
	facts->thread[me].tid = tid;
	__atomic_add_fetch(&facts->ready, 1, __ATOMIC_SEQ_CST);
	if (!hold_registers(0x1234567 * (uint64_t)(me + 1), go))
		return "registers";
	if (self != me || syscall(SYS_gettid) != tid)
		return "thread identity";
	prctl(PR_GET_NAME, seen);
	if (strcmp(seen, name))
		return "name";
	sigaltstack(NULL, &now);
	if (now.ss_sp != ss.ss_sp || now.ss_size != ss.ss_size)
		return "alternate stack";
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	return hits_usr1[me] == 1 ? NULL : "pending signal";
}

static void fill(char *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len / 4; i++)
		((unsigned *)p)[i] = seed = seed * 1664525 + 1013904223;
}

static unsigned sum(const char *p, size_t len)
{
	unsigned s = 0;

	for (size_t i = 0; i < len / 4; i++)
		s = s * 31 + ((const unsigned *)p)[i];
	return s;
}

static int check_memory(unsigned big_sum)
{
	int *down = (int *)big;

	if (sum(big, BIG) != big_sum)
		return 0;
	shared_one[0] = 'x';
	down[0]++;
	return shared_two[0] == 'x' && !strcmp(shared_two + 4096, "second page") && shared_one[3 * 4096 + 5] == 0;
}

static void child(void)
{
	pthread_t t[THREADS];
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77 };
	struct timespec nap = { .tv_nsec = 300000000 };
	timer_t timer;
	sigset_t usr2;
	unsigned big_sum;
	void *why = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(60);
	big = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill(big, BIG, 1);
	big_sum = sum(big, BIG);
	shared_one = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(shared_one + 4096, "second page");
	shared_two = mremap(shared_one, 0, 2 * 4096, MREMAP_MAYMOVE);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	sigaddset(&usr2, SIGALRM);
	sigaddset(&usr2, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	timer_create(CLOCK_MONOTONIC, &ev, &timer);
	timer_delete(timer);
	timer_create(CLOCK_MONOTONIC, &ev, &timer); /* not number 0 */
	facts->timer_id = (int)(long)timer;
	for (int i = 1; i < 65; i++)
		syscall(SYS_rt_sigaction, i, NULL, &facts->act[i - 1], 8);
	for (int i = 1; i < THREADS; i++)
		pthread_create(&t[i], NULL, thread_main, (void *)(long)i);
	why = thread_main((void *)0L);
	for (int i = 1; i < THREADS && !why; i++)
		pthread_join(t[i], &why);
	if (!why && !check_memory(big_sum))
		why = "memory";
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	for (int i = 0; i < 5; i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	if (!why && hits_usr2 != 1)
		why = "process-wide pending signal";
	if (!why && (hits_alarm < 3 || hits_timer < 3))
		why = "timers";
	if (why) {
		fprintf(stderr, "FAIL: %s (alarm %d timer %d usr2 %d)\n", (char *)why, hits_alarm, hits_timer,
			hits_usr2);
		exit(1);
	}
	exit(EXIT_PASS);
}

/* ---- the dump by hand ---- */

static struct rp_planner *plan;
static int pages_fd;
static uint64_t pages_len;
static int next_fd = SERVICE_FD;

static int service(int fd)
{
	int to = next_fd++;

	if (fd < 0 || dup2(fd, to) != to)
		die("descriptor");
	close(fd);
	rp_planner_fdop(plan, to, RP_FDOP_CLOSE, 0, 0, 0);
	return to;
}

static void add_pages(int mem, uint64_t start, uint64_t end, uint32_t shm, uint64_t at)
{
	char page[4096];

	for (uint64_t a = start; a < end; a += 4096) {
		struct rp_plan_run run = {
			.vaddr = at + (a - start), .len = 4096, .file_off = pages_len, .fd = pages_fd, .shm = shm
		};

		if (pread(mem, page, 4096, (off_t)a) != 4096)
			continue;
		if (pwrite(pages_fd, page, 4096, (off_t)pages_len) != 4096)
			die("pages");
		pages_len += 4096;
		rp_planner_add(plan, RP_PART_RUNS, &run);
	}
}

static uint32_t facts_shm;

static void add_shared(struct rp_plan_vma *v, int mem, unsigned long ino)
{
	static unsigned long known[8];
	static uint32_t count;
	struct rp_plan_shm shm = { .id = ino, .size = v->end - v->start, .fd = -1 };

	for (v->shm = 0; v->shm < count && known[v->shm] != ino; v->shm++)
		;
	v->type = RP_VMA_SHM;
	if (v->shm < count) {
		struct rp_plan_shm *old = rp_planner_row(plan, RP_PART_SHMS, v->shm);

		if (old->size < shm.size) {
			add_pages(mem, v->start + old->size, v->end, v->shm, old->size);
			old->size = shm.size;
		}
		return;
	}
	if (v->start == (uint64_t)facts)
		facts_shm = v->shm;
	known[count++] = ino;
	rp_planner_add(plan, RP_PART_SHMS, &shm);
	add_pages(mem, v->start, v->end, v->shm, 0);
}

static void add_map(int mem, const char *line)
{
	struct rp_plan_vma v = { .fd = -1 };
	char perms[5], path[300] = "";
	unsigned long ino;

	if (sscanf(line, "%lx-%lx %4s %lx %*s %lu %299s", &v.start, &v.end, perms, &v.pgoff, &ino, path) < 5)
		die("maps: %s", line);
	v.prot = (perms[0] == 'r' ? PROT_READ : 0) | (perms[1] == 'w' ? PROT_WRITE : 0) |
		 (perms[2] == 'x' ? PROT_EXEC : 0);
	v.flags = perms[3] == 's' ? MAP_SHARED : MAP_PRIVATE;
	if (!strcmp(path, "[vsyscall]"))
		return;
	if (!strncmp(path, "[vvar", 5))
		v.type = RP_VMA_VVAR;
	else if (!strcmp(path, "[vdso]"))
		v.type = RP_VMA_VDSO;
	else if (!strncmp(path, "/dev/zero", 9))
		add_shared(&v, mem, ino);
	else if (path[0] == '/')
		v.type = RP_VMA_FILE;
	if (v.type == RP_VMA_FILE)
		v.fd = service(open(path, O_RDONLY));
	if (!strcmp(path, "[stack]"))
		v.flags |= MAP_GROWSDOWN;
	if (v.type == RP_VMA_ANON || (v.type == RP_VMA_FILE && !(v.prot & PROT_EXEC)))
		add_pages(mem, v.start, v.end, UINT32_MAX, v.start);
	if (v.type != RP_VMA_SHM)
		v.pgoff = v.type == RP_VMA_FILE ? v.pgoff : 0;
	rp_planner_add(plan, RP_PART_VMAS, &v);
}

static void add_maps(int pid)
{
	char path[64], line[512];
	int mem;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		add_map(mem, line);
	fclose(f);
	close(mem);
}

static uint32_t add_siginfo(int signo, int value)
{
	siginfo_t info = { .si_signo = signo, .si_code = SI_QUEUE };

	info.si_pid = getpid();
	info.si_value.sival_int = value;
	return (uint32_t)rp_planner_add(plan, RP_PART_SIGINFOS, &info);
}

static void add_thread(int index, int tid)
{
	static char xsave[XSAVE_MAX] __attribute__((aligned(64)));
	struct rp_plan_thread t = { .tid = tid };
	struct iovec iov = { xsave, sizeof(xsave) };
	struct {
		uint64_t ptr;
		uint32_t size, sig, flags, pad;
	} rseq;
	char path[64];
	int fd;

	if (ptrace(PTRACE_GETREGS, tid, 0, t.regs) || ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov) ||
	    ptrace(PTRACE_GETSIGMASK, tid, 8, &t.sigmask) ||
	    ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(rseq), &rseq) < 0)
		die("thread %d", tid);
	t.xsave_len = iov.iov_len;
	t.xsave_off = (uint64_t)rp_planner_bytes(plan, xsave, iov.iov_len, 64);
	t.rseq_addr = rseq.ptr;
	t.rseq_len = rseq.ptr ? rseq.size : 0;
	t.rseq_sig = rseq.sig;
	syscall(SYS_get_robust_list, tid, &t.robust_addr, &iov.iov_len);
	t.robust_len = (uint32_t)iov.iov_len;
	t.clear_tid_addr = (uint64_t)facts->thread[index].clear_tid;
	t.sas_sp = (uint64_t)facts->thread[index].sas.ss_sp;
	t.sas_size = facts->thread[index].sas.ss_size;
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	snprintf(path, sizeof(path), "/proc/%d/comm", tid);
	fd = open(path, O_RDONLY);
	if (read(fd, t.comm, 15) > 0)
		*strchrnul(t.comm, '\n') = 0;
	close(fd);
	t.siginfo_first = add_siginfo(SIGUSR1, 1000 + index);
	t.siginfo_count = 1;
	rp_planner_add(plan, RP_PART_THREADS, &t);
}

static void stop(int pid, int tid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, tid, 0, 0) || ptrace(PTRACE_INTERRUPT, tid, 0, 0) ||
	    waitpid(tid, &status, __WALL) != tid)
		die("seize %d of %d", tid, pid);
}

static void add_mm(int pid)
{
	struct rp_plan_mm *mm = &rp_planner_head(plan)->mm;
	char path[64], text[1024], auxv[2048];
	const char *p;
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	n = (int)read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	p = strrchr(text, ')');
	for (n = 2; p && *p; p++)
		if (*p == ' ' && ++n) {
			unsigned long v = strtoul(p + 1, NULL, 10);
			uint64_t *to = n == 26	 ? &mm->start_code
				       : n == 27 ? &mm->end_code
				       : n == 28 ? &mm->start_stack
				       : n == 45 ? &mm->start_data
				       : n == 46 ? &mm->end_data
				       : n == 47 ? &mm->start_brk
				       : n == 48 ? &mm->arg_start
				       : n == 49 ? &mm->arg_end
				       : n == 50 ? &mm->env_start
				       : n == 51 ? &mm->env_end
						 : NULL;
			if (to)
				*to = v;
		}
	mm->brk = mm->start_brk;
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY);
	mm->auxv_len = (uint64_t)read(fd, auxv, sizeof(auxv));
	close(fd);
	mm->auxv_off = (uint64_t)rp_planner_bytes(plan, auxv, mm->auxv_len, 8);
	mm->dumpable = 1;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	mm->exe_fd = service(open(path, O_RDONLY));
}

static void make_plan(int pid)
{
	struct rp_plan_posix_timer timer = { .id = facts->timer_id,
					     .clock = CLOCK_MONOTONIC,
					     .notify = SIGEV_SIGNAL,
					     .signo = SIGRTMIN,
					     .sival = 77,
					     .value_ns = 100000000,
					     .interval_ns = 100000000 };
	struct rp_plan *head;

	rp_planner_new(&plan);
	head = rp_planner_head(plan);
	head->pid = pid;
	head->task_size = 0x7ffffffff000;
	pages_fd = service(memfd_create("pages", 0));
	for (int i = 0; i < THREADS; i++)
		stop(pid, facts->thread[i].tid);
	for (int i = 0; i < THREADS; i++)
		add_thread(i, facts->thread[i].tid);
	add_maps(pid);
	add_mm(pid);
	for (int i = 0; i < 64; i++)
		rp_planner_add(plan, RP_PART_SIGACTIONS, &facts->act[i]);
	head->shared_siginfo_first = add_siginfo(SIGUSR2, 5);
	head->shared_siginfo_count = 1;
	rp_planner_add(plan, RP_PART_POSIX_TIMERS, &timer);
	head->itimers[0].value_us = head->itimers[0].interval_us = 100000;
}

/* Execs the restorer in a process with the wanted id. */
static int restore(const char *restorer, int pid)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid = (uint64_t)&pid, .set_tid_size = 1 };
	struct rp_error err = { "" };
	char number[16];
	int fd = -1, got;

	if (rp_planner_hole(plan, 8 << 20, &err) || rp_planner_memfd(&fd, &err) || rp_planner_seal(plan, fd, &err))
		die("plan: %s", err.text);
	fd = dup(fd);
	got = (int)syscall(SYS_clone3, &args, sizeof(args));
	if (got < 0)
		die("clone3 with pid %d", pid);
	if (!got) {
		rp_planner_free(plan);
		snprintf(number, sizeof(number), "%d", fd);
		execl(restorer, "reprise-restorer", number, (char *)NULL);
		_exit(127);
	}
	return got;
}

int main(int argc, char **argv)
{
	struct timespec nap = { .tv_nsec = 20000000 };
	int pid, status;

	if (argc != 2)
		die("usage: test-restorer RESTORER");
	if (getuid()) {
		puts("SKIP: wants root for exact ids");
		return 77;
	}
	facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (!pid)
		child();
	for (int i = 0; i < 500 && facts->ready != THREADS; i++)
		nanosleep(&nap, NULL);
	nanosleep(&nap, NULL);
	if (facts->ready != THREADS)
		die("child is not ready");
	make_plan(pid);
	/* In the copy the registers are released; the object is the copy's own from here on. */
	facts->go = 0;
	kill(pid, SIGKILL);
	while (waitpid(-1, &status, __WALL) > 0) /* its threads are ours to reap, too */
		;
	for (uint64_t i = 0; i < rp_planner_count(plan, RP_PART_RUNS); i++) {
		struct rp_plan_run *r = rp_planner_row(plan, RP_PART_RUNS, i);
		int one = 1;

		if (r->shm == facts_shm && r->vaddr == 0 &&
		    pwrite(pages_fd, &one, sizeof(one), (off_t)(r->file_off + offsetof(struct facts, go))) !=
			    sizeof(one))
			die("go");
	}
	if (restore(argv[1], pid) != pid || waitpid(pid, &status, 0) != pid)
		die("restore");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_PASS) {
		fprintf(stderr, "FAIL: wait status %#x\n", status);
		return 1;
	}
	puts("PASS");
	return 0;
}
