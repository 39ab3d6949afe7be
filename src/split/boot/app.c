/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Starts the two programs of a rank: the lower one in the arena, on a stack of its own, and the application as execve
 * would have started it: on the kernel's own [stack], with the attributes that PR_SET_MM_MAP can give (prctl(2)).
 */
#include <sys/prctl.h>

#include "arch/x86_64/tls.h"
#include "arch/x86_64/vdso.h"
#include "split/boot/boot.h"
#include "split/standin/table.h"

#define BRK_RANDOM_PAGES 0x2000
#define PROT_GROWSDOWN_BIT 0x01000000

extern const char rp_standin_image[], rp_standin_image_end[];

struct mm_map {
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t arg_start, arg_end, env_start, env_end, auxv;
	uint32_t auxv_size, exe_fd;
};

void rp_lower_start(void)
{
	const struct rp_launch *l = rp_boot.launch;
	struct rp_stack s = { .strings = l, .envc = l->lower_envc, .envp = l->lower_envp };
	struct rp_elf prog, interp;
	long r;

	rp_elf_load(rp_launch_str(l, l->lower), RP_PLACE_LOWER, 0, &prog);
	if (!prog.interp[0])
		rp_die_with(125, "the lower program names no dynamic linker", rp_launch_str(l, l->lower), 0);
	rp_elf_load(prog.interp, RP_PLACE_LOWER, 0, &interp);
	r = rp_arena_mmap(0, RP_LOWER_STACK_SIZE, 3, 0x24022, -1, 0);
	if (rp_is_error(r))
		rp_die_with(125, "cannot map the lower half's stack", NULL, r);
	s.top = r + RP_LOWER_STACK_SIZE;
	s.argv0 = "reprise-lower";
	s.execfn = rp_launch_str(l, l->lower);
	s.prog = &prog;
	s.interp = &interp;
	s.vdso = rp_vdso_base();
	rp_stack_build(&s);
	rp_jump(s.sp, interp.entry);
}

void rp_standin_refill(uint64_t base)
{
	struct rp_standin_table *t = (struct rp_standin_table *)(base + RP_PAGE_SIZE);

	t->clock_gettime = rp_vdso_find("__vdso_clock_gettime");
	t->gettimeofday = rp_vdso_find("__vdso_gettimeofday");
	t->time = rp_vdso_find("__vdso_time");
	t->getcpu = rp_vdso_find("__vdso_getcpu");
	t->clock_getres = rp_vdso_find("__vdso_clock_getres");
	t->mono_offset_ns = rp_arena()->saved.mono_offset_ns;
	t->raw_offset_ns = rp_arena()->saved.raw_offset_ns;
	t->boot_offset_ns = rp_arena()->saved.boot_offset_ns;
}

uint64_t rp_standin_map(void)
{
	uint64_t len = rp_standin_image_end - rp_standin_image;
	long r = rp_mmap(0, 2 * RP_PAGE_SIZE, 3, 0x22, -1, 0);

	if (rp_is_error(r) || len > RP_PAGE_SIZE)
		rp_die_with(125, "cannot map the stand-in vdso", NULL, r);
	memcpy((void *)r, rp_standin_image, len);
	rp_mprotect(r, RP_PAGE_SIZE, 5);
	rp_standin_refill(r);
	return r;
}

/* /proc/PID/exe, cmdline, environ, auxv, stat and the heap's place: as if the kernel had loaded the program. */
static void set_mm(const struct rp_elf *prog, const struct rp_stack *s)
{
	struct mm_map m = {
		.start_code = prog->start_code,
		.end_code = prog->end_code,
		.start_data = prog->start_data,
		.end_data = prog->end_data,
		.start_stack = s->sp,
		.arg_start = s->arg_start,
		.arg_end = s->arg_end,
		.env_start = s->env_start,
		.env_end = s->env_end,
		.auxv = s->auxv,
		.auxv_size = s->auxv_size,
		.exe_fd = prog->fd,
	};
	uint64_t shift = 0;
	long r;

	rp_sys(SYS_getrandom, &shift, sizeof(shift), 0, 0);
	m.start_brk = m.brk = RP_PAGE_UP(prog->brk) + shift % BRK_RANDOM_PAGES * RP_PAGE_SIZE;
	r = rp_syscall6(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)&m, sizeof(m), 0, 0);
	if (r == -1) { /* no capability for the exe link: /proc/PID/exe shows the bootstrap */
		m.exe_fd = -1;
		r = rp_syscall6(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)&m, sizeof(m), 0, 0);
	}
	if (r)
		rp_die_with(125, "cannot describe the program to the kernel", NULL, r);
	rp_arena()->saved.brk_start = m.start_brk;
}

static void allow_exec_stack(void)
{
	rp_mprotect(RP_PAGE_DOWN(rp_boot.stack_top - 1), RP_PAGE_SIZE, 7 | PROT_GROWSDOWN_BIT);
}

void rp_app_run(void)
{
	const struct rp_launch *l = rp_boot.launch;
	struct rp_arena *a = rp_arena();
	struct rp_stack s = { .strings = l, .argc = l->argc, .argv = l->argv, .envc = l->envc, .envp = l->envp };
	struct rp_elf prog, interp;

	a->main_lower_fs = rp_rdfsbase();
	if (rp_boot.restart)
		rp_restart_finish();
	rp_elf_load(rp_launch_str(l, l->app), RP_PLACE_PIE, 1, &prog);
	if (prog.interp[0]) {
		rp_elf_load(prog.interp, RP_PLACE_UPPER, 0, &interp);
		rp_arena()->flags |= RP_ARENA_DYNAMIC;
	}
	if (prog.exec_stack)
		allow_exec_stack();
	a->saved.standin_vdso = rp_standin_map();
	s.top = rp_boot.stack_top;
	s.argv0 = rp_launch_str(l, l->app);
	s.execfn = rp_launch_str(l, l->execfn);
	s.prog = &prog;
	s.interp = prog.interp[0] ? &interp : NULL;
	s.vdso = a->saved.standin_vdso;
	rp_stack_build(&s);
	set_mm(&prog, &s);
	rp_sys(SYS_close, prog.fd, 0, 0, 0);
	rp_sys(SYS_prctl, PR_SET_NAME, rp_launch_str(l, l->comm), 0, 0);
	rp_wrfsbase(0);
	__atomic_store_n(&a->flags, a->flags | RP_ARENA_STARTED, __ATOMIC_RELEASE);
	rp_jump(s.sp, s.interp ? interp.entry : prog.entry);
}
