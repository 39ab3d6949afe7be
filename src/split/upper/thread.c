/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Application threads that call MPI: their list, and the twin that each is lent. Code of the lower program (twin_get)
 * runs at depth > 0 and behind the gate like every other lower code: a thread may not be frozen inside it.
 */
#include "split/upper/upper.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "arch/x86_64/syscall.h"

__thread struct rp_thread rp_thread_tls __attribute__((tls_model("initial-exec")));

/* Provided by src/mpi (gate.h): at depth 1 on the upper FS, returns with the gate passed. */
extern RP_HIDDEN void rp_gate_wait(struct rp_thread *t) __attribute__((weak));

static struct {
	uint32_t lock; /* 0 free, 1 held, 2 held and waited for; FS-neutral, hence no pthread mutex */
	struct rp_thread *head;
	pthread_key_t key;
} threads;

struct rp_thread *rp_threads_lock(void)
{
	uint32_t was = 0;

	if (!__atomic_compare_exchange_n(&threads.lock, &was, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		while (__atomic_exchange_n(&threads.lock, 2, __ATOMIC_ACQUIRE))
			rp_syscall6(SYS_futex, (long)&threads.lock, FUTEX_WAIT_PRIVATE, 2, 0, 0, 0);
	return threads.head;
}

void rp_threads_unlock(void)
{
	if (__atomic_exchange_n(&threads.lock, 0, __ATOMIC_RELEASE) == 2)
		rp_syscall6(SYS_futex, (long)&threads.lock, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

static void link_thread(struct rp_thread *t)
{
	rp_threads_lock();
	t->next = (uint64_t)threads.head;
	threads.head = t;
	rp_threads_unlock();
}

static void unlink_thread(struct rp_thread *t)
{
	struct rp_thread **p;

	rp_threads_lock();
	for (p = &threads.head; *p; p = (struct rp_thread **)&(*p)->next) {
		if (*p == t) {
			*p = (struct rp_thread *)t->next;
			break;
		}
	}
	rp_threads_unlock();
}

/* Raises the depth and passes the gate. */
static void begin(struct rp_thread *t)
{
	*(volatile uint32_t *)&t->depth += 1;
	__asm__ volatile("" : : : "memory");
	if (rp_gate_wait)
		rp_gate_wait(t);
}

/* The thread ends: its twin can serve another one. The main thread's is the lower main thread itself. */
static void detach(void *arg)
{
	struct rp_thread *t = arg;

	if (!rp_is_rank() || !t->self)
		return;
	begin(t);
	if (!t->is_main && t->generation == rp_arena()->generation)
		rp_arena()->twin_put(t->lower_fs);
	t->generation = 0;
	rp_enter_cancel(t);
	unlink_thread(t);
	rp_wrgsbase(0);
	t->self = 0;
}

static void first_entry(struct rp_thread *t)
{
	t->self = (uint64_t)t;
	t->upper_fs = rp_rdfsbase();
	t->tid = (int32_t)rp_syscall0(SYS_gettid);
	t->is_main = t->tid == rp_arena()->pid;
	t->generation = 0;
	t->depth = 0;
	link_thread(t);
	if (t->is_main)
		rp_arena()->saved.main_thread = (uint64_t)t;
	else
		pthread_setspecific(threads.key, t);
}

void rp_thread_attach(struct rp_thread *t)
{
	struct rp_arena *a = rp_arena();
	int r = 0;

	if (rp_outside)
		rp_upper_die("this program was given Reprise's MPI library without `reprise rank`");
	if (!rp_is_rank())
		rp_upper_die("a forked child of a rank called MPI; only the process that was launched may");
	if (!t->self)
		first_entry(t);
	rp_wrgsbase((uint64_t)t); /* from here on the depth is seen from outside */
	begin(t);
	if (t->generation != a->generation) {
		uint32_t generation = a->generation;

		if (t->is_main)
			t->lower_fs = a->main_lower_fs;
		else
			r = a->twin_get(t->tid, &t->lower_fs);
		if (r)
			rp_upper_die("no thread can be made for the MPI library");
		t->generation = generation;
	}
	rp_enter_cancel(t);
	rp_env_refresh();
}

void rp_threads_init(void)
{
	pthread_key_create(&threads.key, detach);
}

void rp_threads_fork_child(void)
{
	threads.lock = 0;
	threads.head = 0;
	rp_thread_mine()->generation = 0;
	rp_wrgsbase(0);
}
