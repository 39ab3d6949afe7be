/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What happens when the stub is loaded, and in forked children.
 */
#include "split/upper/upper.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/x86_64/syscall.h"
#include "split/upper/next.h"

int rp_outside;

void rp_upper_say(const char *subject, const char *text)
{
	const char *parts[] = { "reprise: ", subject, text, "\n" };
	char line[1024];
	size_t n = 0;

	for (int i = 0; i < 4; i++)
		for (const char *p = parts[i]; *p && n < sizeof(line); p++)
			line[n++] = *p;
	rp_syscall3(SYS_write, 2, (long)line, (long)n);
}

void rp_upper_die(const char *text)
{
	rp_upper_say("", text);
	for (;;)
		rp_syscall1(SYS_exit_group, 125);
}

int rp_upper_tells(uint32_t what)
{
	struct rp_ctl *ctl = (struct rp_ctl *)rp_arena()->ctl;
	const char *rank = getenv("OMPI_COMM_WORLD_RANK");

	if (ctl)
		return !(__atomic_fetch_or(&ctl->told, what, __ATOMIC_RELAXED) & what);
	rank = rank ? rank : getenv("PMI_RANK");
	return !rank || !strcmp(rank, "0");
}

int rp_is_rank(void)
{
	return !rp_outside && rp_syscall0(SYS_getpid) == rp_arena()->pid;
}

/* The stub is in this process; its children shall not look for it. */
static void clean_preload(void)
{
	const char *stub = rp_launch_str(rp_launch(), rp_launch()->stub), *value = getenv("LD_PRELOAD");
	size_t n = stub ? strlen(stub) : 0, len = value ? strlen(value) : 0;
	char *rest;

	if (!n || len < n || strcmp(value + len - n, stub))
		return;
	if (len == n) {
		unsetenv("LD_PRELOAD");
		return;
	}
	rest = strndup(value, len - n - 1);
	if (rest)
		setenv("LD_PRELOAD", rest, 1);
	free(rest);
}

/* And what was for ld.so alone. */
static void clean_library_path(void)
{
	const char *ours = rp_launch_str(rp_launch(), rp_launch()->library_path), *value = getenv("LD_LIBRARY_PATH");
	size_t n = ours ? strlen(ours) : 0, len = value ? strlen(value) : 0;
	int is_last = rp_launch()->flags & RP_LAUNCH_PATH_LAST;
	char *rest;

	if (!n || len < n || strncmp(is_last ? value + len - n : value, ours, n))
		return;
	if (len == n) {
		unsetenv("LD_LIBRARY_PATH");
		return;
	}
	rest = is_last ? strndup(value, len - n - 1) : strdup(value + n + 1);
	if (rest)
		setenv("LD_LIBRARY_PATH", rest, 1);
	free(rest);
}

static void fork_child(void)
{
	struct rp_arena *a = rp_arena();

	rp_threads_fork_child();
	for (int i = 0; i < RP_FD_BITS / 64; i++)
		for (uint64_t bits = a->fd_bitmap[i]; bits; bits &= bits - 1)
			rp_syscall1(SYS_close, i * 64 + __builtin_ctzl(bits));
}

/* A page that looks like an arena of another age: the first MPI call then ends in rp_thread_attach(). */
static void stay_outside(void)
{
	rp_outside = 1;
	if (mmap((void *)RP_ARENA_BASE, (sizeof(struct rp_arena) + 4095) & ~4095UL, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)RP_ARENA_BASE)
		rp_arena()->generation = 1;
}

__attribute__((constructor(101))) static void init(void)
{
	unsigned char resident;
	struct rp_arena *a = rp_arena();

	rp_next_init();
	if (mincore(a, 1, &resident) || a->magic != RP_ARENA_MAGIC) {
		stay_outside();
		return;
	}
	rp_signals_init();
	rp_jump_init();
	rp_threads_init();
	rp_env_init();
	rp_exe_init();
	clean_preload();
	clean_library_path();
	pthread_atfork(NULL, NULL, fork_child);
	if (&rp_stub_ops)
		__atomic_store_n(&a->saved.stub_ops, (uint64_t)&rp_stub_ops, __ATOMIC_RELEASE);
}
